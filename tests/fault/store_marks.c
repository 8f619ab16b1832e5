/* Marks: the content of a database in short, read by plain SQL, beside the code under test. */
#include "store_history.h"

#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#define COLLECTIONS_MAX 512

/* A row of collections. */
struct place {
    int64_t id;
    struct mark_build *build; /* NULL = of a build that is gone */
    uint64_t name;
    int64_t entities;
    int64_t tombstones;
    int64_t alive; /* counted; the next as well */
    int64_t dead;
    uint64_t position;
    uint64_t floor;
};

struct reading {
    sqlite3 *db;
    struct mark *out;
    int64_t ids[HISTORY_STREAMS]; /* of the streams' rows; 0 = not there */
    struct place places[COLLECTIONS_MAX];
    size_t places_count;
    char *why;
    size_t why_bytes;
};

static bool wrong(const struct reading *r, const char *what)
{
    (void)snprintf(r->why, r->why_bytes, "%s (%s)", what, sqlite3_errmsg(r->db));
    return false;
}

static struct slice column(sqlite3_stmt *s, int index)
{
    const void *data = sqlite3_column_blob(s, index);
    return (struct slice){data, (size_t)sqlite3_column_bytes(s, index)};
}

/* Call `take` for each row. */
static bool each(struct reading *r, const char *sql, bool (*take)(struct reading *r, sqlite3_stmt *s))
{
    sqlite3_stmt *s = NULL;
    int rc = SQLITE_ROW;
    bool good = true;
    if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK)
        return wrong(r, sql);
    while (good && (rc = sqlite3_step(s)) == SQLITE_ROW)
        good = take(r, s);
    if (good && rc != SQLITE_DONE)
        good = wrong(r, sql);
    (void)sqlite3_finalize(s);
    return good;
}

static uint64_t incarnation_of(struct slice epoch)
{
    char text[24] = "";
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARGS(epoch));
    return text[0] == 'l' ? strtoull(text + 1, NULL, 10) : 0;
}

static void take_build(sqlite3_stmt *s, int at, struct mark_build *out)
{
    out->build = sqlite3_column_int64(s, at);
    out->incarnation = incarnation_of(column(s, at + 1));
    out->position = (uint64_t)sqlite3_column_int64(s, at + 2);
    out->target = sqlite3_column_int64(s, at + 3);
    out->gaps = hash_text(column(s, at + 4));
}

static bool take_stream(struct reading *r, sqlite3_stmt *s)
{
    struct slice name = column(s, 1);
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        struct mark_stream *stream = &r->out->streams[i];
        if (!slice_equal(name, slice_of(history_stream_name(i))))
            continue;
        r->ids[i] = sqlite3_column_int64(s, 0);
        stream->there = true;
        stream->fingerprint = hash_text(column(s, 2));
        take_build(s, 3, &stream->served);
        if (sqlite3_column_type(s, 8) != SQLITE_NULL)
            take_build(s, 8, &stream->next);
        return true;
    }
    return wrong(r, "a stream that nobody attached");
}

/* NULL: neither the served nor the next one. */
static struct mark_build *build_find(struct reading *r, int64_t stream, int64_t build)
{
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        struct mark_stream *s = &r->out->streams[i];
        if (r->ids[i] == stream && stream != 0)
            return s->served.build == build ? &s->served : s->next.build == build ? &s->next : NULL;
    }
    return NULL;
}

static bool take_collection(struct reading *r, sqlite3_stmt *s)
{
    if (r->places_count == COLLECTIONS_MAX)
        return wrong(r, "too many collections");
    r->places[r->places_count++] = (struct place){
        .id = sqlite3_column_int64(s, 0),
        .build = build_find(r, sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2)),
        .name = hash_text(column(s, 3)),
        .entities = sqlite3_column_int64(s, 4),
        .position = (uint64_t)sqlite3_column_int64(s, 5),
        .tombstones = sqlite3_column_int64(s, 6),
        .floor = (uint64_t)sqlite3_column_int64(s, 7)};
    return true;
}

static bool take_entity(struct reading *r, sqlite3_stmt *s)
{
    int64_t id = sqlite3_column_int64(s, 0);
    size_t i = 0;
    while (i < r->places_count && r->places[i].id != id)
        i++;
    if (i == r->places_count)
        return wrong(r, "an entity without its collection");
    struct place *place = &r->places[i];
    bool deleted = sqlite3_column_int(s, 3) != 0;
    place->alive += !deleted;
    place->dead += deleted;
    if (place->build == NULL)
        return true;
    place->build->entities_count++;
    place->build->entities +=
        hash_entity(place->name, hash_text(column(s, 1)), sqlite3_column_int64(s, 2), deleted,
                    (uint64_t)sqlite3_column_int64(s, 4), hash_text(column(s, 5)), hash_text(column(s, 6)));
    return true;
}

