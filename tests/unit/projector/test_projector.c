/* projector: an event's way from the queue to what readers see, with a real store and no broker.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#include "core/base/time.h"
#include "projector/ingest/commands.h"
#include "projector/projector.h"
#include "tests/unit/store/store_fixture.h"

#define DEADLINE_NS (60 * NS_PER_S)
#define CREATED_NS INT64_C(1700000000000000000)

struct fixture {
    struct store_fixture *store;
    struct settings settings;
    struct stream_settings stream;
    struct tunables tunables;
    struct tunables_now tunables_now;
    struct collection_settings rules;
    char *drop[1];
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
    struct projector *projector;
    struct ingest *ingest;
    struct queue *queue;
    uint64_t generation;
};

static void release(void *handle, size_t bytes)
{
    (void)bytes;
    free(handle);
}

/* Who applies what is pushed: without more the projector's thread. */
static void forget_few(struct queue *q)
{
    queue_on_few(q, NULL, NULL);
}

static void leave_few(struct queue *q)
{
    (void)q;
}

static void (*few_setup)(struct queue *q) = forget_few;

static int setup_limited(void **state, int64_t bytes_max)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sg_error err = {0};
    struct epoch epoch;
    assert_non_null(f);
    assert_int_equal(store_fixture_setup((void **)&f->store), 0);
    f->store->options.bytes_max = bytes_max;
    fixture_reopen(f->store);
    f->drop[0] = (char *)(uintptr_t)"/secret";
    f->rules = (struct collection_settings){.name = (char *)(uintptr_t)"customers", .drop = f->drop, .drop_count = 1};
    f->stream.name = (char *)(uintptr_t)"STATE";
    assert_int_equal(subject_template_parse("state.{collection}.{id}", &f->stream.subject, &err), SG_OK);
    f->settings = (struct settings){
        .streams = &f->stream, .streams_count = 1, .collections = &f->rules, .collections_count = 1};
    assert_int_equal(freshness_create(1, &f->freshness, &err), SG_OK);
    assert_int_equal(metrics_create(&f->settings, &f->metrics, &err), SG_OK);
    assert_int_equal(progress_create(1, &f->progress, &err), SG_OK);
    f->tunables.rejected_max = 100;
    tunables_publish(&f->tunables_now, &f->tunables);
    const struct ingest_context context = {.settings = &f->settings,
                                           .tunables = &f->tunables_now,
                                           .store = f->store->writer,
                                           .freshness = f->freshness,
                                           .metrics = f->metrics,
                                           .progress = f->progress};
    if (projector_start(&context, release, &f->projector, &err) != SG_OK)
        fail_msg("%s", err.message);
    f->ingest = projector_ingest(f->projector);
    f->queue = ingest_queue(f->ingest, 0);
    few_setup(f->queue);
    epoch_make("STATE", CREATED_NS, NULL, &epoch);
    assert_int_equal(ingest_identify(f->ingest, 0, CREATED_NS, &epoch, &err), SG_OK);
    f->generation = queue_next_generation(f->queue);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_limited(state, 0);
}

static int setup_here(void **state)
{
    few_setup = leave_few;
    int failed = setup(state);
    few_setup = forget_few;
    return failed;
}

static int setup_full(void **state)
{
    return setup_limited(state, 1);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    projector_stop(f->projector);
    projector_destroy(f->projector);
    progress_destroy(f->progress);
    metrics_destroy(f->metrics);
    freshness_destroy(f->freshness);
    void *store = f->store;
    free(f);
    return store_fixture_teardown(&store);
}

/* A message of the entity `id`; it is not taken before queue_verify(). */
static void push(struct fixture *f, uint64_t sequence, const char *id, const char *payload)
{
    size_t payload_bytes = strlen(payload);
    char *memory = malloc(128 + payload_bytes);
    assert_non_null(memory);
    int subject_bytes = snprintf(memory, 128, "state.customers.%s", id);
    memcpy(memory + 128, payload, payload_bytes);
    const struct queue_item item = {.generation = f->generation,
                                    .handle = memory,
                                    .bytes = payload_bytes,
                                    .cost = payload_bytes,
                                    .message = {.subject = {memory, (size_t)subject_bytes},
                                                .payload = {memory + 128, payload_bytes},
                                                .sequence = sequence,
                                                .time_ns = CREATED_NS + (int64_t)sequence}};
    assert_int_equal(queue_push(f->queue, &item), QUEUE_TAKEN);
}

