/* Heads, proofs, staleness, status and readiness of each stream. */
#include "core/progress/freshness.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "Everything published by t0_ns has a sequence of at most head." */
struct proof {
    int64_t t0_ns;
    int64_t asked_ns;
    int64_t answered_ns;
    int64_t wall_ns; /* asked_ns on the wall clock */
    uint64_t head;
};

struct stream_freshness {
    pthread_mutex_t mutex; /* guards all below */

    struct proof proofs[FRESHNESS_PROOFS_MAX]; /* ascending by t0_ns */
    size_t proofs_count;
    struct epoch proofs_epoch;
    int64_t answered_ns; /* of the newest answer; before the first: when this stream was created */
    bool probe_known;    /* there was one; survives freshness_reset only as the last fact shown */
    int64_t probe_t0_ns;
    int64_t probe_head_ns;
    bool copy;
    bool filtered;
    uint64_t probe_head;
    struct epoch probe_epoch;
    struct epoch past[FRESHNESS_PAST_MAX]; /* the newest first */
    size_t past_count;

    bool applied_known;
    uint64_t applied;
    struct epoch applied_epoch; /* stays when `applied` is not known any more */

    char halted[256]; /* why; "" = it is not */
    bool disconnected;

    bool ready;
    bool target_known;
    uint64_t target;
    struct epoch target_epoch;

    char error[256];
};

struct freshness {
    size_t streams_count;
    struct stream_freshness streams[];
};

const char *stream_status_name(enum stream_status status)
{
    switch (status) {
    case STREAM_LIVE: return "live";
    case STREAM_CATCHING_UP: return "catching-up";
    case STREAM_STARTING: return "starting";
    case STREAM_REBUILDING: return "rebuilding";
    case STREAM_DISCONNECTED: return "disconnected";
    case STREAM_HALTED: return "halted";
    }
    return "unknown";
}

enum sg_status freshness_create(size_t streams_count, struct freshness **out, struct sg_error *err)
{
    struct freshness *f = calloc(1, sizeof *f + streams_count * sizeof f->streams[0]);
    if (f == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the freshness of %zu streams", streams_count);
    f->streams_count = streams_count;
    for (size_t i = 0; i < streams_count; i++) {
        /* A default mutex: initialising one cannot fail on Linux. */
        (void)pthread_mutex_init(&f->streams[i].mutex, NULL);
        f->streams[i].answered_ns = time_boot_ns();
    }
    *out = f;
    return SG_OK;
}

void freshness_destroy(struct freshness *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->streams_count; i++)
        (void)pthread_mutex_destroy(&f->streams[i].mutex);
    free(f);
}

static struct stream_freshness *stream_lock(struct freshness *f, size_t stream)
{
    assert(stream < f->streams_count);
    (void)pthread_mutex_lock(&f->streams[stream].mutex);
    return &f->streams[stream];
}

static void stream_unlock(struct stream_freshness *s)
{
    (void)pthread_mutex_unlock(&s->mutex);
}

static void proof_remove(struct stream_freshness *s, size_t index)
{
    s->proofs_count--;
    memmove(&s->proofs[index], &s->proofs[index + 1], (s->proofs_count - index) * sizeof s->proofs[0]);
}

/* How many of the oldest proofs the committed position meets: heads rise with time, so these are a prefix. */
static size_t proofs_met(const struct stream_freshness *s)
{
    size_t met = 0;
    if (!s->applied_known || !epoch_equal(&s->applied_epoch, &s->proofs_epoch))
        return 0;
    while (met < s->proofs_count && s->proofs[met].head <= s->applied)
        met++;
    return met;
}

/* Make room for one more. Of those met the newest few stay, for snapshots that are a little older; of the others the
 * oldest (the next progress) and the newest stay, and the one goes whose neighbours are closest together. */
static void proofs_thin(struct stream_freshness *s)
{
    size_t met = proofs_met(s);
    while (met > FRESHNESS_PROOFS_MET) {
        proof_remove(s, 0);
        met--;
    }
    if (s->proofs_count < FRESHNESS_PROOFS_MAX)
        return;
    size_t victim = met + 1;
    int64_t closest = INT64_MAX;
    for (size_t i = met + 1; i + 1 < s->proofs_count; i++) {
        int64_t apart = s->proofs[i + 1].t0_ns - s->proofs[i - 1].t0_ns;
        if (apart < closest) {
            closest = apart;
            victim = i;
        }
    }
    proof_remove(s, victim);
}

