/* api/request/query: parameters become a query, and what is wrong with them is said with what there is. */
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

static void refused(struct query_fixture *f, const char *text, const char *why)
{
    if (query_ask(f, text) != SG_INVALID || strstr(f->err.message, why) == NULL)
        fail_msg("%.200s: %s", text, f->err.message);
    assert_null(f->query);
    assert_int_equal(f->fault.problem, PROBLEM_BAD_REQUEST);
    assert_int_equal(f->fault.members.bytes, 0);
}

static void assert_text(const char *data, size_t bytes, const char *expected, const char *of)
{
    if (bytes != strlen(expected) || memcmp(data, expected, bytes) != 0)
        fail_msg("%s is %.*s", of, (int)bytes, data);
}

/* ---- filters ---- */

static void a_filter_has_one_text(void **state)
{
    static const struct {
        const char *asked, *text;
    } rows[] = {
        {"status=eq.open", "status.eq.open"},
        {"status=eq.%22open%22", "status.eq.open"},
        {"status=eq.", "status.eq.\"\""},
        {"status=eq.a%20b", "status.eq.\"a b\""},
        {"status=eq.a+b", "status.eq.\"a b\""},
        {"status=eq.a,b)(", "status.eq.\"a,b)(\""},
        {"status=eq.%22a%5C%22%5C%5Cb%22", "status.eq.\"a\\\"\\\\b\""},
        {"status=eq.a%22b%5C", "status.eq.\"a\\\"b\\\\\""},
        {"status=eq.null", "status.eq.null"},
        {"status=eq.%C3%BC", "status.eq.\xC3\xBC"},
        {"status=not.eq.open&total=gt.1", "status.not.eq.open,total.gt.1"},
        {"total=gte.1.50&total=lt.9e0", "total.gte.1.5,total.lt.9"},
        {"total=eq.0.1", "total.eq.0.10000000000000001"},
        {"total=eq.-0", "total.eq.0"},
        {"total=eq.1e22", "total.eq.\"1e+22\""},
        {"items=eq.-9223372036854775808", "items.eq.-9223372036854775808"},
        {"paid=is.true", "paid.is.true"},
        {"paid=eq.false", "paid.eq.false"},
        {"paid=not.is.false&total=gt.1", "paid.not.is.false,total.gt.1"},
        {"status=is.null", "status.is.null"},
        {"status=is.not_null", "status.is.not_null"},
        {"placed=gt.2026-01-01T01:00:00+01:00&status=eq.a", "placed.gt.2026-01-01T00:00:00.000000000Z,status.eq.a"},
        {"placed=gt.2026-01-01T01:00:00%2B01:00&status=eq.a", "placed.gt.2026-01-01T00:00:00.000000000Z,status.eq.a"},
        {"status=in.(b,a,c,a)", "status.in.(a,b,c)"},
        {"status=in.(%22b,%22,a)", "status.in.(a,\"b,\")"},
        {"status=in.(%22%22)", "status.in.(\"\")"},
        {"status=in.(a,,b)", "status.in.(\"\",a,b)"},
        {"total=in.(10,9,1e1)", "total.in.(9,10)"},
        {"items=in.(10,9,-1)", "items.in.(-1,9,10)"},
        {"status=like.ab*", "status.like.ab*"},
        {"status=like.*", "status.like.\"*\""},
        {"status=like.a**", "status.like.\"a**\""},
        {"status=like.%22a,b*%22", "status.like.\"a,b*\""},
        {"status=isdistinct.a&total=eq.1", "status.isdistinct.a,total.eq.1"},
        {"tag=in.(b,a)", "tag.in.(a,b)"},
        {"code=eq.7", "code.eq.7"},
        {"total=eq.1&status=eq.b&status=eq.a", "status.eq.a,status.eq.b,total.eq.1"},
        {"or=(total.eq.1,status.eq.a)&total=gt.0", "or(status.eq.a,total.eq.1),total.gt.0"},
        {"not.or=(total.eq.1,status.eq.a)&total=gt.0", "not.or(status.eq.a,total.eq.1),total.gt.0"},
        {"not.and=(total.not.eq.1,status.in.(b,a))&total=gt.0", "not.and(status.in.(a,b),total.not.eq.1),total.gt.0"},
        {"and=(total.gt.1,or(status.eq.%22)%22,and(items.eq.1,paid.is.true),not.and(items.is.null)))",
         "and(or(and(items.eq.1,paid.is.true),not.and(items.is.null),status.eq.\")\"),total.gt.1)"},
        {"id=eq.c-1", "id.eq.c-1"},
        {"id=in.(b,a)&total=gt.1", "id.in.(a,b),total.gt.1"},
        {"version=gt.3&sequence=lte.9&occurred_at=is.null&total=eq.1",
         "occurred_at.is.null,sequence.lte.9,total.eq.1,version.gt.3"},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct list_query *q = asked(f, rows[i].asked);
        assert_text(q->filter, q->filter_bytes, rows[i].text, rows[i].asked);
    }
}

