/* A rig for tests of the HTTP loops: real sockets on the loopback, one loop, and a handler that does what a test
 * says. */
#ifndef STATEGATE_TESTS_HTTP_FIXTURE_H
#define STATEGATE_TESTS_HTTP_FIXTURE_H

#include <stdatomic.h>

#include "api/http/http.h"

/* A body that is produced: `chunks` of `chunk_bytes` (0 = all the room there is), each of one letter. */
struct rig_stream {
    size_t chunks;
    size_t chunk_bytes;
    size_t later_at;  /* before this chunk there is nothing until rig_more(); SIZE_MAX = never */
    size_t failed_at; /* instead of this chunk it fails; SIZE_MAX = never */
    /* Its result; any thread. */
    atomic_size_t asked;   /* for one */
    atomic_size_t made;    /* chunks */
    atomic_size_t room;    /* of the last one */
    atomic_size_t stopped; /* how often */
    atomic_bool waits;     /* for rig_more() */
    /* The loop's. */
    bool more;
    struct http_connection *connection;
    struct http_post post;
};

struct http_rig {
    struct http_options options; /* a test may change them before http_rig_start(); so for the tunables */
    struct tunables tunables;
    struct tunables_now tunables_now;
    struct http *http;
    struct http_loop *loop;
    struct rig_stream stream;
    size_t large_bytes;
    atomic_size_t parked;    /* requests that are parked now */
    atomic_size_t working;   /* requests that another thread has in hand now */
    atomic_size_t withdrawn; /* how often it was asked for: late */
    atomic_size_t abandoned; /* how often it was asked for: gone */
    atomic_bool begun;       /* what is in hand cannot be withdrawn */
    atomic_bool holds;       /* a loop is held by /hold ... */
    atomic_bool released;    /* ... until this is set */
    atomic_size_t forgotten; /* requests that are over */
    atomic_size_t handled;   /* how often one was handled */
    atomic_uint status;      /* of the last answer that was sent */
    struct rig_call *call;   /* the one that is parked or in hand; the loop's */
    struct http_post post;
};

/* Targets:
 *   /bytes     "hello"
 *   /echo      the body of the request
 *   /large     rig->large_bytes of memory
 *   /produced  rig->stream
 *   /hold      the loop's thread does nothing else until rig->released, then "hello"
 *   /park      waits until the loop drains, then "hello"
 *   /work      another thread has it in hand until rig_done(), then "hello"; withdrawn for being late, "late" */
void http_rig_init(struct http_rig *rig);
void http_rig_start(struct http_rig *rig);
/* Stop and free; once more does nothing. */
void http_rig_stop(struct http_rig *rig, int64_t drain_ms);

/* From the test's thread: the stream has more; the request in hand is done. */
void rig_more(struct http_rig *rig);
void rig_done(struct http_rig *rig);

/* ---- a client ---- */

/* Connect; its receive buffer is small if `slow`. */
int rig_connect(const struct http_rig *rig, bool slow);
/* To the second address. */
int rig_connect_ops(const struct http_rig *rig);
void rig_send(int fd, const char *text);
/* Read until the peer ends, `bytes` are there, or 10 s have passed, which fails the test; the text stays until the next
 * call. `*reset`: it ended by a reset. */
const char *rig_read(int fd, size_t bytes, size_t *count, bool *reset);
/* The body of a whole answer, its chunks put together; `*complete` = the last chunk came. */
size_t rig_dechunk(const char *answer, size_t bytes, char *out, bool *complete);
/* Wait for a condition, at most 10 s. */
#define RIG_UNTIL(condition)                                                                                           \
    do {                                                                                                               \
        int64_t rig_deadline_ns = time_boot_ns() + 10 * NS_PER_S;                                                      \
        while (!(condition)) {                                                                                         \
            if (time_boot_ns() > rig_deadline_ns)                                                                      \
                fail_msg("it does not come true: %s", #condition);                                                     \
            (void)usleep(1000);                                                                                        \
        }                                                                                                              \
    } while (0)

#endif
