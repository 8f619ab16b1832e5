/* The steps of a history: chosen by chance, and done to the read model. */
#include "store_history.h"

#include <stdio.h>

#include "disk_cut.h"

#define SWEEP_ROWS 6
#define FIELDS_ROWS 7

static const struct history_build *written(const struct history_stream *s)
{
    return s->has_next ? &s->next : &s->served;
}

/* ---- choosing ---- */

static void choose_events(const struct history_build *b, uint64_t *chance, struct history_step *step)
{
    uint64_t again = disk_chance(chance) % 8 == 0 ? disk_chance(chance) % 12 : 0; /* delivered again */
    step->kind = STEP_APPLY;
    step->first = again < b->position ? b->position + 1 - again : 1;
    step->last = step->first + disk_chance(chance) % HISTORY_BATCH_MAX;
}

struct history_step history_choose(const struct history *h, uint64_t *chance)
{
    static const uint64_t targets[] = {0, TARGET_UNKNOWN, 30, 60, 100, 150};
    struct history_step step = {.stream = disk_chance(chance) % HISTORY_STREAMS};
    const struct history_build *b = written(&h->streams[step.stream]);
    uint64_t dice = disk_chance(chance) % 120;
    if (dice >= 100) {
        step.kind = STEP_FIELDS;
    } else if (dice < 10) {
        step.kind = STEP_SWEEP;
    } else if (dice < 15) {
        step.kind = STEP_BEGIN_BUILD;
        step.target = targets[disk_chance(chance) % 6];
    } else if (dice < 20 && b->target == -1) {
        step.kind = STEP_SET_TARGET;
        step.target = b->position + disk_chance(chance) % 40 + 1;
    } else if (dice < 23) {
        step.kind = STEP_ADVANCE;
        step.last = b->position + disk_chance(chance) % 6;
    } else if (dice < 26 && b->gaps_count < 6) {
        step.kind = STEP_ADD_GAP; /* far apart, so that they stay what they are */
        step.first = 1000 * (b->gaps_count + 1);
        step.last = step.first + disk_chance(chance) % 100;
    } else if (dice < 32) {
        step.kind = STEP_REMOVE_TOMBSTONE;
        step.first = disk_chance(chance) % HISTORY_COLLECTIONS;
        step.target = 1 + disk_chance(chance) % 3;
    } else {
        choose_events(b, chance, &step);
    }
    return step;
}

struct history_step history_attach(const struct history *h, size_t stream, bool reshape)
{
    return (struct history_step){.kind = STEP_ATTACH, .stream = stream,
                                 .fingerprint = h->streams[stream].fingerprint + (reshape ? 1 : 0),
                                 .declared = h->streams[stream].declared};
}

struct history_step history_identify(size_t stream)
{
    return (struct history_step){.kind = STEP_IDENTIFY, .stream = stream};
}

/* ---- doing ---- */

static struct epoch epoch_of(uint64_t incarnation)
{
    struct epoch epoch;
    (void)snprintf(epoch.text, sizeof epoch.text, "l%llu", (unsigned long long)incarnation);
    return epoch;
}

static struct event event_make(const struct history *h, size_t stream, uint64_t incarnation, uint64_t sequence,
                               unsigned declared, char state[HISTORY_STATE_BYTES_MAX], struct history_values *values)
{
    struct history_event from = history_event_at(h->seed, stream, incarnation, sequence);
    struct event e = {.kind = from.kind, .sequence = sequence, .time_ns = (int64_t)sequence,
                      .subject = SLICE_LITERAL("state.some.thing"), .payload = SLICE_LITERAL("{\"as\":\"received\"}")};
    if (from.kind == EVENT_IGNORED)
        return e;
    e.collection = history_collection_name(stream, from.collection);
    e.id = history_id(from.id);
    e.version = from.version;
    e.reason = from.reason;
    if (from.kind == EVENT_REJECTED)
        e.detail = SLICE_LITERAL("what is wrong with it");
    if (from.dated)
        e.occurred_at = SLICE_LITERAL(HISTORY_OCCURRED_AT);
    if (from.kind == EVENT_STATE) {
        history_state(&from, state);
        e.state = (struct slice){state, from.state_bytes};
        e.fields = history_values(history_declared(stream, declared, from.collection), e.state, values);
    }
    return e;
}

static enum sg_status do_apply(const struct history *h, struct store_writer *w, const struct history_step *step,
                               int64_t id, struct sg_error *err)
{
    static char states[HISTORY_BATCH_MAX][HISTORY_STATE_BYTES_MAX];
    static struct history_values values[HISTORY_BATCH_MAX];
    unsigned declared = h->streams[step->stream].declared;
    struct event events[HISTORY_BATCH_MAX];
    enum event_result results[HISTORY_BATCH_MAX];
    enum event_reason reasons[HISTORY_BATCH_MAX];
    uint64_t position = 0;
    size_t count = 0;
    uint64_t incarnation = written(&h->streams[step->stream])->incarnation;
    for (uint64_t sequence = step->first; sequence <= step->last; sequence++, count++)
        events[count] = event_make(h, step->stream, incarnation, sequence, declared, states[count], &values[count]);
    return store_apply(w, id, events, count, NULL, results, reasons, &position, err);
}