/* Until readers may see the position. It is looked at as often as can be: who sees it too soon must be seen. */
static void wait_for(struct fixture *f, uint64_t position)
{
    struct freshness_facts facts = {0};
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    for (;;) {
        freshness_facts(f->freshness, 0, &facts);
        if (facts.applied >= position)
            return;
        if (time_boot_ns() > deadline_ns)
            fail_msg("the position is %llu and not %llu", (unsigned long long)facts.applied,
                     (unsigned long long)position);
        (void)sched_yield();
    }
}

static uint64_t counted(struct fixture *f, enum event_result result)
{
    return atomic_load(&metrics_stream(f->metrics, 0)->events[result]);
}

static void assert_state(struct fixture *f, const char *id, const char *expected)
{
    struct entity entity;
    assert_int_equal(fixture_entity(f->store, id, &entity), SG_OK);
    assert_int_equal(entity.state.bytes, strlen(expected));
    assert_memory_equal(entity.state.data, expected, entity.state.bytes);
}

/* What differs in what is dropped alone is the same event; in one batch, and from one batch to the next. */
static void an_event_is_shaped_before_it_is_compared(void **state)
{
    struct fixture *f = *state;
    push(f, 1, "a", "{\"version\":1,\"state\":{\"n\": 1,\"secret\":1}}");
    push(f, 2, "a", "{\"version\":1,\"state\":{\"n\":1,\"secret\":2}}");
    push(f, 3, "a", "{\"version\":1,\"state\":{\"n\":2,\"secret\":1}}");
    queue_verify(f->queue, f->generation);
    wait_for(f, 3);
    push(f, 4, "a", "{\"version\":1,\"state\":{\"secret\":3,\"n\":1}}");
    wait_for(f, 4);
    push(f, 5, "a", "{\"version\":1,\"state\":{\"n\":3}}");
    wait_for(f, 5);
    push(f, 6, "b", "{\"version\":1,\"state\":[]}");
    wait_for(f, 6);
    push(f, 7, "b", "{\"version\":1,\"state\":{}}");
    wait_for(f, 7);
    projector_stop(f->projector); /* all is counted now */
    projector_destroy(f->projector);
    f->projector = NULL;
    assert_int_equal(counted(f, RESULT_APPLIED), 2);
    assert_int_equal(counted(f, RESULT_DUPLICATE), 2);
    assert_int_equal(counted(f, RESULT_CONFLICT), 2);
    assert_int_equal(counted(f, RESULT_REJECTED), 1);
    assert_state(f, "a", "{\"n\":1}");
    assert_state(f, "b", "{}");
}

/* Commit, then publish: whoever sees the position finds the rows. */
static void what_is_published_is_committed(void **state)
{
    struct fixture *f = *state;
    char payload[64];
    char expected[64];
    queue_verify(f->queue, f->generation);
    for (int version = 1; version <= 100; version++) {
        (void)snprintf(payload, sizeof payload, "{\"version\":%d,\"state\":{\"n\":%d}}", version, version);
        (void)snprintf(expected, sizeof expected, "{\"n\":%d}", version);
        push(f, (uint64_t)version, "a", payload);
        wait_for(f, (uint64_t)version);
        assert_state(f, "a", expected);
    }
    assert_int_equal(ingest_position(f->ingest, 0), 100);
}

/* The thread of a connection: pushes a version, and applies it itself, when it is asked to. */
struct connection {
    struct fixture *fixture;
    sem_t go;
    int versions;
    int here; /* how many were applied when it came back */
};

static void *connection_run(void *argument)
{
    struct connection *c = argument;
    char payload[64];
    for (int version = 1; version <= c->versions; version++) {
        while (sem_wait(&c->go) != 0)
            continue;
        (void)snprintf(payload, sizeof payload, "{\"version\":%d,\"state\":{\"n\":%d}}", version, version);
        push(c->fixture, (uint64_t)version, "a", payload);
        queue_pushed(c->fixture->queue);
        c->here += ingest_position(c->fixture->ingest, 0) == (uint64_t)version;
    }
    return NULL;
}

