/* The writing side's one thread. */
#include "projector/projector.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/time.h"
#include "core/base/log.h"

/* What a source asks for; lives on the asker's stack until `done`. */
struct command {
    enum {
        COMMAND_LOAD,
        COMMAND_IDENTIFY,
        COMMAND_BEGIN_BUILD,
        COMMAND_SET_TARGET,
        COMMAND_ADD_GAP,
        COMMAND_ADVANCE
    } kind;
    size_t stream;
    int64_t created_ns;
    struct epoch epoch;
    uint64_t first, last; /* of a gap; `last` is also a target or a position */
    uint64_t generation;
    struct build *loaded; /* where COMMAND_LOAD puts what is written */
    struct sg_error *err;
    enum sg_status status;
    bool done;
    struct command *next;
};

/* What the projector keeps of one stream; its thread only. */
struct stream_writer {
    struct queue *queue; /* owned; set before the thread starts */
    int64_t id;          /* of the stream's row; likewise */
    /* Of the build that is written. */
    struct epoch epoch;
    bool growing;        /* beside the one that is served */
    int64_t served_build;
    struct epoch served_epoch;
    /* A batch that was taken and is not applied yet. */
    struct queue_item items[PROJECTOR_BATCH_EVENTS_MAX];
    size_t items_count;
    int64_t retry_at_ns; /* 0 = at once */
    int64_t retry_ms;    /* 0 = the last attempt succeeded */
    bool command_failed; /* the last command could not be stored */
    /* Written by the projector's thread, read by any. */
    _Atomic uint64_t position; /* of the build that is written */
};

struct projector {
    /* Set by projector_start(), then read-only: any thread. */
    struct projector_context context;
    struct notifier *notifier; /* owned */
    pthread_t thread;
    bool thread_started;
    /* Projector thread only (but for creation and destruction). */
    struct decode_arena *arena; /* owned */
    struct event events[PROJECTOR_BATCH_EVENTS_MAX];
    enum event_result results[PROJECTOR_BATCH_EVENTS_MAX];
    enum event_reason reasons[PROJECTOR_BATCH_EVENTS_MAX];
    int64_t rest_at_ns; /* when memory that a large batch took is given back; 0 = there is none */
    bool sweep_needed;
    int64_t sweep_retry_at_ns;
    bool sweep_failed; /* and was logged; once until it succeeds */
    /* Any thread. */
    atomic_bool stopping;
    atomic_bool failed;
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t done_cond;
    struct command *commands; /* borrowed from the askers; oldest first */
    bool stopped;             /* no command is served any more */
    size_t lanes_count;
    struct stream_writer lanes[];
};

struct queue *projector_queue(struct projector *p, size_t stream)
{
    assert(stream < p->lanes_count);
    return p->lanes[stream].queue;
}

/* ---- commands ---- */

static enum sg_status ask(struct projector *p, struct command *c)
{
    (void)pthread_mutex_lock(&p->mutex);
    struct command **tail = &p->commands;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = c;
    notifier_notify(p->notifier);
    while (!c->done && !p->stopped)
        (void)pthread_cond_wait(&p->done_cond, &p->mutex);
    bool done = c->done;
    (void)pthread_mutex_unlock(&p->mutex);
    return done ? c->status : sg_fail(c->err, SG_STOPPED, "the projector is stopping");
}

uint64_t projector_position(const struct projector *p, size_t stream)
{
    return atomic_load(&p->lanes[stream].position);
}

enum sg_status projector_load(struct projector *p, size_t stream, struct build *out, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_LOAD, .stream = stream, .loaded = out, .err = err};
    return ask(p, &c);
}

enum sg_status projector_identify(struct projector *p, size_t stream, int64_t created_ns, const struct epoch *epoch,
                                  struct sg_error *err)
{
    struct command c = {
        .kind = COMMAND_IDENTIFY, .stream = stream, .created_ns = created_ns, .epoch = *epoch, .err = err};
    return ask(p, &c);
}

enum sg_status projector_begin_build(struct projector *p, size_t stream, int64_t created_ns, const struct epoch *epoch,
                                     uint64_t target, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_BEGIN_BUILD,
                        .stream = stream,
                        .created_ns = created_ns,
                        .epoch = *epoch,
                        .last = target,
                        .err = err};
    return ask(p, &c);
}

