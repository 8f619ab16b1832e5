/* api/request/query, cursors: a page goes on where the one before ended, wherever it is read, or is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query_fixture.h"

static const struct list_query *asked(struct query_fixture *f, const char *text)
{
    if (query_ask(f, text) != SG_OK)
        fail_msg("%s: %s", text, f->err.message);
    assert_non_null(f->query);
    return f->query;
}

/* With the cursor in the place of %s. */
static enum sg_status ask_with(struct query_fixture *f, const char *format, const char *cursor)
{
    static char text[CURSOR_LIST_TEXT_BYTES + 4096];
    const char *at = strstr(format, "%s");
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format, cursor, at + 2);
    return query_ask(f, text);
}

static void continues(struct query_fixture *f, const char *format, const char *cursor)
{
    if (ask_with(f, format, cursor) != SG_OK)
        fail_msg("%s: %s", format, f->err.message);
    assert_true(f->query->continued);
    assert_string_equal(f->query->epoch.text, "k3fq1z");
    assert_int_equal(f->query->first.sequence, 42);
    assert_string_equal(f->query->first.rows.text, "r0a1b2c3d");
    assert_string_equal(f->query->first.settled, "s7");
}

static void mismatches(struct query_fixture *f, const char *format, const char *cursor, const char *why)
{
    if (ask_with(f, format, cursor) != SG_INVALID || f->fault.problem != PROBLEM_CURSOR_MISMATCH ||
        strstr(f->err.message, why) == NULL)
        fail_msg("%s: problem %d, %s", format, (int)f->fault.problem, f->err.message);
    assert_null(f->query);
    assert_int_equal(f->fault.members.bytes, 0);
}

static struct field_value text_value(const char *text)
{
    return (struct field_value){.state = FIELD_SET, .text = slice_of(text)};
}

static struct field_value integer_value(int64_t integer)
{
    return (struct field_value){.state = FIELD_SET, .integer = integer};
}

static struct field_value number_value(double number)
{
    return (struct field_value){.state = FIELD_SET, .number = number};
}

/* ---- it goes on ---- */

static void a_cursor_alone_is_enough(void **state)
{
    struct query_fixture *f = *state;
    const struct field_value keys[] = {text_value("open"), {.state = FIELD_NULL}};
    (void)asked(f, "order=status,placed.desc&status=gt.a&or=(note.eq.%22x,y%22,total.gt.1)");
    assert_int_equal(f->query->access.keys_count, 2);
    char *cursor = query_fixture_cursor(f, keys, "c-7");
    continues(f, "cursor=%s", cursor);
    const struct list_query *q = f->query;
    static const char filter[] = "or(note.eq.\"x,y\",total.gt.1),status.gt.a";
    assert_int_equal(q->filter_bytes, sizeof filter - 1);
    assert_memory_equal(q->filter, filter, sizeof filter - 1);
    assert_int_equal(q->order_bytes, 18);
    assert_memory_equal(q->order, "status,placed.desc", 18);
    assert_int_equal(q->query.nodes_count, 4);
    assert_int_equal(q->query.order_count, 2);
    assert_true(q->query.ordered);
    assert_int_equal(q->access.index, 0);
    assert_int_equal(q->access.keys_count, 2);
    assert_true(slice_equal(q->query.after_id, SLICE_LITERAL("c-7")));
    assert_int_equal(q->query.after[0].state, FIELD_SET);
    assert_true(slice_equal(q->query.after[0].text, SLICE_LITERAL("open")));
    assert_int_equal(q->query.after[1].state, FIELD_NULL);
    free(cursor);
}

