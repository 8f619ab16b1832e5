/* The way of a query through its index, as segments: each has the same values in its first columns, and a range of the
 * next one. Run one after the other they are the rows in their order, from the start or after what a page ended with.
 *
 *   keys k1, k2.desc, nulls last, after (a, b, id i):
 *     k1 = a, k2 = b, id > i     k1 = a, k2 < b     k1 = a, k2 null     k1 > a
 *
 * So each is one plain search of the index, whatever the directions and wherever nulls stand. Pure. */
#ifndef STATEGATE_STORE_READ_QUERY_WALK_H
#define STATEGATE_STORE_READ_QUERY_WALK_H

#include "store/query.h"

struct query_bound {
    bool given;
    bool inclusive;
    struct field_value value; /* set */
};

struct query_segment {
    /* Of the index's columns, the id among them as the last, those that have one value; null is one. */
    size_t fixed_count;
    struct field_value fixed[FIELDS_INDEX_COLUMNS_MAX + 1];
    /* Of the next column. Neither is given: all of it, nulls too; else nulls are left out. */
    struct query_bound low;
    struct query_bound high;
};

struct query_walk {
    const struct query *query;         /* borrowed */
    const struct query_access *access; /* borrowed */
    /* What the filter says of the first column that is not fixed: points, or bounds. */
    const struct field_value *points; /* NULL = none */
    size_t points_count;
    struct query_bound low;
    struct query_bound high;
    /* The keys, and the id after them, are levels: the next segments have the values of `after` above this one. */
    bool resumed;
    size_t equal_count;
    size_t level;
    size_t point;      /* the next one to look at, in the order of the walk */
    bool values_done;  /* of the level; nulls come after its values, if they do */
    bool ended;
    char prefix_end[FIELDS_TEXT_BYTES_MAX];
};

/* From the start; or, `resumed`, from `after` and `after_id` of the query on, if it has them. */
void query_walk_begin(struct query_walk *w, const struct query *query, const struct query_access *access,
                      bool resumed);
/* False: there are no more. The values live as long as the walk and the query. */
bool query_walk_next(struct query_walk *w, struct query_segment *out);

#endif
