/* core/subject: templates, the filters that they give, and matching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/domain/subject.h"

static struct subject_template parsed(const char *text)
{
    struct subject_template t;
    struct sg_error err = {0};
    if (subject_template_parse(text, &t, &err) != SG_OK)
        fail_msg("%s: %s", text, err.message);
    return t;
}

static void assert_refused(const char *text, const char *part_of_message)
{
    struct subject_template t;
    struct sg_error err = {0};
    assert_int_equal(subject_template_parse(text, &t, &err), SG_INVALID);
    assert_non_null(strstr(err.message, part_of_message));
}

/* `expected` is "collection id", with - for an empty one, or NULL for no match. */
static void assert_match(const char *template, const char *subject, const char *expected)
{
    struct subject_template t = parsed(template);
    struct slice collection;
    struct slice id;
    char actual[256];
    bool matched = subject_template_match(&t, slice_of(subject), &collection, &id);
    if (expected == NULL) {
        assert_false(matched);
        return;
    }
    assert_true(matched);
    (void)snprintf(actual, sizeof actual, "%.*s %.*s", SLICE_ARGS(collection.bytes > 0 ? collection : slice_of("-")),
                   SLICE_ARGS(id.bytes > 0 ? id : slice_of("-")));
    assert_string_equal(actual, expected);
}

static void a_template_gives_the_consumers_filter(void **state)
{
    (void)state;
    assert_string_equal(parsed("state.{collection}.{id}").filter, "state.*.>");
    assert_string_equal(parsed("{id}.x.{collection}").filter, "*.x.*");
    assert_string_equal(parsed("$KV.settings.{id}").filter, "$KV.settings.>");
    assert_string_equal(parsed("a.*.{collection}.>").filter, "a.*.*.>");
    assert_string_equal(parsed("{id}").filter, ">");
    assert_string_equal(parsed("{collection}").filter, "*");
    assert_string_equal(parsed("plain").filter, "plain");
    assert_true(parsed("state.{collection}.{id}").has_id);
    assert_true(parsed("state.{collection}.{id}").has_collection);
    assert_false(parsed("state.>").has_id);
    assert_false(parsed("state.>").has_collection);
}

static void a_template_that_is_none_is_refused_by_name(void **state)
{
    (void)state;
    assert_refused("", "empty");
    assert_refused(".a", "empty token");
    assert_refused("a.", "empty token");
    assert_refused("a..b", "empty token");
    assert_refused("a b", "white space");
    assert_refused("a.\t", "white space");
    assert_refused("a.\x7f", "control");
    assert_refused("{id}.{id}", "twice");
    assert_refused("{collection}.{collection}", "twice");
    assert_refused("a.>.b", "'>'");
    assert_refused("a.{x}", "braces");
    assert_refused("a.x{id}", "braces");
    assert_refused("a.{id", "braces");
    assert_refused("a.b*", "within a token");
    assert_refused("a.b>", "within a token");
}

