/* Declared fields in the store: written with the entity, filled beside it, indexed at the target, taken over, swept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "core/base/time.h"
#include "core/domain/fields.h"
#include "store/integrity/vfs.h"
#include "store_fixture.h"
#include "tests/support/fields_recount.h"

#define VALUES_MAX 64 /* elements of a list in these tests */

/* What the collection "customers" declares; fields stand at "/<name>". */
struct declared {
    const char *fields[8]; /* "name type", "name* type" */
    const char *indexes[8];
    bool scan;
};

/* Values of the declared fields, good until the next call. */
struct taken {
    struct field_set set;
    yyjson_doc *doc;
    struct field_value values[8];
    struct field_value elements[8][VALUES_MAX];
};

static struct taken taken;

static enum field_type type_of(const char *word)
{
    for (int type = 0; type < FIELD_TYPES_COUNT; type++) {
        if (strcmp(field_type_name((enum field_type)type), word) == 0)
            return (enum field_type)type;
    }
    fail_msg("no type %s", word);
    return FIELD_STRING;
}

static void declare(const struct declared *d)
{
    struct sg_error err;
    fields_free(&taken.set);
    for (size_t i = 0; d->fields[i] != NULL; i++) {
        char name[32];
        char type[16];
        char at[40];
        assert_int_equal(sscanf(d->fields[i], "%31s %15s", name, type), 2);
        bool many = name[strlen(name) - 1] == '*';
        name[strlen(name) - (many ? 1 : 0)] = '\0';
        (void)snprintf(at, sizeof at, "/%s%s", name, many ? "/*" : "");
        if (fields_add(&taken.set, slice_of(name), slice_of(at), type_of(type), &err) != SG_OK)
            fail_msg("%s", err.message);
    }
    for (size_t i = 0; d->indexes[i] != NULL; i++) {
        if (fields_add_index(&taken.set, slice_of(d->indexes[i]), &err) != SG_OK)
            fail_msg("%s", err.message);
    }
    taken.set.scan = d->scan;
}

static bool take_value(enum field_type type, yyjson_val *json, struct field_value *out)
{
    out->state = FIELD_SET;
    if (type == FIELD_STRING && yyjson_is_str(json))
        out->text = (struct slice){yyjson_get_str(json), yyjson_get_len(json)};
    else if (type == FIELD_INTEGER && yyjson_is_int(json))
        out->integer = yyjson_get_sint(json);
    else if (type == FIELD_NUMBER && yyjson_is_num(json))
        out->number = yyjson_get_num(json);
    else if (type == FIELD_BOOLEAN && yyjson_is_bool(json))
        out->integer = yyjson_get_bool(json) ? 1 : 0;
    else
        out->state = FIELD_NULL;
    return out->state == FIELD_SET;
}

static int compare_values(const void *a, const void *b, void *type)
{
    return field_value_compare(*(const enum field_type *)type, a, b);
}

static void take_elements(enum field_type type, yyjson_val *json, struct field_value *elements,
                          struct field_value *out)
{
    size_t index;
    size_t max;
    size_t count = 0;
    yyjson_val *element;
    yyjson_arr_foreach(json, index, max, element)
    {
        if (take_value(type, element, &elements[count]))
            count++;
    }
    qsort_r(elements, count, sizeof elements[0], compare_values, &type);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || field_value_compare(type, &elements[kept - 1], &elements[i]) != 0)
            elements[kept++] = elements[i];
    }
    *out = (struct field_value){.state = kept > 0 ? FIELD_ELEMENTS : FIELD_NULL};
    out->elements.values = elements;
    out->elements.count = kept;
}

static enum sg_status take(void *context, struct slice collection, struct slice state, const struct field_value **out,
                           struct sg_error *err)
{
    (void)context;
    (void)err;
    assert_true(slice_equal(collection, SLICE_LITERAL("customers")));
    yyjson_doc_free(taken.doc);
    taken.doc = yyjson_read(state.data, state.bytes, 0);
    for (size_t i = 0; i < taken.set.fields_count; i++) {
        const struct field *field = &taken.set.fields[i];
        yyjson_val *json = yyjson_obj_get(yyjson_doc_get_root(taken.doc), field->name);
        if (field->many)
            take_elements(field->type, json, taken.elements[i], &taken.values[i]);
        else
            (void)take_value(field->type, json, &taken.values[i]);
    }
    *out = taken.values;
    return SG_OK;
}

