/* core/json/pointer: what is a pointer, and what it leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json/pointer.h"

static struct pointer *compiled(const char *text)
{
    struct pointer *pointer = NULL;
    struct sg_error err = {0};
    if (pointer_compile(slice_of(text), &pointer, &err) != SG_OK)
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(pointer->text, text);
    return pointer;
}

/* The example of RFC 6901, section 5, and what it leaves out. */
static const char document[] =
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,"
    "\"m~n\":8,\"deep\":{\"list\":[{\"x\":[1,2]}],\"0\":9,\"\":{\"\":10}},\"nul\\u0000\":11}";

/* `expected` is the raw text of a number, "s:..." a string, "{" an object, "[" an array; NULL = nothing is there. */
static void leads_to(const char *text, const char *expected)
{
    yyjson_doc *doc = yyjson_read(document, strlen(document), YYJSON_READ_NUMBER_AS_RAW);
    struct pointer *pointer = compiled(text);
    yyjson_val *value = pointer_get(pointer, yyjson_doc_get_root(doc));
    char found[64] = "";
    if (value != NULL && yyjson_is_ctn(value))
        (void)strcpy(found, yyjson_is_obj(value) ? "{" : "[");
    else if (value != NULL)
        (void)snprintf(found, sizeof found, "%s%s", yyjson_is_str(value) ? "s:" : "", unsafe_yyjson_get_raw(value));
    if ((value == NULL) != (expected == NULL) || (expected != NULL && strcmp(found, expected) != 0))
        fail_msg("%s leads to %s", text, value == NULL ? "nothing" : found);
    assert_ptr_equal(value, yyjson_ptr_get(yyjson_doc_get_root(doc), text)); /* the library's own says the same */
    free(pointer);
    yyjson_doc_free(doc);
}

static void a_pointer_leads_where_the_rfc_says(void **state)
{
    (void)state;
    leads_to("", "{");
    leads_to("/foo", "[");
    leads_to("/foo/0", "s:bar");
    leads_to("/foo/1", "s:baz");
    leads_to("/", "0");
    leads_to("/a~1b", "1");
    leads_to("/c%d", "2");
    leads_to("/e^f", "3");
    leads_to("/g|h", "4");
    leads_to("/i\\j", "5");
    leads_to("/k\"l", "6");
    leads_to("/ ", "7");
    leads_to("/m~0n", "8");
    leads_to("/deep/list/0/x/1", "2");
    leads_to("/deep/0", "9");
    leads_to("/deep//", "10");
}

static void what_is_not_there_is_nothing(void **state)
{
    (void)state;
    static const char *const nowhere[] = {
        "/bar",   "/foo/2",   "/foo/-",   "/foo/00",     "/foo/01",         "/foo/+1", "/foo/1e0", "/foo/", "/foo/x",
        "/foo/0/0", "/a", "/a~1b/0", "/m~01n", "/deep/list/0/x/2", "/nul", "/foo/18446744073709551616",
        "/foo/99999999999999999999999999", "//", "/foo/ 0"};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
        leads_to(nowhere[i], NULL);
}

/* A document may be a value by itself. */
static void the_empty_pointer_is_the_whole(void **state)
{
    (void)state;
    yyjson_doc *doc = yyjson_read("7", 1, YYJSON_READ_NUMBER_AS_RAW);
    struct pointer *whole = compiled("");
    struct pointer *member = compiled("/0");
    assert_ptr_equal(pointer_get(whole, yyjson_doc_get_root(doc)), yyjson_doc_get_root(doc));
    assert_null(pointer_get(member, yyjson_doc_get_root(doc)));
    free(whole);
    free(member);
    yyjson_doc_free(doc);
}

static void what_is_no_pointer_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"a", "~", "/~", "/a~2", "/~a", "/a/b~", " /a", "/~1~"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pointer *pointer = NULL;
        struct sg_error err = {0};
        assert_int_equal(pointer_compile(slice_of(bad[i]), &pointer, &err), SG_INVALID);
        assert_string_equal(err.message, pointer_fault(slice_of(bad[i])));
        assert_null(pointer);
    }
}

static void expect_related(const char *text, const char *other, bool within, bool moved)
{
    struct pointer *pointer = compiled(text);
    struct pointer *outer = compiled(other);
    if (pointer_is_within(pointer, outer) != within || pointer_is_moved(pointer, outer) != moved)
        fail_msg("%s beside %s: within %d, moved %d", text, other, !within, !moved);
    free(pointer);
    free(outer);
}

static void a_removed_element_moves_those_after_it(void **state)
{
    (void)state;
    expect_related("/a", "/b", false, false);
    expect_related("/a/b", "/a", true, false);
    expect_related("/a", "/a/b", false, false);
    expect_related("/a", "", true, false);
    expect_related("/ab", "/a", false, false);
    expect_related("/a~1b", "/a", false, false);
    expect_related("/list/3", "/list/1", false, true);
    expect_related("/list/3/x", "/list/1", false, true);
    expect_related("/list", "/list/1", false, true); /* of a field with many values: its elements */
    expect_related("/list/3", "/list/1/x", false, false);
    expect_related("/list/x", "/list/1", false, false);
    expect_related("/other/3", "/list/1", false, false);
    expect_related("", "/1", false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pointer_leads_where_the_rfc_says),
        cmocka_unit_test(what_is_not_there_is_nothing),
        cmocka_unit_test(the_empty_pointer_is_the_whole),
        cmocka_unit_test(what_is_no_pointer_is_refused),
        cmocka_unit_test(a_removed_element_moves_those_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
