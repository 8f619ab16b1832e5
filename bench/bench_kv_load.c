/* Loads a key-value bucket of nats-server with reads, in a closed loop: each client asks anew when it has its answer.
 *
 *   bench_kv_load get URL BUCKET ENTITIES SECONDS THREADS CONNECTIONS
 *       kvStore_Get, the threads spread over the connections
 *   bench_kv_load direct URL BUCKET ENTITIES SECONDS IN_FLIGHT
 *       direct gets by hand, all over one connection
 *
 * The bucket holds c-0, c-1, ... of JSON that begins with the entity's number, which each answer is checked for. Prints
 * a line of JSON, as load.lua does: requests, seconds, status (answers that are errors), errors (no answer), and
 * microseconds of latency. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bench_nats.h"

#define THREADS_MAX 1024
#define IN_FLIGHT_MAX 1024
#define LATENCY_US_MAX 1000000 /* longer ones count as this */
#define GET_TIMEOUT_MS 10000
#define SUBJECT_ROOM 160

struct load {
    const char *bucket;
    uint64_t entities;
    int64_t end_ns;
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t failed;
    atomic_uint latencies[LATENCY_US_MAX + 1]; /* how many took so many microseconds */
};

static struct load load;

static void count_answer(int64_t asked_ns, bool good)
{
    int64_t us = (bench_now_ns() - asked_ns) / 1000;
    if (!good)
        atomic_fetch_add_explicit(&load.refused, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&load.latencies[us < LATENCY_US_MAX ? us : LATENCY_US_MAX], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&load.requests, 1, memory_order_relaxed);
}

/* Whether an answer is the entity's own document. */
static bool is_of(const char *value, int bytes, uint64_t number)
{
    char wanted[BENCH_NATS_KEY_ROOM];
    int length = snprintf(wanted, sizeof wanted, "{\"number\":%llu,", (unsigned long long)number);
    return bytes > length && memcmp(value, wanted, (size_t)length) == 0;
}

/* ---- kvStore_Get ---- */

struct reader {
    pthread_t thread;
    kvStore *store; /* borrowed: several readers use one */
    uint64_t random;
};

static void get_one(struct reader *r)
{
    char key[BENCH_NATS_KEY_ROOM];
    kvEntry *entry = NULL;
    uint64_t number = bench_random(&r->random) % load.entities;
    bench_nats_key(number, key);
    int64_t asked_ns = bench_now_ns();
    natsStatus s = kvStore_Get(&entry, r->store, key);
    if (s == NATS_OK || s == NATS_NOT_FOUND)
        count_answer(asked_ns, s == NATS_OK && is_of(kvEntry_Value(entry), kvEntry_ValueLen(entry), number));
    else
        atomic_fetch_add(&load.failed, 1);
    kvEntry_Destroy(entry);
}

static void *read_on(void *context)
{
    struct reader *r = context;
    while (bench_now_ns() < load.end_ns)
        get_one(r);
    return NULL;
}

static void load_by_get(const char *url, size_t threads, size_t connections)
{
    static struct reader readers[THREADS_MAX];
    static kvStore *stores[THREADS_MAX];
    bench_must(threads > 0 && threads <= THREADS_MAX && connections > 0 && connections <= threads, "get",
               "at most 1024 threads, and a connection for one at least");
    for (size_t i = 0; i < connections; i++)
        stores[i] = bench_nats_bucket(bench_nats_connect(url), load.bucket);
    for (size_t i = 0; i < threads; i++) {
        readers[i].store = stores[i % connections];
        readers[i].random = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        bench_must(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]) == 0, "thread", "none to be had");
    }
    for (size_t i = 0; i < threads; i++)
        (void)pthread_join(readers[i].thread, NULL);
}

/* ---- direct gets, pipelined over one connection, all by one thread ---- */

struct slot {
    uint64_t number;
    int64_t asked_ns;
};

struct pipeline {
    natsConnection *connection;
    natsSubscription *answers; /* to INBOX.SLOT */
    natsInbox *inbox;
    struct slot slots[IN_FLIGHT_MAX];
    size_t in_flight;
    uint64_t random;
};

