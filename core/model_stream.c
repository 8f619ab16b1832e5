/* The rows of streams: their lives, builds, positions and gaps. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/model_internal.h"

#define GAPS_TEXT_BYTES (MODEL_GAPS_MAX * 42 + 1) /* two numbers of 20 digits, a dash and a comma each */

/* "5001-7000,9000-9000". Returns false where the text is not ours. */
static bool gaps_parse(const char *text, struct model_stream *out)
{
    out->gaps_count = 0;
    while (*text != '\0') {
        uint64_t first = 0;
        uint64_t last = 0;
        int used = 0;
        if (out->gaps_count == MODEL_GAPS_MAX ||
            sscanf(text, "%20" SCNu64 "-%20" SCNu64 "%n", &first, &last, &used) != 2)
            return false;
        out->gaps[out->gaps_count++] = (struct model_gap){first, last};
        text += used;
        if (*text == ',')
            text++;
        else if (*text != '\0')
            return false;
    }
    return true;
}

static void gaps_format(const struct model_gap *gaps, size_t count, char out[GAPS_TEXT_BYTES])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, GAPS_TEXT_BYTES - at, "%s%" PRIu64 "-%" PRIu64, i == 0 ? "" : ",",
                               gaps[i].first, gaps[i].last);
}

static void column_text(sqlite3_stmt *s, int index, char *out, size_t out_bytes)
{
    const char *text = (const char *)sqlite3_column_text(s, index);
    (void)snprintf(out, out_bytes, "%s", text != NULL ? text : "");
}

enum sg_status model_stream_from_row(struct model_connection *c, sqlite3_stmt *s, struct model_stream *out,
                                     struct sg_error *err)
{
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(s, 0);
    column_text(s, 1, out->name, sizeof out->name);
    out->created_ns = sqlite3_column_int64(s, 2);
    column_text(s, 3, out->epoch.text, sizeof out->epoch.text);
    out->position = (uint64_t)sqlite3_column_int64(s, 4);
    out->position_time_ns = sqlite3_column_int64(s, 5);
    column_text(s, 6, out->position_subject, sizeof out->position_subject);
    out->build = sqlite3_column_int64(s, 7);
    out->rebuild_target = (uint64_t)sqlite3_column_int64(s, 8);
    const char *gaps = (const char *)sqlite3_column_text(s, 9);
    if (gaps == NULL || !gaps_parse(gaps, out))
        return model_fail(c, SQLITE_CORRUPT, "read the gaps of a stream", err);
    return SG_OK;
}

enum sg_status model_load(struct model_writer *w, int64_t stream_id, struct model_stream *out, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_BY_ID);
    enum sg_status status = model_step(&w->c, s, sqlite3_bind_int64(s, 1, stream_id), "read a stream", err);
    if (status == SG_OK)
        status = model_stream_from_row(&w->c, s, out, err);
    else if (status == SG_NOT_FOUND)
        status = sg_fail(err, SG_NOT_FOUND, "the database has no stream number %lld", (long long)stream_id);
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status model_stream_load(struct model_writer *w, int64_t stream_id, struct model_stream *out,
                                 struct sg_error *err)
{
    struct model_stream found;
    enum sg_status status = model_load(w, stream_id, &found, err);
    if (status == SG_OK)
        *out = found;
    return status;
}

/* Write to a known stream row; with the generation, since what is served may change. */
static enum sg_status stream_write(struct model_writer *w, sqlite3_stmt *s, int bound, struct sg_error *err)
{
    enum sg_status status = model_run(&w->c, s, bound, "write a stream", err);
    if (status == SG_OK && sqlite3_changes(w->c.db) == 0)
        status = sg_fail(err, SG_NOT_FOUND, "the database has no such stream");
    if (status == SG_OK)
        status = model_bump_generation(w, err);
    model_forget(w);
    return status;
}

static enum sg_status attach_new(struct model_writer *w, const char *name, const char *fingerprint,
                                 struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_INSERT);
    int bound = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    bound |= sqlite3_bind_text(s, 2, fingerprint, -1, SQLITE_STATIC);
    return stream_write(w, s, bound, err);
}

static enum sg_status attach_known(struct model_writer *w, const struct model_stream *found, const char *fingerprint,
                                   bool reshaped, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, reshaped ? SQL_STREAM_RESHAPE : SQL_STREAM_ATTACH);
    int bound = sqlite3_bind_int64(s, 1, found->id);
    bound |= sqlite3_bind_text(s, 2, fingerprint, -1, SQLITE_STATIC);
    return stream_write(w, s, bound, err);
}

static enum sg_status load_by_name(struct model_writer *w, const char *name, const char *fingerprint,
                                   struct model_stream *out, bool *same_fingerprint, struct sg_error *err)
{
    sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_BY_NAME);
    int bound = sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    enum sg_status status = model_step(&w->c, s, bound, "read a stream", err);
    if (status == SG_OK) {
        *same_fingerprint = slice_equal(model_column_slice(s, 10), slice_of(fingerprint));
        status = model_stream_from_row(&w->c, s, out, err);
    }
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status model_stream_attach(struct model_writer *w, const char *name, const char *fingerprint,
                                   struct model_stream *out, bool *reshaped, struct sg_error *err)
{
    struct model_stream found;
    bool same = true;
    bool reshape = false;
    if (name[0] == '\0' || strlen(name) >= sizeof found.name)
        return sg_fail(err, SG_INVALID, "a stream's name has 1 to %zu bytes", sizeof found.name - 1);
    enum sg_status status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    status = load_by_name(w, name, fingerprint, &found, &same, err);
    if (status == SG_NOT_FOUND) {
        status = attach_new(w, name, fingerprint, err);
    } else if (status == SG_OK) {
        reshape = !same && found.position > 0;
        status = attach_known(w, &found, fingerprint, reshape, err);
    }
    if (status == SG_OK)
        status = load_by_name(w, name, fingerprint, &found, &same, err);
    status = model_end(w, status, err);
    if (status == SG_OK) {
        *out = found;
        *reshaped = reshape;
    }
    return status;
}

