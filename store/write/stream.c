/* The rows of streams: read into values, attached, identified, and their gaps. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/write/write.h"

/* "5001-7000,9000-9000". Returns false where the text is not ours. */
static bool gaps_parse(const char *text, struct gap gaps[STREAM_GAPS_MAX], size_t *count)
{
    *count = 0;
    while (*text != '\0') {
        uint64_t first = 0;
        uint64_t last = 0;
        int used = 0;
        if (*count == STREAM_GAPS_MAX || sscanf(text, "%20" SCNu64 "-%20" SCNu64 "%n", &first, &last, &used) != 2)
            return false;
        gaps[(*count)++] = (struct gap){first, last};
        text += used;
        if (*text == ',')
            text++;
        else if (*text != '\0')
            return false;
    }
    return true;
}

void store_gaps_format(const struct gap *gaps, size_t count, char out[STORE_GAPS_TEXT_BYTES])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, STORE_GAPS_TEXT_BYTES - at, "%s%" PRIu64 "-%" PRIu64, i == 0 ? "" : ",",
                               gaps[i].first, gaps[i].last);
}

static void column_text(sqlite3_stmt *s, int index, char *out, size_t out_bytes)
{
    const char *text = (const char *)sqlite3_column_text(s, index);
    (void)snprintf(out, out_bytes, "%s", text != NULL ? text : "");
}

/* Both builds have these columns in this order. */
enum { CREATED, EPOCH, POSITION, POSITION_TIME, POSITION_SUBJECT, BUILD, TARGET, GAPS };

static enum sg_status column_gaps(struct store_connection *c, sqlite3_stmt *s, int index,
                                  struct gap gaps[STREAM_GAPS_MAX], size_t *count, struct sg_error *err)
{
    const char *text = (const char *)sqlite3_column_text(s, index);
    if (text == NULL || !gaps_parse(text, gaps, count))
        return store_fail(c, SQLITE_CORRUPT, "read the gaps of a stream", err);
    return SG_OK;
}

static bool row_has_growing(sqlite3_stmt *s)
{
    return sqlite3_column_type(s, STREAM_COLUMN_GROWING + BUILD) != SQLITE_NULL;
}

static void rebuild_from_row(sqlite3_stmt *s, int base, struct rebuild *out)
{
    out->build = sqlite3_column_int64(s, base + BUILD);
    column_text(s, base + EPOCH, out->epoch.text, sizeof out->epoch.text);
    out->position = (uint64_t)sqlite3_column_int64(s, base + POSITION);
    out->target = (uint64_t)sqlite3_column_int64(s, base + TARGET);
}

enum sg_status store_stream_from_row(struct store_connection *c, sqlite3_stmt *s, struct stream *out,
                                     struct sg_error *err)
{
    struct rebuild served;
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(s, 0);
    column_text(s, 1, out->name, sizeof out->name);
    rebuild_from_row(s, STREAM_COLUMN_SERVED, &served);
    out->epoch = served.epoch;
    out->position = served.position;
    out->build = served.build;
    if (row_has_growing(s)) {
        out->rebuilding = true;
        rebuild_from_row(s, STREAM_COLUMN_GROWING, &out->rebuild);
    } else if (served.position < served.target) {
        out->rebuilding = true;
        out->rebuild = served;
    }
    return column_gaps(c, s, STREAM_COLUMN_SERVED + GAPS, out->gaps, &out->gaps_count, err);
}

