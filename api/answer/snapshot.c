/* Turns. */
#include "api/answer/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#ifdef SG_PLANT_OLDER_SNAPSHOT
#include <unistd.h>
#endif

#include "core/base/time.h"
#include "core/base/log.h"

/* Of one text: far beyond a State-Position with the most streams, their names as long as can be, and escaped. */
#define TURN_TEXT_BYTES_MAX (256u << 10)
/* A begin can succeed where the read behind it fails: only so long without a failure are reads taken to have recovered,
 * or each turn would be logged. */
#define TURN_RECOVERED_NS (10 * NS_PER_S)

struct turn_slot {
    bool ready; /* in this turn */
    struct turn_stream stream;
    struct turn_claim claim;
    struct buffer position;
    struct buffer lag;
    struct buffer gaps;
};

struct turn {
    const struct settings *settings; /* borrowed */
    struct freshness *freshness;     /* borrowed */
    struct model_reader *reader;     /* owned */
    bool open;
    uint64_t snapshot;               /* of the reader, that the slots show */
    bool failing;                    /* a read failed, and that is logged */
    int64_t failed_ns;               /* when the last one did; boot clock */
    int64_t now_ns;
    int64_t wall_s;
    struct turn_slot all;            /* of all streams together */
    struct turn_slot named;          /* one stream's, with others named beside it */
    struct turn_slot *slots;         /* owned; one per stream of the settings */
};

/* What a stream is that has no row yet. */
static const struct model_stream no_row = {.id = 0};

static void slot_init(struct turn_slot *slot)
{
    buffer_init(&slot->position, TURN_TEXT_BYTES_MAX);
    buffer_init(&slot->lag, TURN_TEXT_BYTES_MAX);
    buffer_init(&slot->gaps, TURN_TEXT_BYTES_MAX);
}

static void slot_free(struct turn_slot *slot)
{
    buffer_free(&slot->position);
    buffer_free(&slot->lag);
    buffer_free(&slot->gaps);
}

