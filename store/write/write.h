/* What the files of the read model share: connections, prepared statements, translated errors, the writer's caches.
 * Only core/model*.c include this, and with it sqlite3.h. */
#ifndef STATEGATE_STORE_WRITE_WRITE_H
#define STATEGATE_STORE_WRITE_WRITE_H

#include <sqlite3.h>

#include "store/model.h"
#include "store/integrity/checksum.h"
#include "store/cache/commit_clock.h"

#define STORE_BUSY_TIMEOUT_MS 2000       /* recovery after an unclean stop holds its lock while it reads the WAL */
#define STORE_RESTART_TIMEOUT_MS 100     /* how long a checkpoint that must reset the WAL waits for readers */
#define STORE_WAL_FACTOR 4               /* times the larger checkpoint threshold: from here readers are waited for */
#define STORE_SWEEP_WAL_PAGES 1000       /* sweeps write whole pages: checkpoints in small steps, about 10 ms each */
#define STORE_CHECKPOINT_PAGES_MIN 64    /* the threshold under a small bytes_max */
#define STORE_CHECK_BYTES_MAX (16 << 20) /* up to this size every open checks the whole file */
#define STORE_CHECK_UNCLEAN_BYTES_MAX (64 << 20) /* the same after an unclean stop: about 0.1 s */

extern const unsigned char store_schema_sql[]; /* store/schema.sql with a NUL behind it, embedded by the build */

/* Every statement, prepared when the connection is opened: the texts stand in store_statements.c. */
enum store_sql {
    /* The writer's. */
    SQL_BEGIN_WRITE,
    SQL_META_CLEAN,
    SQL_META_SET_CLEAN,
    SQL_META_BUMP,
    SQL_STREAMS_DETACH,
    SQL_STREAM_BY_ID,
    SQL_STREAM_BY_NAME,
    SQL_STREAM_INSERT,
    SQL_STREAM_ATTACH,
    SQL_STREAM_IDENTIFY,
    SQL_STREAM_BUILD,
    SQL_STREAM_SET_TARGET,
    SQL_STREAM_SET_GAPS,
    SQL_STREAM_SET_POSITION,
    SQL_STREAM_SWAP,
    SQL_GROWING_REPLACE,
    SQL_GROWING_DELETE,
    SQL_GROWING_SET_TARGET,
    SQL_GROWING_SET_GAPS,
    SQL_GROWING_SET_POSITION,
    SQL_COLLECTION_FIND,
    SQL_COLLECTION_INSERT,
    SQL_COLLECTION_UPDATE,
    SQL_COLLECTION_DELETE,
    SQL_COLLECTIONS_COUNT,
    SQL_COLLECTION_STALE,
    SQL_ENTITY_FIND,
    SQL_ENTITY_STATE,
    SQL_ENTITY_INSERT,
    SQL_ENTITY_UPDATE,
    SQL_ENTITY_REPLACE,
    SQL_ENTITY_DELETE,
    SQL_REJECTED_INSERT,
    SQL_REJECTED_COUNT,
    SQL_REJECTED_TRIM,
    SQL_REJECTED_STALE_DELETE,
    /* Both. */
    SQL_COMMIT,
    SQL_READ_GENERATION,
    SQL_READ_STREAMS,
    /* The readers'. */
    SQL_BEGIN_READ,
    SQL_READ_ENTITY,
    SQL_READ_ENTITY_AT,
    SQL_READ_PAGE,
    SQL_READ_COLLECTION_ID,
    SQL_READ_COLLECTION,
    SQL_READ_COLLECTIONS,
    SQL_READ_REJECTED_ANY,
    SQL_READ_REJECTED_VERSION,
    SQL_READ_REJECTED_EXACT,
    SQL_READ_REJECTED_UNKNOWN,
    SQL_READ_REJECTED,
    SQL_READ_REJECTED_COUNT,
    /* The writer's, prepared when the table that it reads from is there (store_bulk.c). */
    SQL_ENTITY_INSERT_INCOMING,
    SQL_STATEMENTS_COUNT,
    SQL_WRITER_FIRST = SQL_BEGIN_WRITE,
    SQL_WRITER_LAST = SQL_READ_STREAMS,
    SQL_READER_FIRST = SQL_COMMIT,
    SQL_READER_LAST = SQL_READ_REJECTED_COUNT
};
extern const char *const store_sql_texts[SQL_STATEMENTS_COUNT];

