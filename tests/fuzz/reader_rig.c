/* The rig. */
#include "reader_rig.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "api/worker.h"
#include "core/base/time.h"
#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"
#include "require.h"

#define CACHE_BYTES (1 << 20)
#define CREATED_NS INT64_C(1700000000000000000)

static char stream_name[] = "STATE";
static char other_name[] = "2024-orders";
static char other_collection[] = "orders";
static char *owned[] = {other_collection};
static struct stream_settings streams[] = {
    {.name = stream_name},
    {.name = other_name, .collections = owned, .collections_count = 1},
};

static char no_hosts[] = "";
static struct settings settings = {
    .hosts = no_hosts,
    .streams = streams,
    .streams_count = 2,
};
static const struct tunables tunables = {
    .wait_max_ms = 30000, .parked_max = 10, .parked_max_per_client = 10, .probe_epoch_trust_ms = 2000};
static struct tunables_now tunables_now;

static struct {
    struct commit_clock *shared;
    struct store_writer *writer;
    struct stream stream;
    struct stream other;
    uint64_t sequence;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
    struct rows_hash rows[2];
    struct api_shared api;
    struct route_counters counters;
    struct worker *worker;
    struct client_address client;
} rig;

static struct sg_error err;

static void attach(const char *name, struct stream *out)
{
    struct epoch epoch;
    bool reshaped = false;
    REQUIRE(store_stream_attach(rig.writer, name, STREAM_FINGERPRINT("fuzz"), out, &reshaped, &err) == SG_OK);
    epoch_make(name, CREATED_NS, NULL, &epoch);
    REQUIRE(store_stream_identify(rig.writer, out->id, CREATED_NS, &epoch, &err) == SG_OK);
    REQUIRE(store_stream_load(rig.writer, out->id, out, &err) == SG_OK);
}

static void apply(const char *collection, struct slice id, enum event_kind kind, int64_t version)
{
    struct buffer state;
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    buffer_init(&state, 4096);
    buffer_append_text(&state, "{\"id\":");
    buffer_append_json_string(&state, id);
    buffer_append_text(&state, "}");
    REQUIRE(!state.failed);
    struct event event = {
        .kind = kind,
        .sequence = ++rig.sequence,
        .time_ns = CREATED_NS,
        .subject = SLICE_LITERAL("state.x"),
        .collection = slice_of(collection),
        .id = id,
        .version = version,
        .state = kind == EVENT_STATE ? (struct slice){state.data, state.bytes} : (struct slice){0},
        .occurred_at = SLICE_LITERAL("2026-01-31T12:00:00.123Z"),
        .reason = kind == EVENT_REJECTED ? REASON_BAD_TYPE : REASON_NONE,
        .detail = kind == EVENT_REJECTED ? SLICE_LITERAL("no object") : (struct slice){0},
        .payload = {state.data, state.bytes},
    };
    REQUIRE(store_apply(rig.writer, rig.stream.id, &event, 1, NULL, &result, &reason, &position, &err) == SG_OK);
    buffer_free(&state);
}

static void fill(void)
{
    static const char *const ids[] = {"i",   "a/b",    "%",           "%25",    "%2F", "+",  " ",   "?",
                                      "#",   "a=b&c",  "\xc3\xbc",    "\xf0\x9f\x87\xaf", ";",  "a:b", "\\", "\"",
                                      "...", "http:",  "\xe2\x82\xac", "\x7f",   "'",   "<>", "*",   "\x01"};
    static const char collection_odd[] = "a b/%";
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        apply("c", slice_of(ids[i]), EVENT_STATE, 1);
    apply(collection_odd, SLICE_LITERAL("i"), EVENT_STATE, 1);
    apply(collection_odd, SLICE_LITERAL("j"), EVENT_STATE, 1);
    apply("c", SLICE_LITERAL("gone"), EVENT_STATE, 1);
    apply("c", SLICE_LITERAL("gone"), EVENT_TOMBSTONE, 2);
    apply("c", SLICE_LITERAL("i"), EVENT_REJECTED, 2);
    apply("c", SLICE_LITERAL("never"), EVENT_REJECTED, 1);
}

static void open_store(const char *folder, char *database, size_t room)
{
    struct store_options options = {
        .path = database, .collections_max = 100, .rejected_max = 100, .rejected_payload = true};
    struct store_open_report report;
    (void)snprintf(database, room, "%s/x.db", folder);
    settings.database = database;
    REQUIRE(commit_clock_create(CACHE_BYTES, &rig.shared, &err) == SG_OK);
    options.shared = rig.shared;
    REQUIRE(store_open(&options, &rig.writer, &report, &err) == SG_OK);
    attach(stream_name, &rig.stream);
    attach(other_name, &rig.other);
    fill();
    REQUIRE(store_stream_load(rig.writer, rig.stream.id, &rig.stream, &err) == SG_OK);
}

static void open_worker(void)
{
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    REQUIRE(wake_fd >= 0);
    rig.api.settings = &settings;
    rig.rows[0] = rig.rows[1] = (struct rows_hash){"r00c0ffee"};
    rig.api.rows = rig.rows;
    rig.api.tunables = &tunables_now;
    tunables_publish(&tunables_now, &tunables);
    rig.api.clock = rig.shared;
    rig.api.freshness = rig.freshness;
    rig.api.metrics = rig.metrics;
    rig.api.progress = rig.progress;
    REQUIRE(worker_create(&rig.api, &rig.counters, &(struct loop_slot){.wake_fd = wake_fd}, &rig.worker, &err) ==
            SG_OK);
}

static void remove_files(const char *folder, const char *database)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    char path[128];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", database, suffixes[i]);
        (void)unlink(path);
    }
    REQUIRE(rmdir(folder) == 0);
}

static void prove(size_t stream, const struct stream *row)
{
    int64_t now_ns = time_boot_ns();
    freshness_applied(rig.freshness, stream, row->position, &row->epoch);
    const struct freshness_answer answer = {
        .asked_ns = now_ns, .answered_ns = now_ns, .proof_ns = now_ns, .head = row->position, .epoch = row->epoch};
    (void)freshness_answered(rig.freshness, stream, &answer, true);
}

static void resume(struct http_connection *connection)
{
    (void)connection;
}

bool reader_rig_ask(struct http_head *head, struct call *call, struct response *out)
{
    bool answered = true;
    prove(0, &rig.stream);
    prove(1, &rig.other);
    head->client = &rig.client;
    *call = (struct call){0};
    response_init(out);
    worker_expect(rig.worker, head);
    if (worker_admit(rig.worker, head, out))
        answered = worker_handle(rig.worker, head, call, out) == HTTP_ANSWER;
    if (answered && call->head != NULL)
        worker_answered(rig.worker, call, out);
    worker_forget(rig.worker, call);
    worker_iteration_end(rig.worker, resume);
    return answered;
}

void reader_rig_open(void)
{
    static char database[96];
    char folder[] = "/tmp/stategate-fuzz.XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    open_store(folder, database, sizeof database);
    REQUIRE(freshness_create(2, &rig.freshness, &err) == SG_OK);
    REQUIRE(metrics_create(&settings, &rig.metrics, &err) == SG_OK);
    REQUIRE(progress_create(2, &rig.progress, &err) == SG_OK);
    REQUIRE(wait_limits_create(&rig.api.wait_limits, &err) == SG_OK);
    open_worker();
    REQUIRE(snapshot_begin(rig.worker->snapshot, &err) == SG_OK); /* now it has opened all its files */
    snapshot_end(rig.worker->snapshot);
    remove_files(folder, database);
}
