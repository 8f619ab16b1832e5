/* The way of a request: what is done once, what is done in each attempt, and where an attempt may run.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "api/answer/headers.h"
#include "api/pipeline.h"
#include "api/request/target.h"
#include "api/routes/router.h"
#include "core/base/time.h"
#include "router_fixture.h"

#define ASSERT_OK(call) assert_int_equal((call), SG_OK)
#define ENTITY "/v1/state/customers/42"

/* Version 7 of an entity at position 1, proved. */
static void begin(struct rig *r)
{
    rig_apply_state(r, "42", 7, "{}");
    rig_prove(r);
    rig_publish_commit(r, NULL);
}

/* ---- what is done how often ---- */

/* Calls of what parses a request, and of what makes an answer: by wrappers around them (CMakeLists.txt). */
static struct {
    size_t targets;
    size_t plans;
    size_t demands;
    size_t conditions;
    size_t answers; /* of an entity: each needs its ETag */
} calls;

/* Of the type of what they wrap, so that a change there does not compile here. */
__typeof__(target_parse) __real_target_parse, __wrap_target_parse;
enum sg_status __wrap_target_parse(char *text, size_t bytes, struct target *out, struct sg_error *err)
{
    calls.targets++;
    return __real_target_parse(text, bytes, out, err);
}

__typeof__(plan_make) __real_plan_make, __wrap_plan_make;
enum sg_status __wrap_plan_make(const struct http_head *head, const struct target *target,
                                const struct plan_rules *rules, const struct settings *settings,
                                const struct tunables *tunables, struct plan *out, struct query_fault *fault,
                                struct sg_error *err)
{
    calls.plans++;
    return __real_plan_make(head, target, rules, settings, tunables, out, fault, err);
}

__typeof__(demands_parse) __real_demands_parse, __wrap_demands_parse;
enum sg_status __wrap_demands_parse(const struct http_fields *fields, const struct target *target, bool entity_route,
                                    const struct settings *settings, const struct tunables *tunables,
                                    struct demands *out, struct sg_error *err)
{
    calls.demands++;
    return __real_demands_parse(fields, target, entity_route, settings, tunables, out, err);
}

__typeof__(conditions_parse) __real_conditions_parse, __wrap_conditions_parse;
enum sg_status __wrap_conditions_parse(const struct http_fields *fields, struct conditions *out, struct sg_error *err)
{
    calls.conditions++;
    return __real_conditions_parse(fields, out, err);
}

__typeof__(headers_etag) __real_headers_etag, __wrap_headers_etag;
size_t __wrap_headers_etag(const struct stream *row, const struct rows_hash *rows, const struct revision *revision,
                           char out[HEADERS_ETAG_BYTES])
{
    calls.answers++;
    return __real_headers_etag(row, rows, revision, out);
}

static void assert_parsed(size_t times)
{
    assert_int_equal(calls.targets, times);
    assert_int_equal(calls.plans, times);
    assert_int_equal(calls.demands, times);
    assert_int_equal(calls.conditions, times);
}

static unsigned finds;
static unsigned answers;

static enum sg_status counted_find(struct call *call, struct basis *out, struct sg_error *error)
{
    finds++;
    return entity_find(call, out, error);
}

static enum sg_status counted_answer(struct call *call, const struct basis *basis, struct response *out,
                                     struct sg_error *error)
{
    answers++;
    return entity_answer(call, basis, out, error);
}

/* A read by id that waits for two things, on a route that counts. */
static void begin_counted(struct rig *r, struct route *counted)
{
    begin(r);
    assert_int_equal(rig_ask(r, ENTITY "?min_version=8&max_staleness=0&wait=5"), 0);
    *counted = *router_route(ROUTE_ENTITY);
    counted->find = counted_find;
    counted->answer = counted_answer;
    r->call.route = counted;
    finds = answers = 0;
}

