/* Recording what could not be applied. */
#include "store/tables/rejected.h"

#include "core/base/digest.h"

/* Longer than a valid id or collection by more than the bytes of a character that a cut may drop: one that was cut
 * equals none that can be asked for. */
#define REJECTED_ID_BYTES_MAX (EVENT_ID_BYTES_MAX + 4)
#define REJECTED_COLLECTION_BYTES_MAX (EVENT_COLLECTION_BYTES_MAX + 4)

static int bind_text(sqlite3_stmt *s, int index, struct slice value)
{
    return value.bytes == 0 ? sqlite3_bind_text(s, index, "", 0, SQLITE_STATIC)
                            : store_bind_slice(s, index, value, EVENT_TEXT_BYTES_MAX);
}

enum sg_status store_rejected_insert(struct store_connection *c, const struct build *build, const struct event *event,
                               enum event_reason reason, struct slice detail, bool keep_payload, struct sg_error *err)
{
    unsigned char digest[DIGEST_BYTES];
    enum sg_status status = digest_sha256(event->payload, digest, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_statement(c, SQL_REJECTED_INSERT);
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= sqlite3_bind_int64(s, 2, build->build);
    bound |= store_bind_uint(s, 3, event->sequence);
    bound |= sqlite3_bind_int64(s, 4, event->time_ns);
    bound |= bind_text(s, 5, event->subject);
    bound |= store_bind_slice(s, 6, event->collection, REJECTED_COLLECTION_BYTES_MAX);
    bound |= store_bind_slice(s, 7, event->id, REJECTED_ID_BYTES_MAX);
    bound |= event->version > 0 ? sqlite3_bind_int64(s, 8, event->version) : sqlite3_bind_null(s, 8);
    bound |= sqlite3_bind_text(s, 9, event_reason_name(reason), -1, SQLITE_STATIC);
    bound |= bind_text(s, 10, detail);
    bound |= sqlite3_bind_int64(s, 11, (sqlite3_int64)event->payload.bytes);
    bound |= sqlite3_bind_blob(s, 12, digest, DIGEST_BYTES, SQLITE_STATIC);
    bound |= keep_payload && !event->payload_private && event->payload.bytes > 0
                 ? sqlite3_bind_blob64(s, 13, event->payload.data, event->payload.bytes, SQLITE_STATIC)
                 : sqlite3_bind_null(s, 13);
    return store_run(c, s, bound, "record a rejected event", err);
}

enum sg_status store_rejected_count(struct store_connection *c, int64_t *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_REJECTED_COUNT);
    enum sg_status status = store_step(c, s, SQLITE_OK, "count rejected events", err);
    if (status == SG_OK)
        *out = sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status store_rejected_trim(struct store_connection *c, int64_t count, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_REJECTED_TRIM);
    return store_run(c, s, sqlite3_bind_int64(s, 1, count), "forget rejected events", err);
}
