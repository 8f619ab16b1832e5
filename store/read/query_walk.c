/* A walk's segments. */
#include "store/read/query_walk.h"

#include <assert.h>
#include <math.h>

static struct query_key key_of(const struct query_walk *w, size_t level)
{
    return level < w->access->keys_count ? w->access->keys[level] : (struct query_key){.field = QUERY_ID};
}

static struct field_value after_of(const struct query_walk *w, size_t level)
{
    if (level < w->access->keys_count)
        return w->query->after[level];
    return (struct field_value){.state = FIELD_SET, .text = w->query->after_id};
}

static enum field_type type_of(const struct query_walk *w, size_t level)
{
    return query_field_type(w->query->fields, key_of(w, level).field);
}

/* ---- bounds ---- */

/* No value is less: with it, nulls alone are left out. */
static struct query_bound least(enum field_type type)
{
    struct query_bound bound = {.given = true, .inclusive = true, .value = {.state = FIELD_SET}};
    if (type == FIELD_STRING)
        bound.value.text = SLICE_LITERAL("");
    else if (type == FIELD_NUMBER)
        bound.value.number = -INFINITY;
    else
        bound.value.integer = INT64_MIN;
    return bound;
}

static void raise_low(enum field_type type, struct query_bound *low, const struct query_bound *by)
{
    int order = low->given && by->given ? field_value_compare(type, &by->value, &low->value) : 1;
    if (by->given && (order > 0 || (order == 0 && !by->inclusive)))
        *low = *by;
}

static void lower_high(enum field_type type, struct query_bound *high, const struct query_bound *by)
{
    int order = high->given && by->given ? field_value_compare(type, &by->value, &high->value) : -1;
    if (by->given && (order < 0 || (order == 0 && !by->inclusive)))
        *high = *by;
}

/* The least text that is greater than all that begin with the prefix; none is where that is empty. */
static void end_prefix(struct query_walk *w, struct slice prefix)
{
    assert(prefix.bytes <= sizeof w->prefix_end);
    while (prefix.bytes > 0 && (unsigned char)prefix.data[prefix.bytes - 1] == 0xff)
        prefix.bytes--;
    if (prefix.bytes == 0)
        return;
    memcpy(w->prefix_end, prefix.data, prefix.bytes);
    w->prefix_end[prefix.bytes - 1]++;
    w->high = (struct query_bound){.given = true, .value = {.state = FIELD_SET, .text = {w->prefix_end, prefix.bytes}}};
}

static void constrain(struct query_walk *w)
{
    const struct query_access *a = w->access;
    if (a->list != NULL) {
        w->points = a->list->values;
        w->points_count = a->list->values_count;
    }
    if (a->low != NULL)
        w->low = (struct query_bound){true, a->low->operator != QUERY_GT, a->low->values[0]};
    else if (a->not_null)
        w->low = least(type_of(w, 0));
    if (a->high != NULL && a->high->operator == QUERY_LIKE)
        end_prefix(w, a->high->values[0].text);
    else if (a->high != NULL)
        w->high = (struct query_bound){true, a->high->operator == QUERY_LTE, a->high->values[0]};
}

static bool is_within(const struct query_walk *w, const struct field_value *value)
{
    enum field_type type = type_of(w, 0);
    bool among = w->points == NULL;
    if (w->points == NULL && !w->low.given && !w->high.given)
        return true;
    if (value->state == FIELD_NULL)
        return false;
    for (size_t i = 0; i < w->points_count && !among; i++)
        among = field_value_compare(type, &w->points[i], value) == 0;
    int above = w->low.given ? field_value_compare(type, value, &w->low.value) : 1;
    int below = w->high.given ? field_value_compare(type, &w->high.value, value) : 1;
    return among && (above > 0 || (above == 0 && w->low.inclusive)) &&
           (below > 0 || (below == 0 && w->high.inclusive));
}