enum sg_status projector_set_target(struct projector *p, size_t stream, uint64_t target, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_SET_TARGET, .stream = stream, .last = target, .err = err};
    return ask(p, &c);
}

enum sg_status projector_add_gap(struct projector *p, size_t stream, uint64_t first, uint64_t last,
                                 struct sg_error *err)
{
    struct command c = {.kind = COMMAND_ADD_GAP, .stream = stream, .first = first, .last = last, .err = err};
    return ask(p, &c);
}

enum sg_status projector_advance(struct projector *p, size_t stream, uint64_t generation, uint64_t position,
                                 struct sg_error *err)
{
    struct command c = {
        .kind = COMMAND_ADVANCE, .stream = stream, .generation = generation, .last = position, .err = err};
    return ask(p, &c);
}

/* Give up the first `count` messages of the lane's batch. */
static void batch_drop(struct stream_writer *lane, size_t count)
{
    queue_done(lane->queue, lane->items, count);
    lane->items_count -= count;
    memmove(&lane->items[0], &lane->items[count], lane->items_count * sizeof lane->items[0]);
}

/* Give up a batch that failed and whose consumer is void meanwhile.
 * The stream stays halted until something is stored. */
static void batch_drop_void(struct stream_writer *lane)
{
    if (lane->items_count == 0 || queue_is_current(lane->queue, lane->items[0].generation))
        return;
    batch_drop(lane, lane->items_count);
    lane->retry_at_ns = 0;
}

/* Something was stored. */
static void ingest_succeeded(struct projector *p, size_t stream)
{
    struct stream_writer *lane = &p->lanes[stream];
    if (lane->retry_ms != 0 || lane->command_failed) {
        lane->command_failed = false;
        freshness_set_halted(p->context.freshness, stream, NULL);
        log_event(LOG_INFO, "ingest_resumed", LOG_STR("stream", p->context.settings->streams[stream].name));
    }
    lane->retry_ms = 0;
    lane->retry_at_ns = 0;
}

/* Behind the commit: wake the reads that wait for this position, or for the proof that it meets. */
static void tell_position(struct projector *p, size_t stream, uint64_t position)
{
    int64_t proof_ns;
    int64_t probe_ns;
    progress_committed(p->context.progress, stream, position);
    freshness_newest(p->context.freshness, stream, &proof_ns, &probe_ns);
    progress_proved(p->context.progress, stream, proof_ns, probe_ns);
}

/* Behind the commit, before its position is told: the entities that changed, or of which an event was rejected. */
static void tell_entities(struct projector *p, size_t count)
{
    if (!progress_entities_wanted(p->context.progress))
        return;
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &p->events[i];
        bool matters = p->results[i] == RESULT_APPLIED || p->results[i] == RESULT_REJECTED;
        if (matters && e->collection.bytes > 0 && e->id.bytes > 0)
            progress_entity_changed(p->context.progress, progress_entity(p->context.progress, e->collection, e->id));
    }
}

/* Tell the reading side where a stream's rows are now. */
static enum sg_status publish_row(struct projector *p, size_t stream, struct sg_error *err)
{
    struct stream_writer *lane = &p->lanes[stream];
    struct stream served;
    struct build written;
    enum sg_status status = store_stream_load(p->context.model, lane->id, &served, err);
    if (status == SG_OK)
        status = store_build_load(p->context.model, lane->id, &written, err);
    if (status != SG_OK)
        return status;
    lane->epoch = written.epoch;
    lane->growing = written.growing;
    atomic_store(&lane->position, written.position);
    if (served.build != lane->served_build) {
        lane->served_build = served.build;
        p->sweep_needed = true;
        freshness_swapped(p->context.freshness, stream);
        progress_changed(p->context.progress);
        log_event(LOG_INFO, "build_served", LOG_STR("stream", served.name), LOG_INT("build", served.build),
                  LOG_STR("epoch", served.epoch.text), LOG_UINT("position", served.position));
    }
    freshness_applied(p->context.freshness, stream, served.position, &served.epoch);
    if (!epoch_equal(&lane->served_epoch, &served.epoch)) {
        /* Also when it becomes known: whoever demands this epoch waits for nothing else that would wake it. */
        lane->served_epoch = served.epoch;
        progress_changed(p->context.progress);
    }
    tell_position(p, stream, served.position);
    return SG_OK;
}

