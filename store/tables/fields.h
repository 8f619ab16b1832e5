/* The tables of declared fields, as DDL: one narrow table for each set of them that a collection has, its indexes, and a
 * table for each many-valued field. <n> is the number of the set's row in field_sets, <k> the place of a field in the
 * set's declaration:
 *
 *   fields_<n>            number (that of entities), id, and c<k> for each single-valued field: NULL where it has no
 *                         value. n<k> is whether c<k> is NULL; there for a field only where an index wants its nulls on
 *                         the side that SQLite does not put them.
 *   fields_<n>_<columns>  an index, its columns by their places: "_0_2d" is c0, c2 DESC, id. With an `n` after it (_0n,
 *                         _2dn) n<k> stands before c<k>: n0, c0, n2 DESC, c2 DESC, id.
 *   field_<n>_<k>         number, value, id for each element of the many-valued field k; none where there is no value
 *   field_<n>_<k>_values  its index (value, id), where one is declared
 *
 * Text is TEXT, compared by bytes; integer, boolean (0 or 1) and time (nanoseconds) are INTEGER, number is REAL. */
#ifndef STATEGATE_STORE_TABLES_FIELDS_H
#define STATEGATE_STORE_TABLES_FIELDS_H

#include "core/domain/fields.h"
#include "store/sqlite/connection.h"

struct store_fields_name {
    char text[64]; /* all of them fit: two numbers and four columns at most */
};

struct store_fields_name store_fields_table(int64_t set);
struct store_fields_name store_fields_many_table(int64_t set, unsigned field);
/* `places` says where the fields of the declaration that the index is of stand in the set; NULL = at the same places. */
struct store_fields_name store_fields_index(int64_t set, const unsigned *places, const struct field_set *fields,
                                            const struct field_index *index);
/* n<k> stands before c<k> in the index. */
bool store_fields_other_nulls(const struct field_index_column *column);
/* The name of the type of c<k>, or of the values of a many-valued field. */
const char *store_fields_type(enum field_type type);

/* Create the tables of a set, without indexes. */
SG_MUST_CHECK enum sg_status store_fields_create(struct store_connection *c, int64_t set,
                                                 const struct field_set *fields, struct sg_error *err);
/* Create index `at` of the declaration, if it is not there. */
SG_MUST_CHECK enum sg_status store_fields_create_index(struct store_connection *c, int64_t set,
                                                       const struct field_set *fields, size_t at, struct sg_error *err);

#endif
