/* What collections declare, their sets, and what is written to these with an entity. */
#include "store/write/fields.h"

#include <stdlib.h>
#include <string.h>

#include "store/tables/collections.h"

#define WHAT "write declared fields"

/* What one collection of a stream declares. */
struct store_fields_declared {
    int64_t stream;
    char *collection;    /* owned */
    struct buffer text;  /* the declaration's, without the NUL */
    struct store_declaration declaration;
};

/* ---- declarations ---- */

static struct store_fields_declared *find_declared(const struct store_writer *w, int64_t stream, struct slice name)
{
    for (size_t i = 0; i < w->fields.declared_count; i++) {
        struct store_fields_declared *d = w->fields.declared[i];
        if (d->stream == stream && slice_equal(slice_of(d->collection), name))
            return d;
    }
    return NULL;
}

const struct store_declaration *store_fields_declared(const struct store_writer *w, int64_t stream, struct slice name)
{
    const struct store_fields_declared *d = find_declared(w, stream, name);
    return d != NULL ? &d->declaration : NULL;
}

static void declared_free(struct store_fields_declared *d)
{
    if (d == NULL)
        return;
    free(d->collection);
    buffer_free(&d->text);
    free(d);
}

enum sg_status store_set_fields(struct store_writer *w, int64_t stream_id, struct slice collection,
                                const struct field_set *fields, struct sg_error *err)
{
    struct store_fields *f = &w->fields;
    struct store_fields_declared *before = find_declared(w, stream_id, collection);
    struct store_fields_declared *added = calloc(1, sizeof *added);
    struct store_fields_declared **more = realloc(f->declared, (f->declared_count + 1) * sizeof(void *));
    if (more != NULL)
        f->declared = more;
    if (added != NULL)
        added->collection = strndup(collection.data, collection.bytes);
    enum sg_status status = SG_OK;
    if (more == NULL || added == NULL || added->collection == NULL)
        status = sg_fail(err, SG_MEMORY, "out of memory");
    if (status == SG_OK) {
        buffer_init(&added->text, FIELDS_TEXT_MAX);
        status = fields_write(fields, &added->text, err);
    }
    if (status != SG_OK) {
        declared_free(added);
        return status;
    }
    added->stream = stream_id;
    added->declaration.fields = fields;
    added->declaration.text = slice_of(added->text.data);
    if (before != NULL) { /* the caller tries again */
        struct store_fields_declared swapped = *before;
        *before = *added;
        *added = swapped;
        declared_free(added);
    } else {
        f->declared[f->declared_count++] = added;
    }
    f->settled = false;
    f->work = true;
    return SG_OK;
}

bool store_fields_at_target(const struct build *build)
{
    if (build->target == TARGET_UNKNOWN || build->position < build->target)
        return false;
    /* The first build has no target, but what was there when it began. */
    return build->target != 0 || build->is_next || build->position >= build->begun_last;
}

/* ---- the sets of one collection ---- */

static enum sg_status create_set(struct store_writer *w, int64_t collection, const struct store_declaration *declared,
                                 bool indexed, struct sg_error *err)
{
    struct store_connection *c = &w->c;
    struct store_field_set_row row = {.filled = STORE_FIELDS_FILLED, .indexed = indexed};
    bool any = false;
    int64_t number = 0;
    enum sg_status status = store_entities_any(c, collection, &any, err);
    if (status == SG_OK && any) {
        row.filled = 0;
        status = store_entities_number_max(c, false, &row.until, err);
    }
    if (status == SG_OK)
        status = store_field_set_insert(c, collection, declared, &row, &number, err);
    if (status == SG_OK)
        status = store_fields_create(c, number, declared->fields, err);
    for (size_t i = 0; status == SG_OK && indexed && i < declared->fields->indexes_count; i++)
        status = store_fields_create_index(c, number, declared->fields, i, err);
    w->fields.work |= any || !indexed;
    return status;
}

/* None of them has what is declared. The first that is whole serves until a new one is, unless nobody reads the build;
 * the others are given up. */
static enum sg_status retire_sets(struct store_writer *w, const struct store_field_set_row *rows, size_t count,
                                  bool served, const struct store_declaration *declared, struct sg_error *err)
{
    bool serving = false;
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < count; i++) {
        if (served && !serving && rows[i].filled == STORE_FIELDS_FILLED && rows[i].indexed) {
            serving = true;
            status = store_field_set_forget(&w->c, rows[i].number, declared->fields, err);
        } else {
            status = store_field_set_give_up(&w->c, rows[i].number, err);
            w->fields.given_up = true;
        }
    }
    return status;
}

