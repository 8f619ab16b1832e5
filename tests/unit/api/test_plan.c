/* api/request/plan: a request's text becomes values, and what is wrong with it is said in one order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/request/plan.h"
#include "core/base/time.h"
#include "core/domain/event.h"

static char *owned[] = {(char[]){"settings"}};
static struct stream_settings streams[] = {
    {.name = (char[]){"ORDERS"}},
    {.name = (char[]){"KV"}, .collections = owned, .collections_count = 1},
};
static char field_name[] = "total";
static struct field fields[] = {{.name = field_name, .type = FIELD_NUMBER}};
static char index_text[] = "total";
static struct field_index indexes[] = {{.text = index_text, .columns_count = 1}};
static char collection_name[] = "orders";
static struct collection_settings collections[] = {
    {.name = collection_name,
     .fields = {.fields = fields, .fields_count = 1, .indexes = indexes, .indexes_count = 1},
     .fields_hash = {"f01234567"}},
};
static const struct settings settings = {
    .streams = streams,
    .streams_count = 2,
    .collections = collections,
    .collections_count = 1,
};
static const struct tunables tunables = {.wait_default_ms = 5000, .wait_max_ms = 30000};

static const struct plan_rules entity_rules = {
    .demands = DEMANDS_READ, .min_version = true, .conditions = true, .params = {DEMANDS_PARAMS}};
static const struct plan_rules page_rules = {.demands = DEMANDS_READ,
                                             .conditions = true,
                                             .pages = true,
                                             .query = true,
                                             .params = {"limit", "cursor", QUERY_PARAMS, DEMANDS_PARAMS}};
static const struct plan_rules rejected_rules = {
    .demands = DEMANDS_READ, .pages = true, .params = {"limit", "cursor", DEMANDS_PARAMS}};

/* A request in the making, and its plan. */
static struct http_head head;
static char text[TARGET_BYTES_MAX + 1];
static struct target target;
static struct plan plan;
static struct query_fault fault;
static struct sg_error error;