static void what_is_repeated_may_be_in_any_order(void **state)
{
    struct query_fixture *f = *state;
    const struct field_value keys[] = {number_value(2)};
    (void)asked(f, "total=gt.1&status=eq.a&note=in.(b,a)&order=total");
    char *cursor = query_fixture_cursor(f, keys, "c");
    continues(f, "cursor=%s&order=total,id&note=in.(a,b)&total=gt.1.0&status=eq.%22a%22", cursor);
    continues(f, "limit=2&cursor=%s&order=total.asc", cursor);
    continues(f, "cursor=%s&note=in.(a,b,a)&total=gt.1e0&status=eq.a", cursor);
    continues(f, "cursor=%s&select=id,total&count=exact", cursor);
    assert_int_equal(f->query->select_count, 2);
    assert_true(f->query->count);
    assert_int_equal(f->query->query.nodes_count, 3);
    free(cursor);
}

static void pages_by_id_have_cursors_too(void **state)
{
    struct query_fixture *f = *state;
    assert_int_equal(query_ask(f, ""), SG_OK);
    assert_null(f->query);
    char *cursor = query_fixture_cursor(f, NULL, "c/\xC3\xBC");
    continues(f, "cursor=%s", cursor);
    assert_true(slice_equal(f->query->query.after_id, SLICE_LITERAL("c/\xC3\xBC")));
    assert_int_equal(f->query->access.index, QUERY_BY_ID);
    assert_int_equal(f->query->filter_bytes + f->query->order_bytes, 0);
    assert_int_not_equal(query_tag(f->query, 10), query_tag(NULL, 10));
    mismatches(f, "cursor=%s&total=gt.1", cursor, "belongs to another filter");
    mismatches(f, "cursor=%s&order=id", cursor, "belongs to another order");
    free(cursor);
    (void)asked(f, "order=id");
    cursor = query_fixture_cursor(f, NULL, "c");
    continues(f, "cursor=%s", cursor);
    continues(f, "cursor=%s&order=id.asc", cursor);
    assert_true(f->query->query.ordered);
    free(cursor);
}

/* Each type, at its ends, comes back as the same value. */
static void keys_are_exact(void **state)
{
    static const double numbers[] = {0.1, 1.0 / 3, 5e-324, -1.7976931348623157e308, 9007199254740993.0, 0, 1e22};
    static const int64_t integers[] = {INT64_MIN, INT64_MAX, 0, -1, 9007199254740993};
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct field_value keys[] = {number_value(numbers[i])};
        (void)asked(f, "order=total");
        char *cursor = query_fixture_cursor(f, keys, "c");
        continues(f, "cursor=%s", cursor);
        assert_memory_equal(&f->query->query.after[0].number, &numbers[i], sizeof numbers[i]);
        free(cursor);
    }
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        const struct field_value keys[] = {integer_value(integers[i]), {.state = FIELD_NULL}};
        (void)asked(f, "order=items.desc.nullsfirst,total");
        char *cursor = query_fixture_cursor(f, keys, "c");
        continues(f, "cursor=%s", cursor);
        assert_true(f->query->query.after[0].integer == integers[i]);
        assert_int_equal(f->query->query.after[1].state, FIELD_NULL);
        free(cursor);
        int64_t ns = integers[i] == INT64_MIN ? INT64_C(-9223372036000000000) : integers[i]; /* the first that is read */
        const struct field_value placed[] = {integer_value(ns)};
        (void)asked(f, "status=eq.a");
        cursor = query_fixture_cursor(f, placed, "c");
        continues(f, "cursor=%s", cursor);
        assert_true(f->query->query.after[0].integer == ns);
        free(cursor);
    }
    const struct field_value booleans[] = {integer_value(1), text_value(""), number_value(1)};
    (void)asked(f, "order=paid,status,total");
    char *cursor = query_fixture_cursor(f, booleans, "c");
    continues(f, "cursor=%s", cursor);
    assert_int_equal(f->query->query.after[0].integer, 1);
    assert_int_equal(f->query->query.after[1].state, FIELD_SET);
    assert_int_equal(f->query->query.after[1].text.bytes, 0);
    free(cursor);
    const struct field_value odd[] = {{.state = FIELD_SET, .text = SLICE_LITERAL("a\0\xC3\xBC\n")}, {.state = FIELD_NULL}};
    (void)asked(f, "order=status,placed.desc");
    cursor = query_fixture_cursor(f, odd, "c");
    continues(f, "cursor=%s", cursor);
    assert_true(slice_equal(f->query->query.after[0].text, odd[0].text));
    free(cursor);
    const struct field_value elements[] = {text_value("a")};
    (void)asked(f, "tag=in.(a,b)");
    cursor = query_fixture_cursor(f, elements, "c");
    continues(f, "cursor=%s", cursor);
    assert_true(slice_equal(f->query->query.after[0].text, SLICE_LITERAL("a")));
    free(cursor);
}

