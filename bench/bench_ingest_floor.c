/* The yardstick of ingest: JSON and SQLite only, from memory, in one process; no broker, no read model.
 *
 * Takes the events of a file, or makes some of about 300 bytes; then parses them, writes `state` and upserts rows in
 * batches with the plainest SQL that keeps the version guard. With --through-store the same decoded events go through
 * store_apply as well, into another file, and the ratio of both is shown. */
#include <getopt.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <yyjson.h>

#include "bench/ingest_input.h"
#include "core/base/time.h"
#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"

#define BATCH_EVENTS 1000
#define POOL_BYTES_MIN (64u << 10)
#define POOL_BYTES_PER_BYTE 24u /* of an event: what yyjson needs at most to read it and to write it */

struct options {
    size_t events;
    size_t entities; /* ids to choose from; 0 = every event has its own */
    bool sequential;
    bool through_store;
    const char *file;     /* NULL = made ones */
    const char *database; /* NULL = a temporary one */
};

/* One batch, decoded: events point into `arena` and into the input. */
struct batch {
    struct event events[BATCH_EVENTS];
    size_t count;
    char *arena;     /* owned */
    size_t arena_bytes;
    size_t arena_bytes_max;
    char *pool;      /* owned */
    size_t pool_bytes;
};

/* On a machine that others use as well, the processor time is the figure to compare. */
struct rate {
    double per_second;
    double cpu_us; /* per event */
};

typedef void apply_function(void *context, const struct batch *batch);

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_ingest_floor: %s: %s\n", what, why);
    exit(1);
}

static void *must_allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL)
        die("memory", "out of memory");
    return memory;
}

static struct slice copy_string(struct batch *b, yyjson_val *value)
{
    size_t bytes = yyjson_get_len(value);
    if (bytes == 0)
        return (struct slice){NULL, 0};
    char *to = b->arena + b->arena_bytes;
    memcpy(to, yyjson_get_str(value), bytes);
    b->arena_bytes += bytes;
    return (struct slice){to, bytes};
}

static struct slice write_state(struct batch *b, yyjson_val *state, const yyjson_alc *alc)
{
    size_t bytes = 0;
    char *text = yyjson_val_write_opts(state, YYJSON_WRITE_NOFLAG, alc, &bytes, NULL);
    if (text == NULL || b->arena_bytes + bytes > b->arena_bytes_max)
        die("state", "cannot be written");
    memcpy(b->arena + b->arena_bytes, text, bytes);
    struct slice out = {b->arena + b->arena_bytes, bytes};
    b->arena_bytes += bytes;
    return out;
}

static void decode_one(struct batch *b, struct slice json, uint64_t sequence)
{
    struct event *e = &b->events[b->count++];
    yyjson_alc alc;
    if (!yyjson_alc_pool_init(&alc, b->pool, b->pool_bytes))
        die("yyjson", "pool");
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)json.data, json.bytes, YYJSON_READ_NUMBER_AS_RAW, &alc, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (root == NULL)
        die("yyjson", "cannot parse");
    *e = (struct event){.kind = EVENT_STATE, .sequence = sequence, .time_ns = (int64_t)sequence,
                        .collection = SLICE_LITERAL("customers"), .payload = json};
    e->id = copy_string(b, yyjson_obj_get(root, "aggregateId"));
    e->version = strtoll(yyjson_get_raw(yyjson_obj_get(root, "version")), NULL, 10);
    e->type = copy_string(b, yyjson_obj_get(root, "type"));
    e->occurred_at = copy_string(b, yyjson_obj_get(root, "occurredAt"));
    yyjson_val *schema_version = yyjson_obj_get(root, "schemaVersion");
    e->has_schema_version = schema_version != NULL;
    e->schema_version = schema_version != NULL ? strtoll(yyjson_get_raw(schema_version), NULL, 10) : 0;
    e->state = write_state(b, yyjson_obj_get(root, "state"), &alc);
}

static int64_t cpu_ns(void)
{
    struct timespec used = {0};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        die("clock", "no processor time");
    return (int64_t)used.tv_sec * NS_PER_S + used.tv_nsec;
}

