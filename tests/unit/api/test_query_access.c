/* store/query, query_access: which index serves a query, and which one would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "query_fixture.h"

static void append_keys(const struct query *query, const struct query_access *a, char *out, size_t room)
{
    size_t used = strlen(out);
    for (size_t i = 0; i < a->keys_count; i++) {
        const struct query_key *key = &a->keys[i];
        used += (size_t)snprintf(out + used, room - used, "%s%.*s%s%s", i > 0 ? "," : "",
                                 SLICE_ARGS(query_field_name(query->fields, key->field)),
                                 key->descending ? ".desc" : "",
                                 key->nulls_last == key->descending ? ""
                                 : key->nulls_last                  ? ".nullslast"
                                                                    : ".nullsfirst");
    }
    if (a->keys_count == 0)
        (void)snprintf(out + used, room - used, "-");
}

/* "index; fixed columns; on the next one; order; what is left to test". */
static const char *described(const struct list_query *q)
{
    static char out[512];
    const struct query_access *a = &q->access;
    size_t used = (size_t)snprintf(
        out, sizeof out, "%s; %u; ", a->index == QUERY_BY_ID ? "id" : q->query.fields->indexes[a->index].text,
        a->equal_count);
    const struct query_node *const parts[] = {a->list, a->low, a->high};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i] != NULL && (i != 2 || parts[1] != parts[2]))
            used += (size_t)snprintf(out + used, sizeof out - used, "%s ", query_operator_word(parts[i]->operator));
    }
    if (a->not_null)
        used += (size_t)snprintf(out + used, sizeof out - used, "not_null ");
    (void)snprintf(out + used, sizeof out - used, "; ");
    append_keys(&q->query, a, out, sizeof out);
    for (size_t i = 0; i < q->query.nodes_count; i++)
        assert_true(a->residual || a->served[i]);
    (void)strcat(out, a->residual ? "; rest" : "; nothing");
    return out;
}