/* An answer may come to be a proof later than one that was asked for after it. */
static void proof_add(struct stream_freshness *s, const struct proof *proof, const struct epoch *epoch)
{
    if (!epoch_equal(&s->proofs_epoch, epoch)) {
        s->proofs_count = 0;
        s->proofs_epoch = *epoch;
    }
    proofs_thin(s);
    assert(s->proofs_count < FRESHNESS_PROOFS_MAX);
    size_t at = s->proofs_count;
    while (at > 0 && s->proofs[at - 1].t0_ns > proof->t0_ns)
        at--;
    if (at < s->proofs_count && s->proofs[at].head < proof->head)
        return; /* heads rise with time: it proves less than the one after it */
    /* A stream that lost its end: what an earlier answer showed beyond this one will not come. */
    while (at > 0 && s->proofs[at - 1].head > proof->head)
        proof_remove(s, --at);
    memmove(&s->proofs[at + 1], &s->proofs[at], (s->proofs_count - at) * sizeof s->proofs[0]);
    s->proofs[at] = *proof;
    s->proofs_count++;
}

/* Of a copy: an earlier instant than one that was proved already proves less; that one's, with this head, is true as
 * well. */
static void proof_add_of(struct stream_freshness *s, const struct freshness_answer *answer)
{
    struct proof proof = {.t0_ns = answer->proof_ns,
                          .asked_ns = answer->asked_ns,
                          .answered_ns = answer->answered_ns,
                          .wall_ns = time_wall_ns() - (time_boot_ns() - answer->asked_ns),
                          .head = answer->head};
    if (answer->copy && s->proofs_count > 0 && epoch_equal(&s->proofs_epoch, &answer->epoch) &&
        proof.t0_ns < s->proofs[s->proofs_count - 1].t0_ns)
        proof.t0_ns = s->proofs[s->proofs_count - 1].t0_ns;
    proof_add(s, &proof, &answer->epoch);
}

/* ---- epochs that are over ---- */

static size_t past_find(const struct stream_freshness *s, const struct epoch *epoch)
{
    size_t at = 0;
    while (at < s->past_count && !epoch_equal(&s->past[at], epoch))
        at++;
    return at;
}

static void past_remove(struct stream_freshness *s, const struct epoch *epoch)
{
    size_t at = past_find(s, epoch);
    if (at == s->past_count)
        return;
    s->past_count--;
    memmove(&s->past[at], &s->past[at + 1], (s->past_count - at) * sizeof s->past[0]);
}

static void past_add(struct stream_freshness *s, const struct epoch *epoch)
{
    if (epoch->text[0] == '\0')
        return;
    past_remove(s, epoch);
    if (s->past_count < FRESHNESS_PAST_MAX)
        s->past_count++;
    memmove(&s->past[1], &s->past[0], (s->past_count - 1) * sizeof s->past[0]);
    s->past[0] = *epoch;
}

/* This one is the present one, though it may have been over: a stream can be restored. */
static void past_note(struct stream_freshness *s, const struct epoch *present)
{
    if (!epoch_equal(&s->applied_epoch, present))
        past_add(s, &s->applied_epoch);
    if (!epoch_equal(&s->probe_epoch, present))
        past_add(s, &s->probe_epoch);
    past_remove(s, present);
}

bool freshness_is_past(struct freshness *f, size_t stream, const struct epoch *epoch)
{
    struct stream_freshness *s = stream_lock(f, stream);
    bool past = past_find(s, epoch) < s->past_count;
    stream_unlock(s);
    return past;
}

/* ---- answers ---- */

/* Ready once, ready for good, until it is cleared. */
static void ready_update(struct stream_freshness *s)
{
    if (s->target_known && s->applied_known && s->applied >= s->target &&
        epoch_equal(&s->applied_epoch, &s->target_epoch))
        s->ready = true;
}

