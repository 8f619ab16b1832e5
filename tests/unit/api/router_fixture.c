/* The rig for tests of the reading side. */
#include "router_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/time.h"

static struct sg_error err;

#define ASSERT_OK(call) assert_int_equal((call), SG_OK)

static char stream_name[] = "STATE";
static char other_name[] = "OTHER";
static char other_collection[] = "settings";
static char none[] = "";

static void attach(struct rig *r, const char *name, struct stream *out)
{
    struct epoch epoch;
    bool reshaped = false;
    ASSERT_OK(store_stream_attach(r->writer, name, STREAM_FINGERPRINT("test"), out, &reshaped, &err));
    epoch_make(name, RIG_CREATED_NS, NULL, &epoch);
    ASSERT_OK(store_stream_identify(r->writer, out->id, RIG_CREATED_NS, &epoch, &err));
    ASSERT_OK(store_stream_load(r->writer, out->id, out, &err));
}

static void open_worker(struct rig *r)
{
    r->api.settings = &r->settings;
    r->api.rows = r->rows;
    r->api.tunables = &r->tunables_now;
    r->api.clock = r->shared;
    r->api.freshness = r->freshness;
    r->api.metrics = r->metrics;
    r->api.progress = r->progress;
    r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(r->wake_fd >= 0);
    ASSERT_OK(worker_create(&r->api, &r->counters, &(struct loop_slot){.wake_fd = r->wake_fd}, &r->worker, &err));
}

int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    (void)strcpy(r->folder, "/tmp/stategate-test.XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    (void)snprintf(r->database, sizeof r->database, "%s/x.db", r->folder);
    r->owned[0] = other_collection;
    r->rows[0] = r->rows[1] = (struct rows_hash){RIG_ROWS};
    r->streams[0].name = stream_name;
    r->streams[1] = (struct stream_settings){.name = other_name, .collections = r->owned, .collections_count = 1};
    r->settings = (struct settings){.database = r->database,
                                    .hosts = none,
                                    .streams = r->streams,
                                    .streams_count = 2};
    r->tunables = (struct tunables){.wait_default_ms = 5000,
                                    .wait_max_ms = 30000,
                                    .parked_max = RIG_WAITS_MAX,
                                    .parked_max_per_client = RIG_WAITS_MAX,
                                    .probe_epoch_trust_ms = 2000,
                                    .http_head_timeout_ms = 30000,
                                    .http_answer_timeout_ms = 60000,
                                    .http_answers_bytes_max = 256 << 20,
                                    .query_queued_max = 1000,
                                    .query_queue_ms = 1000};
    tunables_publish(&r->tunables_now, &r->tunables);
    ASSERT_OK(commit_clock_create(RIG_CACHE_BYTES, &r->shared, &err));
    struct store_options options = {.path = r->database,
                                    .shared = r->shared,
                                    .collections_max = 100,
                                    .rejected_max = 100,
                                    .rejected_payload = true};
    struct store_open_report report;
    ASSERT_OK(store_open(&options, &r->writer, &report, &err));
    attach(r, stream_name, &r->stream);
    attach(r, other_name, &r->other);
    ASSERT_OK(freshness_create(2, &r->freshness, &err));
    ASSERT_OK(metrics_create(&r->settings, &r->metrics, &err));
    ASSERT_OK(progress_create(2, &r->progress, &err));
    ASSERT_OK(wait_limits_create(&r->api.wait_limits, &err));
    open_worker(r);
    response_init(&r->response);
    *state = r;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *r = *state;
    char path[128];
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    worker_forget(r->worker, &r->call);
    response_free(&r->response);
    worker_destroy(r->worker);
    (void)close(r->wake_fd);
    wait_limits_destroy(r->api.wait_limits);
    progress_destroy(r->progress);
    metrics_destroy(r->metrics);
    freshness_destroy(r->freshness);
    store_close(r->writer);
    commit_clock_destroy(r->shared);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", r->database, suffixes[i]);
        (void)unlink(path);
    }
    int result = rmdir(r->folder);
    free(r);
    return result;
}

/* ---- the writing side ---- */

void rig_apply(struct rig *r, struct event event)
{
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    event.sequence = ++r->sequence;
    event.time_ns = RIG_CREATED_NS;
    event.subject = SLICE_LITERAL("state.x");
    if (event.collection.bytes == 0)
        event.collection = SLICE_LITERAL("customers");
    event.payload = event.state;
    ASSERT_OK(store_apply(r->writer, r->stream.id, &event, 1, NULL, &result, &reason, &position, &err));
}