static void an_index_is_chosen_by_the_rules(void **state)
{
    static const struct {
        const char *asked, *access;
    } rows[] = {
        /* What an index takes. */
        {"status=eq.open", "status,placed.desc; 1; ; placed.desc; nothing"},
        {"status=is.null", "status,placed.desc; 1; ; placed.desc; nothing"},
        {"status=eq.a&placed=eq.2026-01-01T00:00:00Z", "status,placed.desc; 2; ; -; nothing"},
        {"status=in.(a,b)", "status,placed.desc; 0; in ; status,placed.desc; nothing"},
        {"status=like.a*", "status,placed.desc; 0; like ; status,placed.desc; nothing"},
        {"status=gt.a", "status,placed.desc; 0; gt ; status,placed.desc; nothing"},
        {"status=gte.a&status=lt.b", "status,placed.desc; 0; gte lt ; status,placed.desc; nothing"},
        {"status=is.not_null", "status,placed.desc; 0; not_null ; status,placed.desc; nothing"},
        {"status=is.not_null&status=lt.b", "status,placed.desc; 0; lt ; status,placed.desc; nothing"},
        {"status=eq.a&placed=lt.2026-01-01T00:00:00Z", "status,placed.desc; 1; lt ; placed.desc; nothing"},
        {"paid=is.true", "paid,status,total; 1; ; status,total; nothing"},
        {"paid=is.false&status=in.(a,b)", "paid,status,total; 1; in ; status,total; nothing"},
        {"total=in.(3)&total=gt.1", "total; 0; in ; total; rest"},
        {"total=gt.1&total=gt.2", "total; 0; gt ; total; rest"},
        {"total=eq.1&total=eq.2", "total; 1; ; -; rest"},
        /* What it does not take is tested row by row. */
        {"status=eq.a&note=eq.x", "status,placed.desc; 1; ; placed.desc; rest"},
        {"status=eq.a&version=gt.3", "status,placed.desc; 1; ; placed.desc; rest"},
        {"status=eq.a&placed=neq.2026-01-01T00:00:00Z", "status,placed.desc; 1; ; placed.desc; rest"},
        {"status=eq.a&or=(total.gt.1,items.gt.2)", "status,placed.desc; 1; ; placed.desc; rest"},
        {"status=eq.a&not.and=(total.gt.1,items.gt.2)", "status,placed.desc; 1; ; placed.desc; rest"},
        /* Terms of `and` hold by themselves. */
        {"and=(status.eq.a,placed.gt.2026-01-01T00:00:00Z)", "status,placed.desc; 1; gt ; placed.desc; nothing"},
        {"and=(status.eq.a,and(total.gt.1,and(placed.gt.2026-01-01T00:00:00Z)))",
         "status,placed.desc; 1; gt ; placed.desc; rest"},
        /* Most equalities, then a range, then the shortest, then the first. */
        {"paid=is.true&status=eq.a", "paid,status,total; 2; ; total; nothing"},
        {"paid=is.true&status=eq.a&total=gt.3", "paid,status,total; 2; gt ; total; nothing"},
        {"total=gt.1&status=gt.a", "total; 0; gt ; total; rest"},
        {"items=gt.1&status=gt.a", "status,placed.desc; 0; gt ; status,placed.desc; rest"},
        {"items=gt.1&status=eq.a", "status,placed.desc; 1; ; placed.desc; rest"},
        {"tag=eq.a&total=eq.1", "total; 1; ; -; rest"},
        /* Many values: one test, and the elements are the order. */
        {"tag=eq.a", "tag; 1; ; -; nothing"},
        {"tag=in.(a,b)", "tag; 0; in ; tag; nothing"},
        {"tag=like.a*", "tag; 0; like ; tag; nothing"},
        {"tag=gt.a&tag=lt.c", "tag; 0; gt ; tag; rest"},
        {"tag=lt.c&tag=like.a*", "tag; 0; like ; tag; rest"},
        {"tag=eq.a&tag=eq.b", "tag; 1; ; -; rest"},
        {"tag=is.null&tag=eq.b", "tag; 1; ; -; rest"},
        {"code=lte.7&order=id", NULL},
        {"code=eq.7&order=id", "code; 1; ; -; nothing"},
        /* Ids. */
        {"id=eq.a", "id; 1; ; -; nothing"},
        {"id=gt.a&id=lt.b", "id; 0; gt lt ; -; nothing"},
        {"id=like.a*&status=gt.a", "id; 0; like ; -; rest"},
        {"id=in.(a,b)&status=eq.a", "id; 0; in ; -; rest"},
        {"id=eq.a&paid=is.true&status=eq.b&total=eq.1", "id; 1; ; -; rest"},
        {"id=gt.a&status=eq.a", "status,placed.desc; 1; ; placed.desc; rest"},
        {"id=gt.a&order=id", "id; 0; gt ; -; nothing"},
        {"order=id", "id; 0; ; -; nothing"},
        {"select=total", "id; 0; ; -; nothing"},
        /* The order that is asked for. */
        {"order=total", "total; 0; ; total; nothing"},
        {"order=total,id", "total; 0; ; total; nothing"},
        {"order=total.asc.nullsfirst", "total; 0; ; total; nothing"},
        {"order=total&note=eq.x", "total; 0; ; total; rest"},
        {"order=total&tag=eq.x", "total; 0; ; total; rest"},
        {"order=status,placed.desc", "status,placed.desc; 0; ; status,placed.desc; nothing"},
        {"order=placed.desc&status=eq.a", "status,placed.desc; 1; ; placed.desc; nothing"},
        {"order=status,placed.desc&status=eq.a", "status,placed.desc; 1; ; placed.desc; nothing"},
        {"order=placed.desc,status&status=eq.a", "status,placed.desc; 1; ; placed.desc; nothing"},
        {"order=status,placed.desc&status=gt.a", "status,placed.desc; 0; gt ; status,placed.desc; nothing"},
        {"order=status,placed.desc&status=in.(a,b)", "status,placed.desc; 0; in ; status,placed.desc; nothing"},
        {"order=items.desc.nullsfirst,total", "items.desc.nullsfirst,total; 0; ; items.desc.nullsfirst,total; nothing"},
        {"order=status&status=eq.a&total=eq.1", "total; 1; ; -; rest"},
        {"order=total&status=eq.open", "total; 0; ; total; rest"},
        {"order=status,placed.desc&placed=is.null", "status,placed.desc; 0; ; status,placed.desc; rest"},
        {"order=status&placed=is.null", "status,placed.desc; 0; ; status,placed.desc; rest"},
        {"order=placed.desc&placed=is.null&status=gt.a", NULL},
        {"order=total&status=eq.open&paid=is.null", "paid,status,total; 2; ; total; nothing"},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum sg_status status = query_ask(f, rows[i].asked);
        if (rows[i].access == NULL && (status != SG_INVALID || f->fault.problem != PROBLEM_NOT_INDEXED))
            fail_msg("%s is served: %s", rows[i].asked, f->query != NULL ? described(f->query) : f->err.message);
        if (rows[i].access != NULL && status != SG_OK)
            fail_msg("%s: %s", rows[i].asked, f->err.message);
        if (rows[i].access != NULL && strcmp(described(f->query), rows[i].access) != 0)
            fail_msg("%s is served by %s", rows[i].asked, described(f->query));
    }
}

