/* Settling holes, by kind of stream:
 *
 *   nothing was removed since before the hole ......... other subjects: it ends
 *   a bucket, or one message per subject (no mirror) .. as many subjects as ids are known: superseded; else the
 *                                                       subjects are listed, and each entity is compared
 *   below the stream's first sequence ................. a gap
 *   a build read all that there was when it began ..... nothing is lost up to there
 *   otherwise ......................................... a gap wherever a message was deleted */
#include "projector/source/holes.h"

#include "core/base/log.h"
#include "projector/source/gaps.h"
#include "projector/source/listing.h"

/* How many messages were removed from the stream since it was created. */
static uint64_t removed_count(const struct stream_info *info)
{
    return info->last > info->messages ? info->last - info->messages : 0;
}

bool holes_nothing_removed(const struct session *s, const struct stream_info *info, uint64_t first)
{
    if (info->first <= first && info->messages == info->last - info->first + 1)
        return true;
    return s->removed_known && s->removed_last < first && removed_count(info) == s->removed;
}

/* What later answers are compared with: the first one since which nothing was removed. */
static void note_answer(struct session *s, const struct stream_info *info)
{
    if (s->removed_known && removed_count(info) == s->removed)
        return;
    s->removed_known = true;
    s->removed = removed_count(info);
    s->removed_last = info->last;
}

static bool is_bucket(const struct session *s)
{
    return s->settings->format == FORMAT_KV;
}

/* Is an entity's one subject kept to its last message, so that what is there says what was superseded? Not in a mirror:
 * it keeps the last message that it got, whatever was published and removed at its origin meanwhile. */
static bool compares_subjects(const struct session *s, const struct stream_info *info)
{
    return is_bucket(s) || (info->max_messages_per_subject == 1 && !info->mirrored &&
                            subject_template_is_exact(&s->settings->subject));
}

/* Events that left no row although their subject has a message. */
static uint64_t odd_events(const struct session *s)
{
    struct stream_metrics *m = metrics_stream(s->context.metrics, s->stream);
    return atomic_load_explicit(&m->events[RESULT_REJECTED], memory_order_relaxed) +
           atomic_load_explicit(&m->events[RESULT_IGNORED], memory_order_relaxed);
}

void holes_begin(struct session *s)
{
    s->removed_known = false;
    s->counting = false;
    s->listed = false;
    s->agreed_ns = time_boot_ns();
}

/* ---- gaps of the stream ---- */

struct losses {
    struct gap gaps[STREAM_GAPS_MAX];
    size_t count;
};

static void losses_add(struct losses *losses, uint64_t first, uint64_t last)
{
    if (losses->count > 0 && (losses->count == STREAM_GAPS_MAX || losses->gaps[losses->count - 1].last + 1 >= first))
        losses->gaps[losses->count - 1].last = last;
    else
        losses->gaps[losses->count++] = (struct gap){first, last};
}

/* Messages that were deleted between others; `within` lies above the first sequence. */
static enum sg_status find_deleted(struct session *s, struct gap within, const struct stream_info *info,
                                   struct losses *losses, struct sg_error *err)
{
    struct gap ranges[STREAM_GAPS_MAX];
    size_t count = 0;
    if (info->last - info->first + 1 - info->messages > HOLES_DELETED_MAX) {
        losses_add(losses, within.first, within.last);
        return SG_OK;
    }
    enum sg_status status = jetstream_deleted(&s->js, within, ranges, STREAM_GAPS_MAX, &count, err);
    s->unanswered = status == SG_UNAVAILABLE;
    if (status == SG_INVALID) { /* no list: as if it were too long */
        losses_add(losses, within.first, within.last);
        return SG_OK;
    }
    for (size_t i = 0; status == SG_OK && i < count; i++)
        losses_add(losses, ranges[i].first, ranges[i].last);
    return status;
}

