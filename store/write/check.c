/* Looking for damage in bounded time, by SQL. */
#include "store/write/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/os_file.h"
#include "store/integrity/vfs.h"
#include "store/integrity/wal.h"
#include "store/reader.h"

/* Every page must be in the file or in the WAL. SQLite checks this itself only while the WAL is empty. */
static enum sg_status check_size(struct store_connection *c, int64_t *database_bytes, struct sg_error *err)
{
    int64_t page_count = 0;
    int64_t page_bytes = 0;
    struct store_sizes sizes;
    enum sg_status status = store_query_int(c, "PRAGMA page_count", &page_count, err);
    if (status == SG_OK)
        status = store_query_int(c, "PRAGMA page_size", &page_bytes, err);
    if (status != SG_OK)
        return status;
    store_sizes(c->path, &sizes);
    if (sizes.database_bytes < 0 || sizes.wal_bytes < 0)
        return sg_fail(err, SG_STORAGE, "cannot see how large %s is: %s", c->path, strerror(errno));
    int64_t frames = sizes.wal_bytes / (page_bytes + WAL_FRAME_HEADER_BYTES);
    if (sizes.database_bytes / page_bytes + frames < page_count)
        return sg_fail(err, SG_CORRUPT, "%s is cut short: %lld bytes, expected %lld pages of %lld", c->path,
                       (long long)sizes.database_bytes, (long long)page_count, (long long)page_bytes);
    *database_bytes = sizes.database_bytes;
    return SG_OK;
}

/* Down each edge of every tree: finds roots and interior pages that were overwritten. */
static enum sg_status check_edges(struct store_connection *c, struct sg_error *err)
{
    static const char *const queries[] = {
        "SELECT count(*) + coalesce(sum(length(name) + length(gaps)), 0) FROM streams",
        "SELECT count(*) + coalesce(sum(length(epoch) + length(gaps)), 0) FROM next_build",
        "SELECT count(*) + coalesce(sum(length(name) + entities), 0) FROM collections",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY number LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY number DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY collection, id LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY collection DESC, id DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM entities ORDER BY collection, sequence LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM entities ORDER BY collection DESC, sequence DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM tombstones ORDER BY number LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM tombstones ORDER BY number DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM tombstones ORDER BY collection, id LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM tombstones ORDER BY collection DESC, id DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM tombstones ORDER BY collection, sequence LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM tombstones ORDER BY collection DESC, sequence DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM rejected ORDER BY number LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM rejected ORDER BY number DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT reason FROM rejected ORDER BY stream, build, reason LIMIT 1)",
    };
    enum sg_status status = SG_OK;
    int64_t ignored = 0;
    for (size_t i = 0; status == SG_OK && i < sizeof queries / sizeof queries[0]; i++)
        status = store_query_int(c, queries[i], &ignored, err);
    return status;
}

/* The same of the tables of declared fields and their indexes: of as many as can be looked at in a moment. */
static enum sg_status check_fields(struct store_connection *c, struct sg_error *err)
{
    static const char sql[] =
        "SELECT t.tbl_name, CASE t.type WHEN 'table' THEN '' ELSE 'INDEXED BY ' || t.name END, CASE t.type "
        "WHEN 'table' THEN 'number' ELSE (SELECT name FROM pragma_index_info(t.name) WHERE seqno = 0) END "
        "FROM sqlite_schema t WHERE t.type IN ('table', 'index') AND t.sql IS NOT NULL "
        "AND (t.tbl_name GLOB 'fields_[0-9]*' OR t.tbl_name GLOB 'field_[0-9]*') LIMIT 500";
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
    enum sg_status status = rc == SQLITE_OK ? SG_OK : store_fail(c, rc, "check the database", err);
    while (status == SG_OK && (status = store_step(c, s, SQLITE_OK, "check the database", err)) == SG_OK) {
        for (int end = 0; status == SG_OK && end < 2; end++) {
            char query[512];
            int64_t ignored = 0;
            (void)snprintf(query, sizeof query, "SELECT count(*) FROM (SELECT id FROM %s %s ORDER BY %s %s LIMIT 1)",
                           (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1),
                           (const char *)sqlite3_column_text(s, 2), end == 0 ? "" : "DESC");
            status = store_query_int(c, query, &ignored, err);
        }
    }
    (void)sqlite3_finalize(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* A collection without tombstones, as it says of itself, is looked into for none: one that is there all the same would
 * be answered as an id never seen, and a version below it would be applied. Of a build that is being swept the count
 * stays. */
static enum sg_status check_tombstones(struct store_connection *c, struct sg_error *err)
{
    int64_t wrong = 0;
    enum sg_status status = store_query_int(
        c,
        "SELECT count(*) FROM collections c WHERE CASE "
        "WHEN EXISTS (SELECT 1 FROM tombstones t WHERE t.collection = c.id) THEN c.tombstones <= 0 "
        "ELSE c.tombstones <> 0 AND (EXISTS (SELECT 1 FROM streams s WHERE s.id = c.stream AND s.build = c.build) "
        "OR EXISTS (SELECT 1 FROM next_build n WHERE n.stream = c.stream AND n.build = c.build)) END",
        &wrong, err);
    if (status == SG_OK && wrong != 0)
        status = sg_fail(err, SG_CORRUPT,
                         "%s is damaged: %lld collections have tombstones and count none, or the reverse", c->path,
                         (long long)wrong);
    return status;
}

/* The whole check tells a page that could not be read as it tells damage, sometimes with the reason. */
static int read_failure(const struct store_connection *c, const char *answer)
{
    static const char prefix[] = "unable to get the page. error code=";
    const char *at = strstr(answer, prefix);
    if (at != NULL)
        return (int)strtol(at + sizeof prefix - 1, NULL, 10);
    bool noted = store_checksum_damage(store_checksum_database(c->db)) != NULL;
    return strstr(answer, "failed to get page") != NULL && !noted ? SQLITE_IOERR_READ : SQLITE_OK;
}

static enum sg_status check_whole(struct store_connection *c, const char *pragma, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, pragma, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return store_fail(c, rc, "check the database", err);
    enum sg_status status = store_step(c, s, SQLITE_OK, "check the database", err);
    if (status == SG_OK) {
        const char *answer = (const char *)sqlite3_column_text(s, 0);
        int failure = answer != NULL ? read_failure(c, answer) : SQLITE_OK;
        if ((failure & 0xff) == SQLITE_IOERR || (failure & 0xff) == SQLITE_NOMEM)
            status = store_fail(c, failure, "check the database", err);
        else if (answer == NULL || strcmp(answer, "ok") != 0)
            status = sg_fail(err, SG_CORRUPT, "%s is damaged: %s", c->path, answer != NULL ? answer : "no answer");
    }
    (void)sqlite3_finalize(s);
    return status;
}

enum sg_status store_check(struct store_connection *c, bool clean, struct sg_error *err)
{
    int64_t bytes = 0;
    enum sg_status status = check_size(c, &bytes, err);
    if (status == SG_OK)
        status = check_edges(c, err);
    if (status == SG_OK)
        status = check_fields(c, err);
    if (status == SG_OK)
        status = check_tombstones(c, err);
    if (status != SG_OK)
        return status;
    if (store_suspect_get(c->path)) {
        status = check_whole(c, "PRAGMA integrity_check(1)", err);
        if (status == SG_OK)
            store_suspect_clear(c->path);
        return status;
    }
    if (bytes <= (clean ? STORE_CHECK_BYTES_MAX : STORE_CHECK_UNCLEAN_BYTES_MAX))
        return check_whole(c, "PRAGMA quick_check(1)", err);
    return SG_OK;
}
