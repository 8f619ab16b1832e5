/* The writing side: its own thread, and a connection's while it applies what it has just received.
 *
 * To wake another thread for a single message costs as much as a fifth of its commit. So the thread that received a few
 * messages applies them, if nobody writes at the moment; the projector's thread does all else, and whatever is much. */
#include "projector/projector.h"

#include <malloc.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/time.h"
#include "core/json/arena.h"
#include "projector/decode/format.h"
#include "projector/ingest/batch.h"
#include "projector/ingest/commands.h"
#include "projector/ingest/field_sets.h"
#include "projector/ingest/fingerprint.h"
#include "projector/ingest/publish.h"
#include "projector/ingest/tombstones.h"
#include "projector/shape/shape.h"

/* What a stream's queue calls. */
struct here {
    struct projector *projector;
    size_t stream;
};

struct projector {
    /* Set by projector_start(), then read-only: any thread. */
    struct ingest *ingest; /* owned */
    struct here *heres;    /* owned; one a stream */
    pthread_t thread;
    /* Guarded by ingest's `writing`. */
    int64_t sleeps_until_ns; /* the projector's thread; INT64_MIN = it is at work */
    int64_t trim_at_ns; /* when memory that a large batch took is given back; 0 = there is none */
    int64_t sweep_retry_at_ns;
    bool sweep_failed;   /* and was logged; once until it succeeds */
    bool removal_failed; /* likewise, of tombstones */
    bool fields_failed; /* likewise, of sets of declared fields */
    bool write_back_failing; /* likewise */
    /* Any thread. */
    atomic_bool stopping;
};

bool projector_failed(const struct projector *p)
{
    return atomic_load(&p->ingest->failed);
}

struct ingest *projector_ingest(struct projector *p)
{
    return p->ingest;
}

enum sg_status projector_rows_hash(const struct settings *settings, size_t stream, struct rows_hash *out,
                                   struct sg_error *err)
{
    return fingerprint_hash(settings, &settings->streams[stream], out, err);
}

/* ---- one iteration ---- */

/* A batch of each stream. True if there was anything to do. */
static bool run_batches(struct projector *p)
{
    bool worked = false;
    for (size_t i = 0; i < p->ingest->writers_count; i++) {
        size_t events_count = batch_run(p->ingest, i);
        worked |= events_count > 0;
        if (events_count >= PROJECTOR_TRIM_EVENTS)
            p->trim_at_ns = time_boot_ns() + PROJECTOR_TRIM_MS * NS_PER_MS;
    }
    return worked;
}

/* It is tried again later; logged once until it succeeds. */
static void work_failed(struct projector *p, const char *what, bool *failed, const struct sg_error *err)
{
    if (!*failed)
        log_event(LOG_WARN, what, LOG_STR("error", err->message),
                  LOG_INT("retrying_in_ms", INGEST_RETRY_MAX_MS));
    *failed = true;
    if (err->status == SG_CORRUPT)
        atomic_store(&p->ingest->failed, true);
}

/* Delete some rows of old builds. True if there were any. */
static bool run_sweep(struct projector *p)
{
    struct ingest *ingest = p->ingest;
    struct sg_error err = {0};
    if (!ingest->sweep_needed || time_boot_ns() < p->sweep_retry_at_ns)
        return false;
    if (store_sweep(ingest->context.store, PROJECTOR_SWEEP_ROWS, &ingest->sweep_needed, &err) != SG_OK) {
        work_failed(p, "sweep_failed", &p->sweep_failed, &err);
        p->sweep_retry_at_ns = time_boot_ns() + INGEST_RETRY_MAX_MS * NS_PER_MS;
        return false;
    }
    p->sweep_failed = false;
    return true;
}

/* Remove some tombstones that are beyond their bounds: a step, and more of them for as long as the batches took, so that
 * they go as fast as they come. True if there is more to do at once. */
