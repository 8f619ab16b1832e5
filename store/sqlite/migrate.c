/* The steps from one schema version to the next. */
#include "store/sqlite/migrate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "store/integrity/os_file.h"
#include "store/schema_version.h"
#include "store/sqlite/sort.h"

static const struct step {
    int from;
    int to;
    const unsigned char *sql;
} steps[] = {
    {0, STORE_SCHEMA_VERSION, store_schema_sql}, /* a new file */
    {2, 3, store_migrate_3_sql},
    {3, 4, store_migrate_4_sql},
};

static const struct step *step_from(int version)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i].from == version)
            return &steps[i];
    }
    return NULL;
}

/* In KiB, as SQLite takes it: what does not fit is written to the WAL before the commit, and read from there again. The
 * writer takes as much while it applies much. */
#define PAGES_MIGRATION (-65536)

static int cache_size = PAGES_MIGRATION;

void store_migrate_set_cache(int size)
{
    cache_size = size;
}

static enum sg_status set_cache(struct store_connection *c, int64_t size, struct sg_error *err)
{
    char pragma[64];
    (void)snprintf(pragma, sizeof pragma, "PRAGMA cache_size = %lld", (long long)size);
    return store_exec(c, pragma, "migrate the database", err);
}

/* More pages in memory; what is sorted beyond that goes to a file. */
static enum sg_status room_take(struct store_connection *c, int64_t *cache_before, struct sg_error *err)
{
    enum sg_status status = store_query_int(c, "PRAGMA cache_size", cache_before, err);
    if (status == SG_OK)
        status = set_cache(c, cache_size, err);
    return status == SG_OK ? store_sort_begin(c, "migrate the database", err) : status;
}

static enum sg_status room_return(struct store_connection *c, int64_t cache_before, struct sg_error *err)
{
    enum sg_status status = store_sort_end(c, "migrate the database", err);
    if (status == SG_OK)
        status = set_cache(c, cache_before, err);
    (void)sqlite3_db_release_memory(c->db);
    return status;
}

/* Where a step of a stored version meets a row that breaks a rule of that version, or a table that is not there, the
 * file is not what its version says. Nothing but a rebuild helps: taken for any other failure it would stop every
 * start. */
static enum sg_status fail_step(struct store_connection *c, const struct step *step, enum sg_status status,
                                struct sg_error *err)
{
    int rc = sqlite3_errcode(c->db) & 0xff;
    if (status != SG_INVALID || step->from == 0 || (rc != SQLITE_CONSTRAINT && rc != SQLITE_ERROR))
        return status;
    return sg_fail(err, SG_CORRUPT, "%s is damaged: it has schema version %d, and cannot be migrated: %s", c->path,
                   step->from, sqlite3_errmsg(c->db));
}

static enum sg_status take_step(struct store_connection *c, const struct step *step, struct sg_error *err)
{
    char finish[128];
    const char *what = step->from == 0 ? "create the database" : "migrate the database";
    (void)snprintf(finish, sizeof finish, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   STORE_APPLICATION_ID, step->to);
    enum sg_status status = store_exec(c, "BEGIN IMMEDIATE", what, err);
    if (status == SG_OK)
        status = store_exec(c, (const char *)step->sql, what, err);
    if (status != SG_OK)
        status = fail_step(c, step, status, err);
    if (status == SG_OK)
        status = store_exec(c, finish, what, err);
    if (status != SG_OK && !sqlite3_get_autocommit(c->db))
        (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

enum sg_status store_schema_version(struct store_connection *c, int *out, struct sg_error *err)
{
    int64_t stored = 0;
    enum sg_status status = store_query_int(c, "PRAGMA user_version", &stored, err);
    if (status == SG_OK && stored > STORE_SCHEMA_VERSION)
        status = sg_fail(err, SG_INVALID, "%s has schema version %lld, newer than version %d of this program", c->path,
                         (long long)stored, STORE_SCHEMA_VERSION);
    if (status == SG_OK && stored < STORE_SCHEMA_VERSION && step_from((int)stored) == NULL)
        status = sg_fail(err, SG_INVALID, "%s has schema version %lld, from which no step leads on", c->path,
                         (long long)stored);
    if (status == SG_OK)
        *out = (int)stored;
    return status;
}

enum sg_status store_migrate(struct store_connection *c, int from, struct sg_error *err)
{
    int64_t cache_before = 0;
    bool stored = from != 0 && from < STORE_SCHEMA_VERSION;
    enum sg_status status = stored ? room_take(c, &cache_before, err) : SG_OK;
    for (int version = from; status == SG_OK && version < STORE_SCHEMA_VERSION;) {
        const struct step *step = step_from(version);
        assert(step != NULL);
        status = take_step(c, step, err);
        version = step->to;
    }
    if (stored) {
        enum sg_status back = room_return(c, cache_before, status == SG_OK ? err : NULL);
        status = status == SG_OK ? back : status;
    }
    return status;
}