enum sg_status turn_create(const struct settings *settings, struct freshness *freshness, struct model_shared *shared,
                           struct turn **out, struct sg_error *err)
{
    struct turn *turn = calloc(1, sizeof *turn);
    if (turn == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a loop's reads");
    turn->settings = settings;
    turn->freshness = freshness;
    slot_init(&turn->all);
    slot_init(&turn->named);
    turn->slots = calloc(settings->streams_count, sizeof *turn->slots);
    if (turn->slots == NULL) {
        turn_destroy(turn);
        return sg_fail(err, SG_MEMORY, "out of memory for a loop's reads");
    }
    for (size_t i = 0; i < settings->streams_count; i++)
        slot_init(&turn->slots[i]);
    enum sg_status status = model_reader_open(settings->database, shared, &turn->reader, err);
    if (status != SG_OK) {
        turn_destroy(turn);
        return status;
    }
    *out = turn;
    return SG_OK;
}

void turn_destroy(struct turn *turn)
{
    if (turn == NULL)
        return;
    turn_end(turn);
    model_reader_close(turn->reader);
    for (size_t i = 0; turn->slots != NULL && i < turn->settings->streams_count; i++)
        slot_free(&turn->slots[i]);
    slot_free(&turn->all);
    slot_free(&turn->named);
    free(turn->slots);
    free(turn);
}

void turn_failed(struct turn *turn, const struct sg_error *err)
{
    turn->failed_ns = clock_boot_ns();
    if (turn->failing)
        return;
    turn->failing = true;
    log_event(LOG_ERROR, "reads_failing", LOG_STR("status", sg_status_name(err->status)),
              LOG_STR("error", err->message));
}

static void slots_reset(struct turn *turn)
{
    turn->all.ready = false;
    for (size_t i = 0; i < turn->settings->streams_count; i++)
        turn->slots[i].ready = false;
}

/* Behind the begin of the snapshot: what is proved from here on cannot make it look fresher than it is. */
static void snapshot_began(struct turn *turn)
{
    uint64_t snapshot = model_read_snapshot(turn->reader);
    if (turn->open && turn->snapshot == snapshot)
        return;
    turn->open = true;
    turn->snapshot = snapshot;
    slots_reset(turn);
#ifdef SG_PLANT_OLDER_SNAPSHOT
    (void)usleep(5000); /* or the window is too short to be met by chance */
#endif
    turn->now_ns = clock_boot_ns();
    turn->wall_s = clock_wall_ns() / NS_PER_S;
}

enum sg_status turn_begin(struct turn *turn, struct sg_error *err)
{
    enum sg_status status = model_read_begin(turn->reader, err);
    if (status != SG_OK) {
        turn_failed(turn, err);
        return status;
    }
    snapshot_began(turn);
    if (turn->failing && turn->now_ns - turn->failed_ns >= TURN_RECOVERED_NS) {
        turn->failing = false;
        log_event(LOG_INFO, "reads_recovered", LOG_STR("database", turn->settings->database));
    }
    return SG_OK;
}

bool turn_peek(struct turn *turn)
{
    bool peeked = model_read_peek(turn->reader);
    if (peeked)
        snapshot_began(turn);
    return peeked;
}

void turn_end(struct turn *turn)
{
    if (!turn->open)
        return;
    model_read_end(turn->reader);
    turn->open = false;
    slots_reset(turn);
}

struct model_reader *turn_reader(struct turn *turn)
{
    return turn->reader;
}

int64_t turn_wall_s(const struct turn *turn)
{
    return turn->wall_s;
}

/* The buffer's content as a string; "" when memory ran out, so that a header is left out and never wrong. */
static const char *slot_text(struct buffer *b)
{
    buffer_append(b, "", 1);
    return b->failed ? "" : b->data;
}

static void render_gaps(struct buffer *out, const struct model_stream *row)
{
    for (size_t i = 0; i < row->gaps_count; i++)
        buffer_append_format(out, "%s%" PRIu64 "-%" PRIu64, i > 0 ? ", " : "", row->gaps[i].first, row->gaps[i].last);
}

static struct turn_slot *slot_of(struct turn *turn, size_t stream)
{
    struct turn_slot *slot = &turn->slots[stream];
    struct turn_stream *s = &slot->stream;
    if (slot->ready)
        return slot;
    const char *name = turn->settings->streams[stream].name;
    s->row = model_read_stream(turn->reader, name);
    if (s->row == NULL)
        s->row = &no_row;
    freshness_view(turn->freshness, stream, s->row, turn->now_ns, &s->view);
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
    slot->claim = (struct turn_claim){s->position, s->lag, s->gaps, s->view.status, s->view.staleness_known,
                                      s->view.proof_ns};
    slot->ready = true;
    return slot;
}

const struct turn_stream *turn_stream(struct turn *turn, size_t stream)
{
    return &slot_of(turn, stream)->stream;
}

static const struct turn_claim *claim_all(struct turn *turn)
{
    struct turn_slot *all = &turn->all;
    uint64_t lag = 0;
    bool lag_known = true;
    if (all->ready)
        return &all->claim;
    all->claim = (struct turn_claim){.status = STREAM_LIVE, .staleness_known = true, .proof_ns = INT64_MAX};
    buffer_reset(&all->position);
    for (size_t i = 0; i < turn->settings->streams_count; i++) {
        const struct turn_stream *s = turn_stream(turn, i);
        if (i > 0)
            buffer_append_text(&all->position, ", ");
        buffer_append_text(&all->position, s->position);
        if (s->view.status > all->claim.status)
            all->claim.status = s->view.status;
        all->claim.staleness_known = all->claim.staleness_known && s->view.staleness_known;
        if (s->view.proof_ns < all->claim.proof_ns)
            all->claim.proof_ns = s->view.proof_ns;
        lag_known = lag_known && s->view.head_known;
        if (s->view.lag > lag)
            lag = s->view.lag;
    }
    all->claim.position = slot_text(&all->position);
    buffer_reset(&all->lag);
    buffer_append_uint(&all->lag, lag);
    all->claim.lag = lag_known ? slot_text(&all->lag) : NULL;
    /* Gaps of several streams say nothing without their names: /v1/status has them. */
    if (turn->settings->streams_count == 1)
        all->claim.gaps = turn_stream(turn, 0)->gaps;
    all->ready = true;
    return &all->claim;
}

const struct turn_claim *turn_claim(struct turn *turn, int stream)
{
    return stream == TURN_ALL ? claim_all(turn) : &slot_of(turn, (size_t)stream)->claim;
}

const struct turn_claim *turn_claim_naming(struct turn *turn, int stream, const size_t *others, size_t others_count)
{
    const struct turn_claim *claim = turn_claim(turn, stream);
    if (stream == TURN_ALL || others_count == 0)
        return claim;
    turn->named.claim = *claim;
    buffer_reset(&turn->named.position);
    buffer_append_text(&turn->named.position, claim->position);
    for (size_t i = 0; i < others_count; i++) {
        if (others[i] == (size_t)stream)
            continue;
        buffer_append_text(&turn->named.position, ", ");
        buffer_append_text(&turn->named.position, turn_stream(turn, others[i])->position);
    }
    turn->named.claim.position = slot_text(&turn->named.position);
    return &turn->named.claim;
}

size_t turn_position_bytes_max(const struct settings *settings)
{
    struct buffer text;
    struct epoch longest = {"abcdefghijkl"};
    size_t bytes = 0;
    buffer_init(&text, (size_t)TURN_TEXT_BYTES_MAX);
    for (size_t i = 0; i < settings->streams_count; i++) {
        buffer_append_text(&text, ", ");
        position_append(&text, settings->streams[i].name, UINT64_MAX, &longest);
    }
    if (!text.failed)
        bytes = text.bytes;
    buffer_free(&text);
    return bytes;
}