/* The clock stands still, so that what a step takes is bounded by rows alone; or it goes on by so much each time that it
 * is looked at. */
static int64_t clock_ns = 1;
static int64_t clock_step_ns;

int64_t __wrap_time_boot_ns(void);
int64_t __wrap_time_boot_ns(void)
{
    clock_ns += clock_step_ns;
    return clock_ns;
}

static const struct store_extract extract = {.extract = take};

static void forget_taken(void)
{
    yyjson_doc_free(taken.doc);
    taken.doc = NULL;
    fields_free(&taken.set);
}

static int teardown(void **state)
{
    int result = store_fixture_teardown(state);
    forget_taken();
    return result;
}

/* ---- the store ---- */

static void set_fields(struct store_fixture *f, const struct declared *d)
{
    declare(d);
    assert_int_equal(store_set_fields(f->writer, f->stream.id, SLICE_LITERAL("customers"), &taken.set, NULL), SG_OK);
}

/* The next session declares something else; NULL = nothing. */
static void redeclare(struct store_fixture *f, const struct declared *d)
{
    fixture_close(f);
    fixture_open(f);
    fixture_reload(f);
    if (d != NULL)
        set_fields(f, d);
    else
        forget_taken();
}

/* Copies of values, since one batch has several events. */
#define BATCH_MAX 600
static struct field_value batch_values[BATCH_MAX][8];
static struct field_value batch_elements[BATCH_MAX][8][4];
static char batch_texts[BATCH_MAX][12][64];

static void keep_value(struct field_value *value, char text[64])
{
    if (value->text.bytes >= 64)
        fail_msg("a text is too long for this test");
    memcpy(text, value->text.data, value->text.bytes);
    value->text.data = text;
}

/* Give each event the values of its state. */
static void with_values(struct event *events, size_t count)
{
    for (size_t e = 0; e < count; e++) {
        const struct field_value *values = NULL;
        size_t texts = 0;
        if (events[e].kind != EVENT_STATE)
            continue;
        (void)!take(NULL, SLICE_LITERAL("customers"), events[e].state, &values, NULL);
        memcpy(batch_values[e], values, sizeof batch_values[e]);
        for (size_t i = 0; i < taken.set.fields_count; i++) {
            struct field_value *value = &batch_values[e][i];
            bool text = taken.set.fields[i].type == FIELD_STRING;
            if (text && value->state == FIELD_SET)
                keep_value(value, batch_texts[e][texts++]);
            if (value->state != FIELD_ELEMENTS)
                continue;
            assert_true(value->elements.count <= 4);
            memcpy(batch_elements[e][i], value->elements.values,
                   value->elements.count * sizeof batch_elements[e][i][0]);
            value->elements.values = batch_elements[e][i];
            for (size_t k = 0; text && k < value->elements.count; k++)
                keep_value(&batch_elements[e][i][k], batch_texts[e][texts++]);
        }
        events[e].fields = batch_values[e];
    }
}

static void apply(struct store_fixture *f, struct event *events, size_t count)
{
    enum event_result results[BATCH_MAX];
    enum event_reason reasons[BATCH_MAX];
    with_values(events, count);
    fixture_apply(f, events, count, results, reasons);
}

static void apply_one(struct store_fixture *f, struct event event)
{
    apply(f, &event, 1);
}

/* One step; what it has ended. */
static struct store_fields_done step(struct store_fixture *f, size_t rows)
{
    struct store_fields_done done;
    struct sg_error err = {0};
    if (store_fields_step(f->writer, &extract, rows, &done, &err) != SG_OK)
        fail_msg("%s", err.message);
    return done;
}

/* Steps until none is wanted; how many sets were built. */
static size_t finish(struct store_fixture *f)
{
    size_t built = 0;
    while (store_fields_wanted(f->writer))
        built += step(f, 100).what == FIELDS_DONE_BUILT;
    return built;
}