/* What an insert of entities names, in this order. */
#define STORE_ENTITY_COLUMNS                                                                                           \
    "collection, id, version, deleted, sequence, occurred_at, type, schema_version, message_id, correlation_id, "      \
    "causation_id, state"

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

/* ---- files ---- */

enum store_file { STORE_FILE_ABSENT, STORE_FILE_OURS };
/* Look at the header, the seal and the WAL without SQLite, so that a foreign database is not touched, and none is
 * recovered from a WAL that is not its own. Only while no connection of this process has the file open: closing a
 * descriptor drops the process's locks on it. SG_INVALID: foreign or newer;
 * SG_CORRUPT: damaged, or of an older form. */
SG_MUST_CHECK enum sg_status store_file_inspect(const char *path, enum store_file *out, struct sg_error *err);
/* Is there a rollback journal? A database is in one only while it is created. */
bool store_file_journal(const char *path);
/* Look for damage in bounded time. SG_CORRUPT says what was found. */
SG_MUST_CHECK enum sg_status store_file_check(struct store_connection *c, bool clean, struct sg_error *err);
/* Rename the database and its companions to `<path>.corrupt-<UTC time>...`. */
SG_MUST_CHECK enum sg_status store_file_move_aside(const char *path, char *moved_aside, size_t moved_aside_bytes,
                                                   struct sg_error *err);
/* The marker that damage was met while running. */
void store_suspect_set(const char *path);
bool store_suspect_get(const char *path);
void store_suspect_clear(const char *path);
/* `<path><suffix>`; NULL when out of memory; the caller frees it. */
char *store_path_join(const char *path, const char *suffix);

/* ---- streams ---- */

/* Read the generation, or all that is served but for it, in the transaction at hand. */
SG_MUST_CHECK enum sg_status store_generation_load(struct store_connection *c, int64_t *out, struct sg_error *err);
SG_MUST_CHECK enum sg_status store_served_load(struct store_connection *c, struct store_served *out,
                                               struct sg_error *err);

/* The columns of SQL_READ_STREAMS, SQL_STREAM_BY_ID and SQL_STREAM_BY_NAME:
 * id and name, then the served build, then the growing one. */
enum { STREAM_COLUMN_SERVED = 2, STREAM_COLUMN_GROWING = 10, STREAM_COLUMN_FINGERPRINT = 18 };

/* Fill `out` from a row of one of them: what is served, or what is written. */
SG_MUST_CHECK enum sg_status store_stream_from_row(struct store_connection *c, sqlite3_stmt *s, struct stream *out,
                                                   struct sg_error *err);
SG_MUST_CHECK enum sg_status store_build_from_row(struct store_connection *c, sqlite3_stmt *s, struct build *out,
                                                  struct sg_error *err);

#define STORE_GAPS_TEXT_BYTES (STREAM_GAPS_MAX * 42 + 1) /* two numbers of 20 digits, a dash and a comma each */
void store_gaps_format(const struct gap *gaps, size_t count, char out[STORE_GAPS_TEXT_BYTES]);

/* ---- a table from a collection's name to its row; the writer's and each reader's ---- */

struct collection_name {
    int64_t stream;
    int64_t build;
    int64_t id; /* of the collections row */
    char *name; /* owned */
    size_t name_bytes;
    /* The writer's, for the batch at hand. */
    int64_t entities_delta;
    uint64_t position; /* highest sequence that changed a row; 0 = untouched */
};

struct collection_names {
    struct collection_name **slots; /* owned; a power of two, at most half full; NULL slots are free */
    size_t slots_count;
    size_t count;
};

struct collection_name *collection_names_find(const struct collection_names *t, int64_t stream, int64_t build,
                                              struct slice name);
/* NULL when out of memory. The entry lives until collection_names_clear. */
struct collection_name *collection_names_add(struct collection_names *t, int64_t stream, int64_t build,
                                             struct slice name, int64_t id);
void collection_names_clear(struct collection_names *t);
void collection_names_free(struct collection_names *t);

