/* Recording what could not be applied, bounded; and sweeping away what builds of the past have left. */
#include "core/digest.h"
#include "core/model_internal.h"

/* Longer than a valid id or collection by more than the bytes of a character that a cut may drop: one that was cut
 * equals none that can be asked for. */
#define REJECTED_ID_BYTES_MAX (EVENT_ID_BYTES_MAX + 4)
#define REJECTED_COLLECTION_BYTES_MAX (EVENT_COLLECTION_BYTES_MAX + 4)

static int bind_text(sqlite3_stmt *s, int index, struct slice value)
{
    return value.bytes == 0 ? sqlite3_bind_text(s, index, "", 0, SQLITE_STATIC)
                            : model_bind_slice(s, index, value, EVENT_TEXT_BYTES_MAX);
}

enum sg_status model_reject(struct model_writer *w, int64_t stream, int64_t build, const struct event *event,
                            enum event_reason reason, struct slice detail, struct sg_error *err)
{
    unsigned char digest[DIGEST_BYTES];
    enum sg_status status = digest_sha256(event->payload, digest, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = model_statement(&w->c, SQL_REJECTED_INSERT);
    int bound = sqlite3_bind_int64(s, 1, stream);
    bound |= sqlite3_bind_int64(s, 2, build);
    bound |= model_bind_uint(s, 3, event->sequence);
    bound |= sqlite3_bind_int64(s, 4, event->time_ns);
    bound |= bind_text(s, 5, event->subject);
    bound |= model_bind_slice(s, 6, event->collection, REJECTED_COLLECTION_BYTES_MAX);
    bound |= model_bind_slice(s, 7, event->id, REJECTED_ID_BYTES_MAX);
    bound |= event->version > 0 ? sqlite3_bind_int64(s, 8, event->version) : sqlite3_bind_null(s, 8);
    bound |= sqlite3_bind_text(s, 9, event_reason_name(reason), -1, SQLITE_STATIC);
    bound |= bind_text(s, 10, detail);
    bound |= sqlite3_bind_int64(s, 11, (sqlite3_int64)event->payload.bytes);
    bound |= sqlite3_bind_blob(s, 12, digest, DIGEST_BYTES, SQLITE_STATIC);
    bound |= w->rejected_payload && !event->payload_private && event->payload.bytes > 0
                 ? sqlite3_bind_blob64(s, 13, event->payload.data, event->payload.bytes, SQLITE_STATIC)
                 : sqlite3_bind_null(s, 13);
    status = model_run(&w->c, s, bound, "record a rejected event", err);
    if (status == SG_OK && w->rejected_count >= 0)
        w->rejected_count++;
    return status;
}

enum sg_status model_reject_trim(struct model_writer *w, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    if (w->rejected_count < 0) {
        s = model_statement(&w->c, SQL_REJECTED_COUNT);
        enum sg_status status = model_step(&w->c, s, SQLITE_OK, "count rejected events", err);
        if (status == SG_OK)
            w->rejected_count = sqlite3_column_int64(s, 0);
        (void)sqlite3_reset(s);
        if (status != SG_OK)
            return status;
    }
    int64_t excess = w->rejected_count - (int64_t)w->rejected_max;
    if (excess <= 0)
        return SG_OK;
    s = model_statement(&w->c, SQL_REJECTED_TRIM);
    enum sg_status status = model_run(&w->c, s, sqlite3_bind_int64(s, 1, excess), "forget rejected events", err);
    if (status == SG_OK)
        w->rejected_count -= excess;
    return status;
}

/* ---- sweeping ---- */

/* SG_NOT_FOUND: none is left. */
static enum sg_status stale_collection(struct model_writer *w, int64_t *id, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, SQL_COLLECTION_STALE);
    enum sg_status status = model_step(&w->c, s, SQLITE_OK, "sweep", err);
    if (status == SG_OK)
        *id = sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

/* Entities of one stale collection, then its row. */
static enum sg_status sweep_collection(struct model_writer *w, int64_t id, size_t *rows_left, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, SQL_ENTITIES_DELETE);
    int bound = sqlite3_bind_int64(s, 1, id);
    bound |= sqlite3_bind_int64(s, 2, (sqlite3_int64)*rows_left);
    enum sg_status status = model_run(&w->c, s, bound, "sweep", err);
    if (status != SG_OK)
        return status;
    *rows_left -= (size_t)sqlite3_changes(w->c.db);
    if (*rows_left == 0)
        return SG_OK;
    s = model_statement(&w->c, SQL_COLLECTION_DELETE);
    status = model_run(&w->c, s, sqlite3_bind_int64(s, 1, id), "sweep", err);
    if (status == SG_OK)
        status = model_bump_generation(w, err); /* the row's number may be given to another collection */
    (*rows_left)--;
    return status;
}

static enum sg_status sweep_rejected(struct model_writer *w, size_t *rows_left, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, SQL_REJECTED_STALE_DELETE);
    int bound = sqlite3_bind_int64(s, 1, (sqlite3_int64)*rows_left);
    enum sg_status status = model_run(&w->c, s, bound, "sweep", err);
    if (status == SG_OK) {
        size_t deleted = (size_t)sqlite3_changes(w->c.db);
        *rows_left -= deleted;
        if (w->rejected_count >= 0)
            w->rejected_count -= (int64_t)deleted;
    }
    return status;
}

enum sg_status model_sweep(struct model_writer *w, size_t rows_max, bool *more, struct sg_error *err)
{
    size_t rows_left = rows_max;
    int64_t id = 0;
    if (rows_max == 0 || rows_max > INT32_MAX)
        return sg_fail(err, SG_INVALID, "a sweep takes 1 to %d rows", INT32_MAX);
    enum sg_status status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    status = sweep_rejected(w, &rows_left, err);
    while (status == SG_OK && rows_left > 0) {
        status = stale_collection(w, &id, err);
        if (status == SG_OK)
            status = sweep_collection(w, id, &rows_left, err);
    }
    if (status == SG_NOT_FOUND)
        status = SG_OK;
    status = model_end(w, status, err);
    if (status == SG_OK)
        *more = rows_left == 0; /* else it was not for want of budget that it ended */
    return status;
}
