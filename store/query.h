/* A query over one collection, as a plain value: made by api/request/query, and read by the store, which turns it into
 * SQL (store/read/query), and by who follows changes, which evaluates it in memory (query_matches). Both say the same
 * of every row.
 *
 * The three values of SQL's logic: a test on null is neither true nor false, and so is its negation; a row comes where
 * the whole is true. A test on a many-valued field is true or false: it holds if any element passes.
 *
 * Pure; any thread. Everything is borrowed and lives as long as the request. */
#ifndef STATEGATE_STORE_QUERY_H
#define STATEGATE_STORE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/entity.h"
#include "core/domain/fields.h"

#define QUERY_TERMS_MAX 32     /* tests: each costs something for each row that is examined */
#define QUERY_DEPTH_MAX 4      /* of `and` and `or` within each other */
#define QUERY_NODES_MAX (QUERY_TERMS_MAX * 2) /* tests and groups: a group of one term is no use */
#define QUERY_VALUES_MAX 1000  /* of all `in` lists together */
#define QUERY_ORDER_MAX FIELDS_INDEX_COLUMNS_MAX

/* What a test or a key is about: a declared field by its place, or one of these, which every collection has. */
#define QUERY_BUILTINS(X)                                                                                              \
    X(QUERY_ID, "id", FIELD_STRING)                                                                                    \
    X(QUERY_VERSION, "version", FIELD_INTEGER)                                                                         \
    X(QUERY_SEQUENCE, "sequence", FIELD_INTEGER)                                                                       \
    X(QUERY_OCCURRED_AT, "occurred_at", FIELD_TIME)

enum query_builtin {
    QUERY_BUILTINS_BEGIN = FIELDS_MAX - 1,
#define QUERY_BUILTIN_ENUM(name, word, type) name,
    QUERY_BUILTINS(QUERY_BUILTIN_ENUM)
#undef QUERY_BUILTIN_ENUM
    QUERY_FIELDS_END
};

/* The words of the grammar; `is.null` and its like are operators of their own. */
#define QUERY_OPERATORS(X)                                                                                             \
    X(QUERY_EQ, "eq")                                                                                                  \
    X(QUERY_NEQ, "neq")                                                                                                \
    X(QUERY_GT, "gt")                                                                                                  \
    X(QUERY_GTE, "gte")                                                                                                \
    X(QUERY_LT, "lt")                                                                                                  \
    X(QUERY_LTE, "lte")                                                                                                \
    X(QUERY_ISDISTINCT, "isdistinct") /* as neq, and true of null */                                                   \
    X(QUERY_IN, "in")                                                                                                  \
    X(QUERY_LIKE, "like")             /* a prefix; strings only */                                                     \
    X(QUERY_IS_NULL, "is.null")                                                                                        \
    X(QUERY_IS_NOT_NULL, "is.not_null")                                                                                \
    X(QUERY_IS_TRUE, "is.true")       /* booleans only; false of null, as is.false */                                  \
    X(QUERY_IS_FALSE, "is.false")

enum query_operator {
#define QUERY_OPERATOR_ENUM(name, word) name,
    QUERY_OPERATORS(QUERY_OPERATOR_ENUM)
#undef QUERY_OPERATOR_ENUM
    QUERY_OPERATORS_COUNT
};
/* Static storage. */
const char *query_operator_word(enum query_operator operator);

/* A node of the filter's tree. The tree is its nodes in preorder: those from the node's index + 1 up to, and without,
 * `end` are beneath it. Of a test that is the next index. */
struct query_node {
    enum query_node_kind { QUERY_TEST, QUERY_AND, QUERY_OR } kind;
    bool negated;
    unsigned end;
    /* Of a test. */
    unsigned field; /* or a query_builtin */
    enum query_operator operator;
    const struct field_value *values; /* `in`: ascending, each once; else one, or none for `is` */
    size_t values_count;
};

struct query_key {
    unsigned field; /* or a query_builtin, which no index gives. The id, ascending, is always the last key of all, and
                     * is not written out there */
    bool descending;
    bool nulls_last;
};