static bool take_rejected(struct reading *r, sqlite3_stmt *s)
{
    struct mark_build *build = build_find(r, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
    if (build == NULL)
        return true;
    build->rejected_count++;
    build->rejected += hash_rejected((uint64_t)sqlite3_column_int64(s, 2), hash_text(column(s, 3)),
                                     hash_text(column(s, 4)), hash_text(column(s, 5)), sqlite3_column_int64(s, 6));
    return true;
}

static bool take_collections(struct reading *r)
{
    for (size_t i = 0; i < r->places_count; i++) {
        const struct place *place = &r->places[i];
        if (place->build == NULL)
            continue;
        if (place->entities != place->alive || place->tombstones != place->dead)
            return wrong(r, "a collection does not count its rows");
        place->build->collections_count++;
        place->build->collections += hash_collection(place->name, place->entities, place->position);
        place->build->floors += hash_floor(place->name, place->floor);
    }
    return true;
}

static bool take_check(struct reading *r, sqlite3_stmt *s)
{
    const char *answer = (const char *)sqlite3_column_text(s, 0);
    if (answer != NULL && strcmp(answer, "ok") == 0)
        return true;
    (void)snprintf(r->why, r->why_bytes, "integrity_check: %s", answer != NULL ? answer : "no answer");
    return false;
}

bool mark_read(struct sqlite3 *db, struct mark *out, char *why, size_t why_bytes)
{
    struct reading *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    *out = (struct mark){0};
    *r = (struct reading){.db = db, .out = out, .why = why, .why_bytes = why_bytes};
    bool good =
        sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
        each(r, "PRAGMA integrity_check(1)", take_check) &&
        each(r, "SELECT s.id, s.name, s.rows_fingerprint, s.build, s.epoch, s.position, s.target, s.gaps, "
                "g.build, g.epoch, g.position, g.target, g.gaps FROM streams s "
                "LEFT JOIN next_build g ON g.stream = s.id",
             take_stream) &&
        each(r, "SELECT c.id, c.stream, c.build, c.name, c.entities, "
                "max(c.position, (SELECT coalesce(max(sequence), 0) FROM entities WHERE collection = c.id)), "
                "c.tombstones, c.floor FROM collections c", take_collection) &&
        each(r, "SELECT collection, id, version, deleted, sequence, state, occurred_at FROM entities", take_entity) &&
        each(r, "SELECT collection, id, version, 1, sequence, NULL, occurred_at FROM tombstones", take_entity) &&
        each(r, "SELECT stream, build, sequence, reason, collection, id, version FROM rejected", take_rejected) &&
        take_collections(r);
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    free(r);
    return good;
}

/* ---- comparing ---- */

static bool build_same_place(const struct mark_build *a, const struct mark_build *b)
{
    return a->build == b->build && a->incarnation == b->incarnation && a->position == b->position &&
           a->target == b->target && a->gaps == b->gaps && a->floors == b->floors;
}

static bool build_same_rows(const struct mark_build *a, const struct mark_build *b)
{
    return a->entities == b->entities && a->collections == b->collections && a->rejected == b->rejected &&
           a->entities_count == b->entities_count && a->collections_count == b->collections_count &&
           a->rejected_count == b->rejected_count;
}

bool mark_same_place(const struct mark *a, const struct mark *b)
{
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        const struct mark_stream *left = &a->streams[i];
        const struct mark_stream *right = &b->streams[i];
        if (left->there != right->there || left->fingerprint != right->fingerprint ||
            !build_same_place(&left->served, &right->served) || !build_same_place(&left->next, &right->next))
            return false;
    }
    return true;
}

bool mark_same_rows(const struct mark *a, const struct mark *b)
{
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        if (!build_same_rows(&a->streams[i].served, &b->streams[i].served) ||
            !build_same_rows(&a->streams[i].next, &b->streams[i].next))
            return false;
    }
    return true;
}

static void build_print(const char *what, const struct mark_build *b)
{
    if (b->build != 0)
        (void)fprintf(stderr, "    %s build %lld incarnation %llu position %llu target %lld gaps %llx: "
                      "entities %zu %llx, collections %zu %llx, rejected %zu %llx\n", what, (long long)b->build,
                      (unsigned long long)b->incarnation, (unsigned long long)b->position, (long long)b->target,
                      (unsigned long long)b->gaps, b->entities_count, (unsigned long long)b->entities,
                      b->collections_count, (unsigned long long)b->collections, b->rejected_count,
                      (unsigned long long)b->rejected);
}

void mark_print(const char *title, const struct mark *m)
{
    (void)fprintf(stderr, "  %s\n", title);
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        (void)fprintf(stderr, "   %s%s\n", history_stream_name(i), m->streams[i].there ? "" : " is not there");
        build_print("served", &m->streams[i].served);
        build_print("next", &m->streams[i].next);
    }
}
