/* The loops that speak HTTP: sockets, limits, deadlines, draining. What an answer says is up to the handler; nothing
 * outside api/http*.c knows the HTTP library. */
#ifndef STATEGATE_API_HTTP_HTTP_H
#define STATEGATE_API_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/request/request.h"
#include "api/http/response.h"
#include "core/base/status.h"

/* From the accept, or the end of the answer before, until the whole head is there: bounds idle connections and a head
 * that comes byte by byte alike. */
#define HTTP_HEAD_TIMEOUT_MS 30000
/* From there until the answer has been taken: bounds readers that do not read. */
#define HTTP_ANSWER_TIMEOUT_MS 60000
#define HTTP_BACKLOG 1024
#define HTTP_OPS_CONNECTIONS_MAX 256 /* on the second address: a few probes and scrapers */
#define HTTP_LOOPS_MAX 256

/* Let the request of `connection` (from `parked.connection`) be handled again. The loop's thread only. */
typedef void http_resume(void *connection);

/* Where a worker works. */
struct loop_slot {
    unsigned loop;
    unsigned loops_count;
    int wake_fd; /* an eventfd: whoever writes it wakes the loop */
};

/* Who answers. Each loop has a worker of its own, and calls it from its own thread only. */
struct http_handler {
    void *context;
    /* Before the loops start, in the starting thread. */
    enum sg_status (*worker_open)(void *context, const struct loop_slot *slot, void **worker, struct sg_error *err);
    /* After all loops have ended. */
    void (*worker_close)(void *context, void *worker);
    /* A request's target is there as it came, and nothing else of it yet: a hint. */
    void (*expect)(void *worker, const struct request *request);
    /* A request's head is there. True: go on to `handle`. False: `out` is sent and the connection closed. */
    bool (*admit)(void *worker, const struct request *request, struct response *out);
    /* Answer; may take the target's text apart. `ops_only`: it came to the second address. With `out->park` the request
     * waits: it is suspended, `park` is called, and `handle` again once it was resumed. */
    void (*handle)(void *worker, bool ops_only, struct request *request, struct response *out);
    /* The request is suspended: keep it until it can be helped; its `parked.connection` is what to resume. False: no
     * memory, and the connection is closed. */
    bool (*park)(void *worker, struct request *request);
    /* The request is over: answered, or its client gone while it was parked. */
    void (*forget)(void *worker, struct request *request);
    /* Behind the last answer of a turn of the loop; then newly parked requests are checked once more. */
    void (*snapshot_end)(void *worker, http_resume *resume);
    /* Before a turn: resume what can be helped now or has waited long enough; `woken`: the wake descriptor was written;
     * `all`: everything, since the loop drains. */
    void (*wake)(void *worker, bool woken, bool all, http_resume *resume);
    /* When the next parked request has waited long enough (boot clock); INT64_MAX = never. */
    int64_t (*deadline_ns)(void *worker);
};

/* Plain values; strings are borrowed during http_start. */
struct http_options {
    const char *listen;
    const char *listen_ops;    /* "" = none */
    unsigned loops;            /* 0 = processors that affinity and cgroup quota allow */
    unsigned connections_max;  /* over all loops */
    size_t position_bytes_max; /* the longest State-Position: each connection has room for an answer's head */
    int64_t head_timeout_ms;   /* 0 = HTTP_HEAD_TIMEOUT_MS */
    int64_t answer_timeout_ms; /* 0 = HTTP_ANSWER_TIMEOUT_MS */
    struct http_handler handler;
};

struct http;

/* Open the workers, bind the addresses. Requests are answered from http_run on. Errors: SG_INVALID (an address, named),
 * SG_MEMORY, SG_UNAVAILABLE (no thread, no descriptor), or the worker's. */
SG_MUST_CHECK enum sg_status http_start(const struct http_options *options, struct http **out, struct sg_error *err);
SG_MUST_CHECK enum sg_status http_run(struct http *http, struct sg_error *err);

/* The addresses that were bound; "" = none. Any thread. */
const char *http_address(const struct http *http);
const char *http_ops_address(const struct http *http);
/* Connections that are open now. Any thread. */
size_t http_connections(const struct http *http);

/* Refuse new connections, close idle ones, answer what was asked for, at most `drain_ms`; then close the rest, the
 * workers, and free. Blocks. NULL and what only http_start has made are allowed. */
void http_stop(struct http *http, int64_t drain_ms);

#endif
