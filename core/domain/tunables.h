/* What may change while the gateway runs: limits, timeouts, probes, readiness, the end, the log's level. What shapes
 * rows, or is bound once (addresses, threads, the file, the cache's memory), stands in settings.h.
 *
 * Everybody reads through a pointer that is taken at the start of an iteration of a loop (of HTTP, of a source) or of a
 * batch of events, and kept to its end: so an iteration works with values that fit each other, and a change reaches all
 * within one more. A loop that sleeps begins it with its next event, or deadline of before.
 *
 *     published   A ------------- B ---------------     tunables_publish(now, B)
 *     loop 1      |take A      |take B      |take B
 *     loop 2         |take A        |take B
 */
#ifndef STATEGATE_CORE_DOMAIN_TUNABLES_H
#define STATEGATE_CORE_DOMAIN_TUNABLES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"

struct tunables {
    int64_t wait_default_ms; /* not more than wait_max_ms */
    int64_t wait_max_ms;
    size_t parked_max;
    size_t parked_max_per_client;
    int64_t probe_idle_ms;
    int64_t probe_min_interval_ms; /* not more than probe_idle_ms */
    int64_t probe_epoch_trust_ms;
    int64_t probe_mirror_delay_ms; /* by which a copy may be older than it says */
    size_t rejected_max; /* rows of rejected events that are kept */
    bool ready_without_broker;
    int64_t http_head_timeout_ms;   /* from the accept, or the end of an answer, until the whole head is there */
    int64_t http_answer_timeout_ms; /* from there until the answer, or the next chunk of it, has been taken */
    unsigned http_connections_max_per_client; /* 0 = as many as there are */
    int64_t http_answers_bytes_max; /* of bodies that answers hold until they are sent */
    size_t query_rows_max;    /* a page ends early once it has examined so many */
    int64_t query_time_max_ms; /* or taken so long */
    size_t query_queued_max;  /* that wait for a thread */
    int64_t query_queue_ms;   /* and for how long */
    int64_t shutdown_delay_ms; /* not ready, and served as before */
    int64_t shutdown_drain_ms; /* then, for what was asked for */
    enum log_level log_level;
};

/* Where the present ones are found; made by tunables_publish() before anybody takes from it. */
struct tunables_now {
    _Atomic(const struct tunables *) current; /* borrowed */
};

/* From the next iteration on these hold. The former ones must outlive every iteration that took them. Any thread. */
static inline void tunables_publish(struct tunables_now *now, const struct tunables *tunables)
{
    atomic_store_explicit(&now->current, tunables, memory_order_release);
}

/* The present ones, for one iteration. Any thread; one load. */
static inline const struct tunables *tunables_take(const struct tunables_now *now)
{
    return atomic_load_explicit(&now->current, memory_order_acquire);
}

#endif
