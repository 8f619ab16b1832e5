/* What a migration promises: a kept file of version 2 has all its rows afterwards, is built as a new one is, and goes
 * on from its positions without a rebuild. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/integrity/os_file.h"
#include "store/integrity/vfs.h"
#include "store/schema_version.h"
#include "store/sqlite/statements.h"
#include "store_fixture.h"
#include "tests/support/kept_file.h"

#define TEXT_BYTES 8192

static void open_again(struct store_fixture *f)
{
    struct sg_error err = {0};
    f->options.collections_max = 100;
    if (store_open(&f->options, &f->writer, &f->report, &err) != SG_OK)
        fail_msg("store_open: %s", err.message);
}

/* In the place of the fixture's own database. */
static void open_kept(struct store_fixture *f)
{
    fixture_close(f);
    kept_unpack(f->path);
    open_again(f);
}

static sqlite3 *look(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    return db;
}

/* All values of all rows, joined. */
static void all_of(const char *path, const char *sql, char out[TEXT_BYTES])
{
    sqlite3 *db = look(path);
    sqlite3_stmt *s = NULL;
    size_t at = 0;
    out[0] = '\0';
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            at += (size_t)snprintf(out + at, TEXT_BYTES - at, "%s%s", at == 0 ? "" : ", ",
                                   text != NULL ? text : "NULL");
            assert_true(at < TEXT_BYTES);
        }
    }
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
}

/* Of the kept file, unpacked. */
static uint64_t kept_sum_of(const char *path)
{
    uint64_t sum = 0;
    int version = 0;
    char why[256];
    kept_unpack(path);
    if (!kept_look(path, &version, &sum, why))
        fail_msg("%s", why);
    assert_int_equal(version, 2);
    return sum;
}

static void kept_file_has_all_its_rows(void **state)
{
    struct store_fixture *f = *state;
    uint64_t after = 0;
    int version = 0;
    char why[256];
    fixture_close(f);
    uint64_t before = kept_sum_of(f->path);
    open_kept(f);
    assert_false(f->report.created);
    assert_int_equal(f->report.migrated_from, 2);
    if (!kept_look(f->path, &version, &after, why))
        fail_msg("%s", why);
    assert_int_equal(version, STORE_SCHEMA_VERSION);
    assert_int_equal(before, after);
    fixture_close(f);
    assert_int_equal(store_open(&f->options, &f->writer, &f->report, NULL), SG_OK);
    assert_int_equal(f->report.migrated_from, 0);
    fixture_close(f);
}

static void migrated_schema_is_that_of_a_new_file(void **state)
{
    struct store_fixture *f = *state;
    static const char *const queries[] = {
        "SELECT t.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM sqlite_schema t "
        "JOIN pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid",
        "SELECT t.name, l.name, l.\"unique\", l.origin, l.partial, i.seqno, i.name FROM sqlite_schema t "
        "JOIN pragma_index_list(t.name) l JOIN pragma_index_info(l.name) i WHERE t.type = 'table' "
        "ORDER BY t.name, l.name, i.seqno",
        "SELECT type, count(*) FROM sqlite_schema GROUP BY type ORDER BY type",
    };
    static char new[sizeof queries / sizeof queries[0]][TEXT_BYTES];
    static char migrated[TEXT_BYTES];
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        all_of(f->path, queries[i], new[i]);
    assert_non_null(strstr(new[0], "rows_fingerprint"));
    open_kept(f);
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        all_of(f->path, queries[i], migrated);
        assert_string_equal(migrated, new[i]);
    }
    fixture_close(f);
}

static void columns_are_those_of_the_list(void **state)
{
    struct store_fixture *f = *state;
    static char columns[TEXT_BYTES];
    all_of(f->path,
           "SELECT name FROM pragma_table_info('entities') WHERE name NOT IN ('number', 'deleted') ORDER BY cid",
           columns);
    assert_string_equal(columns, STORE_ENTITY_COLUMNS);
    all_of(f->path,
           "SELECT name FROM pragma_table_info('tombstones') WHERE name NOT IN ('number', 'gone') ORDER BY cid",
           columns);
    assert_string_equal(columns, STORE_TOMBSTONE_COLUMNS);
}

