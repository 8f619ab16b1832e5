/* A stream's source: its thread, and one session after another.
 *
 * Everything that can go wrong has one answer, the next session:
 *   connect -> void what older consumers queued -> settle which life the stream is in -> subscribe after the position
 *   -> ask again, now that the consumer exists: the same life? -> let its messages be applied -> follow */
#include "projector/source/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "projector/source/session.h"

#define CONSUMER_NAME_BYTES 32

static uint64_t random_bits(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint64_t)time_boot_ns(); /* only names and jitter hang on it */
    return bits;
}

bool source_sleep(struct source *s, int64_t duration_ns)
{
    int64_t until_ns = time_boot_ns() + duration_ns;
    while (!atomic_load(&s->stopping) && time_boot_ns() < until_ns)
        notifier_wait(s->notifier, until_ns);
    return !atomic_load(&s->stopping);
}

/* ---- one session ---- */

/* A consumer from the position on; its messages wait in the queue. */
static enum sg_status subscribe(struct source *s, struct sg_error *err)
{
    char consumer[CONSUMER_NAME_BYTES];
    char inbox[NATS_INBOX_BYTES];
    (void)snprintf(consumer, sizeof consumer, "stategate-%016llx", (unsigned long long)random_bits());
    enum sg_status status = nats_subscribe(s->link, consumer, s->generation, s->row.position, inbox, err);
    if (status != SG_OK)
        return status;
    return jetstream_create_consumer(&s->js, consumer, s->settings->subject.filter, inbox, s->row.position + 1, err);
}

/* No message is applied before an answer that was asked for after its consumer existed shows the stored creation time:
 * the stream may have been recreated in between. */
static enum sg_status verify(struct source *s, struct sg_error *err)
{
    struct probe probe;
    enum sg_status status = source_probe(s, &probe, err);
    if (status != SG_OK)
        return status;
    if (probe.info.created_ns != s->row.created_ns || probe.info.last < s->row.position)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: it changed while subscribing", s->settings->name);
    if (s->row.target == TARGET_UNKNOWN)
        status = ingest_set_target(s->context.ingest, s->stream, probe.info.last, err);
    if (status == SG_OK && s->row.position > 0 && probe.info.first > s->row.position + 1 &&
        source_may_drop(s, &probe.info))
        status = source_gap(s, s->row.position + 1, probe.info.first - 1, &probe.info, err);
    if (status == SG_OK)
        queue_verify(s->queue, s->generation);
    return status;
}

static enum sg_status session(struct source *s, struct sg_error *err)
{
    enum sg_status status = nats_connect(s->link, err);
    s->generation = queue_next_generation(s->queue);
    if (status == SG_OK)
        status = source_identify(s, err);
    if (status == SG_OK)
        status = subscribe(s, err);
    if (status == SG_OK)
        status = verify(s, err);
    if (status != SG_OK) {
        /* Not merely interrupted: the broker cannot be used as it is.
         * Trouble with the disk is the projector's to show. */
        if (status == SG_UNAVAILABLE || status == SG_DENIED || status == SG_NOT_FOUND || status == SG_INVALID)
            freshness_set_disconnected(s->context.freshness, s->stream);
        return status;
    }
    log_event(LOG_INFO, "stream_connected", LOG_STR("stream", s->settings->name), LOG_STR("epoch", s->row.epoch.text),
              LOG_UINT("position", s->row.position));
    return source_watch(s, err);
}

/* ---- one after another ---- */

/* Half the backoff for certain, the other half by chance, so that many gateways do not come back at once. */
static int64_t backoff_ms(unsigned failures)
{
    int64_t cap = SOURCE_BACKOFF_MAX_MS;
    if (failures < 6)
        cap = SOURCE_BACKOFF_MIN_MS << failures;
    return cap / 2 + (int64_t)(random_bits() % (uint64_t)(cap / 2 + 1));
}

void source_show_error(struct source *s, const char *message, const char *kind)
{
    s->error_shown = true;
    freshness_set_error(s->context.freshness, s->stream, message);
    if (strncmp(s->error_logged, message, sizeof s->error_logged - 1) == 0)
        return; /* changes are logged, not each attempt */
    (void)snprintf(s->error_logged, sizeof s->error_logged, "%.*s", (int)sizeof s->error_logged - 1, message);
    log_event(LOG_WARN, "stream_interrupted", LOG_STR("stream", s->settings->name), LOG_STR("error", message),
              LOG_STR("kind", kind), LOG_STR("action", "retrying with backoff"));
}

static void *source_run(void *argument)
{
    struct source *s = argument;
    unsigned failures = 0;
    thread_name_set("source", s->settings->name);
    while (!atomic_load(&s->stopping)) {
        struct sg_error err = {0};
        int64_t began_ns = time_boot_ns();
        enum sg_status status = session(s, &err);
        /* Void the consumer first, so that a callback that waits for room in the queue can leave. */
        (void)queue_next_generation(s->queue);
        nats_disconnect(s->link);
        if (status == SG_STOPPED || atomic_load(&s->stopping))
            break;
        if (time_boot_ns() - began_ns > 2 * SOURCE_BACKOFF_MAX_MS * NS_PER_MS)
            failures = 0; /* it had worked */
        int64_t retry_ms = backoff_ms(failures++);
        atomic_fetch_add_explicit(&metrics_stream(s->context.metrics, s->stream)->resyncs, 1, memory_order_relaxed);
        char complaint[256];
        bool cause = status == SG_UNAVAILABLE && nats_warning(s->link, complaint); /* e.g. no right to flow control */
        source_show_error(s, cause ? complaint : err.message, sg_status_name(err.status));
        (void)source_sleep(s, retry_ms * NS_PER_MS);
    }
    return NULL;
}

/* ---- life ---- */

static void on_alarm(void *context)
{
    struct source *s = context;
    notifier_notify(s->notifier);
}

enum sg_status source_start(const struct source_context *context, size_t stream, struct source **out,
                            struct sg_error *err)
{
    struct source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a stream's source");
    s->context = *context;
    s->stream = stream;
    s->settings = &context->settings->streams[stream];
    s->queue = ingest_queue(context->ingest, stream);
    enum sg_status status = notifier_create(&s->notifier, err);
    if (status == SG_OK)
        status = nats_create(&context->settings->nats, s->settings, s->queue, on_alarm, s, &s->link, err);
    if (status != SG_OK)
        goto fail;
    s->js = (struct jetstream){.link = s->link, .domain = context->settings->nats.domain, .stream = s->settings->name};
    buffer_init(&s->js.scratch, NATS_REPLY_BYTES_MAX);
    if (pthread_create(&s->thread, NULL, source_run, s) != 0) {
        status = sg_fail(err, SG_MEMORY, "the thread of stream %s cannot be created", s->settings->name);
        goto fail;
    }
    s->thread_started = true;
    progress_on_probe_wanted(context->progress, stream, on_alarm, s);
    *out = s;
    return SG_OK;
fail:
    source_destroy(s);
    return status;
}

void source_begin_stop(struct source *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->stopping, true);
    notifier_notify(s->notifier);
}

void source_stop(struct source *s)
{
    if (s == NULL || !s->thread_started)
        return;
    source_begin_stop(s);
    progress_on_probe_wanted(s->context.progress, s->stream, NULL, NULL);
    (void)pthread_join(s->thread, NULL);
    s->thread_started = false;
}

void source_destroy(struct source *s)
{
    if (s == NULL)
        return;
    buffer_free(&s->js.scratch);
    nats_destroy(s->link);
    notifier_destroy(s->notifier);
    free(s);
}