static enum sg_status settle_collection(struct store_writer *w, int64_t collection, bool served, bool at_target,
                                        const struct store_declaration *declared, struct sg_error *err)
{
    struct store_field_set_row rows[STORE_FIELD_SETS_MAX];
    size_t count = 0;
    enum sg_status status = store_field_sets_load(&w->c, collection, declared, rows, &count, err);
    if (status != SG_OK)
        return status;
    if (count > 0 && rows[0].fits) {
        w->fields.work |= rows[0].filled != STORE_FIELDS_FILLED || !rows[0].indexed;
        return rows[0].declared ? SG_OK : store_field_set_declare(&w->c, rows[0].number, declared, err);
    }
    status = retire_sets(w, rows, count, served, declared, err);
    return status == SG_OK ? create_set(w, collection, declared, at_target, err) : status;
}

/* ---- what is open ---- */

static void close_sets(struct store_collection_fields *fields)
{
    for (size_t i = 0; i < fields->sets_count; i++)
        store_field_rows_close(fields->sets[i]);
    fields->sets_count = 0;
}

enum sg_status store_fields_reopen(struct store_writer *w, struct store_collection_fields *fields,
                                   struct sg_error *err)
{
    struct store_field_set_row rows[STORE_FIELD_SETS_MAX];
    size_t count = 0;
    close_sets(fields);
    enum sg_status status =
        store_field_sets_load(&w->c, fields->collection, fields->declared, rows, &count, err);
    for (size_t i = 0; status == SG_OK && i < count; i++) {
        status = store_field_rows_open(&w->c, &rows[i], fields->declared->fields, &fields->sets[i], err);
        fields->sets_count += status == SG_OK ? 1 : 0;
    }
    return status;
}

void store_fields_close(struct store_writer *w, int64_t collection)
{
    for (struct store_collection_fields **at = &w->fields.open; *at != NULL; at = &(*at)->next) {
        struct store_collection_fields *fields = *at;
        if (fields->collection != collection)
            continue;
        *at = fields->next;
        close_sets(fields);
        free(fields);
        return;
    }
}

static void close_all(struct store_writer *w)
{
    while (w->fields.open != NULL)
        store_fields_close(w, w->fields.open->collection);
    w->fields.stale = false;
}

void store_fields_free(struct store_writer *w)
{
    close_all(w);
    for (size_t i = 0; i < w->fields.declared_count; i++)
        declared_free(w->fields.declared[i]);
    free(w->fields.declared);
    free(w->fields.incoming);
    w->fields = (struct store_fields){0};
}

enum sg_status store_fields_open(struct store_writer *w, const struct build *build, struct collection_name *collection,
                                 struct sg_error *err)
{
    const struct store_fields_declared *declared =
        find_declared(w, build->stream, (struct slice){collection->name, collection->name_bytes});
    if (w->fields.stale)
        close_all(w);
    collection->fields_known = true;
    if (declared == NULL)
        return SG_OK;
    enum sg_status status = settle_collection(w, collection->id, !build->is_next, store_fields_at_target(build),
                                              &declared->declaration, err);
    if (status != SG_OK)
        return status;
    struct store_collection_fields *fields = calloc(1, sizeof *fields);
    if (fields == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    fields->collection = collection->id;
    fields->declared = &declared->declaration;
    fields->next = w->fields.open;
    w->fields.open = fields;
    collection->fields = fields;
    return store_fields_reopen(w, fields, err);
}

enum sg_status store_fields_find(struct store_writer *w, const struct build *build, struct slice name,
                                 struct collection_name **out, struct sg_error *err)
{
    *out = collection_names_find(&w->collections, build->stream, build->build, name);
    if (*out != NULL && (*out)->fields_known)
        return SG_OK;
    enum sg_status status = store_collections_find(&w->c, &w->collections, build, name, out, err);
    return status == SG_OK && *out != NULL ? store_fields_open(w, build, *out, err) : status;
}

/* ---- what an entity writes ---- */

static enum sg_status check_values(const struct collection_name *collection, const struct field_value *values,
                                   struct sg_error *err)
{
    if (values != NULL)
        return SG_OK;
    return sg_fail(err, SG_INVALID, "an event of %s, which declares fields, came without values of them",
                   collection->name);
}

enum sg_status store_fields_insert(const struct collection_name *collection, int64_t number, struct slice id,
                                   const struct field_value *values, struct sg_error *err)
{
    enum sg_status status = check_values(collection, values, err);
    for (size_t i = 0; status == SG_OK && i < collection->fields->sets_count; i++)
        status = store_field_rows_insert(collection->fields->sets[i], number, id, values, err);
    return status;
}

enum sg_status store_fields_update(const struct collection_name *collection, struct slice id,
                                   const struct field_value *values, struct sg_error *err)
{
    enum sg_status status = check_values(collection, values, err);
    for (size_t i = 0; status == SG_OK && i < collection->fields->sets_count; i++)
        status = store_field_rows_update(collection->fields->sets[i], collection->id, id, values, err);
    return status;
}

enum sg_status store_fields_remove(const struct collection_name *collection, int64_t number, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < collection->fields->sets_count; i++)
        status = store_field_rows_remove(collection->fields->sets[i], number, err);
    return status;
}

