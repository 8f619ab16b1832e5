/* The connection's insides, shared by connection.c (connecting, asking), loop.c (the socket) and delivery.c (what
 * arrives). */
#ifndef STATEGATE_PROJECTOR_NATS_CONNECTION_INTERNAL_H
#define STATEGATE_PROJECTOR_NATS_CONNECTION_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "projector/decode/format.h"
#include "projector/nats/connection.h"
#include "projector/nats/options.h"
#include "projector/nats/servers.h"

#define LIBRARY_CLOSE_TIMEOUT_MS 10000
#define IO_BUFFER_BYTES (256 * 1024) /* fewer system calls a message than the library's 32 KiB */
#define CONSUMER_NAME_BYTES_MAX 64
#define RELEASE_MESSAGES_MAX 64        /* kept to be freed together, of all streams ... */
#define RELEASE_BYTES_MAX (256 * 1024) /* ... but no more bytes than these */

struct nats_connection {
    /* Set by nats_create(), then read-only. */
    const struct nats_settings *nats;     /* borrowed */
    const struct stream_settings *stream; /* borrowed */
    const struct format *format;          /* the stream's */
    struct queue *queue;                  /* borrowed */
    nats_alarm *alarm;
    void *alarm_context;

    int epoll_fd;                         /* owned, as is the next: the socket and wake_fd */
    int wake_fd;

    /* Source thread only; the loop's thread sees the connection that it was started for. */
    natsConnection *connection; /* owned; NULL = not connected */
    pthread_t loop_thread;
    bool loop_started;
    char inbox[NATS_INBOX_BYTES]; /* of the answers; the number of a question follows it */
    uint64_t questions;           /* so far */
    natsSubscription *answers;    /* owned */
    natsSubscription *looking;    /* owned; where the message of a look arrives; NULL = there is none */
    natsMsg *reply;               /* owned; the last answer */
    int hangup_fd; /* owned; the socket too, which the library may have closed meanwhile; -1 = none */
    struct servers servers;       /* owned */
    struct servers_round round;   /* that the connection was made in */

    /* Guarded by the library's lock of the connection. */
    natsConnection *attached; /* borrowed */
    natsSock socket_fd;       /* the library's */
    bool watched;             /* it is in the set */
    bool socket_left;         /* the library does not use it any more */
    bool detached;            /* nor the loop */

    /* Set by nats_subscribe(), then the loop's thread only. */
    char consumer[CONSUMER_NAME_BYTES_MAX];
    size_t consumer_bytes;
    uint64_t generation;
    uint64_t consumer_seq; /* of the last message */
    size_t waiting;         /* bytes that the queue has learned of */
    struct queue_item held; /* pushed again when the queue has room; its handle is owned, NULL = none */

    /* Any thread. */
    _Atomic(natsSubscription *) awaited; /* of answers and looking: where the source waits; NULL = it does not */
    _Atomic(natsSubscription *) subscription; /* owned; NULL = none */
    atomic_bool loop_stopping;
    atomic_uint_fast64_t activity;
    atomic_uint_fast64_t received;

    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    bool fatal;
    char reason[256];
    pthread_cond_t answered; /* or why there will be no answer */
    const char *asked;       /* borrowed; the subject of the question; NULL = there is none */
    char awaited_subject[NATS_INBOX_BYTES + 24]; /* of its answer; "" = any */
    natsMsg *answer;         /* owned; NULL = it has not come */
    bool interrupted;        /* nobody waits any more */
    bool denied;             /* the question was refused */
    bool deaf;               /* answers cannot be received */
    char broker_error[256];
    int64_t warned_ns; /* when the broker said so; 0 = never */
};

/* Note the first reason why the connection cannot be trusted, and wake the source's thread. Any thread. */
void nats_raise(struct nats_connection *c, const char *reason);

/* ---- requests.c ---- */

/* What nats_create() needs of it. */
SG_MUST_CHECK enum sg_status requests_create(struct nats_connection *c, struct sg_error *err);
/* An inbox that nobody else has. */
SG_MUST_CHECK enum sg_status requests_inbox(char inbox[NATS_INBOX_BYTES], struct sg_error *err);
/* Listen for answers, once the loop runs; and no more, after it was stopped. */
SG_MUST_CHECK enum sg_status requests_start(struct nats_connection *c, struct sg_error *err);
void requests_stop(struct nats_connection *c);
/* Take the answer that the source waits for, if it has come. The loop's thread. */
void requests_run(struct nats_connection *c);

/* ---- loop.c ---- */

/* What nats_create() and nats_destroy() need of it. The second takes what the first left half made. */
SG_MUST_CHECK enum sg_status loop_create(struct nats_connection *c, struct sg_error *err);
void loop_destroy(struct nats_connection *c);
/* Before connecting: the library leaves the socket to the loop. */
natsStatus loop_options(struct nats_connection *c, natsOptions *o);
/* Once it is connected; and before the connection is closed: no message is delivered any more. Source thread. */
SG_MUST_CHECK enum sg_status loop_start(struct nats_connection *c, struct sg_error *err);
void loop_stop(struct nats_connection *c);
/* After the connection was closed, and before it is destroyed. */
void loop_detach(struct nats_connection *c);
/* Have it look for messages again. `context` is the connection. Any thread; does not block. */
void loop_wake(void *context);

/* ---- delivery.c ---- */

/* What the reply subject of a consumer's message says; its slice points into it. */
struct reply_facts {
    struct slice consumer;
    uint64_t sequence;
    uint64_t consumer_seq;
    int64_t time_ns;
};
/* False where it is none. */
bool reply_parse(const char *reply, struct reply_facts *out);

/* Hand over what the library has parsed: the answer that is waited for, and to the queue as much as there is room for.
 * The loop's thread. */
void delivery_run(struct nats_connection *c);

#endif
