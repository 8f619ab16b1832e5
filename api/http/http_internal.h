/* What the files of api/http/ share: a loop, its connections, and where they meet the HTTP library. */
#ifndef STATEGATE_API_HTTP_HTTP_INTERNAL_H
#define STATEGATE_API_HTTP_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "api/http/deadlines.h"
#include "api/http/http.h"
#include "api/http/listen.h"

/* A target of this length needs no memory of its own. */
#define EXCHANGE_TARGET_BYTES 256

/* One request and its answer; kept on the loop's free list in between. */
struct exchange {
    struct exchange *next_free;
    struct http_head head;
    bool admitted;
    char *long_target; /* owned; NULL where `target` does */
    char target[EXCHANGE_TARGET_BYTES];
    max_align_t call[]; /* the handler's, as many bytes as it asked for */
};

struct http_port;

/* One connection; of the loop's thread only. */
struct http_connection {
    struct deadline deadline; /* first: a deadline is its connection */
    struct http_port *port;   /* borrowed */
    int fd;                   /* the HTTP library's */
    struct exchange *exchange; /* owned; NULL between requests */
    struct client_address client;
    struct MHD_Connection *mhd; /* the HTTP library's */
    bool watched;              /* the loop's own epoll set tells when the client hangs up */
    bool answering;            /* from the end of a request's head to the end of its answer */
    bool parked;               /* suspended */
    bool gone;                 /* hung up while parked */
};

/* One address of one loop. */
struct http_port {
    struct http_loop *loop;    /* borrowed */
    struct MHD_Daemon *daemon; /* owned */
    int epoll_fd;              /* the daemon's */
    bool ops_only;
    bool due;                  /* has something to do in this turn */
    bool resumed;              /* a connection was resumed, and the library has not run since */
    bool freed;                /* a connection has gone since the last turn: there may be room for one that waits */
};
#define HTTP_PORTS_MAX 2

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
    int64_t now_ns;      /* of this turn */
    bool draining;
    size_t connections_peak; /* since memory was last given back */
    bool woken;          /* the wake descriptor was written before this turn */
    struct deadlines heads;   /* connections that wait for a request's head */
    struct deadlines answers; /* connections whose answer is under way */
    struct exchange *free_exchanges; /* owned */
    size_t free_exchanges_count;
    /* Any thread. */
    atomic_size_t connections;
};

struct http {
    struct http_options options; /* its strings are not used after http_start */
    struct listen_address address;
    struct listen_address ops_address;
    unsigned loops_count;
    struct http_loop *loops; /* owned */
    atomic_bool stopping;
    atomic_int_fast64_t drain_until_ns; /* valid once stopping */
};

/* connection.c: create and destroy the daemon of a port. Takes `listen_fd` over. */
SG_MUST_CHECK enum sg_status http_port_open(struct http_port *port, int listen_fd, unsigned connections_max,
                                            struct sg_error *err);
void http_port_close(struct http_port *port);
/* Close, by shutdown, a connection whose deadline is over, or that is idle while the loop drains. */
void http_connection_shutdown(struct http_connection *connection);
/* Neither a request nor a byte of one is there. */
bool http_connection_idle(const struct http_connection *connection);
void http_exchanges_free(struct http_loop *loop);
/* End a connection's suspension; the library goes on with it in this turn. */
http_resume http_connection_resume;
/* The loop's own epoll set says that a connection's client has hung up, or closed its sending side. */
void http_connection_hangup(struct http_connection *connection);

/* loop.c: start the thread of a loop. */
SG_MUST_CHECK enum sg_status http_loop_start(struct http_loop *loop, struct sg_error *err);

#endif