static bool run_tombstones(struct projector *p, int64_t batches_ns)
{
    struct sg_error err = {0};
    enum sg_status status = SG_OK;
    bool worked = false;
    if (tombstones_at(p->ingest->tombstones) == INT64_MAX)
        return false;
    int64_t until_ns = time_boot_ns() + batches_ns;
    do
        status = tombstones_run(p->ingest, &worked, &err);
    while (status == SG_OK && worked && time_boot_ns() < until_ns);
    if (status != SG_OK)
        work_failed(p, "sweep_failed", &p->removal_failed, &err);
    else if (worked)
        p->removal_failed = false;
    return worked;
}

/* Fill a set of declared fields, or make or drop an index. True if there may be more to do at once. */
static bool run_fields(struct projector *p)
{
    struct sg_error err = {0};
    bool worked = false;
    if (field_sets_run(p->ingest, &worked, &err) != SG_OK)
        work_failed(p, "fields_failed", &p->fields_failed, &err);
    else if (worked)
        p->fields_failed = false;
    return worked;
}

/* Some time after the last large batch: pages, events and messages were kept for the next one. */
static void run_trim(struct projector *p)
{
    if (p->trim_at_ns == 0 || time_boot_ns() < p->trim_at_ns)
        return;
    p->trim_at_ns = 0;
    arena_release(p->ingest->arena);
    store_trim(p->ingest->context.store);
    (void)malloc_trim(0);
}

/* Nothing is lost when the WAL cannot be written back, and nothing fails, until the disk is full of it: so it is
 * said. */
static void tell_write_back(struct projector *p)
{
    bool failing = false;
    uint64_t failures = store_write_back_failures(p->ingest->context.store, &failing);
    metrics_set_checkpoint_failures(p->ingest->context.metrics, failures);
    if (failing == p->write_back_failing)
        return;
    p->write_back_failing = failing;
    if (failing)
        log_event(LOG_ERROR, "checkpoint_failing", LOG_STR("database", p->ingest->context.settings->database),
                  LOG_STR("action", "it is tried again; meanwhile the write-ahead log grows"));
    else
        log_event(LOG_INFO, "checkpoint_recovered", LOG_STR("database", p->ingest->context.settings->database),
                  LOG_UINT("failures", failures));
}

/* When something is to be done that nobody notifies of: what failed is tried again, memory given back;
 * INT64_MAX = never. */
static int64_t next_iteration_ns(const struct projector *p)
{
    const struct ingest *ingest = p->ingest;
    int64_t at_ns = store_write_back_at(ingest->context.store);
    if (ingest->sweep_needed && p->sweep_retry_at_ns < at_ns)
        at_ns = p->sweep_retry_at_ns;
    if (field_sets_at(ingest) < at_ns)
        at_ns = field_sets_at(ingest);
    if (tombstones_at(ingest->tombstones) < at_ns)
        at_ns = tombstones_at(ingest->tombstones);
    if (p->trim_at_ns != 0 && p->trim_at_ns < at_ns)
        at_ns = p->trim_at_ns;
    for (size_t i = 0; i < ingest->writers_count; i++) {
        if (ingest->writers[i].items_count > 0 && ingest->writers[i].retry_at_ns < at_ns)
            at_ns = ingest->writers[i].retry_at_ns;
    }
    return at_ns;
}

/* True if there was anything to do; else *until_ns says when there will be. */
static bool run_iteration(struct projector *p, int64_t *until_ns)
{
    (void)pthread_mutex_lock(&p->ingest->writing);
    commands_run(p->ingest);
    int64_t began_ns = time_boot_ns();
    bool worked = run_batches(p);
    int64_t batches_ns = time_boot_ns() - began_ns;
    worked |= run_sweep(p);
    worked |= run_tombstones(p, batches_ns);
    worked |= run_fields(p);
    run_trim(p);
    store_write_back(p->ingest->context.store); /* after the events were published */
    tell_write_back(p);
    *until_ns = worked ? INT64_MIN : next_iteration_ns(p);
    p->sleeps_until_ns = *until_ns;
    (void)pthread_mutex_unlock(&p->ingest->writing);
    return worked;
}

static void *projector_run(void *argument)
{
    struct projector *p = argument;
    int64_t until_ns = 0;
    thread_name_set("projector", NULL);
    while (!atomic_load(&p->stopping)) {
        if (!run_iteration(p, &until_ns))
            notifier_wait(p->ingest->notifier, until_ns);
    }
    commands_stop(p->ingest);
    return NULL;
}