static int begin(void **state)
{
    (void)state;
    memset(&head, 0, sizeof head);
    memset(&plan, 0, sizeof plan);
    buffer_init(&fault.members, 1u << 16);
    error.message[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    plan_free(&plan);
    buffer_free(&fault.members);
    return 0;
}

/* The third segment of the path is a collection, the fourth an id. */
static enum sg_status make(const struct plan_rules *rules, const char *path)
{
    plan_free(&plan);
    memset(&plan, 0, sizeof plan);
    fault.problem = PROBLEM_BAD_REQUEST;
    buffer_reset(&fault.members);
    (void)snprintf(text, sizeof text, "%s", path);
    head.target_text = text;
    head.target_bytes = strlen(text);
    assert_int_equal(target_parse(text, head.target_bytes, &target, &error), SG_OK);
    if (target.segments_count > 2)
        plan.collection = target.segments[2];
    if (target.segments_count > 3)
        plan.id = target.segments[3];
    return plan_make(&head, &target, rules, &settings, &tunables, &plan, &fault, &error);
}

static void assert_made(const struct plan_rules *rules, const char *path)
{
    if (make(rules, path) != SG_OK)
        fail_msg("%s is refused: %s", path, error.message);
}

static void assert_refused(const struct plan_rules *rules, const char *path, enum sg_status status, const char *why)
{
    if (make(rules, path) != status || strstr(error.message, why) == NULL)
        fail_msg("%s: %s", path, error.message);
    assert_null(plan.demands.positions);
    assert_null(plan.query);
}

static void add_line(struct http_lines *lines, const char *value)
{
    if (lines->count < HTTP_LINES_MAX)
        lines->values[lines->count] = slice_of(value);
    lines->count++;
}

static void the_owner_is_known_from_the_path(void **state)
{
    (void)state;
    assert_made(&entity_rules, "/v1/state/orders/1");
    assert_int_equal(plan.owner, 0);
    assert_true(slice_equal(plan.id, SLICE_LITERAL("1")));
    assert_made(&entity_rules, "/v1/state/settings/1");
    assert_int_equal(plan.owner, 1);
    assert_made(&entity_rules, "/v1/state/no.template/1");
    assert_int_equal(plan.owner, OWNER_NONE);
    assert_made(&rejected_rules, "/v1/rejected");
    assert_int_equal(plan.owner, OWNER_ALL);
    assert_int_equal(plan.place, PLAN_ON_LOOP);
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    assert_made(&page_rules, "/v1/state/orders");
    assert_int_equal(plan.limit, PARAM_LIMIT_DEFAULT);
    assert_null(plan.query);
    assert_false(demands_any(&plan.demands));
    assert_true(plan.demands.wait_ns == 5 * NS_PER_S);
    assert_false(plan.conditions.given);
}

static void everything_is_read_in_one_pass(void **state)
{
    (void)state;
    add_line(&head.fields.if_none_match, "\"x.b1.1\", \"a.b1.2\"");
    add_line(&head.fields.min_position, "KV:7;epoch=abcdef");
    assert_made(&entity_rules, "/v1/state/orders/a%2Fb?min_version=3&max_staleness=0.5&wait=2");
    assert_true(slice_equal(plan.id, SLICE_LITERAL("a/b")));
    assert_int_equal(plan.demands.min_version, 3);
    assert_int_equal(plan.demands.positions_count, 1);
    assert_int_equal(plan.demands.positions[0].stream, 1);
    assert_true(plan.demands.max_staleness_ns == 500 * NS_PER_MS);
    assert_true(plan.demands.wait_ns == 2 * NS_PER_S);
    assert_int_equal(conditions_check(&plan.conditions, "\"a.b1.2\"", NULL, 0), CONDITIONS_UNCHANGED);
    assert_int_equal(conditions_check(&plan.conditions, "\"a.b1.3\"", NULL, 0), CONDITIONS_MET);
}

static void a_cursor_is_where_the_page_before_ended(void **state)
{
    char cursor[CURSOR_TEXT_BYTES];
    char path[CURSOR_TEXT_BYTES + 64];
    (void)state;
    (void)cursor_encode(CURSOR_REJECTED, SLICE_LITERAL("120"), cursor);
    (void)snprintf(path, sizeof path, "/v1/rejected?cursor=%s", cursor);
    assert_made(&rejected_rules, path);
    assert_int_equal(plan.before, 120);
    assert_refused(&page_rules, strcat(strcpy(path, "/v1/state/orders?cursor="), cursor), SG_INVALID, "'cursor'");
}

static void a_list_is_asked_by_the_fields_of_its_collection(void **state)
{
    (void)state;
    assert_made(&page_rules, "/v1/state/orders?total=gte.1&total=lt.9&order=total&limit=7&wait=2");
    assert_non_null(plan.query);
    assert_int_equal(plan.query->query.nodes_count, 2);
    assert_int_equal(plan.query->access.index, 0);
    assert_int_equal(plan.limit, 7);
    assert_made(&page_rules, "/v1/state/orders?limit=7&max_staleness=2");
    assert_null(plan.query);
    assert_made(&page_rules, "/v1/state/bills?id=gt.a"); /* it declares nothing */
    assert_int_equal(plan.query->access.index, QUERY_BY_ID);
    assert_refused(&page_rules, "/v1/state/orders?note=eq.a", SG_INVALID,
                   "the parameter 'note' is not known here; the fields are total, id, version, sequence, occurred_at, "
                   "and other parameters limit, cursor, select, order, count, and, or, not.and, not.or, min_version, "
                   "min_position, max_staleness, wait");
    assert_refused(&page_rules, "/v1/state/bills?total=eq.1", SG_INVALID, "'total' is not known here");
    assert_refused(&rejected_rules, "/v1/rejected?total=eq.1", SG_INVALID, "'total' is not known here");
    assert_int_equal(fault.problem, PROBLEM_BAD_REQUEST);
    assert_refused(&page_rules, "/v1/state/orders?version=gt.1", SG_INVALID, "no index serves this query");
    assert_int_equal(fault.problem, PROBLEM_NOT_INDEXED);
    assert_refused(&page_rules, "/v1/state/orders?limit=0&version=gt.1", SG_INVALID, "'limit'");
    assert_int_equal(fault.problem, PROBLEM_BAD_REQUEST);
    assert_refused(&page_rules, "/v1/state/orders?cursor=x", SG_INVALID, "'cursor'");
    assert_int_equal(fault.problem, PROBLEM_CURSOR_MISMATCH);
}

static void a_count_may_be_preferred(void **state)
{
    static const struct {
        const char *lines[2];
        bool counts;
    } rows[] = {
        {{"count=exact"}, true},
        {{"wait=2, count=exact"}, true},
        {{"wait=2", "Count=\"exact\"; x=y"}, true},
        {{"count=planned, count=exact"}, false}, /* of several the first counts */
        {{"count=planned", "count=exact"}, false},
        {{"count"}, false},
        {{"count=exact;;=", "wait=1"}, false},
        {{"count=exactly"}, false},
        {{"count=eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeexact"}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        head.fields.prefer.count = 0;
        for (size_t k = 0; k < 2 && rows[i].lines[k] != NULL; k++)
            add_line(&head.fields.prefer, rows[i].lines[k]);
        assert_made(&page_rules, "/v1/state/orders");
        if ((plan.query != NULL && plan.query->count) != rows[i].counts)
            fail_msg("Prefer: %s", rows[i].lines[0]);
    }
    assert_made(&page_rules, "/v1/state/orders");
    assert_null(plan.query);
}

static void a_cursor_of_rejected_events_is_a_number(void **state)
{
    static const char *const bad[] = {"12a", "-1", "1234567890123456789"};
    char cursor[CURSOR_TEXT_BYTES];
    char path[CURSOR_TEXT_BYTES + 64];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)cursor_encode(CURSOR_REJECTED, slice_of(bad[i]), cursor);
        (void)snprintf(path, sizeof path, "/v1/rejected?cursor=%s", cursor);
        assert_refused(&rejected_rules, path, SG_INVALID, "'cursor'");
    }
}

