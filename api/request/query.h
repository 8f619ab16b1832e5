/* What a list is asked: filter, order, selection, count, or a batch of ids; read once from its parameters, and from the
 * cursor that goes on with an earlier page. The filter's grammar: filter.h. Pure functions. */
#ifndef STATEGATE_API_REQUEST_QUERY_H
#define STATEGATE_API_REQUEST_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/problem.h"
#include "api/request/cursor.h"
#include "api/request/filter.h"
#include "api/request/target.h"
#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/fields.h"
#include "store/query.h"

/* The parameters that ask, besides fields, for a route's row. */
#define QUERY_PARAMS "select", "order", "count", "and", "or", "not.and", "not.or"

#define QUERY_SELECT_MAX 32         /* members: each is looked up in every state of the page */
#define QUERY_SELECT_BYTES_MAX 1024 /* of the parameter: links repeat it */
#define QUERY_IDS_MAX 1000          /* of a batch: as many as a page has at most */

/* One member of what comes instead of the state. */
struct query_selected {
    struct slice name;
    unsigned field;       /* or a query_builtin; QUERY_FIELDS_END = the pointer */
    struct slice pointer; /* RFC 6901; begins with "/" */
};

/* One allocation, which holds all that it points at, but what lies in the text that it was read from, and names. */
struct list_query {
    struct query query;           /* with the place that a cursor goes on from */
    struct query_access access;   /* not of a batch */
    struct query_selected select[QUERY_SELECT_MAX];
    size_t select_count;          /* 0 = the whole state */
    bool count;                   /* of all rows of the filter */
    bool batch;                   /* these ids, each at most FIELDS_TEXT_BYTES_MAX long, and the filter on them */
    const struct slice *ids;      /* in the order of the request, twice where it has them twice */
    size_t ids_count;
    bool continued;               /* by a cursor: */
    struct epoch epoch;           /* of which it is; another one of the stream's makes it expired */
    struct cursor_bookmark first; /* of the first page */
    /* As text: equal where what is asked is. */
    size_t filter_bytes;
    char filter[FILTER_BYTES_MAX]; /* terms with commas between */
    size_t order_bytes;
    char order[CURSOR_ORDER_BYTES_MAX]; /* keys with commas between; "" = none is asked for */
    struct slice select_text;
};

/* What it is read from. */
struct query_source {
    const struct field_set *fields;  /* of the collection; zeroed = none are declared */
    const struct fields_hash *hash;  /* of them */
    struct slice collection;
    const struct param *params;      /* others than those of a query are left alone */
    size_t params_count;
    size_t limit;                    /* of a page, for the URL to begin again with */
    bool count;                      /* a header asks for it */
    const struct slice *ids;         /* of a body: a batch; NULL = the parameters alone. Borrowed, as long as `*out` */
    size_t ids_count;
};

/* Why not, where a sentence is not all. Zeroed = a bad request. */
struct query_fault {
    enum problem problem;  /* bad-request, not-indexed, cursor-mismatch or cursor-expired */
    struct buffer members; /* of the answer's body, as JSON, each with a comma before it; the caller's */
};

/* Read what is asked; `*out` is NULL where that is nothing. It is freed with free().
 * Errors: SG_INVALID, with a sentence that says what is wrong and what there is, and `fault`; SG_MEMORY. */
SG_MUST_CHECK enum sg_status query_make(const struct query_source *source, struct list_query **out,
                                        struct query_fault *fault, struct sg_error *err);

/* Is it a parameter of a filter: a field or a group? Of a query: that, or one of QUERY_PARAMS? */
bool query_filters(const struct field_set *fields, struct slice name);
bool query_knows(const struct field_set *fields, struct slice name);

/* The query as parameters of a URL, each with a "&" before it. */
enum query_part {
    QUERY_PART_FILTER = 1, /* what the changes of these rows are asked with, too */
    QUERY_PART_ORDER = 2,
    QUERY_PART_SELECT = 4,
    QUERY_PART_COUNT = 8
};
void query_append_params(const struct list_query *q, unsigned parts, struct buffer *out);
/* The URL, relative to the list's own, that asks for the same from the first page on: "?limit=...". */
void query_append_restart(const struct list_query *q, size_t limit, struct buffer *out);

/* The cursor of the page that follows one which ended with these values of the access's keys, and this id. */
struct query_end {
    const struct field_value *keys; /* of the access: keys_count of them */
    struct slice id;
    struct slice collection;
    const struct epoch *epoch;
    const struct fields_hash *hash;
    struct cursor_bookmark first;   /* of the first page */
};
/* `q` NULL = nothing is asked. Appends the text; at most CURSOR_LIST_TEXT_BYTES. */
void query_append_cursor(const struct list_query *q, const struct query_end *end, struct buffer *out);

/* For the page's ETag: the same for pages of the same rows. All that is asked, and from where, in FNV-1a, equal on all
 * replicas. NULL = nothing is asked. */
uint32_t query_tag(const struct list_query *q, size_t limit);

#endif
