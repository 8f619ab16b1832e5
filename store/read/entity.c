/* One entity, and which of its events were rejected. */
#include "store/read/reader_internal.h"

#define WHAT "read the database"

static size_t stream_index(const struct store_reader *r, int64_t stream)
{
    size_t at = 0;
    while (at < r->served.count && r->served.streams[at].id != stream)
        at++;
    return at;
}

int64_t store_read_known(const struct store_reader *r, struct slice name)
{
    const struct served_name *known = served_names_find(&r->names, name);
    if (known == NULL)
        return 0;
    size_t at = known->stream_at;
    if (at >= r->served.count || r->served.streams[at].id != known->stream)
        at = stream_index(r, known->stream);
    return at < r->served.count && r->served.streams[at].build == known->build ? known->id : 0;
}

enum sg_status store_read_resolve(struct store_reader *r, struct slice name, int64_t *id, struct sg_error *err)
{
    int64_t known = store_read_known(r, name);
    if (known != 0) {
        *id = known;
        return SG_OK;
    }
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_COLLECTION_ID);
    enum sg_status status = store_step(&r->c, s, store_bind_slice(s, 1, name, SIZE_MAX), WHAT, err);
    if (status == SG_NOT_FOUND)
        return sg_fail(err, SG_NOT_FOUND, "no event of this collection was applied");
    if (status != SG_OK)
        return status;
    *id = sqlite3_column_int64(s, 0);
    int64_t stream = sqlite3_column_int64(s, 1);
    int64_t build = sqlite3_column_int64(s, 2);
    if (served_names_add(&r->names, name, *id, stream, build, stream_index(r, stream)) == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    return SG_OK;
}

#define COLUMN_NUMBER(name) out->name = sqlite3_column_int64(s, READ_##name);
#define COLUMN_SEQUENCE(name) out->name = (uint64_t)sqlite3_column_int64(s, READ_##name);
#define COLUMN_TEXT(name) out->name = store_column_slice(s, READ_##name);
#define COLUMN_DOCUMENT(name) COLUMN_TEXT(name)
#define COLUMN_READ(kind, name) COLUMN_##kind(name)
#define COLUMN_KEPT(kind, name)
#define COLUMN(parameter, name, kind, reading) COLUMN_##reading(kind, name)

void store_read_entity_row(sqlite3_stmt *s, struct entity *out)
{
    out->deleted = false;
    STORE_ENTITY_VALUES(COLUMN, )
}

/* Is there a row in this table at all? Asked once for all reads between two commits. */
static enum sg_status any_row(struct store_reader *r, enum store_sql which, bool *known, bool *any,
                              struct sg_error *err)
{
    if (*known)
        return SG_OK;
    sqlite3_stmt *s = store_read_statement(r, which);
    enum sg_status status = store_step(&r->c, s, SQLITE_OK, WHAT, err);
    if (status != SG_OK && status != SG_NOT_FOUND)
        return status;
    *any = status == SG_OK;
    *known = true;
    return SG_OK;
}

static enum sg_status gaps_any_load(struct store_reader *r, struct sg_error *err)
{
    return any_row(r, SQL_READ_ENTITY_GAPS_ANY, &r->entity_gaps_any_known, &r->entity_gaps_any, err);
}

/* Where the gap of an entity ends; 0 = it has none. */
static enum sg_status gap_find(struct store_reader *r, int64_t collection, struct slice id, uint64_t *last,
                               struct sg_error *err)
{
    *last = 0;
    enum sg_status status = gaps_any_load(r, err);
    if (status != SG_OK || !r->entity_gaps_any)
        return status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_ENTITY_GAP);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK)
        *last = (uint64_t)sqlite3_column_int64(s, 0);
    store_read_release(r);
    return list_end(status);
}

/* A row may be cached only while no event of the entity is recorded as rejected: such an answer says so, and what it
 * says changes without the row. Nor is one that has a gap, which a cached row cannot say. */
static enum sg_status cacheable(struct store_reader *r, struct slice collection, struct slice id, bool *out,
                                struct sg_error *err)
{
    struct store_entity_rejections rejections = {0};
    *out = false;
    if (r->stable == 0)
        return SG_OK;
    enum sg_status status = store_read_entity_rejections(r, collection, id, 0, 0, &rejections, err);
    *out = status == SG_OK && !rejections.any;
    return status;
}