static void sweep(struct store_fixture *f)
{
    bool more = true;
    while (more)
        assert_int_equal(store_sweep(f->writer, 10, &more, NULL), SG_OK);
}

/* ---- looking ---- */

static void query(struct store_fixture *f, const char *sql, char out[2048])
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    size_t bytes = 0;
    out[0] = '\0';
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, store_checksum_vfs()), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            bytes += (size_t)snprintf(out + bytes, 2048 - bytes, "%s%s", i > 0 ? "|" : bytes > 0 ? " " : "",
                                      text != NULL ? text : "NULL");
        }
    }
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
}

static void expect(struct store_fixture *f, const char *sql, const char *wanted)
{
    char found[2048];
    query(f, sql, found);
    assert_string_equal(found, wanted);
}

static struct recount recount(struct store_fixture *f)
{
    struct recount found;
    char why[RECOUNT_WHY_BYTES];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, store_checksum_vfs()), SQLITE_OK);
    if (!fields_recount(db, &found, why))
        fail_msg("%s", why);
    (void)sqlite3_close(db);
    return found;
}

#define SETS "SELECT number, collection, filled, until, indexed FROM field_sets ORDER BY number"
#define INDEXES "SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB 'field*_[0-9]*' ORDER BY name"

static const struct declared basic = {
    .fields = {"s string", "n number", "i integer", "b boolean", "t* string"},
    .indexes = {"s,n.desc", "i.nullslast", "n.desc.nullsfirst,s", "t"},
};

/* ---- writing ---- */

static void values_are_written_with_the_entity(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"open\",\"n\":1.5,\"i\":7,\"b\":true,\"t\":[\"x\",\"y\",\"x\"]}"));
    apply_one(f, event_state(2, "b", 1, "{\"s\":\"\",\"n\":-2,\"i\":1.5,\"b\":0,\"t\":[]}"));
    expect(f, "SELECT number, id, c0, c1, c2, c3, n1, n2 FROM fields_1 ORDER BY number",
           "1|a|open|1.5|7|1|0|0 2|b||-2.0|NULL|NULL|0|1");
    expect(f, "SELECT number, value, id FROM field_1_4 ORDER BY number, value", "1|x|a 1|y|a");
    expect(f, INDEXES, "field_1_4_values fields_1_0_1d fields_1_1dn_0 fields_1_2n");
    expect(f, "SELECT sql FROM sqlite_schema WHERE name = 'fields_1_1dn_0'",
           "CREATE INDEX fields_1_1dn_0 ON fields_1 (n1 DESC, c1 DESC, c0, id)");
    expect(f, SETS, "1|1|-1|0|1");
    assert_int_equal(recount(f).rows, 2);
    assert_int_equal(recount(f).indexes, 4);
}

static void an_update_writes_what_differs(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"open\",\"n\":1,\"t\":[\"x\"]}"));
    apply_one(f, event_state(2, "a", 2, "{\"s\":\"open\",\"n\":2,\"t\":[\"x\",\"z\"]}"));
    apply_one(f, event_state(3, "a", 3, "{\"s\":null,\"n\":2,\"i\":1,\"t\":[\"z\"]}"));
    expect(f, "SELECT c0, c1, c2 FROM fields_1", "NULL|2.0|1");
    expect(f, "SELECT value FROM field_1_4", "z");
    apply_one(f, event_state(4, "a", 4, "{\"s\":null,\"n\":2,\"i\":1,\"t\":[\"z\"],\"more\":1}"));
    (void)recount(f);
}

/* Is the page among those that the WAL has? */
static bool in_wal(const struct store_fixture *f, uint32_t page)
{
    char name[160];
    unsigned char frame[24];
    bool found = false;
    (void)snprintf(name, sizeof name, "%s-wal", f->path);
    FILE *wal = fopen(name, "rb");
    assert_non_null(wal);
    for (long at = 32; fseek(wal, at, SEEK_SET) == 0 && fread(frame, sizeof frame, 1, wal) == 1; at += 24 + 4096)
        found |= ((uint32_t)frame[0] << 24 | (uint32_t)frame[1] << 16 | (uint32_t)frame[2] << 8 | frame[3]) == page;
    (void)fclose(wal);
    return found;
}