static void assert_same_nodes(const struct query *a, const struct query *b)
{
    assert_int_equal(a->nodes_count, b->nodes_count);
    for (size_t i = 0; i < a->nodes_count; i++) {
        const struct query_node *x = &a->nodes[i];
        const struct query_node *y = &b->nodes[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->negated, y->negated);
        assert_int_equal(x->end, y->end);
        assert_int_equal(x->field, y->field);
        assert_int_equal(x->operator, y->operator);
        assert_int_equal(x->values_count, y->values_count);
        for (size_t k = 0; k < x->values_count; k++)
            assert_int_equal(
                field_value_compare(query_field_type(a->fields, x->field), &x->values[k], &y->values[k]), 0);
    }
}

/* Whatever the order, nodes and all. */
static void the_order_of_terms_means_nothing(void **state)
{
    static const char *const same[] = {
        "total=gt.1&status=in.(b,a)&or=(items.eq.1,not.and(note.like.x*,paid.is.true),tag.eq.%22a,b%22)",
        "status=in.(a,b,a)&total=gt.1.0&or=(not.and(paid.is.true,note.like.%22x*%22),tag.eq.%22a,b%22,items.eq.1)",
        "or=(tag.eq.%22a,b%22,items.eq.1,not.and(note.like.x*,paid.is.true))&status=in.(%22b%22,a)&total=gt.1e0",
    };
    struct query_fixture *f = *state;
    struct list_query *first;
    (void)asked(f, same[0]);
    first = f->query;
    f->query = NULL;
    char *text = f->text;
    f->text = NULL;
    for (size_t i = 1; i < sizeof same / sizeof same[0]; i++) {
        const struct list_query *q = asked(f, same[i]);
        assert_int_equal(q->filter_bytes, first->filter_bytes);
        assert_memory_equal(q->filter, first->filter, q->filter_bytes);
        assert_same_nodes(&q->query, &first->query);
        assert_int_equal(query_tag(q, 10), query_tag(first, 10));
    }
    /* Read as terms, it is the same again. */
    struct query again = {.fields = &f->fields};
    struct field_value values[64];
    char room[FILTER_BYTES_MAX];
    struct filter_reader reader = {.query = &again, .values = values, .text = room};
    assert_int_equal(
        filter_read_terms(&reader, (struct slice){first->filter, first->filter_bytes}, &f->err), SG_OK);
    assert_same_nodes(&again, &first->query);
    free(first);
    free(text);
}