static enum sg_status entity_step(struct store_reader *r, enum store_sql which, int64_t collection, struct slice id,
                                  int64_t number, struct entity *out, struct sg_error *err)
{
    sqlite3_stmt *s = store_read_statement(r, which);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    if (which == SQL_READ_ENTITY_AT)
        bound |= sqlite3_bind_int64(s, 3, number);
    enum sg_status status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK) {
        store_read_entity_row(s, out);
        out->id = id;
        out->deleted = which == SQL_READ_TOMBSTONE;
    }
    return status;
}

/* With a cache: by the row's number, if that is known and still this entity's, which spares the way through the index;
 * and remembered for the next time. */
static enum sg_status entity_find(struct store_reader *r, const struct row_cache_key *key, struct entity *out,
                                  struct sg_error *err)
{
    struct row_cache *cache = r->shared->cache;
    int64_t number = row_cache_hint(cache, key);
    enum sg_status status = SG_NOT_FOUND;
    if (number != 0)
        status = entity_step(r, SQL_READ_ENTITY_AT, key->collection, key->id, number, out, err);
    if (status != SG_NOT_FOUND)
        return status;
    status = entity_step(r, SQL_READ_ENTITY, key->collection, key->id, 0, out, err);
    if (status == SG_OK)
        row_cache_hint_set(cache, key, sqlite3_column_int64(r->active, READ_EXTRA));
    return status;
}

/* Not looked for while there is none at all. */
static enum sg_status tombstone_find(struct store_reader *r, int64_t collection, struct slice id, struct entity *out,
                                     struct sg_error *err)
{
    enum sg_status status = any_row(r, SQL_READ_TOMBSTONES_ANY, &r->tombstones_any_known, &r->tombstones_any, err);
    if (status != SG_OK)
        return status;
    return r->tombstones_any ? entity_step(r, SQL_READ_TOMBSTONE, collection, id, 0, out, err) : SG_NOT_FOUND;
}

enum sg_status store_read_entity(struct store_reader *r, struct slice collection, struct slice id, struct entity *out,
                                 struct sg_error *err)
{
    int64_t collection_id = 0;
    bool fill = false;
    uint64_t gap_last = 0;
    struct row_cache *cache = r->shared != NULL ? r->shared->cache : NULL;
    enum sg_status status = store_read_resolve(r, collection, &collection_id, err);
    if (status == SG_OK)
        status = gap_find(r, collection_id, id, &gap_last, err);
    if (status == SG_OK && cache != NULL && gap_last == 0)
        status = cacheable(r, collection, id, &fill, err);
    if (status != SG_OK)
        return status;
    struct row_cache_key key = {.collection = collection_id, .id = id};
    if (cache == NULL) {
        status = entity_step(r, SQL_READ_ENTITY, collection_id, id, 0, out, err);
    } else {
        key = row_cache_key(cache, collection_id, id);
        status = entity_find(r, &key, out, err);
    }
    if (status == SG_NOT_FOUND)
        status = tombstone_find(r, collection_id, id, out, err);
    if (status == SG_OK)
        out->gap_last = gap_last;
    if (status == SG_OK && fill)
        row_cache_fill(cache, &key, out, &r->shared->clock, r->stable);
    return status == SG_NOT_FOUND ? sg_fail(err, SG_NOT_FOUND, "no event of this entity was applied") : status;
}

/* ---- rejected events of one entity ---- */

static enum sg_status rejected_any_load(struct store_reader *r, struct sg_error *err)
{
    return any_row(r, SQL_READ_REJECTED_ANY, &r->rejected_any_known, &r->rejected_any, err);
}

/* One of the two look-ups: SG_NOT_FOUND without a row, `*first` is the first column. */
static enum sg_status rejected_probe(struct store_reader *r, enum store_sql which, struct slice collection,
                                     struct slice id, int64_t above, int64_t *first, struct sg_error *err)
{
    sqlite3_stmt *s = store_read_statement(r, which);
    int bound = store_bind_slice(s, 1, collection, SIZE_MAX);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    bound |= sqlite3_bind_int64(s, 3, above);
    enum sg_status status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK)
        *first = sqlite3_column_int64(s, 0);
    store_read_release(r);
    return status;
}

/* What is kept with the entity of those whose record was dropped: zeroes where there is nothing. */
struct kept {
    int64_t version;
    uint64_t sequence; /* of one of unknown version */
};