/* How many of the roots of the tables and indexes of fields, which are all of them here, were written. */
static int roots_written(struct store_fixture *f)
{
    char roots[2048];
    char *rest = NULL;
    int written = 0;
    query(f, "SELECT rootpage FROM sqlite_schema WHERE name GLOB 'field*_[0-9]*'", roots);
    for (char *root = strtok_r(roots, " ", &rest); root != NULL; root = strtok_r(NULL, " ", &rest))
        written += in_wal(f, (uint32_t)strtoul(root, NULL, 10));
    return written;
}

static void an_update_of_other_members_writes_no_field(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"open\",\"n\":1,\"t\":[\"x\"]}"));
    fixture_reopen(f); /* the WAL is empty */
    set_fields(f, &basic);
    apply_one(f, event_state(2, "a", 2, "{\"s\":\"open\",\"n\":1,\"t\":[\"x\"],\"m\":2}"));
    assert_int_equal(roots_written(f), 0);
    apply_one(f, event_state(3, "a", 3, "{\"s\":\"open\",\"n\":1,\"i\":5,\"t\":[\"x\"],\"m\":2}"));
    assert_int_equal(roots_written(f), 2); /* the row, and the index of i */
    (void)recount(f);
}

static void deletions_take_their_rows_and_revivals_bring_them(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"x\",\"t\":[\"1\",\"2\"]}"));
    apply_one(f, event_state(2, "b", 1, "{\"s\":\"y\",\"t\":[\"3\"]}"));
    apply_one(f, event_tombstone(3, "a", 2));
    apply_one(f, event_erase(4, "b"));
    expect(f, "SELECT (SELECT count(*) FROM fields_1) + (SELECT count(*) FROM field_1_4)", "0");
    apply_one(f, event_state(5, "a", 3, "{\"s\":\"z\",\"t\":[\"4\"]}"));
    apply_one(f, event_state(6, "b", 2, "{\"s\":\"w\"}"));
    assert_int_equal(recount(f).rows, 2);
    expect(f, "SELECT id, c0 FROM fields_1 ORDER BY id", "a|z b|w");
    struct event both[] = {event_tombstone(7, "a", 4), event_state(8, "a", 5, "{\"s\":\"q\"}"),
                           event_state(9, "c", 1, "{\"s\":\"c\"}"), event_tombstone(10, "c", 2)};
    apply(f, both, 4);
    assert_int_equal(recount(f).rows, 2);
}

static enum store_review_result all_gone(void *context, const struct store_reviewed *entity)
{
    (void)context;
    (void)entity;
    return REVIEW_GONE;
}

static void what_is_gone_takes_its_row(void **state)
{
    struct store_fixture *f = *state;
    bool more = true;
    struct store_review review = {.review = all_gone, .head = 5};
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"x\",\"t\":[\"1\"]}"));
    fixture_reopen(f); /* the collection is not in memory */
    set_fields(f, &basic);
    while (more)
        assert_int_equal(store_review(f->writer, f->stream.id, &review, 10, &more, NULL), SG_OK);
    assert_int_equal(review.deleted_count, 1);
    assert_int_equal(recount(f).rows, 0);
}

/* What only looks at the collection has no need of its fields. */
static void a_collection_that_was_looked_at_has_its_fields(void **state)
{
    struct store_fixture *f = *state;
    struct store_tombstone_bounds bounds = {.stream = f->stream.id, .collection = SLICE_LITERAL("customers"), .max = 1};
    struct store_removal removal;
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"x\"}"));
    apply_one(f, event_state(2, "c", 1, "{}"));
    apply_one(f, event_tombstone(3, "c", 2));
    fixture_reopen(f);
    set_fields(f, &basic);
    assert_int_equal(store_remove_tombstones(f->writer, &bounds, 10, NULL, NULL, &removal, NULL), SG_OK);
    apply_one(f, event_state(4, "b", 1, "{\"s\":\"y\"}"));
    apply_one(f, event_state(5, "a", 2, "{\"s\":\"z\"}"));
    assert_int_equal(recount(f).rows, 2);
}