/* The newest answer, whatever it proves: an older one may come to be a proof later. True: the stream's end fell. */
static bool answer_note(struct stream_freshness *s, const struct freshness_answer *answer)
{
    s->disconnected = false;
    if (s->probe_known && answer->asked_ns < s->probe_t0_ns)
        return false;
    bool fell = s->probe_known && epoch_equal(&s->probe_epoch, &answer->epoch) && answer->head < s->probe_head;
    past_note(s, &answer->epoch);
    s->answered_ns = answer->answered_ns;
    s->probe_known = true;
    s->probe_t0_ns = answer->asked_ns;
    s->probe_head_ns = answer->proof_ns;
    s->copy = answer->copy;
    s->probe_head = answer->head;
    s->probe_epoch = answer->epoch;
    if (s->target_known && epoch_equal(&s->target_epoch, &answer->epoch) && answer->head < s->target) {
        s->target = answer->head;
        ready_update(s);
    }
    return fell;
}

bool freshness_answered(struct freshness *f, size_t stream, const struct freshness_answer *answer, bool proves)
{
    struct stream_freshness *s = stream_lock(f, stream);
    if (proves && answer->proof_ns != INT64_MIN)
        proof_add_of(s, answer);
    bool fell = answer_note(s, answer);
    stream_unlock(s);
    return fell;
}

void freshness_applied(struct freshness *f, size_t stream, uint64_t position, const struct epoch *epoch)
{
    struct stream_freshness *s = stream_lock(f, stream);
    assert(!s->applied_known || !epoch_equal(&s->applied_epoch, epoch) || position >= s->applied);
    s->applied_known = true;
    s->applied = position;
    s->applied_epoch = *epoch;
    ready_update(s);
    stream_unlock(s);
}

void freshness_reset(struct freshness *f, size_t stream)
{
    struct stream_freshness *s = stream_lock(f, stream);
    s->proofs_count = 0;
    s->proofs_epoch = (struct epoch){""};
    s->applied_known = false;
    stream_unlock(s);
}

void freshness_swapped(struct freshness *f, size_t stream)
{
    struct stream_freshness *s = stream_lock(f, stream);
    s->applied_known = false;
    stream_unlock(s);
}

void freshness_set_halted(struct freshness *f, size_t stream, const char *reason)
{
    struct stream_freshness *s = stream_lock(f, stream);
    (void)snprintf(s->halted, sizeof s->halted, "%s", reason != NULL ? reason : "");
    stream_unlock(s);
}

void freshness_set_disconnected(struct freshness *f, size_t stream)
{
    struct stream_freshness *s = stream_lock(f, stream);
    s->disconnected = true;
    stream_unlock(s);
}

void freshness_set_ready_target(struct freshness *f, size_t stream, uint64_t head, const struct epoch *epoch)
{
    struct stream_freshness *s = stream_lock(f, stream);
    s->target_known = true;
    s->target = head;
    s->target_epoch = *epoch;
    ready_update(s);
    stream_unlock(s);
}

bool freshness_set_filtered(struct freshness *f, size_t stream, bool filtered)
{
    struct stream_freshness *s = stream_lock(f, stream);
    bool changed = s->filtered != filtered;
    s->filtered = filtered;
    stream_unlock(s);
    return changed;
}

uint64_t freshness_met(struct freshness *f, size_t stream, uint64_t position, uint64_t settled)
{
    struct stream_freshness *s = stream_lock(f, stream);
    uint64_t met = s->filtered ? position : settled;
    stream_unlock(s);
    return met;
}

void freshness_set_ready(struct freshness *f, size_t stream)
{
    struct stream_freshness *s = stream_lock(f, stream);
    s->ready = true;
    stream_unlock(s);
}

void freshness_clear_ready(struct freshness *f, size_t stream)
{
    struct stream_freshness *s = stream_lock(f, stream);
    s->ready = false;
    s->target_known = false;
    stream_unlock(s);
}

void freshness_set_error(struct freshness *f, size_t stream, const char *message)
{
    struct stream_freshness *s = stream_lock(f, stream);
    (void)snprintf(s->error, sizeof s->error, "%s", message);
    stream_unlock(s);
}

