/* The writer, and its transactions: begun, committed or rolled back, published to the readers, written back. */
#ifndef STATEGATE_STORE_WRITE_TRANSACTION_H
#define STATEGATE_STORE_WRITE_TRANSACTION_H

#include "store/cache/collection_names.h"
#include "store/cache/commit_clock.h"
#include "store/integrity/location.h"
#include "store/integrity/syncer.h"
#include "store/integrity/vfs.h"
#include "store/sqlite/connection.h"
#include "store/tables/field_bulk.h"
#include "store/writer.h"

#define STORE_RESTART_TIMEOUT_MS 100  /* how long a checkpoint that must reset the WAL waits for readers */
#define STORE_WAL_FACTOR 4            /* times the larger checkpoint threshold: from here readers are waited for */
#define STORE_SWEEP_WAL_PAGES 1000    /* sweeps write whole pages: checkpoints in small steps, about 10 ms each */
#define STORE_BACK_PAGES 2048         /* new frames that are worth it, in steps: a page is written once for all */
#define STORE_BACK_PART_PAGES 256     /* written at once: about 2 ms, in which nothing is committed */
#define STORE_BACK_LAST_PAGES 128     /* new frames that an ordinary checkpoint writes back at the bound, and no more */
#define STORE_BACK_PAUSE_NS (250 * INT64_C(1000000)) /* from the beginning of one to the next */
#define STORE_BACK_RESTART_PAGES 2000 /* of the WAL: from here it begins anew in a quiet moment ... */
#define STORE_BACK_QUIET_NS (50 * INT64_C(1000000)) /* ... so long after the last commit */
#define STORE_CHECKPOINT_PAGES_MIN 64 /* the threshold under a small bytes_max */

#define STORE_FILES_COUNT 2 /* the database and its WAL */
#define STORE_BUILDS_KNOWN 8 /* of so many streams the build is not read again for each batch */

struct store_scratch; /* of store_apply */

/* How many pages the writer keeps in memory. */
enum store_pages { STORE_PAGES_UNSET, STORE_PAGES_FEW, STORE_PAGES_MANY };

/* Writing the WAL back in steps (checkpoint.c). */
struct store_back {
    bool on;
    enum { BACK_RESTS, BACK_LOG, BACK_SEAL, BACK_WRITES, BACK_PAGES } step;
    struct store_connection pin; /* for reading alone */
    int pinned;       /* frames of the WAL that it keeps the checkpoint to */
    int written;      /* frames that are written back */
    int slice;        /* so many new ones are worth a checkpoint ... */
    int part;         /* ... which writes so many pages at once */
    int64_t pause_ns; /* from the beginning of one ... */
    int64_t begun_ns; /* ... to the next */
    int next;         /* not before the WAL has so many, when the last one failed */
    int restart_next; /* nor does it begin anew before */
    int seen;         /* frames when it was looked at last ... */
    int64_t seen_ns;  /* ... and since when there are so many */
    bool unwritten;   /* not all pages were written, and those that were are synced */
    uint64_t failures; /* since the database was opened ... */
    bool failing;      /* ... the last attempt among them */
};

struct store_fields_declared;   /* of fields.c */
struct store_collection_fields; /* likewise */

/* Declared fields (fields.c, fill.c). */
struct store_fields {
    struct store_fields_declared **declared; /* owned, and each of them; what store_set_fields was told */
    size_t declared_count;
    struct store_collection_fields *open; /* owned; of the collections that are in memory */
    struct store_field_bulk bulk;
    struct store_field_incoming *incoming; /* owned scratch */
    size_t incoming_capacity;
    bool stale;    /* what is open may be of what was rolled back: it is closed first */
    bool settled;  /* in this session: each collection has the sets that it declares, and no others */
    bool surplus;  /* likewise: there may be indexes that are not declared any more */
    bool given_up; /* a set was, since the last step */
    bool work;     /* a step may have something to do ... */
    bool waiting;  /* ... or will, when a build comes to its target */
};