static struct rate run(const struct ingest_input *in, apply_function *apply, void *context)
{
    struct batch *b = must_allocate(sizeof *b);
    b->arena_bytes_max = BATCH_EVENTS * in->event_bytes_max;
    b->arena = must_allocate(b->arena_bytes_max);
    b->pool_bytes = POOL_BYTES_MIN + POOL_BYTES_PER_BYTE * in->event_bytes_max;
    b->pool = must_allocate(b->pool_bytes);
    int64_t start_ns = time_boot_ns();
    int64_t start_cpu_ns = cpu_ns();
    for (size_t at = 0; at < in->count;) {
        b->count = 0;
        b->arena_bytes = 0;
        for (; at < in->count && b->count < BATCH_EVENTS; at++)
            decode_one(b, in->events[at], at + 1);
        apply(context, b);
    }
    double events = (double)in->count;
    struct rate rate = {.per_second = events * 1e9 / (double)(time_boot_ns() - start_ns),
                        .cpu_us = (double)(cpu_ns() - start_cpu_ns) / 1e3 / events};
    free(b->arena);
    free(b->pool);
    free(b);
    return rate;
}

/* ---- the floor ---- */

struct floor {
    sqlite3 *db;
    sqlite3_stmt *upsert;
    sqlite3_stmt *position;
};

static void must(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        die("sqlite", sqlite3_errmsg(db));
}