static void what_is_wrong_with_a_filter_is_named(void **state)
{
    static const struct {
        const char *asked, *why;
    } rows[] = {
        {"status=open", "'status': 'open' is no operator; there are eq, neq, gt, gte, lt, lte, isdistinct, in, like, "
                        "is.null, is.not_null, is.true, is.false"},
        {"status=", "'status': '' is no operator"},
        {"status=ilike.a*", "'ilike' is no operator"},
        {"status=EQ.a", "'EQ' is no operator"},
        {"status=is", "'is' is no operator"},
        {"status=not.not.eq.a", "'not' is no operator"},
        {"status=eq", "'status': '.' and a value must stand after 'eq'"},
        {"status=is.unknown", "'is.unknown' is none of is.null, is.not_null, is.true, is.false"},
        {"status=is.null.x", "'is.null.x' is none of"},
        {"status=is.true", "'status' is of type string: only a boolean can be tested with 'is.true'"},
        {"version=is.false", "'version' is of type integer: only a boolean"},
        {"total=eq.ten", "'total' must be a number"},
        {"total=eq.NaN", "'total' must be a number"},
        {"total=eq.1e999", "'total' must be a number"},
        {"items=eq.5.0", "'items' must be an integer"},
        {"items=eq.1e3", "'items' must be an integer"},
        {"items=eq.9223372036854775808", "'items' must be an integer"},
        {"items=in.(1,x)", "'items' must be an integer"},
        {"paid=eq.1", "'paid' must be true or false"},
        {"placed=eq.2026-01-01", "'placed' must be a time"},
        {"placed=eq.2026-01-01T00:00:00.1234567891Z", "at most 9 decimals"},
        {"placed=eq.1600-01-01T00:00:00Z", "from 1677 to 2262"},
        {"version=eq.x", "'version' must be an integer"},
        {"occurred_at=gt.x", "'occurred_at' must be a time"},
        {"total=like.1*", "'total' is of type number: only a string has a prefix"},
        {"status=like.a", "'like' wants a prefix that ends in '*', not 'a'"},
        {"status=like.", "'like' wants a prefix that ends in '*'"},
        {"status=like.%22a*%22*", "goes on where it should end: '*'"},
        {"status=eq.%22a", "a value in quotes is not closed"},
        {"status=eq.%22a%5Cn%22", "a backslash stands before a quote or a backslash only"},
        {"status=eq.%22a%22b", "goes on where it should end: 'b'"},
        {"status=in.a", "'status': 'in' wants values in parentheses, at least one: in.(a,b)"},
        {"status=in.()", "'in' wants values in parentheses, at least one"},
        {"status=in.(a", "neither ',' nor ')'"},
        {"status=in.(%22a%22b)", "neither ',' nor ')'"},
        {"status=in.(a)b", "goes on where it should end: 'b'"},
        {"or=status.eq.a", "'or' wants terms in parentheses, at least one: or=(a.eq.1,b.is.null)"},
        {"and=()", "'and' wants terms in parentheses"},
        {"not.and=(", "there is no field ''"},
        {"or=(status.eq.a", "neither ',' nor ')'"},
        {"or=(status.eq.a)x", "goes on where it should end: 'x'"},
        {"or=(status)", "'status': '.' and an operator must stand after the name"},
        {"or=(status.eq.a,nope.eq.b)",
         "there is no field 'nope'; there are status, total, placed, items, paid, tag, code, note, id, version, "
         "sequence, occurred_at"},
        {"or=(nor(status.eq.a))", "there is no field 'nor'"},
        {"or=(status.eq.a,+total.eq.1)", "there is no field ' total'"},
        {"nope=eq.b", NULL},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].why != NULL) {
            refused(f, rows[i].asked, rows[i].why);
            continue;
        }
        assert_int_equal(query_ask(f, rows[i].asked), SG_OK); /* the plan's to refuse */
        assert_null(f->query);
    }
}

/* ---- limits ---- */

/* "status=in.(a,a,..)": `count` times. */
static char *repeated(const char *begin, const char *part, size_t count, const char *end)
{
    struct buffer text;
    size_t bytes;
    buffer_init(&text, 1u << 20);
    buffer_append_text(&text, begin);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&text, i > 0 ? "," : "");
        buffer_append_text(&text, part);
    }
    buffer_append_text(&text, end);
    buffer_append(&text, "", 1);
    return buffer_take(&text, &bytes);
}

static void at_the_limit_and_beyond(struct query_fixture *f, const char *begin, const char *part, size_t limit,
                                    const char *end, const char *why)
{
    char *text = repeated(begin, part, limit, end);
    (void)asked(f, text);
    free(text);
    text = repeated(begin, part, limit + 1, end);
    refused(f, text, why);
    free(text);
}

static void limits_hold(void **state)
{
    struct query_fixture *f = *state;
    f->fields.scan = true;
    at_the_limit_and_beyond(f, "or=(", "tag.is.null", QUERY_TERMS_MAX, ")", "more than 32 tests");
    at_the_limit_and_beyond(f, "and=(", "or(tag.is.null)", QUERY_TERMS_MAX - 1, ")",
                            "more than 64 tests and groups");
    at_the_limit_and_beyond(f, "total=gt.1&items=in.(", "7", QUERY_VALUES_MAX, ")", "more than 1000 values in lists");
    at_the_limit_and_beyond(f, "total=gt.1&items=in.(7,8)&code=in.(", "7", QUERY_VALUES_MAX - 2, ")",
                            "more than 1000 values in lists");
    at_the_limit_and_beyond(f, "id=in.(", "a", QUERY_IDS_MAX, ")", "more than 1000 values");
    (void)asked(f, "or=(and(or(and(total.eq.1,total.eq.2),total.eq.3),total.eq.4),total.eq.5)");
    refused(f, "or=(and(or(and(or(total.eq.1,total.eq.2)),total.eq.3),total.eq.4),total.eq.5)",
            "more than 4 groups within each other");
}

