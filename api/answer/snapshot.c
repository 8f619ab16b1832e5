/* Snapshots. */
#include "api/answer/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#ifdef SG_PLANT_OLDER_SNAPSHOT
#include <unistd.h>
#endif

#include "core/base/time.h"
#include "core/base/log.h"

/* Of one text: far beyond a State-Position with the most streams, their names as long as can be, and escaped. */
#define SNAPSHOT_TEXT_BYTES_MAX (256u << 10)
/* A begin can succeed where the read after it fails: only so long without a failure are reads taken to have recovered,
 * or each iteration would be logged. */
#define SNAPSHOT_RECOVERED_NS (10 * NS_PER_S)

struct snapshot_slot {
    bool ready; /* in this snapshot */
    struct snapshot_stream stream;
    struct stream_facts facts;
    struct buffer position;
    struct buffer lag;
    struct buffer gaps;
};

struct snapshot {
    const struct settings *settings; /* borrowed */
    const struct tunables_now *tunables_now; /* borrowed */
    const struct tunables *tunables; /* of this iteration */
    struct freshness *freshness;     /* borrowed */
    struct store_reader *reader;     /* owned */
    bool open;
    uint64_t number;                 /* of the reader, that the slots show */
    bool failing;                    /* a read failed, and that is logged */
    int64_t failed_ns;               /* when the last one did; boot clock */
    int64_t now_ns;
    int64_t wall_s;
    struct snapshot_slot all;    /* of all streams together */
    struct snapshot_slot named;  /* one stream's, with others named after it */
    struct snapshot_slot *slots; /* owned; one per stream of the settings */
};

/* What a stream is that has no row yet. */
static const struct stream no_row = {.id = 0};

static void slot_init(struct snapshot_slot *slot)
{
    buffer_init(&slot->position, SNAPSHOT_TEXT_BYTES_MAX);
    buffer_init(&slot->lag, SNAPSHOT_TEXT_BYTES_MAX);
    buffer_init(&slot->gaps, SNAPSHOT_TEXT_BYTES_MAX);
}

static void slot_free(struct snapshot_slot *slot)
{
    buffer_free(&slot->position);
    buffer_free(&slot->lag);
    buffer_free(&slot->gaps);
}

enum sg_status snapshot_create(const struct settings *settings, const struct tunables_now *tunables,
                               struct freshness *freshness, struct commit_clock *shared, struct snapshot **out,
                               struct sg_error *err)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a loop's reads");
    snapshot->settings = settings;
    snapshot->tunables_now = tunables;
    snapshot_take_tunables(snapshot);
    snapshot->freshness = freshness;
    slot_init(&snapshot->all);
    slot_init(&snapshot->named);
    snapshot->slots = calloc(settings->streams_count, sizeof *snapshot->slots);
    if (snapshot->slots == NULL) {
        snapshot_destroy(snapshot);
        return sg_fail(err, SG_MEMORY, "out of memory for a loop's reads");
    }
    for (size_t i = 0; i < settings->streams_count; i++)
        slot_init(&snapshot->slots[i]);
    enum sg_status status = store_reader_open(settings->database, shared, &snapshot->reader, err);
    if (status != SG_OK) {
        snapshot_destroy(snapshot);
        return status;
    }
    *out = snapshot;
    return SG_OK;
}

void snapshot_destroy(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    snapshot_end(snapshot);
    store_reader_close(snapshot->reader);
    for (size_t i = 0; snapshot->slots != NULL && i < snapshot->settings->streams_count; i++)
        slot_free(&snapshot->slots[i]);
    slot_free(&snapshot->all);
    slot_free(&snapshot->named);
    free(snapshot->slots);
    free(snapshot);
}

void snapshot_failed(struct snapshot *snapshot, const struct sg_error *err)
{
    if (err->status == SG_STOPPED)
        return;
    snapshot->failed_ns = time_boot_ns();
    if (snapshot->failing)
        return;
    snapshot->failing = true;
    log_event(LOG_ERROR, "reads_failing", LOG_STR("status", sg_status_name(err->status)),
              LOG_STR("error", err->message));
}