/* The same where the thread that received a message applies it, while the projector's thread serves commands. */
static void what_a_connection_publishes_is_committed(void **state)
{
    struct fixture *f = *state;
    struct connection c = {.fixture = f, .versions = 200};
    struct build loaded;
    struct sg_error err;
    char expected[64];
    pthread_t thread;
    assert_int_equal(sem_init(&c.go, 0, 0), 0);
    queue_verify(f->queue, f->generation);
    assert_int_equal(pthread_create(&thread, NULL, connection_run, &c), 0);
    for (int version = 1; version <= c.versions; version++) {
        (void)snprintf(expected, sizeof expected, "{\"n\":%d}", version);
        (void)sem_post(&c.go);
        if (version % 2 == 0)
            assert_int_equal(ingest_load(f->ingest, 0, &loaded, &err), SG_OK);
        wait_for(f, (uint64_t)version);
        assert_state(f, "a", expected);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)sem_destroy(&c.go);
    assert_int_equal(ingest_load(f->ingest, 0, &loaded, &err), SG_OK);
    assert_int_equal(loaded.position, c.versions);
    assert_true(c.here > 0); /* of the others the projector's thread was notified, as it was at work */
    assert_true(queue_is_idle(f->queue));
}

/* The database is full: nothing is stored, so readers learn of nothing but that. */
static void what_is_not_committed_is_not_published(void **state)
{
    struct fixture *f = *state;
    const struct stream row = {0};
    struct freshness_view view = {0};
    struct freshness_facts facts = {0};
    struct entity entity;
    static char payload[1 << 20]; /* needs pages that the file does not have */
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    int prefix = snprintf(payload, sizeof payload, "{\"version\":1,\"state\":{\"n\":\"");
    memset(payload + prefix, 'x', sizeof payload - 16 - (size_t)prefix);
    strcpy(payload + sizeof payload - 16, "\"}}");
    push(f, 1, "a", payload);
    queue_verify(f->queue, f->generation);
    while (view.status != STREAM_HALTED) {
        assert_true(time_boot_ns() < deadline_ns);
        (void)sched_yield();
        freshness_view(f->freshness, 0, &row, time_boot_ns(), &view);
    }
    freshness_facts(f->freshness, 0, &facts);
    assert_int_equal(facts.applied, 0);
    assert_int_equal(ingest_position(f->ingest, 0), 0);
    assert_int_equal(fixture_entity(f->store, "a", &entity), SG_NOT_FOUND);
    assert_false(queue_is_idle(f->queue)); /* it is kept, to be tried again */
}

static bool is_halted(struct fixture *f)
{
    const struct stream row = {0};
    struct freshness_view view = {0};
    freshness_view(f->freshness, 0, &row, time_boot_ns(), &view);
    return view.status == STREAM_HALTED;
}

/* A descriptor whose writer waits: a pipe that is full. `*reading` is its other end. */
static int full_pipe(int *reading)
{
    static const char bytes[4096];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    *reading = ends[0];
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof bytes) > 0) {
    }
    while (write(ends[1], bytes, 1) > 0) {
    }
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    return ends[1];
}