static void what_no_index_serves_names_the_one_that_would(void **state)
{
    static const struct {
        const char *asked, *needed;
    } rows[] = {
        {"note=eq.x", "note"},
        {"note=like.x*", "note"},
        {"note=is.not_null", "note"},
        {"placed=is.null&note=eq.x", "note,placed"},
        {"note=eq.x&placed=gt.2026-01-01T00:00:00Z", "note,placed"},
        {"placed=gt.2026-01-01T00:00:00Z&note=gt.x", "note"},
        {"and=(note.eq.x,placed.gt.2026-01-01T00:00:00Z)", "note,placed"},
        {"note=eq.x&order=total.desc", "note,total.desc"},
        {"note=gt.x&order=total.desc", "total.desc"},
        {"order=total.desc", "total.desc"},
        {"order=total.nullslast", "total.nullslast"},
        {"order=total.desc.nullsfirst", "total.desc.nullsfirst"},
        {"order=placed", "placed"},
        {"order=status", "status"},
        {"order=status&status=gt.a", "status"},
        {"order=items.desc.nullsfirst", "items.desc.nullsfirst"},
        {"order=items.desc,total", "items.desc,total"},
        {"order=status,placed.desc,total,items&note=eq.x", "status,placed.desc,total,items"},
        {"order=status,placed.desc,total&note=eq.x&paid=is.true", "note,status,placed.desc,total"},
        {"order=total.desc&status=eq.a&note=eq.x&paid=is.true&items=eq.1", "items,note,paid,total.desc"},
        {"total=gt.1&order=items", "items"},
        {"order=id&note=eq.x", "note"},
        {"order=id&total=gt.1", ""},
        {"order=note&note=eq.x", "note"},
        {"version=gt.1", ""},
        {"version=gt.1&note=gt.x", "note"},
        {"order=version", ""},
        {"order=id.desc", ""},
        {"order=id,total", ""},
        {"order=total,version&status=eq.a", ""},
        {"note=neq.x", ""},
        {"status=not.eq.open", ""},
        {"status=isdistinct.open", ""},
        {"or=(status.eq.a,status.eq.b)", ""},
        {"not.and=(status.eq.a)", ""},
        {"tag=is.null", ""},
        {"tag=neq.a", ""},
        {"tag=gt.a&order=items", "items"},
    };
    struct query_fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[512];
        if (query_ask(f, rows[i].asked) != SG_INVALID || f->fault.problem != PROBLEM_NOT_INDEXED)
            fail_msg("%s: %s", rows[i].asked, f->query != NULL ? described(f->query) : f->err.message);
        int used = snprintf(expected, sizeof expected,
                            ",\"available\":[\"status,placed.desc\",\"total\",\"tag\",\"items.desc.nullsfirst,total\","
                            "\"paid,status,total\",\"code\"],\"needed\":");
        (void)snprintf(expected + used, sizeof expected - (size_t)used, rows[i].needed[0] != '\0' ? "\"%s\"" : "null",
                       rows[i].needed);
        if (f->fault.members.bytes != strlen(expected) ||
            memcmp(f->fault.members.data, expected, strlen(expected)) != 0)
            fail_msg("%s: %.*s", rows[i].asked, (int)f->fault.members.bytes, f->fault.members.data);
        assert_non_null(strstr(f->err.message, rows[i].needed));
    }
}