/* Each target has the fault that is named, and all that come after it. */
static void what_is_wrong_is_said_in_one_order(void **state)
{
    static const struct {
        const char *path;
        enum sg_status status;
        const char *why;
    } rows[] = {
        {"/v1/state/%2e?unknown=1&min_version=0&limit=0&min_position=NONE:1", SG_INVALID, "the collection is '.'"},
        {"/v1/state/a?unknown=1&min_version=0&limit=0&min_position=NONE:1", SG_INVALID, "'unknown' is not known here"},
        {"/v1/state/a?min_version=0&limit=0&min_position=NONE:1", SG_INVALID, "'min_version' has no meaning here"},
        {"/v1/state/a?min_position=NONE&limit=0", SG_INVALID, "min_position: "},
        {"/v1/state/a?limit=0&min_position=NONE:1", SG_INVALID, "'limit'"},
        {"/v1/state/a?limit=1&cursor=x&min_position=NONE:1", SG_INVALID, "'cursor'"},
        {"/v1/state/a?limit=1&min_position=NONE:1", SG_INVALID, "'If-None-Match'"},
        {"/v1/state/a?limit=1&min_position=NONE:1", SG_NOT_FOUND, "the stream 'NONE' is not configured"},
    };
    const size_t last = sizeof rows / sizeof rows[0] - 1;
    (void)state;
    add_line(&head.fields.if_none_match, "malformed");
    for (size_t i = 0; i <= last; i++) {
        if (i == last)
            head.fields.if_none_match.count = 0;
        assert_refused(&page_rules, rows[i].path, rows[i].status, rows[i].why);
    }
}

static void demands_are_read_refused_or_ignored(void **state)
{
    struct plan_rules rules = {.demands = DEMANDS_REFUSED};
    (void)state;
    add_line(&head.fields.prefer, "wait=1");
    assert_made(&rules, "/v1/status");
    add_line(&head.fields.max_staleness, "0");
    assert_refused(&rules, "/v1/status", SG_INVALID, "the demand 'Max-Staleness' has no meaning here");
    rules.demands = DEMANDS_IGNORED;
    assert_made(&rules, "/livez");
    assert_false(demands_any(&plan.demands));
    rules.demands = DEMANDS_READ;
    assert_made(&rules, "/v1/state");
    assert_true(plan.demands.has_max_staleness);
}

static enum sg_status scan(const struct target *t, const struct settings *s, struct plan *out, struct sg_error *err)
{
    struct slice value;
    (void)s;
    if (target_param(t, "scan", &value) && !slice_equal(value, SLICE_LITERAL("all")))
        return sg_fail(err, SG_INVALID, "the parameter 'scan' is not 'all'");
    out->place = target_param(t, "scan", &value) ? PLAN_IN_JOB : PLAN_ON_LOOP;
    return SG_OK;
}

static void a_route_may_read_more_and_send_it_to_a_job(void **state)
{
    struct plan_rules rules = page_rules;
    (void)state;
    rules.more = scan;
    rules.params[2] = "scan";
    rules.params[3] = "min_position";
    rules.params[4] = NULL;
    assert_made(&rules, "/v1/state/orders");
    assert_int_equal(plan.place, PLAN_ON_LOOP);
    assert_made(&rules, "/v1/state/orders?scan=all");
    assert_int_equal(plan.place, PLAN_IN_JOB);
    assert_refused(&rules, "/v1/state/orders?scan=some&min_position=NONE:1", SG_INVALID, "'scan'");
    assert_refused(&rules, "/v1/state/orders?scan=some&min_position=KV:1", SG_INVALID, "'scan'"); /* nothing is owned */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_owner_is_known_from_the_path),
        TEST(what_is_not_given_has_its_default),
        TEST(everything_is_read_in_one_pass),
        TEST(a_cursor_is_where_the_page_before_ended),
        TEST(a_list_is_asked_by_the_fields_of_its_collection),
        TEST(a_count_may_be_preferred),
        TEST(a_cursor_of_rejected_events_is_a_number),
        TEST(what_is_wrong_is_said_in_one_order),
        TEST(demands_are_read_refused_or_ignored),
        TEST(a_route_may_read_more_and_send_it_to_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
