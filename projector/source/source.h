/* A stream's source: one thread that connects, subscribes from the stored position, makes sure that the stream is the
 * one the position belongs to, probes the head, and begins again whenever anything is in doubt. */
#ifndef STATEGATE_PROJECTOR_SOURCE_SOURCE_H
#define STATEGATE_PROJECTOR_SOURCE_SOURCE_H

#include "core/progress/freshness.h"
#include "core/progress/metrics.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "projector/ingest/commands.h"

#define SOURCE_BACKOFF_MIN_MS 50
#define SOURCE_BACKOFF_MAX_MS 2000                 /* an outage of seconds is not made longer by it */
#define SOURCE_TICK_NS (1 * NS_PER_S)              /* at least so often heartbeats and progress are looked at */
#define SOURCE_SILENCE_NS (3500 * NS_PER_MS)       /* three heartbeats and a little: the consumer is gone */
#define SOURCE_STALL_NS (3 * NS_PER_S)             /* a message that is there and does not arrive for so long: lost */
#define SOURCE_ROLLBACK_CONFIRM_NS (2 * NS_PER_S)  /* between the two answers that show a rollback */
#define SOURCE_PROOF_SILENCE_NS (2 * NS_PER_S)     /* after so long a silence, the first answer proves nothing ... */
#define SOURCE_PROOF_SECOND_NS (1 * NS_PER_S)      /* ... but one that was asked for so long after it */
#define SOURCE_VAIN_INTERVAL_NS (100 * NS_PER_MS)  /* between probes that reads want, while they prove nothing */
#define SOURCE_PROBES_FAILED_MAX 2                 /* in a row: the connection is given up */

struct source;

/* All borrowed, and outlive the source. */
struct source_context {
    const struct settings *settings;
    const struct tunables_now *tunables;
    struct ingest *ingest; /* of the projector */
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
};

/* Start following `settings->streams[stream]`: for ever, whatever the broker does, until source_stop. */
SG_MUST_CHECK enum sg_status source_start(const struct source_context *context, size_t stream, struct source **out,
                                          struct sg_error *err);
/* Tell the thread to end, without waiting. NULL is allowed. */
void source_begin_stop(struct source *s);
/* Hang up and end the thread. Then, when all are stopped, nats_library_close(), then source_destroy.
 * NULL is allowed. */
void source_stop(struct source *s);
void source_destroy(struct source *s);

#endif