void rig_apply_state(struct rig *r, const char *id, int64_t version, const char *json)
{
    rig_apply(r, (struct event){.kind = EVENT_STATE, .id = slice_of(id), .version = version, .state = slice_of(json)});
}

void rig_apply_rejected(struct rig *r, const char *id, int64_t version)
{
    rig_apply(r, (struct event){.kind = EVENT_REJECTED,
                                .id = slice_of(id),
                                .version = version,
                                .state = SLICE_LITERAL("{\"bad\":1}"),
                                .reason = REASON_BAD_TYPE,
                                .detail = SLICE_LITERAL("no object")});
}

bool rig_answer(struct rig *r, size_t stream, int64_t sent_ns, uint64_t head, const struct epoch *epoch)
{
    const struct freshness_answer answer = {
        .asked_ns = sent_ns, .answered_ns = time_boot_ns(), .proof_ns = sent_ns, .head = head, .epoch = *epoch};
    return freshness_answered(r->freshness, stream, &answer, true);
}

void rig_prove(struct rig *r)
{
    ASSERT_OK(store_stream_load(r->writer, r->stream.id, &r->stream, &err));
    freshness_applied(r->freshness, 0, r->stream.position, &r->stream.epoch);
    (void)rig_answer(r, 0, time_boot_ns(), r->stream.position, &r->stream.epoch);
}

static void publish_proof(struct rig *r, size_t stream)
{
    int64_t proof_ns = 0;
    int64_t probe_ns = 0;
    freshness_newest(r->freshness, stream, &proof_ns, &probe_ns);
    progress_proved(r->progress, stream, proof_ns, probe_ns);
}

void rig_publish_commit(struct rig *r, const char *id)
{
    struct stream *const streams[] = {&r->stream, &r->other};
    if (id != NULL && progress_entities_wanted(r->progress))
        progress_entity_changed(r->progress, progress_entity(r->progress, SLICE_LITERAL("customers"), slice_of(id)));
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(store_stream_load(r->writer, streams[i]->id, streams[i], &err));
        freshness_applied(r->freshness, i, streams[i]->position, &streams[i]->epoch);
        progress_committed(r->progress, i, streams[i]->position);
        publish_proof(r, i);
    }
}

void rig_publish_probe(struct rig *r, size_t stream, int64_t sent_ns, uint64_t head, const struct epoch *epoch)
{
    if (rig_answer(r, stream, sent_ns, head, epoch))
        progress_changed(r->progress);
    publish_proof(r, stream);
}

/* ---- the reading side ---- */

/* What the rig gave as its connection is itself. */
static void resume(struct http_connection *connection)
{
    struct rig *r = (struct rig *)(void *)connection;
    r->resumed++;
}

unsigned rig_ask_again(struct rig *r)
{
    response_free(&r->response);
    response_init(&r->response);
    r->outcome = worker_handle(r->worker, &r->head, &r->call, &r->response);
    if (r->outcome == HTTP_ANSWER)
        worker_answered(r->worker, &r->call, &r->response);
    snapshot_end(r->worker->snapshot);
    assert_false(r->response.failed);
    return r->outcome == HTTP_PARK ? 0 : r->response.status;
}

unsigned rig_ask(struct rig *r, const char *target)
{
    (void)snprintf(r->target, sizeof r->target, "%s", target);
    worker_forget(r->worker, &r->call);
    r->call = (struct call){0};
    r->head.client = &r->client;
    r->head.target_text = r->target;
    r->head.target_bytes = strlen(r->target);
    return rig_ask_again(r);
}

bool rig_park(struct rig *r)
{
    size_t resumed = r->resumed;
    r->head.connection = (struct http_connection *)(void *)r;
    assert_true(worker_park(r->worker, &r->call));
    worker_iteration_end(r->worker, resume);
    return r->resumed == resumed;
}

bool rig_wake(struct rig *r)
{
    size_t resumed = r->resumed;
    uint64_t wakes = 0;
    bool woken = read(r->wake_fd, &wakes, sizeof wakes) == (ssize_t)sizeof wakes;
    worker_wake(r->worker, woken, false, resume);
    worker_iteration_end(r->worker, resume);
    return r->resumed != resumed;
}

const char *rig_header(const struct rig *r, const char *name)
{
    for (size_t i = 0; i < r->response.headers_count; i++) {
        if (strcmp(r->response.headers[i].name, name) == 0)
            return r->response.headers[i].value;
    }
    return NULL;
}

bool rig_body_has(const struct rig *r, const char *text)
{
    return memmem(r->response.body, r->response.body_bytes, text, strlen(text)) != NULL;
}
