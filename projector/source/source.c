/* A stream's source: its thread, and one session after another.
 *
 * Everything that can go wrong has one answer, the next session:
 *   connect -> void what older consumers queued -> identify the stream's incarnation -> subscribe after the position
 *   -> ask again, now that the consumer exists: the same incarnation? -> let its messages be applied -> watch */
#include "projector/source/source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "projector/source/identify.h"
#include "projector/source/probe.h"
#include "projector/source/session.h"
#include "projector/source/watch.h"

struct source {
    struct session session;
    /* Of the thread that starts and stops it. */
    pthread_t thread;
    bool thread_started;
    struct notifier *ended_notifier; /* owned; notified by the thread when it has ended */
    atomic_bool ended;
};

/* ---- one session ---- */

static enum sg_status create_consumer(struct session *s, const char *name, const char *inbox, struct sg_error *err)
{
    return jetstream_create_consumer(&s->js, s->connection, name, inbox, s->row.position + 1, s->inactive_threshold_ns,
                                     &s->pending, err);
}

/* A consumer from the position on; its messages wait in the queue. */
static enum sg_status subscribe(struct session *s, struct sg_error *err)
{
    char consumer[SESSION_CONSUMER_BYTES];
    char inbox[NATS_INBOX_BYTES];
    session_consumer_name(consumer);
    enum sg_status status = nats_connect(s->connection, err);
    if (status == SG_OK)
        status = nats_subscribe(s->connection, consumer, s->generation, s->row.position, inbox, err);
    if (status == SG_OK)
        status = create_consumer(s, consumer, inbox, err);
    /* Refused: a stream may allow one consumer at a time, and the one of the look is there for a moment. */
    if (status == SG_INVALID && s->looked && session_sleep(s, 2 * JETSTREAM_LOOK_INACTIVE_NS))
        status = create_consumer(s, consumer, inbox, err);
    return status;
}

/* A build begins: what it does not get, as it is gone already or never matches, is no loss. How many sequences its
 * consumer passes over is known where every message matches, or where the stream stood still while the consumer was
 * made. */
static enum sg_status note_begun(struct session *s, const struct stream_info *after, struct sg_error *err)
{
    const struct stream_info *before = &s->identified;
    bool still = before->last == after->last && before->messages == after->messages;
    int64_t missing = -1;
    if (before->created_ns != s->row.created_ns || before->messages > before->last || s->pending > INT64_MAX)
        return SG_OK;
    if (before->filter_is_all)
        missing = (int64_t)(before->last - before->messages);
    else if (still && s->pending <= before->last)
        missing = (int64_t)(before->last - s->pending);
    return ingest_begun(s->context.ingest, s->stream, before->last, before->last - before->messages, missing, err);
}

/* No message is applied before an answer that was asked for after its consumer existed shows the stored creation time:
 * the stream may have been recreated in between. */
static enum sg_status verify(struct session *s, struct sg_error *err)
{
    struct probe probe;
    enum sg_status status = session_probe(s, &probe, err);
    if (status != SG_OK)
        return status;
    if (probe.info.created_ns != s->row.created_ns || probe.info.last < s->row.position)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: it changed while subscribing", s->settings->name);
    if (s->row.target == TARGET_UNKNOWN)
        status = ingest_set_target(s->context.ingest, s->stream, probe.info.last, err);
    if (status == SG_OK && s->row.position == 0)
        status = note_begun(s, &probe.info, err);
    if (status == SG_OK)
        status = session_look_for_matches(s, &probe.info, err);
    if (status == SG_OK)
        queue_verify(s->queue, s->generation);
    return status;
}

static enum sg_status run_session(struct session *s, struct sg_error *err)
{
    enum sg_status status = nats_connect(s->questions, err);
    s->generation = queue_next_generation(s->queue);
    if (status == SG_OK)
        status = session_identify(s, err);
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
    status = session_watch(s, err);
    if (status == SG_INVALID || s->unheard)
        freshness_set_disconnected(s->context.freshness, s->stream);
    return status;
}

/* ---- one after another ---- */

/* Half the backoff for certain, the other half by chance, so that many gateways do not come back at once. */
static int64_t backoff_ms(unsigned failures)
{
    int64_t cap = SOURCE_BACKOFF_MAX_MS;
    if (failures < 6)
        cap = SOURCE_BACKOFF_MIN_MS << failures;
    return cap / 2 + (int64_t)(session_random() % (uint64_t)(cap / 2 + 1));
}

