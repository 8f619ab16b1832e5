/* The rows of streams, read into values, and their gaps. */
#include "store/sqlite/stream_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
enum {
    CREATED,
    EPOCH,
    POSITION,
    POSITION_TIME,
    POSITION_SUBJECT,
    BUILD,
    TARGET,
    GAPS,
    HOLE
};

static enum sg_status column_gaps(struct store_connection *c, sqlite3_stmt *s, int index,
                                  struct gap gaps[STREAM_GAPS_MAX], size_t *count, struct sg_error *err)
{
    const char *text = (const char *)sqlite3_column_text(s, index);
    if (text == NULL || !gaps_parse(text, gaps, count))
        return store_fail(c, SQLITE_CORRUPT, "read the gaps of a stream", err);
    return SG_OK;
}

void store_hole_format(const struct build *build, char out[STORE_HOLE_TEXT_BYTES])
{
    out[0] = '\0';
    if (build->hole.first != 0 || build->begun_last != 0)
        (void)snprintf(out, STORE_HOLE_TEXT_BYTES, "%" PRIu64 "-%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64,
                       build->hole.first, build->hole.last, build->begun_last, build->begun_removed,
                       build->begun_missing);
}

static enum sg_status column_hole(struct store_connection *c, sqlite3_stmt *s, int index, struct build *out,
                                  struct sg_error *err)
{
    const char *text = (const char *)sqlite3_column_text(s, index);
    out->hole = (struct hole){0};
    out->begun_last = 0;
    out->begun_removed = 0;
    out->begun_missing = 0;
    if (text == NULL ||
        (text[0] != '\0' &&
         sscanf(text, "%20" SCNu64 "-%20" SCNu64 " %20" SCNu64 " %20" SCNu64 " %20" SCNd64, &out->hole.first,
                &out->hole.last, &out->begun_last, &out->begun_removed, &out->begun_missing) != 5))
        return store_fail(c, SQLITE_CORRUPT, "read the hole of a stream", err);
    return SG_OK;
}

static bool row_has_next(sqlite3_stmt *s)
{
    return sqlite3_column_type(s, STREAM_COLUMN_NEXT + BUILD) != SQLITE_NULL;
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
    struct build build;
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(s, 0);
    column_text(s, 1, out->name, sizeof out->name);
    rebuild_from_row(s, STREAM_COLUMN_SERVED, &served);
    out->epoch = served.epoch;
    enum sg_status status = column_hole(c, s, STREAM_COLUMN_SERVED + HOLE, &build, err);
    if (status != SG_OK)
        return status;
    out->settled = position_settled(served.position, &build.hole);
    out->position = served.position;
    out->build = served.build;
    if (row_has_next(s)) {
        out->rebuilding = true;
        rebuild_from_row(s, STREAM_COLUMN_NEXT, &out->rebuild);
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
    out->is_next = row_has_next(s);
    int base = out->is_next ? STREAM_COLUMN_NEXT : STREAM_COLUMN_SERVED;
    out->stream = sqlite3_column_int64(s, 0);
    column_text(s, STREAM_COLUMN_SERVED + EPOCH, out->served_epoch.text, sizeof out->served_epoch.text);
    out->created_ns = sqlite3_column_int64(s, base + CREATED);
    column_text(s, base + EPOCH, out->epoch.text, sizeof out->epoch.text);
    out->position = (uint64_t)sqlite3_column_int64(s, base + POSITION);
    out->position_time_ns = sqlite3_column_int64(s, base + POSITION_TIME);
    column_text(s, base + POSITION_SUBJECT, out->position_subject, sizeof out->position_subject);
    out->build = sqlite3_column_int64(s, base + BUILD);
    out->target = (uint64_t)sqlite3_column_int64(s, base + TARGET);
    enum sg_status status = column_hole(c, s, base + HOLE, out, err);
    if (status != SG_OK)
        return status;
    return column_gaps(c, s, base + GAPS, out->gaps, &out->gaps_count, err);
}

/* Take out the gap at `i`, which its left neighbour has swallowed. */
static void gaps_remove(struct gap *gaps, size_t *count, size_t i)
{
    memmove(&gaps[i], &gaps[i + 1], (*count - i - 1) * sizeof gaps[0]);
    (*count)--;
}

void store_gaps_add(struct gap gaps[STREAM_GAPS_MAX + 1], size_t *count, struct gap add)
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