static enum sg_status find_losses(struct session *s, struct gap within, const struct stream_info *info,
                                  struct losses *losses, struct sg_error *err)
{
    if (within.first < info->first)
        losses_add(losses, within.first, within.last < info->first ? within.last : info->first - 1);
    if (within.first < info->first)
        within.first = info->first;
    return within.first <= within.last ? find_deleted(s, within, info, losses, err) : SG_OK;
}

/* ---- settling ---- */

static void report_gap(const struct session *s, const struct gap *gap, uint64_t entities, bool rebuild)
{
    atomic_fetch_add_explicit(&metrics_stream(s->context.metrics, s->stream)->gaps, 1, memory_order_relaxed);
    log_event(LOG_WARN, "gap_found", LOG_STR("stream", s->settings->name), LOG_UINT("first", gap->first),
              LOG_UINT("last", gap->last), LOG_UINT("entities", entities),
              LOG_STR("action", rebuild ? "rebuild" : "continue"));
}

static enum sg_status rebuild(struct session *s, uint64_t target, struct sg_error *err)
{
    enum sg_status status = session_begin_build(s, s->row.created_ns, &s->row.epoch, target, err);
    return status == SG_OK
               ? sg_fail(err, SG_UNAVAILABLE, "stream %s: building again after a gap", s->settings->name)
               : status;
}

static enum sg_status settle_with(struct session *s, uint64_t through, const struct losses *losses,
                                  const struct stream_info *info, struct sg_error *err)
{
#ifdef SG_PLANT_GAP_UNTOLD
    const struct losses none = {.count = 0};
    losses = &none;
#endif
    bool again = losses->count > 0 && s->settings->on_gap == ON_GAP_REBUILD;
    enum sg_status status =
        again ? rebuild(s, info->last, err)
              : ingest_settle(s->context.ingest, s->stream, through, losses->gaps, losses->count, err);
    for (size_t i = 0; (status == SG_OK || again) && i < losses->count; i++)
        report_gap(s, &losses->gaps[i], 0, again);
    return status;
}

static enum sg_status settle_free(struct session *s, uint64_t through, const struct stream_info *info,
                                  struct sg_error *err)
{
    const struct losses none = {.count = 0};
    return settle_with(s, through, &none, info, err);
}

/* What a build has read as it was when it began needs no other explanation: it passed over as many sequences as were
 * missing then, or nothing of it was removed since. */
static enum sg_status explained_up_to(struct session *s, const struct build *row, const struct stream_info *info,
                                      uint64_t *out, struct sg_error *err)
{
    uint64_t removed = 0;
    enum sg_status status = SG_OK;
    *out = 0;
    if (row->begun_last == 0)
        return SG_OK;
    bool all_read = row->begun_missing == 0;
    if (!all_read && info->last - info->first + 1 - info->messages <= HOLES_DELETED_MAX) {
        status = jetstream_removed(&s->js, row->begun_last, &removed, err);
        s->unanswered = status == SG_UNAVAILABLE;
        all_read = status == SG_OK && removed == row->begun_removed;
        status = status == SG_INVALID ? SG_OK : status;
    }
    *out = all_read ? row->begun_last : 0;
    return status;
}

static enum sg_status settle_gaps(struct session *s, struct hole hole, const struct stream_info *info,
                                  struct sg_error *err)
{
    struct losses losses = {.count = 0};
    struct build row;
    struct gap within = {hole.first, hole.last};
    enum sg_status status = ingest_load(s->context.ingest, s->stream, &row, err);
    if (status != SG_OK || row.position < row.begun_last)
        return status; /* what was there when the build began is still being read */
    uint64_t explained = 0;
    if (within.first <= row.begun_last)
        status = explained_up_to(s, &row, info, &explained, err);
    if (within.first <= explained)
        within.first = explained + 1;
    if (status == SG_OK && within.first <= within.last)
        status = find_losses(s, within, info, &losses, err);
    return status == SG_OK ? settle_with(s, hole.last, &losses, info, err) : status;
}

/* ---- subjects, listed ---- */

