/* The steps from one schema version to the next. */
#include "store/sqlite/migrate.h"

#include <stdio.h>

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

static enum sg_status take_step(struct store_connection *c, const struct step *step, struct sg_error *err)
{
    char finish[128];
    const char *what = step->from == 0 ? "create the database" : "migrate the database";
    (void)snprintf(finish, sizeof finish, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   STORE_APPLICATION_ID, step->to);
    enum sg_status status = store_exec(c, "BEGIN IMMEDIATE", what, err);
    if (status == SG_OK)
        status = store_exec(c, (const char *)step->sql, what, err);
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
        status = take_step(c, step, err);
        version = step->to;
    }
    if (status == SG_OK)
        *from = (int)stored;
    return status;
}