/* Batches of new ids go through one statement a table. */
static void batches_are_written_whole(void **state)
{
    struct store_fixture *f = *state;
    static struct event events[BATCH_MAX];
    static char ids[BATCH_MAX][16];
    static char states[BATCH_MAX][96];
    uint64_t sequence = 0;
    set_fields(f, &basic);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 500; i++) {
            unsigned id = (i * 7919 + round * 250) % 1500;
            (void)snprintf(ids[i], sizeof ids[i], "id-%u", id);
            (void)snprintf(states[i], sizeof states[i], "{\"s\":\"%u\",\"n\":%u.5,\"i\":%s,\"t\":[\"%u\",\"x\",%u]}",
                           i % 10, i, i % 3 == 0 ? "null" : "3", i % 7, i);
            events[i] = i % 11 == 0 ? event_tombstone(++sequence, ids[i], round + 1)
                                    : event_state(++sequence, ids[i], round + 1, states[i]);
        }
        apply(f, events, 500);
        assert_true(recount(f).rows > 300);
    }
    assert_int_equal(recount(f).sets, 1);
}

static void a_batch_that_fails_leaves_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct sg_error err = {0};
    enum event_result result;
    enum event_reason reason;
    uint64_t position = 0;
    struct event without = event_state(1, "a", 1, "{}");
    set_fields(f, &basic);
    assert_int_equal(store_apply(f->writer, f->stream.id, &without, 1, NULL, &result, &reason, &position, &err),
                     SG_INVALID);
    assert_non_null(strstr(err.message, "without values"));
    expect(f, "SELECT count(*) FROM field_sets", "0");
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"x\"}"));
    assert_int_equal(recount(f).rows, 1);
}

/* What the other tests rest on. */
static void the_recount_finds_what_is_wrong(void **state)
{
    struct store_fixture *f = *state;
    static const char *const faults[] = {
        "UPDATE fields_1 SET c1 = 2 WHERE number = 1",
        "UPDATE fields_1 SET c0 = NULL WHERE number = 1",
        "UPDATE fields_1 SET id = 'b' WHERE number = 1",
        "DELETE FROM fields_1",
        "INSERT INTO fields_1 (number, id) VALUES (7, 'q')",
        "DELETE FROM field_1_4 WHERE value = 'x'",
        "INSERT INTO field_1_4 (number, value, id) VALUES (1, 'z', 'a')",
        "DROP INDEX fields_1_2n",
        "DELETE FROM field_sets",
        "DELETE FROM collections",
        /* An index whose entry is of a value that was: known to nobody while that changes. */
        "CREATE TEMP TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'fields_1_0_1d'; "
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'fields_1_0_1d'; "
        "PRAGMA writable_schema = RESET; UPDATE fields_1 SET c0 = 'new'; "
        "UPDATE entities SET state = json_set(state, '$.s', 'new'); PRAGMA writable_schema = ON; "
        "INSERT INTO sqlite_schema SELECT * FROM temp.kept; PRAGMA writable_schema = RESET"};
    char why[RECOUNT_WHY_BYTES];
    struct recount found;
    set_fields(f, &basic);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"open\",\"n\":1.5,\"t\":[\"x\",\"y\"]}"));
    assert_int_equal(recount(f).rows, 1);
    fixture_close(f);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        sqlite3 *db = NULL;
        sqlite3 *disk = NULL;
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        assert_int_equal(sqlite3_open(f->path, &disk), SQLITE_OK);
        sqlite3_backup *backup = sqlite3_backup_init(db, "main", disk, "main");
        assert_int_equal(sqlite3_backup_step(backup, -1), SQLITE_DONE);
        assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
        (void)sqlite3_close(disk);
        if (!fields_recount(db, &found, why))
            fail_msg("the copy: %s", why);
        if (sqlite3_exec(db, faults[i], NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", faults[i], sqlite3_errmsg(db));
        if (fields_recount(db, &found, why))
            fail_msg("not found: %s", faults[i]);
        (void)sqlite3_close(db);
    }
    fixture_open(f);
}

/* ---- declarations that change ---- */