static const struct stream_fingerprint today = {
    .rows = "{\"format\":\"envelope\"}",
    .rows_before = "state.{collection}.{id} envelope customers orders addresses addresses-/street",
};

static void old_fingerprint_is_taken_for_the_same(void **state)
{
    struct store_fixture *f = *state;
    struct stream_fingerprint later = {.rows = today.rows};
    struct stream stream;
    bool reshaped = true;
    open_kept(f);
    assert_int_equal(store_stream_attach(f->writer, "STATE", &today, &stream, &reshaped, NULL), SG_OK);
    assert_false(reshaped);
    assert_int_equal(stream.build, 1);
    assert_int_equal(stream.position, 1109);
    assert_int_equal(stream.gaps_count, 1);
    assert_int_equal(stream.gaps[0].first, 1080);
    fixture_close(f);
    assert_int_equal(store_open(&f->options, &f->writer, NULL, NULL), SG_OK);
    assert_int_equal(store_stream_attach(f->writer, "STATE", &later, &stream, &reshaped, NULL), SG_OK);
    assert_false(reshaped); /* the new one is stored */
    fixture_close(f);
}

static void other_settings_rebuild_a_migrated_file_too(void **state)
{
    struct store_fixture *f = *state;
    struct stream_fingerprint other = today;
    struct stream stream;
    bool reshaped = false;
    other.rows_before = "state.{collection}.{id} envelope customers orders addresses";
    open_kept(f);
    assert_int_equal(store_stream_attach(f->writer, "STATE", &other, &stream, &reshaped, NULL), SG_OK);
    assert_true(reshaped);
    assert_int_equal(stream.build, 2);
    fixture_close(f);
}

static void next_build_goes_on(void **state)
{
    struct store_fixture *f = *state;
    struct stream_fingerprint grow = {.rows = "x", .rows_before = "grow.{id} envelope grown"};
    struct stream stream;
    struct build build;
    bool reshaped = true;
    open_kept(f);
    assert_int_equal(store_stream_attach(f->writer, "GROW", &grow, &stream, &reshaped, NULL), SG_OK);
    assert_false(reshaped);
    assert_true(stream.rebuilding);
    assert_int_equal(stream.rebuild.target, 4000);
    assert_int_equal(store_build_load(f->writer, stream.id, &build, NULL), SG_OK);
    assert_true(build.is_next);
    assert_true(build.position > 300 && build.position < 4000);
    fixture_close(f);
}

static void walk_by_sequence_takes_its_index(void **state)
{
    struct store_fixture *f = *state;
    static char plan[TEXT_BYTES];
    all_of(f->path, "EXPLAIN QUERY PLAN SELECT sequence, id, version, 0, occurred_at, state FROM entities "
                    "WHERE collection = 1 AND sequence > 2 UNION ALL SELECT sequence, id, version, 1, occurred_at, "
                    "NULL FROM tombstones WHERE collection = 1 AND sequence > 2 ORDER BY 1 LIMIT 100",
           plan);
    assert_non_null(strstr(plan, "entities_by_sequence (collection=? AND sequence>?)"));
    assert_non_null(strstr(plan, "tombstones_by_sequence (collection=? AND sequence>?)"));
    assert_null(strstr(plan, "TEMP B-TREE"));
}

static void version_without_a_step_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct sg_error err = {0};
    struct store_writer *writer = NULL;
    char at[TEXT_BYTES];
    (void)snprintf(at, sizeof at, "PRAGMA user_version = %d", STORE_SCHEMA_VERSION + 1);
    /* In the WAL alone: the file's own header, which is looked at first, has the present version still. */
    sqlite3 *db = look(f->path);
    assert_int_equal(sqlite3_exec(db, at, NULL, NULL, NULL), SQLITE_OK);
    char copy[96];
    char command[512];
    (void)snprintf(copy, sizeof copy, "%s/copy.db", f->directory);
    (void)snprintf(command, sizeof command, "cp '%s' '%s' && cp '%s-wal' '%s-wal'", f->path, copy, f->path, copy);
    assert_int_equal(system(command), 0);
    (void)sqlite3_close(db);
    struct store_options options = f->options;
    options.path = copy;
    options.shared = NULL;
    assert_int_equal(store_open(&options, &writer, NULL, &err), SG_INVALID);
    assert_non_null(strstr(err.message, "newer than version 4 of this program"));
}