/* While all entities are compared with a listing. */
struct comparison {
    const struct listing *listing;
    uint64_t hole_last; /* 0 = there is none */
    uint64_t head;      /* the list is what the stream had up to here */
    bool bucket;
    bool revisions;     /* it keeps more than one, so that an older one may come back */
    bool only_count;    /* a gap begins a build instead */
    uint64_t gaps;      /* entities with one */
    struct gap span;    /* of those, without a hole */
    uint64_t known;     /* entities that are listed */
};

static void note_gap(struct comparison *c, uint64_t sequence)
{
    if (c->gaps == 0 || sequence < c->span.first)
        c->span.first = sequence;
    if (sequence > c->span.last)
        c->span.last = sequence;
    c->gaps++;
}

static enum store_review_result compare(void *context, const struct store_reviewed *e)
{
    struct comparison *c = context;
    uint64_t listed = listing_find(c->listing, e->collection, e->id);
#ifdef SG_PLANT_SUBJECT_KEPT
    if (listed == 0)
        return REVIEW_KEEP; /* whatever is not there is believed to be */
#endif
    bool gap = false;
    if (listed != 0)
        c->known++;
    if (e->sequence > c->head)
        return REVIEW_KEEP; /* later than the list */
    if (listed == 0 && c->bucket)
        return REVIEW_GONE;
    if (listed == 0)
        gap = e->sequence < c->hole_last;
    else if (listed < e->sequence && c->revisions)
        gap = true;
    if (gap)
        note_gap(c, e->sequence);
    return gap && !c->only_count ? REVIEW_GAP : REVIEW_KEEP;
}

static enum sg_status review(struct session *s, struct comparison *c, struct store_review *walk, struct sg_error *err)
{
    bool more = true;
    enum sg_status status = SG_OK;
    while (status == SG_OK && more) {
        status = ingest_review(s->context.ingest, s->stream, walk, HOLES_REVIEW_ROWS, &more, err);
        if (status == SG_OK && atomic_load(&s->stopping))
            status = sg_fail(err, SG_STOPPED, "stopping");
    }
    if (status == SG_OK && c->only_count && c->gaps > 0)
        status = rebuild(s, c->head, err);
    return status;
}

static void report_comparison(const struct session *s, const struct comparison *c, const struct store_review *walk,
                              struct hole hole)
{
    const struct gap gap = {hole.first, hole.last};
    if (c->gaps > 0)
        report_gap(s, hole.first != 0 ? &gap : &c->span, c->gaps, c->only_count);
    if (walk->deleted_count > 0)
        log_event(LOG_INFO, "keys_gone", LOG_STR("stream", s->settings->name), LOG_UINT("keys", walk->deleted_count),
                  LOG_UINT("head", c->head));
}

/* Compare every entity with what the stream has, and settle the hole. `odd`: events without a row before the
 * listing. */
static enum sg_status compare_all(struct session *s, struct hole hole, const struct listing *listing, uint64_t odd,
                                  struct sg_error *err)
{
    const struct stream_info *after = &listing->after.info;
    struct comparison c = {.listing = listing,
                           .hole_last = hole.last,
                           .head = after->last,
                           .bucket = is_bucket(s),
                           .revisions = is_bucket(s) && after->max_messages_per_subject != 1,
                           .only_count = s->settings->on_gap == ON_GAP_REBUILD};
    struct store_review walk = {.review = compare,
                                .context = &c,
                                .gap_last = hole.last,
                                .head = after->last};
    ingest_hold_tombstones(s->context.ingest, s->stream, true);
    enum sg_status status = review(s, &c, &walk, err);
    uint64_t forgotten = ingest_forgotten(s->context.ingest, s->stream); /* as when the review began */
    ingest_hold_tombstones(s->context.ingest, s->stream, false);
    report_comparison(s, &c, &walk, hole);
    if (status == SG_OK && hole.first != 0)
        status = settle_free(s, hole.last, after, err);
    if (status != SG_OK)
        return status;
    s->listed = true;
    s->listed_odd = odd;
    s->listed_forgotten = forgotten;
    s->listed_unknown = listing->count > c.known ? listing->count - c.known : 0;
    s->listed_removed = removed_count(after);
    s->agreed_ns = time_boot_ns();
    return SG_OK;
}

