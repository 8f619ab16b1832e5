/* What a read and an event cost in instructions, from the router and from the decoder down: the same code as in the
 * gateway, in one thread, without sockets and without a broker.
 *
 *   bench_instructions FOLDER    FOLDER is empty; a database is made there
 *
 * Runs under callgrind (bench/instructions does that), which counts only what lies between count_begin() and
 * count_end(); each case is a dump of its own, named after it. Prints the key that figures depend on, and a line per
 * case: its name and how many times it was done. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <yyjson.h>
#include <gnu/libc-version.h>

#include "api/worker.h"
#include "bench/counting.h"
#include "bench/instructions_queries.h"
#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"
#include "projector/decode/decode.h"
#include "projector/shape/shape.h"

#define CREATED_NS INT64_C(1700000000000000000)
#define ENTITIES 20000     /* in the store when reads are counted: several levels of index pages */
#define BATCH 1000
#define PAYLOAD_BYTES_MAX 400
#define CACHE_BYTES (INT64_C(64) << 20) /* room for them all */
#define READS_PER_TURN 10  /* that a loop under load finds ready at once */
#define READS 2000
#define STRIDE 7919        /* from one entity that is read to the next; prime, so that none comes twice */
#define PAGES 60
#define EVENTS_ALONE 500   /* a transaction each */
#define EVENTS_BATCHED 4000
#define TARGET_ROOM 96
#define ENTITY "/v1/state/customers/"

/* Everything that a loop and the projector work with, and the events at hand. */
struct bench {
    char database[512];
    struct stream_settings stream_settings;
    struct decode_stream decode;
    struct settings settings;
    struct tunables tunables;
    struct tunables_now tunables_now;
    struct commit_clock *shared;
    struct store_writer *writer;
    struct stream stream;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
    struct api_shared api;
    struct route_counters counters;
    struct worker *worker;
    struct client_address client;
    int wake_fd;
    uint64_t sequence; /* of the last message */
    struct arena *arena;
    struct message messages[EVENTS_BATCHED];
    char subjects[EVENTS_BATCHED][64];
    char payloads[EVENTS_BATCHED][PAYLOAD_BYTES_MAX];
    struct event events[BATCH];
    enum event_result results[BATCH];
    enum event_reason reasons[BATCH];
};

static struct sg_error err;

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_instructions: %s: %s\n", what, err.message);
    exit(1);
}

/* The figures of one key can be compared; those of two differ for reasons that are not ours. */
static void print_key(void)
{
#ifdef __clang__
    const char *compiler = "clang " __clang_version__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    uint32_t json = yyjson_version();
    (void)printf("key\t%s, glibc %s, sqlite %s, yyjson %u.%u.%u, %s\n", compiler, gnu_get_libc_version(),
                 sqlite3_libversion(), json >> 16, (json >> 8) & 0xff, json & 0xff,
#if defined __x86_64__
                 "x86_64"
#elif defined __aarch64__
                 "aarch64"
#else
                 "another processor"
#endif
    );
}

/* ---- events ---- */

/* splitmix64: the same ids in every run, in no order. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void make_message_in(struct bench *b, const char *collection, size_t slot, uint64_t entity, int version)
{
    struct message *m = &b->messages[slot];
    int subject =
        snprintf(b->subjects[slot], sizeof b->subjects[slot], "state.%s.%016" PRIx64, collection, mix(entity));
    int payload = snprintf(b->payloads[slot], PAYLOAD_BYTES_MAX,
                           "{\"aggregateId\":\"%016" PRIx64 "\",\"version\":%d,\"type\":\"CustomerChanged\","
                           "\"occurredAt\":\"2026-01-31T12:00:00.123Z\",\"state\":{\"name\":\"Ada Lovelace\","
                           "\"email\":\"ada@example.org\",\"balance\":%06" PRIu64 ".50,\"tags\":[\"gold\",\"eu\"],"
                           "\"address\":{\"street\":\"12 St James Square\",\"city\":\"London\",\"zip\":\"SW1Y 4JH\"},"
                           "\"on\":true}}",
                           mix(entity), version, 100000 + entity % 100000);
    *m = (struct message){
        .subject = {b->subjects[slot], (size_t)subject},
        .payload = {b->payloads[slot], (size_t)payload},
        .sequence = ++b->sequence,
        .time_ns = CREATED_NS + (int64_t)b->sequence,
    };
}

static void make_message(struct bench *b, size_t slot, uint64_t entity, int version)
{
    make_message_in(b, "customers", slot, entity, version);
}

/* `shaper` NULL = nothing is declared of any collection. */
static void decode_batch(struct bench *b, const struct shaper *shaper, size_t first, size_t count)
{
    arena_reset(b->arena);
    for (size_t i = 0; i < count; i++)
        must(decode_message(&b->decode, &b->messages[first + i], b->arena, &b->events[i], &err) == SG_OK &&
                 shape_event(shaper, &b->events[i], b->arena, &err) == SG_OK,
             "decode");
}