struct store_writer {
    struct store_connection c;
    struct checked_database *checked; /* borrowed from the connection */
    int lock_fd; /* of `.lock`; -1 = none */
    int file_fd; /* of the database, for its lock; -1 = none */
    struct location files[STORE_FILES_COUNT]; /* what must stay where it is */
    size_t collections_max;
    size_t rejected_max;
    bool rejected_payload;
    bool rebuild_empty_swap;
    bool session_deferred; /* there was no room to begin it */
    bool session_owed;     /* nor since then: the file is as the last session left it, until the first commit */
    /* Known from committed rows or those of the open transaction; forgotten when one is rolled back. */
    struct collection_names collections;
    int64_t collections_count; /* of written builds; -1 = not known */
    int64_t collections_last;  /* the highest id that a collection ever had in this process */
    int64_t rejected_count;    /* rows of written builds; -1 = not known */
    enum { REJECTIONS_KEPT_UNKNOWN, REJECTIONS_KEPT_NONE, REJECTIONS_KEPT_SOME } rejections_kept; /* with entities */
    struct build builds[STORE_BUILDS_KNOWN]; /* by the stream's id, modulo; `stream` is 0 where none is known */
    int64_t keys[STORE_BUILDS_KNOWN];        /* store_keys_count of the same; -1 = not known */
    bool keys_forgotten[STORE_BUILDS_KNOWN]; /* valid if that is known */
    /* Checkpointing. */
    int wal_pages;        /* in the WAL after the last commit */
    int checkpoint_pages; /* threshold while much is applied */
    int checkpoint_next;  /* not before the WAL has so many, when one could not finish; 0 = at the threshold */
    int swept_next;       /* the same between sweeps */
    struct syncer *syncer; /* owned; NULL = checkpoints wait for the disk */
    struct store_back back;
    /* What the transaction at hand changes of what is served, to be published after its commit. */
    struct commit_clock *shared; /* borrowed; NULL = none */
    enum { SERVED_ANYTHING, SERVED_POSITION, SERVED_NOTHING } changes;
    int64_t moved_stream;
    uint64_t moved_position;
    uint64_t moved_settled;
    struct store_served served;    /* owned scratch */
    struct store_fields fields;
    struct store_scratch *scratch; /* owned; NULL until the first batch */
    struct hole applied_hole;      /* of the last batch's build */
    enum store_pages pages;
};

/* BEGIN IMMEDIATE; end with store_commit, or store_rollback after any failure. */
SG_MUST_CHECK enum sg_status store_begin(struct store_writer *w, struct sg_error *err);
/* COMMIT, publish to the readers, then checkpoint when it is due, unless store_write_back does. On failure the
 * transaction is rolled back. */
SG_MUST_CHECK enum sg_status store_commit(struct store_writer *w, struct sg_error *err);
void store_rollback(struct store_writer *w);
/* Begin the session with nothing written, as there is no room: what the last one attached is published to the
 * readers. */
SG_MUST_CHECK enum sg_status store_session_defer(struct store_writer *w, struct sg_error *err);
/* Commit if `status` is SG_OK, else roll back and return it. */
SG_MUST_CHECK enum sg_status store_end(struct store_writer *w, enum sg_status status, struct sg_error *err);
/* End a transaction that has written nothing. */
void store_abandon(struct store_writer *w);
/* Rows of streams have changed: what is known of their builds is read again, and what is served is published. */
void store_streams_changed(struct store_writer *w);
/* Other builds are written than before: what is counted over all of them is counted again. */
void store_written_changed(struct store_writer *w);
/* Between sweeps: write the WAL back before there is so much of it that it would stall a commit. False: not due yet. */
bool store_checkpoint_swept(struct store_writer *w);
/* Write the WAL back, if it has come to what is right at the moment. Outside a transaction. */
void store_checkpoint_due(struct store_writer *w);
/* SG_FULL when the WAL has outgrown the limit and cannot be reset. */
SG_MUST_CHECK enum sg_status store_room(struct store_writer *w, struct sg_error *err);
/* After the settings are known: thresholds, and the hook that counts the WAL's pages. */
SG_MUST_CHECK enum sg_status store_checkpoint_setup(struct store_writer *w, struct sg_error *err);
/* Keep as many pages as a batch of so many events can use. Between transactions. */
void store_pages_for(struct store_writer *w, size_t events_count);

#endif
