/* A query's SQL while it is written: the text, and the values that are bound to it. */
#ifndef STATEGATE_STORE_READ_QUERY_WRITING_H
#define STATEGATE_STORE_READ_QUERY_WRITING_H

#include <sqlite3.h>

#include "core/base/buffer.h"
#include "store/query.h"
#include "store/tables/field_sets.h"

#define QUERY_TEXT_BYTES_MAX (32u << 10) /* 32 tests of at most 200 bytes, and what stands around them */
/* A value for each test, for each column of a segment and its nulls, a bound more, the collection, a limit. */
#define QUERY_BINDS_MAX (QUERY_TERMS_MAX + 2 * FIELDS_INDEX_COLUMNS_MAX + 8)

struct query_text {
    struct buffer text;
    struct {
        enum field_type type;
        struct field_value value;
    } binds[QUERY_BINDS_MAX];
    size_t binds_count;
};
/* The OR of the binds' results. The values must outlive the step. */
int query_text_bind(const struct query_text *text, sqlite3_stmt *s);

/* What is written: in the text, `w` is the row that the walk is at, `f` its row of fields_<n> where the walk does not
 * give that, `e` the entity, and `d` an element of a many-valued field. */
struct writing {
    struct query_text *out;
    const struct query *query;
    const struct query_access *access;
    const struct store_field_set *serving;
    const struct field_index *index; /* NULL = the ids' own */
    bool many;                       /* of a many-valued field */
    bool has_fields;                 /* the walk's rows are those of fields_<n> */
};

static inline void writing_put(struct writing *w, const char *text)
{
    buffer_append_text(&w->out->text, text);
}

/* Bind a value, and put its place. */
void writing_put_value(struct writing *w, enum field_type type, struct field_value value);
void writing_put_integer(struct writing *w, int64_t value);

/* A column by its name, or by the letters before its field's place. */
struct operand {
    const char *name;
    unsigned place; /* FIELDS_NONE: the name is all */
};
void writing_put_operand(struct writing *w, struct operand operand);

#endif
