/* A session with the broker: what is shared by all that is done in it. */
#include "projector/source/session.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/log.h"

uint64_t session_random(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint64_t)time_boot_ns();
    return bits;
}

void session_consumer_name(char out[SESSION_CONSUMER_BYTES])
{
    (void)snprintf(out, SESSION_CONSUMER_BYTES, "stategate-%016llx", (unsigned long long)session_random());
}

bool session_warning(struct session *s, char warning[256])
{
    return nats_warning(s->questions, warning) || nats_warning(s->connection, warning);
}

bool session_sleep(struct session *s, int64_t duration_ns)
{
    int64_t until_ns = time_boot_ns() + duration_ns;
    while (!atomic_load(&s->stopping) && time_boot_ns() < until_ns)
        notifier_wait(s->notifier, until_ns);
    return !atomic_load(&s->stopping);
}

void session_show_error(struct session *s, const char *message, const char *kind)
{
    s->error_shown = true;
    freshness_set_error(s->context.freshness, s->stream, message);
    if (strncmp(s->error_logged, message, sizeof s->error_logged - 1) == 0)
        return; /* changes are logged, not each attempt */
    (void)snprintf(s->error_logged, sizeof s->error_logged, "%.*s", (int)sizeof s->error_logged - 1, message);
    bool goes_on = strcmp(kind, "warning") == 0;
    log_event(LOG_WARN, goes_on ? "stream_warning" : "stream_interrupted", LOG_STR("stream", s->settings->name),
              LOG_STR("error", message), LOG_STR("kind", kind),
              LOG_STR("action", goes_on ? "continue" : "retrying with backoff"));
}

enum sg_status session_load(struct session *s, struct sg_error *err)
{
    return ingest_load(s->context.ingest, s->stream, &s->row, err);
}

uint64_t session_position(const struct session *s)
{
    return ingest_position(s->context.ingest, s->stream);
}

uint64_t session_seen(const struct session *s)
{
    const struct build *row = &s->row;
    return row->target != TARGET_UNKNOWN && row->target > row->position ? row->target : row->position;
}

void session_wake_waiting(struct session *s)
{
    int64_t proof_ns;
    int64_t probe_ns;
    if (!epoch_equal(&s->published_epoch, &s->row.epoch)) {
        s->published_epoch = s->row.epoch;
        progress_changed(s->context.progress);
    }
    freshness_newest(s->context.freshness, s->stream, &proof_ns, &probe_ns);
    progress_proved(s->context.progress, s->stream, proof_ns, probe_ns);
}
