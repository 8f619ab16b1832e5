/* The store's reading side: entities, pages, collections and rejected events, each answer from one snapshot. What the
 * store is: store/writer.h. Each reader is used by one thread. */
#ifndef STATEGATE_STORE_READER_H
#define STATEGATE_STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/entity.h"
#include "core/domain/stream.h"
#include "store/query.h"

#define STORE_PAGE_BYTES_MAX (8u << 20) /* a page ends early, with a cursor: no answer can take all memory */
/* A reader's page cache, which SQLite drops at each commit: with four times as many, reads beside a writer cost 5 %
 * more, since the memory is allocated anew. */
#define STORE_READER_PAGES_BYTES (1 << 20)

struct commit_clock;
struct store_reader;

/* Open a read-only connection to a database that store_open has made.
 * `shared` is that of its writer (borrowed), or NULL. */
SG_MUST_CHECK enum sg_status store_reader_open(const char *path, struct commit_clock *shared, struct store_reader **out,
                                               struct sg_error *err);
void store_reader_close(struct store_reader *r);

/* An answer comes from one snapshot. There are two ways to one:
 *
 *   store_read_begin   a read transaction, in which everything below may be read
 *   store_read_peek    the moment of the last commit, without a transaction: the streams, and rows that are cached
 *
 * A later begin or peek goes on with the same snapshot if nothing was committed since (the shared clock shows it;
 * without one, begin inside a transaction always does), and else takes a new one. So an answer never shows less than
 * another one that was finished before it began. Never hold a transaction while idle: it
 * would keep the WAL from being reset. */
SG_MUST_CHECK enum sg_status store_read_begin(struct store_reader *r, struct sg_error *err);
void store_read_end(struct store_reader *r);
/* False: there is no such moment now (a commit is under way, or there is no cache); ask store_read_begin. */
bool store_read_peek(struct store_reader *r);
/* Counts the snapshots: another number, another snapshot. Any time. */
uint64_t store_read_snapshot(const struct store_reader *r);

/* From here on a read ends with SG_STOPPED soon after `stop(context)` is true; it is asked every STORE_STOP_STEPS steps
 * of SQLite's machine, ten or so for a row, and every 64 pages of the files, by the reader's own thread. NULL = none is
 * stopped, at no cost. */
#define STORE_STOP_STEPS 1000
typedef bool store_read_stop(void *context);
void store_read_stop_when(struct store_reader *r, store_read_stop *stop, void *context);

/* A stream of the snapshot by its name, or NULL; valid until the next snapshot. */
const struct stream *store_read_stream(struct store_reader *r, const char *name);

/* One entity of the served build of `collection`'s stream. The slices live until the next call on this reader. Kept in
 * the cache if no event of the entity was rejected, and it has no gap.
 * SG_NOT_FOUND: never seen. */
SG_MUST_CHECK enum sg_status store_read_entity(struct store_reader *r, struct slice collection, struct slice id,
                                               struct entity *out, struct sg_error *err);

/* The same from the cache, after store_read_peek, for an entity of which no event was rejected. False: it is not there,
 * or something was committed meanwhile; then nothing that was read since the peek counts. The slices live until the
 * next call on this reader. */
bool store_read_cached(struct store_reader *r, struct slice collection, struct slice id, struct entity *out);
/* Hints: this entity is about to be read; and again, when the other work before that is done. Memory that the cache
 * will look at is on its way meanwhile. Any time. */
void store_read_prefetch(struct store_reader *r, struct slice collection, struct slice id);
void store_read_prefetch_row(const struct store_reader *r);
/* Take over the row that was found last: its slices then live until it is released, by any thread, before its
 * commit_clock is destroyed. */
struct cached_row;
struct cached_row *store_read_retain(struct store_reader *r);
void cached_row_release(void *row); /* a struct cached_row; NULL is allowed */

/* Rejected events (conflicts are not meant here) of one entity that are above `shown_version`, or of unknown version
 * and later than sequence `shown_sequence`; 0, 0 for an entity never seen. Of one that is stored, tombstones among them,
 * they are known also when their record was dropped. */
struct store_entity_rejections {
    bool any;
    bool unknown_version; /* one of them has no known version: shown as "?" */
    int64_t version_max;  /* 0 = none known */
};
SG_MUST_CHECK enum sg_status store_read_entity_rejections(struct store_reader *r, struct slice collection,
                                                          struct slice id, int64_t shown_version,
                                                          uint64_t shown_sequence, struct store_entity_rejections *out,
                                                          struct sg_error *err);

/* Was an event of this entity with exactly this version rejected? Of those whose record was dropped the highest is
 * known. */
SG_MUST_CHECK enum sg_status store_read_version_rejected(struct store_reader *r, struct slice collection,
                                                         struct slice id, int64_t version, bool *out,
                                                         struct sg_error *err);

struct store_collection {
    const char *name;       /* until the next call on this reader */
    const char *stream;
    uint64_t entities;      /* without tombstones */
    uint64_t position;      /* sequence of the last event that changed a row of it */
    uint64_t tombstones;
    uint64_t floor;         /* tombstones at or below this sequence are not kept any more; 0 = all are */
    uint64_t gone;          /* tombstones without a message in the stream */
};
/* SG_NOT_FOUND: no event of it was applied. */
SG_MUST_CHECK enum sg_status store_read_collection(struct store_reader *r, struct slice collection,
                                                   struct store_collection *out, struct sg_error *err);