static void a_text_has_a_limit(void **state)
{
    struct query_fixture *f = *state;
    char text[FILTER_BYTES_MAX + 64];
    char value[FIELDS_TEXT_BYTES_MAX + 2];
    memset(value, 'x', sizeof value);
    value[FIELDS_TEXT_BYTES_MAX] = '\0';
    (void)snprintf(text, sizeof text, "status=eq.%s", value);
    (void)asked(f, text);
    (void)snprintf(text, sizeof text, "status=eq.%sx", value);
    refused(f, text, "'status' must be a string of at most 512 bytes");
    /* As canonical text: both tests, and a comma. */
    size_t rest = FILTER_BYTES_MAX - strlen("note.eq.") - FIELDS_TEXT_BYTES_MAX - strlen(",status.eq.");
    (void)snprintf(text, sizeof text, "note=eq.%s&status=eq.%.*s", value, (int)rest, value);
    assert_int_equal(asked(f, text)->filter_bytes, FILTER_BYTES_MAX);
    (void)snprintf(text, sizeof text, "note=eq.%s&status=eq.%.*s", value, (int)rest + 1, value);
    refused(f, text, "the filter is longer than 1024 bytes");
    /* As long as a body may be, and twice that with its quotes escaped, in every group again. */
    struct buffer longest;
    buffer_init(&longest, 1u << 20);
    buffer_append_text(&longest, "or=(and(or(and(note.in.(a");
    for (int i = 0; i < 400; i++) {
        buffer_append_format(&longest, ",a%d", i); /* bare, as it does not begin with a quote */
        for (int k = 0; k < 160; k++)
            buffer_append_text(&longest, "%22");
    }
    buffer_append(&longest, ")))))", sizeof ")))))");
    refused(f, longest.data, "the filter is longer than 1024 bytes");
    buffer_free(&longest);
}

/* ---- order ---- */

static void an_order_has_one_text(void **state)
{
    static const struct {
        const char *asked, *text;
    } rows[] = {
        {"order=total", "total"},
        {"order=total.asc,id", "total"},
        {"order=total.asc.nullsfirst,id.asc", "total"},
        {"order=total.nullsfirst", "total"},
        {"order=status,placed.desc.nullslast", "status,placed.desc"},
        {"order=items.desc.nullsfirst,total", "items.desc.nullsfirst,total"},
        {"order=id", "id"},
        {"order=id.nullslast", "id"},
        {"total=gt.1", ""},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct list_query *q = asked(f, rows[i].asked);
        assert_text(q->order, q->order_bytes, rows[i].text, rows[i].asked);
        assert_int_equal(q->query.ordered, rows[i].text[0] != '\0');
    }
}

