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

#include "api/pipeline.h"
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

static void what_was_read_once_is_not_read_again(void **state)
{
    struct rig *r = *state;
    begin(r);
    r->head.fields.min_version = (struct http_lines){.count = 1, .values = {SLICE_LITERAL("8")}};
    assert_int_equal(rig_ask(r, ENTITY "?wait=5&max_staleness=60"), 0);
    char *query = strchr(r->target, '?');
    assert_non_null(query);
    memset(query, '#', strlen(query)); /* whoever parses this answers 400 */
    r->head.fields.min_version.values[0] = SLICE_LITERAL("nonsense");
    r->head.fields.if_none_match = (struct http_lines){.count = 1, .values = {SLICE_LITERAL("nonsense")}};
    assert_true(rig_park(r));
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_true(rig_body_has(r, "{\"n\":8}"));
    assert_string_equal(rig_header(r, "Preference-Applied"), "wait=5");
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
    assert_int_equal(pipeline_handle(&r->call, r->worker->snapshot, &r->counters, &r->response), OUTCOME_JOB);
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
    pipeline_end(&r->call, &r->counters, &r->response, time_boot_ns());
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
        TEST(what_was_read_once_is_not_read_again),
        TEST(what_may_take_long_is_left_to_a_job),
        TEST(an_attempt_runs_in_another_thread_with_its_own_snapshot),
        TEST(a_page_says_how_stale_it_is_after_its_last_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
