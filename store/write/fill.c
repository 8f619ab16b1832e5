/* On the way to what is declared, a short transaction at a time: sets are filled from the entities, indexes made and
 * dropped.
 *
 *   settle ──> fill a set ──> make its indexes, once its build is at the target ──> it takes over, the build may be
 *   swapped to ──> drop indexes that are not declared any more ──> done
 *
 * What is done is in the rows of field_sets, so that a restart goes on where it was. */
#include <stdio.h>
#include <string.h>

#include "core/base/time.h"
#include "store/sqlite/sort.h"
#include "store/tables/entities.h"
#include "store/write/build.h"
#include "store/write/fields.h"

#define WHAT "build an index"
#define FILL_NUMBERS 1024 /* of rows that are read before the time is looked at: those of other collections as well */

struct task {
    enum { TASK_SETTLE, TASK_FILL, TASK_INDEX, TASK_DROP, TASK_END } kind;
    int64_t set;
    int64_t filled;
    int64_t until;
    bool indexed;
    struct build build; /* that the collection belongs to */
    char name[EVENT_COLLECTION_BYTES_MAX + 1];
    struct store_fields_name index; /* to be dropped */
};

bool store_fields_wanted(const struct store_writer *w)
{
    return w->fields.work;
}

/* ---- what is next ---- */

/* The build that is written, or the served one beside it, of which nothing more comes. */
static enum sg_status task_build(struct store_writer *w, int64_t stream, int64_t number, struct build *out,
                                 struct sg_error *err)
{
    enum sg_status status = store_build_load(w, stream, out, err);
    if (status == SG_OK && out->build != number)
        *out = (struct build){.stream = stream, .build = number};
    return status;
}

/* The next set that is to be filled or indexed; SG_NOT_FOUND: none is. */
static enum sg_status next_set(struct store_writer *w, struct task *task, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_FIELD_SET_NEXT);
    enum sg_status status = store_step(&w->c, s, sqlite3_bind_int64(s, 1, task->set), WHAT, err);
    int64_t stream = 0;
    int64_t build = 0;
    if (status == SG_OK) {
        struct slice name = store_column_slice(s, FIELD_SET_NAME);
        task->set = sqlite3_column_int64(s, FIELD_SET_NUMBER);
        task->filled = sqlite3_column_int64(s, FIELD_SET_FILLED);
        task->until = sqlite3_column_int64(s, FIELD_SET_UNTIL);
        task->indexed = sqlite3_column_int(s, FIELD_SET_INDEXED) != 0;
        stream = sqlite3_column_int64(s, FIELD_SET_STREAM);
        build = sqlite3_column_int64(s, FIELD_SET_BUILD);
        (void)snprintf(task->name, sizeof task->name, "%.*s", SLICE_ARGS(name));
    }
    (void)sqlite3_reset(s);
    return status == SG_OK ? task_build(w, stream, build, &task->build, err) : status;
}

/* Is it an index that the set's declaration has? */
static bool is_declared(int64_t set, const struct field_set *declared, const char *name)
{
    for (size_t i = 0; i < declared->indexes_count; i++) {
        if (strcmp(store_fields_index(set, NULL, declared, &declared->indexes[i]).text, name) == 0)
            return true;
    }
    return false;
}

/* An index that a set has and does not declare. */
static enum sg_status next_surplus(struct store_writer *w, int64_t set, const struct field_set *declared,
                                   struct store_fields_name *out, bool *found, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_FIELD_SET_SURPLUS);
    int bound = sqlite3_bind_int64(s, 1, set);
    enum sg_status status = SG_OK;
    while (!*found && (status = store_step(&w->c, s, bound, WHAT, err)) == SG_OK) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        *found = name != NULL && !is_declared(set, declared, name);
        if (*found)
            (void)snprintf(out->text, sizeof out->text, "%s", name);
    }
    (void)sqlite3_reset(s);
    return *found || status == SG_NOT_FOUND ? SG_OK : status;
}