static enum sg_status do_remove(struct store_writer *w, const struct history_step *step, int64_t id,
                                struct sg_error *err)
{
    const struct store_tombstone_bounds bounds = {
        .stream = id, .collection = history_collection_name(step->stream, step->first), .max = step->target};
    struct store_removal removal;
    enum sg_status status;
    do /* some calls write the WAL back, and no more */
        status = store_remove_tombstones(w, &bounds, 1, NULL, NULL, &removal, err);
    while (status == SG_OK && removal.more && removal.removed == 0);
    return status;
}

static enum sg_status do_attach(struct store_writer *w, const struct history_step *step, int64_t *id,
                                struct sg_error *err)
{
    struct stream stream;
    bool reshaped = false;
    char fingerprint[16];
    (void)snprintf(fingerprint, sizeof fingerprint, "shape-%d", step->fingerprint);
    enum sg_status status = store_stream_attach(w, history_stream_name(step->stream), STREAM_FINGERPRINT(fingerprint),
                                                &stream, &reshaped, err);
    for (size_t c = 0; status == SG_OK && c < HISTORY_COLLECTIONS; c++) {
        const struct field_set *declared = history_declared(step->stream, step->declared, c);
        if (declared != NULL)
            status = store_set_fields(w, stream.id, history_collection_name(step->stream, c), declared, err);
    }
    if (status == SG_OK)
        *id = stream.id;
    return status;
}

static enum sg_status do_fields(const struct history *h, struct store_writer *w, struct sg_error *err)
{
    struct store_extract extract = {.extract = history_extract, .context = (void *)(uintptr_t)h}; /* only read */
    struct store_fields_done done;
    return store_fields_step(w, &extract, FIELDS_ROWS, &done, err);
}

static enum sg_status do_step(const struct history *h, struct store_writer *w, const struct history_step *step,
                              int64_t *id, struct sg_error *err)
{
    uint64_t next_incarnation = h->streams[step->stream].incarnations + 1;
    struct epoch epoch = epoch_of(next_incarnation);
    bool more = false;
    switch (step->kind) {
    case STEP_ATTACH:
        return do_attach(w, step, id, err);
    case STEP_IDENTIFY:
        return store_stream_identify(w, *id, 1, &epoch, err);
    case STEP_APPLY:
        return do_apply(h, w, step, *id, err);
    case STEP_BEGIN_BUILD:
        return store_stream_begin_build(w, *id, (int64_t)next_incarnation, &epoch, step->target, err);
    case STEP_SET_TARGET:
        return store_stream_set_target(w, *id, step->target, err);
    case STEP_ADVANCE:
        return store_stream_advance(w, *id, step->last, true, err);
    case STEP_ADD_GAP:
        return store_stream_add_gap(w, *id, step->first, step->last, err);
    case STEP_SWEEP:
        return store_sweep(w, SWEEP_ROWS, &more, err);
    case STEP_REMOVE_TOMBSTONE:
        return do_remove(w, step, *id, err);
    case STEP_FIELDS:
        return do_fields(h, w, err);
    }
    return SG_INVALID;
}

/* Which builds are served: those of streams that are attached. */
static void note_served(const struct history *h, struct store_writer *w, struct history_step *step,
                        const int64_t ids[HISTORY_STREAMS])
{
    if (h->pause != NULL)
        h->pause();
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        struct stream stream;
        struct sg_error err;
        bool there = h->streams[i].there || (step->kind == STEP_ATTACH && step->stream == i);
        step->served[i] = 0;
        if (!there)
            continue;
        enum sg_status status = store_stream_load(w, ids[i], &stream, &err);
        if (status == SG_OK)
            step->served[i] = stream.build;
        else if (status != SG_NOT_FOUND)
            (void)fprintf(stderr, "a stream cannot be loaded: %s\n", err.message);
    }
    if (h->resume != NULL)
        h->resume();
}

enum sg_status history_do(struct history *h, struct store_writer *w, struct history_step *step,
                          int64_t ids[HISTORY_STREAMS], struct sg_error *err)
{
    enum sg_status status = do_step(h, w, step, &ids[step->stream], err);
    if (status != SG_OK)
        return status;
    note_served(h, w, step, ids);
    history_fold(h, step);
    return status;
}

enum sg_status history_attach_all(struct history *h, struct store_writer *w, int64_t ids[HISTORY_STREAMS],
                                  struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < HISTORY_STREAMS; i++) {
        struct history_step attach = history_attach(h, i, false);
        status = history_do(h, w, &attach, ids, err);
        struct history_step identify = history_identify(i);
        if (status == SG_OK && h->streams[i].incarnations == 0)
            status = history_do(h, w, &identify, ids, err);
    }
    return status;
}
