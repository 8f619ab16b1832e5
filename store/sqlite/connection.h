/* Connections, prepared statements and what SQLite's result codes mean here. */
#ifndef STATEGATE_STORE_SQLITE_CONNECTION_H
#define STATEGATE_STORE_SQLITE_CONNECTION_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "store/sqlite/statements.h"

#define STORE_BUSY_TIMEOUT_MS 2000 /* recovery after an unclean stop holds its lock while it reads the WAL */

/* One SQLite connection; used by one thread. */
struct store_connection {
    sqlite3 *db;       /* owned */
    char *path;        /* owned */
    int64_t bytes_max; /* the writer's limit, for what an error says; 0 = none */
    bool damaged;      /* SQLite has reported damage */
    sqlite3_stmt *statements[SQL_STATEMENTS_COUNT]; /* owned; NULL for those of the other kind */
};

/* Open `path` with `flags` and the settings that both kinds of connection share. On failure nothing is left open. */
SG_MUST_CHECK enum sg_status store_connection_open(struct store_connection *c, const char *path, int flags,
                                                   struct sg_error *err);
/* NULL-safe for a zeroed struct. */
void store_connection_close(struct store_connection *c);

/* Translate a result code of SQLite; `what` reads on from "cannot". Damage leaves a marker file, so that the next
 * store_open looks at the whole file. */
enum sg_status store_fail(struct store_connection *c, int rc, const char *what, struct sg_error *err);

/* Prepare the statements `first` to `last`, when the schema is there. */
SG_MUST_CHECK enum sg_status store_prepare(struct store_connection *c, enum store_sql first, enum store_sql last,
                                           struct sg_error *err);
/* A prepared statement, ready to bind: whoever steps one resets it. */
sqlite3_stmt *store_statement(struct store_connection *c, enum store_sql which);
/* Step and reset a statement without rows. `bound` is the OR of the binds' results, all of them SQLITE_OK = 0. */
SG_MUST_CHECK enum sg_status store_run(struct store_connection *c, sqlite3_stmt *s, int bound, const char *what,
                                       struct sg_error *err);
/* The same for a statement without parameters. */
SG_MUST_CHECK enum sg_status store_run_plain(struct store_connection *c, enum store_sql which, const char *what,
                                             struct sg_error *err);
/* Step once: SG_OK with a row, SG_NOT_FOUND (err not filled) without one; the caller resets the statement in both
 * cases. */
SG_MUST_CHECK enum sg_status store_step(struct store_connection *c, sqlite3_stmt *s, int bound, const char *what,
                                        struct sg_error *err);
/* Run SQL text, e.g. a pragma. */
SG_MUST_CHECK enum sg_status store_exec(struct store_connection *c, const char *sql, const char *what,
                                        struct sg_error *err);
/* First column of the first row of `sql`. */
SG_MUST_CHECK enum sg_status store_query_int(struct store_connection *c, const char *sql, int64_t *out,
                                             struct sg_error *err);

/* Its beginning of at most `bytes_max` bytes, cut between characters. */
struct slice store_slice_cut(struct slice value, size_t bytes_max);
/* NULL where the slice is empty; cut as above. The bytes must outlive the step. */
int store_bind_slice(sqlite3_stmt *s, int index, struct slice value, size_t bytes_max);
int store_bind_uint(sqlite3_stmt *s, int index, uint64_t value);
/* Valid until the statement is stepped or reset. */
struct slice store_column_slice(sqlite3_stmt *s, int index);

#endif
