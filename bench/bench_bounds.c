/* Fills a database with what makes work without an end, by the store's own writer: deleted entities, rejected events,
 * collections.
 *
 *   bench_bounds DATABASE CREATED_NS ENTITIES TOMBSTONES REJECTED COLLECTIONS
 *
 * The database is one that a gateway has made for the stream STATE and never read anything into; CREATED_NS is the
 * creation time of that stream, which begins after all that is written here. Prints the position. */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/domain/position.h"
#include "store/writer.h"

#define STREAM "STATE"
#define BATCH 5000
#define TEXT_BYTES 320
#define STATE_BYTES 300
#define FINGERPRINT_BYTES 4096

static struct sg_error err;
static struct event events[BATCH];
static enum event_result results[BATCH];
static enum event_reason reasons[BATCH];
static char ids[BATCH][32];
static char names[BATCH][32];
static char states[BATCH][TEXT_BYTES];

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_bounds: %s: %s\n", what, err.message);
    exit(1);
}

/* What the gateway made of its settings. */
static void read_fingerprint(const char *path, char rows[FINGERPRINT_BYTES])
{
    static const char sql[] = "SELECT rows_fingerprint FROM streams WHERE name = '" STREAM "'";
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
             sqlite3_step(s) == SQLITE_ROW,
         "the stream's row cannot be read");
    (void)snprintf(rows, FINGERPRINT_BYTES, "%s", (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
}

struct filler {
    struct store_writer *writer;
    int64_t stream;
    uint64_t sequence;
};

/* One kind of event: the number'th, in the place `at`. */
typedef void maker(size_t at, uint64_t number);

static struct slice state_of(size_t at, uint64_t number)
{
    int bytes = snprintf(states[at], TEXT_BYTES, "{\"number\":%" PRIu64 ",\"note\":\"", number);
    memset(states[at] + bytes, 'n', (size_t)(STATE_BYTES - bytes));
    (void)snprintf(states[at] + STATE_BYTES, TEXT_BYTES - STATE_BYTES, "\"}");
    return slice_of(states[at]);
}

static void make_entity(size_t at, uint64_t number)
{
    (void)snprintf(ids[at], sizeof ids[at], "c-%" PRIu64, number);
    events[at].kind = EVENT_STATE;
    events[at].collection = SLICE_LITERAL("customers");
    events[at].state = state_of(at, number);
}

static void make_tombstone(size_t at, uint64_t number)
{
    (void)snprintf(ids[at], sizeof ids[at], "t-%09" PRIu64, number);
    events[at].kind = EVENT_TOMBSTONE;
    events[at].collection = SLICE_LITERAL("gone");
}

/* The last entity of a collection whose others are all deleted. */
static void make_survivor(size_t at, uint64_t number)
{
    (void)snprintf(ids[at], sizeof ids[at], "zz-%" PRIu64, number);
    events[at].kind = EVENT_STATE;
    events[at].collection = SLICE_LITERAL("gone");
    events[at].state = state_of(at, number);
}

static void make_rejected(size_t at, uint64_t number)
{
    (void)snprintf(ids[at], sizeof ids[at], "r-%" PRIu64, number);
    events[at].kind = EVENT_REJECTED;
    events[at].collection = number == 0 ? SLICE_LITERAL("seldom") : SLICE_LITERAL("often");
    events[at].reason = REASON_BAD_TYPE;
    events[at].detail = SLICE_LITERAL("the state is no object");
}

static void make_collection(size_t at, uint64_t number)
{
    (void)snprintf(names[at], sizeof names[at], "collection-%06" PRIu64, number);
    (void)snprintf(ids[at], sizeof ids[at], "only");
    events[at].kind = EVENT_STATE;
    events[at].collection = slice_of(names[at]);
    events[at].state = state_of(at, number);
}

static void write_all(struct filler *f, maker *make, uint64_t count)
{
    for (uint64_t done = 0; done < count;) {
        size_t batch = count - done < BATCH ? (size_t)(count - done) : BATCH;
        uint64_t position = 0;
        for (size_t i = 0; i < batch; i++) {
            events[i] = (struct event){.sequence = ++f->sequence,
                                       .time_ns = (int64_t)f->sequence * 1000,
                                       .subject = SLICE_LITERAL("state.x"),
                                       .id = {ids[i], 0},
                                       .version = 1,
                                       .payload = SLICE_LITERAL("{}")};
            make(i, done + i);
            events[i].id = slice_of(ids[i]);
        }
        must(store_apply(f->writer, f->stream, events, batch, NULL, results, reasons, &position, &err) == SG_OK,
             "events cannot be applied");
        done += batch;
    }
}

static void open_store(const char *path, int64_t created_ns, const uint64_t counts[4], struct filler *f)
{
    static char rows[FINGERPRINT_BYTES];
    const struct store_options options = {
        .path = path, .collections_max = counts[3] + 10, .rejected_max = counts[2] + 10};
    const struct stream_fingerprint fingerprint = {.rows = rows};
    struct store_open_report report;
    struct stream stream;
    struct epoch epoch;
    bool reshaped = false;
    read_fingerprint(path, rows);
    must(store_open(&options, &f->writer, &report, &err) == SG_OK, "the database cannot be opened");
    must(store_stream_attach(f->writer, STREAM, &fingerprint, &stream, &reshaped, &err) == SG_OK && !reshaped,
         "attach");
    must(stream.position == 0, "the stream has been read");
    epoch_make(STREAM, created_ns, NULL, &epoch);
    must(store_stream_identify(f->writer, stream.id, created_ns, &epoch, &err) == SG_OK, "identify");
    f->stream = stream.id;
}

int main(int argc, char **argv)
{
    struct filler f = {0};
    uint64_t counts[4];
    must(argc == 7, "use: bench_bounds DATABASE CREATED_NS ENTITIES TOMBSTONES REJECTED COLLECTIONS");
    for (int i = 0; i < 4; i++)
        counts[i] = strtoull(argv[3 + i], NULL, 10);
    open_store(argv[1], strtoll(argv[2], NULL, 10), counts, &f);
    write_all(&f, make_entity, counts[0]);
    write_all(&f, make_tombstone, counts[1]);
    write_all(&f, make_survivor, 10);
    write_all(&f, make_rejected, counts[2]);
    write_all(&f, make_collection, counts[3]);
    store_close(f.writer);
    (void)printf("%" PRIu64 "\n", f.sequence);
    return 0;
}
