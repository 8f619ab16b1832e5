/* Reading one's own write, as soon as it is acknowledged: from a gateway by Min-Position, and from a key-value bucket
 * of nats-server, in turn.
 *
 *   bench_visible URL WRITES PER_SECOND ENTITIES TARGET...
 *
 * TARGET is kv:BUCKET or http:PORT, a gateway on 127.0.0.1 that follows the stream STATE with the subjects
 * state.customers.ID. So many times a second each target is written to and read from, one after another, every time
 * another one first. An answer that is not what was written ends the program: for a gateway always; a bucket's are
 * counted. Prints, tab-separated: "time TARGET PUBLISH_NS READ_NS" each time, PUBLISH_NS until the acknowledgement and
 * READ_NS from there until the answer; at last "stale TARGET COUNT". */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench_nats.h"

#define TARGETS_MAX 8
#define DOCUMENT_ROOM 400
#define ANSWER_ROOM 8192
#define POSITION_ROOM 64
#define ANSWER_TIMEOUT_S 10

struct target {
    const char *name; /* as on the command line */
    kvStore *store;   /* NULL: a gateway */
    int socket;
    char epoch[POSITION_ROOM]; /* what stands behind the sequence in State-Position */
    uint64_t stale;
    char answer[ANSWER_ROOM];
};

struct bench {
    natsConnection *connection;
    jsCtx *js;
    uint64_t random;
    uint64_t version; /* of the last write: all targets count together, so it only grows */
    struct target targets[TARGETS_MAX];
    size_t targets_count;
};

/* 300 bytes of state, whatever the version. */
static int make_document(uint64_t version, bool envelope, char out[DOCUMENT_ROOM])
{
    char state[DOCUMENT_ROOM];
    int bytes = snprintf(state, sizeof state, "{\"n\":%llu,\"note\":\"", (unsigned long long)version);
    while (bytes < 298)
        state[bytes++] = 'x';
    (void)snprintf(state + bytes, sizeof state - (size_t)bytes, "\"}");
    if (!envelope)
        return snprintf(out, DOCUMENT_ROOM, "%s", state);
    return snprintf(out, DOCUMENT_ROOM, "{\"version\":%llu,\"state\":%s}", (unsigned long long)version, state);
}

/* ---- a gateway ---- */

static int http_connect(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_must(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, "gateway",
               "it does not accept");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

/* The text behind "NAME: " in the answer's head, or NULL. */
static const char *header(const struct target *t, const char *name)
{
    const char *found = strcasestr(t->answer, name);
    return found != NULL ? found + strlen(name) : NULL;
}

/* Until the whole of it is there; the answer's status. */
static int take_answer(struct target *t)
{
    size_t have = 0;
    while (true) {
        ssize_t got = read(t->socket, t->answer + have, sizeof t->answer - 1 - have);
        bench_must(got > 0, t->name, "no answer, or too long a one");
        have += (size_t)got;
        t->answer[have] = '\0';
        const char *body = strstr(t->answer, "\r\n\r\n");
        if (body == NULL)
            continue;
        const char *length = header(t, "\r\nContent-Length: ");
        bench_must(length != NULL, t->name, "an answer without a length");
        if (have >= (size_t)(body + 4 - t->answer) + strtoul(length, NULL, 10))
            return atoi(t->answer + strlen("HTTP/1.1 "));
    }
}

static int http_get(struct target *t, const char *path, const char *more)
{
    char request[512];
    int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path, more);
    bench_must(write(t->socket, request, (size_t)bytes) == bytes, t->name, "it does not take a request");
    return take_answer(t);
}

static void gateway_open(struct target *t)
{
    t->socket = http_connect((uint16_t)strtoul(t->name + strlen("http:"), NULL, 10));
    bench_must(http_get(t, "/v1/state", "") == 200, t->name, "no collections");
    const char *position = header(t, "\r\nState-Position: STATE:");
    bench_must(position != NULL && (position = strchr(position, ';')) != NULL, t->name, "no position of STATE");
    (void)snprintf(t->epoch, sizeof t->epoch, "%.*s", (int)strcspn(position, "\r,"), position);
}

static void gateway_read(struct target *t, const char *key, uint64_t sequence, uint64_t version)
{
    char path[64];
    char demand[128];
    (void)snprintf(path, sizeof path, "/v1/state/customers/%s", key);
    (void)snprintf(demand, sizeof demand, "Min-Position: STATE:%llu%s\r\n", (unsigned long long)sequence, t->epoch);
    int status = http_get(t, path, demand);
    const char *shown = header(t, "\r\nState-Version: ");
    bench_must(status == 200 && shown != NULL, t->name, t->answer);
    bench_must(strtoull(shown, NULL, 10) == version, t->name, "not what was written");
}

