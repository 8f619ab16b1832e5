/* What the programs that use nats-server as a client share: a connection, a key-value bucket, and how they give up. */
#ifndef STATEGATE_BENCH_NATS_H
#define STATEGATE_BENCH_NATS_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_NATS_KEY_ROOM 32
#define BENCH_NS_PER_S INT64_C(1000000000)

static inline void bench_must(bool good, const char *what, const char *why)
{
    if (good)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline void bench_must_nats(natsStatus status, const char *what)
{
    bench_must(status == NATS_OK, what, natsStatus_GetText(status));
}

static inline int64_t bench_now_ns(void)
{
    struct timespec now = {0};
    bench_must(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock", "it gives no time");
    return (int64_t)now.tv_sec * BENCH_NS_PER_S + now.tv_nsec;
}

/* Owned by the caller, who never returns it: these programs end by exit(). */
static inline natsConnection *bench_nats_connect(const char *url)
{
    natsConnection *connection = NULL;
    bench_must_nats(natsConnection_ConnectTo(&connection, url), "connect");
    return connection;
}

static inline jsCtx *bench_nats_jetstream(natsConnection *connection)
{
    jsCtx *js = NULL;
    bench_must_nats(natsConnection_JetStream(&js, connection, NULL), "JetStream");
    return js;
}

static inline kvStore *bench_nats_bucket(natsConnection *connection, const char *bucket)
{
    kvStore *store = NULL;
    bench_must_nats(js_KeyValue(&store, bench_nats_jetstream(connection), bucket), bucket);
    return store;
}

/* "c-NUMBER": the entities of world.mjs are keys of the same names. */
static inline void bench_nats_key(uint64_t number, char out[BENCH_NATS_KEY_ROOM])
{
    (void)snprintf(out, BENCH_NATS_KEY_ROOM, "c-%llu", (unsigned long long)number);
}

/* xorshift: numbers without a lock. The state must not be 0. */
static inline uint64_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