static void fill_some(struct store_fixture *f, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        char id[16];
        char json[96];
        (void)snprintf(id, sizeof id, "id-%llu", (unsigned long long)i);
        (void)snprintf(json, sizeof json, "{\"s\":\"%llu\",\"n\":%llu,\"t\":[\"a\",\"%llu\"]}",
                       (unsigned long long)(i % 5), (unsigned long long)i, (unsigned long long)(i % 3));
        apply_one(f, event_state(i, id, 1, json));
    }
}

static const struct declared more_fields = {
    .fields = {"n number", "s string", "t* string", "i integer"},
    .indexes = {"s,n.desc", "i", "t"},
};

static void a_changed_declaration_is_filled_beside_the_old_one(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    fill_some(f, 1, 50);
    redeclare(f, &more_fields);
    fill_some(f, 51, 55); /* goes to both */
    expect(f, SETS, "1|1|-1|0|1 2|1|0|50|1");
    expect(f, "SELECT (SELECT count(*) FROM fields_1), (SELECT count(*) FROM fields_2)", "55|5");
    (void)recount(f);
    (void)step(f, 10);
    expect(f, "SELECT filled FROM field_sets WHERE number = 2", "10");
    apply_one(f, event_state(60, "id-3", 2, "{\"s\":\"held\"}"));
    apply_one(f, event_state(61, "id-30", 2, "{\"s\":\"not held\"}"));
    apply_one(f, event_tombstone(62, "id-4", 2));
    apply_one(f, event_tombstone(63, "id-40", 2));
    apply_one(f, event_tombstone(64, "id-53", 2));
    apply_one(f, event_state(65, "id-52", 2, "{\"i\":3}"));
    (void)recount(f);
    /* A crash forgets nothing. */
    redeclare(f, &more_fields);
    (void)step(f, 10); /* looks */
    (void)step(f, 10);
    (void)recount(f);
    assert_int_equal(finish(f), 1);
    expect(f, SETS, "1|0|-1|0|1 2|1|-1|50|1");
    assert_int_equal(recount(f).rows, 52);
    sweep(f);
    expect(f, SETS, "2|1|-1|50|1");
    expect(f, INDEXES, "field_2_2_values fields_2_1_0d fields_2_3");
    assert_false(store_fields_wanted(f->writer));
}

static void a_step_ends_when_its_time_is_over(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    fill_some(f, 1, 20);
    redeclare(f, &more_fields);
    (void)step(f, 1);
    clock_step_ns = STORE_FIELDS_NS / 2;
    (void)step(f, 100);
    expect(f, "SELECT filled FROM field_sets WHERE number = 2", "2");
    clock_step_ns = STORE_FIELDS_NS * 2;
    (void)step(f, 100);
    expect(f, "SELECT filled FROM field_sets WHERE number = 2", "3");
    clock_step_ns = 0;
    assert_int_equal(finish(f), 1);
    assert_int_equal(recount(f).rows, 20);
}

/* Rows that get the number of one that was deleted. */
static void numbers_that_come_again_are_held_or_filled(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    fill_some(f, 1, 20);
    redeclare(f, &more_fields);
    (void)step(f, 1);
    (void)step(f, 5);
    for (uint64_t i = 20; i > 2; i--) {
        char id[16];
        (void)snprintf(id, sizeof id, "id-%llu", (unsigned long long)i);
        apply_one(f, event_tombstone(100 - i, id, 2));
    }
    (void)recount(f);
    fill_some(f, 101, 102); /* numbers 3 and 4 */
    static char ids[10][16];
    struct event events[10]; /* 5 is held, 6 to 14 are not */
    for (uint64_t i = 0; i < 10; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "id-%llu", (unsigned long long)(103 + i));
        events[i] = event_state(103 + i, ids[i], 1, "{\"s\":\"again\",\"t\":[\"a\",\"b\"]}");
    }
    apply(f, events, 10);
    expect(f, "SELECT max(number) FROM entities", "14");
    expect(f, "SELECT max(number) FROM fields_2", "5");
    (void)recount(f);
    assert_int_equal(finish(f), 1);
    assert_int_equal(recount(f).rows, 14);
}