static uint64_t gateway_write(struct bench *b, const char *key, uint64_t version)
{
    char subject[64];
    char document[DOCUMENT_ROOM];
    jsPubAck *ack = NULL;
    (void)snprintf(subject, sizeof subject, "state.customers.%s", key);
    int bytes = make_document(version, true, document);
    bench_must_nats(js_Publish(&ack, b->js, subject, document, bytes, NULL, NULL), "publish");
    uint64_t sequence = ack->Sequence;
    jsPubAck_Destroy(ack);
    return sequence;
}

/* ---- a bucket ---- */

static void bucket_read(struct target *t, const char *key, uint64_t revision)
{
    kvEntry *entry = NULL;
    bench_must_nats(kvStore_Get(&entry, t->store, key), "kvStore_Get");
    t->stale += kvEntry_Revision(entry) != revision;
    kvEntry_Destroy(entry);
}

static uint64_t bucket_write(struct target *t, const char *key, uint64_t version)
{
    char document[DOCUMENT_ROOM];
    uint64_t revision = 0;
    int bytes = make_document(version, false, document);
    bench_must_nats(kvStore_Put(&revision, t->store, key, document, bytes), "kvStore_Put");
    return revision;
}

/* ---- in turn ---- */

static void write_and_read(struct bench *b, struct target *t, const char *key)
{
    uint64_t version = ++b->version;
    int64_t begun_ns = bench_now_ns();
    uint64_t sequence = t->store != NULL ? bucket_write(t, key, version) : gateway_write(b, key, version);
    int64_t acknowledged_ns = bench_now_ns();
    if (t->store != NULL)
        bucket_read(t, key, sequence);
    else
        gateway_read(t, key, sequence, version);
    int64_t answered_ns = bench_now_ns();
    (void)printf("time\t%s\t%lld\t%lld\n", t->name, (long long)(acknowledged_ns - begun_ns),
                 (long long)(answered_ns - acknowledged_ns));
}

static void run(struct bench *b, uint64_t writes, int64_t period_ns, uint64_t entities)
{
    char key[BENCH_NATS_KEY_ROOM];
    int64_t begun_ns = bench_now_ns();
    for (uint64_t i = 0; i < writes; i++) {
        int64_t wait_ns = begun_ns + (int64_t)i * period_ns - bench_now_ns();
        const struct timespec wait = {.tv_sec = wait_ns / BENCH_NS_PER_S, .tv_nsec = wait_ns % BENCH_NS_PER_S};
        if (wait_ns > 0)
            (void)nanosleep(&wait, NULL);
        bench_nats_key(bench_random(&b->random) % entities, key);
        for (size_t k = 0; k < b->targets_count; k++)
            write_and_read(b, &b->targets[(i + k) % b->targets_count], key);
    }
    for (size_t k = 0; k < b->targets_count; k++)
        (void)printf("stale\t%s\t%llu\n", b->targets[k].name, (unsigned long long)b->targets[k].stale);
}

static void open_targets(struct bench *b, char **names)
{
    for (size_t k = 0; k < b->targets_count; k++) {
        struct target *t = &b->targets[k];
        t->name = names[k];
        if (strncmp(t->name, "kv:", 3) == 0)
            t->store = bench_nats_bucket(b->connection, t->name + 3);
        else if (strncmp(t->name, "http:", 5) == 0)
            gateway_open(t);
        else
            bench_must(false, t->name, "not a target");
    }
}

int main(int argc, char **argv)
{
    static struct bench b = {.random = UINT64_C(0x9e3779b97f4a7c15)};
    if (argc < 6 || argc > 5 + TARGETS_MAX) {
        (void)fprintf(stderr, "usage: bench_visible URL WRITES PER_SECOND ENTITIES TARGET...\n");
        return 2;
    }
    uint64_t per_second = strtoull(argv[3], NULL, 10);
    uint64_t entities = strtoull(argv[4], NULL, 10);
    bench_must(per_second > 0 && entities > 0, "PER_SECOND, ENTITIES", "at least 1 each");
    b.connection = bench_nats_connect(argv[1]);
    b.js = bench_nats_jetstream(b.connection);
    b.version = (uint64_t)bench_now_ns(); /* beyond those of an earlier run */
    b.targets_count = (size_t)argc - 5;
    open_targets(&b, argv + 5);
    run(&b, strtoull(argv[2], NULL, 10), BENCH_NS_PER_S / (int64_t)per_second, entities);
    (void)fflush(stdout);
    _exit(0); /* connections need no orderly end */
}