enum sg_status model_stream_identify(struct model_writer *w, int64_t stream_id, int64_t created_ns,
                                     const struct epoch *epoch, struct sg_error *err)
{
    struct model_stream found;
    enum sg_status status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    status = model_load(w, stream_id, &found, err);
    if (status == SG_OK && (found.created_ns != 0 || found.position != 0))
        status = sg_fail(err, SG_INVALID, "stream %s has an identity already", found.name);
    if (status == SG_OK) {
        sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_IDENTIFY);
        int bound = sqlite3_bind_int64(s, 1, stream_id);
        bound |= sqlite3_bind_int64(s, 2, created_ns);
        bound |= sqlite3_bind_text(s, 3, epoch->text, -1, SQLITE_STATIC);
        status = stream_write(w, s, bound, err);
    }
    return model_end(w, status, err);
}

static enum sg_status check_target(uint64_t target, struct sg_error *err)
{
    if (target > INT64_MAX && target != UINT64_MAX)
        return sg_fail(err, SG_INVALID, "sequence %" PRIu64 " is beyond 2^63-1", target);
    return SG_OK;
}

enum sg_status model_stream_begin_build(struct model_writer *w, int64_t stream_id, int64_t created_ns,
                                        const struct epoch *epoch, uint64_t rebuild_target, struct sg_error *err)
{
    enum sg_status status = check_target(rebuild_target, err);
    if (status == SG_OK)
        status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_BUILD);
    int bound = sqlite3_bind_int64(s, 1, stream_id);
    bound |= sqlite3_bind_int64(s, 2, created_ns);
    bound |= sqlite3_bind_text(s, 3, epoch->text, -1, SQLITE_STATIC);
    bound |= model_bind_uint(s, 4, rebuild_target);
    return model_end(w, stream_write(w, s, bound, err), err);
}

enum sg_status model_stream_set_rebuild_target(struct model_writer *w, int64_t stream_id, uint64_t rebuild_target,
                                               struct sg_error *err)
{
    enum sg_status status = check_target(rebuild_target, err);
    if (status == SG_OK)
        status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_SET_TARGET);
    int bound = sqlite3_bind_int64(s, 1, stream_id);
    bound |= model_bind_uint(s, 2, rebuild_target);
    return model_end(w, stream_write(w, s, bound, err), err);
}

/* Take out the gap at `i`, which its left neighbour has swallowed. */
static void gaps_remove(struct model_gap *gaps, size_t *count, size_t i)
{
    memmove(&gaps[i], &gaps[i + 1], (*count - i - 1) * sizeof gaps[0]);
    (*count)--;
}

/* Insert one gap into an ascending list with room for one more, then join what touches and what is too many. */
static void gaps_add(struct model_gap *gaps, size_t *count, struct model_gap add)
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
    while (*count > MODEL_GAPS_MAX) {
        size_t nearest = 1;
        for (size_t i = 2; i < *count; i++) {
            if (gaps[i].first - gaps[i - 1].last < gaps[nearest].first - gaps[nearest - 1].last)
                nearest = i;
        }
        gaps[nearest - 1].last = gaps[nearest].last;
        gaps_remove(gaps, count, nearest);
    }
}

enum sg_status model_stream_add_gap(struct model_writer *w, int64_t stream_id, uint64_t first, uint64_t last,
                                    struct sg_error *err)
{
    struct model_stream found;
    struct model_gap gaps[MODEL_GAPS_MAX + 1];
    char text[GAPS_TEXT_BYTES];
    if (first == 0 || first > last || last > INT64_MAX)
        return sg_fail(err, SG_INVALID, "%" PRIu64 "-%" PRIu64 " is no range of sequences", first, last);
    enum sg_status status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    status = model_load(w, stream_id, &found, err);
    if (status == SG_OK) {
        memcpy(gaps, found.gaps, sizeof found.gaps);
        gaps_add(gaps, &found.gaps_count, (struct model_gap){first, last});
        gaps_format(gaps, found.gaps_count, text);
        sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_SET_GAPS);
        int bound = sqlite3_bind_int64(s, 1, stream_id);
        bound |= sqlite3_bind_text(s, 2, text, -1, SQLITE_STATIC);
        status = stream_write(w, s, bound, err);
    }
    return model_end(w, status, err);
}

enum sg_status model_stream_advance(struct model_writer *w, int64_t stream_id, uint64_t position, struct sg_error *err)
{
    struct model_stream found;
    if (position > INT64_MAX)
        return sg_fail(err, SG_INVALID, "sequence %" PRIu64 " is beyond 2^63-1", position);
    enum sg_status status = model_begin(w, err);
    if (status != SG_OK)
        return status;
    status = model_load(w, stream_id, &found, err);
    if (status != SG_OK || position <= found.position) {
        model_rollback(w); /* nothing to write */
        return status;
    }
    sqlite3_stmt *s = model_statement(&w->c, SQL_STREAM_SET_POSITION);
    int bound = sqlite3_bind_int64(s, 1, stream_id);
    bound |= model_bind_uint(s, 2, position);
    bound |= sqlite3_bind_int64(s, 3, 0);
    bound |= sqlite3_bind_text(s, 4, "", 0, SQLITE_STATIC);
    return model_end(w, model_run(&w->c, s, bound, "write a position", err), err);
}