enum sg_status store_build_from_row(struct store_connection *c, sqlite3_stmt *s, struct build *out,
                                    struct sg_error *err)
{
    memset(out, 0, sizeof *out);
    out->growing = row_has_growing(s);
    int base = out->growing ? STREAM_COLUMN_GROWING : STREAM_COLUMN_SERVED;
    out->stream = sqlite3_column_int64(s, 0);
    column_text(s, STREAM_COLUMN_SERVED + EPOCH, out->served_epoch.text, sizeof out->served_epoch.text);
    out->created_ns = sqlite3_column_int64(s, base + CREATED);
    column_text(s, base + EPOCH, out->epoch.text, sizeof out->epoch.text);
    out->position = (uint64_t)sqlite3_column_int64(s, base + POSITION);
    out->position_time_ns = sqlite3_column_int64(s, base + POSITION_TIME);
    column_text(s, base + POSITION_SUBJECT, out->position_subject, sizeof out->position_subject);
    out->build = sqlite3_column_int64(s, base + BUILD);
    out->target = (uint64_t)sqlite3_column_int64(s, base + TARGET);
    return column_gaps(c, s, base + GAPS, out->gaps, &out->gaps_count, err);
}

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
    struct build found;
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_BY_ID);
    enum sg_status status = row_find(w, s, stream_id, err);
    if (status == SG_OK)
        status = store_build_from_row(&w->c, s, &found, err);
    (void)sqlite3_reset(s);
    if (status == SG_OK)
        *out = found;
    return status;
}

/* ---- all that is served ---- */

static enum sg_status served_reserve(struct store_served *served, struct sg_error *err)
{
    if (served->count < served->capacity)
        return SG_OK;
    size_t capacity = served->capacity == 0 ? 4 : served->capacity * 2;
    struct stream *grown = reallocarray(served->streams, capacity, sizeof *grown);
    if (grown == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for %zu streams", capacity);
    served->streams = grown;
    served->capacity = capacity;
    return SG_OK;
}

enum sg_status store_served_load(struct store_connection *c, struct store_served *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_READ_STREAMS);
    enum sg_status status = store_step(c, s, SQLITE_OK, "read the streams", err);
    out->count = 0;
    while (status == SG_OK) {
        status = served_reserve(out, err);
        if (status == SG_OK)
            status = store_stream_from_row(c, s, &out->streams[out->count], err);
        if (status != SG_OK)
            break;
        out->count++;
        status = store_step(c, s, SQLITE_OK, "read the streams", err);
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_generation_load(struct store_connection *c, int64_t *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_READ_GENERATION);
    enum sg_status status = store_step(c, s, SQLITE_OK, "read the generation", err);
    if (status == SG_OK)
        *out = sqlite3_column_int64(s, 0);
    else if (status == SG_NOT_FOUND)
        status = store_fail(c, SQLITE_CORRUPT, "read the generation", err);
    (void)sqlite3_reset(s);
    return status;
}

/* ---- attaching ---- */

static enum sg_status attach_new(struct store_writer *w, const char *name, const char *fingerprint,
                                 struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_INSERT);
    int bound = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    bound |= sqlite3_bind_text(s, 2, fingerprint, -1, SQLITE_STATIC);
    return store_stream_write(w, s, bound, err);
}

/* A growing build that is thrown away knows best which life the stream is in. */
static enum sg_status attach_known(struct store_writer *w, const struct build *found, const char *fingerprint,
                                   bool reshaped, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_ATTACH);
    int bound = sqlite3_bind_int64(s, 1, found->stream);
    bound |= sqlite3_bind_text(s, 2, fingerprint, -1, SQLITE_STATIC);
    enum sg_status status = store_stream_write(w, s, bound, err);
    if (status == SG_OK)
        status = reshaped ? store_build_serve_new(w, found, found->created_ns, &found->epoch, TARGET_UNKNOWN, err)
                          : store_build_settle(w, found, err);
    return status;
}

static enum sg_status find_by_name(struct store_writer *w, const char *name, const char *fingerprint,
                                   struct build *build, struct stream *stream, bool *same_fingerprint,
                                   struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_BY_NAME);
    int bound = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    enum sg_status status = store_step(&w->c, s, bound, "read a stream", err);
    if (status == SG_OK) {
        *same_fingerprint = slice_equal(store_column_slice(s, STREAM_COLUMN_FINGERPRINT), slice_of(fingerprint));
        status = store_build_from_row(&w->c, s, build, err);
    }
    if (status == SG_OK)
        status = store_stream_from_row(&w->c, s, stream, err);
    (void)sqlite3_reset(s);
    return status;
}

