/* The steps from one schema version to the next. */
#include "store/sqlite/migrate.h"

#include <stdio.h>
#include <string.h>

#include "store/integrity/os_file.h"

static const struct step {
    int from;
    int to;
    const unsigned char *sql;
} steps[] = {
    {0, STORE_SCHEMA_VERSION, store_schema_sql}, /* a new file */
    {2, 3, store_migrate_3_sql},
};

static const struct step *step_from(int version)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i].from == version)
            return &steps[i];
    }
    return NULL;
}

/* What an index sorts beyond SQLite's page cache goes to a file beside the database, which has no name and ends with
 * the process. No other connection of this process is open yet, so SQLite's global variable may name the folder. */
static enum sg_status sort_in_file(struct store_connection *c, struct sg_error *err)
{
    const char *slash = strrchr(c->path, '/');
    sqlite3_temp_directory =
        slash != NULL ? sqlite3_mprintf("%.*s/", (int)(slash - c->path), c->path) : sqlite3_mprintf(".");
    if (sqlite3_temp_directory == NULL)
        return sg_fail(err, SG_MEMORY, "cannot migrate the database: out of memory");
    return store_exec(c, "PRAGMA temp_store = FILE", "migrate the database", err);
}

static enum sg_status sort_in_memory(struct store_connection *c, struct sg_error *err)
{
    sqlite3_free(sqlite3_temp_directory);
    sqlite3_temp_directory = NULL;
    return store_exec(c, "PRAGMA temp_store = MEMORY", "migrate the database", err);
}

/* Where a step of a stored version meets a row that breaks a rule of that version, or a table that is not there, the file
 * is not what its version says. Nothing but a rebuild helps: taken for any other failure it would stop every start. */
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

enum sg_status store_migrate(struct store_connection *c, int *from, struct sg_error *err)
{
    int64_t stored = 0;
    enum sg_status status = store_query_int(c, "PRAGMA user_version", &stored, err);
    if (status == SG_OK && stored > STORE_SCHEMA_VERSION)
        status = sg_fail(err, SG_INVALID, "%s has schema version %lld, newer than version %d of this program", c->path,
                         (long long)stored, STORE_SCHEMA_VERSION);
    int version = (int)stored;
    while (status == SG_OK && version < STORE_SCHEMA_VERSION) {
        const struct step *step = step_from(version);
        if (step == NULL)
            return sg_fail(err, SG_INVALID, "%s has schema version %d, from which no step leads on", c->path, version);
        if (version != 0)
            status = sort_in_file(c, err);
        if (status == SG_OK)
            status = take_step(c, step, err);
        if (version != 0) {
            enum sg_status back = sort_in_memory(c, status == SG_OK ? err : NULL);
            status = status == SG_OK ? back : status;
        }
        version = step->to;
    }
    if (status == SG_OK)
        *from = (int)stored;
    return status;
}