static void ask(struct pipeline *p, size_t i)
{
    char subject[SUBJECT_ROOM];
    char reply[SUBJECT_ROOM];
    struct slot *slot = &p->slots[i];
    slot->number = bench_random(&p->random) % load.entities;
    slot->asked_ns = bench_now_ns();
    (void)snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.KV_%s.$KV.%s.c-%llu", load.bucket, load.bucket,
                   (unsigned long long)slot->number);
    (void)snprintf(reply, sizeof reply, "%s.%zu", p->inbox, i);
    bench_must_nats(natsConnection_PublishRequest(p->connection, subject, reply, NULL, 0), "ask");
    p->in_flight++;
}

static void take_answer(struct pipeline *p)
{
    natsMsg *msg = NULL;
    bench_must_nats(natsSubscription_NextMsg(&msg, p->answers, GET_TIMEOUT_MS), "answer");
    size_t i = strtoul(strrchr(natsMsg_GetSubject(msg), '.') + 1, NULL, 10);
    bench_must(i < IN_FLIGHT_MAX, "answer", "nobody asked");
    p->in_flight--;
    count_answer(p->slots[i].asked_ns, is_of(natsMsg_GetData(msg), natsMsg_GetDataLength(msg), p->slots[i].number));
    natsMsg_Destroy(msg);
    if (bench_now_ns() < load.end_ns)
        ask(p, i);
}

static void load_directly(const char *url, size_t in_flight)
{
    static struct pipeline p = {.random = UINT64_C(0x9e3779b97f4a7c15)};
    char all[SUBJECT_ROOM];
    bench_must(in_flight > 0 && in_flight <= IN_FLIGHT_MAX, "direct", "at most 1024 in flight");
    p.connection = bench_nats_connect(url);
    bench_must_nats(natsInbox_Create(&p.inbox), "inbox");
    (void)snprintf(all, sizeof all, "%s.*", p.inbox);
    bench_must_nats(natsConnection_SubscribeSync(&p.answers, p.connection, all), "subscribe");
    for (size_t i = 0; i < in_flight; i++)
        ask(&p, i);
    while (p.in_flight > 0)
        take_answer(&p);
}

/* ---- the report ---- */

static unsigned quantile_us(double q)
{
    uint64_t wanted = (uint64_t)((double)load.requests * q); /* so many are not above it */
    uint64_t seen = 0;
    for (unsigned us = 0; us <= LATENCY_US_MAX; us++) {
        seen += load.latencies[us];
        if (seen > wanted)
            return us;
    }
    return 0;
}

static void print_report(int64_t begun_ns)
{
    (void)printf("{\"requests\":%llu,\"seconds\":%.6f,\"status\":%llu,\"errors\":%llu,"
                 "\"p50\":%u,\"p99\":%u,\"p999\":%u}\n",
                 (unsigned long long)load.requests, (double)(bench_now_ns() - begun_ns) / (double)BENCH_NS_PER_S,
                 (unsigned long long)load.refused, (unsigned long long)load.failed, quantile_us(0.5), quantile_us(0.99),
                 quantile_us(0.999));
}

int main(int argc, char **argv)
{
    bool get = argc == 8 && strcmp(argv[1], "get") == 0;
    bool direct = argc == 7 && strcmp(argv[1], "direct") == 0;
    if (!get && !direct) {
        (void)fprintf(stderr, "usage: bench_kv_load get URL BUCKET ENTITIES SECONDS THREADS CONNECTIONS\n"
                              "       bench_kv_load direct URL BUCKET ENTITIES SECONDS IN_FLIGHT\n");
        return 2;
    }
    load.bucket = argv[3];
    load.entities = strtoull(argv[4], NULL, 10);
    bench_must(load.entities > 0, "ENTITIES", "there are none");
    int64_t begun_ns = bench_now_ns();
    load.end_ns = begun_ns + (int64_t)(strtod(argv[5], NULL) * (double)BENCH_NS_PER_S);
    if (get)
        load_by_get(argv[2], strtoul(argv[6], NULL, 10), strtoul(argv[7], NULL, 10));
    else
        load_directly(argv[2], strtoul(argv[6], NULL, 10));
    print_report(begun_ns);
    (void)fflush(stdout);
    _exit(0); /* connections need no orderly end */
}
