/* The same rows give the same sum, whichever table holds them. */
#include "tests/support/kept_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "store/integrity/vfs.h"
#include "store/schema_version.h"

#define BUILD "created_ns, epoch, position, position_time_ns, position_subject, build, target, gaps"
#define VALUES "version, sequence, occurred_at, type, schema_version, message_id, correlation_id, causation_id"
#define REJECTED                                                                                                       \
    "SELECT number, stream, build, sequence, time_ns, subject, collection, id, version, reason, detail, "              \
    "payload_bytes, payload_sha256, payload FROM rejected ORDER BY number"
#define COLLECTIONS "SELECT id, stream, build, name, entities, position FROM collections ORDER BY id"

static const char *const version_2[] = {
    "SELECT id, name, fingerprint, " BUILD " FROM streams ORDER BY id",
    "SELECT stream, " BUILD " FROM growing ORDER BY stream",
    COLLECTIONS,
    "SELECT collection, id, deleted, state, " VALUES " FROM entities ORDER BY collection, id",
    REJECTED,
};

static const char *const version_3[] = {
    "SELECT id, name, rows_fingerprint, " BUILD " FROM streams ORDER BY id",
    "SELECT stream, " BUILD " FROM next_build ORDER BY stream",
    COLLECTIONS,
    "SELECT collection, id, deleted, state, " VALUES " FROM entities UNION ALL "
    "SELECT collection, id, 1, NULL, " VALUES " FROM tombstones ORDER BY 1, 2",
    REJECTED,
};
#define QUERIES (sizeof version_3 / sizeof version_3[0])

/* Each gives 0 where all is well. */
static const char *const version_3_holds[] = {
    "SELECT count(*) FROM entities WHERE deleted <> 0",
    "SELECT count(*) FROM entities e JOIN tombstones t ON t.collection = e.collection AND t.id = e.id",
    "SELECT count(*) FROM collections c WHERE c.floor <> 0 OR "
    "c.tombstones <> (SELECT count(*) FROM tombstones t WHERE t.collection = c.id) OR "
    "c.entities <> (SELECT count(*) FROM entities e WHERE e.collection = c.id)",
    "SELECT (SELECT count(*) FROM entities) - (SELECT count(*) FROM entities INDEXED BY entities_by_sequence WHERE "
    "collection > 0)",
};

void kept_unpack(const char *path)
{
    char command[512];
    (void)snprintf(command, sizeof command, "gzip -dc unit/store/kept/version-2.db.gz > '%s'", path);
    if (system(command) != 0) {
        (void)fprintf(stderr, "the kept database cannot be unpacked (the working folder is tests/)\n");
        exit(2);
    }
}

/* ---- in memory ---- */

/* Commits of that version: rows that changed, that were deleted, and that came. */
#define LIVE_COMMITS                                                                                                   \
    "UPDATE entities SET version = version + 1, state = '{\"live\":' || number || '}' "                                \
    "WHERE deleted = 0 AND number % 7 = 0;"                                                                            \
    "UPDATE entities SET version = version + 1, deleted = 1, state = NULL WHERE deleted = 0 AND number % 11 = 0;"      \
    "INSERT INTO entities (collection, id, version, deleted, sequence, state) "                                        \
    "SELECT collection, 'live-' || id, 1, number % 2, sequence, CASE number % 2 WHEN 0 THEN '{}' END FROM entities "   \
    "WHERE number % 3 = 0;"                                                                                            \
    "UPDATE collections SET entities = "                                                                               \
    "(SELECT count(*) FROM entities e WHERE e.collection = collections.id AND e.deleted = 0);"

static void die(const char *what)
{
    (void)fprintf(stderr, "the kept database: %s\n", what);
    exit(2);
}

static void commit_live(const char *path)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, store_checksum_vfs());
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA wal_autocheckpoint = 0;" LIVE_COMMITS, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        die(sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

static void *read_all(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        die(path);
    *bytes = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(*bytes);
    if (data == NULL || fread(data, 1, *bytes, f) != *bytes)
        die(path);
    (void)fclose(f);
    return data;
}

static void write_all(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, bytes, f) != bytes || fclose(f) != 0)
        die(path);
}

