/* Receiving alone: messages are taken from the queue of the gateway's own connection and consumer, and released. What
 * it reaches is the broker's, the client library's and the connection's share of ingest. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/time.h"
#include "projector/nats/jetstream.h"
#include "projector/nats/connection.h"

#define TAKE_BYTES_MAX (8u << 20)
#define WAIT_MAX_NS (120 * NS_PER_S)

struct receiver {
    struct notifier *notifier;
    struct queue *queue;
    struct nats_connection *link;
    uint64_t generation;
    atomic_bool trouble;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_ingest_receive: %s: %s\n", what, why);
    exit(1);
}

static void on_alarm(void *context)
{
    struct receiver *r = context;
    atomic_store(&r->trouble, true);
    notifier_notify(r->notifier);
}

static int64_t cpu_ns(void)
{
    struct timespec used = {0};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        die("clock", "no processor time");
    return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}

static void subscribe(struct receiver *r, struct jetstream *js)
{
    struct sg_error err;
    char inbox[NATS_INBOX_BYTES];
    uint64_t pending = 0;
    char name[32]; /* another one each time: the broker keeps a consumer for a while after its subscriber has gone */
    (void)snprintf(name, sizeof name, "bench-%ld", (long)getpid());
    if (nats_subscribe(r->link, name, r->generation, 0, inbox, &err) != SG_OK)
        die("subscribe", err.message);
    if (jetstream_create_consumer(js, r->link, name, inbox, 1, 0, &pending, &err) != SG_OK)
        die("consumer", err.message);
    queue_verify(r->queue, r->generation);
}

/* Take all of them, and release them; the bytes of their payloads. */
static uint64_t take_all(struct receiver *r, uint64_t events, int64_t start_ns)
{
    static struct queue_item items[QUEUE_ITEMS_MAX];
    uint64_t bytes = 0;
    for (uint64_t taken = 0; taken < events;) {
        size_t count = queue_take(r->queue, items, QUEUE_ITEMS_MAX, TAKE_BYTES_MAX);
        for (size_t i = 0; i < count; i++)
            bytes += items[i].message.payload.bytes;
        queue_done(r->queue, items, count);
        taken += count;
        if (atomic_load(&r->trouble))
            die("connection", "lost");
        if (time_boot_ns() - start_ns > WAIT_MAX_NS)
            die("messages", "some never came");
        if (count == 0)
            notifier_wait(r->notifier, start_ns + WAIT_MAX_NS);
    }
    return bytes;
}

static void receive(const char *url, const char *stream_name, const char *filter, uint64_t events)
{
    struct sg_error err;
    struct receiver r = {0};
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
    struct jetstream js = {.domain = "", .stream = stream_name, .filter = filter};
    if (nats_library_open(&err) != SG_OK || notifier_create(&r.notifier, &err) != SG_OK ||
        queue_create(r.notifier, nats_release_message, &r.queue, &err) != SG_OK ||
        nats_create(&nats, &stream, r.queue, on_alarm, &r, &r.link, &err) != SG_OK ||
        nats_connect(r.link, &err) != SG_OK)
        die("connect", err.message);
    r.generation = queue_next_generation(r.queue);
    js.connection = r.link;
    int64_t start_ns = time_boot_ns();
    int64_t start_cpu_ns = cpu_ns();
    subscribe(&r, &js);
    uint64_t bytes = take_all(&r, events, start_ns);
    double count = (double)events;
    printf("receive: %.0f events/s, %.2f us of processor an event (%.0f bytes each)\n",
           count * 1e9 / (double)(time_boot_ns() - start_ns), (double)(cpu_ns() - start_cpu_ns) / 1e3 / count,
           (double)bytes / count);
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