static enum sg_status kept_find(struct store_reader *r, struct slice collection, struct slice id, struct kept *out,
                                struct sg_error *err)
{
    int64_t collection_id = 0;
    *out = (struct kept){0};
    enum sg_status status = store_read_resolve(r, collection, &collection_id, err);
    if (status != SG_OK)
        return list_end(status);
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_REJECTIONS_KEPT);
    int bound = sqlite3_bind_int64(s, 1, collection_id);
    bound |= store_bind_slice(s, 2, id, SIZE_MAX);
    status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK)
        *out = (struct kept){sqlite3_column_int64(s, 0), (uint64_t)sqlite3_column_int64(s, 1)};
    store_read_release(r);
    return list_end(status);
}

/* Those that are recorded. */
static enum sg_status recorded_find(struct store_reader *r, struct slice collection, struct slice id,
                                    int64_t shown_version, uint64_t shown_sequence,
                                    struct store_entity_rejections *out, struct sg_error *err)
{
    int64_t ignored = 0;
    enum sg_status status = list_end(rejected_probe(r, SQL_READ_REJECTED_VERSION, collection, id, shown_version,
                                                    &out->version_max, err));
    if (status != SG_OK)
        return status;
    status = rejected_probe(r, SQL_READ_REJECTED_UNKNOWN, collection, id, (int64_t)shown_sequence, &ignored, err);
    out->unknown_version = status == SG_OK;
    return list_end(status);
}

enum sg_status store_read_entity_rejections(struct store_reader *r, struct slice collection, struct slice id,
                                            int64_t shown_version, uint64_t shown_sequence,
                                            struct store_entity_rejections *out, struct sg_error *err)
{
    struct store_entity_rejections found = {0};
    struct kept kept = {0};
    enum sg_status status = rejected_any_load(r, err);
    if (status == SG_OK && r->rejected_any) {
        status = recorded_find(r, collection, id, shown_version, shown_sequence, &found, err);
        if (status == SG_OK)
            status = kept_find(r, collection, id, &kept, err);
    }
    if (status != SG_OK)
        return status;
    if (kept.version > shown_version && kept.version > found.version_max)
        found.version_max = kept.version;
    found.unknown_version |= kept.sequence > shown_sequence;
    found.any = found.unknown_version || found.version_max != 0;
    *out = found;
    return SG_OK;
}

enum sg_status store_read_version_rejected(struct store_reader *r, struct slice collection, struct slice id,
                                           int64_t version, bool *out, struct sg_error *err)
{
    int64_t ignored = 0;
    struct kept kept;
    enum sg_status status = rejected_any_load(r, err);
    if (status != SG_OK)
        return status;
    *out = false;
    if (!r->rejected_any)
        return SG_OK;
    status = rejected_probe(r, SQL_READ_REJECTED_EXACT, collection, id, version, &ignored, err);
    *out = status == SG_OK;
    if (status != SG_NOT_FOUND)
        return status;
    status = kept_find(r, collection, id, &kept, err);
    *out = status == SG_OK && kept.version == version;
    return status;
}

enum sg_status store_read_gaps(struct store_reader *r, struct slice collection, struct slice after, struct slice last,
                               struct gap *out, struct sg_error *err)
{
    int64_t collection_id = 0;
    *out = (struct gap){0, 0};
    enum sg_status status = store_read_resolve(r, collection, &collection_id, err);
    if (status == SG_OK)
        status = gaps_any_load(r, err);
    if (status != SG_OK || !r->entity_gaps_any)
        return status;
    sqlite3_stmt *s = store_read_statement(r, SQL_READ_ENTITY_GAPS);
    int bound = sqlite3_bind_int64(s, 1, collection_id);
    bound |= after.bytes == 0 ? sqlite3_bind_text(s, 2, "", 0, SQLITE_STATIC) : store_bind_slice(s, 2, after, SIZE_MAX);
    bound |= store_bind_slice(s, 3, last, SIZE_MAX);
    status = store_step(&r->c, s, bound, WHAT, err);
    if (status == SG_OK && sqlite3_column_type(s, 0) != SQLITE_NULL) {
        out->first = (uint64_t)sqlite3_column_int64(s, 0);
        out->last = (uint64_t)sqlite3_column_int64(s, 1);
    }
    store_read_release(r);
    return list_end(status);
}