/* ---- the writer ---- */

struct store_scratch; /* of store_apply */

/* How many pages the writer keeps in memory (store_memory.c). */
enum store_pages { STORE_PAGES_UNSET, STORE_PAGES_FEW, STORE_PAGES_MANY };

struct store_writer {
    struct store_connection c;
    struct checked_database *checked; /* borrowed from the connection */
    int lock_fd; /* -1 = none */
    size_t collections_max;
    size_t rejected_max;
    bool rejected_payload;
    bool rebuild_empty_swap;
    /* Known from committed rows or those of the open transaction; forgotten when one is rolled back. */
    struct collection_names collections;
    int64_t collections_count; /* of written builds; -1 = not known */
    int64_t rejected_count;    /* rows of written builds; -1 = not known */
    /* Checkpointing. */
    int wal_pages;        /* in the WAL after the last commit */
    int checkpoint_pages; /* threshold while much is applied */
    int checkpoint_next;  /* not before the WAL has so many, when one could not finish; 0 = at the threshold */
    int swept_next;       /* the same between sweeps */
    /* What the transaction at hand changes of what is served, to be told behind its commit. */
    struct commit_clock *shared; /* borrowed; NULL = none */
    enum { SERVED_ANYTHING, SERVED_POSITION, SERVED_NOTHING } changes;
    int64_t moved_stream;
    uint64_t moved_position;
    struct store_served served;    /* owned scratch */
    struct store_scratch *scratch; /* owned; NULL until the first batch */
    enum store_pages pages;
};

/* BEGIN IMMEDIATE; end with store_commit, or store_rollback after any failure. */
SG_MUST_CHECK enum sg_status store_begin(struct store_writer *w, struct sg_error *err);
/* COMMIT, tell the readers, then checkpoint when it is due. On failure the transaction is rolled back. */
SG_MUST_CHECK enum sg_status store_commit(struct store_writer *w, struct sg_error *err);
void store_rollback(struct store_writer *w);
/* Commit if `status` is SG_OK, else roll back and return it. */
SG_MUST_CHECK enum sg_status store_end(struct store_writer *w, enum sg_status status, struct sg_error *err);
void store_forget(struct store_writer *w);
/* Readers notice that what they know of collections is out of date. */
SG_MUST_CHECK enum sg_status store_bump_generation(struct store_writer *w, struct sg_error *err);
/* Between sweeps: write the WAL back before there is so much of it that it would stall a commit. False: not due yet. */
bool store_checkpoint_swept(struct store_writer *w);
/* Write the WAL back, if it has come to what is right at the moment. Outside a transaction. */
void store_checkpoint_due(struct store_writer *w);
/* SG_FULL when the WAL has outgrown the limit and cannot be reset. */
SG_MUST_CHECK enum sg_status store_room(struct store_writer *w, struct sg_error *err);
/* After the settings are known: thresholds, and the hook that counts the WAL's pages. */
SG_MUST_CHECK enum sg_status store_checkpoint_setup(struct store_writer *w, struct sg_error *err);

/* Write to a known row of streams or growing; with the generation, since what is served may change. */
SG_MUST_CHECK enum sg_status store_stream_write(struct store_writer *w, sqlite3_stmt *s, int bound,
                                                struct sg_error *err);
/* Store a position in the open transaction, and swap to the build if that makes it whole; `rows_changed` by it. */
SG_MUST_CHECK enum sg_status store_build_move(struct store_writer *w, struct build *build, uint64_t position,
                                              int64_t time_ns, struct slice subject, bool rows_changed,
                                              struct sg_error *err);
/* Begin a build that is served at once, in the open transaction; a growing one is thrown away. */
SG_MUST_CHECK enum sg_status store_build_serve_new(struct store_writer *w, const struct build *before,
                                                   int64_t created_ns, const struct epoch *epoch, uint64_t target,
                                                   struct sg_error *err);
/* What has become due without an event: rebuild_empty_swap was set while a build waits for its first one. */
SG_MUST_CHECK enum sg_status store_build_settle(struct store_writer *w, const struct build *build,
                                                struct sg_error *err);