/* ---- in the thread of a connection ---- */

/* The projector's thread has something to do before it would wake: more of the same, another attempt, the WAL. */
static bool must_wake(const struct projector *p, size_t stream)
{
    const struct ingest *ingest = p->ingest;
    return !queue_is_idle(ingest->writers[stream].queue) || store_write_back_wanted(ingest->context.store) ||
           next_iteration_ns(p) < p->sleeps_until_ns;
}

static bool apply_here(void *context)
{
    const struct here *here = context;
    struct projector *p = here->projector;
    if (pthread_mutex_trylock(&p->ingest->writing) != 0)
        return false; /* the projector's thread finds it next, or another connection's is at work */
    (void)batch_run(p->ingest, here->stream);
    bool wake = must_wake(p, here->stream);
    (void)pthread_mutex_unlock(&p->ingest->writing);
    if (wake)
        notifier_notify(p->ingest->notifier);
    return true;
}

/* ---- start and stop ---- */

/* The stream's row in the store. */
static enum sg_status stream_attach(struct ingest *ingest, const struct stream_settings *stream, struct stream *row,
                                    bool *reshaped, struct sg_error *err)
{
    const struct settings *settings = ingest->context.settings;
    struct buffer rows;
    struct buffer before;
    buffer_init(&rows, FINGERPRINT_BYTES_MAX);
    buffer_init(&before, FINGERPRINT_BYTES_MAX);
    enum sg_status status = fingerprint_rows(settings, stream, &rows, err);
    bool known_before = false;
    if (status == SG_OK) {
        status = fingerprint_before(settings, stream, format_get(stream->format)->revision, &before, err);
        known_before = status == SG_OK;
    }
    if (status == SG_OK || status == SG_NOT_FOUND) {
        struct stream_fingerprint fingerprint = {
            .rows = rows.data, .rows_before = known_before ? before.data : NULL};
        status = store_stream_attach(ingest->context.store, stream->name, &fingerprint, row, reshaped, err);
    }
    buffer_free(&rows);
    buffer_free(&before);
    return status;
}

/* The stream's queue, its rules and its row in the store. What it has made by then, the names of decode and of the
 * shaper among it, is freed by ingest_destroy, also when this fails. */
static enum sg_status stream_writer_open(struct ingest *ingest, size_t index, queue_release *release,
                                         struct sg_error *err)
{
    const struct stream_settings *stream = &ingest->context.settings->streams[index];
    struct stream_writer *writer = &ingest->writers[index];
    struct stream row;
    bool reshaped = false;
    enum sg_status status = queue_create(ingest->notifier, release, &writer->queue, err);
    if (status == SG_OK)
        queue_count_bytes(writer->queue, &metrics_stream(ingest->context.metrics, index)->queue_bytes);
    if (status == SG_OK)
        status = decode_stream_open(ingest->context.settings, index, &writer->decode, err);
    if (status == SG_OK)
        status = shaper_create(ingest->context.settings, index, &writer->shaper, err);
    if (status == SG_OK)
        status = stream_attach(ingest, stream, &row, &reshaped, err);
    if (status != SG_OK)
        return status;
    writer->id = row.id;
    status = field_sets_declare(ingest, index, err);
    if (status != SG_OK)
        return status;
    writer->served_build = row.build;
    /* Until the broker says it: most streams have subjects of others, and no bucket has. */
    (void)freshness_set_filtered(ingest->context.freshness, index, stream->format != FORMAT_KV);
    if (reshaped)
        log_event(LOG_WARN, "rebuild_began", LOG_STR("stream", stream->name), LOG_STR("reason", "settings changed"));
    else if (row.rebuilding)
        log_event(LOG_INFO, "rebuild_continues", LOG_STR("stream", stream->name), LOG_INT("build", row.rebuild.build),
                  LOG_UINT("position", row.rebuild.position));
    return publish_row(ingest, index, err);
}