/* Of all sets that are as declared. */
static enum sg_status find_surplus(struct store_writer *w, struct task *task, bool *found, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_FIELD_SET_OWNER);
    enum sg_status status = SG_OK;
    for (task->set = 0; status == SG_OK && !*found;) {
        const struct store_declaration *declared = NULL;
        struct store_field_set_row rows[STORE_FIELD_SETS_MAX];
        size_t count = 0;
        status = store_step(&w->c, s, sqlite3_bind_int64(s, 1, task->set), WHAT, err);
        if (status != SG_OK)
            break;
        int64_t collection = sqlite3_column_int64(s, FIELD_SET_COLLECTION);
        struct slice name = store_column_slice(s, FIELD_SET_NAME);
        task->set = sqlite3_column_int64(s, FIELD_SET_NUMBER);
        declared = store_fields_declared(w, sqlite3_column_int64(s, FIELD_SET_STREAM), name);
        (void)snprintf(task->name, sizeof task->name, "%.*s", SLICE_ARGS(name));
        task->build.stream = sqlite3_column_int64(s, FIELD_SET_STREAM);
        (void)sqlite3_reset(s);
        status = store_field_sets_load(&w->c, collection, declared, rows, &count, err);
        if (status == SG_OK && count > 0 && rows[0].number == task->set && rows[0].declared)
            status = next_surplus(w, task->set, declared->fields, &task->index, found, err);
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static enum sg_status find_task(struct store_writer *w, struct task *task, struct sg_error *err)
{
    bool surplus = false;
    enum sg_status status = SG_OK;
    *task = (struct task){.kind = TASK_SETTLE};
    if (!w->fields.settled)
        return SG_OK;
    w->fields.waiting = false;
    while ((status = next_set(w, task, err)) == SG_OK) {
        task->kind = task->filled != STORE_FIELDS_FILLED ? TASK_FILL : TASK_INDEX;
        if (task->kind == TASK_FILL || store_fields_at_target(&task->build))
            return SG_OK;
        w->fields.waiting = true;
    }
    if (status == SG_NOT_FOUND)
        status = w->fields.surplus ? find_surplus(w, task, &surplus, err) : SG_OK;
    w->fields.surplus = surplus;
    task->kind = surplus ? TASK_DROP : TASK_END;
    return status;
}

/* ---- a set is whole ---- */

static void tell(const struct task *task, enum store_fields_what what, struct store_fields_done *done)
{
    done->what = what;
    done->stream = task->build.stream;
    done->set = task->set;
    (void)snprintf(done->collection, sizeof done->collection, "%s", task->name);
}

/* The sets before it are given up; the build may have waited for it. */
static enum sg_status take_over(struct store_writer *w, const struct task *task,
                                struct store_collection_fields *fields, struct store_fields_done *done,
                                struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < fields->sets_count; i++) {
        if (fields->sets[i]->set < task->set)
            status = store_field_set_give_up(&w->c, fields->sets[i]->set, err);
        w->fields.given_up = true;
    }
    if (status == SG_OK)
        status = store_fields_reopen(w, fields, err);
    if (status == SG_OK)
        status = store_build_settle(w, &task->build, err);
    tell(task, FIELDS_DONE_BUILT, done);
    return status;
}

/* ---- filling ---- */

struct filling {
    struct store_writer *w;
    const struct task *task;
    const struct store_extract *extract;
    struct collection_name *collection;
    struct store_field_rows *rows;
    size_t rows_left;
    int64_t until_ns;
    int64_t last; /* the number up to which it is filled */
};

/* The entity of the row that the statement shows: whether the set held it before is known by its number alone, so it
 * is inserted as one that it holds. */
