/* The store's writing side. The store is an SQLite file with one row per entity, one position per stream, and what was
 * rejected.
 *
 * One writer (in one thread at a time), any number of readers (one per HTTP loop), each with its own connection. Rows
 * and position change in one transaction, so that no crash separates them. Only the writer checkpoints: SQLite before
 * 3.51.3 can corrupt a WAL when two connections do (its WAL-reset bug).
 *
 * Rows belong to a build: one construction of a stream's rows. A collection row belongs to (stream, build, name) and
 * entities to a collection row, so a swap of builds moves one number, and old rows are swept afterwards.
 *
 *   served build ── what readers see: struct stream
 *   next build ──── beside it while a rebuild lasts: what is written, struct build; swapped to when it is whole
 *
 * Without a rebuild the served build is the one that is written. A rebuild needs room for both.
 *
 * One thread at a time, but where it says otherwise; every call blocks on disk. */
#ifndef STATEGATE_STORE_WRITER_H
#define STATEGATE_STORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/notifier.h"
#include "core/base/status.h"
#include "core/domain/entity.h"
#include "core/domain/event.h"
#include "core/domain/position.h"
#include "core/domain/stream.h"

/* Written back once the WAL has so many pages: while much is applied at once, random ids come 1.4 times as fast
 * with 10000 as with 1000. Else as many as one part of the WAL's index holds: each page that is read is looked for
 * in all its parts. */
#define STORE_CHECKPOINT_PAGES 10000
#define STORE_CHECKPOINT_PAGES_FEW 4000

struct commit_clock;
struct store_writer;

/* Where the database of `path` really lies, so that all that belongs to it lies beside it: folders and links are
 * followed, also a link to a file that is not there yet. `*out` is the caller's to free. Any thread; asks the file
 * system. SG_STORAGE, SG_INVALID (too long), SG_MEMORY. */
#define STORE_PATH_BYTES_MAX 400 /* SQLite's limit is 512, and a file that is moved aside gets a longer name */
SG_MUST_CHECK enum sg_status store_resolve(const char *path, char **out, struct sg_error *err);

struct store_options {
    const char *path;          /* of store_resolve; borrowed during open */
    struct commit_clock *shared; /* borrowed; NULL = no reader of this process learns of commits */
    bool synchronous_full;
    int64_t bytes_max;         /* 0 = none; beyond it writes of rows fail with SG_FULL */
    size_t collections_max;    /* over the written builds of all streams; an event beyond is rejected as
                                  too-many-collections. So what is served is within it too, but while some streams have
                                  swapped and others have not */
    size_t rejected_max;       /* store_set_rejected_max, from the beginning */
    bool rejected_payload;     /* keep the payload of rejected events */
    bool rebuild_empty_swap;   /* serve the build of an empty stream at once; else not before its first event */
    /* Called before a migration begins, which may take minutes; NULL = not. `bytes` of the database, -1 = not known. */
    void (*migrating)(void *context, int from, int to, int64_t bytes);
    void *migrating_context;   /* borrowed during open */
};

/* What open found, for the log. */
struct store_open_report {
    bool created;
    char moved_aside[512];     /* where a corrupt database went; "" = it was sound */
    char reason[384];          /* what was found; "" likewise */
    bool full;                 /* the disk is, so nothing was written: what the last session served is served */
    int migrated_from;         /* the schema version that it had; 0 = that of this program */
    int64_t migrated_bytes;    /* of the database afterwards; -1 = not known */
    int64_t migrated_ms;       /* how long that took */
};

/* Open or create the database, and migrate one of an older schema version (store/sqlite/migrate.h says what it costs).
 * Takes exclusive locks on `<path>.lock` and on the file itself for as long as it is open. A corrupt file is moved
 * aside with its -wal and -shm (`<path>.corrupt-<UTC time>`), reported, and a new one begun.
 * A full disk does not keep an existing database from being opened, unless it must be migrated: then the streams of the
 * last session can be attached again, with the same fingerprint, and read; the first call that finds room to write goes
 * on from there. Errors: SG_LOCKED (another gateway has it), SG_INVALID (a newer schema, not a stategate database),
 * SG_STORAGE, SG_FULL. */
SG_MUST_CHECK enum sg_status store_open(const struct store_options *options, struct store_writer **out,
                                        struct store_open_report *report, struct sg_error *err);
/* What damage was met by any connection of this process since the database was opened, in a few words that live as long
 * as the writer; NULL = none. It cannot be mended while the database is open. Any thread. */
const char *store_damage(const struct store_writer *w);
/* The database or its WAL, if it is not at its path any more, or another file is: what is written from then on is lost
 * to the next start. Valid as long as the writer; NULL = all is well. Any thread; asks the file system. */