static void ingest_destroy(struct ingest *ingest)
{
    if (ingest == NULL)
        return;
    store_write_back_stop(ingest->context.store);
    for (size_t i = 0; i < ingest->writers_count; i++) {
        struct stream_writer *writer = &ingest->writers[i];
        if (writer->items_count > 0)
            stream_writer_drop(writer, writer->items_count);
        queue_destroy(writer->queue);
        decode_stream_close(&writer->decode);
        shaper_destroy(writer->shaper);
        markers_free(&writer->markers);
    }
    tombstones_destroy(ingest->tombstones);
    field_sets_destroy(ingest->field_sets);
    arena_destroy(ingest->arena);
    notifier_destroy(ingest->notifier);
    (void)pthread_cond_destroy(&ingest->done_cond);
    (void)pthread_mutex_destroy(&ingest->mutex);
    (void)pthread_mutex_destroy(&ingest->writing);
    free(ingest);
}

static enum sg_status ingest_create(const struct ingest_context *context, queue_release *release, struct ingest **out,
                                    struct sg_error *err)
{
    size_t writers_count = context->settings->streams_count;
    struct ingest *ingest = calloc(1, sizeof *ingest + writers_count * sizeof ingest->writers[0]);
    if (ingest == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the projector of %zu streams", writers_count);
    ingest->context = *context;
    ingest->writers_count = writers_count;
    ingest->sweep_needed = true; /* a former process may have left some */
    (void)pthread_mutex_init(&ingest->mutex, NULL);
    (void)pthread_mutex_init(&ingest->writing, NULL);
    (void)pthread_cond_init(&ingest->done_cond, NULL);
    enum sg_status status = notifier_create(&ingest->notifier, err);
    if (status == SG_OK)
        status = tombstones_create(context->settings, &ingest->tombstones, err);
    if (status == SG_OK)
        status = field_sets_create(context->settings, &ingest->field_sets, err);
    if (status == SG_OK)
        status = store_write_back_start(context->store, ingest->notifier, err);
    ingest->arena = arena_create();
    if (status == SG_OK && ingest->arena == NULL)
        status = sg_fail(err, SG_MEMORY, "out of memory for decoding");
    for (size_t i = 0; i < writers_count && status == SG_OK; i++)
        status = stream_writer_open(ingest, i, release, err);
    if (status == SG_OK)
        status = store_streams_attached(context->store, writers_count, err);
    if (status != SG_OK)
        ingest_destroy(ingest);
    else
        *out = ingest;
    return status;
}

static enum sg_status apply_here_setup(struct projector *p, struct sg_error *err)
{
    p->sleeps_until_ns = INT64_MIN;
    p->heres = calloc(p->ingest->writers_count, sizeof p->heres[0]);
    if (p->heres == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the projector");
    for (size_t i = 0; i < p->ingest->writers_count; i++) {
        p->heres[i] = (struct here){p, i};
        queue_on_few(p->ingest->writers[i].queue, apply_here, &p->heres[i]);
    }
    return SG_OK;
}

enum sg_status projector_start(const struct ingest_context *context, queue_release *release, struct projector **out,
                               struct sg_error *err)
{
    struct projector *p = calloc(1, sizeof *p);
    if (p == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the projector");
    enum sg_status status = ingest_create(context, release, &p->ingest, err);
    if (status == SG_OK)
        status = apply_here_setup(p, err);
    if (status == SG_OK && pthread_create(&p->thread, NULL, projector_run, p) != 0)
        status = sg_fail(err, SG_MEMORY, "the projector's thread cannot be created");
    if (status != SG_OK) {
        ingest_destroy(p->ingest);
        free(p->heres);
        free(p);
        return status;
    }
    *out = p;
    return SG_OK;
}

void projector_stop(struct projector *p)
{
    if (p == NULL)
        return;
    atomic_store(&p->stopping, true);
    notifier_notify(p->ingest->notifier);
    (void)pthread_join(p->thread, NULL);
    /* Until the end: a connection that still receives finds that another thread writes. */
    (void)pthread_mutex_lock(&p->ingest->writing);
    store_write_back_stop(p->ingest->context.store);
}

void projector_destroy(struct projector *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_unlock(&p->ingest->writing);
    ingest_destroy(p->ingest);
    free(p->heres);
    free(p);
}