static void the_second_look_is_a_find_and_a_check_and_no_answer(void **state)
{
    struct rig *r = *state;
    struct route counted;
    begin_counted(r, &counted);
    assert_true(rig_park(r));
    assert_int_equal(finds, 1);
    assert_int_equal(answers, 0);
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 0); /* one of the two is there */
    assert_true(rig_park(r));
    assert_int_equal(finds, 3);
    assert_int_equal(answers, 0);
    rig_publish_probe(r, 0, time_boot_ns(), 2, &r->stream.epoch);
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_int_equal(finds, 4);
    assert_int_equal(answers, 1);
    assert_true(rig_body_has(r, "{\"n\":8}"));
}

static void a_second_look_that_finds_all_there_leaves_the_answer_to_the_attempt(void **state)
{
    struct rig *r = *state;
    struct route counted;
    begin_counted(r, &counted);
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    rig_publish_probe(r, 0, time_boot_ns(), 2, &r->stream.epoch);
    assert_false(rig_park(r));
    assert_int_equal(finds, 1);
    assert_int_equal(answers, 0);
    assert_int_equal(rig_ask_again(r), 200);
    assert_int_equal(finds, 2);
    assert_int_equal(answers, 1);
}

static void what_can_no_longer_wait_is_woken_by_the_second_look(void **state)
{
    struct rig *r = *state;
    struct route counted;
    begin_counted(r, &counted);
    atomic_store(&r->api.draining, true);
    assert_false(rig_park(r));
    assert_int_equal(answers, 0);
    assert_int_equal(rig_ask_again(r), 503);
    assert_int_equal(answers, 0); /* nor is there one for a demand that is not met */
    assert_true(rig_body_has(r, "urn:stategate:problem:stopping"));
}

/* The counters notice: a request of its own is parsed, and answered. */
static void each_request_is_parsed_and_answered_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    memset(&calls, 0, sizeof calls);
    for (size_t times = 1; times <= 3; times++) {
        assert_int_equal(rig_ask(r, ENTITY "?min_version=7"), 200);
        assert_parsed(times);
        assert_int_equal(calls.answers, times);
    }
}

static void a_read_that_is_woken_in_vain_is_parsed_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    memset(&calls, 0, sizeof calls);
    assert_int_equal(rig_ask(r, ENTITY "?min_version=9&max_staleness=0&wait=5"), 0);
    assert_true(rig_park(r));
    for (int64_t version = 8; version <= 9; version++) {
        rig_apply_state(r, "42", version, "{}");
        rig_publish_commit(r, "42");
        assert_true(rig_wake(r));
        assert_int_equal(rig_ask_again(r), 0);
        assert_true(rig_park(r));
    }
    assert_int_equal(calls.answers, 0);
    rig_publish_probe(r, 0, time_boot_ns(), 3, &r->stream.epoch);
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_parsed(1);
    assert_int_equal(calls.answers, 1);
}

/* Neither by the second look nor by the attempt after it: what stands there by then would be answered 400. */
static void a_read_that_is_woken_once_is_parsed_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    memset(&calls, 0, sizeof calls);
    r->head.fields.min_version = (struct http_lines){.count = 1, .values = {SLICE_LITERAL("8")}};
    assert_int_equal(rig_ask(r, ENTITY "?wait=5&max_staleness=60"), 0);
    char *query = strchr(r->target, '?');
    assert_non_null(query);
    memset(query, '#', strlen(query));
    r->head.fields.min_version.values[0] = SLICE_LITERAL("nonsense");
    r->head.fields.if_none_match = (struct http_lines){.count = 1, .values = {SLICE_LITERAL("nonsense")}};
    assert_true(rig_park(r));
    assert_parsed(1);
    assert_int_equal(calls.answers, 0);
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_true(rig_body_has(r, "{\"n\":8}"));
    assert_string_equal(rig_header(r, "Preference-Applied"), "wait=5");
    assert_parsed(1);
    assert_int_equal(calls.answers, 1);
    memset(&r->head.fields, 0, sizeof r->head.fields);
}

/* ---- where ---- */