static void slots_reset(struct snapshot *snapshot)
{
    snapshot->all.ready = false;
    for (size_t i = 0; i < snapshot->settings->streams_count; i++)
        snapshot->slots[i].ready = false;
}

/* After the begin of the snapshot: what is proved from here on cannot make it look fresher than it is. */
static void snapshot_began(struct snapshot *snapshot)
{
    uint64_t number = store_read_snapshot(snapshot->reader);
    if (snapshot->open && snapshot->number == number)
        return;
    snapshot->open = true;
    snapshot->number = number;
    slots_reset(snapshot);
#ifdef SG_PLANT_OLDER_SNAPSHOT
    (void)usleep(5000); /* or the window is too short to be met by chance */
#endif
    snapshot->now_ns = time_boot_ns();
    snapshot->wall_s = time_wall_ns() / NS_PER_S;
}

enum sg_status snapshot_begin(struct snapshot *snapshot, struct sg_error *err)
{
    enum sg_status status = store_read_begin(snapshot->reader, err);
    if (status != SG_OK) {
        snapshot_failed(snapshot, err);
        return status;
    }
    snapshot_began(snapshot);
    if (snapshot->failing && snapshot->now_ns - snapshot->failed_ns >= SNAPSHOT_RECOVERED_NS) {
        snapshot->failing = false;
        log_event(LOG_INFO, "reads_recovered", LOG_STR("database", snapshot->settings->database));
    }
    return SG_OK;
}

bool snapshot_peek(struct snapshot *snapshot)
{
    bool peeked = store_read_peek(snapshot->reader);
    if (peeked)
        snapshot_began(snapshot);
    return peeked;
}

void snapshot_end(struct snapshot *snapshot)
{
    if (!snapshot->open)
        return;
    store_read_end(snapshot->reader);
    snapshot->open = false;
    slots_reset(snapshot);
}

void snapshot_stop_when(struct snapshot *snapshot, store_read_stop *stop, void *context)
{
    store_read_stop_when(snapshot->reader, stop, context);
}

struct store_reader *snapshot_reader(struct snapshot *snapshot)
{
    return snapshot->reader;
}

const struct settings *snapshot_settings(const struct snapshot *snapshot)
{
    return snapshot->settings;
}

void snapshot_take_tunables(struct snapshot *snapshot)
{
    snapshot->tunables = tunables_take(snapshot->tunables_now);
}

const struct tunables *snapshot_tunables(const struct snapshot *snapshot)
{
    return snapshot->tunables;
}

int64_t snapshot_wall_s(const struct snapshot *snapshot)
{
    return snapshot->wall_s;
}

/* The buffer's content as a string; "" when memory ran out, so that a header is left out and never wrong. */
static const char *slot_text(struct buffer *b)
{
    buffer_append(b, "", 1);
    return b->failed ? "" : b->data;
}

static void render_gaps(struct buffer *out, const struct stream *row)
{
    for (size_t i = 0; i < row->gaps_count; i++)
        buffer_append_format(out, "%s%" PRIu64 "-%" PRIu64, i > 0 ? ", " : "", row->gaps[i].first, row->gaps[i].last);
}

static struct snapshot_slot *slot_of(struct snapshot *snapshot, size_t stream)
{
    struct snapshot_slot *slot = &snapshot->slots[stream];
    struct snapshot_stream *s = &slot->stream;
    if (slot->ready)
        return slot;
    const char *name = snapshot->settings->streams[stream].name;
    s->row = store_read_stream(snapshot->reader, name);
    if (s->row == NULL)
        s->row = &no_row;
    freshness_view(snapshot->freshness, stream, s->row, snapshot->now_ns, &s->view);
    if (s->view.head < s->row->position)
        s->view.head = s->row->position; /* what is applied proves a head too */
    buffer_reset(&slot->position);
    position_append(&slot->position, name, s->row->position, &s->row->epoch);
    s->position = slot_text(&slot->position);
    buffer_reset(&slot->lag);
    buffer_append_uint(&slot->lag, s->view.lag);
    s->lag = s->view.head_known ? slot_text(&slot->lag) : NULL;
    buffer_reset(&slot->gaps);
    render_gaps(&slot->gaps, s->row);
    s->gaps = s->row->gaps_count > 0 ? slot_text(&slot->gaps) : NULL;
    slot->facts =
        (struct stream_facts){s->position, s->lag, s->gaps, s->view.status, s->view.staleness_known, s->view.proof_ns};
    slot->ready = true;
    return slot;
}