const char *store_lost(const struct store_writer *w);
/* Checkpoint (truncate) and close. Close the readers first. NULL is allowed. */
void store_close(struct store_writer *w);

/* From now on no commit waits for the disk: the WAL is written back by calls of store_write_back, and synced in another
 * thread, which notifies when the next call has something to do. Until then, each commit writes it back when it is due.
 * Stop before `notifier` goes. */
SG_MUST_CHECK enum sg_status store_write_back_start(struct store_writer *w, struct notifier *notifier,
                                                    struct sg_error *err);
void store_write_back_stop(struct store_writer *w);
/* A step of it, outside a transaction: after each batch, when notified, and at store_write_back_at() (boot clock;
 * INT64_MAX = never). A few milliseconds at most, but where the WAL has come to its bound. */
void store_write_back(struct store_writer *w);
int64_t store_write_back_at(const struct store_writer *w);
/* How often the WAL could not be written back since the database was opened; `*failing`: the last time as well. Nothing
 * is lost by that, but the WAL grows. */
uint64_t store_write_back_failures(const struct store_writer *w, bool *failing);
/* True if a step is worth it now; of a sync that has ended the notifier tells. */
bool store_write_back_wanted(const struct store_writer *w);

/* Names the settings that shape a stream's rows (template, format, drops), as text that changes whenever what they make
 * changes. What is made from rows, such as the tables of declared fields, keeps its own declaration. */
struct stream_fingerprint {
    const char *rows;
    const char *rows_before; /* `rows` as schema version 2 stored it, taken for the same; NULL = there is none */
};

/* One for tests and benchmarks, with nothing before it. */
#define STREAM_FINGERPRINT(text) (&(struct stream_fingerprint){.rows = (text)})

/* Find or create the row of a stream. When the stored fingerprint of the rows differs and anything was applied, a new
 * build begins from position 0, target unknown, and `*reshaped` is true. This one is served at once, and the old rows
 * vanish: they may hold members that the settings drop now. A next build is thrown away then; otherwise it goes on. */
SG_MUST_CHECK enum sg_status store_stream_attach(struct store_writer *w, const char *name,
                                                 const struct stream_fingerprint *fingerprint, struct stream *out,
                                                 bool *reshaped, struct sg_error *err);

/* Once all `count` streams are attached. SG_FULL: there was no room to begin the session, and the last one had others,
 * whose rows would be shown. */
SG_MUST_CHECK enum sg_status store_streams_attached(struct store_writer *w, size_t count, struct sg_error *err);

/* Store creation time and epoch for a stream that has none yet (position 0). The calls from here to store_apply concern
 * the written build. */
SG_MUST_CHECK enum sg_status store_stream_identify(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                                   const struct epoch *epoch, struct sg_error *err);

/* Begin a new build from nothing, for another incarnation of the stream, or the same after a gap: position 0, no gaps.
 * It is written beside the served build, and is swapped to by the call that makes it whole, in the same transaction:
 * when its position reaches `target`, or, where that is 0, when the first event changes a row. The old rows are then
 * swept by store_sweep. A next build that was there is thrown away. Where nothing was applied yet (served position 0),
 * or the target is 0 and rebuild_empty_swap is set, it is served at once. */
SG_MUST_CHECK enum sg_status store_stream_begin_build(struct store_writer *w, int64_t stream_id, int64_t created_ns,
                                                      const struct epoch *epoch, uint64_t target, struct sg_error *err);

/* Set where a build ends whose target was not known. */
SG_MUST_CHECK enum sg_status store_stream_set_target(struct store_writer *w, int64_t stream_id, uint64_t target,
                                                     struct sg_error *err);

/* Record that the events first..last are lost. Merges with what is recorded. Does not move the position. */
SG_MUST_CHECK enum sg_status store_stream_add_gap(struct store_writer *w, int64_t stream_id, uint64_t first,
                                                  uint64_t last, struct sg_error *err);

/* Before anything is applied: the stream's head when the build's first consumer was made, how many messages up to there
 * had been removed by then, and how many of the sequences that consumer will pass over; -1 = not known. */
SG_MUST_CHECK enum sg_status store_stream_begun(struct store_writer *w, int64_t stream_id, uint64_t last,
                                                uint64_t removed, int64_t missing, struct sg_error *err);

/* What the hole up to `through` is, is settled: these gaps are recorded, and it ends. What lies beyond stays. */
SG_MUST_CHECK enum sg_status store_stream_settle(struct store_writer *w, int64_t stream_id, uint64_t through,
                                                 const struct gap *gaps, size_t gaps_count, struct sg_error *err);