static void an_index_that_goes_is_dropped(void **state)
{
    struct store_fixture *f = *state;
    static const struct declared fewer = {
        .fields = {"s string", "n number", "i integer", "b boolean", "t* string"}, .indexes = {"i.nullslast"}};
    set_fields(f, &basic);
    fill_some(f, 1, 20);
    redeclare(f, &fewer);
    size_t removed = 0;
    while (store_fields_wanted(f->writer))
        removed += step(f, 100).what == FIELDS_DONE_INDEX_REMOVED;
    assert_int_equal(removed, 3);
    expect(f, SETS, "1|1|-1|0|1");
    expect(f, INDEXES, "fields_1_2n");
    expect(f, "SELECT declaration ->> '$.indexes' FROM field_sets", "[\"i.nullslast\"]");
    assert_int_equal(recount(f).indexes, 1);
    /* One that comes back is built anew. */
    redeclare(f, &basic);
    assert_int_equal(finish(f), 1);
    sweep(f);
    expect(f, SETS, "2|1|-1|20|1");
    assert_int_equal(recount(f).indexes, 4);
}

static void scan_alone_costs_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct declared scanned = basic;
    scanned.scan = true;
    set_fields(f, &basic);
    fill_some(f, 1, 3);
    redeclare(f, &scanned);
    assert_int_equal(finish(f), 0);
    expect(f, "SELECT number, declaration ->> '$.scan' FROM field_sets", "1|1");
}

/* A field that was not declared for a while was not written meanwhile. */
static void a_field_that_comes_back_is_filled_anew(void **state)
{
    struct store_fixture *f = *state;
    static const struct declared without = {.fields = {"n number"}, .indexes = {"n"}};
    static const struct declared with = {.fields = {"s string"}, .indexes = {"s"}};
    set_fields(f, &with);
    apply_one(f, event_state(1, "a", 1, "{\"s\":\"old\",\"n\":1}"));
    redeclare(f, &without);
    apply_one(f, event_state(2, "a", 2, "{\"s\":\"new\",\"n\":2}"));
    expect(f, "SELECT declaration ->> '$.fields[0].type' FROM field_sets WHERE number = 1", "none");
    redeclare(f, &with);
    assert_int_equal(finish(f), 1);
    sweep(f);
    expect(f, SETS, "3|1|-1|1|1");
    expect(f, "SELECT c0 FROM fields_3", "new");
    assert_int_equal(recount(f).rows, 1);
}

static void what_is_not_declared_any_more_is_removed(void **state)
{
    struct store_fixture *f = *state;
    set_fields(f, &basic);
    fill_some(f, 1, 20);
    redeclare(f, NULL);
    assert_int_equal(finish(f), 0); /* before any event */
    expect(f, SETS, "1|0|-1|0|1");
    assert_int_equal(fixture_apply_one(f, event_state(30, "id-1", 2, "{}")), RESULT_APPLIED);
    sweep(f);
    expect(f, SETS, "");
    expect(f, "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'field*_[0-9]*'", "0");
}

/* A third declaration before the second was filled. */
static void the_last_declaration_is_filled(void **state)
{
    struct store_fixture *f = *state;
    static const struct declared third = {.fields = {"s string", "b boolean"}, .indexes = {"b"}};
    set_fields(f, &basic);
    fill_some(f, 1, 20);
    redeclare(f, &more_fields);
    (void)step(f, 1);
    (void)step(f, 5);
    redeclare(f, &third);
    (void)step(f, 1);
    expect(f, "SELECT number, collection <> 0, filled FROM field_sets ORDER BY number", "1|1|-1 2|0|5 3|1|0");
    (void)recount(f);
    assert_int_equal(finish(f), 1);
    sweep(f);
    expect(f, SETS, "3|1|-1|20|1");
    assert_int_equal(recount(f).rows, 20);
}

/* ---- builds ---- */

