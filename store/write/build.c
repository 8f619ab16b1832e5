/* Builds of a stream: begun beside the served one or in its place, moved forward, swapped to when they are whole.
 *
 *   begin_build ── nothing served yet ─────────────> served at once
 *        └─ next: written, not seen ───── whole ───> served; the old rows are swept
 *                 └─ another incarnation ───────────> thrown away and swept; another one is the next */
#include "store/write/build.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/sqlite/stream_rows.h"
#include "store/tables/collections.h"
#include "store/write/fields.h"

enum sg_status store_stream_write(struct store_writer *w, sqlite3_stmt *s, int bound, struct sg_error *err)
{
    enum sg_status status = store_run(&w->c, s, bound, "write a stream", err);
    if (status == SG_OK && sqlite3_changes(w->c.db) == 0)
        status = sg_fail(err, SG_NOT_FOUND, "the database has no such stream");
    store_streams_changed(w);
    return status;
}

static enum sg_status next_build_delete(struct store_writer *w, int64_t stream, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_NEXT_BUILD_DELETE);
    return store_run(&w->c, s, sqlite3_bind_int64(s, 1, stream), "write a stream", err);
}

static enum sg_status swap(struct store_writer *w, const struct build *build, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_SWAP);
    enum sg_status status = store_stream_write(w, s, sqlite3_bind_int64(s, 1, build->stream), err);
    return status == SG_OK ? next_build_delete(w, build->stream, err) : status;
}

/* Has the next build at `position` all that there was when it began? With nothing to reach, the first row tells. */
static bool whole(const struct store_writer *w, const struct build *build, uint64_t position, bool rows_changed)
{
    if (build->target == 0)
        return rows_changed || w->rebuild_empty_swap;
    return position >= build->target; /* never for TARGET_UNKNOWN */
}

/* Swap to it, if it is the next build, whole, and its indexes are made. */
static enum sg_status swap_if_whole(struct store_writer *w, const struct build *build, uint64_t position,
                                    bool rows_changed, struct sg_error *err)
{
    bool ready = false;
    if (!build->is_next || !whole(w, build, position, rows_changed))
        return SG_OK;
    enum sg_status status = store_fields_ready(w, build, &ready, err);
    return status == SG_OK && ready ? swap(w, build, err) : status;
}

/* What is known of the build moves with it. */
static void note_moved(struct store_writer *w, int64_t stream, uint64_t position, int64_t time_ns, struct slice subject)
{
    struct build *known = &w->builds[stream % STORE_BUILDS_KNOWN];
    if (known->stream != stream)
        return;
    known->position = position;
    known->position_time_ns = time_ns;
    (void)snprintf(known->position_subject, sizeof known->position_subject, "%.*s", SLICE_ARGS(subject));
}

enum sg_status store_build_move(struct store_writer *w, struct build *build, uint64_t position, int64_t time_ns,
                                struct slice subject, bool rows_changed, struct sg_error *err)
{
    assert(position >= build->position);
    sqlite3_stmt *s = store_statement(&w->c, build->is_next ? SQL_NEXT_BUILD_SET_POSITION : SQL_STREAM_SET_POSITION);
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= store_bind_uint(s, 2, position);
    bound |= sqlite3_bind_int64(s, 3, time_ns);
    bound |=
        subject.bytes > 0 ? store_bind_slice(s, 4, subject, SIZE_MAX) : sqlite3_bind_text(s, 4, "", 0, SQLITE_STATIC);
    enum sg_status status = store_run(&w->c, s, bound, "write a position", err);
    if (status == SG_OK)
        note_moved(w, build->stream, position, time_ns, subject);
    if (status == SG_OK)
        status = swap_if_whole(w, build, position, rows_changed, err);
    build->position = position;
    if (w->fields.waiting && store_fields_at_target(build))
        w->fields.work = true;
    return status;
}

enum sg_status store_build_settle(struct store_writer *w, const struct build *build, struct sg_error *err)
{
    bool any = false;
    enum sg_status status = build->is_next ? store_collections_any(&w->c, build, &any, err) : SG_OK;
    if (w->fields.waiting && store_fields_at_target(build))
        w->fields.work = true;
    return status == SG_OK ? swap_if_whole(w, build, build->position, any, err) : status;
}

/* ---- beginning ---- */

static int bind_begin(sqlite3_stmt *s, const struct build *before, int64_t created_ns, const struct epoch *epoch,
                      uint64_t target)
{
    int bound = sqlite3_bind_int64(s, 1, before->stream);
    bound |= sqlite3_bind_int64(s, 2, created_ns);
    bound |= sqlite3_bind_text(s, 3, epoch->text, -1, SQLITE_STATIC);
    bound |= sqlite3_bind_int64(s, 4, before->build + 1);
    return bound | store_bind_uint(s, 5, target);
}

enum sg_status store_build_serve_new(struct store_writer *w, const struct build *before, int64_t created_ns,
                                     const struct epoch *epoch, uint64_t target, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_STREAM_BUILD);
    store_written_changed(w);
    enum sg_status status = store_stream_write(w, s, bind_begin(s, before, created_ns, epoch, target), err);
    return status == SG_OK && before->is_next ? next_build_delete(w, before->stream, err) : status;
}