/* ---- declared fields (store/tables/field_sets.h says how they are kept) ---- */

struct field_set;

/* What a collection of the stream declares. After store_stream_attach and before the first store_apply, for each
 * collection that declares anything; events of it then come with values, one for each field. `fields` is borrowed, and
 * outlives the writer. SG_MEMORY. */
SG_MUST_CHECK enum sg_status store_set_fields(struct store_writer *w, int64_t stream_id, struct slice collection,
                                              const struct field_set *fields, struct sg_error *err);

/* What takes the values of declared fields from a stored state, as the store knows no JSON. */
struct store_extract {
    /* The values of the collection's declared fields, in the order of the declaration; `*out` is NULL where none is
     * declared, and valid until the next call. SG_INVALID (the state is no JSON), SG_MEMORY. */
    enum sg_status (*extract)(void *context, struct slice collection, struct slice state,
                              const struct field_value **out, struct sg_error *err);
    void *context;
};

/* What a step has ended, for the log. */
enum store_fields_what { FIELDS_DONE_NOTHING, FIELDS_DONE_BUILT, FIELDS_DONE_INDEX_REMOVED };
struct store_fields_done {
    enum store_fields_what what;
    int64_t stream;
    char collection[EVENT_COLLECTION_BYTES_MAX + 1];
    int64_t set;
    bool given_up; /* since the last step: there are sets to be swept */
};

/* Is a step of any use now? It costs nothing to ask; before each step, and after each batch. */
bool store_fields_wanted(const struct store_writer *w);

/* A step on the way to what is declared, in one transaction: up to `rows_max` entities are taken into a new set, and no
 * more once STORE_FIELDS_NS have passed, but at least one; or an index is made of a build that has come to its target,
 * which takes a second for 300,000 entities; or one is dropped that is not declared any more. Sets that are given up
 * are swept by store_sweep. Errors: as of store_apply. */
#define STORE_FIELDS_NS (2 * INT64_C(1000000)) /* meanwhile nothing is applied */
SG_MUST_CHECK enum sg_status store_fields_step(struct store_writer *w, const struct store_extract *extract,
                                               size_t rows_max, struct store_fields_done *done, struct sg_error *err);

/* ---- looking at all entities ---- */

/* An entity or a tombstone of the written build; slices are good during the call. */
struct store_reviewed {
    struct slice collection;
    struct slice id;
    uint64_t sequence;
    bool deleted;
};
enum store_review_result {
    REVIEW_KEEP,
    REVIEW_GAP, /* an event of it up to `gap_last` may be lost, or its own is not there any more */
    REVIEW_GONE /* the stream has no message of it: it is deleted, at the version it has */
};
typedef enum store_review_result store_reviewer(void *context, const struct store_reviewed *entity);

/* A walk over the entities and tombstones of a build, in chunks between which events may be applied; those that come
 * anew may or may not be met. Zeroed but for the first four. */
struct store_review {
    store_reviewer *review; /* reads nothing of the store */
    void *context;
    uint64_t gap_last;      /* 0 = none after its own */
    uint64_t head;          /* becomes the sequence of what is deleted */
    bool tombstones;        /* where it is */
    int64_t number;
    uint64_t gaps_count;    /* what it has come to */
    uint64_t deleted_count;
};

/* Review up to `rows_max` more rows, and write the results, in one transaction; `*more` tells whether any may
 * remain. */
SG_MUST_CHECK enum sg_status store_review(struct store_writer *w, int64_t stream_id, struct store_review *review,
                                          size_t rows_max, bool *more, struct sg_error *err);

struct store_keys {
    uint64_t count;   /* ids the written build has of which the stream has a message, as far as is known */
    bool forgotten;   /* tombstones of it were removed: the stream may have messages of other ids */
    int64_t rejected; /* events that all streams have recorded */
};
SG_MUST_CHECK enum sg_status store_keys_count(struct store_writer *w, int64_t stream_id, struct store_keys *out,
                                              struct sg_error *err);

/* Move the position forward without an event, when it is proved that none below it matches now; never back. It leaves a
 * hole, unless `nothing_removed`: all messages in between are there. Position time and subject become unknown. */
SG_MUST_CHECK enum sg_status store_stream_advance(struct store_writer *w, int64_t stream_id, uint64_t position,
                                                  bool nothing_removed, struct sg_error *err);

/* What is served, and what is written, as of the last commit. */
SG_MUST_CHECK enum sg_status store_stream_load(struct store_writer *w, int64_t stream_id, struct stream *out,
                                               struct sg_error *err);
