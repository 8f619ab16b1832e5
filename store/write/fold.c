/* One id's row: what each event comes to against it, and how the winner is written. */
#include "store/write/write.h"

#define WHAT "apply events"

enum sg_status store_row_find(struct store_connection *c, const struct collection_name *collection, struct slice id,
                              struct store_row *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_FIND);
    int bound = sqlite3_bind_int64(s, 1, collection->id);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    *out = (struct store_row){0};
    enum sg_status status = store_step(c, s, bound, WHAT, err);
    if (status == SG_OK) {
        out->number = sqlite3_column_int64(s, 0);
        out->version = sqlite3_column_int64(s, 1);
        out->deleted = sqlite3_column_int(s, 2) != 0;
        out->sequence = (uint64_t)sqlite3_column_int64(s, 3);
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* Has the row, at this very version, the content that `e` brings? */
static enum sg_status row_same(struct store_connection *c, const struct store_row *row, const struct event *e,
                               bool *out, struct sg_error *err)
{
    *out = row->deleted && e->kind == EVENT_TOMBSTONE;
    if (row->deleted || e->kind == EVENT_TOMBSTONE)
        return SG_OK;
    if (row->winner != NULL) {
        *out = slice_equal(row->winner->state, e->state);
        return SG_OK;
    }
    sqlite3_stmt *s = store_statement(c, SQL_ENTITY_STATE);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, row->number), WHAT, err);
    if (status == SG_OK)
        *out = slice_equal(store_column_slice(s, 0), e->state);
    else if (status == SG_NOT_FOUND)
        status = store_fail(c, SQLITE_CORRUPT, WHAT, err); /* the index named a row that is not there */
    (void)sqlite3_reset(s);
    return status;
}

static void row_win(struct store_row *row, const struct event *e, struct store_outcome *o)
{
    if (e->kind != EVENT_ERASE)
        row->version = e->version;
    row->deleted = e->kind != EVENT_STATE;
    row->sequence = e->sequence;
    row->winner = e;
    o->result = RESULT_APPLIED;
}

enum sg_status store_row_fold(struct store_connection *c, struct store_row *row, const struct event *e,
                              struct store_outcome *o, struct sg_error *err)
{
    bool same = false;
    *o = (struct store_outcome){.result = RESULT_STALE, .reason = REASON_NONE};
    if (e->kind == EVENT_ERASE) {
        if (row->version == 0)
            o->result = RESULT_IGNORED;
        else if (row->deleted)
            o->result = RESULT_DUPLICATE;
        else
            row_win(row, e, o);
        return SG_OK;
    }
    if (e->version > row->version)
        row_win(row, e, o);
    if (e->version != row->version || o->result == RESULT_APPLIED)
        return SG_OK;
    enum sg_status status = row_same(c, row, e, &same, err);
    o->result = same ? RESULT_DUPLICATE : RESULT_CONFLICT;
    if (!same) {
        o->reason = REASON_CONFLICT;
        o->stored_sequence = row->sequence;
    }
    return status;
}

enum sg_status store_row_write(struct store_connection *c, enum store_sql which,
                               const struct collection_name *collection, const struct store_row *row, bool *written,
                               struct sg_error *err)
{
    const struct event *e = row->winner;
    sqlite3_stmt *s = store_statement(c, which);
    int bound = sqlite3_bind_int64(s, 1, which == SQL_ENTITY_UPDATE ? row->number : collection->id);
    if (which != SQL_ENTITY_UPDATE)
        bound |= store_bind_slice(s, 2, e->id, SIZE_MAX);
    bound |= sqlite3_bind_int64(s, 3, row->version);
    bound |= sqlite3_bind_int(s, 4, row->deleted);
    bound |= store_bind_uint(s, 5, row->sequence);
    bound |= store_bind_slice(s, 6, e->occurred_at, EVENT_TEXT_BYTES_MAX);
    bound |= store_bind_slice(s, 7, e->type, EVENT_TEXT_BYTES_MAX);
    bound |= e->has_schema_version ? sqlite3_bind_int64(s, 8, e->schema_version) : sqlite3_bind_null(s, 8);
    bound |= store_bind_slice(s, 9, e->message_id, EVENT_TEXT_BYTES_MAX);
    bound |= store_bind_slice(s, 10, e->correlation_id, EVENT_TEXT_BYTES_MAX);
    bound |= store_bind_slice(s, 11, e->causation_id, EVENT_TEXT_BYTES_MAX);
    bound |= store_bind_slice(s, 12, row->deleted ? (struct slice){NULL, 0} : e->state, SIZE_MAX);
    enum sg_status status = store_run(c, s, bound, WHAT, err);
    *written = status == SG_OK && sqlite3_changes(c->db) == 1;
    return status;
}