static enum sg_status check_target(uint64_t target, struct sg_error *err)
{
    if (target > INT64_MAX && target != TARGET_UNKNOWN)
        return sg_fail(err, SG_INVALID, "sequence %" PRIu64 " is beyond 2^63-1", target);
    return SG_OK;
}

/* Everything between BEGIN and COMMIT. */
static enum sg_status begin_build(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                  const struct epoch *epoch, uint64_t target, struct sg_error *err)
{
    struct build before;
    enum sg_status status = store_build_load(w, stream_id, &before, err);
    if (status != SG_OK)
        return status;
    bool nothing_served = !before.is_next && before.position == 0;
    if (nothing_served || (target == 0 && w->rebuild_empty_swap))
        return store_build_serve_new(w, &before, created_ns, epoch, target, err);
    sqlite3_stmt *s = store_statement(&w->c, SQL_NEXT_BUILD_REPLACE);
    store_written_changed(w);
    return store_stream_write(w, s, bind_begin(s, &before, created_ns, epoch, target), err);
}

enum sg_status store_stream_begin_build(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                        const struct epoch *epoch, uint64_t target, struct sg_error *err)
{
    enum sg_status status = check_target(target, err);
    if (status == SG_OK)
        status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    return store_end(w, begin_build(w, stream_id, created_ns, epoch, target, err), err);
}

/* ---- holes ---- */

void build_pass(struct build *build, uint64_t first, uint64_t last)
{
#ifdef SG_PLANT_HOLE_UNSEEN
    return;
#endif
    uint64_t begun = last < build->begun_last ? last : build->begun_last;
    if (first <= begun)
        build->begun_missing -= (int64_t)(begun - first + 1);
    if (first == 1)
        return; /* a build begins at the first message there is */
    if (build->hole.first == 0)
        build->hole.first = first;
    build->hole.last = last;
}

enum sg_status store_build_write_hole(struct store_writer *w, const struct build *build, struct sg_error *err)
{
    char text[STORE_HOLE_TEXT_BYTES];
    sqlite3_stmt *s = store_statement(&w->c, build->is_next ? SQL_NEXT_BUILD_SET_HOLE : SQL_STREAM_SET_HOLE);
    store_hole_format(build, text);
    int bound = sqlite3_bind_int64(s, 1, build->stream);
    bound |= sqlite3_bind_text(s, 2, text, -1, SQLITE_STATIC);
    enum sg_status status = store_run(&w->c, s, bound, "write the hole of a stream", err);
    struct build *known = &w->builds[build->stream % STORE_BUILDS_KNOWN];
    if (status == SG_OK && known->stream == build->stream) {
        known->hole = build->hole;
        known->begun_last = build->begun_last;
        known->begun_removed = build->begun_removed;
        known->begun_missing = build->begun_missing;
    }
    return status;
}

/* ---- counts ---- */

enum sg_status store_build_write_counts(struct store_writer *w, const struct build *build, struct sg_error *err)
{
    size_t slot = (size_t)build->stream % STORE_BUILDS_KNOWN;
    int64_t moved = 0;
    enum sg_status status = store_collections_flush(&w->c, &w->collections, &moved, err);
    if (status == SG_OK && w->builds[slot].stream == build->stream && w->keys[slot] >= 0)
        w->keys[slot] += moved;
    return status;
}

/* ---- the written build changed otherwise than by events ---- */

static enum sg_status set_target(struct store_writer *w, int64_t stream_id, uint64_t target, struct sg_error *err)
{
    struct build build;
    enum sg_status status = store_build_load(w, stream_id, &build, err);
    if (status != SG_OK)
        return status;
    sqlite3_stmt *s = store_statement(&w->c, build.is_next ? SQL_NEXT_BUILD_SET_TARGET : SQL_STREAM_SET_TARGET);
    int bound = sqlite3_bind_int64(s, 1, stream_id);
    bound |= store_bind_uint(s, 2, target);
    status = store_stream_write(w, s, bound, err);
    build.target = target;
    return status == SG_OK ? store_build_settle(w, &build, err) : status;
}

enum sg_status store_stream_set_target(struct store_writer *w, int64_t stream_id, uint64_t target, struct sg_error *err)
{
    enum sg_status status = check_target(target, err);
    if (status == SG_OK)
        status = store_begin(w, err);
    return status == SG_OK ? store_end(w, set_target(w, stream_id, target, err), err) : status;
}

enum sg_status store_stream_advance(struct store_writer *w, int64_t stream_id, uint64_t position, bool nothing_removed,
                                    struct sg_error *err)
{
    struct build build;
    if (position > INT64_MAX)
        return sg_fail(err, SG_INVALID, "sequence %" PRIu64 " is beyond 2^63-1", position);
    enum sg_status status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    status = store_build_load(w, stream_id, &build, err);
    if (status != SG_OK || position <= build.position) {
        store_abandon(w); /* nothing to write */
        return status;
    }
    if (!nothing_removed) {
        build_pass(&build, build.position + 1, position);
        status = store_build_write_hole(w, &build, err);
    }
    if (status == SG_OK)
        status = store_build_move(w, &build, position, 0, (struct slice){NULL, 0}, false, err);
    return store_end(w, status, err);
}
