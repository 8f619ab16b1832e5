/* The read model: an SQLite file with one row per entity, one position per stream, and what was rejected.
 *
 * One writer (the projector's thread), any number of readers (one per HTTP loop), each with its own connection. Rows
 * and position change in one transaction, so that no crash separates them. Only the writer checkpoints: SQLite before
 * 3.51.3 can corrupt a WAL when two connections do (its WAL-reset bug).
 *
 * Rows belong to a build: one construction of a stream's rows. A collection row belongs to (stream, build, name) and
 * entities to a collection row, so a swap of builds moves one number, and old rows are swept afterwards.
 *
 *   served build ── what readers see: struct stream
 *   growing build ─ beside it while a rebuild lasts: what is written, struct build; swapped to when it is whole
 *
 * Without a rebuild the served build is the one that is written. A rebuild needs room for both. */
#ifndef STATEGATE_STORE_MODEL_H
#define STATEGATE_STORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain/event.h"
#include "core/domain/position.h"
#include "core/base/slice.h"
#include "core/base/status.h"

#define STORE_SCHEMA_VERSION 2
#define STORE_SCHEMA_VERSION_MIN 2 /* older ones have no checksums: moved aside and built anew */
#define STREAM_GAPS_MAX 16         /* per stream; beyond it the two nearest are merged: loss is never understated */
#define STORE_PAGE_BYTES_MAX (8u << 20) /* a page ends early, with a cursor: no answer can take all memory */
#define STREAM_SUBJECT_KEPT_BYTES 512   /* of the subject at the position; longer ones are not compared */
/* Written back once the WAL has so many pages: while much is applied at once, random ids come 1.4 times as fast
 * with 10000 as with 1000. Else as many as one part of the WAL's index holds: each page that is read is looked for
 * in all its parts. */
#define STORE_CHECKPOINT_PAGES 10000
#define STORE_CHECKPOINT_PAGES_FEW 4000

/* Events between `first` and `last`, both included, were lost to this replica. */
struct gap {
    uint64_t first;
    uint64_t last;
};

#define TARGET_UNKNOWN UINT64_MAX

/* How far a rebuild has come. */
struct rebuild {
    int64_t build;
    struct epoch epoch;
    uint64_t position;
    uint64_t target; /* the head when it began; TARGET_UNKNOWN; 0 = there was none: its first event ends it */
};

/* One stream as readers see it: the served build; a plain value. */
struct stream {
    int64_t id;          /* of the row; constant for a name in one database file */
    char name[256];
    struct epoch epoch;
    uint64_t position;
    int64_t build;       /* 1, 2, ... */
    size_t gaps_count;
    struct gap gaps[STREAM_GAPS_MAX]; /* ascending, not touching */
    bool rebuilding;     /* another build grows beside this one, or this one is served although it is not whole */
    struct rebuild rebuild; /* of the build that is on its way; valid if rebuilding */
};

/* The build of a stream that is written: the growing one, or else the served one; a plain value. */
struct build {
    int64_t stream;      /* the id of its stream */
    int64_t build;
    bool growing;        /* not served yet */
    struct epoch served_epoch; /* of the rows that readers see */
    int64_t created_ns;  /* the stream's creation time; 0 = never seen */
    struct epoch epoch;
    uint64_t position;
    int64_t position_time_ns; /* timestamp of the message at the position; 0 = no message is known to be there */
    char position_subject[STREAM_SUBJECT_KEPT_BYTES + 1]; /* its subject; "" = not known */
    uint64_t target;     /* the head when it began: whole from there on; 0 = it was none, or it is the first build */
    size_t gaps_count;
    struct gap gaps[STREAM_GAPS_MAX]; /* ascending, not touching */
};

/* ---- what the writer and the readers of one process share ----
 *
 * A clock that tells when something is committed, what is served as of the last commit, and a cache of rows. With it a
 * read of a cached row needs no transaction, and a reader notices at once that its snapshot is no longer the newest. */

struct commit_clock;

/* `cache_bytes` of rows in memory; 0 = none. For one store_open, and outlives that writer and its readers. */
SG_MUST_CHECK enum sg_status commit_clock_create(int64_t cache_bytes, struct commit_clock **out, struct sg_error *err);
/* NULL is allowed. */
void commit_clock_destroy(struct commit_clock *shared);

/* Any thread. */
struct row_cache_facts {
    uint64_t bytes; /* that were taken, with all overhead; they stay taken */
    uint64_t rows;
    uint64_t hits;
    uint64_t misses;
};
void commit_clock_cache_facts(struct commit_clock *shared, struct row_cache_facts *out);

/* ---- writing: one thread, the projector's; every call blocks on disk ---- */

struct store_writer;

struct store_options {
    const char *path;          /* borrowed during open */
    struct commit_clock *shared; /* borrowed; NULL = no reader of this process is told of commits */
    bool synchronous_full;
    int64_t bytes_max;         /* 0 = none; beyond it writes of rows fail with SG_FULL */
    size_t collections_max;    /* over the written builds of all streams; an event beyond is rejected as
                                  too-many-collections. So what is served is within it too, but while some streams have
                                  swapped and others have not */
    size_t rejected_max;       /* rows kept over the written builds; the oldest go first */
    bool rejected_payload;     /* keep the payload of rejected events */
    bool rebuild_empty_swap;   /* serve the build of an empty stream at once; else not before its first event */
};

