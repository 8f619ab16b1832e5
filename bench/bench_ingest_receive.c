/* Receiving alone: a subscriber that counts messages, on the gateway's own kind of connection and consumer. What it
 * reaches is the broker's and the client library's share of ingest. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/time.h"
#include "projector/nats/jetstream.h"
#include "projector/nats/connection_internal.h"

#define WAIT_STEP_NS (NS_PER_MS / 2)
#define WAIT_MAX_NS (120 * NS_PER_S)

struct counter {
    _Atomic uint64_t messages;
    _Atomic uint64_t bytes;
    atomic_bool trouble;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_ingest_receive: %s: %s\n", what, why);
    exit(1);
}

static void on_alarm(void *context)
{
    struct counter *counter = context;
    atomic_store(&counter->trouble, true);
}

/* A message has an acknowledgement's subject to reply to; what has none is flow control, which asks for an answer, or a
 * heartbeat. */
static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct counter *counter = closure;
    const char *reply = natsMsg_GetReply(msg);
    (void)sub;
    if (reply != NULL && strncmp(reply, "$JS.ACK.", 8) == 0) {
        atomic_fetch_add_explicit(&counter->bytes, (uint64_t)natsMsg_GetDataLength(msg), memory_order_relaxed);
        atomic_fetch_add_explicit(&counter->messages, 1, memory_order_release);
    } else if (reply != NULL && reply[0] != '\0') {
        (void)natsConnection_Publish(nc, reply, NULL, 0);
    }
    natsMsg_Destroy(msg);
}

static int64_t cpu_ns(void)
{
    struct timespec used = {0};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        die("clock", "no processor time");
    return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}

static void subscribe(struct nats_connection *l, struct jetstream *js, const char *filter, struct counter *counter)
{
    struct sg_error err;
    natsInbox *inbox = NULL;
    char name[32]; /* another one each time: the broker keeps a consumer for a while after its subscriber has gone */
    (void)snprintf(name, sizeof name, "bench-%ld", (long)getpid());
    natsStatus s = natsInbox_Create(&inbox);
    if (s == NATS_OK)
        s = natsConnection_Subscribe(&l->subscription, l->connection, inbox, on_message, counter);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(l->subscription, -1, -1);
    if (s != NATS_OK)
        die("subscribe", natsStatus_GetText(s));
    if (jetstream_create_consumer(js, name, filter, inbox, 1, &err) != SG_OK)
        die("consumer", err.message);
    natsInbox_Destroy(inbox);
}

static void wait_for(const struct counter *counter, uint64_t events, int64_t start_ns)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_NS};
    while (atomic_load(&counter->messages) < events) {
        (void)nanosleep(&step, NULL);
        if (atomic_load(&counter->trouble))
            die("connection", "lost");
        if (time_boot_ns() - start_ns > WAIT_MAX_NS)
            die("messages", "some never came");
    }
}

static void receive(const char *url, const char *stream_name, const char *filter, uint64_t events)
{
    struct sg_error err;
    struct counter counter = {0};
    char none[] = "";
    struct nats_settings nats = {.url = (char *)(uintptr_t)url,
                                 .credentials_file = none,
                                 .nkey_file = none,
                                 .token_file = none,
                                 .user = none,
                                 .password_file = none,
                                 .tls_ca_file = none,
                                 .tls_cert_file = none,
                                 .tls_key_file = none,
                                 .domain = none};
    struct stream_settings stream = {.name = (char *)(uintptr_t)stream_name};
    struct nats_connection *l = NULL;
    struct jetstream js = {.domain = "", .stream = stream_name};
    buffer_init(&js.scratch, NATS_REPLY_BYTES_MAX);
    if (nats_library_open(&err) != SG_OK || nats_create(&nats, &stream, NULL, on_alarm, &counter, &l, &err) != SG_OK ||
        nats_connect(l, &err) != SG_OK)
        die("connect", err.message);
    js.link = l;
    int64_t start_ns = time_boot_ns();
    int64_t start_cpu_ns = cpu_ns();
    subscribe(l, &js, filter, &counter);
    wait_for(&counter, events, start_ns);
    double count = (double)events;
    printf("receive: %.0f events/s, %.2f us of processor an event (%.0f bytes each)\n",
           count * 1e9 / (double)(time_boot_ns() - start_ns), (double)(cpu_ns() - start_cpu_ns) / 1e3 / count,
           (double)atomic_load(&counter.bytes) / count);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_ingest_receive URL STREAM FILTER EVENTS\n");
        return 2;
    }
    receive(argv[1], argv[2], argv[3], strtoull(argv[4], NULL, 10));
    (void)fflush(stdout);
    _exit(0); /* what was measured is over; nothing of it needs an orderly end */
}