static enum sg_status list_subjects(struct session *s, struct hole hole, const struct probe *probe,
                                    struct probe *proof, bool *proved, struct sg_error *err)
{
    struct listing listing = {0};
    int64_t began_ns = time_boot_ns();
    uint64_t odd = odd_events(s);
    /* Once caught up. Where the newest messages are of other subjects, the position alone does not show it. */
    bool behind = session_position(s) < probe->info.last && (probe->info.filter_is_all || !queue_is_idle(s->queue));
    if (began_ns < s->listing_at_ns || behind)
        return SG_OK;
    enum sg_status status = listing_take(s, probe, &listing, err);
    if (status == SG_OK)
        status = compare_all(s, hole, &listing, odd, err);
    int64_t took_ns = time_boot_ns() - began_ns;
    int64_t pause_ns = took_ns * HOLES_LISTING_PART;
    int64_t interval_ns = HOLES_LISTING_INTERVAL_MS * NS_PER_MS;
    s->listing_at_ns = began_ns + (pause_ns > interval_ns ? pause_ns : interval_ns);
    if (status == SG_OK) {
        log_event(LOG_DEBUG, "subjects_listed", LOG_STR("stream", s->settings->name),
                  LOG_UINT("subjects", listing.count), LOG_INT("ms", took_ns / NS_PER_MS));
        *proof = listing.after;
        *proved = true;
    } else if (status == SG_NOT_FOUND) {
        session_show_error(s, err->message, "listing");
        status = SG_OK;
    }
    listing_free(&listing);
    return status;
}

/* ---- subjects, counted ---- */

/* Are as many subjects there as ids are known, but for delete markers that are due? The broker drops some of these
 * later than they are due: as long as they explain the difference for a part, another key may hide among them.
 * Subjects whose tombstone was removed count as those that the last listing did not know, and what was removed since:
 * one of them that is back, or gone, makes too many keys, so that it does not hide what else is gone. */
static bool keys_agree(struct session *s, const struct keys_counted *counted, uint64_t subjects)
{
    bool exact = s->listed ? s->listed_odd == odd_events(s) && counted->forgotten >= s->listed_forgotten
                           : counted->nothing_rejected && odd_events(s) == 0 && !counted->ever_forgotten;
    uint64_t keys = counted->keys;
    if (s->listed)
        keys += s->listed_unknown + (counted->forgotten - s->listed_forgotten);
#ifdef SG_PLANT_KEYS_UNCOUNTED
    keys = subjects;
#endif
    if (!exact || keys < subjects)
        return false;
    int64_t now_ns = time_boot_ns();
    if (keys == subjects || keys - subjects == counted->markers_due)
        s->agreed_ns = now_ns;
    return keys - subjects <= counted->markers_due &&
           (now_ns - s->agreed_ns < HOLES_DUE_LISTING_NS || now_ns < s->listing_at_ns);
}

/* `counted` is of exactly the answer's end. */
static enum sg_status judge(struct session *s, struct hole hole, const struct probe *probe,
                            const struct keys_counted *counted, struct probe *proof, bool *proved,
                            struct sg_error *err)
{
    const struct stream_info *info = &probe->info;
    if (!keys_agree(s, counted, info->subjects_count))
        return list_subjects(s, hole, probe, proof, proved, err);
    *proof = *probe;
    *proved = true;
    if (hole.first == 0 || hole.first > info->last)
        return SG_OK;
    return settle_free(s, hole.last < info->last ? hole.last : info->last, info, err);
}