/* Find a collection of a build; `*out` is NULL where there is none. */
SG_MUST_CHECK enum sg_status store_collection_find(struct store_writer *w, const struct build *build, struct slice name,
                                                   struct collection_name **out, struct sg_error *err);
/* Create one that was not found; `*out` stays NULL where there are as many as there may be. */
SG_MUST_CHECK enum sg_status store_collection_create(struct store_writer *w, const struct build *build,
                                                     struct slice name, struct collection_name **out,
                                                     struct sg_error *err);
/* Write what the batch has changed of the collections' counts and positions. */
SG_MUST_CHECK enum sg_status store_collections_flush(struct store_writer *w, struct sg_error *err);

/* One id's row while a batch's events are folded over it. */
struct store_row {
    int64_t number;  /* 0 = not stored */
    int64_t version; /* 0 = never seen */
    bool deleted;
    uint64_t sequence;
    const struct event *winner; /* what is to be written; NULL = as stored */
};

struct store_outcome {
    enum event_result result;
    enum event_reason reason;
    uint64_t stored_sequence; /* of a conflict: what wrote the content that stays */
};

/* The row as stored; all zero where there is none. */
SG_MUST_CHECK enum sg_status store_row_find(struct store_connection *c, const struct collection_name *collection,
                                            struct slice id, struct store_row *out, struct sg_error *err);
/* Decide one event (STATE, TOMBSTONE or ERASE) against the row, and change the row if it wins. */
SG_MUST_CHECK enum sg_status store_row_fold(struct store_connection *c, struct store_row *row, const struct event *e,
                                            struct store_outcome *o, struct sg_error *err);
/* Write the winner by `which`: SQL_ENTITY_INSERT, _REPLACE or _UPDATE. `*written` is false where no row was changed:
 * the id is stored already, or not as the statement demands. */
SG_MUST_CHECK enum sg_status store_row_write(struct store_connection *c, enum store_sql which,
                                             const struct collection_name *collection, const struct store_row *row,
                                             bool *written, struct sg_error *err);

/* Keep as many pages as a batch of so many events can use. Between transactions. */
void store_pages_for(struct store_writer *w, size_t events_count);

/* The events of one id in a batch, and what they come to. */
struct store_group {
    struct collection_name *collection;
    struct store_row row;
    size_t first, end; /* of the batch's sorted events */
    bool written;      /* the row is inserted as it stands here */
};

/* What store_bulk_insert keeps between its calls; starts zeroed, lives as long as the connection. */
struct store_bulk {
    sqlite3 *db; /* borrowed; NULL until the first call */
    /* Within a call. */
    struct store_group *groups; /* borrowed */
    size_t count;
    size_t at;
    int64_t rowid; /* the last one that was inserted */
    int64_t written;
};

/* Insert the rows of the groups that have a winner, but for those whose id is stored already, and mark what was
 * `written`. The open transaction must be rolled back after a failure. */
SG_MUST_CHECK enum sg_status store_bulk_insert(struct store_connection *c, struct store_bulk *b,
                                               struct store_group *groups, size_t groups_count, struct sg_error *err);

/* Record one rejected event (or conflict) in the open transaction. */
SG_MUST_CHECK enum sg_status store_reject(struct store_writer *w, int64_t stream, int64_t build,
                                          const struct event *event, enum event_reason reason, struct slice detail,
                                          struct sg_error *err);
/* Delete the oldest beyond the limit. */
SG_MUST_CHECK enum sg_status store_reject_trim(struct store_writer *w, struct sg_error *err);

/* One event of a row, to be sorted. */
struct store_work {
    struct collection_name *collection;
    uint64_t prefix; /* first bytes of the id, so that most comparisons end here */
    size_t index;    /* into events and outcomes */
};

struct store_scratch {
    struct store_outcome *outcomes; /* owned */
    struct store_work *works;       /* owned */
    struct store_group *groups;     /* owned */
    size_t capacity;
    struct store_bulk bulk;
    bool rows_expected; /* the id before was stored: group_apply's guess */
};
void store_scratch_free(struct store_scratch *scratch);
/* Room for a batch of so many events. */
SG_MUST_CHECK enum sg_status store_scratch_reserve(struct store_writer *w, size_t count, struct sg_error *err);

#endif
