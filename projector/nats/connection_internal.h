/* The link's insides, shared by link.c (connecting, asking) and nats_receive.c (what arrives). */
#ifndef STATEGATE_PROJECTOR_NATS_CONNECTION_INTERNAL_H
#define STATEGATE_PROJECTOR_NATS_CONNECTION_INTERNAL_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "projector/decode/format.h"
#include "projector/nats/connection.h"

#define LIBRARY_CLOSE_TIMEOUT_MS 10000
#define IO_BUFFER_BYTES (256 * 1024) /* fewer system calls a message than the library's 32 KiB */
#define CONSUMER_NAME_BYTES_MAX 64

struct nats_connection {
    /* Set by nats_create(), then read-only. */
    const struct nats_settings *nats;     /* borrowed */
    const struct stream_settings *stream; /* borrowed */
    const struct format *format;          /* the stream's */
    struct queue *queue;                  /* borrowed */
    nats_alarm *alarm;
    void *alarm_context;

    /* Source thread only. */
    natsConnection *connection;     /* owned; NULL = not connected */
    natsSubscription *subscription; /* owned; NULL = none */
    char *servers[NATS_SERVERS_MAX]; /* owned; discovered */
    size_t servers_count;

    /* Set by nats_subscribe(), then the subscription's thread only. */
    char consumer[CONSUMER_NAME_BYTES_MAX];
    size_t consumer_bytes;
    uint64_t generation;
    uint64_t consumer_seq; /* of the last message */

    /* Any thread. */
    atomic_uint_fast64_t activity;
    atomic_uint_fast64_t received;

    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t complete_cond;
    bool complete; /* the subscription's thread has left its last callback */
    bool trouble;
    char reason[256];
    bool denied;
    char broker_error[256];
    int64_t complained_ns; /* when the broker said so; 0 = never */
    struct skipped_range jumps[NATS_SKIPPED_RANGES_MAX];
    size_t jumps_count;
};

/* Note the first reason why the link cannot be trusted, and wake the source's thread. Any thread. */
void nats_raise(struct nats_connection *l, const char *reason);

#endif