/* The newest proof that the snapshot meets, or NULL. */
static const struct proof *proof_for(const struct stream_freshness *s, const struct stream *row)
{
    if (s->proofs_count == 0 || !epoch_equal(&s->proofs_epoch, &row->epoch))
        return NULL;
    uint64_t position = row->settled;
#ifdef SG_PLANT_OLDER_SNAPSHOT
    if (s->applied_known && epoch_equal(&s->applied_epoch, &row->epoch))
        position = s->applied;
#endif
    for (size_t i = s->proofs_count; i > 0; i--) {
        if (s->proofs[i - 1].head <= position)
            return &s->proofs[i - 1];
    }
    return NULL;
}

static enum stream_status status_of(const struct stream_freshness *s, const struct stream *row,
                                    const struct freshness_view *view, int64_t now_ns)
{
    if (s->halted[0] != '\0')
        return STREAM_HALTED;
    if (s->disconnected || now_ns - s->answered_ns > FRESHNESS_DISCONNECTED_NS)
        return STREAM_DISCONNECTED;
    if (row->rebuilding)
        return STREAM_REBUILDING;
    if (!view->staleness_known)
        return STREAM_STARTING;
    return view->staleness_ns < FRESHNESS_LIVE_NS ? STREAM_LIVE : STREAM_CATCHING_UP;
}

void freshness_view(struct freshness *f, size_t stream, const struct stream *row, int64_t now_ns,
                    struct freshness_view *out)
{
    struct freshness_view view = {0};
    struct stream_freshness *s = stream_lock(f, stream);
    const struct proof *proof = proof_for(s, row);
    if (proof != NULL) {
        view.staleness_known = true;
        view.staleness_ns = now_ns > proof->t0_ns ? now_ns - proof->t0_ns : 0;
        view.proof_ns = proof->t0_ns;
        view.proof_asked_ns = proof->asked_ns;
        view.proof_answered_ns = proof->answered_ns;
        view.proof_wall_ns = proof->wall_ns;
        view.proof_head = proof->head;
    }
    if (s->proofs_count > 0 && epoch_equal(&s->proofs_epoch, &row->epoch)) {
        view.head_known = true;
        view.head = s->proofs[s->proofs_count - 1].head;
        view.lag = view.head > row->position ? view.head - row->position : 0;
    }
    view.status = status_of(s, row, &view, now_ns);
    view.probe_known = s->probe_known;
    view.probe_ns = s->probe_t0_ns;
    view.probe_head_ns = s->probe_head_ns;
    view.copy = s->copy;
    view.met = s->filtered ? row->position : row->settled;
    view.probe_head = s->probe_head;
    view.probe_epoch = s->probe_epoch;
    stream_unlock(s);
    *out = view;
}

void freshness_newest(struct freshness *f, size_t stream, int64_t *proof_ns, int64_t *probe_ns)
{
    struct stream_freshness *s = stream_lock(f, stream);
    size_t met = proofs_met(s);
    *proof_ns = met > 0 ? s->proofs[met - 1].t0_ns : INT64_MIN;
    *probe_ns = s->probe_known ? s->probe_t0_ns : INT64_MIN;
    stream_unlock(s);
}

void freshness_ready(struct freshness *f, size_t stream, struct freshness_ready *out)
{
    struct stream_freshness *s = stream_lock(f, stream);
    bool comparable = s->applied_known && (!s->target_known || epoch_equal(&s->applied_epoch, &s->target_epoch));
    *out = (struct freshness_ready){
        .ready = s->ready,
        .target_known = s->target_known,
        .target = s->target,
        .position = comparable ? s->applied : 0,
    };
    stream_unlock(s);
}

static bool stream_ready(struct freshness *f, size_t stream, bool without_broker)
{
    struct stream_freshness *s = stream_lock(f, stream);
    bool ready = s->ready || (without_broker && !s->target_known && s->applied_known && s->applied > 0);
    stream_unlock(s);
    return ready;
}

bool freshness_all_ready(struct freshness *f, bool without_broker)
{
    for (size_t i = 0; i < f->streams_count; i++) {
        if (!stream_ready(f, i, without_broker))
            return false;
    }
    return true;
}

void freshness_facts(struct freshness *f, size_t stream, struct freshness_facts *out)
{
    struct stream_freshness *s = stream_lock(f, stream);
    *out = (struct freshness_facts){
        .applied_known = s->applied_known,
        .applied = s->applied,
    };
    memcpy(out->error, s->halted[0] != '\0' ? s->halted : s->error, sizeof out->error);
    stream_unlock(s);
}