/* Call `visit` for each; it returns false to stop. Ascending by name / by id (bytes) / by newest first. */
typedef bool store_collection_visitor(void *context, const struct store_collection *collection);
SG_MUST_CHECK enum sg_status store_read_collections(struct store_reader *r, store_collection_visitor *visit,
                                                    void *context, struct sg_error *err);

/* The number of entities of each, by stream. Cheaper. */
typedef void store_entities_visitor(void *context, const char *collection, const char *stream, uint64_t entities);
SG_MUST_CHECK enum sg_status store_read_entity_counts(struct store_reader *r, store_entities_visitor *visit,
                                                      void *context, struct sg_error *err);

/* An index of a collection that is being made, of a build that is served or written. */
struct store_building {
    const char *collection; /* until the next call on this reader, as is the index */
    int64_t build;
    const char *index;      /* as it is declared; NULL = fields alone */
    uint64_t rows_done;     /* looked at, of ... */
    uint64_t rows;          /* ... so many; where the fields of stored entities are taken, those of all collections */
};
typedef void store_building_visitor(void *context, const struct store_building *building);
SG_MUST_CHECK enum sg_status store_read_building(struct store_reader *r, const char *stream,
                                                 store_building_visitor *visit, void *context, struct sg_error *err);

/* Entities of a collection without tombstones, ids greater than `after` (bytes 0 = from the start),
 * as many as the visitor takes: their id, version, time and state, no more. */
typedef bool store_entity_visitor(void *context, const struct entity *entity);
SG_MUST_CHECK enum sg_status store_read_page(struct store_reader *r, struct slice collection, struct slice after,
                                             store_entity_visitor *visit, void *context, struct sg_error *err);

/* ---- queries: store/query.h ---- */

/* What a query may take, and has taken: a page and a count may share one. */
struct store_query_budget {
    size_t items_max;    /* of a page; at least 1 */
    uint64_t rows_max;   /* that are examined */
    size_t bytes_max;    /* of the states that the visitor gets; the last one may go beyond it */
    int64_t deadline_ns; /* of time_boot_ns, looked at every few rows; 0 = none */
    uint64_t examined;   /* rows so far: counts up */
};

/* Where a page ended. */
struct store_query_end {
    bool more; /* before the walk did; the next page goes on after these: the last row that was examined */
    struct field_value after[QUERY_ORDER_MAX]; /* of the keys of query_access */
    struct slice after_id;
};

/* Entities that pass the query's filter, after those that it says the page before ended with, in the order of the
 * access that query_access chose; at most `items_max` of them, with their sequences. A page may end early, even without
 * an item, when its budget is spent or the visitor returns false, but it examines at least one row; with `more` false
 * there are no others. What `out` points to lives until the next query of this reader. The visitor reads nothing else
 * by it. The query's fields, which are those of the settings, outlive the reader.
 * SG_NOT_FOUND: no event of the collection was applied. SG_UNAVAILABLE: its declared fields, or the index, are not
 * there yet; they are being made. */
SG_MUST_CHECK enum sg_status store_read_query(struct store_reader *r, struct slice collection,
                                              const struct query *query, const struct query_access *access,
                                              struct store_query_budget *budget, store_entity_visitor *visit,
                                              void *context, struct store_query_end *out, struct sg_error *err);

/* How many entities pass, from the start and whatever the page before ended with. */
struct store_query_count {
    uint64_t value;
    bool exact; /* else there are more, or may be: the budget is spent */
};
SG_MUST_CHECK enum sg_status store_read_query_count(struct store_reader *r, struct slice collection,
                                                    const struct query *query, const struct query_access *access,
                                                    struct store_query_budget *budget, struct store_query_count *out,
                                                    struct sg_error *err);

/* What the gaps of single entities span, of those with ids greater than `after` up to `last` that are alive; `first` 0
 * = none has one. */
SG_MUST_CHECK enum sg_status store_read_gaps(struct store_reader *r, struct slice collection, struct slice after,
                                             struct slice last, struct gap *out, struct sg_error *err);

struct store_rejected {
    int64_t number;         /* descending; the cursor of a page */
    const char *stream;
    uint64_t sequence;
    int64_t time_ns;        /* the stream's timestamp */
    struct slice subject;
    struct slice collection, id; /* empty = unknown */
    int64_t version;        /* 0 = unknown */
    const char *reason;
    struct slice detail;
    uint64_t payload_bytes;
    const char *payload_sha256; /* hex */
    struct slice payload;   /* empty unless kept */
};
typedef bool store_rejected_visitor(void *context, const struct store_rejected *rejected);
/* Newest first, numbers below `before` (0 = from the newest); `stream` NULL = all, `collection` empty = all. */
SG_MUST_CHECK enum sg_status store_read_rejected(struct store_reader *r, const char *stream, struct slice collection,
                                                 int64_t before, store_rejected_visitor *visit, void *context,
                                                 struct sg_error *err);

/* Rejected rows of a stream (its served build), and conflicts among them, for /v1/status. */
SG_MUST_CHECK enum sg_status store_read_rejected_count(struct store_reader *r, const char *stream, uint64_t *rejected,
                                                       uint64_t *conflicts, struct sg_error *err);

/* Bytes of the database file and of the WAL; 0 = it is not there, -1 = that could not be asked.
 * Any thread (asks the file system). */
struct store_sizes {
    int64_t database_bytes;
    int64_t wal_bytes;
};
void store_sizes(const char *path, struct store_sizes *out);

#endif