SG_MUST_CHECK enum sg_status store_build_load(struct store_writer *w, int64_t stream_id, struct build *out,
                                              struct sg_error *err);

/* What merges patches, since the store knows no JSON. Called within store_apply, for each patch whose base is there. */
struct store_merge {
    /* Fill state and fields of `out`, the rest of which is that of the event; the bytes live until store_apply is
     * called again. `base` is valid during the call. SG_INVALID: it is rejected, for `*reason` with `*detail`. */
    enum sg_status (*merge)(void *context, struct slice base, const struct event *patch, struct entity_value *out,
                            enum event_reason *reason, struct slice *detail, struct sg_error *err);
    void *context;
};

/* Apply a batch of one stream's events, in ascending sequence, and the new position (that of the last event), in one
 * transaction.
 *
 * Applied to the written build; if that was the next one and is whole now, it is served from the same commit on. Events
 * at or below its position are skipped (RESULT_REDELIVERED), so redelivery is harmless. `results` has room
 * for one result per event and is written only on success; `reasons` likewise (REASON_NONE unless rejected or conflict:
 * the store itself rejects too-many-collections). A rejected event is recorded with stream, sequence, subject,
 * collection, id, version, reason, detail, payload size and SHA-256; so is a conflict, with reason "conflict". On
 * failure nothing has changed and the batch may be retried. `*position` is the written build's committed position.
 * Where the sequences that were passed over leave a hole, store_applied_hole tells it.
 * EVENT_ERASE of an id never seen is RESULT_IGNORED, of a tombstone RESULT_DUPLICATE.
 * A patch is merged by `merge` (NULL: rejected, "unsupported") into the state of the version before it; without that
 * state it is rejected, "missing-base".
 * Errors: SG_FULL, SG_STORAGE (retry with backoff), SG_CORRUPT, SG_MEMORY. */
SG_MUST_CHECK enum sg_status store_apply(struct store_writer *w, int64_t stream_id, const struct event *events,
                                         size_t events_count, const struct store_merge *merge,
                                         enum event_result *results, enum event_reason *reasons, uint64_t *position,
                                         struct sg_error *err);

/* Rejected rows that are kept over the written builds: the oldest go when the next one is recorded. As everything that
 * takes a writer: one caller at a time. */
void store_set_rejected_max(struct store_writer *w, size_t rows);

/* The hole of the build that store_apply wrote last, as of its commit. */
struct hole store_applied_hole(const struct store_writer *w);

/* Delete rows of builds that are neither the served nor the next one, in one transaction: up to `rows_max`, and no more
 * once STORE_SWEEP_NS have passed, but at least one; or, where former sweeps have filled the WAL, write that back.
 * `*more` tells whether any may remain. */
#define STORE_SWEEP_NS (2 * INT64_C(1000000)) /* the commit may take ten times that: freed pages are overwritten */
SG_MUST_CHECK enum sg_status store_sweep(struct store_writer *w, size_t rows_max, bool *more, struct sg_error *err);

/* The bounds of the tombstones of one collection. */
struct store_tombstone_bounds {
    int64_t stream;          /* the id of its row */
    struct slice collection;
    int64_t keep_ns;         /* one that is older is removed; 0 = none is too old */
    uint64_t max;            /* beyond so many the oldest, by sequence, are removed; 0 = there are never too many */
    int64_t now_ns;          /* by the stream's clock; 0 = not known: none is too old */
};
struct store_removal {
    uint64_t removed;
    bool more; /* some may remain that are beyond a bound */
    bool left; /* some remain whose age is bounded */
};
/* A tombstone of the written build was removed whose message the stream has, as far as is known. */
typedef void store_forgotten_visitor(void *context, struct slice id);

/* Remove tombstones that are beyond their bounds, in the served build and in the next one, in one transaction: up to
 * `rows_max`, and no more once STORE_SWEEP_NS have passed, but at least one; or write the WAL back, as a sweep does. The
 * collection's floor becomes the highest sequence that was removed. An id is then one never seen: an event of any
 * version would be applied. Of what is too old some may stay for a while, up to an eighth of `keep_ns`: see
 * store/tables/tombstones.h. `forgotten` is called after the commit, and may be NULL. */
SG_MUST_CHECK enum sg_status store_remove_tombstones(struct store_writer *w,
                                                     const struct store_tombstone_bounds *bounds, size_t rows_max,
                                                     store_forgotten_visitor *forgotten, void *context,
                                                     struct store_removal *out, struct sg_error *err);

/* Nothing large is likely to be applied soon: give back the pages that are kept for it.
 * store_apply takes them again. */
void store_trim(struct store_writer *w);

#endif