/* What open found, for the log. */
struct store_open_report {
    bool created;
    char moved_aside[512];     /* where a corrupt database went; "" = it was sound */
    char reason[384];          /* what was found; "" likewise */
};

/* Open or create the database and migrate it. Takes an exclusive lock on `<path>.lock` for as long as it is open.
 * A corrupt file is moved aside with its -wal and -shm (`<path>.corrupt-<UTC time>`), reported, and a new one begun.
 * Errors: SG_LOCKED (another gateway has it), SG_INVALID (a newer schema, not a stategate database), SG_STORAGE. */
SG_MUST_CHECK enum sg_status store_open(const struct store_options *options, struct store_writer **out,
                                        struct store_open_report *report, struct sg_error *err);
/* What damage was met by any connection of this process since the database was opened, in a few words that live as long
 * as the writer; NULL = none. It cannot be mended while the database is open. Any thread. */
const char *store_damage(const struct store_writer *w);
/* Checkpoint (truncate) and close. Close the readers first. NULL is allowed. */
void store_close(struct store_writer *w);

/* Find or create the row of a stream. `fingerprint` names the settings that shape rows (template, format, drops ...):
 * when it differs from the stored one and anything was applied, a new build begins from position 0, target unknown, and
 * `*reshaped` is true. This one is served at once, and the old rows vanish: they may hold members that the settings
 * drop now. A growing build is thrown away then; otherwise it goes on growing. */
SG_MUST_CHECK enum sg_status store_stream_attach(struct store_writer *w, const char *name, const char *fingerprint,
                                                 struct stream *out, bool *reshaped, struct sg_error *err);

/* Store creation time and epoch for a stream that has none yet (position 0). The calls from here to store_apply concern
 * the written build. */
SG_MUST_CHECK enum sg_status store_stream_identify(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                                   const struct epoch *epoch, struct sg_error *err);

/* Begin a new build from nothing, for another life of the stream, or the same after a gap: position 0, no gaps. It
 * grows beside the served build, and is swapped to by the call that makes it whole, in the same transaction: when its
 * position reaches `target`, or, where that is 0, when the first event changes a row. The old rows are then swept by
 * store_sweep. A build that was growing before is thrown away. Where nothing was applied yet (served position 0), or
 * the target is 0 and rebuild_empty_swap is set, it is served at once. */
SG_MUST_CHECK enum sg_status store_stream_begin_build(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                                      const struct epoch *epoch, uint64_t target, struct sg_error *err);

/* Set where a build ends whose target was not known. */
SG_MUST_CHECK enum sg_status store_stream_set_target(struct store_writer *w, int64_t stream_id, uint64_t target,
                                                     struct sg_error *err);

/* Record that the events first..last are lost. Merges with what is recorded. Does not move the position. */
SG_MUST_CHECK enum sg_status store_stream_add_gap(struct store_writer *w, int64_t stream_id, uint64_t first,
                                                  uint64_t last, struct sg_error *err);

/* Move the position forward without an event, when it is proved that none below it matches; never back. Position time
 * and subject become unknown. */
SG_MUST_CHECK enum sg_status store_stream_advance(struct store_writer *w, int64_t stream_id, uint64_t position,
                                                  struct sg_error *err);

/* What is served, and what is written, as of the last commit. */
SG_MUST_CHECK enum sg_status store_stream_load(struct store_writer *w, int64_t stream_id, struct stream *out,
                                               struct sg_error *err);
SG_MUST_CHECK enum sg_status store_build_load(struct store_writer *w, int64_t stream_id, struct build *out,
                                              struct sg_error *err);

/* Apply a batch of one stream's events, in ascending sequence, and the new position (that of the last event), in one
 * transaction.
 *
 * Applied to the written build; if that was growing and is whole now, it is served from the same commit on. Events at
 * or below its position are skipped (RESULT_REDELIVERED), so redelivery is harmless. `results` has room
 * for one result per event and is written only on success; `reasons` likewise (REASON_NONE unless rejected or conflict:
 * the model itself rejects too-many-collections). A rejected event is recorded with stream, sequence, subject,
 * collection, id, version, reason, detail, payload size and SHA-256; so is a conflict, with reason "conflict". On
 * failure nothing has changed and the batch may be retried. `*position` is the written build's committed position.
 * EVENT_ERASE of an id never seen is RESULT_IGNORED, of a tombstone RESULT_DUPLICATE.
 * Errors: SG_FULL, SG_STORAGE (retry with backoff), SG_CORRUPT, SG_MEMORY. */
SG_MUST_CHECK enum sg_status store_apply(struct store_writer *w, int64_t stream_id, const struct event *events,
                                         size_t events_count, enum event_result *results, enum event_reason *reasons,
                                         uint64_t *position, struct sg_error *err);

