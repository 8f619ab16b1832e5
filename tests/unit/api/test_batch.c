/* Bodies of batches: what is read of them, and what is refused with a sentence that names it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/request/batch.h"

static struct batch *read_body(const char *body)
{
    struct batch *batch = NULL;
    struct sg_error err;
    if (batch_read(slice_of(body), &batch, &err) != SG_OK)
        fail_msg("%s: %s", body, err.message);
    return batch;
}

static void assert_slice(struct slice slice, const char *text)
{
    assert_int_equal(slice.bytes, strlen(text));
    assert_memory_equal(slice.data, text, slice.bytes);
}

static void ids_come_in_their_order_with_their_minimum_versions(void **state)
{
    (void)state;
    struct batch *batch = read_body("{\"ids\": [\"b\", {\"id\": \"a\", \"minVersion\": 7}, \"\\u00e9\\n\", \"b\"]}");
    static const char *const ids[] = {"b", "a", "\xc3\xa9\n", "b"};
    static const int64_t versions[] = {0, 7, 0, 0};
    assert_int_equal(batch->ids_count, 4);
    assert_true(batch->demands);
    assert_int_equal(batch->params.params_count, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_slice(batch->ids[i], ids[i]);
        assert_int_equal(batch->min_versions[i], versions[i]);
    }
    batch_free(batch);
}

static void an_id_that_is_there_twice_has_one_minimum_version(void **state)
{
    (void)state;
    struct batch *batch =
        read_body("{\"ids\":[\"a\",{\"id\":\"b\"},{\"id\":\"a\",\"minVersion\":9},{\"minVersion\":9,\"id\":\"a\"}]}");
    static const int64_t versions[] = {9, 0, 9, 9};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(batch->min_versions[i], versions[i]);
    batch_free(batch);
}

static void select_and_filter_become_parameters(void **state)
{
    (void)state;
    struct batch *batch = read_body("{\"filter\":\"status=eq.a%20b&total=gte.1\",\"ids\":[\"a\"],"
                                    "\"select\":[\"id\",\"odd:/a,\\\"b\\\\c\"]}");
    const struct target *params = &batch->params;
    assert_false(batch->demands);
    assert_int_equal(params->params_count, 3);
    assert_slice(params->params[0].name, "status");
    assert_slice(params->params[0].value, "eq.a b");
    assert_slice(params->params[1].name, "total");
    assert_slice(params->params[2].name, "select");
    assert_slice(params->params[2].value, "id,odd:\"/a,\\\"b\\\\c\"");
    batch_free(batch);
}

static char *body_of_ids(size_t count)
{
    char *body = malloc(16 + count * 8);
    assert_non_null(body);
    size_t used = (size_t)sprintf(body, "{\"ids\":[");
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(body + used, "%s\"%zu\"", i > 0 ? "," : "", i);
    (void)sprintf(body + used, "]}");
    return body;
}

static void as_many_ids_as_a_page_has_and_no_more(void **state)
{
    (void)state;
    struct batch *batch = NULL;
    struct sg_error err;
    char *body = body_of_ids(QUERY_IDS_MAX);
    assert_int_equal(batch_read(slice_of(body), &batch, &err), SG_OK);
    assert_int_equal(batch->ids_count, QUERY_IDS_MAX);
    batch_free(batch);
    free(body);
    body = body_of_ids(QUERY_IDS_MAX + 1);
    assert_int_equal(batch_read(slice_of(body), &batch, &err), SG_INVALID);
    assert_string_equal(err.message, "'ids' has 1001 ids: at most 1000 may be asked for at once");
    assert_null(batch);
    free(body);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *body, *says;
    } cases[] = {
        {"", "the body is empty"},
        {"{\"ids\":[\"a\"]", "no JSON"},
        {"[]", "must be an object"},
        {"{}", "'ids' is missing"},
        {"{\"ids\":[\"a\"],\"limit\":1}", "'limit' is not known; there are ids, select and filter"},
        {"{\"ids\":[\"a\"],\"ids\":[\"b\"]}", "repeated"},
        {"{\"ids\":{}}", "'ids' must be an array"},
        {"{\"ids\":[]}", "at least one"},
        {"{\"ids\":[1]}", "strings and objects"},
        {"{\"ids\":[\"\"]}", "id"},
        {"{\"ids\":[\"..\"]}", "id"},
        {"{\"ids\":[{\"minVersion\":1}]}", "'id' that is a string is missing"},
        {"{\"ids\":[{\"id\":1}]}", "'id' that is a string is missing"},
        {"{\"ids\":[{\"id\":\"a\",\"version\":1}]}", "'version' is not known; there are id and minVersion"},
        {"{\"ids\":[{\"id\":\"a\",\"minVersion\":0}]}", "'minVersion' must be an integer of 1 or more"},
        {"{\"ids\":[{\"id\":\"a\",\"minVersion\":1.0}]}", "'minVersion' must be an integer"},
        {"{\"ids\":[{\"id\":\"a\",\"minVersion\":\"1\"}]}", "'minVersion' must be an integer"},
        {"{\"ids\":[{\"id\":\"a\",\"minVersion\":9223372036854775808}]}", "'minVersion' must be an integer"},
        {"{\"ids\":[{\"id\":\"a\",\"minVersion\":1},{\"id\":\"a\",\"minVersion\":2}]}",
         "the id 'a' has two minimum versions, 1 and 2"},
        {"{\"ids\":[\"a\"],\"select\":\"id\"}", "'select' must be an array"},
        {"{\"ids\":[\"a\"],\"select\":[]}", "at least one member"},
        {"{\"ids\":[\"a\"],\"select\":[\"id,total\"]}", "in 'select'"},
        {"{\"ids\":[\"a\"],\"select\":[1]}", "in 'select'"},
        {"{\"ids\":[\"a\"],\"filter\":[]}", "'filter' must be a string"},
        {"{\"ids\":[\"a\"],\"filter\":\"\"}", "'filter' must be a string"},
        {"{\"ids\":[\"a\"],\"filter\":\"%zz\"}", "'filter': "},
        {"{\"ids\":[[[[\"a\"]]]]}", "nested more than 4 deep"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct batch *batch = NULL;
        struct sg_error err = {0};
        assert_int_equal(batch_read(slice_of(cases[i].body), &batch, &err), SG_INVALID);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].body, err.message);
        assert_null(batch);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_come_in_their_order_with_their_minimum_versions),
        cmocka_unit_test(an_id_that_is_there_twice_has_one_minimum_version),
        cmocka_unit_test(select_and_filter_become_parameters),
        cmocka_unit_test(as_many_ids_as_a_page_has_and_no_more),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