/* ---- damage ---- */

/* The file is set aside and a new one begun, which holds nothing and can be filled. */
static void assert_set_aside(struct store_fixture *f, const char *reason)
{
    assert_true(f->report.created);
    assert_int_equal(f->report.migrated_from, 0);
    assert_string_not_equal(f->report.moved_aside, "");
    if (strstr(f->report.reason, reason) == NULL)
        fail_msg("%s instead of %s", f->report.reason, reason);
    fixture_close(f);
    fixture_open(f);
    assert_int_equal(f->stream.position, 0);
    assert_int_equal(fixture_apply_one(f, event_state(1, "1", 1, "{}")), RESULT_APPLIED);
    assert_int_equal(fixture_entities(f), 1);
    fixture_close(f);
}

/* Its pages get their checksums: no look at single pages finds what is planted. */
static void plant(const char *path, const char *sql)
{
    char *why = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, store_checksum_vfs()), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    (void)sqlite3_close(db);
}

/* Pages that are sound one by one, and rows that no program of that version would have written. */
static void rows_against_the_rules_of_their_version_are_damage(void **state)
{
    struct store_fixture *f = *state;
    static const struct {
        const char *sql;
        const char *reason;
    } cases[] = {
        /* The index on (collection, id) admits a deleted entity twice. */
        {"PRAGMA writable_schema = ON;"
         "UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE (collection, id)', 'CHECK (1)') WHERE name = 'entities';"
         "UPDATE sqlite_schema SET name = 'twice', sql = 'CREATE INDEX twice ON entities (collection, id)' "
         "WHERE type = 'index' AND tbl_name = 'entities';"
         "PRAGMA writable_schema = RESET;"
         "CREATE TEMP TABLE again AS SELECT * FROM entities WHERE deleted = 1 LIMIT 1;"
         "UPDATE again SET number = (SELECT max(number) + 1 FROM entities);"
         "INSERT INTO entities SELECT * FROM again;",
         "UNIQUE constraint failed: tombstones.collection, tombstones.id"},
        {"DROP TABLE growing;", "no such table"},
        {"ALTER TABLE streams DROP COLUMN fingerprint;", "no such column"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_close(f);
        kept_unpack(f->path);
        plant(f->path, cases[i].sql);
        open_again(f);
        assert_set_aside(f, cases[i].reason);
    }
}

static void a_byte_that_changed_is_found_by_the_migration(void **state)
{
    struct store_fixture *f = *state;
    uint64_t sum = 0;
    int version = 0;
    int found = 0;
    char why[256];
    fixture_close(f);
    uint64_t sum_before = kept_sum_of(f->path);
    struct store_sizes sizes;
    store_sizes(f->path, &sizes);
    for (long page = 2; page < sizes.database_bytes / 4096; page++) { /* the first two are looked at first */
        kept_unpack(f->path);
        fixture_file_write(f->path, page * 4096 + 3000, "\x5a\xa5", 2);
        open_again(f);
        if (f->report.created) {
            found++;
            assert_string_not_equal(f->report.moved_aside, "");
        } else {
            if (!kept_look(f->path, &version, &sum, why))
                fail_msg("page %ld: %s", page, why);
            assert_int_equal(sum, sum_before); /* in a page that holds nothing */
        }
        fixture_close(f);
    }
    assert_true(found > 20);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(kept_file_has_all_its_rows),
        STORE_TEST(migrated_schema_is_that_of_a_new_file),
        STORE_TEST(columns_are_those_of_the_list),
        STORE_TEST(old_fingerprint_is_taken_for_the_same),
        STORE_TEST(other_settings_rebuild_a_migrated_file_too),
        STORE_TEST(next_build_goes_on),
        STORE_TEST(walk_by_sequence_takes_its_index),
        STORE_TEST(version_without_a_step_is_refused),
        STORE_TEST(rows_against_the_rules_of_their_version_are_damage),
        STORE_TEST(a_byte_that_changed_is_found_by_the_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