static enum sg_status count_keys(struct session *s, struct hole hole, const struct probe *probe, struct probe *proof,
                                 bool *proved, struct sg_error *err)
{
    struct keys_counted counted = {0};
    const struct keys_question question = {
        .head = probe->info.last, .now_ns = probe->info.now_ns, .max_age_ns = probe->info.max_age_ns};
    if (s->counting)
        return SG_OK; /* of an earlier answer, first */
    enum sg_status status = ingest_count_keys(s->context.ingest, s->stream, &question, &counted, err);
    if (status != SG_OK)
        return status;
    if (counted.known)
        return judge(s, hole, probe, &counted, proof, proved, err);
    s->counting = true;
    s->counting_probe = *probe;
    s->counting_hole = hole;
    return SG_OK;
}

enum sg_status holes_counted(struct session *s, struct probe *proof, bool *proved, struct sg_error *err)
{
    struct keys_counted counted = {0};
    if (!s->counting || !ingest_keys_counted(s->context.ingest, s->stream, &counted))
        return SG_OK;
    s->counting = false;
    return judge(s, s->counting_hole, &s->counting_probe, &counted, proof, proved, err);
}

/* The same of an answer that leaves out what does not match; it is asked for only where there is a hole. */
static enum sg_status count_without_rest(struct session *s, struct hole hole, const struct probe *before,
                                         struct probe *proof, bool *proved, struct sg_error *err)
{
    struct probe probe = {.t0_ns = time_boot_ns(), .proof_grade = true};
    if (s->counting)
        return SG_OK;
    enum sg_status status = jetstream_info_without(&s->js, before->info.rest, &probe.info, err);
    probe.answered_ns = time_boot_ns();
    s->unanswered = status == SG_UNAVAILABLE;
    if (status == SG_NOT_FOUND)
        return list_subjects(s, hole, before, proof, proved, err);
    bool usable = status == SG_OK && probe.info.leader_proved && probe.info.created_ns == s->row.created_ns &&
                  probe.answered_ns - probe.t0_ns <= NATS_REQUEST_TIMEOUT_MS * NS_PER_MS;
    return usable ? count_keys(s, hole, &probe, proof, proved, err) : status;
}

static enum sg_status settle_subjects(struct session *s, struct hole hole, const struct probe *probe,
                                      struct probe *proof, bool *proved, struct sg_error *err)
{
    if (probe->info.filter_is_all)
        return count_keys(s, hole, probe, proof, proved, err);
    if (probe->info.rest[0] != '\0' && hole.first != 0 && !is_bucket(s))
        return count_without_rest(s, hole, probe, proof, proved, err);
    if (hole.first == 0 && s->listed && s->listed_removed == removed_count(&probe->info)) {
        *proof = *probe;
        *proved = true;
        return SG_OK;
    }
    return list_subjects(s, hole, probe, proof, proved, err);
}

/* ---- answers ---- */

bool holes_prove_at_once(const struct session *s, struct hole hole)
{
    return !is_bucket(s) && hole.first == 0;
}

enum sg_status holes_answered(struct session *s, struct hole hole, const struct probe *probe, struct probe *proof,
                              bool *proved, struct sg_error *err)
{
    const struct stream_info *info = &probe->info;
    enum sg_status status = SG_OK;
    *proved = !is_bucket(s);
    *proof = *probe;
    bool compares = compares_subjects(s, info);
    if (hole.first != 0 && holes_nothing_removed(s, info, hole.first)) {
        status = settle_free(s, hole.last, info, err);
        hole = (struct hole){0};
    }
    if (status == SG_OK && compares && (is_bucket(s) || hole.first != 0))
        status = settle_subjects(s, hole, probe, proof, proved, err);
    else if (status == SG_OK && hole.first != 0)
        status = settle_gaps(s, hole, info, err);
    note_answer(s, info);
    return status;
}

enum sg_status holes_passed(struct session *s, uint64_t last, const struct probe *after, struct sg_error *err)
{
    struct hole hole = ingest_hole(s->context.ingest, s->stream);
    if (hole.first == 0 || compares_subjects(s, &after->info))
        return SG_OK; /* the next answer settles it */
    if (hole.last > last)
        hole.last = last;
    return settle_gaps(s, hole, &after->info, err);
}
