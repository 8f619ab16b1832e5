/* Random queries over random rows, for what evaluates them in different ways: the same rows must come everywhere. Values
 * are few, so that tests hold and fail, keys are equal and terms contradict each other; a third of them is null. */
#ifndef STATEGATE_TESTS_QUERY_GENERATOR_H
#define STATEGATE_TESTS_QUERY_GENERATOR_H

#include "store/query.h"

#define GENERATOR_ELEMENTS_MAX 3

struct query_generator {
    uint64_t state;            /* of the random numbers */
    struct field_set fields;   /* owned: of every type, two of many values, and some indexes */
    /* What the last query and the last row point at. */
    struct field_value values[QUERY_TERMS_MAX * 8];
    size_t values_count;
    struct field_value row_values[FIELDS_MAX];
    struct field_value elements[FIELDS_MAX][GENERATOR_ELEMENTS_MAX];
    char id[16];
    char occurred_at[40];
};

/* The same seed gives the same queries and rows. */
void query_generator_init(struct query_generator *g, uint64_t seed);
void query_generator_free(struct query_generator *g);

/* From 0 up to, and without, `end`. */
unsigned query_generator_below(struct query_generator *g, unsigned end);

/* A filter, and in half of the queries an order, which need not be one that is served; valid until the next call. */
void query_generator_query(struct query_generator *g, struct query *out);
/* A row whose id nobody has but the `number`-th; valid until the next call. */
void query_generator_row(struct query_generator *g, unsigned number, struct query_row *out);

#endif
