/* A read that waits is read once: however often it is looked at and woken, its target and its header fields are parsed
 * once, and one answer is made. The functions that do so are counted by wrappers around them (CMakeLists.txt). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/answer/headers.h"
#include "api/request/target.h"
#include "core/base/time.h"
#include "router_fixture.h"

#define ENTITY "/v1/state/customers/42"

static struct {
    size_t targets;
    size_t plans;
    size_t demands;
    size_t conditions;
    size_t answers; /* of an entity: each needs its ETag */
} counted;

/* Of the type of what they wrap, so that a change there does not compile here. */
__typeof__(target_parse) __real_target_parse, __wrap_target_parse;
enum sg_status __wrap_target_parse(char *text, size_t bytes, struct target *out, struct sg_error *err)
{
    counted.targets++;
    return __real_target_parse(text, bytes, out, err);
}

__typeof__(plan_make) __real_plan_make, __wrap_plan_make;
enum sg_status __wrap_plan_make(const struct http_head *head, const struct target *target,
                                const struct plan_rules *rules, const struct settings *settings,
                                const struct tunables *tunables, struct plan *out, struct sg_error *err)
{
    counted.plans++;
    return __real_plan_make(head, target, rules, settings, tunables, out, err);
}

__typeof__(demands_parse) __real_demands_parse, __wrap_demands_parse;
enum sg_status __wrap_demands_parse(const struct http_fields *fields, const struct target *target, bool entity_route,
                                    const struct settings *settings, const struct tunables *tunables,
                                    struct demands *out, struct sg_error *err)
{
    counted.demands++;
    return __real_demands_parse(fields, target, entity_route, settings, tunables, out, err);
}

__typeof__(conditions_parse) __real_conditions_parse, __wrap_conditions_parse;
enum sg_status __wrap_conditions_parse(const struct http_lines *lines, struct conditions *out, struct sg_error *err)
{
    counted.conditions++;
    return __real_conditions_parse(lines, out, err);
}

__typeof__(headers_etag) __real_headers_etag, __wrap_headers_etag;
const char *__wrap_headers_etag(const struct stream *row, uint64_t number, char out[HEADERS_ETAG_BYTES])
{
    counted.answers++;
    return __real_headers_etag(row, number, out);
}

static void assert_parsed(size_t times)
{
    assert_int_equal(counted.targets, times);
    assert_int_equal(counted.plans, times);
    assert_int_equal(counted.demands, times);
    assert_int_equal(counted.conditions, times);
}

/* Version 7 at position 1, proved. */
static void begin(struct rig *r)
{
    rig_apply_state(r, "42", 7, "{}");
    rig_prove(r);
    rig_publish_commit(r, NULL);
    memset(&counted, 0, sizeof counted);
}

/* The counters notice: a request of its own is parsed, and answered. */
static void each_request_is_parsed_and_answered_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    for (size_t times = 1; times <= 3; times++) {
        assert_int_equal(rig_ask(r, ENTITY "?min_version=7"), 200);
        assert_parsed(times);
        assert_int_equal(counted.answers, times);
    }
}

static void a_read_that_is_woken_once_is_parsed_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(rig_ask(r, ENTITY "?min_version=8&wait=5"), 0);
    assert_true(rig_park(r)); /* the second look */
    assert_parsed(1);
    assert_int_equal(counted.answers, 0);
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_true(rig_body_has(r, "{\"n\":8}"));
    assert_parsed(1);
    assert_int_equal(counted.answers, 1);
}

static void a_read_that_is_woken_in_vain_is_parsed_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(rig_ask(r, ENTITY "?min_version=9&max_staleness=0&wait=5"), 0);
    assert_true(rig_park(r));
    for (int64_t version = 8; version <= 9; version++) {
        rig_apply_state(r, "42", version, "{}");
        rig_publish_commit(r, "42");
        assert_true(rig_wake(r));
        assert_int_equal(rig_ask_again(r), 0);
        assert_true(rig_park(r));
    }
    assert_int_equal(counted.answers, 0);
    rig_publish_probe(r, 0, time_boot_ns(), 3, &r->stream.epoch);
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_parsed(1);
    assert_int_equal(counted.answers, 1);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(each_request_is_parsed_and_answered_once),
        RIG_TEST(a_read_that_is_woken_once_is_parsed_once),
        RIG_TEST(a_read_that_is_woken_in_vain_is_parsed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
