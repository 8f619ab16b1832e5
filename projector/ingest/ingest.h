/* What the rooms of ingest share: the streams as they are written, each with its batch. */
#ifndef STATEGATE_PROJECTOR_INGEST_INGEST_H
#define STATEGATE_PROJECTOR_INGEST_INGEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "core/progress/freshness.h"
#include "core/progress/metrics.h"
#include "core/progress/progress.h"
#include "projector/decode/decode.h"
#include "projector/ingest/markers.h"
#include "projector/queue.h"
#include "store/writer.h"

/* As many as a queue holds: random ids meet in the index's pages, and each page is written once a batch; while 1 M
 * entities are built that saves three of five bytes written. It takes 0.1 s; a stream that is up to date has small
 * batches. */
#define INGEST_BATCH_EVENTS_MAX 16384
#define INGEST_BATCH_BYTES_MAX (8u << 20) /* of payloads */
#define INGEST_RETRY_MIN_MS 100           /* what failed is tried again, with backoff up to ... */
#define INGEST_RETRY_MAX_MS 2000

/* All borrowed, and outlive the projector. */
struct ingest_context {
    const struct settings *settings;
    const struct tunables_now *tunables;
    struct store_writer *store;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
};

/* An answer of the broker whose keys are to be counted: at its end, and when it was made; the stream's messages expire
 * after `max_age_ns` (0 = not by age). */
struct keys_question {
    uint64_t head;
    int64_t now_ns;
    int64_t max_age_ns;
};

/* How many ids a build has at a position of which the stream has a message, as far as is known. */
struct keys_counted {
    bool known;
    uint64_t keys;
    bool nothing_rejected; /* no stream has a rejected event recorded */
    uint64_t forgotten;    /* ingest_forgotten() */
    bool ever_forgotten;   /* tombstones of the build were removed, in this process or before */
    uint64_t markers_due;  /* of them, delete markers that were due when the answer was made */
};

/* One stream. Only for the thread that holds `writing`, but where it says otherwise. */
struct stream_writer {
    struct queue *queue; /* owned; set before the thread starts, then read-only: any thread */
    int64_t id;          /* of the stream's row; likewise */
    struct decode_stream decode; /* likewise */
    struct shaper *shaper;       /* owned; likewise; NULL = no collection has rules */
    /* Of the build that is written. */
    struct epoch epoch;
    bool is_next;        /* beside the one that is served */
    int64_t served_build;
    struct epoch served_epoch;
    /* A batch that was taken and is not applied yet. */
    struct queue_item items[INGEST_BATCH_EVENTS_MAX];
    size_t items_count;
    int64_t retry_at_ns; /* 0 = at once */
    int64_t retry_ms;    /* 0 = the last attempt succeeded */
    bool command_failed; /* the last command could not be stored */
    struct keys_question question; /* whose keys are to be counted when the position is at its head; head 0 = none */
    struct markers markers; /* of a bucket */
    /* Written by whoever holds `writing`, read by any thread. */
    _Atomic uint64_t position; /* of the build that is written; written after its hole, read before it */
    _Atomic int64_t position_time_ns; /* of the message there; 0 = none is known; written after it */
    _Atomic uint64_t hole_first;
    _Atomic uint64_t hole_last;
    _Atomic uint64_t forgotten; /* tombstones that were removed, of the build that was written, and had a message */
    /* Written by the source. */
    _Atomic int64_t clock_ns;   /* the broker's wall clock, at its last answer; 0 = none came yet */
    atomic_bool held;           /* no tombstone is removed */
    /* Guarded by the mutex of ingest. */
    struct keys_counted counted;
};

struct command;
struct field_sets;
struct shaper;
struct tombstones;

struct ingest {
    /* Set before the projector's thread starts, then read-only: any thread. */
    struct ingest_context context;
    struct notifier *notifier; /* owned */
    /* Held by the thread that writes: the projector's around each of its iterations; that of a connection, if it gets
     * it at once, around a batch of the few messages that it has just received. */
    pthread_mutex_t writing;
    /* Guarded by `writing`, as is all of the store's writer. */
    struct arena *arena; /* owned */
    struct event events[INGEST_BATCH_EVENTS_MAX];
    enum event_result results[INGEST_BATCH_EVENTS_MAX];
    enum event_reason reasons[INGEST_BATCH_EVENTS_MAX];
    bool sweep_needed; /* rows of old builds may be there */
    struct tombstones *tombstones; /* owned; their bounds; NULL = there are none */
    struct field_sets *field_sets; /* owned */
    /* Any thread. */
    atomic_bool failed; /* the database was found damaged */
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t done_cond;
    struct command *commands; /* borrowed from the askers; oldest first */
    bool stopped;             /* no command is served any more */
    size_t writers_count;
    struct stream_writer writers[];
};

/* Give up the first `count` messages of the batch. */
void stream_writer_drop(struct stream_writer *writer, size_t count);
/* Give up a batch that failed and whose consumer is void meanwhile.
 * The stream stays halted until something is stored. */
void stream_writer_drop_void(struct stream_writer *writer);

/* Something of the stream was stored: it is not halted any more. */
void ingest_succeeded(struct ingest *ingest, size_t stream);
/* A batch could not be stored: it stays, and is tried again after a while. Logs the first failure. */
void ingest_halted(struct ingest *ingest, size_t stream, const struct sg_error *err);
/* What a source asked for could not be stored: it asks again. Logs the first failure, unless a batch's was logged. */
void ingest_command_failed(struct ingest *ingest, size_t stream, const struct sg_error *err);

#endif
