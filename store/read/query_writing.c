/* Text and binds of a query's SQL. */
#include "store/read/query_writing.h"

#include <assert.h>

void writing_put_value(struct writing *w, enum field_type type, struct field_value value)
{
    assert(w->out->binds_count < QUERY_BINDS_MAX);
    w->out->binds[w->out->binds_count].type = type;
    w->out->binds[w->out->binds_count++].value = value;
    writing_put(w, "?");
}

void writing_put_integer(struct writing *w, int64_t value)
{
    writing_put_value(w, FIELD_INTEGER, (struct field_value){.state = FIELD_SET, .integer = value});
}

void writing_put_operand(struct writing *w, struct operand operand)
{
    writing_put(w, operand.name);
    if (operand.place != FIELDS_NONE)
        buffer_append_uint(&w->out->text, operand.place);
}

int query_text_bind(const struct query_text *text, sqlite3_stmt *s)
{
    int bound = SQLITE_OK;
    for (size_t i = 0; i < text->binds_count; i++) {
        const struct field_value *value = &text->binds[i].value;
        int at = (int)i + 1;
        if (value->state == FIELD_NULL)
            bound |= sqlite3_bind_null(s, at);
        else if (text->binds[i].type == FIELD_STRING)
            bound |= sqlite3_bind_text64(s, at, value->text.bytes > 0 ? value->text.data : "", value->text.bytes,
                                         SQLITE_STATIC, SQLITE_UTF8);
        else if (text->binds[i].type == FIELD_NUMBER)
            bound |= sqlite3_bind_double(s, at, value->number);
        else
            bound |= sqlite3_bind_int64(s, at, value->integer);
    }
    return bound;
}