/* As the projector does it. */
static void apply_batch(struct bench *b, size_t first, size_t count)
{
    uint64_t position = 0;
    decode_batch(b, NULL, first, count);
    must(store_apply(b->writer, b->stream.id, b->events, count, NULL, b->results, b->reasons, &position, &err) == SG_OK,
         "apply");
    freshness_applied(b->freshness, 0, position, &b->stream.epoch);
    progress_committed(b->progress, 0, position);
    must(b->results[0] == RESULT_APPLIED && b->results[count - 1] == RESULT_APPLIED, "an event was not applied");
}

static void fill(struct bench *b)
{
    for (uint64_t first = 0; first < ENTITIES; first += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            make_message(b, i, first + i, 1);
        apply_batch(b, 0, BATCH);
    }
}

static void case_decode(struct bench *b)
{
    for (size_t i = 0; i < BATCH; i++)
        make_message(b, i, i, 1);
    decode_batch(b, NULL, 0, BATCH); /* the arena has its size */
    count_begin();
    decode_batch(b, NULL, 0, BATCH);
    count_end("decode", BATCH);
}

/* The same where the collection declares three fields. */
static void case_fields(struct bench *b)
{
    struct collection_settings collection = {.name = (char[]){"customers"}};
    struct settings settings = b->settings;
    struct shaper *shaper = NULL;
    must(fields_add(&collection.fields, slice_of("email"), slice_of("/email"), FIELD_STRING, &err) == SG_OK &&
             fields_add(&collection.fields, slice_of("balance"), slice_of("/balance"), FIELD_NUMBER, &err) == SG_OK &&
             fields_add(&collection.fields, slice_of("city"), slice_of("/address/city"), FIELD_STRING, &err) == SG_OK,
         "fields");
    settings.collections = &collection;
    settings.collections_count = 1;
    must(shaper_create(&settings, 0, &shaper, &err) == SG_OK && shaper != NULL, "shaper");
    decode_batch(b, shaper, 0, BATCH);
    must(b->events[0].fields != NULL && b->events[0].mismatches == 0, "values");
    count_begin();
    decode_batch(b, shaper, 0, BATCH);
    count_end("decode, 3 fields", BATCH);
    shaper_destroy(shaper);
    fields_free(&collection.fields);
}

struct event_case {
    const char *name;
    size_t times;
    size_t batch;
    uint64_t first; /* the entities are first, first + step, ... */
    uint64_t step;
    int version;
};

static void case_events(struct bench *b, const struct event_case *c)
{
    for (size_t i = 0; i < c->times; i++)
        make_message(b, i, c->first + i * c->step, c->version);
    count_begin();
    for (size_t done = 0; done < c->times; done += c->batch)
        apply_batch(b, done, c->batch);
    count_end(c->name, c->times);
}