static void floor_open(struct floor *f, const char *path)
{
    must(f->db, sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
    must(f->db, sqlite3_exec(f->db,
                             "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;"
                             "PRAGMA wal_autocheckpoint = 10000;"
                             "CREATE TABLE position (sequence INTEGER); INSERT INTO position VALUES (0);"
                             "CREATE TABLE entities (number INTEGER PRIMARY KEY, collection INTEGER NOT NULL,"
                             " id TEXT NOT NULL, version INTEGER NOT NULL, deleted INTEGER NOT NULL,"
                             " sequence INTEGER NOT NULL, occurred_at TEXT, type TEXT, schema_version INTEGER,"
                             " message_id TEXT, correlation_id TEXT, causation_id TEXT, state TEXT,"
                             " UNIQUE (collection, id))",
                             NULL, NULL, NULL));
    must(f->db, sqlite3_prepare_v2(f->db,
                                   "INSERT INTO entities (collection, id, version, deleted, sequence, occurred_at, "
                                   "type, schema_version, state) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8) "
                                   "ON CONFLICT (collection, id) DO UPDATE SET version = excluded.version, "
                                   "deleted = 0, sequence = excluded.sequence, occurred_at = excluded.occurred_at, "
                                   "type = excluded.type, schema_version = excluded.schema_version, "
                                   "state = excluded.state WHERE excluded.version > version",
                                   -1, &f->upsert, NULL));
    must(f->db, sqlite3_prepare_v2(f->db, "UPDATE position SET sequence = ?1", -1, &f->position, NULL));
}

static void floor_close(struct floor *f)
{
    must(f->db, sqlite3_finalize(f->upsert));
    must(f->db, sqlite3_finalize(f->position));
    must(f->db, sqlite3_close(f->db));
}

static int bind_slice(sqlite3_stmt *s, int index, struct slice value)
{
    return sqlite3_bind_text(s, index, value.data, (int)value.bytes, SQLITE_STATIC);
}

static void floor_apply(void *context, const struct batch *batch)
{
    struct floor *f = context;
    must(f->db, sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    for (size_t i = 0; i < batch->count; i++) {
        const struct event *e = &batch->events[i];
        int bound = sqlite3_bind_int64(f->upsert, 1, 1) | bind_slice(f->upsert, 2, e->id) |
                    sqlite3_bind_int64(f->upsert, 3, e->version) |
                    sqlite3_bind_int64(f->upsert, 4, (sqlite3_int64)e->sequence) |
                    bind_slice(f->upsert, 5, e->occurred_at) | bind_slice(f->upsert, 6, e->type) |
                    sqlite3_bind_int64(f->upsert, 7, e->schema_version) | bind_slice(f->upsert, 8, e->state);
        must(f->db, bound);
        must(f->db, sqlite3_step(f->upsert));
        must(f->db, sqlite3_reset(f->upsert));
    }
    must(f->db, sqlite3_bind_int64(f->position, 1, (sqlite3_int64)batch->events[batch->count - 1].sequence));
    must(f->db, sqlite3_step(f->position));
    must(f->db, sqlite3_reset(f->position));
    must(f->db, sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL));
}

/* ---- through the store ---- */

struct through {
    struct store_writer *writer;
    int64_t stream_id;
};

static void through_open(struct through *t, const char *path)
{
    struct store_options options = {.path = path, .collections_max = 1000, .rejected_max = 10000};
    struct stream stream;
    bool reshaped = false;
    struct sg_error err;
    if (store_open(&options, &t->writer, NULL, &err) != SG_OK ||
        store_stream_attach(t->writer, "BENCH", STREAM_FINGERPRINT("bench"), &stream, &reshaped, &err) != SG_OK)
        die("store", err.message);
    t->stream_id = stream.id;
}

static void through_apply(void *context, const struct batch *batch)
{
    struct through *t = context;
    enum event_result results[BATCH_EVENTS];
    enum event_reason reasons[BATCH_EVENTS];
    uint64_t position = 0;
    struct sg_error err;
    if (store_apply(t->writer, t->stream_id, batch->events, batch->count, NULL, results, reasons, &position,
                    &err) != SG_OK)
        die("store_apply", err.message);
}

/* ---- the program ---- */

static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char name[600];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

static struct rate bench_floor(const struct ingest_input *in, const char *path)
{
    struct floor f = {0};
    floor_open(&f, path);
    struct rate rate = run(in, floor_apply, &f);
    floor_close(&f);
    return rate;
}

static struct rate bench_through(const struct ingest_input *in, const char *path)
{
    struct through t = {0};
    through_open(&t, path);
    struct rate rate = run(in, through_apply, &t);
    store_close(t.writer);
    return rate;
}

static struct rate bench(const struct options *options, const struct ingest_input *in, bool through_store)
{
    char directory[] = "/tmp/stategate-bench-XXXXXX";
    char path[512];
    if (options->database == NULL && mkdtemp(directory) == NULL)
        die("temporary folder", "cannot be made");
    if (options->database != NULL)
        (void)snprintf(path, sizeof path, "%s%s", options->database, through_store ? ".store" : "");
    else
        (void)snprintf(path, sizeof path, "%s/bench.db", directory);
    struct rate rate = through_store ? bench_through(in, path) : bench_floor(in, path);
    if (options->database == NULL) {
        remove_database(path);
        (void)rmdir(directory);
    }
    return rate;
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_ingest_floor [--events N] [--entities N] [--ids random|sequential]\n"
                    "                          [--file LINES] [--database PATH] [--through-store]\n");
    exit(2);
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"events", required_argument, NULL, 'n'},   {"entities", required_argument, NULL, 'e'},
        {"ids", required_argument, NULL, 'i'},      {"file", required_argument, NULL, 'f'},
        {"database", required_argument, NULL, 'd'}, {"through-store", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.events = 300000};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'n': options.events = strtoul(optarg, NULL, 10); break;
        case 'e': options.entities = strtoul(optarg, NULL, 10); break;
        case 'i': options.sequential = strcmp(optarg, "sequential") == 0; break;
        case 'f': options.file = optarg; break;
        case 'd': options.database = optarg; break;
        case 't': options.through_store = true; break;
        default: usage();
        }
    }
    if (optind != argc || options.events == 0)
        usage();
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    struct ingest_input in = {0};
    bool there = options.file != NULL
                     ? ingest_input_read(&in, options.file, options.events)
                     : ingest_input_make(&in, options.events, options.entities, options.sequential);
    if (!there)
        die("events", options.file != NULL ? options.file : "out of memory");
    struct rate floor = bench(&options, &in, false);
    printf("floor: %.0f events/s, %.2f us of processor an event (%zu events of about %zu bytes)\n", floor.per_second,
           floor.cpu_us, in.count, in.total_bytes / in.count);
    if (options.through_store) {
        struct rate store = bench(&options, &in, true);
        printf("store: %.0f events/s, %.2f us of processor an event: %.2f of the floor's rate, %.2f of its processor "
               "time\n",
               store.per_second, store.cpu_us, store.per_second / floor.per_second, store.cpu_us / floor.cpu_us);
    }
    ingest_input_free(&in);
    return 0;
}