/* Everything between BEGIN and COMMIT. */
static enum sg_status attach(struct store_writer *w, const char *name, const char *fingerprint, struct stream *out,
                             bool *reshaped, struct sg_error *err)
{
    struct build build;
    bool same = true;
    enum sg_status status = find_by_name(w, name, fingerprint, &build, out, &same, err);
    *reshaped = false;
    if (status == SG_NOT_FOUND) {
        status = attach_new(w, name, fingerprint, err);
    } else if (status == SG_OK) {
        *reshaped = !same && (build.growing || build.position > 0);
        status = attach_known(w, &build, fingerprint, *reshaped, err);
    }
    return status == SG_OK ? find_by_name(w, name, fingerprint, &build, out, &same, err) : status;
}

enum sg_status store_stream_attach(struct store_writer *w, const char *name, const char *fingerprint,
                                   struct stream *out, bool *reshaped, struct sg_error *err)
{
    struct stream found;
    bool reshape = false;
    if (name[0] == '\0' || strlen(name) >= sizeof found.name)
        return sg_fail(err, SG_INVALID, "a stream's name has 1 to %zu bytes", sizeof found.name - 1);
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

/* Take out the gap at `i`, which its left neighbour has swallowed. */
static void gaps_remove(struct gap *gaps, size_t *count, size_t i)
{
    memmove(&gaps[i], &gaps[i + 1], (*count - i - 1) * sizeof gaps[0]);
    (*count)--;
}

/* Insert one gap into an ascending list with room for one more, then join what touches and what is too many. */
static void gaps_add(struct gap *gaps, size_t *count, struct gap add)
{
    size_t at = 0;
    while (at < *count && gaps[at].first < add.first)
        at++;
    memmove(&gaps[at + 1], &gaps[at], (*count - at) * sizeof gaps[0]);
    gaps[at] = add;
    (*count)++;
    for (size_t i = 1; i < *count;) {
        if (gaps[i].first > gaps[i - 1].last + 1) {
            i++;
            continue;
        }
        if (gaps[i].last > gaps[i - 1].last)
            gaps[i - 1].last = gaps[i].last;
        gaps_remove(gaps, count, i);
    }
    while (*count > STREAM_GAPS_MAX) {
        size_t nearest = 1;
        for (size_t i = 2; i < *count; i++) {
            if (gaps[i].first - gaps[i - 1].last < gaps[nearest].first - gaps[nearest - 1].last)
                nearest = i;
        }
        gaps[nearest - 1].last = gaps[nearest].last;
        gaps_remove(gaps, count, nearest);
    }
}

enum sg_status store_stream_add_gap(struct store_writer *w, int64_t stream_id, uint64_t first, uint64_t last,
                                    struct sg_error *err)
{
    struct build found;
    struct gap gaps[STREAM_GAPS_MAX + 1];
    char text[STORE_GAPS_TEXT_BYTES];
    if (first == 0 || first > last || last > INT64_MAX)
        return sg_fail(err, SG_INVALID, "%" PRIu64 "-%" PRIu64 " is no range of sequences", first, last);
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    status = store_build_load(w, stream_id, &found, err);
    if (status == SG_OK) {
        memcpy(gaps, found.gaps, sizeof found.gaps);
        gaps_add(gaps, &found.gaps_count, (struct gap){first, last});
        store_gaps_format(gaps, found.gaps_count, text);
        sqlite3_stmt *s = store_statement(&w->c, found.growing ? SQL_GROWING_SET_GAPS : SQL_STREAM_SET_GAPS);
        int bound = sqlite3_bind_int64(s, 1, stream_id);
        bound |= sqlite3_bind_text(s, 2, text, -1, SQLITE_STATIC);
        status = store_stream_write(w, s, bound, err);
    }
    return store_end(w, status, err);
}
