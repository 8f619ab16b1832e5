/* The loops that speak HTTP: sockets, limits, deadlines, draining. What an answer says is up to the handler; nothing
 * outside api/http/ knows the HTTP library. */
#ifndef STATEGATE_API_HTTP_HTTP_H
#define STATEGATE_API_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/head.h"
#include "api/http/response.h"
#include "core/base/status.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"

/* An answer whose body is no longer than this is sent however much is on its way: 64 MiB with the most connections that
 * the settings have by default. */
#define HTTP_SMALL_ANSWER_BYTES 4096
/* Memory of bodies that come in, over all loops: 512 of the longest. It is none of the answers', so that who sends
 * bodies slowly takes no room from reads. */
#define HTTP_BODIES_BYTES_MAX (32u << 20)
#define HTTP_CLOSING_TIMEOUT_MS 1000 /* for the library to see that a connection was shut down; then once more */
#define HTTP_LINGER_TIMEOUT_MS 1000  /* for a client to close a connection that was ended */
#define HTTP_LINGER_BYTES_MAX (8u << 20) /* that it may send meanwhile */
#define HTTP_OPS_CONNECTIONS_MAX 256 /* on the second address: a few probes and scrapers */
#define HTTP_ADDRESSES_MAX SETTINGS_LISTEN_MAX
#define HTTP_LOOPS_MAX 256

/* Let the request of this connection (from its head) be handled again, or its producer be asked again; one that is not
 * suspended goes on anyhow. The loop's thread only. */
typedef void http_resume(struct http_connection *connection);
http_resume http_connection_resume;

/* Something to do on a loop's thread; part of what it is about, and not to be touched until it runs. */
struct http_post {
    void (*run)(struct http_post *post);
    struct http_post *next; /* the loop's */
};
struct http_loop;
/* Run it in the loop's next iteration, after those that were posted before. Neither blocks nor fails. Any thread that
 * ends before http_destroy, for a request in hand (HTTP_WORK) or while the loop runs: later it is never run. */
void http_loop_post(struct http_loop *loop, struct http_post *post);

enum http_outcome {
    HTTP_ANSWER, /* the response is sent */
    HTTP_PARK,   /* the request waits: it is suspended, `park` is called, and `handle` again once it was resumed */
    HTTP_WORK,   /* another thread has it in hand: it is suspended, and `handle` is called again once it was resumed */
};

/* Where a worker works. */
struct loop_slot {
    struct http_loop *posts; /* where to post for it */
    unsigned loop;
    bool ops; /* the loop of the second address */
    int wake_fd; /* an eventfd: whoever writes it wakes the loop */
};

/* Who answers. Each loop has a worker of its own, and calls it from its own thread only. A request has `call_bytes` of
 * its own, aligned for anything, which `call` points at. */
struct http_handler {
    void *context;
    size_t call_bytes; /* zeroed for each request */
    /* Before the loops start, in the starting thread. */
    enum sg_status (*worker_open)(void *context, const struct loop_slot *slot, void **worker, struct sg_error *err);
    /* After all loops have ended. */
    void (*worker_close)(void *context, void *worker);
    /* A request's target is there as it came, and nothing else of its head yet: a hint. */
    void (*expect)(void *worker, const struct http_head *head);
    /* A request's head is there. True: go on to `handle`, once its body is there too, if it has one. False: `out` is
     * sent and the connection closed. Called again where the body cannot be taken (`body_fault`), to refuse it. */
    bool (*admit)(void *worker, const struct http_head *head, struct response *out);
    /* Answer, or not yet; may take the target's text apart. The head is valid until `forget`. */
    enum http_outcome (*handle)(void *worker, const struct http_head *head, void *call, struct response *out);
    /* After HTTP_ANSWER: this is what is sent now, if the client still takes it. It is the answer of `handle`, or a
     * refusal in its place, where too many bytes of answers are on their way. */
    void (*answered)(void *worker, void *call, const struct response *answer);
    /* The request is suspended: keep it until it can be helped, and then resume the connection of its head. False: no
     * memory, and the connection is closed. */
    bool (*park)(void *worker, void *call);
    /* The request is over: answered, refused, or its client gone, perhaps before it was handled. Of a client that is
     * gone while its request is parked it is said at once, and at the end once more. */
    void (*forget)(void *worker, void *call);
    /* Only after HTTP_WORK. The request's time to begin is over, or, with `gone`, nobody waits for its answer any more.
     * True: no other thread has it in hand, nor will: it is handled again, or forgotten. False: one has; it ends as
     * soon as it can, and then the request is resumed as usual. */
    bool (*withdraw)(void *worker, void *call, bool gone);
    /* After the last answer of an iteration of the loop; then newly parked requests are checked once more. */
    void (*iteration_end)(void *worker, http_resume *resume);
    /* Before an iteration: resume what can be helped now or has waited long enough; `woken`: the wake descriptor was
     * written; `all`: everything, since the loop drains. */
    void (*wake)(void *worker, bool woken, bool all, http_resume *resume);
    /* When the next parked request has waited long enough (boot clock); INT64_MAX = never. */
    int64_t (*deadline_ns)(void *worker);
};

/* Plain values; strings are borrowed during http_start. */
struct http_options {
    const char *listen;        /* up to HTTP_ADDRESSES_MAX, with commas between */
    const char *listen_ops;    /* "" = none */
    unsigned loops;            /* 0 = processors that affinity and cgroup quota allow; and one for listen_ops */
    unsigned connections_max;  /* over all loops and addresses */
    size_t position_bytes_max; /* the longest State-Position: each connection has room for an answer's head */
    const struct tunables_now *tunables; /* borrowed, to the end: timeouts, bytes on their way */
    struct http_handler handler;
};

struct http;

/* Open the workers, bind the addresses. Requests are answered from http_run on. Errors: SG_INVALID (an address, named),
 * SG_MEMORY, SG_UNAVAILABLE (no thread, no descriptor), or the worker's. */
SG_MUST_CHECK enum sg_status http_start(const struct http_options *options, struct http **out, struct sg_error *err);
SG_MUST_CHECK enum sg_status http_run(struct http *http, struct sg_error *err);

/* The addresses that were bound, with commas between; "" = none. Any thread. */
const char *http_address(const struct http *http);
const char *http_ops_address(const struct http *http);
/* What the HTTP library holds for each open connection: its requests' heads, and the head or the chunk that is sent. */
size_t http_connection_bytes(size_t position_bytes_max);
/* Connections that are open now, of both addresses and of one. Any thread. */
size_t http_connections(const struct http *http);
size_t http_connections_of(const struct http *http, bool ops_only);
/* Bytes of bodies that answers hold in memory until they are sent. What is static, or not made yet, is none of them.
 * Any thread. */
size_t http_answer_bytes(const struct http *http);

/* Memory of bodies of requests that have not been answered yet. Any thread. */
size_t http_body_bytes(const struct http *http);

/* Refuse new connections, close idle ones, answer what was asked for, at most `drain_ms`; then close the rest. When it
 * returns no loop runs any more, and whoever posted for one may end. Blocks. NULL and what only http_start has made are
 * allowed. */
void http_stop(struct http *http, int64_t drain_ms);
/* Close the workers, and free; after http_stop. NULL is allowed. */
void http_destroy(struct http *http);

#endif
