/* Streams: loaded, attached, identified; what a build has passed over. */
#include <inttypes.h>
#include <string.h>

#include "store/sqlite/stream_rows.h"
#include "store/write/build.h"
#include "store/write/transaction.h"

/* Step to a stream's row; the caller resets the statement. */
static enum sg_status row_find(struct store_writer *w, sqlite3_stmt *s, int64_t stream_id, struct sg_error *err)
{
    enum sg_status status = store_step(&w->c, s, sqlite3_bind_int64(s, 1, stream_id), "read a stream", err);
    if (status == SG_NOT_FOUND)
        status = sg_fail(err, SG_NOT_FOUND, "the database has no stream number %lld", (long long)stream_id);
    return status;
}

enum sg_status store_stream_load(struct store_writer *w, int64_t stream_id, struct stream *out, struct sg_error *err)
{
    struct stream found;
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_BY_ID);
    enum sg_status status = row_find(w, s, stream_id, err);
    if (status == SG_OK)
        status = store_stream_from_row(&w->c, s, &found, err);
    (void)sqlite3_reset(s);
    if (status == SG_OK)
        *out = found;
    return status;
}

enum sg_status store_build_load(struct store_writer *w, int64_t stream_id, struct build *out, struct sg_error *err)
{
    size_t slot = (size_t)stream_id % STORE_BUILDS_KNOWN;
    struct build *known = &w->builds[slot];
    if (known->stream == stream_id) {
        *out = *known;
        return SG_OK;
    }
    struct build found;
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_BY_ID);
    enum sg_status status = row_find(w, s, stream_id, err);
    if (status == SG_OK)
        status = store_build_from_row(&w->c, s, &found, err);
    (void)sqlite3_reset(s);
    if (status != SG_OK)
        return status;
    *out = *known = found;
    w->keys[slot] = -1;
    return SG_OK;
}

/* ---- attaching ---- */

/* A database of an older version has the rows' fingerprint as that version wrote it. */
static bool same_rows(struct slice stored, const struct stream_fingerprint *fingerprint)
{
    return slice_equal(stored, slice_of(fingerprint->rows)) ||
           (fingerprint->rows_before != NULL && slice_equal(stored, slice_of(fingerprint->rows_before)));
}

static enum sg_status attach_new(struct store_writer *w, const char *name, const struct stream_fingerprint *fingerprint,
                                 struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_INSERT);
    int bound = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    bound |= sqlite3_bind_text(s, 2, fingerprint->rows, -1, SQLITE_STATIC);
    store_written_changed(w);
    return store_stream_write(w, s, bound, err);
}

/* The next build that is thrown away knows best which incarnation the stream is in. */
static enum sg_status attach_known(struct store_writer *w, const struct build *found,
                                   const struct stream_fingerprint *fingerprint, bool reshaped, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_ATTACH);
    int bound = sqlite3_bind_int64(s, 1, found->stream);
    bound |= sqlite3_bind_text(s, 2, fingerprint->rows, -1, SQLITE_STATIC);
    store_written_changed(w);
    enum sg_status status = store_stream_write(w, s, bound, err);
    if (status == SG_OK)
        status = reshaped ? store_build_serve_new(w, found, found->created_ns, &found->epoch, TARGET_UNKNOWN, err)
                          : store_build_settle(w, found, err);
    return status;
}

static enum sg_status find_by_name(struct store_writer *w, const char *name,
                                   const struct stream_fingerprint *fingerprint,
                                   struct build *build, struct stream *stream, bool *same, bool *attached,
                                   struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_BY_NAME);
    int bound = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    enum sg_status status = store_step(&w->c, s, bound, "read a stream", err);
    if (status == SG_OK) {
        *same = same_rows(store_column_slice(s, STREAM_COLUMN_ROWS_FINGERPRINT), fingerprint);
        *attached = sqlite3_column_int(s, STREAM_COLUMN_ATTACHED) != 0;
        status = store_build_from_row(&w->c, s, build, err);
    }
    if (status == SG_OK)
        status = store_stream_from_row(&w->c, s, stream, err);
    (void)sqlite3_reset(s);
    return status;
}

/* Everything between BEGIN and COMMIT. */
static enum sg_status attach(struct store_writer *w, const char *name, const struct stream_fingerprint *fingerprint,
                             struct stream *out,
                                   bool *reshaped, struct sg_error *err)
{
    struct build build;
    bool same = true;
    bool attached = false;
    enum sg_status status = find_by_name(w, name, fingerprint, &build, out, &same, &attached, err);
    *reshaped = false;
    if (status == SG_NOT_FOUND) {
        status = attach_new(w, name, fingerprint, err);
    } else if (status == SG_OK) {
        *reshaped = !same && (build.is_next || build.position > 0);
        status = attach_known(w, &build, fingerprint, *reshaped, err);
    }
    return status == SG_OK ? find_by_name(w, name, fingerprint, &build, out, &same, &attached, err) : status;
}

/* True where the stream is as the last session left it: then nothing has to be written, for which there is no room. */
static bool attach_as_stored(struct store_writer *w, const char *name, const struct stream_fingerprint *fingerprint,
                             struct stream *out)
{
    struct build build;
    struct stream found;
    bool same = false;
    bool attached = false;
    if (find_by_name(w, name, fingerprint, &build, &found, &same, &attached, NULL) != SG_OK || !same || !attached)
        return false;
    *out = found;
    return true;
}

enum sg_status store_streams_attached(struct store_writer *w, size_t count, struct sg_error *err)
{
    int64_t attached = 0;
    if (!w->session_deferred)
        return SG_OK;
    enum sg_status status = store_query_int(&w->c, "SELECT count(*) FROM streams WHERE attached = 1", &attached, err);
    if (status == SG_OK && (uint64_t)attached != count)
        status = sg_fail(err, SG_FULL, "cannot store that streams are not followed any more: the disk is full");
    return status;
}