/* The same behind each batch: while one build is written and read, without asking the model. */
static enum sg_status publish_position(struct projector *p, size_t stream, uint64_t position, struct sg_error *err)
{
    struct stream_writer *lane = &p->lanes[stream];
    if (lane->growing)
        return publish_row(p, stream, err);
    atomic_store(&lane->position, position);
    freshness_applied(p->context.freshness, stream, position, &lane->epoch);
    tell_position(p, stream, position);
    return SG_OK;
}

static enum sg_status begin_build(struct projector *p, const struct command *c)
{
    struct stream_metrics *metrics = metrics_stream(p->context.metrics, c->stream);
    const struct stream_writer *lane = &p->lanes[c->stream];
    bool another_life = !epoch_equal(&lane->epoch, &c->epoch);
    /* Proofs of another life say nothing of this one, nor of rows that are served on from before; those of the same
     * life still prove such rows. Without such rows nothing is ready. */
    if (!lane->growing && projector_position(p, c->stream) == 0)
        freshness_clear_ready(p->context.freshness, c->stream);
    if (another_life)
        freshness_reset(p->context.freshness, c->stream);
    enum sg_status status =
        store_stream_begin_build(p->context.model, lane->id, c->created_ns, &c->epoch, c->last, c->err);
    if (status != SG_OK) {
        (void)!publish_row(p, c->stream, NULL); /* the rows are still where they were */
        return status;
    }
    if (another_life)
        atomic_fetch_add_explicit(&metrics->epoch_changes, 1, memory_order_relaxed);
    p->sweep_needed = true;
    status = publish_row(p, c->stream, c->err);
    freshness_set_ready_target(p->context.freshness, c->stream, c->last, &c->epoch);
    if (c->last == 0)
        freshness_set_ready(p->context.freshness, c->stream);
    return status;
}

static enum sg_status advance(struct projector *p, const struct command *c)
{
    struct stream_writer *lane = &p->lanes[c->stream];
    if (lane->items_count > 0 || !queue_is_current(lane->queue, c->generation) || !queue_is_idle(lane->queue))
        return SG_OK;
    enum sg_status status = store_stream_advance(p->context.model, lane->id, c->last, c->err);
    return status == SG_OK ? publish_row(p, c->stream, c->err) : status;
}

static enum sg_status command_run(struct projector *p, const struct command *c)
{
    struct store_writer *model = p->context.model;
    int64_t id = p->lanes[c->stream].id;
    enum sg_status status = SG_OK;
    switch (c->kind) {
    case COMMAND_LOAD:
        return store_build_load(model, id, c->loaded, c->err);
    case COMMAND_IDENTIFY:
        status = store_stream_identify(model, id, c->created_ns, &c->epoch, c->err);
        return status == SG_OK ? publish_row(p, c->stream, c->err) : status;
    case COMMAND_BEGIN_BUILD:
        return begin_build(p, c);
    case COMMAND_SET_TARGET:
        status = store_stream_set_target(model, id, c->last, c->err);
        return status == SG_OK ? publish_row(p, c->stream, c->err) : status;
    case COMMAND_ADD_GAP:
        return store_stream_add_gap(model, id, c->first, c->last, c->err);
    case COMMAND_ADVANCE:
        return advance(p, c);
    }
    return SG_OK;
}

/* A command that cannot be stored halts the stream as a batch does; its asker tries again. That a row can be read says
 * nothing of the disk's room. */
static void command_note(struct projector *p, const struct command *c, enum sg_status status)
{
    struct stream_writer *lane = &p->lanes[c->stream];
    bool failed = status == SG_STORAGE || status == SG_FULL || status == SG_CORRUPT;
    if (failed != lane->command_failed && (failed || c->kind != COMMAND_LOAD)) {
        lane->command_failed = failed;
        if (failed)
            freshness_set_halted(p->context.freshness, c->stream, c->err->message);
        else if (lane->retry_ms == 0)
            freshness_set_halted(p->context.freshness, c->stream, NULL);
    }
    if (status == SG_CORRUPT)
        atomic_store(&p->failed, true);
    batch_drop_void(lane);
    if (status == SG_OK && c->kind != COMMAND_LOAD && lane->items_count == 0)
        ingest_succeeded(p, c->stream);
}