static void a_first_build_is_indexed_at_its_target(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch;
    epoch_make("ORDERS", 5, "", &epoch);
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 5, &epoch, NULL), SG_OK);
    assert_int_equal(store_stream_begun(f->writer, f->stream.id, 10, 0, 0, NULL), SG_OK);
    set_fields(f, &basic);
    fill_some(f, 1, 9);
    expect(f, SETS, "1|1|-1|0|0");
    assert_int_equal(finish(f), 0);
    expect(f, INDEXES, "");
    fill_some(f, 10, 10);
    assert_true(store_fields_wanted(f->writer));
    (void)step(f, 1); /* one a transaction */
    expect(f, INDEXES, "fields_1_0_1d");
    redeclare(f, &basic);
    assert_int_equal(finish(f), 1);
    expect(f, SETS, "1|1|-1|0|1");
    assert_int_equal(recount(f).indexes, 4);
}

static void a_build_is_swapped_to_with_its_indexes(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch;
    set_fields(f, &basic);
    fill_some(f, 1, 10);
    epoch_make("ORDERS", 9, "", &epoch);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 9, &epoch, 6, NULL), SG_OK);
    fill_some(f, 1, 6);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 1);
    expect(f, SETS, "1|1|-1|0|1 2|2|-1|0|0");
    for (int i = 0; i < 3; i++)
        (void)step(f, 1);
    redeclare(f, &basic); /* attached: it is not swapped to before its time */
    assert_int_equal(f->stream.build, 1);
    fill_some(f, 7, 7);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 1);
    assert_int_equal(finish(f), 1);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 2);
    sweep(f);
    expect(f, SETS, "2|2|-1|0|1");
    assert_int_equal(recount(f).rows, 7);
}

/* Nothing is declared any more: the build does not wait for what nobody makes. */
static void a_build_does_not_wait_for_what_is_not_declared(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch;
    set_fields(f, &basic);
    fill_some(f, 1, 10);
    epoch_make("ORDERS", 9, "", &epoch);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 9, &epoch, 6, NULL), SG_OK);
    fill_some(f, 1, 6);
    redeclare(f, NULL);
    assert_int_equal(f->stream.build, 1);
    assert_int_equal(finish(f), 0);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 2);
    sweep(f);
    expect(f, SETS, "");
}

static void an_empty_stream_is_swapped_to_by_its_first_event(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch;
    set_fields(f, &basic);
    fill_some(f, 1, 3);
    epoch_make("ORDERS", 9, "", &epoch);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 9, &epoch, 0, NULL), SG_OK);
    fill_some(f, 1, 1);
    fixture_reload(f);
    assert_int_equal(f->stream.build, 2);
    assert_int_equal(recount(f).indexes, 8);
}

#define FIELDS_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIELDS_TEST(values_are_written_with_the_entity),
        FIELDS_TEST(an_update_writes_what_differs),
        FIELDS_TEST(an_update_of_other_members_writes_no_field),
        FIELDS_TEST(deletions_take_their_rows_and_revivals_bring_them),
        FIELDS_TEST(what_is_gone_takes_its_row),
        FIELDS_TEST(a_collection_that_was_looked_at_has_its_fields),
        FIELDS_TEST(batches_are_written_whole),
        FIELDS_TEST(a_batch_that_fails_leaves_nothing),
        FIELDS_TEST(the_recount_finds_what_is_wrong),
        FIELDS_TEST(a_changed_declaration_is_filled_beside_the_old_one),
        FIELDS_TEST(a_step_ends_when_its_time_is_over),
        FIELDS_TEST(numbers_that_come_again_are_held_or_filled),
        FIELDS_TEST(an_index_that_goes_is_dropped),
        FIELDS_TEST(scan_alone_costs_nothing),
        FIELDS_TEST(a_field_that_comes_back_is_filled_anew),
        FIELDS_TEST(what_is_not_declared_any_more_is_removed),
        FIELDS_TEST(the_last_declaration_is_filled),
        FIELDS_TEST(a_first_build_is_indexed_at_its_target),
        FIELDS_TEST(a_build_is_swapped_to_with_its_indexes),
        FIELDS_TEST(a_build_does_not_wait_for_what_is_not_declared),
        FIELDS_TEST(an_empty_stream_is_swapped_to_by_its_first_event),
    };
    return cmocka_run_group_tests_name("fields of the store", tests, NULL, NULL);
}