/* Delete rows of builds that neither are served nor grow, in one transaction: up to `rows_max`, and no more once
 * STORE_SWEEP_NS have passed, but at least one; or, where former sweeps have filled the WAL, write that back. `*more`
 * tells whether any may remain. */
#define STORE_SWEEP_NS (2 * INT64_C(1000000)) /* the commit may take ten times that: freed pages are overwritten */
SG_MUST_CHECK enum sg_status store_sweep(struct store_writer *w, size_t rows_max, bool *more, struct sg_error *err);

/* Nothing large is likely to be applied soon: give back the pages that are kept for it.
 * store_apply takes them again. */
void store_trim(struct store_writer *w);

/* Bytes of the database file and of the WAL; 0 = it is not there, -1 = that could not be asked.
 * Any thread (asks the file system). */
struct store_sizes {
    int64_t database_bytes;
    int64_t wal_bytes;
};
void store_sizes(const char *path, struct store_sizes *out);

/* ---- reading: each reader is used by one thread ---- */

struct store_reader;

/* Open a read-only connection to a database that store_open has made.
 * `shared` is that of its writer (borrowed), or NULL. */
/* Its own, and dropped at each commit: beside a writer four times as many make reads 5 % dearer, memory being taken
 * anew. */
#define STORE_READER_PAGES_BYTES (1 << 20)
SG_MUST_CHECK enum sg_status store_reader_open(const char *path, struct commit_clock *shared, struct store_reader **out,
                                               struct sg_error *err);
void store_reader_close(struct store_reader *r);

/* An answer comes from one snapshot. There are two ways to one:
 *
 *   store_read_begin   a read transaction, in which everything below may be read
 *   store_read_peek    the moment of the last commit, without a transaction: the streams, and rows that are cached
 *
 * A later begin or peek goes on with the same snapshot if nothing was committed since (told by the shared clock;
 * without one, begin inside a transaction always does), and else takes a new one. So an answer never shows less than
 * another one that was finished before it began. Never hold a transaction while idle: it
 * would keep the WAL from being reset. */
SG_MUST_CHECK enum sg_status store_read_begin(struct store_reader *r, struct sg_error *err);
void store_read_end(struct store_reader *r);
/* False: there is no such moment now (a commit is under way, or there is no cache); ask store_read_begin. */
bool store_read_peek(struct store_reader *r);
/* Counts the snapshots: another number, another snapshot. Any time. */
uint64_t store_read_snapshot(const struct store_reader *r);

/* A stream of the snapshot by its name, or NULL; valid until the next snapshot. */
const struct stream *store_read_stream(struct store_reader *r, const char *name);

struct entity {
    int64_t version;
    bool deleted;
    uint64_t sequence;         /* of the event that wrote it */
    struct slice id;           /* in pages; the same as asked for otherwise */
    struct slice state;        /* empty when deleted */
    struct slice occurred_at;  /* empty = unknown */
};

/* One entity of the served build of `collection`'s stream. The slices live until the next call on this reader. Kept in
 * the cache if no event of the entity was rejected.
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
 * and later than sequence `shown_sequence`; 0, 0 for an entity never seen. */
struct store_entity_rejections {
    bool any;
    bool unknown_version; /* one of them has no known version: shown as "?" */
    int64_t version_max;  /* 0 = none known */
};
SG_MUST_CHECK enum sg_status store_read_entity_rejections(struct store_reader *r, struct slice collection,
                                                          struct slice id, int64_t shown_version,
                                                          uint64_t shown_sequence, struct store_entity_rejections *out,
                                                          struct sg_error *err);

/* Was an event of this entity with exactly this version rejected? */
SG_MUST_CHECK enum sg_status store_read_version_rejected(struct store_reader *r, struct slice collection,
                                                         struct slice id, int64_t version, bool *out,
                                                         struct sg_error *err);

struct store_collection {
    const char *name;       /* until the next call on this reader */
    const char *stream;
    uint64_t entities;      /* without tombstones */
    uint64_t position;      /* sequence of the last event that changed a row of it */
};
/* SG_NOT_FOUND: no event of it was applied. */
SG_MUST_CHECK enum sg_status store_read_collection(struct store_reader *r, struct slice collection,
                                                   struct store_collection *out, struct sg_error *err);

/* Call `visit` for each; it returns false to stop. Ascending by name / by id (bytes) / by newest first. */
typedef bool store_collection_visitor(void *context, const struct store_collection *collection);
SG_MUST_CHECK enum sg_status store_read_collections(struct store_reader *r, store_collection_visitor *visit,
                                                    void *context, struct sg_error *err);

/* Entities of a collection without tombstones, ids greater than `after` (bytes 0 = from the start),
 * as many as the visitor takes. */
typedef bool store_entity_visitor(void *context, const struct entity *entity);
SG_MUST_CHECK enum sg_status store_read_page(struct store_reader *r, struct slice collection, struct slice after,
                                             store_entity_visitor *visit, void *context, struct sg_error *err);

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

#endif