const struct snapshot_stream *snapshot_stream(struct snapshot *snapshot, size_t stream)
{
    return &slot_of(snapshot, stream)->stream;
}

bool snapshot_epoch_is_past(const struct snapshot *snapshot, size_t stream, const struct epoch *epoch)
{
    return freshness_is_past(snapshot->freshness, stream, epoch);
}

static const struct stream_facts *facts_all(struct snapshot *snapshot)
{
    struct snapshot_slot *all = &snapshot->all;
    uint64_t lag = 0;
    bool lag_known = true;
    if (all->ready)
        return &all->facts;
    all->facts = (struct stream_facts){.status = STREAM_LIVE, .staleness_known = true, .proof_ns = INT64_MAX};
    buffer_reset(&all->position);
    for (size_t i = 0; i < snapshot->settings->streams_count; i++) {
        const struct snapshot_stream *s = snapshot_stream(snapshot, i);
        if (i > 0)
            buffer_append_text(&all->position, ", ");
        buffer_append_text(&all->position, s->position);
        if (s->view.status > all->facts.status)
            all->facts.status = s->view.status;
        all->facts.staleness_known = all->facts.staleness_known && s->view.staleness_known;
        if (s->view.proof_ns < all->facts.proof_ns)
            all->facts.proof_ns = s->view.proof_ns;
        lag_known = lag_known && s->view.head_known;
        if (s->view.lag > lag)
            lag = s->view.lag;
    }
    all->facts.position = slot_text(&all->position);
    buffer_reset(&all->lag);
    buffer_append_uint(&all->lag, lag);
    all->facts.lag = lag_known ? slot_text(&all->lag) : NULL;
    /* Gaps of several streams say nothing without their names: /v1/status has them. */
    if (snapshot->settings->streams_count == 1)
        all->facts.gaps = snapshot_stream(snapshot, 0)->gaps;
    all->ready = true;
    return &all->facts;
}

const struct stream_facts *snapshot_facts(struct snapshot *snapshot, int stream)
{
    return stream == OWNER_ALL ? facts_all(snapshot) : &slot_of(snapshot, (size_t)stream)->facts;
}

const struct stream_facts *snapshot_facts_naming(struct snapshot *snapshot, int stream, const size_t *others,
                                                 size_t others_count)
{
    const struct stream_facts *facts = snapshot_facts(snapshot, stream);
    if (stream == OWNER_ALL || others_count == 0)
        return facts;
    snapshot->named.facts = *facts;
    buffer_reset(&snapshot->named.position);
    buffer_append_text(&snapshot->named.position, facts->position);
    for (size_t i = 0; i < others_count; i++) {
        if (others[i] == (size_t)stream)
            continue;
        buffer_append_text(&snapshot->named.position, ", ");
        buffer_append_text(&snapshot->named.position, snapshot_stream(snapshot, others[i])->position);
    }
    snapshot->named.facts.position = slot_text(&snapshot->named.position);
    return &snapshot->named.facts;
}

size_t snapshot_position_bytes_max(const struct settings *settings)
{
    struct buffer text;
    struct epoch longest = {"abcdefghijkl"};
    size_t bytes = 0;
    buffer_init(&text, (size_t)SNAPSHOT_TEXT_BYTES_MAX);
    for (size_t i = 0; i < settings->streams_count; i++) {
        buffer_append_text(&text, ", ");
        position_append(&text, settings->streams[i].name, UINT64_MAX, &longest);
    }
    if (!text.failed)
        bytes = text.bytes;
    buffer_free(&text);
    return bytes;
}
