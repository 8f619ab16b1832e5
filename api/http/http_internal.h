/* What the files of api/http/ share: a loop, its connections, and where they meet the HTTP library. */
#ifndef STATEGATE_API_HTTP_HTTP_INTERNAL_H
#define STATEGATE_API_HTTP_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include "api/http/clients.h"
#include "api/http/deadlines.h"
#include "api/http/http.h"
#include "api/http/listen.h"
#include "core/base/buffer.h"

/* A target of this length needs no memory of its own. */
#define EXCHANGE_TARGET_BYTES 256
/* What the library keeps for each header field and each parameter besides its text. */
#define EXCHANGE_FIELD_BYTES 56

/* One request and its answer; kept on the loop's free list in between. */
struct exchange {
    struct exchange *next_free;
    struct http_head head;
    bool admitted;
    struct buffer body;  /* as much of the request's as has come; its capacity is counted by the loop */
    size_t answer_bytes; /* of its answer, counted by the loop until the end */
    const struct producer *producer; /* of the answer that is under way; NULL = none */
    void *producer_self;
    char *long_target; /* owned; NULL where `target` does */
    char target[EXCHANGE_TARGET_BYTES];
    max_align_t call[]; /* the handler's, as many bytes as it asked for */
};

struct http_port;

/* One connection; of the loop's thread only. */
struct http_connection {
    struct deadline deadline; /* first: a deadline is its connection; always on a list of its loop */
    struct http_port *port;   /* borrowed */
    struct exchange *exchange; /* owned; NULL between requests */
    struct MHD_Connection *mhd; /* the HTTP library's; NULL while it lingers */
    int fd;                     /* the HTTP library's; of one that lingers, owned */
    enum connection_state state;
    bool suspended; /* the HTTP library does not look at it */
    bool counted;   /* among those of its client */
    bool last;      /* its client knows that the answer that it gets now is the last one */
    bool shut;      /* in both directions, by us */
    bool watched;   /* the loop's own epoll set reports when the client hangs up */
    struct client_address client;
    size_t discarded_bytes; /* while it lingers */
};

/* One address of one loop. */
struct http_port {
    struct http_loop *loop;    /* borrowed */
    struct MHD_Daemon *daemon; /* owned */
    int epoll_fd;              /* the daemon's */
    bool ops_only;
    enum listen_reach reach;
    bool due;                  /* has something to do in this iteration */
    bool resumed;              /* a connection was resumed, and the library has not run since */
    bool freed;                /* a connection has gone since the last iteration: one that waits may have room */
    atomic_size_t connections; /* any thread reads */
};
#define HTTP_PORTS_MAX (HTTP_ADDRESSES_MAX + 1)

struct http_loop {
    /* Set before the loop runs, then read-only. */
    struct http *http;   /* borrowed */
    void *worker;        /* owned, by the handler */
    int epoll_fd;        /* owned */
    int wake_fd;         /* owned; written by any thread */
    pthread_t thread;
    bool running;        /* the thread was started; the starting thread only */
    /* The loop's thread only. */
    size_t ports_count;
    struct http_port ports[HTTP_PORTS_MAX];
    int64_t now_ns;      /* of this iteration */
    const struct tunables *tunables; /* of this iteration */
    bool draining;
    bool ended;          /* the time to drain is over */
    size_t connections_peak; /* since memory was last given back */
    bool woken;          /* the wake descriptor was written before this iteration */
    /* Each connection is on the list of its state, or on `held`, where no deadline of the loop's ends it: what is
     * parked, is at work already, or has nothing to stream yet is resumed by the handler. */
    struct deadlines lists[CONNECTION_STATES_COUNT];
    struct deadlines held;
    size_t connections_max; /* of all its ports */
    size_t lingering;       /* on lists[CONNECTION_LINGERING] */
    struct exchange *free_exchanges; /* owned */
    size_t free_exchanges_count;
    /* Any thread. */
    atomic_size_t answer_bytes; /* only its own thread changes it */
    atomic_size_t body_bytes;   /* the same */
    _Atomic(struct http_post *) posts; /* the newest first */
};

struct http {
    struct http_options options; /* its strings are not used after http_start */
    struct listen_address addresses[HTTP_ADDRESSES_MAX];
    unsigned addresses_count;
    struct listen_address ops_address;
    char addresses_text[HTTP_ADDRESSES_MAX * LISTEN_TEXT_BYTES]; /* with commas between */
    struct clients *clients; /* owned; their connections */
    unsigned main_count; /* of loops that have the main addresses */
    unsigned loops_count; /* and one more if there is a second address, which it has alone */
    struct http_loop *loops; /* owned */
    atomic_bool stopping;
    atomic_int_fast64_t drain_until_ns; /* valid once stopping */
};

