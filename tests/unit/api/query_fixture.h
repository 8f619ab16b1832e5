/* A query from its text, for the tests of queries: over orders, whose fields are of every type. */
#ifndef STATEGATE_TESTS_QUERY_FIXTURE_H
#define STATEGATE_TESTS_QUERY_FIXTURE_H

#include "api/request/query.h"

#define QUERY_FIXTURE_FIELDS                                                                                           \
    "status, total, placed, items, paid, tag, code, note, id, version, sequence, occurred_at"

struct query_fixture {
    struct field_set fields; /* owned */
    struct fields_hash hash;
    struct slice collection; /* "orders" */
    bool count;              /* a header asks for it */
    const struct slice *ids; /* of a body */
    size_t ids_count;
    /* Of the last one that was asked. */
    char *text;              /* owned */
    struct target target;
    struct list_query *query; /* owned */
    struct query_fault fault; /* owned */
    struct sg_error err;
};

/* cmocka's setup and teardown: *state is a struct query_fixture. */
int query_fixture_setup(void **state);
int query_fixture_teardown(void **state);

/* "status=eq.open&limit=3", as in a URL: what is read of it stays valid until the next call. */
enum sg_status query_ask(struct query_fixture *f, const char *text);

/* An end of a page of the query that was asked last: keys in the order of its access. */
struct query_end query_fixture_end(const struct query_fixture *f, const struct field_value *keys, const char *id,
                                   const struct epoch *epoch);
/* The cursor of that; owned by the caller. */
char *query_fixture_cursor(const struct query_fixture *f, const struct field_value *keys, const char *id);

#endif