static enum sg_status incoming_reserve(struct store_fields *f, size_t count, struct sg_error *err)
{
    if (f->incoming_capacity >= count)
        return SG_OK;
    struct store_field_incoming *incoming = calloc(count, sizeof *incoming);
    if (incoming == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    free(f->incoming);
    f->incoming = incoming;
    f->incoming_capacity = count;
    return SG_OK;
}

/* Groups of one collection. */
static enum sg_status insert_run(struct store_writer *w, const struct store_group *groups, size_t count,
                                 struct sg_error *err)
{
    const struct collection_name *collection = groups[0].collection;
    struct store_fields *f = &w->fields;
    size_t incoming_count = 0;
    enum sg_status status = incoming_reserve(f, count, err);
    for (size_t i = 0; status == SG_OK && i < count; i++) {
        const struct store_group *g = &groups[i];
        if (!g->written || g->row.value.deleted)
            continue;
        status = check_values(collection, g->row.value.fields, err);
        f->incoming[incoming_count++] = (struct store_field_incoming){g->number, g->id, g->row.value.fields};
    }
    for (size_t i = 0; status == SG_OK && i < collection->fields->sets_count; i++)
        status = store_field_bulk_insert(&f->bulk, collection->fields->sets[i], f->incoming, incoming_count, err);
    return status;
}

enum sg_status store_fields_insert_groups(struct store_writer *w, const struct store_group *groups, size_t count,
                                          struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t first = 0, end; status == SG_OK && first < count; first = end) {
        for (end = first + 1; end < count && groups[end].collection == groups[first].collection;)
            end++;
        if (groups[first].collection->fields != NULL)
            status = insert_run(w, &groups[first], end - first, err);
    }
    return status;
}

/* ---- all collections ---- */

/* Its row in one build of its stream, if there is one. */
static enum sg_status settle_declared(struct store_writer *w, const struct store_fields_declared *declared,
                                      const struct build *build, bool served, bool at_target, struct sg_error *err)
{
    int64_t id = 0;
    enum sg_status status = store_collections_id(&w->c, build, slice_of(declared->collection), &id, err);
    if (status != SG_OK || id == 0)
        return status;
    return settle_collection(w, id, served, at_target, &declared->declaration, err);
}

/* Where a next build is written, the served one has all that is to come. */
static enum sg_status settle_stream(struct store_writer *w, const struct store_fields_declared *declared,
                                    struct sg_error *err)
{
    struct build build;
    struct stream stream;
    enum sg_status status = store_build_load(w, declared->stream, &build, err);
    if (status == SG_OK)
        status = settle_declared(w, declared, &build, !build.is_next, store_fields_at_target(&build), err);
    if (status != SG_OK || !build.is_next)
        return status;
    status = store_stream_load(w, declared->stream, &stream, err);
    build.build = stream.build;
    return status == SG_OK ? settle_declared(w, declared, &build, true, true, err) : status;
}

/* Sets of collections that declare nothing. */
static enum sg_status settle_undeclared(struct store_writer *w, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_FIELD_SET_OWNER);
    int64_t number = 0;
    enum sg_status status;
    while ((status = store_step(&w->c, s, sqlite3_bind_int64(s, 1, number), WHAT, err)) == SG_OK) {
        bool declared = find_declared(w, sqlite3_column_int64(s, FIELD_SET_STREAM),
                                      store_column_slice(s, FIELD_SET_NAME)) != NULL;
        number = sqlite3_column_int64(s, FIELD_SET_NUMBER);
        (void)sqlite3_reset(s);
        w->fields.given_up |= !declared;
        if (!declared)
            status = store_field_set_give_up(&w->c, number, err);
        if (status != SG_OK)
            return status;
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_fields_settle(struct store_writer *w, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (w->fields.settled)
        return SG_OK;
    for (size_t i = 0; status == SG_OK && i < w->fields.declared_count; i++)
        status = settle_stream(w, w->fields.declared[i], err);
    if (status == SG_OK)
        status = settle_undeclared(w, err);
    w->fields.settled = status == SG_OK;
    w->fields.surplus = true;
    w->fields.work = true;
    return status;
}

enum sg_status store_fields_ready(struct store_writer *w, const struct build *build, bool *out, struct sg_error *err)
{
    bool unready = false;
    enum sg_status status = SG_OK;
    /* Until it is settled it is not known whether what is there is still declared. */
    if (w->fields.declared_count > 0 || !w->fields.settled)
        status = store_field_sets_unready(&w->c, build->stream, build->build, &unready, err);
    *out = !unready;
    w->fields.work |= unready;
    return status;
}