static inline const struct http_handler *http_handler_of(const struct http_loop *loop)
{
    return &loop->http->options.handler;
}

static inline struct http_connection *http_connection_of(struct deadline *deadline)
{
    return (struct http_connection *)(void *)deadline;
}

static inline size_t http_loop_connections(const struct http_loop *loop)
{
    size_t sum = 0;
    for (size_t i = 0; i < loop->ports_count; i++)
        sum += atomic_load_explicit(&loop->ports[i].connections, memory_order_relaxed);
    return sum;
}

/* ---- exchange.c ---- */

/* The request line is there: keep the target as it came. False: out of memory. */
bool http_exchange_begin(struct http_connection *connection, const char *target);
/* The head is complete. */
void http_exchange_collect(struct http_connection *connection, const char *method, const char *version);
/* Some more of the body. Where it is not to be taken, the head's `body_fault` says why. False: out of memory. */
bool http_body_add(struct http_connection *connection, const char *data, size_t bytes);
/* All of it is there: it becomes the head's, unless something followed it. */
void http_body_complete(struct http_connection *connection);
/* The request is over, or never began. */
void http_exchange_end(struct http_connection *connection);
/* Those that are kept. */
void http_exchanges_free(struct http_loop *loop);

/* ---- send.c ---- */

/* Count what the answer holds in memory, until its request is over. Where that would be too much of all loops together,
 * it is made a refusal. */
void http_answer_take(struct http_connection *connection, struct response *r);
void http_answer_give(struct http_loop *loop, struct exchange *e);
/* Add the fields of `r` to the library's answer, and those that every answer has. False: no memory, no room, or the end
 * of a line in a value. Then none is added, and it is not to be sent. */
bool http_add_fields(struct MHD_Response *converted, struct response *r);
/* Hand the answer to the library, and take it over. MHD_NO: the connection is closed. */
enum MHD_Result http_send(struct http_connection *connection, struct response *r);
/* A head so large that the library has no room left for the head of an answer, or a body that goes on: the library
 * takes no answer then. Write the refusal to the socket, where nothing else is under way, as this connection's answers
 * before it have been sent. */
void http_send_raw(struct http_connection *connection, struct response *r);

/* ---- refusal.c ---- */

/* The library's log. Of interest is with which status it refuses a request that never reaches us. */
void http_refusal_log(void *cls, const char *format, va_list args);
/* The library is about to close it. True: the client may be sending still, and it goes on as one that lingers. */
bool http_linger(struct http_connection *connection);
/* The loop's own epoll set says that there is something to read. Frees the connection where that is the end. */
void http_linger_read(struct http_connection *connection);
/* Close one that lingers, and free it. */
void http_linger_end(struct http_connection *connection);
/* Those that linger leave room for connections: close the oldest until all together are fewer than the limit, so that
 * the next one finds a descriptor. */
void http_linger_make_room(struct http_loop *loop);

/* ---- connection.c ---- */

/* Create and destroy the daemon of a port. Takes `listen_fd` over. */
SG_MUST_CHECK enum sg_status http_port_open(struct http_port *port, int listen_fd, unsigned connections_max,
                                            struct sg_error *err);
void http_port_close(struct http_port *port);
/* Enter another state, and its list. */
void http_connection_enter(struct http_connection *connection, enum connection_state state);
/* Take it out of the library's hands until it is resumed, without a deadline. False: not possible now. */
bool http_connection_hold(struct http_connection *connection);
/* Close it, whatever its state. One that another thread is at work for stays until that has ended. */
void http_connection_close(struct http_connection *connection);
/* The deadline of its state is over. */
void http_connection_overdue(struct http_connection *connection);
/* Neither a request nor a byte of one is there. */
bool http_connection_idle(const struct http_connection *connection);
/* The loop's own epoll set says that a connection's client has hung up, or closed its sending side; of one that
 * lingers, that there is something to read. */
void http_connection_hangup(struct http_connection *connection);

/* It is not the library's any more: leave its list, count no longer for its client, free it. */
void http_connection_free(struct http_connection *connection);
/* It counts no longer for its client. */
void http_connection_uncount(struct http_connection *connection);

/* ---- loop.c ---- */

/* At the start of an iteration: the tunables of now, and their timeouts, also for what waits already. */
void http_loop_take_tunables(struct http_loop *loop);
/* Start the thread of a loop. */
SG_MUST_CHECK enum sg_status http_loop_start(struct http_loop *loop, struct sg_error *err);

#endif