static void what_is_wrong_with_an_order_is_named(void **state)
{
    static const struct {
        const char *asked, *why;
    } rows[] = {
        {"order=", "'order': there is no field ''"},
        {"order=nope", "'order': there is no field 'nope'; there are status"},
        {"order=total,", "'order': there is no field ''"},
        {"order=tag", "'order': 'tag' has many values"},
        {"order=total.up", "after 'total' may stand .asc or .desc, then .nullsfirst or .nullslast, not '.up'"},
        {"order=total.nullslast.desc", "not '.nullslast.desc'"},
        {"order=total.desc.desc", "not '.desc.desc'"},
        {"order=total.", "not '.'"},
        {"order=total.asc.", "not '.asc.'"},
        {"order=total,items,total", "'order': 'total' is repeated"},
        {"order=status,total,placed,items,paid", "more than 4 keys"},
        {"order=total.DESC", "not '.DESC'"},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(f, rows[i].asked, rows[i].why);
}

/* ---- selection, count, batch ---- */

static void a_selection_is_fields_and_named_pointers(void **state)
{
    struct query_fixture *f = *state;
    const struct list_query *q = asked(f, "select=id,total,customer:/customer/name,t:%22/a,b~1%5C%22%22,tag&total=gt.1");
    assert_int_equal(q->select_count, 5);
    assert_int_equal(q->select[0].field, QUERY_ID);
    assert_int_equal(q->select[1].field, 1);
    assert_int_equal(q->select[2].field, QUERY_FIELDS_END);
    assert_true(slice_equal(q->select[2].name, SLICE_LITERAL("customer")));
    assert_true(slice_equal(q->select[2].pointer, SLICE_LITERAL("/customer/name")));
    assert_true(slice_equal(q->select[3].pointer, SLICE_LITERAL("/a,b~1\"")));
    assert_int_equal(q->select[4].field, 5);
    q = asked(f, "select=*");
    assert_int_equal(q->select_count, 0);
    assert_int_equal(query_tag(q, 10), query_tag(NULL, 10));
    at_the_limit_and_beyond(f, "select=status,total,placed,items,paid,tag,code,note,id,version,sequence,occurred_at,"
                               "a:/x,b:/x,c:/x,d:/x,e:/x,f:/x,g:/x,h:/x,i:/x,j:/x,k:/x,l:/x,m:/x,n:/x,o:/x,p:/x,q:/x,r:/x,s:/x,",
                            "z:/x", 1, "", "'select': 'z' is repeated");
    refused(f, "select=status,total,placed,items,paid,tag,code,note,id,version,sequence,occurred_at,a:/x,b:/x,c:/x,"
               "d:/x,e:/x,f:/x,g:/x,h:/x,i:/x,j:/x,k:/x,l:/x,m:/x,n:/x,o:/x,p:/x,q:/x,r:/x,s:/x,t:/x,u:/x",
            "more than 32 members");
}

static void what_is_wrong_with_a_selection_is_named(void **state)
{
    static const struct {
        const char *asked, *why;
    } rows[] = {
        {"select=", "'select': there is no field ''"},
        {"select=nope", "'select': there is no field 'nope'; there are status"},
        {"select=nope", ", and name:/pointer"},
        {"select=total,", "'select': there is no field ''"},
        {"select=total,total", "'select': 'total' is repeated"},
        {"select=total,total:/x", "'select': 'total' is repeated"},
        {"select=a-b:/x", "'a-b' is no name"},
        {"select=9a:/x", "'9a' is no name"},
        {"select=:/x", "'' is no name"},
        {"select=a:x", "'x' is no JSON pointer such as /customer/name"},
        {"select=a:", "'' is no JSON pointer"},
        {"select=a:/x~2", "'/x~2' is no JSON pointer"},
        {"select=a:/x~", "is no JSON pointer"},
        {"select=a:%22/x", "'select': a value in quotes is not closed"},
        {"select=a:%22/x%22y", "',' must stand after 'a'"},
        {"select=*,total", "there is no field '*'"},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(f, rows[i].asked, rows[i].why);
    char text[QUERY_SELECT_BYTES_MAX + 32];
    (void)snprintf(text, sizeof text, "select=a:/%0*d", QUERY_SELECT_BYTES_MAX - 3, 0);
    (void)asked(f, text);
    (void)snprintf(text, sizeof text, "select=a:/%0*d", QUERY_SELECT_BYTES_MAX - 2, 0);
    refused(f, text, "'select' is longer than 1024 bytes");
    (void)snprintf(text, sizeof text, "select=%0*d:/x", FIELDS_NAME_BYTES_MAX, 0);
    text[7] = 'a';
    (void)asked(f, text);
    (void)snprintf(text, sizeof text, "select=%0*d:/x", FIELDS_NAME_BYTES_MAX + 1, 0);
    text[7] = 'a';
    refused(f, text, "is no name: letters, digits and '_', at most 63");
}

static void a_count_is_asked_for_by_parameter_or_header(void **state)
{
    struct query_fixture *f = *state;
    assert_true(asked(f, "count=exact")->count);
    assert_false(asked(f, "total=gt.1")->count);
    refused(f, "count=planned", "'count' is not 'exact', the only kind of count");
    refused(f, "count=", "'count' is not 'exact'");
    f->count = true;
    assert_true(asked(f, "total=gt.1")->count);
    assert_true(asked(f, "")->count);
    f->count = false;
    assert_int_equal(query_ask(f, "limit=3&max_staleness=2"), SG_OK);
    assert_null(f->query);
}

static void ids_alone_are_a_batch_in_their_order(void **state)
{
    static const char *const filters[] = {"id=in.(b,a)&total=gt.1", "id=in.(b,a)&order=id", "id=not.in.(b,a)&total=gt.1",
                                          "and=(id.in.(b,a))", "id=eq.b"};
    struct query_fixture *f = *state;
    const struct list_query *q = asked(f, "id=in.(b,%22a,%5C%22%22,c,b)&select=total");
    static const char *const ids[] = {"b", "a,\"", "c", "b"};
    assert_true(q->batch);
    assert_int_equal(q->ids_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(slice_equal(q->ids[i], slice_of(ids[i])));
    assert_int_equal(q->query.nodes_count, 0);
    assert_int_equal(q->select_count, 1);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        assert_false(asked(f, filters[i])->batch);
    refused(f, "id=in.()", "'id': 'in' wants values in parentheses");
    refused(f, "id=in.(a", "nor the ')' that ends it");
    refused(f, "id=in.(a)b", "nor the ')' that ends it");
    refused(f, "id=in.(%22a", "'id': a value in quotes is not closed");
    char text[FIELDS_TEXT_BYTES_MAX + 32];
    (void)snprintf(text, sizeof text, "id=in.(%0*d)", FIELDS_TEXT_BYTES_MAX + 1, 0);
    refused(f, text, "'id' must be a string of at most 512 bytes");
}

static void a_body_has_ids_and_a_filter(void **state)
{
    const struct slice ids[] = {SLICE_LITERAL("b"), SLICE_LITERAL("a")};
    struct query_fixture *f = *state;
    f->ids = ids;
    f->ids_count = 2;
    const struct list_query *q = asked(f, "id=in.(c)&note=eq.x&select=note");
    assert_true(q->batch);
    assert_ptr_equal(q->ids, ids);
    assert_int_equal(q->ids_count, 2);
    assert_int_equal(q->query.nodes_count, 2); /* no index has to serve it */
    assert_true(asked(f, "")->batch);
    refused(f, "order=total", "'order' has no meaning in a batch");
    refused(f, "cursor=x", "'cursor' has no meaning in a batch");
}

/* ---- written again ---- */

static void a_query_is_written_as_parameters(void **state)
{
    static const struct {
        const char *asked, *params;
    } rows[] = {
        {"order=total&count=exact&select=t:/a,total&total=lt.9&total=gte.1",
         "&total=gte.1&total=lt.9&order=total&select=t%3A%2Fa%2Ctotal&count=exact"},
        {"status=eq.a%26b%22&total=not.gt.1", "&status=eq.%22a%26b%5C%22%22&total=not.gt.1"},
        {"not.or=(total.eq.1,status.in.(a,%22)%22))&id=eq.a", "&id=eq.a&not.or=%28status.in.%28%22%29%22%2Ca%29%2Ctotal.eq.1%29"},
        {"and=(or(total.gt.1,total.is.null),total.lt.9)&or=(total.eq.1,and(total.eq.2))",
         "&and=%28or%28total.gt.1%2Ctotal.is.null%29%2Ctotal.lt.9%29&or=%28and%28total.eq.2%29%2Ctotal.eq.1%29"},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer params;
        char first[FILTER_BYTES_MAX];
        const struct list_query *q = asked(f, rows[i].asked);
        size_t bytes = q->filter_bytes;
        memcpy(first, q->filter, bytes);
        buffer_init(&params, 4096);
        query_append_params(q, QUERY_PART_FILTER | QUERY_PART_ORDER | QUERY_PART_SELECT | QUERY_PART_COUNT, &params);
        buffer_append(&params, "", 1);
        assert_string_equal(params.data, rows[i].params);
        q = asked(f, params.data + 1);
        assert_int_equal(q->filter_bytes, bytes);
        assert_memory_equal(q->filter, first, bytes);
        buffer_reset(&params);
        query_append_params(q, QUERY_PART_FILTER, &params);
        buffer_append(&params, "", 1);
        assert_memory_equal(rows[i].params, params.data, params.bytes - 1);
        buffer_free(&params);
    }
}

static void another_query_has_another_tag(void **state)
{
    static const char *const others[] = {
        "total=gt.1", "total=gt.2", "total=gte.1", "total=gt.1&order=total", "order=total", "total=gt.1&select=id",
        "total=gt.1&count=exact", "select=id", "count=exact", "order=id", "id=in.(a,b)", "id=in.(b,a)", "id=in.(ab)",
        "id=in.(a,b)&select=id", "id=in.(a,b)&order=id",
    };
    struct query_fixture *f = *state;
    uint32_t tags[sizeof others / sizeof others[0] + 2];
    size_t count = 0;
    tags[count++] = query_tag(NULL, 10);
    tags[count++] = query_tag(NULL, 11);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        tags[count++] = query_tag(asked(f, others[i]), 10);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(tags[i], tags[k]);
    }
}

static void many_fields_are_named_as_far_as_there_is_room(void **state)
{
    struct query_fixture *f = *state;
    char name[FIELDS_NAME_BYTES_MAX + 1];
    char names[FILTER_NAMES_BYTES];
    for (size_t i = f->fields.fields_count; i < FIELDS_MAX; i++) {
        (void)snprintf(name, sizeof name, "f%0*zu", FIELDS_NAME_BYTES_MAX - 1, i);
        assert_int_equal(fields_add(&f->fields, slice_of(name), SLICE_LITERAL("/x"), FIELD_STRING, &f->err), SG_OK);
    }
    (void)filter_names(&f->fields, names);
    assert_true(strlen(names) < sizeof names);
    const char *more = strstr(names, ", 23 more, id, version, sequence, occurred_at");
    assert_non_null(more);
    assert_memory_equal(names, "status, total, placed, items, paid, tag, code, note, f00", 56);
    refused(f, "or=(nope.eq.1)", names);
}

static void built_in_fields_have_the_names_that_none_is_declared_with(void **state)
{
    static const char *const names[] = {
#define NAME(name) name,
        FIELDS_BUILT_IN(NAME)
#undef NAME
    };
    struct query_fixture *f = *state;
    assert_int_equal(sizeof names / sizeof names[0], QUERY_FIELDS_END - FIELDS_MAX);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(query_field_find(&f->fields, slice_of(names[i])), FIELDS_MAX + i);
    assert_int_equal(query_field_find(&f->fields, SLICE_LITERAL("note")), 7);
    assert_int_equal(query_field_find(&f->fields, SLICE_LITERAL("not")), QUERY_FIELDS_END);
}

static void a_refusal_is_a_problem_with_its_members(void **state)
{
    struct query_fixture *f = *state;
    struct response r;
    response_init(&r);
    assert_int_equal(query_ask(f, "order=total.desc"), SG_INVALID);
    problem_refuse(&r, f->fault.problem, (struct slice){f->fault.members.data, f->fault.members.bytes}, &f->err);
    static const char body[] =
        "{\"type\":\"urn:stategate:problem:not-indexed\",\"title\":\"No index serves the query\",\"status\":400,"
        "\"detail\":\"No index serves this query; one on total.desc would.\",\"available\":[\"status,placed.desc\","
        "\"total\",\"tag\",\"items.desc.nullsfirst,total\",\"paid,status,total\",\"code\"],\"needed\":\"total.desc\"}\n";
    assert_int_equal(r.status, 400);
    assert_text(r.body, r.body_bytes, body, "the problem");
    response_free(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, query_fixture_setup, query_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_filter_has_one_text),
        TEST(the_order_of_terms_means_nothing),
        TEST(what_is_wrong_with_a_filter_is_named),
        TEST(limits_hold),
        TEST(a_text_has_a_limit),
        TEST(an_order_has_one_text),
        TEST(what_is_wrong_with_an_order_is_named),
        TEST(a_selection_is_fields_and_named_pointers),
        TEST(what_is_wrong_with_a_selection_is_named),
        TEST(a_count_is_asked_for_by_parameter_or_header),
        TEST(ids_alone_are_a_batch_in_their_order),
        TEST(a_body_has_ids_and_a_filter),
        TEST(a_query_is_written_as_parameters),
        TEST(another_query_has_another_tag),
        TEST(a_refusal_is_a_problem_with_its_members),
        TEST(many_fields_are_named_as_far_as_there_is_room),
        TEST(built_in_fields_have_the_names_that_none_is_declared_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
