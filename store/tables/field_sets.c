/* Rows of field_sets. What a stored declaration says is read by SQLite's JSON functions. */
#include "store/tables/field_sets.h"

#include "store/tables/fields.h"

#define WHAT "read the sets of fields"

enum { COLUMN_NUMBER, COLUMN_FILLED, COLUMN_UNTIL, COLUMN_INDEXED, COLUMN_DECLARATION };
enum { FIELD_COLUMN_AT, FIELD_COLUMN_TYPE, FIELD_COLUMN_NAME };

/* ---- what a stored declaration says ---- */

/* The value of the field is taken from the same place, and is of the same type. */
static bool same_meaning(sqlite3_stmt *s, const struct field *field)
{
    struct slice at = store_column_slice(s, FIELD_COLUMN_AT);
    if (!slice_equal(store_column_slice(s, FIELD_COLUMN_TYPE), slice_of(field_type_name(field->type))))
        return false;
    if (!field->many)
        return slice_equal(at, slice_of(field->at));
    size_t bytes = strlen(field->at);
    return at.bytes == bytes + 2 && memcmp(at.data, field->at, bytes) == 0 && memcmp(at.data + bytes, "/*", 2) == 0;
}

static enum sg_status find_places(struct store_connection *c, struct slice stored, const struct field_set *declared,
                                  unsigned places[FIELDS_MAX], struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_FIELDS);
    int bound = sqlite3_bind_text64(s, 1, stored.data, stored.bytes, SQLITE_STATIC, SQLITE_UTF8);
    unsigned place = 0;
    enum sg_status status;
    for (size_t i = 0; i < FIELDS_MAX; i++)
        places[i] = FIELDS_NONE;
    for (; (status = store_step(c, s, bound, WHAT, err)) == SG_OK && place < FIELDS_MAX; place++) {
        for (size_t i = 0; i < declared->fields_count; i++) {
            if (places[i] == FIELDS_NONE && same_meaning(s, &declared->fields[i]))
                places[i] = place;
        }
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* ---- what serves ---- */

static enum sg_status index_exists(struct store_connection *c, const char *name, bool *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_INDEX_EXISTS);
    enum sg_status status = store_step(c, s, sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC), WHAT, err);
    (void)sqlite3_reset(s);
    *out = status == SG_OK;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static bool has_places(const struct field_index *index, const unsigned *places)
{
    for (size_t i = 0; i < index->columns_count; i++) {
        if (places[index->columns[i].field] == FIELDS_NONE)
            return false;
    }
    return true;
}

static enum sg_status find_indexes(struct store_connection *c, const struct field_set *declared,
                                   struct store_field_set *out, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < declared->indexes_count; i++) {
        const struct field_index *index = &declared->indexes[i];
        out->indexes[i] = false;
        if (has_places(index, out->places))
            status = index_exists(c, store_fields_index(out->number, out->places, declared, index).text,
                                  &out->indexes[i], err);
    }
    return status;
}

enum sg_status store_field_sets_serving(struct store_connection *c, int64_t collection,
                                        const struct store_declaration *declared, struct store_field_set *out,
                                        struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_FIELD_SET_SERVING);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, collection), WHAT, err);
    bool known = false;
    *out = (struct store_field_set){0};
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        out->places[i] = status == SG_OK ? i : FIELDS_NONE;
    if (status == SG_OK) {
        struct slice stored = store_column_slice(s, COLUMN_DECLARATION);
        out->number = sqlite3_column_int64(s, COLUMN_NUMBER);
        known = slice_equal(stored, declared->text);
        for (size_t i = 0; i < declared->fields->indexes_count; i++)
            out->indexes[i] = true;
        if (!known)
            status = find_places(c, stored, declared->fields, out->places, err);
        known &= sqlite3_column_int(s, COLUMN_INDEXED) != 0;
    }
    (void)sqlite3_reset(s);
    if (status == SG_OK && !known)
        status = find_indexes(c, declared->fields, out, err);
    return status == SG_NOT_FOUND ? SG_OK : status;
}