static enum sg_status fill_row(struct filling *f, sqlite3_stmt *s, struct sg_error *err)
{
    const struct field_value *values = NULL;
    int64_t number = sqlite3_column_int64(s, 0);
    enum sg_status status =
        f->extract->extract(f->extract->context, slice_of(f->task->name), store_column_slice(s, 2), &values, err);
    if (status == SG_OK && values == NULL)
        status = sg_fail(err, SG_INVALID, "no fields are extracted of %s, which declares some", f->task->name);
    if (status != SG_OK)
        return status;
    f->rows->filled = number;
    status = store_field_rows_insert(f->rows, number, store_column_slice(s, 1), values, err);
    f->last = number;
    f->rows_left = time_boot_ns() < f->until_ns ? f->rows_left - 1 : 0;
    return status;
}

/* A range of numbers. */
static enum sg_status fill_range(struct filling *f, struct sg_error *err)
{
    int64_t end = f->task->until - f->last < FILL_NUMBERS ? f->task->until : f->last + FILL_NUMBERS;
    sqlite3_stmt *s = store_statement(&f->w->c, SQL_ENTITY_FILL);
    int bound = sqlite3_bind_int64(s, 1, f->collection->id);
    bound |= sqlite3_bind_int64(s, 2, f->last);
    bound |= sqlite3_bind_int64(s, 3, end);
    enum sg_status status = SG_OK;
    while (f->rows_left > 0 && (status = store_step(&f->w->c, s, bound, WHAT, err)) == SG_OK) {
        status = fill_row(f, s, err);
        if (status != SG_OK)
            break;
    }
    (void)sqlite3_reset(s);
    if (status != SG_NOT_FOUND)
        return status;
    f->last = end;
    f->rows_left = time_boot_ns() < f->until_ns ? f->rows_left : 0;
    return SG_OK;
}

static struct store_field_rows *find_rows(const struct store_collection_fields *fields, int64_t set)
{
    for (size_t i = 0; fields != NULL && i < fields->sets_count; i++) {
        if (fields->sets[i]->set == set)
            return fields->sets[i];
    }
    return NULL;
}

/* The collection of a task, and its set, opened. */
static enum sg_status open_rows(struct store_writer *w, const struct task *task, struct collection_name **collection,
                                struct store_field_rows **rows, struct sg_error *err)
{
    enum sg_status status = store_fields_find(w, &task->build, slice_of(task->name), collection, err);
    if (status != SG_OK)
        return status;
    *rows = *collection != NULL ? find_rows((*collection)->fields, task->set) : NULL;
    return *rows != NULL ? SG_OK : store_fail(&w->c, SQLITE_CORRUPT, WHAT, err); /* it was there a moment ago */
}

static enum sg_status fill(struct store_writer *w, const struct task *task, const struct store_extract *extract,
                           size_t rows_max, struct store_fields_done *done, struct sg_error *err)
{
    struct filling f = {.w = w, .task = task, .extract = extract, .rows_left = rows_max,
                        .until_ns = time_boot_ns() + STORE_FIELDS_NS, .last = task->filled};
    enum sg_status status = open_rows(w, task, &f.collection, &f.rows, err);
    while (status == SG_OK && f.rows_left > 0 && f.last < task->until)
        status = fill_range(&f, err);
    if (status != SG_OK)
        return status;
    bool whole = f.last >= task->until;
    f.rows->filled = whole ? STORE_FIELDS_FILLED : f.last;
    status = store_field_set_filled(&w->c, task->set, f.rows->filled, err);
    return status == SG_OK && whole && task->indexed ? take_over(w, task, f.collection->fields, done, err) : status;
}

/* ---- indexes ---- */

/* The first index from `at` on that is not there; as many as are declared: all are. */
static enum sg_status next_index(struct store_writer *w, int64_t set, const struct field_set *declared, size_t *at,
                                 struct sg_error *err)
{
    enum sg_status status = SG_OK;
    bool there = true;
    for (; *at < declared->indexes_count; (*at)++) {
        const struct field_index *index = &declared->indexes[*at];
        status = store_index_exists(&w->c, store_fields_index(set, NULL, declared, index).text, &there, err);
        if (status != SG_OK || !there)
            return status;
    }
    return status;
}