void kept_load(const char *folder, bool live_wal, struct kept_files *out)
{
    char path[128];
    char wal[136];
    *out = (struct kept_files){0};
    (void)snprintf(path, sizeof path, "%s/version-2.db", folder);
    (void)snprintf(wal, sizeof wal, "%s-wal", path);
    kept_unpack(path);
    if (live_wal) {
        commit_live(path);
        out->wal = read_all(wal, &out->wal_bytes);
        (void)remove(wal);
    }
    out->database = read_all(path, &out->database_bytes);
    (void)remove(path);
}

void kept_write(const struct kept_files *kept, const char *path)
{
    char wal[136];
    (void)snprintf(wal, sizeof wal, "%s-wal", path);
    (void)remove(wal);
    write_all(path, kept->database, kept->database_bytes);
    if (kept->wal_bytes > 0)
        write_all(wal, kept->wal, kept->wal_bytes);
}

void kept_free(struct kept_files *kept)
{
    free(kept->database);
    free(kept->wal);
}

/* ---- what is in it ---- */

bool kept_look(const char *path, int *version, uint64_t *sum, char why[256])
{
    sqlite3 *db = NULL;
    (void)snprintf(why, 256, "it cannot be opened");
    bool good = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    good = good && sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK;
    good = good && kept_sum(db, version, sum, why);
    (void)sqlite3_close(db);
    return good;
}

static bool sum_rows(sqlite3 *db, const char *sql, uint64_t *sum, char why[256])
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            int type = sqlite3_column_type(s, i);
            const void *data = sqlite3_column_blob(s, i);
            *sum = hash_bytes(*sum + (uint64_t)type + 1, (struct slice){data, (size_t)sqlite3_column_bytes(s, i)});
        }
    }
    if (rc != SQLITE_DONE)
        (void)snprintf(why, 256, "%s: %.150s", sqlite3_errmsg(db), sql);
    (void)sqlite3_finalize(s);
    return rc == SQLITE_DONE;
}

/* The first column of the first row, as text. */
static bool expect(sqlite3 *db, const char *sql, const char *wanted, char why[256])
{
    sqlite3_stmt *s = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
    const char *text = good ? (const char *)sqlite3_column_text(s, 0) : NULL;
    good = text != NULL && strcmp(text, wanted) == 0;
    if (!good)
        (void)snprintf(why, 256, "%s instead of %s (%s): %.150s", text != NULL ? text : "nothing", wanted,
                       sqlite3_errmsg(db), sql);
    (void)sqlite3_finalize(s);
    return good;
}

static int version_of(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        version = sqlite3_column_int(s, 0);
    (void)sqlite3_finalize(s);
    return version;
}

bool kept_sum(sqlite3 *db, int *version, uint64_t *sum, char why[256])
{
    bool good = true;
    uint64_t found = 1;
    (void)snprintf(why, 256, "it cannot be read");
    *version = version_of(db);
    if (*version < STORE_SCHEMA_VERSION_MIN || *version > STORE_SCHEMA_VERSION) {
        (void)snprintf(why, 256, "schema version %d", *version);
        return false;
    }
    for (size_t i = 0; good && i < QUERIES; i++)
        good = sum_rows(db, *version == 2 ? version_2[i] : version_3[i], &found, why);
    for (size_t i = 0; good && *version >= 3 && i < sizeof version_3_holds / sizeof version_3_holds[0]; i++)
        good = expect(db, version_3_holds[i], "0", why);
    good = good && expect(db, "PRAGMA integrity_check(1)", "ok", why);
    if (good)
        *sum = found;
    return good;
}

bool kept_migrate(const struct store_options *options, uint64_t sum_before, int *from, char why[256])
{
    struct sg_error err = {0};
    struct store_open_report report = {0};
    struct store_writer *w = NULL;
    int version = 0;
    uint64_t sum = 0;
    if (store_open(options, &w, &report, &err) != SG_OK) {
        (void)snprintf(why, 256, "store_open: %.200s", err.message);
        return false;
    }
    *from = report.migrated_from;
    bool good = !report.created && report.moved_aside[0] == '\0';
    if (!good)
        (void)snprintf(why, 256, "moved aside: %.200s", report.reason);
    good = good && kept_look(options->path, &version, &sum, why);
    if (good && (version != STORE_SCHEMA_VERSION || sum != sum_before)) {
        (void)snprintf(why, 256, "version %d, rows %s", version, sum == sum_before ? "as before" : "changed");
        good = false;
    }
    store_close(w);
    return good;
}