/* The word of `needed` is kept: with that index, the query is served. */
static void the_index_that_is_needed_serves(void **state)
{
    static const char *const asked[] = {
        "note=eq.x&order=total.desc", "note=eq.x&placed=gt.2026-01-01T00:00:00Z", "order=total.desc.nullsfirst",
        "order=total.desc&status=eq.a&note=eq.x&paid=is.true&items=eq.1", "order=id&note=eq.x", "order=items",
        "order=status,placed.desc,total,items&note=eq.x", "version=gt.1&note=gt.x", "total=gt.1&order=items",
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct query_access access;
        char needed[QUERY_NEEDED_BYTES];
        (void)query_fixture_teardown(state); /* without the indexes of those before */
        (void)query_fixture_setup(state);
        struct query_fixture *f = *state;
        assert_int_equal(query_ask(f, asked[i]), SG_INVALID);
        const char *named = strstr(f->err.message, "one on ");
        assert_non_null(named);
        struct slice index = {named + 7, strcspn(named + 7, " ")};
        assert_int_equal(fields_add_index(&f->fields, index, &f->err), SG_OK);
        assert_int_equal(query_ask(f, asked[i]), SG_OK);
        assert_int_equal(query_access(&f->query->query, &access, needed), QUERY_SERVED);
        assert_int_equal(access.index, f->fields.indexes_count - 1);
    }
}

static void scan_walks_by_id_and_gives_no_order(void **state)
{
    struct query_fixture *f = *state;
    f->fields.scan = true;
    for (size_t i = 0; i < 4; i++) {
        static const char *const asked[] = {"note=neq.x", "version=gt.1", "order=id&or=(note.eq.x,total.gt.1)",
                                            "tag=is.null"};
        assert_int_equal(query_ask(f, asked[i]), SG_OK);
        assert_string_equal(described(f->query), "id; 0; ; -; rest");
    }
    assert_int_equal(query_ask(f, "status=eq.a&note=eq.x"), SG_OK);
    assert_string_equal(described(f->query), "status,placed.desc; 1; ; placed.desc; rest");
    assert_int_equal(query_ask(f, "note=eq.x&order=placed"), SG_INVALID);
    assert_int_equal(f->fault.problem, PROBLEM_NOT_INDEXED);
}

static void groups_of_which_nothing_is_left_are_served(void **state)
{
    struct query_fixture *f = *state;
    assert_int_equal(query_ask(f, "and=(status.eq.a,and(placed.gt.2026-01-01T00:00:00Z))"), SG_OK);
    assert_int_equal(f->query->query.nodes_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(f->query->access.served[i]);
    assert_int_equal(query_ask(f, "and=(status.eq.a,and(placed.gt.2026-01-01T00:00:00Z,note.eq.x))"), SG_OK);
    assert_false(f->query->access.served[0]);
    for (size_t i = 1; i < f->query->query.nodes_count; i++) {
        const struct query_node *node = &f->query->query.nodes[i];
        bool rest = node->kind == QUERY_AND || node->field == query_field_find(&f->fields, SLICE_LITERAL("note"));
        assert_int_equal(f->query->access.served[i], !rest);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, query_fixture_setup, query_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_index_is_chosen_by_the_rules),
        TEST(what_no_index_serves_names_the_one_that_would),
        TEST(the_index_that_is_needed_serves),
        TEST(scan_walks_by_id_and_gives_no_order),
        TEST(groups_of_which_nothing_is_left_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