static enum sg_status make_index(struct store_writer *w, const struct task *task, struct store_fields_done *done,
                                 struct sg_error *err)
{
    struct collection_name *collection = NULL;
    struct store_field_rows *rows = NULL;
    size_t at = 0;
    enum sg_status status = open_rows(w, task, &collection, &rows, err);
    if (status != SG_OK)
        return status;
    const struct field_set *declared = collection->fields->declared->fields;
    status = next_index(w, task->set, declared, &at, err);
    if (status == SG_OK && at < declared->indexes_count)
        status = store_fields_create_index(&w->c, task->set, declared, at++, err);
    if (status == SG_OK)
        status = next_index(w, task->set, declared, &at, err);
    if (status != SG_OK || at < declared->indexes_count)
        return status;
    status = store_field_set_indexed(&w->c, task->set, err);
    return status == SG_OK ? take_over(w, task, collection->fields, done, err) : status;
}

static enum sg_status drop_index(struct store_writer *w, const struct task *task, struct store_fields_done *done,
                                 struct sg_error *err)
{
    char sql[32 + sizeof task->index.text];
    (void)snprintf(sql, sizeof sql, "DROP INDEX %s", task->index.text);
    tell(task, FIELDS_DONE_INDEX_REMOVED, done);
    return store_exec(&w->c, sql, "remove an index", err);
}

/* ---- a step ---- */

/* Nothing is to be done any more: a next build that is whole may have waited for what is not declared now. */
static enum sg_status settle_builds(struct store_writer *w, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(&w->c, SQL_NEXT_BUILD_AFTER);
    int64_t stream = 0;
    struct build build;
    enum sg_status status;
    while ((status = store_step(&w->c, s, sqlite3_bind_int64(s, 1, stream), WHAT, err)) == SG_OK) {
        stream = sqlite3_column_int64(s, 0);
        (void)sqlite3_reset(s);
        status = store_build_load(w, stream, &build, err);
        if (status == SG_OK)
            status = store_build_settle(w, &build, err);
        if (status != SG_OK)
            return status;
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

static enum sg_status run_task(struct store_writer *w, const struct task *task, const struct store_extract *extract,
                               size_t rows_max, struct store_fields_done *done, struct sg_error *err)
{
    switch (task->kind) {
    case TASK_SETTLE:
        return store_fields_settle(w, err);
    case TASK_FILL:
        return fill(w, task, extract, rows_max, done, err);
    case TASK_INDEX:
        return make_index(w, task, done, err);
    case TASK_DROP:
        return drop_index(w, task, done, err);
    case TASK_END:
        w->fields.work = false;
        return settle_builds(w, err);
    }
    return SG_OK;
}

static enum sg_status step(struct store_writer *w, const struct task *task, const struct store_extract *extract,
                           size_t rows_max, struct store_fields_done *done, struct sg_error *err)
{
    enum sg_status status = store_room(w, err);
    if (status == SG_OK)
        status = store_begin(w, err);
    if (status != SG_OK)
        return status;
    w->changes = SERVED_NOTHING;
    status = store_end(w, run_task(w, task, extract, rows_max, done, err), err);
    if (status == SG_OK) {
        done->given_up = w->fields.given_up;
        w->fields.given_up = false;
    }
    return status;
}

enum sg_status store_fields_step(struct store_writer *w, const struct store_extract *extract, size_t rows_max,
                                 struct store_fields_done *done, struct sg_error *err)
{
    struct task task;
    *done = (struct store_fields_done){0};
    if (rows_max == 0)
        return sg_fail(err, SG_INVALID, "a step takes at least one row");
    if (!w->fields.work)
        return SG_OK;
    enum sg_status status = find_task(w, &task, err);
    if (status != SG_OK || task.kind != TASK_INDEX)
        return status == SG_OK ? step(w, &task, extract, rows_max, done, err) : status;
    status = store_sort_begin(&w->c, WHAT, err);
    if (status == SG_OK)
        status = step(w, &task, extract, rows_max, done, err);
    enum sg_status back = store_sort_end(&w->c, WHAT, status == SG_OK ? err : NULL);
    return status == SG_OK ? back : status;
}