/* Zeroed, with `fields` set = all rows in the order of their ids. */
struct query {
    const struct field_set *fields; /* never NULL: a zeroed one where nothing is declared */
    struct query_node nodes[QUERY_NODES_MAX];
    size_t nodes_count; /* all subtrees at the top must hold */
    struct query_key order[QUERY_ORDER_MAX];
    size_t order_count;
    bool ordered;       /* an order was asked for: `order_count` 0 then means that of the ids */
    /* What the page before ended with; `id` empty = the first page. */
    struct field_value after[QUERY_ORDER_MAX]; /* of the keys of query_access, in their order */
    struct slice after_id;
};

/* The field or built-in one of this name; QUERY_FIELDS_END = there is none. */
unsigned query_field_find(const struct field_set *fields, struct slice name);
/* Its type; is it many-valued; its name. */
enum field_type query_field_type(const struct field_set *fields, unsigned field);
bool query_field_many(const struct field_set *fields, unsigned field);
struct slice query_field_name(const struct field_set *fields, unsigned field);

/* A row, for who evaluates in memory. `values` has one for each declared field. */
struct query_row {
    const struct field_value *values;
    struct slice id;
    int64_t version;
    uint64_t sequence;
    struct slice occurred_at; /* as written; empty or unreadable = null */
};
/* Does it come? Of a test on a many-valued field: false where there is no element, but of is.null. */
bool query_matches(const struct query *query, const struct query_row *row);

/* ---- which index serves it ---- */

#define QUERY_BY_ID FIELDS_INDEXES_MAX /* the ids' own index */

/* How a query is answered: the rows of an index from one place on. Its first columns take equalities; at most one more
 * takes a range, a list or a prefix; what remains is filtered row by row.
 *
 * Of a many-valued field's index one test alone is served, as each may hold by another element; by a range or a list a
 * row is met once for each of its elements there. */
struct query_access {
    unsigned index;                /* of the set, or QUERY_BY_ID */
    unsigned equal_count;          /* leading columns that are fixed; their values: `equal` */
    const struct query_node *equal[FIELDS_INDEX_COLUMNS_MAX]; /* eq, is.null, is.true, is.false */
    /* Of the next column: a list (`in`), or bounds. NULL = none. A prefix is both bounds. Any of them leaves nulls out,
     * on whichever side they stand. */
    const struct query_node *list;
    const struct query_node *low;  /* gt, gte, like; in descending columns too the lower value */
    const struct query_node *high; /* lt, lte, like */
    bool not_null;                 /* is.not_null on it, where there is neither list nor bound */
    bool served[QUERY_NODES_MAX];  /* tests that the walk itself takes care of, and groups of nothing else; the others
                                    * are residual */
    bool residual;                 /* there are any */
    /* The order in which rows come, and the id after it: of `in` and ranges their column first, then the others. */
    struct query_key keys[QUERY_ORDER_MAX];
    size_t keys_count;
};

enum query_refusal {
    QUERY_SERVED,
    QUERY_NOT_INDEXED /* `needed` is the declaration of an index that would serve it */
};

/* Choose the index: the same for the same query and declaration, on every replica. What an index can take are the tests
 * that must hold by themselves: at the top, and within `and`; neither neq, isdistinct, nor what is negated. Keys of the
 * order whose field such an equality fixes say nothing, and neither do such columns; the others of both must be the
 * same, each with its direction and side for nulls. Without an order the remaining columns give it.
 *
 * An index is chosen if it takes a test, or gives the order that is asked for: first that of the ids with a test on it
 * that names ids (eq, in); then the one that takes most equalities; then one that takes a list, a range or a prefix;
 * then the shortest; then the first declared. Where there is none, all rows are walked by their ids: without a filter,
 * or where the declaration says so (`scan`), and without another order.
 *
 * `needed` has room for QUERY_NEEDED_BYTES, and is written with QUERY_NOT_INDEXED alone; "" = no index can. */
#define QUERY_NEEDED_BYTES (FIELDS_INDEX_COLUMNS_MAX * (FIELDS_NAME_BYTES_MAX + 20) + 1)
enum query_refusal query_access(const struct query *query, struct query_access *out, char needed[QUERY_NEEDED_BYTES]);

#endif