/* The thread that writes is held in the middle of its wake-ups: what a loop would read then is read. */
static void who_is_woken_by_what_is_stored_reads_of_no_halt(void **state)
{
    struct fixture *f = *state;
    static char payload[1 << 20];
    static char drained[1 << 20];
    struct progress_loop *loop = NULL;
    struct progress_wants wants = PROGRESS_WANTS_NONE;
    struct sg_error err = {0};
    int reading = -1;
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    int writing = full_pipe(&reading);
    int prefix = snprintf(payload, sizeof payload, "{\"version\":1,\"state\":{\"n\":\"");
    memset(payload + prefix, 'x', sizeof payload - 16 - (size_t)prefix);
    strcpy(payload + sizeof payload - 16, "\"}}");
    push(f, 1, "a", payload); /* there is no room for it */
    queue_verify(f->queue, f->generation);
    while (!is_halted(f)) {
        assert_true(time_boot_ns() < deadline_ns);
        (void)sched_yield();
    }
    assert_int_equal(progress_join(f->progress, writing, &loop, &err), SG_OK);
    wants.position = 1;
    progress_want(loop, 0, &wants);
    f->generation = queue_next_generation(f->queue); /* void, and another in its place for which there is */
    push(f, 1, "a", "{\"version\":1,\"state\":{\"n\":1}}");
    queue_verify(f->queue, f->generation);
    wait_for(f, 1);
    bool halted = is_halted(f);
    assert_int_equal(fcntl(reading, F_SETFL, O_NONBLOCK), 0);
    while (read(reading, drained, sizeof drained) <= 0) {
    }
    projector_stop(f->projector); /* it wakes no more */
    projector_destroy(f->projector);
    f->projector = NULL;
    progress_leave(loop);
    assert_int_equal(close(reading), 0);
    assert_int_equal(close(writing), 0);
    assert_false(halted);
}

/* Nothing of a generation is applied before it is verified, nor once it is void; nor does it move the position. */
static void a_void_generation_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct sg_error err = {0};
    uint64_t older = f->generation;
    push(f, 1, "a", "{\"version\":1,\"state\":{\"n\":1}}");
    f->generation = queue_next_generation(f->queue);
    queue_verify(f->queue, older);
    assert_int_equal(ingest_advance(f->ingest, 0, older, 9, true, &err), SG_OK);
    assert_int_equal(ingest_position(f->ingest, 0), 0);
    push(f, 2, "a", "{\"version\":1,\"state\":{\"n\":2}}");
    assert_int_equal(ingest_advance(f->ingest, 0, f->generation, 9, true, &err), SG_OK); /* the queue has a message */
    assert_int_equal(ingest_position(f->ingest, 0), 0);
    queue_verify(f->queue, f->generation);
    wait_for(f, 2);
    assert_state(f, "a", "{\"n\":2}");
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    while (!queue_is_idle(f->queue)) {
        assert_true(time_boot_ns() < deadline_ns);
        (void)sched_yield();
    }
    assert_int_equal(ingest_advance(f->ingest, 0, f->generation, 9, true, &err), SG_OK);
    assert_int_equal(ingest_position(f->ingest, 0), 9);
    wait_for(f, 9);
}

static void push_bad(struct fixture *f, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++)
        push(f, i, "a", "no JSON");
    wait_for(f, to);
}

static uint64_t rejected_rows(struct fixture *f)
{
    uint64_t rejected = 0;
    uint64_t conflicts = 0;
    assert_int_equal(store_read_rejected_count(fixture_begin(f->store), "STATE", &rejected, &conflicts, NULL), SG_OK);
    return rejected;
}

/* From the next batch on, and for what is kept already when the next one is recorded. */
static void how_many_rejected_events_are_kept_may_change(void **state)
{
    struct fixture *f = *state;
    struct tunables fewer = f->tunables;
    struct tunables more = f->tunables;
    fewer.rejected_max = 3;
    more.rejected_max = 6;
    queue_verify(f->queue, f->generation);
    push_bad(f, 1, 5);
    assert_int_equal(rejected_rows(f), 5);
    tunables_publish(&f->tunables_now, &fewer);
    push_bad(f, 6, 7);
    assert_int_equal(rejected_rows(f), 3);
    tunables_publish(&f->tunables_now, &more);
    push_bad(f, 8, 14);
    assert_int_equal(rejected_rows(f), 6);
    projector_stop(f->projector);
    projector_destroy(f->projector);
    f->projector = NULL;
}

#define projector_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        projector_test(an_event_is_shaped_before_it_is_compared),
        projector_test(what_is_published_is_committed),
        cmocka_unit_test_setup_teardown(what_a_connection_publishes_is_committed, setup_here, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_committed_is_not_published, setup_full, teardown),
        cmocka_unit_test_setup_teardown(who_is_woken_by_what_is_stored_reads_of_no_halt, setup_full, teardown),
        projector_test(a_void_generation_changes_nothing),
        projector_test(how_many_rejected_events_are_kept_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