void query_walk_begin(struct query_walk *w, const struct query *query, const struct query_access *access,
                      bool resumed)
{
    *w = (struct query_walk){.query = query, .access = access, .equal_count = access->equal_count};
    w->resumed = resumed && query->after_id.bytes > 0;
    if (access->index == QUERY_BY_ID && access->equal_count > 0) { /* a list of one */
        w->points = access->equal[0]->values;
        w->points_count = 1;
        w->equal_count = 0;
    } else {
        constrain(w);
    }
    /* What a page ended with passes the filter, unless somebody made it up. */
    struct field_value first = after_of(w, 0);
    if (w->resumed && is_within(w, &first))
        w->level = access->keys_count;
#ifdef SG_PLANT_QUERY_TIE_WITHOUT_ID /* rows with the keys of the one that the page ended with are passed over */
    w->level -= w->level > 0;
#endif
}

/* ---- segments ---- */

static struct field_value equality_of(const struct query_node *test)
{
    switch (test->operator) {
    case QUERY_EQ: return test->values[0];
    case QUERY_IS_TRUE:
    case QUERY_IS_FALSE:
        return (struct field_value){.state = FIELD_SET, .integer = test->operator == QUERY_IS_TRUE};
    default: assert(test->operator == QUERY_IS_NULL); return (struct field_value){.state = FIELD_NULL};
    }
}

/* What is the same in all segments of the level. */
static void begin_segment(const struct query_walk *w, struct query_segment *out)
{
    *out = (struct query_segment){.fixed_count = 0};
    for (size_t i = 0; i < w->equal_count; i++)
        out->fixed[out->fixed_count++] = equality_of(w->access->equal[i]);
    for (size_t i = 0; i < w->level; i++)
        out->fixed[out->fixed_count++] = after_of(w, i);
}

static bool next_values(const struct query_walk *w, struct query_segment *out)
{
    enum field_type type = type_of(w, w->level);
    struct query_key key = key_of(w, w->level);
    struct field_value after = after_of(w, w->level);
    begin_segment(w, out);
    if (w->resumed && after.state == FIELD_NULL) {
        if (key.nulls_last)
            return false;
#ifdef SG_PLANT_QUERY_NULL_BOUNDARY /* nothing is greater than null */
        return false;
#endif
        out->low = least(type);
    } else if (w->resumed) {
        *(key.descending ? &out->high : &out->low) = (struct query_bound){.given = true, .value = after};
    }
    if (w->level == 0) {
        raise_low(type, &out->low, &w->low);
        lower_high(type, &out->high, &w->high);
    }
    return true;
}

/* Those after the values; where they come first, or from the start, they are in the segment of the values. */
static bool next_nulls(const struct query_walk *w, struct query_segment *out)
{
    bool constrained = w->level == 0 && (w->low.given || w->high.given);
    if (!w->resumed || constrained || !key_of(w, w->level).nulls_last || after_of(w, w->level).state == FIELD_NULL)
        return false;
    begin_segment(w, out);
    out->fixed[out->fixed_count++] = (struct field_value){.state = FIELD_NULL};
    return true;
}

static bool is_beyond(const struct query_walk *w, const struct field_value *point)
{
    struct query_key key = key_of(w, 0);
    struct field_value after = after_of(w, 0);
    if (!w->resumed)
        return true;
    if (after.state == FIELD_NULL)
        return !key.nulls_last;
    int order = field_value_compare(type_of(w, 0), point, &after);
    return key.descending ? order < 0 : order > 0;
}

static bool next_point(struct query_walk *w, struct query_segment *out)
{
    bool descending = key_of(w, 0).descending;
    while (w->point < w->points_count) {
        size_t at = descending ? w->points_count - 1 - w->point : w->point;
        w->point++;
        if (!is_beyond(w, &w->points[at]))
            continue;
        begin_segment(w, out);
        out->fixed[out->fixed_count++] = w->points[at];
        return true;
    }
    return false;
}

bool query_walk_next(struct query_walk *w, struct query_segment *out)
{
    while (!w->ended) {
        bool found;
        if (w->level == 0 && w->points != NULL) {
            found = next_point(w, out);
            w->ended = !found;
        } else if (!w->values_done) {
            found = next_values(w, out);
            w->values_done = true;
        } else {
            found = next_nulls(w, out);
            w->values_done = false;
            w->ended = w->level == 0;
            w->level -= w->level > 0;
        }
        if (found)
            return true;
    }
    return false;
}