/* ---- it does not ---- */

static void another_list_is_a_mismatch(void **state)
{
    struct query_fixture *f = *state;
    const struct field_value keys[] = {number_value(2)};
    (void)asked(f, "total=gt.1&order=total");
    char *cursor = query_fixture_cursor(f, keys, "c");
    mismatches(f, "cursor=%s&total=gt.2", cursor, "belongs to another filter");
    mismatches(f, "cursor=%s&total=gt.1&status=eq.a", cursor, "belongs to another filter");
    mismatches(f, "cursor=%s&order=total&total=gte.1", cursor, "belongs to another filter");
    mismatches(f, "cursor=%s&order=total.desc", cursor, "belongs to another order");
    mismatches(f, "cursor=%s&order=id", cursor, "belongs to another order");
    f->collection = SLICE_LITERAL("bills");
    mismatches(f, "cursor=%s", cursor, "belongs to another collection");
    free(cursor);
    f->collection = SLICE_LITERAL("orders");
    (void)asked(f, "total=gt.1"); /* the same order, but not asked for */
    cursor = query_fixture_cursor(f, keys, "c");
    mismatches(f, "cursor=%s&order=total", cursor, "belongs to another order");
    free(cursor);
}

static void what_cannot_be_read_is_a_mismatch(void **state)
{
    static const char *const bad[] = {"", "x", "nonsense", "AUFELTAz", "AzQy", "Aw"};
    struct query_fixture *f = *state;
    const struct field_value keys[] = {number_value(2)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        mismatches(f, "cursor=%s", bad[i], "is not one that this list gave");
    (void)asked(f, "total=gt.1&order=total");
    char *cursor = query_fixture_cursor(f, keys, "c-1");
    size_t bytes = strlen(cursor);
    for (size_t cut = 0; cut < bytes; cut++) {
        char *shorter = strndup(cursor, cut);
        assert_int_equal(ask_with(f, "cursor=%s", shorter), SG_INVALID);
        assert_int_equal(f->fault.problem, PROBLEM_CURSOR_MISMATCH);
        free(shorter);
    }
    char *longer = malloc(bytes + 5);
    assert_non_null(longer);
    (void)snprintf(longer, bytes + 5, "%sAAAA", cursor);
    mismatches(f, "cursor=%s", longer, "is not one that this list gave");
    free(longer);
    mismatches(f, "cursor=%s=", cursor, "is not one that this list gave");
    free(cursor);
}

/* One list, one cursor: a length is spelled in one way, and what means nothing is not there. */
static void another_spelling_is_no_cursor(void **state)
{
    static const struct {
        const char *payload;
        size_t bytes;
        bool good;
    } rows[] = {
#define PAYLOAD(text) text, sizeof text - 1
        {PAYLOAD("\6orders\6k3fq1z\0\0\0\1""7\0\0\1c"), true},
        {PAYLOAD("\x80\6orders\6k3fq1z\0\0\0\1""7\0\0\1c"), false},
        {PAYLOAD("\6orders\6k3fq1z\0\0\0\2""07\0\0\1c"), false},
        {PAYLOAD("\6orders\6K3FQ1Z\0\0\0\1""7\0\0\1c"), false},
        {PAYLOAD("\6orders\6k3fq1z\0\0\0\1""7\0\0\1\xFF"), false},
        {PAYLOAD("\6orders\6k3fq1z\0\0\0\1""7\0\0\0"), false},
        {PAYLOAD("\6orders\6k3fq1z\0\0\0\1""7\0\0\1c\2\1""1"), false},
        {PAYLOAD("\6orders\6k3fq1z\0\0\0\1""7\0\0\1c\0\0\0\0\0"), false},
        {PAYLOAD("\0\6k3fq1z\0\0\0\1""7\0\0\1c"), false},
#undef PAYLOAD
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[CURSOR_TEXT_BYTES];
        char room[CURSOR_TEXT_BYTES];
        struct cursor_list cursor;
        size_t bytes = cursor_encode(CURSOR_LIST, (struct slice){rows[i].payload, rows[i].bytes}, text);
        if (cursor_list_read((struct slice){text, bytes}, room, &cursor) != rows[i].good)
            fail_msg("payload %zu", i);
    }
}

/* A forged one, of parts that no list has together. */
static void parts_that_do_not_fit_are_a_mismatch(void **state)
{
    struct query_fixture *f = *state;
    struct cursor_list forged = {.collection = f->collection, .epoch = {"k3fq1z"}, .fields = f->hash,
                                 .id = SLICE_LITERAL("c")};
    const struct {
        const char *filter, *order;
        size_t keys_count;
        const char *key;
    } rows[] = {
        {"total.gt.1", "", 0, NULL},          {"total.gt.1", "", 2, "1"}, {"total.gt.1", "", 1, "one"},
        {"total.gt.one", "", 1, "1"},         {"nope.gt.1", "", 1, "1"},  {"total.gt.1", "tag", 1, "1"},
        {"total.gt.1.0,status.eq.a", "", 1, "1"}, {"total.gt.1,", "", 1, "1"}, {"total.gt.1", "total,id", 1, "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer text;
        forged.filter = slice_of(rows[i].filter);
        forged.order = slice_of(rows[i].order);
        forged.keys_count = rows[i].keys_count;
        for (size_t k = 0; k < rows[i].keys_count; k++)
            forged.keys[k].text = slice_of(rows[i].key);
        buffer_init(&text, CURSOR_LIST_TEXT_BYTES + 1);
        cursor_list_append(&forged, &text);
        buffer_append(&text, "", 1);
        assert_false(text.failed);
        mismatches(f, "cursor=%s", text.data, "cursor");
        buffer_free(&text);
    }
}

static void other_fields_make_it_expired(void **state)
{
    struct query_fixture *f = *state;
    const struct field_value keys[] = {text_value("a"), integer_value(1)};
    (void)asked(f, "note=eq.%22a%26b%22&or=(total.gt.1,not.and(total.lt.0,items.eq.1))&order=status,placed.desc");
    char *cursor = query_fixture_cursor(f, keys, "c");
    (void)strcpy(f->hash.text, "fffffffff");
    assert_int_equal(ask_with(f, "cursor=%s&select=total&count=exact", cursor), SG_INVALID);
    assert_int_equal(f->fault.problem, PROBLEM_CURSOR_EXPIRED);
    assert_null(f->query);
    static const char restart[] =
        ",\"restart\":\"?limit=100&note=eq.%22a%26b%22&or=%28not.and%28items.eq.1%2Ctotal.lt.0%29%2Ctotal.gt.1%29"
        "&order=status%2Cplaced.desc&select=total&count=exact\"";
    assert_int_equal(f->fault.members.bytes, sizeof restart - 1);
    assert_memory_equal(f->fault.members.data, restart, sizeof restart - 1);
    free(cursor);
}

/* ---- how long it may be ---- */

static void the_longest_cursor_is_as_long_as_is_said(void **state)
{
    struct query_fixture *f = *state;
    struct field_set longest = {0};
    char name[FIELDS_NAME_BYTES_MAX + 1];
    char index[CURSOR_ORDER_BYTES_MAX + 1] = "";
    static char text[8192];
    char value[FIELDS_TEXT_BYTES_MAX + 1];
    static const struct epoch epoch = {"k3fq1zabcdef"};
    for (size_t i = 0; i < QUERY_ORDER_MAX; i++) {
        (void)snprintf(name, sizeof name, "f%0*zu", FIELDS_NAME_BYTES_MAX - 1, i);
        assert_int_equal(fields_add(&longest, slice_of(name), SLICE_LITERAL("/x"), FIELD_STRING, &f->err), SG_OK);
        (void)strcat(strcat(strcat(index, i > 0 ? "," : ""), name), ".desc.nullsfirst");
    }
    assert_int_equal(fields_add_index(&longest, slice_of(index), &f->err), SG_OK);
    assert_int_equal(fields_add(&longest, SLICE_LITERAL("a"), SLICE_LITERAL("/a"), FIELD_STRING, &f->err), SG_OK);
    assert_int_equal(fields_add(&longest, SLICE_LITERAL("b"), SLICE_LITERAL("/b"), FIELD_STRING, &f->err), SG_OK);
    fields_free(&f->fields);
    f->fields = longest;
    char collection[EVENT_COLLECTION_BYTES_MAX + 1];
    memset(collection, 'c', sizeof collection);
    f->collection = (struct slice){collection, EVENT_COLLECTION_BYTES_MAX};
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    int rest = FILTER_BYTES_MAX - FIELDS_TEXT_BYTES_MAX - (int)strlen("a.gt.,b.gt.");
    (void)snprintf(text, sizeof text, "a=gt.%s&b=gt.%.*s&order=%s", value, rest, value, index);
    const struct list_query *q = asked(f, text);
    assert_int_equal(q->filter_bytes, FILTER_BYTES_MAX);
    assert_int_equal(q->order_bytes, strlen(index));
    struct field_value keys[QUERY_ORDER_MAX];
    for (size_t i = 0; i < QUERY_ORDER_MAX; i++)
        keys[i] = text_value(value);
    struct query_end end = query_fixture_end(f, keys, value, &epoch);
    end.first = (struct cursor_bookmark){UINT64_MAX, {"r0a1b2c3d"}, "abcdefghijklmnop"};
    struct buffer cursor;
    buffer_init(&cursor, CURSOR_LIST_TEXT_BYTES);
    query_append_cursor(q, &end, &cursor);
    assert_false(cursor.failed);
    /* A comma more than there are between the keys, the end's NUL of the constant, and rounding. */
    assert_in_range(cursor.bytes, CURSOR_LIST_TEXT_BYTES - 12, CURSOR_LIST_TEXT_BYTES);
    (void)snprintf(text, sizeof text, "cursor=%.*s", (int)cursor.bytes, cursor.data);
    q = asked(f, text);
    assert_int_equal(q->first.sequence, UINT64_MAX);
    for (size_t i = 0; i < QUERY_ORDER_MAX; i++)
        assert_int_equal(q->query.after[i].text.bytes, FIELDS_TEXT_BYTES_MAX);
    buffer_free(&cursor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, query_fixture_setup, query_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cursor_alone_is_enough),
        TEST(what_is_repeated_may_be_in_any_order),
        TEST(pages_by_id_have_cursors_too),
        TEST(keys_are_exact),
        TEST(another_list_is_a_mismatch),
        TEST(what_cannot_be_read_is_a_mismatch),
        TEST(another_spelling_is_no_cursor),
        TEST(parts_that_do_not_fit_are_a_mismatch),
        TEST(other_fields_make_it_expired),
        TEST(the_longest_cursor_is_as_long_as_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