static void limits_of_a_template_hold_at_and_beyond(void **state)
{
    (void)state;
    char text[SUBJECT_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    text[SUBJECT_BYTES_MAX] = '\0';
    assert_int_equal(strlen(parsed(text).filter), SUBJECT_BYTES_MAX);
    text[SUBJECT_BYTES_MAX] = 'x';
    text[SUBJECT_BYTES_MAX + 1] = '\0';
    assert_refused(text, "longer than");

    text[0] = '\0';
    for (int i = 0; i < SUBJECT_TOKENS_MAX; i++)
        strcat(text, i == 0 ? "t" : ".t");
    assert_int_equal(parsed(text).tokens_count, SUBJECT_TOKENS_MAX);
    strcat(text, ".t");
    assert_refused(text, "tokens");
}

static void an_id_at_the_end_takes_all_that_remains(void **state)
{
    (void)state;
    assert_match("state.{collection}.{id}", "state.orders.1", "orders 1");
    assert_match("state.{collection}.{id}", "state.orders.a.b.c", "orders a.b.c");
    assert_match("state.{collection}.{id}", "state.orders", NULL);
    assert_match("state.{collection}.{id}", "state.orders.", NULL);
    assert_match("state.{collection}.{id}", "states.orders.1", NULL);
    assert_match("{id}", "a", "- a");
    assert_match("{id}", "a.b", "- a.b");
}

static void an_id_in_the_middle_takes_one_token(void **state)
{
    (void)state;
    assert_match("{id}.x.{collection}", "7.x.orders", "orders 7");
    assert_match("{id}.x.{collection}", "7.8.x.orders", NULL);
    assert_match("{id}.x.{collection}", "7.x.orders.more", NULL);
    assert_match("s.{id}.>", "s.7.x", "- 7");
    assert_match("s.{id}.>", "s.7.x.y", "- 7");
    assert_match("s.{id}.>", "s.7", NULL);
}

static void tokens_without_meaning_are_skipped(void **state)
{
    (void)state;
    assert_match("a.*.{id}", "a.b.c.d", "- c.d");
    assert_match("a.*.{id}", "a.b", NULL);
    assert_match("a.>", "a.b.c", "- -");
    assert_match("a.>", "a", NULL);
    assert_match("a.b", "a.b", "- -");
    assert_match("a.b", "a.b.c", NULL);
    assert_match("a.b", "a", NULL);
    assert_match("a.b", "A.b", NULL);
}

static void a_subject_with_an_empty_token_never_matches(void **state)
{
    (void)state;
    static const char *const subjects[] = {"", ".", "state", "state.", "state..1", ".orders.1", "state.orders..",
                                           "state.orders.1.", "state.orders..1", "state.orders.a..b"};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        assert_match("state.{collection}.{id}", subjects[i], NULL);
    assert_match("a.>", "a.b..c", NULL);
    assert_match("a.>", "a.b.", NULL);
}

static void slices_of_a_match_point_into_the_subject(void **state)
{
    (void)state;
    struct subject_template t = parsed("state.{collection}.{id}");
    struct slice collection;
    struct slice id;
    const char *subject = "state.orders.17";
    assert_true(subject_template_match(&t, slice_of(subject), &collection, &id));
    assert_ptr_equal(collection.data, subject + 6);
    assert_ptr_equal(id.data, subject + 13);
}

static void subjects_overlap_where_one_subject_matches_both(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool overlap;
    } cases[] = {
        {"state.>", "state.*.>", true},         {"state.*.>", "state.orders.1", true},
        {"state.orders.*", "state.*.1", true},  {"*.orders.>", "state.>", true},
        {">", "$KV.a.>", true},                 {"state", "state", true},
        {"state.>", "state", false},            {"state.*", "state.a.b", false},
        {"state.*.>", "state.orders", false},   {"state.orders.*", "state.clients.*", false},
        {"$KV.a.>", "$KV.b.>", false},          {"state.a.b", "state.a", false},
        {"statement.>", "state.>", false},      {"state.*.x", "state.*.y", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(subjects_overlap(slice_of(cases[i].a), slice_of(cases[i].b)), cases[i].overlap);
        assert_int_equal(subjects_overlap(slice_of(cases[i].b), slice_of(cases[i].a)), cases[i].overlap);
    }
}

static void a_filter_covers_what_all_its_subjects_match(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        const char *subjects;
        bool covers;
        const char *rest; /* NULL = that cannot be said */
    } cases[] = {
        {"$KV.b.>", "$KV.b.>", true, NULL},      {"state.*.>", "state.>", false, "state.*"},
        {"state.*.>", "state.*.>", true, NULL},  {"state.*.>", "state.a.>", true, NULL},
        {"state.>", "state.*", true, NULL},      {"state.*", "state.>", false, NULL},
        {"a.b.*.>", "a.b.>", false, "a.b.*"},    {"a.b.>", "a.>", false, NULL},
        {"state.*.*.>", "state.>", false, NULL}, {"stato.*.>", "state.>", false, NULL},
        {"*.*.>", "*.>", false, "*.*"},          {"*.>", ">", false, NULL},
        {"state.a", "state.a", true, NULL},      {"state.a", "state.*", false, NULL},
        {"state.*.>", "state.*", false, NULL},   {">", "a.b", true, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char rest[16] = "";
        struct slice filter = slice_of(cases[i].filter);
        struct slice subjects = slice_of(cases[i].subjects);
        assert_int_equal(subject_filter_covers(filter, subjects), cases[i].covers);
        assert_int_equal(subject_filter_rest(filter, subjects, rest, sizeof rest), cases[i].rest != NULL);
        assert_string_equal(rest, cases[i].rest != NULL ? cases[i].rest : "");
    }
    char exact[8];
    assert_true(subject_filter_rest(SLICE_LITERAL("state.*.>"), SLICE_LITERAL("state.>"), exact, 8));
    assert_false(subject_filter_rest(SLICE_LITERAL("state.*.>"), SLICE_LITERAL("state.>"), exact, 7));
}

static void a_template_is_exact_where_an_id_has_one_subject(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool exact;
    } cases[] = {{"state.{collection}.{id}", true}, {"state.{id}", true},    {"state.{collection}", false},
                 {"state.*.{id}", false},           {"state.{id}.>", false}, {"$KV.b.{id}", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct subject_template t;
        struct sg_error err;
        assert_int_equal(subject_template_parse(cases[i].text, &t, &err), SG_OK);
        assert_int_equal(subject_template_is_exact(&t), cases[i].exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_gives_the_consumers_filter),
        cmocka_unit_test(a_template_that_is_none_is_refused_by_name),
        cmocka_unit_test(limits_of_a_template_hold_at_and_beyond),
        cmocka_unit_test(an_id_at_the_end_takes_all_that_remains),
        cmocka_unit_test(an_id_in_the_middle_takes_one_token),
        cmocka_unit_test(tokens_without_meaning_are_skipped),
        cmocka_unit_test(a_subject_with_an_empty_token_never_matches),
        cmocka_unit_test(slices_of_a_match_point_into_the_subject),
        cmocka_unit_test(a_filter_covers_what_all_its_subjects_match),
        cmocka_unit_test(a_template_is_exact_where_an_id_has_one_subject),
        cmocka_unit_test(subjects_overlap_where_one_subject_matches_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
