/* Holes of a build: passed over, stored with the position, settled.
 *
 *   an event, or an advance, whose sequence does not follow the position ── passed: the hole reaches from the first
 *        sequence that is not settled to the last one; what is settled stands still before it
 *   the source has found out what is lost with it ── settled: gaps are recorded, and it ends */
#include <inttypes.h>
#include <string.h>

#include "store/sqlite/stream_rows.h"
#include "store/write/build.h"

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