static void count_events(struct bench *b)
{
    static const struct event_case cases[] = {
        {"event, existing id", EVENTS_BATCHED, BATCH, 0, 3, 2},
        {"event, existing id, alone", EVENTS_ALONE, 1, 1, 3, 2},
        {"event, new id", EVENTS_BATCHED, BATCH, ENTITIES, 1, 1},
        {"event, new id, alone", EVENTS_ALONE, 1, 2 * ENTITIES, 1, 1},
    };
    case_decode(b);
    case_fields(b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        case_events(b, &cases[i]);
}

/* ---- many collections ---- */

#define FEW_COLLECTIONS 10
#define MANY_COLLECTIONS 10000 /* a multiple of BATCH */

static void make_collection_message(struct bench *b, size_t slot, size_t collections, size_t entity, int version)
{
    char name[32];
    (void)snprintf(name, sizeof name, "c%zu-%zu", collections, entity % collections);
    make_message_in(b, name, slot, entity, version);
}

/* The writer knows so many collections, which hold as many entities in any case; then an event alone, for an entity of
 * one of the first few of them. */
static void case_collections(struct bench *b, const char *name, size_t collections)
{
    for (size_t first = 0; first < MANY_COLLECTIONS; first += BATCH) {
        for (size_t i = 0; i < BATCH; i++)
            make_collection_message(b, i, collections, first + i, 1);
        apply_batch(b, 0, BATCH);
    }
    for (size_t i = 0; i < EVENTS_ALONE; i++)
        make_collection_message(b, i, collections, i % FEW_COLLECTIONS, 2 + (int)(i / FEW_COLLECTIONS));
    count_begin();
    for (size_t i = 0; i < EVENTS_ALONE; i++)
        apply_batch(b, i, 1);
    count_end(name, EVENTS_ALONE);
}

/* ---- reads ---- */

struct read_case {
    const char *name;
    const char *target; /* an id follows if it ends in a slash */
    bool alone;         /* in its turn */
    bool absent;        /* that id never was */
    bool first;         /* no read of that id has gone before, so it is in no cache */
    bool unchanged;     /* with the entity's own ETag */
    struct slice min_version;
    struct slice min_position;
    unsigned status;
    size_t times;
};

#define ETAG_ROOM 64

static void resume(struct http_connection *connection)
{
    (void)connection; /* nothing waits here */
}

static void prove(struct bench *b)
{
    int64_t now_ns = time_boot_ns();
    const struct freshness_answer answer = {
        .asked_ns = now_ns, .answered_ns = now_ns, .proof_ns = now_ns, .head = b->sequence, .epoch = b->stream.epoch};
    (void)freshness_answered(b->freshness, 0, &answer, true);
}

static void make_head(struct bench *b, char *target, struct http_head *out)
{
    http_head_begin(out);
    out->version_known = true;
    out->version_1_1 = true;
    out->hosts_count = 1;
    out->host = SLICE_LITERAL("127.0.0.1:8080");
    out->client = &b->client;
    out->target_text = target;
    out->target_bytes = strlen(target);
}

static void read_one(struct bench *b, char *target, const struct read_case *c, struct slice etag, struct response *out)
{
    struct call call = {0};
    struct http_head head;
    make_head(b, target, &head);
    if (c->unchanged)
        head.fields.if_none_match.values[head.fields.if_none_match.count++] = etag;
    if (c->min_version.bytes > 0)
        head.fields.min_version.values[head.fields.min_version.count++] = c->min_version;
    if (c->min_position.bytes > 0)
        head.fields.min_position.values[head.fields.min_position.count++] = c->min_position;
    response_init(out);
    worker_expect(b->worker, &head);
    if (worker_admit(b->worker, &head, out)) {
        must(worker_handle(b->worker, &head, &call, out) == HTTP_ANSWER, "a read waits");
        worker_answered(b->worker, &call, out);
    }
    worker_forget(b->worker, &call);
}

static void read_all(struct bench *b, const struct read_case *c, char (*targets)[TARGET_ROOM],
                     char (*etags)[ETAG_ROOM])
{
    size_t per_turn = c->alone ? 1 : READS_PER_TURN;
    struct response response;
    for (size_t i = 0; i < c->times; i++) {
        read_one(b, targets[i], c, slice_of(etags[i]), &response);
        must(!response.failed && response.status == c->status, c->name);
        response_free(&response);
        if ((i + 1) % per_turn == 0)
            worker_iteration_end(b->worker, resume);
    }
}

static uint64_t entity_of(const struct read_case *c, size_t number)
{
    return (number + (c->first ? READS : 0)) * STRIDE % ENTITIES;
}

/* The entities were written in their order: of each ETag the end differs. `first` is that of entity 0. */
static void make_etag(const struct read_case *c, size_t number, struct slice first, char out[ETAG_ROOM])
{
    int kept = (int)(first.bytes - sizeof "1\"" + 1);
    (void)snprintf(out, ETAG_ROOM, "%.*s%" PRIu64 "\"", kept, first.data, entity_of(c, number) + 1);
}

static void make_target(const struct read_case *c, size_t number, char out[TARGET_ROOM])
{
    size_t bytes = strlen(c->target);
    uint64_t entity = entity_of(c, number);
    if (c->absent)
        entity += UINT64_C(10) * ENTITIES;
    if (c->target[bytes - 1] == '/')
        (void)snprintf(out, TARGET_ROOM, "%s%016" PRIx64, c->target, mix(entity));
    else
        (void)snprintf(out, TARGET_ROOM, "%s", c->target);
}

static void case_reads(struct bench *b, const struct read_case *c, struct slice etag)
{
    static char targets[READS][TARGET_ROOM]; /* decoded in place, so each is used once */
    static char etags[READS][ETAG_ROOM];
    for (int pass = c->first; pass < 2; pass++) { /* an earlier one warms SQLite's pages, and fills the cache */
        for (size_t i = 0; i < c->times; i++)
            make_target(c, i, targets[i]);
        for (size_t i = 0; i < c->times; i++)
            make_etag(c, i, etag, etags[i]);
        prove(b);
        if (pass == 1)
            count_begin();
        read_all(b, c, targets, etags);
        worker_iteration_end(b->worker, resume);
    }
    count_end(c->name, c->times);
}

/* An answer's header, as text that stays. */
static struct slice header_of(struct bench *b, const char *name)
{
    static const struct read_case plain = {.name = "an entity"};
    char target[TARGET_ROOM];
    struct response response;
    struct slice value = {0};
    (void)snprintf(target, sizeof target, ENTITY "%016" PRIx64, mix(0));
    read_one(b, target, &plain, value, &response);
    for (size_t i = 0; i < response.headers_count; i++) {
        if (strcmp(response.headers[i].name, name) == 0)
            value = slice_of(strdup(response.headers[i].value));
    }
    response_free(&response);
    worker_iteration_end(b->worker, resume);
    must(value.data != NULL, name);
    return value;
}

static void count_cases(struct bench *b, const struct read_case *cases, size_t count, struct slice etag)
{
    for (size_t i = 0; i < count; i++)
        case_reads(b, &cases[i], etag);
}

static void count_reads(struct bench *b, bool cache)
{
    prove(b);
    struct slice etag = header_of(b, "ETag");
    struct slice position = header_of(b, "State-Position");
    const struct slice version = SLICE_LITERAL("1");
    const struct read_case uncached[] = {
        {.name = "read, alone in its turn", .target = ENTITY, .alone = true, .status = 200, .times = READS / 2},
        {.name = "read", .target = ENTITY, .status = 200, .times = READS},
        {.name = "read, 304", .target = ENTITY, .unchanged = true, .status = 304, .times = READS},
        {.name = "read, 404", .target = ENTITY, .absent = true, .status = 404, .times = READS},
        {.name = "read, Min-Version met", .target = ENTITY, .min_version = version, .status = 200, .times = READS},
        {.name = "read, Min-Position met", .target = ENTITY, .min_position = position, .status = 200, .times = READS},
        {.name = "page of 100", .target = "/v1/state/customers", .status = 200, .times = PAGES},
    };
    const struct read_case cached[] = {
        {.name = "cached read, alone in its turn", .target = ENTITY, .alone = true, .status = 200, .times = READS / 2},
        {.name = "cached read", .target = ENTITY, .status = 200, .times = READS},
        {.name = "cached read, 304", .target = ENTITY, .unchanged = true, .status = 304, .times = READS},
        {.name = "cached read, Min-Version met", .target = ENTITY, .min_version = version, .status = 200,
         .times = READS},
        {.name = "cached read, Min-Position met", .target = ENTITY, .min_position = position, .status = 200,
         .times = READS},
        {.name = "read that fills the cache", .target = ENTITY, .first = true, .status = 200, .times = READS},
    };
    if (cache)
        count_cases(b, cached, sizeof cached / sizeof cached[0], etag);
    else
        count_cases(b, uncached, sizeof uncached / sizeof uncached[0], etag);
    free((char *)(uintptr_t)etag.data);
    free((char *)(uintptr_t)position.data);
}

/* ---- reads that wait ---- */

#define WAKES 500        /* reads that wait, READS_PER_TURN at a time */
#define WOKEN_FIRST 2    /* entities that no event has changed: count_events() */
#define WOKEN_STEP 3
#define WOKEN_VERSION "2"

static struct waiting {
    char target[TARGET_ROOM];
    struct http_head head;
    struct call call;
} waiting[READS_PER_TURN];

static size_t woken_count;

static void count_woken(struct http_connection *connection)
{
    (void)connection;
    woken_count++;
}

/* They come, fall short, are parked and looked at once more. */
static void wait_all(struct bench *b)
{
    struct response response;
    for (size_t i = 0; i < READS_PER_TURN; i++) {
        struct waiting *w = &waiting[i];
        response_init(&response);
        worker_expect(b->worker, &w->head);
        must(worker_admit(b->worker, &w->head, &response), "admitted");
        must(worker_handle(b->worker, &w->head, &w->call, &response) == HTTP_PARK, "a read that waits");
        must(worker_park(b->worker, &w->call), "parked");
        response_free(&response);
    }
    worker_iteration_end(b->worker, count_woken);
}

/* As the projector does it: the position, which wakes, is published after the entities. */
static void commit_all(struct bench *b, uint64_t first)
{
    uint64_t wakes = 0;
    for (size_t i = 0; i < READS_PER_TURN; i++)
        make_message(b, i, first + i * WOKEN_STEP, atoi(WOKEN_VERSION));
    apply_batch(b, 0, READS_PER_TURN);
    must(progress_entities_wanted(b->progress), "interest in entities");
    for (size_t i = 0; i < READS_PER_TURN; i++)
        progress_entity_changed(b->progress, progress_entity(b->progress, b->events[i].collection, b->events[i].id));
    progress_committed(b->progress, 0, b->sequence);
    must(read(b->wake_fd, &wakes, sizeof wakes) == (ssize_t)sizeof wakes, "a wake-up");
}

static void answer_all(struct bench *b)
{
    struct response response;
    woken_count = 0;
    worker_wake(b->worker, true, false, count_woken);
    must(woken_count == READS_PER_TURN, "each read is woken");
    for (size_t i = 0; i < READS_PER_TURN; i++) {
        struct waiting *w = &waiting[i];
        response_init(&response);
        must(worker_handle(b->worker, &w->head, &w->call, &response) == HTTP_ANSWER && response.status == 200,
             "a read that was woken");
        worker_answered(b->worker, &w->call, &response);
        response_free(&response);
        worker_forget(b->worker, &w->call);
    }
    worker_iteration_end(b->worker, count_woken);
}

/* From the request to the answer, without the commit in between. */
static void count_waits(struct bench *b)
{
    prove(b);
    count_begin();
    for (uint64_t done = 0; done < WAKES; done += READS_PER_TURN) {
        uint64_t first = WOKEN_FIRST + done * WOKEN_STEP;
        count_pause();
        for (size_t i = 0; i < READS_PER_TURN; i++) {
            struct waiting *w = &waiting[i];
            (void)snprintf(w->target, sizeof w->target, ENTITY "%016" PRIx64 "?min_version=" WOKEN_VERSION "&wait=30",
                           mix(first + i * WOKEN_STEP));
            w->call = (struct call){0};
            make_head(b, w->target, &w->head);
        }
        count_go_on();
        wait_all(b);
        count_pause();
        commit_all(b, first);
        count_go_on();
        answer_all(b);
    }
    count_end("read that waits and is woken", WAKES);
}

/* ---- the whole ---- */

static void open_store(struct bench *b, const char *folder, int64_t cache_bytes)
{
    struct store_options options = {.path = b->database, .collections_max = 2 * MANY_COLLECTIONS, .rejected_max = 10};
    struct store_open_report report;
    struct epoch epoch;
    bool reshaped = false;
    (void)snprintf(b->database, sizeof b->database, "%s/store.db", folder);
    must(commit_clock_create(cache_bytes, &b->shared, &err) == SG_OK, "shared");
    options.shared = b->shared;
    must(store_open(&options, &b->writer, &report, &err) == SG_OK, "open");
    must(report.created == (b->sequence == 0), "the folder is not empty");
    must(store_stream_attach(b->writer, "STATE", STREAM_FINGERPRINT("bench"), &b->stream, &reshaped, &err) == SG_OK,
         "attach");
    epoch_make("STATE", CREATED_NS, NULL, &epoch);
    if (b->sequence == 0)
        must(store_stream_identify(b->writer, b->stream.id, CREATED_NS, &epoch, &err) == SG_OK, "identify");
    must(store_stream_load(b->writer, b->stream.id, &b->stream, &err) == SG_OK, "load");
}

static void open_worker(struct bench *b)
{
    static const struct rows_hash rows = {"r7f3a92c4"};
    must(wait_limits_create(&b->api.wait_limits, &err) == SG_OK, "waits");
    b->api.settings = &b->settings;
    b->api.rows = &rows;
    b->api.tunables = &b->tunables_now;
    b->api.clock = b->shared;
    b->api.freshness = b->freshness;
    b->api.metrics = b->metrics;
    b->api.progress = b->progress;
    b->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    must(b->wake_fd >= 0, "a descriptor");
    must(worker_create(&b->api, &b->counters, &(struct loop_slot){.wake_fd = b->wake_fd}, &b->worker, &err) == SG_OK,
         "worker");
}

static void open_all(struct bench *b, const char *folder, int64_t cache_bytes)
{
    static char stream_name[] = "STATE";
    static char none[] = "";
    b->stream_settings.name = stream_name;
    must(subject_template_parse("state.{collection}.{id}", &b->stream_settings.subject, &err) == SG_OK, "template");
    b->settings = (struct settings){.database = b->database,
                                    .hosts = none,
                                    .streams = &b->stream_settings,
                                    .streams_count = 1};
    b->tunables = (struct tunables){.wait_default_ms = 5000,
                                    .wait_max_ms = 30000,
                                    .parked_max = 10,
                                    .parked_max_per_client = 10,
                                    .probe_epoch_trust_ms = 2000};
    tunables_publish(&b->tunables_now, &b->tunables);
    must(decode_stream_open(&b->settings, 0, &b->decode, &err) == SG_OK, "decode");
    open_store(b, folder, cache_bytes);
    must(freshness_create(1, &b->freshness, &err) == SG_OK, "freshness");
    must(metrics_create(&b->settings, &b->metrics, &err) == SG_OK, "metrics");
    must(progress_create(1, &b->progress, &err) == SG_OK, "progress");
    b->arena = arena_create();
    must(b->arena != NULL, "memory");
    freshness_applied(b->freshness, 0, b->stream.position, &b->stream.epoch);
    if (b->sequence == 0)
        fill(b);
    open_worker(b);
}

static void close_all(struct bench *b)
{
    worker_destroy(b->worker);
    (void)close(b->wake_fd);
    wait_limits_destroy(b->api.wait_limits);
    arena_destroy(b->arena);
    decode_stream_close(&b->decode);
    progress_destroy(b->progress);
    metrics_destroy(b->metrics);
    freshness_destroy(b->freshness);
    store_close(b->writer);
    commit_clock_destroy(b->shared);
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof *b);
    must(argc == 2, "use: bench_instructions FOLDER");
    must(b != NULL, "memory");
    print_key();
    open_all(b, argv[1], 0);
    count_reads(b, false);
    close_all(b);
    open_all(b, argv[1], CACHE_BYTES);
    count_reads(b, true);
    count_events(b);
    count_waits(b);
    close_all(b);
    /* Each with a write-ahead log that has just begun. */
    open_all(b, argv[1], CACHE_BYTES);
    case_collections(b, "event, alone, 10 collections", FEW_COLLECTIONS);
    close_all(b);
    open_all(b, argv[1], CACHE_BYTES);
    case_collections(b, "event, alone, 10,000 collections", MANY_COLLECTIONS);
    close_all(b);
    open_all(b, argv[1], 0);
    count_queries(b->writer, b->stream.id, b->database, b->shared);
    close_all(b);
    free(b);
    return 0;
}