static void commands_run(struct projector *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    while (p->commands != NULL) {
        struct command *c = p->commands;
        p->commands = c->next;
        (void)pthread_mutex_unlock(&p->mutex);
        enum sg_status status = command_run(p, c);
        command_note(p, c, status);
        (void)pthread_mutex_lock(&p->mutex);
        c->status = status;
        c->done = true;
        (void)pthread_cond_broadcast(&p->done_cond);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

/* ---- batches ---- */

static void count_batch(struct projector *p, size_t stream, size_t count, int64_t apply_ns)
{
    struct stream_metrics *m = metrics_stream(p->context.metrics, stream);
    uint64_t by_result[EVENT_RESULTS_COUNT] = {0};
    int64_t now_ns = time_wall_ns();
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &p->events[i];
        int64_t age_ns = now_ns - e->time_ns;
        by_result[p->results[i]]++;
        if (p->results[i] == RESULT_REJECTED)
            atomic_fetch_add_explicit(&m->rejected[p->reasons[i]], 1, memory_order_relaxed);
        if (p->results[i] == RESULT_APPLIED && e->kind != EVENT_STATE)
            metrics_tombstone(p->context.metrics, e->collection);
        if (p->results[i] == RESULT_REDELIVERED)
            continue;
        if (age_ns < 0) {
            atomic_fetch_add_explicit(&m->clock_skew, 1, memory_order_relaxed);
            age_ns = 0;
        }
        metrics_histogram_add(&m->visible_seconds, (double)age_ns / (double)NS_PER_S);
    }
    for (size_t r = 0; r < EVENT_RESULTS_COUNT; r++) {
        if (by_result[r] > 0)
            atomic_fetch_add_explicit(&m->events[r], by_result[r], memory_order_relaxed);
    }
    metrics_histogram_add(&m->batch_events, (double)count);
    metrics_histogram_add(&m->apply_seconds, (double)apply_ns / (double)NS_PER_S);
}

/* Decode as many of the lane's messages as memory allows; 0 = none. */
static size_t batch_decode(struct projector *p, size_t stream, struct sg_error *err)
{
    struct stream_writer *lane = &p->lanes[stream];
    size_t count = 0;
    decode_arena_reset(p->arena);
    while (count < lane->items_count && decode(p->context.settings, stream, &lane->items[count].message, p->arena,
                                               &p->events[count], err) == SG_OK)
        count++;
    return count;
}

/* Log and remember a failure; the batch stays and is tried again. */
static void batch_failed(struct projector *p, size_t stream, const struct sg_error *err)
{
    struct stream_writer *lane = &p->lanes[stream];
    bool first = lane->retry_ms == 0;
    lane->retry_ms = first ? PROJECTOR_RETRY_MIN_MS : lane->retry_ms * 2;
    if (lane->retry_ms > PROJECTOR_RETRY_MAX_MS)
        lane->retry_ms = PROJECTOR_RETRY_MAX_MS;
    lane->retry_at_ns = time_boot_ns() + lane->retry_ms * NS_PER_MS;
    freshness_set_halted(p->context.freshness, stream, err->message);
    if (err->status == SG_CORRUPT)
        atomic_store(&p->failed, true);
    if (first)
        log_event(LOG_ERROR, "ingest_halted", LOG_STR("stream", p->context.settings->streams[stream].name),
                  LOG_STR("error", err->message), LOG_INT("retrying_in_ms", lane->retry_ms));
}

/* Apply what the lane holds. The messages that memory did not suffice for stay for the next turn. */
static void batch_apply(struct projector *p, size_t stream)
{
    struct stream_writer *lane = &p->lanes[stream];
    struct sg_error err = {0};
    uint64_t position = 0;
    size_t count = batch_decode(p, stream, &err);
    if (count == 0) {
        batch_failed(p, stream, &err);
        return;
    }
    int64_t began_ns = time_boot_ns();
#ifdef SG_PLANT_WAKE_BEFORE_COMMIT
    for (size_t i = 0; i < count; i++)
        p->results[i] = RESULT_APPLIED; /* probably */
    tell_entities(p, count);
    tell_position(p, stream, p->events[count - 1].sequence);
#endif
    enum sg_status status =
        store_apply(p->context.model, lane->id, p->events, count, p->results, p->reasons, &position, &err);
#ifndef SG_PLANT_WAKE_BEFORE_COMMIT
    /* Commit, then publish, then wake: a reader that sees the position can see the rows. */
    if (status == SG_OK)
        tell_entities(p, count);
#endif
    if (status == SG_OK)
        status = publish_position(p, stream, position, &err);
    if (count >= PROJECTOR_REST_EVENTS)
        p->rest_at_ns = time_boot_ns() + PROJECTOR_REST_MS * NS_PER_MS;
    if (status != SG_OK) {
        batch_failed(p, stream, &err);
        return;
    }
    ingest_succeeded(p, stream);
    count_batch(p, stream, count, time_boot_ns() - began_ns);
    batch_drop(lane, count);
}

/* One turn for one stream: true if there was something to do. */
static bool stream_writer_turn(struct projector *p, size_t stream)
{
    struct stream_writer *lane = &p->lanes[stream];
    batch_drop_void(lane);
    if (lane->items_count == 0)
        lane->items_count =
            queue_take(lane->queue, lane->items, PROJECTOR_BATCH_EVENTS_MAX, PROJECTOR_BATCH_BYTES_MAX);
    if (lane->items_count == 0 || time_boot_ns() < lane->retry_at_ns)
        return false;
    batch_apply(p, stream);
    return true;
}

/* Delete some rows of old builds. */
static bool sweep_turn(struct projector *p)
{
    struct sg_error err = {0};
    if (!p->sweep_needed || time_boot_ns() < p->sweep_retry_at_ns)
        return false;
    enum sg_status status = store_sweep(p->context.model, PROJECTOR_SWEEP_ROWS, &p->sweep_needed, &err);
    if (status != SG_OK) {
        if (!p->sweep_failed)
            log_event(LOG_WARN, "sweep_failed", LOG_STR("error", err.message),
                      LOG_INT("retrying_in_ms", PROJECTOR_RETRY_MAX_MS));
        p->sweep_failed = true;
        if (status == SG_CORRUPT)
            atomic_store(&p->failed, true);
        p->sweep_retry_at_ns = time_boot_ns() + PROJECTOR_RETRY_MAX_MS * NS_PER_MS;
        return false;
    }
    p->sweep_failed = false;
    return true;
}

/* Some time after the last large batch: pages, events and messages were kept for the next one. */
static void rest_turn(struct projector *p)
{
    if (p->rest_at_ns == 0 || time_boot_ns() < p->rest_at_ns)
        return;
    p->rest_at_ns = 0;
    decode_arena_release(p->arena);
    store_trim(p->context.model);
    (void)malloc_trim(0);
}

/* When something is to be done that no bell announces: what failed is tried again, memory given back;
 * INT64_MAX = never. */
static int64_t next_turn_ns(const struct projector *p)
{
    int64_t at_ns = p->sweep_needed ? p->sweep_retry_at_ns : INT64_MAX;
    if (p->rest_at_ns != 0 && p->rest_at_ns < at_ns)
        at_ns = p->rest_at_ns;
    for (size_t i = 0; i < p->lanes_count; i++) {
        if (p->lanes[i].items_count > 0 && p->lanes[i].retry_at_ns < at_ns)
            at_ns = p->lanes[i].retry_at_ns;
    }
    return at_ns;
}

static void *projector_run(void *argument)
{
    struct projector *p = argument;
    while (!atomic_load(&p->stopping)) {
        bool worked = false;
        commands_run(p);
        for (size_t i = 0; i < p->lanes_count; i++)
            worked |= stream_writer_turn(p, i);
        worked |= sweep_turn(p);
        rest_turn(p);
        if (!worked)
            notifier_wait(p->notifier, next_turn_ns(p));
    }
    (void)pthread_mutex_lock(&p->mutex);
    p->stopped = true;
    (void)pthread_cond_broadcast(&p->done_cond);
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* ---- life ---- */

bool projector_failed(const struct projector *p)
{
    return atomic_load(&p->failed);
}

/* Everything in the settings that shapes a stream's rows, as one line: another line means other rows. */
static enum sg_status fingerprint_make(const struct settings *settings, const struct stream_settings *stream,
                                       struct buffer *out, struct sg_error *err)
{
    buffer_append_format(out, "%s %s", stream->subject.text, stream->format == FORMAT_KV ? "kv" : "envelope");
    for (size_t i = 0; i < stream->collections_count; i++)
        buffer_append_format(out, " %s", stream->collections[i]);
    /* A stream without a list has what no other one lists. */
    for (size_t i = 0; stream->collections_count == 0 && i < settings->streams_count; i++) {
        for (size_t k = 0; k < settings->streams[i].collections_count; k++)
            buffer_append_format(out, " !%s", settings->streams[i].collections[k]);
    }
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        if (settings_owner(settings, slice_of(collection->name)) != (int)(stream - settings->streams))
            continue;
        for (size_t k = 0; k < collection->drop_count; k++)
            buffer_append_format(out, " %s-%s", collection->name, collection->drop[k]);
    }
    buffer_append(out, "", 1);
    return out->failed ? sg_fail(err, SG_MEMORY, "the settings of stream %s are too long", stream->name) : SG_OK;
}

#define FINGERPRINT_BYTES_MAX (1u << 20) /* names and pointers of a configuration file, which is no larger */

static enum sg_status stream_writer_open(struct projector *p, size_t index, queue_release *release,
                                         struct sg_error *err)
{
    const struct stream_settings *stream = &p->context.settings->streams[index];
    struct stream_writer *lane = &p->lanes[index];
    struct stream row;
    bool reshaped = false;
    struct buffer fingerprint;
    buffer_init(&fingerprint, FINGERPRINT_BYTES_MAX);
    enum sg_status status = queue_create(p->notifier, release, &lane->queue, err);
    if (status == SG_OK)
        status = fingerprint_make(p->context.settings, stream, &fingerprint, err);
    if (status == SG_OK)
        status = store_stream_attach(p->context.model, stream->name, fingerprint.data, &row, &reshaped, err);
    buffer_free(&fingerprint);
    if (status != SG_OK)
        return status;
    lane->id = row.id;
    lane->served_build = row.build;
    if (reshaped)
        log_event(LOG_WARN, "rebuild_began", LOG_STR("stream", stream->name), LOG_STR("reason", "settings changed"));
    else if (row.rebuilding)
        log_event(LOG_INFO, "rebuild_continues", LOG_STR("stream", stream->name), LOG_INT("build", row.rebuild.build),
                  LOG_UINT("position", row.rebuild.position));
    return publish_row(p, index, err);
}

static void projector_destroy(struct projector *p)
{
    for (size_t i = 0; i < p->lanes_count; i++) {
        if (p->lanes[i].items_count > 0)
            batch_drop(&p->lanes[i], p->lanes[i].items_count);
        queue_destroy(p->lanes[i].queue);
    }
    decode_arena_destroy(p->arena);
    notifier_destroy(p->notifier);
    (void)pthread_cond_destroy(&p->done_cond);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

enum sg_status projector_start(const struct projector_context *context, queue_release *release, struct projector **out,
                               struct sg_error *err)
{
    size_t lanes_count = context->settings->streams_count;
    struct projector *p = calloc(1, sizeof *p + lanes_count * sizeof p->lanes[0]);
    if (p == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the projector of %zu streams", lanes_count);
    p->context = *context;
    p->lanes_count = lanes_count;
    p->sweep_needed = true; /* a former process may have left some */
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->done_cond, NULL);
    enum sg_status status = notifier_create(&p->notifier, err);
    if (status != SG_OK)
        goto fail;
    p->arena = decode_arena_create();
    if (p->arena == NULL) {
        status = sg_fail(err, SG_MEMORY, "out of memory for decoding");
        goto fail;
    }
    for (size_t i = 0; i < lanes_count; i++) {
        status = stream_writer_open(p, i, release, err);
        if (status != SG_OK)
            goto fail;
    }
    if (pthread_create(&p->thread, NULL, projector_run, p) != 0) {
        status = sg_fail(err, SG_MEMORY, "the projector's thread cannot be created");
        goto fail;
    }
    p->thread_started = true;
    *out = p;
    return SG_OK;
fail:
    projector_destroy(p);
    return status;
}

void projector_stop(struct projector *p)
{
    if (p == NULL)
        return;
    atomic_store(&p->stopping, true);
    notifier_notify(p->notifier);
    if (p->thread_started)
        (void)pthread_join(p->thread, NULL);
    projector_destroy(p);
}