static void sessions_run(struct session *s)
{
    unsigned failures = 0;
    while (!atomic_load(&s->stopping)) {
        struct sg_error err = {0};
        int64_t began_ns = time_boot_ns();
        enum sg_status status = run_session(s, &err);
        /* Void the consumer first, so that a callback that waits for room in the queue can leave. */
        (void)queue_next_generation(s->queue);
        nats_disconnect(s->connection);
        nats_disconnect(s->questions);
        if (status == SG_STOPPED || atomic_load(&s->stopping))
            break;
        if (time_boot_ns() - began_ns > 2 * SOURCE_BACKOFF_MAX_MS * NS_PER_MS)
            failures = 0; /* it had worked */
        int64_t retry_ms = backoff_ms(failures++);
        atomic_fetch_add_explicit(&metrics_stream(s->context.metrics, s->stream)->resyncs, 1, memory_order_relaxed);
        char warning[256];
        /* For example, there is no right to answer flow control. */
        bool cause = status == SG_UNAVAILABLE && session_warning(s, warning);
        session_show_error(s, cause ? warning : err.message, sg_status_name(err.status));
        (void)session_sleep(s, retry_ms * NS_PER_MS);
    }
}

static void *source_run(void *argument)
{
    struct source *source = argument;
    thread_name_set("source", source->session.settings->name);
    sessions_run(&source->session);
    atomic_store(&source->ended, true);
    notifier_notify(source->ended_notifier);
    return NULL;
}

/* ---- start and stop ---- */

static void on_alarm(void *context)
{
    struct session *s = context;
    notifier_notify(s->notifier);
}

/* Of the stream's collections, the one whose tombstones are kept for the shortest time; NULL = all are kept. */
static const struct collection_settings *shortest_kept(const struct settings *settings, size_t stream)
{
    const struct collection_settings *shortest = NULL;
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *c = &settings->collections[i];
        if (c->tombstones.keep_ms > 0 && (shortest == NULL || c->tombstones.keep_ms < shortest->tombstones.keep_ms) &&
            settings_owner(settings, slice_of(c->name)) == (int)stream)
            shortest = c;
    }
    return shortest;
}

enum sg_status source_start(const struct source_context *context, size_t stream, struct source **out,
                            struct sg_error *err)
{
    const struct settings *settings = context->settings;
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a stream's source");
    struct session *s = &source->session;
    s->context = *context;
    s->stream = stream;
    s->settings = &settings->streams[stream];
    s->shortest_kept = shortest_kept(settings, stream);
    s->queue = ingest_queue(context->ingest, stream);
    enum sg_status status = notifier_create(&s->notifier, err);
    if (status == SG_OK)
        status = notifier_create(&source->ended_notifier, err);
    if (status == SG_OK)
        status = nats_create(&settings->nats, s->settings, s->queue, on_alarm, s, &s->connection, err);
    if (status == SG_OK)
        status = nats_create(&settings->nats, s->settings, NULL, on_alarm, s, &s->questions, err);
    if (status != SG_OK)
        goto fail;
    s->js = (struct jetstream){.connection = s->questions,
                               .domain = settings->nats.domain,
                               .stream = s->settings->name,
                               .filter = s->settings->subject.filter};
    if (pthread_create(&source->thread, NULL, source_run, source) != 0) {
        status = sg_fail(err, SG_MEMORY, "the thread of stream %s cannot be created", s->settings->name);
        goto fail;
    }
    source->thread_started = true;
    progress_on_probe_wanted(context->progress, stream, on_alarm, s);
    *out = source;
    return SG_OK;
fail:
    source_destroy(source);
    return status;
}

void source_begin_stop(struct source *source)
{
    if (source == NULL)
        return;
    atomic_store(&source->session.stopping, true);
    nats_interrupt(source->session.connection);
    nats_interrupt(source->session.questions);
    notifier_notify(source->session.notifier);
}

bool source_stop(struct source *source, int64_t until_ns)
{
    if (source == NULL || !source->thread_started)
        return true;
    source_begin_stop(source);
    progress_on_probe_wanted(source->session.context.progress, source->session.stream, NULL, NULL);
    while (!atomic_load(&source->ended) && time_boot_ns() < until_ns)
        notifier_wait(source->ended_notifier, until_ns);
    if (!atomic_load(&source->ended))
        return false;
    (void)pthread_join(source->thread, NULL);
    source->thread_started = false;
    return true;
}

void source_destroy(struct source *source)
{
    if (source == NULL)
        return;
    nats_destroy(source->session.connection);
    nats_destroy(source->session.questions);
    notifier_destroy(source->session.notifier);
    notifier_destroy(source->ended_notifier);
    free(source);
}
