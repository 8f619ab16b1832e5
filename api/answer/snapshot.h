/* One consistent view of the store, and what may be said of it: where each stream is, how fresh it is, and the header
 * text of that. One thread: a loop has one for all the answers of an iteration, a job has its own. */
#ifndef STATEGATE_API_ANSWER_SNAPSHOT_H
#define STATEGATE_API_ANSWER_SNAPSHOT_H

#include "core/base/buffer.h"
#include "core/progress/freshness.h"
#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"

/* A stream as the snapshot's answers show it; index as in the settings. */
struct snapshot_stream {
    const struct stream *row;       /* never NULL: a stream without a row is one at position 0 without an epoch */
    struct freshness_view view;     /* as of snapshot->now_ns; the proof is the same for all its answers */
    const char *position;           /* a member of State-Position */
    const char *lag;                /* State-Lag; NULL = unknown */
    const char *gaps;               /* State-Gap with all gaps; NULL = none */
};

/* Several streams as one: the largest staleness and lag, the worst status. */
struct stream_facts {
    const char *position;
    const char *lag;       /* NULL = unknown */
    const char *gaps;      /* NULL = none; for one stream only */
    enum stream_status status;
    bool staleness_known;
    int64_t proof_ns;      /* T */
};

struct snapshot;

/* Opens its own reader. The pointers are borrowed and outlive the snapshot; `shared` may be NULL. */
SG_MUST_CHECK enum sg_status snapshot_create(const struct settings *settings, const struct tunables_now *tunables,
                                             struct freshness *freshness, struct commit_clock *shared,
                                             struct snapshot **out, struct sg_error *err);
void snapshot_destroy(struct snapshot *snapshot);

/* At the start of an iteration of the loop, or of a job: the tunables of now. Those of before are used no longer. */
void snapshot_take_tunables(struct snapshot *snapshot);

/* Before anything is read for an answer. At the first read of an iteration the transaction begins; later ones go on in
 * it while nothing was committed since. A failure is logged once, and once more when there was none for 10 s. */
SG_MUST_CHECK enum sg_status snapshot_begin(struct snapshot *snapshot, struct sg_error *err);
/* The same without a transaction, for rows that are cached: store_read_peek. False: not now. */
bool snapshot_peek(struct snapshot *snapshot);
/* After the last answer of an iteration: nothing that the functions below returned is valid any longer. */
void snapshot_end(struct snapshot *snapshot);

/* Until this is said with NULL: a read ends with SG_STOPPED soon after `stop(context)` is true; it is asked again and
 * again, by the snapshot's thread. Between iterations. */
void snapshot_stop_when(struct snapshot *snapshot, store_read_stop *stop, void *context);

/* Report that a read of this snapshot failed, for the log; one that was stopped has not. */
void snapshot_failed(struct snapshot *snapshot, const struct sg_error *err);

/* All below: between begin and end. */
struct store_reader *snapshot_reader(struct snapshot *snapshot);
int64_t snapshot_wall_s(const struct snapshot *snapshot);
/* At any time. */
const struct settings *snapshot_settings(const struct snapshot *snapshot);
/* Those of this iteration: not to be kept beyond it. */
const struct tunables *snapshot_tunables(const struct snapshot *snapshot);
const struct snapshot_stream *snapshot_stream(struct snapshot *snapshot, size_t stream);
/* Is it known of this epoch of the stream that it is over? */
bool snapshot_epoch_is_past(const struct snapshot *snapshot, size_t stream, const struct epoch *epoch);
/* What may be said of one stream, or, with OWNER_ALL, of all of them together. */
const struct stream_facts *snapshot_facts(struct snapshot *snapshot, int stream);
/* The same, whose State-Position also holds the `others_count` streams of `others`; valid until the next call. */
const struct stream_facts *snapshot_facts_naming(struct snapshot *snapshot, int stream, const size_t *others,
                                                 size_t others_count);

/* The most bytes that State-Position takes with all streams, for the size of the answers' heads. 0 = out of memory. */
size_t snapshot_position_bytes_max(const struct settings *settings);

#endif