enum sg_status store_stream_attach(struct store_writer *w, const char *name,
                                   const struct stream_fingerprint *fingerprint, struct stream *out,
                                   bool *reshaped, struct sg_error *err)
{
    struct stream found;
    bool reshape = false;
    if (name[0] == '\0' || strlen(name) >= sizeof found.name)
        return sg_fail(err, SG_INVALID, "a stream's name has 1 to %zu bytes", sizeof found.name - 1);
    if (w->session_owed && attach_as_stored(w, name, fingerprint, out)) {
        *reshaped = false;
        return SG_OK;
    }
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    status = store_end(w, attach(w, name, fingerprint, &found, &reshape, err), err);
    if (status == SG_OK) {
        *out = found;
        *reshaped = reshape;
    }
    return status;
}

enum sg_status store_stream_identify(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                     const struct epoch *epoch, struct sg_error *err)
{
    struct build found;
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    status = store_build_load(w, stream_id, &found, err);
    if (status == SG_OK && (found.created_ns != 0 || found.position != 0))
        status = sg_fail(err, SG_INVALID, "stream number %lld has an identity already", (long long)stream_id);
    if (status == SG_OK) {
        sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_IDENTIFY);
        int bound = sqlite3_bind_int64(s, 1, stream_id);
        bound |= sqlite3_bind_int64(s, 2, created_ns);
        bound |= sqlite3_bind_text(s, 3, epoch->text, -1, SQLITE_STATIC);
        status = store_stream_write(w, s, bound, err);
    }
    return store_end(w, status, err);
}

/* ---- holes: passed over, stored with the position, settled ----
 *
 *   an event, or an advance, whose sequence does not follow the position ── passed: the hole reaches from the first
 *        sequence that is not settled to the last one; what is settled stands still before it
 *   the source has found out what is lost with it ── settled: gaps are recorded, and it ends */

enum sg_status store_stream_begun(struct store_writer *w, int64_t stream_id, uint64_t last, uint64_t removed,
                                  int64_t missing, struct sg_error *err)
{
    struct build build;
    if (last > INT64_MAX || removed > last || missing > (int64_t)last)
        return sg_fail(err, SG_INVALID, "%" PRIu64 " of %" PRIu64 " messages cannot be removed", removed, last);
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    status = store_build_load(w, stream_id, &build, err);
    if (status == SG_OK && build.position > 0)
        status = sg_fail(err, SG_INVALID, "stream number %lld has a position already", (long long)stream_id);
    build.begun_last = last;
    build.begun_removed = removed;
    build.begun_missing = missing;
    if (status == SG_OK)
        status = store_build_write_hole(w, &build, err);
    return store_end(w, status, err);
}

/* ---- settling ---- */

static enum sg_status add_gap(struct store_writer *w, const struct build *build, struct gap add, struct sg_error *err)
{
    struct gap gaps[STREAM_GAPS_MAX + 1];
    char text[STORE_GAPS_TEXT_BYTES];
    size_t count = build->gaps_count;
    memcpy(gaps, build->gaps, sizeof build->gaps);
    store_gaps_add(gaps, &count, add);
    store_gaps_format(gaps, count, text);
    sqlite3_stmt *s = store_statement(&w->c, build->is_next ? SQL_NEXT_BUILD_SET_GAPS : SQL_STREAM_SET_GAPS);
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= sqlite3_bind_text(s, 2, text, -1, SQLITE_STATIC);
    return store_stream_write(w, s, bound, err);
}

enum sg_status store_stream_add_gap(struct store_writer *w, int64_t stream_id, uint64_t first, uint64_t last,
                                    struct sg_error *err)
{
    struct build build;
    if (first == 0 || first > last || last > INT64_MAX)
        return sg_fail(err, SG_INVALID, "%" PRIu64 "-%" PRIu64 " is no range of sequences", first, last);
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    status = store_build_load(w, stream_id, &build, err);
    if (status == SG_OK)
        status = add_gap(w, &build, (struct gap){first, last}, err);
    return store_end(w, status, err);
}

/* Everything between BEGIN and COMMIT. */
static enum sg_status settle(struct store_writer *w, int64_t stream_id, uint64_t through, const struct gap *gaps,
                             size_t gaps_count, struct sg_error *err)
{
    struct build build;
    enum sg_status status = store_build_load(w, stream_id, &build, err);
    for (size_t i = 0; status == SG_OK && i < gaps_count; i++) {
        status = add_gap(w, &build, gaps[i], err);
        if (status == SG_OK)
            status = store_build_load(w, stream_id, &build, err);
    }
    if (status != SG_OK)
        return status;
    if (build.hole.last <= through)
        build.hole = (struct hole){0};
    else if (build.hole.first <= through)
        build.hole.first = through + 1;
    if (build.begun_last <= through)
        build.begun_last = 0;
    return store_build_write_hole(w, &build, err);
}

enum sg_status store_stream_settle(struct store_writer *w, int64_t stream_id, uint64_t through, const struct gap *gaps,
                                   size_t gaps_count, struct sg_error *err)
{
    for (size_t i = 0; i < gaps_count; i++) {
        if (gaps[i].first == 0 || gaps[i].first > gaps[i].last || gaps[i].last > INT64_MAX)
            return sg_fail(err, SG_INVALID, "%" PRIu64 "-%" PRIu64 " is no range of sequences", gaps[i].first,
                           gaps[i].last);
    }
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    return store_end(w, settle(w, stream_id, through, gaps, gaps_count, err), err);
}