static void what_may_take_long_is_left_to_a_job(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(rig_ask(r, ENTITY), 200);
    response_free(&r->response);
    response_init(&r->response);
    uint64_t before = atomic_load(&r->counters.requests[ROUTE_ENTITY][METHOD_GET][0]);
    r->call.plan.place = PLAN_IN_JOB; /* no route of the table asks for it */
    assert_int_equal(pipeline_handle(&r->call, r->worker->snapshot, &r->response), OUTCOME_JOB);
    assert_int_equal(r->response.headers_count, 0);
    assert_int_equal(r->response.body_bytes, 0);
    assert_true(atomic_load(&r->counters.requests[ROUTE_ENTITY][METHOD_GET][0]) == before);
}

/* An attempt in a thread of its own, with a snapshot of its own. */
struct attempt {
    struct rig *rig;
    enum sg_status status;
    enum outcome outcome;
};

static void *attempt_main(void *context)
{
    struct attempt *attempt = context;
    struct rig *r = attempt->rig;
    struct snapshot *snapshot = NULL;
    struct sg_error error;
    attempt->status =
        snapshot_create(&r->settings, r->api.tunables, r->freshness, r->shared, &snapshot, &error);
    if (attempt->status != SG_OK)
        return NULL;
    response_free(&r->response);
    response_init(&r->response);
    attempt->outcome = pipeline_attempt(&r->call, snapshot, &r->response);
    snapshot_destroy(snapshot); /* what the answer points at goes with it: only what is its own is looked at below */
    return NULL;
}

static enum outcome attempt_elsewhere(struct rig *r)
{
    struct attempt attempt = {.rig = r};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, attempt_main, &attempt), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    ASSERT_OK(attempt.status);
    return attempt.outcome;
}

static void an_attempt_runs_in_another_thread_with_its_own_snapshot(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(rig_ask(r, ENTITY "?min_version=8&wait=5"), 0);
    assert_int_equal(attempt_elsewhere(r), OUTCOME_PARK);
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 1); /* one place for the whole wait */
    assert_true(rig_park(r)); /* by the loop, like any other */
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(attempt_elsewhere(r), OUTCOME_ANSWER);
    assert_int_equal(r->response.status, 200);
    assert_true(rig_body_has(r, "{\"n\":8}"));
    pipeline_end(&r->call, &r->counters, &r->response);
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 0);
}

/* ---- when ---- */

/* Of what a request took, how much lay before the moment that its answer speaks of: 0..1. */
static double share_before_made(struct rig *r, const char *target)
{
    int64_t begun_ns = time_boot_ns();
    assert_int_equal(rig_ask(r, target), 200);
    int64_t ended_ns = time_boot_ns();
    assert_true(r->response.made_ns >= begun_ns && r->response.made_ns <= ended_ns);
    return (double)(r->response.made_ns - begun_ns) / (double)(ended_ns - begun_ns);
}

/* Nearly all of the time goes into reading and copying the rows. Other load may spoil a measurement, not most of
 * them. */
static void a_page_says_how_stale_it_is_after_its_last_row(void **state)
{
    struct rig *r = *state;
    const size_t bytes = STORE_PAGE_BYTES_MAX / 4;
    char *json = malloc(bytes + 1);
    unsigned late = 0;
    assert_non_null(json);
    memset(json, '1', bytes);
    json[bytes] = '\0';
    for (char id[] = "a"; id[0] <= 'c'; id[0]++)
        rig_apply_state(r, id, 1, json);
    free(json);
    rig_prove(r);
    for (unsigned i = 0; i < 21; i++)
        late += share_before_made(r, "/v1/state/customers") > 0.5;
    assert_true(late > 10);
    assert_non_null(rig_header(r, "State-Staleness"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_second_look_is_a_find_and_a_check_and_no_answer),
        TEST(a_second_look_that_finds_all_there_leaves_the_answer_to_the_attempt),
        TEST(what_can_no_longer_wait_is_woken_by_the_second_look),
        TEST(each_request_is_parsed_and_answered_once),
        TEST(a_read_that_is_woken_in_vain_is_parsed_once),
        TEST(a_read_that_is_woken_once_is_parsed_once),
        TEST(what_may_take_long_is_left_to_a_job),
        TEST(an_attempt_runs_in_another_thread_with_its_own_snapshot),
        TEST(a_page_says_how_stale_it_is_after_its_last_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
