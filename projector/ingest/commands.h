/* What the sources ask of the projector's thread: a source that must change what is stored of its stream asks by a call
 * that is served between two batches. */
#ifndef STATEGATE_PROJECTOR_INGEST_COMMANDS_H
#define STATEGATE_PROJECTOR_INGEST_COMMANDS_H

#include "projector/ingest/ingest.h"

/* ---- any thread; neither blocks ---- */

/* The stream's queue; is valid as long as the projector. */
struct queue *ingest_queue(struct ingest *ingest, size_t stream);
/* The position of the build that is written, of this process's last commit to it, and its hole. */
uint64_t ingest_position(const struct ingest *ingest, size_t stream);
struct hole ingest_hole(const struct ingest *ingest, size_t stream);
/* Is this the time of the message at that position, as far as is known? False: the position is there, and the message
 * that was applied has another time. */
bool ingest_may_be(const struct ingest *ingest, size_t stream, uint64_t position, int64_t time_ns);
/* Have the keys been counted that ingest_count_keys left for later? Then it is told once. Whoever listens for wanted
 * probes (core/progress) is notified when they have. */
bool ingest_keys_counted(struct ingest *ingest, size_t stream, struct keys_counted *out);

/* How many tombstones of the stream's written build were removed, in this process, of which the stream had a message. */
uint64_t ingest_forgotten(const struct ingest *ingest, size_t stream);
/* From the next command on none is removed, until it is let go. For the stream's source. */
void ingest_hold_tombstones(struct ingest *ingest, size_t stream, bool held);
/* What the broker's wall clock shows: by it tombstones grow old. For the stream's source. */
void ingest_set_clock(struct ingest *ingest, size_t stream, int64_t now_ns);

/* ---- the sources' threads; each blocks until the projector has done it, between two batches ----
 * SG_STOPPED: the projector is stopping. SG_STORAGE, SG_FULL, SG_CORRUPT: as the store says; nothing has changed. */

/* The build that is written. Afterwards no message of an older generation is applied. */
SG_MUST_CHECK enum sg_status ingest_load(struct ingest *ingest, size_t stream, struct build *out,
                                         struct sg_error *err);
/* Store creation time and epoch of a stream that has none. */
SG_MUST_CHECK enum sg_status ingest_identify(struct ingest *ingest, size_t stream, int64_t created_ns,
                                             const struct epoch *epoch, struct sg_error *err);
/* Begin again from nothing: another incarnation of the stream, or the same after a gap. The rows that are served stay
 * until the new ones have reached `target`; a replica that is not ready yet becomes ready then. */
SG_MUST_CHECK enum sg_status ingest_begin_build(struct ingest *ingest, size_t stream, int64_t created_ns,
                                                const struct epoch *epoch, uint64_t target, struct sg_error *err);
/* A build whose end was not known (its settings changed) ends at `target`. */
SG_MUST_CHECK enum sg_status ingest_set_target(struct ingest *ingest, size_t stream, uint64_t target,
                                               struct sg_error *err);
/* Before anything is applied: the head, how many messages up to there were removed, and how many of the sequences are
 * missing for the consumer; -1 = not known. */
SG_MUST_CHECK enum sg_status ingest_begun(struct ingest *ingest, size_t stream, uint64_t last, uint64_t removed,
                                          int64_t missing, struct sg_error *err);
/* The hole up to `through` is settled, with these gaps. */
SG_MUST_CHECK enum sg_status ingest_settle(struct ingest *ingest, size_t stream, uint64_t through,
                                           const struct gap *gaps, size_t gaps_count, struct sg_error *err);
/* Count the keys of all events up to the answer's head: now, or, `known` being false, once the position is there. */
SG_MUST_CHECK enum sg_status ingest_count_keys(struct ingest *ingest, size_t stream,
                                               const struct keys_question *question, struct keys_counted *out,
                                               struct sg_error *err);
/* Review up to `rows_max` more entities (store/writer.h). */
SG_MUST_CHECK enum sg_status ingest_review(struct ingest *ingest, size_t stream, struct store_review *review,
                                           size_t rows_max, bool *more, struct sg_error *err);
/* Nothing that matches lies between the position and `position`, and what did is there no more unless
 * `nothing_removed`. Does nothing if `generation` is void by now, or if something is queued: it will move the position
 * itself. */
SG_MUST_CHECK enum sg_status ingest_advance(struct ingest *ingest, size_t stream, uint64_t generation,
                                            uint64_t position, bool nothing_removed, struct sg_error *err);

/* ---- the projector's thread ---- */

/* Serve what was asked; blocks on disk. */
void commands_run(struct ingest *ingest);
/* Serve nothing more: who asks, or waits, gets SG_STOPPED. */
void commands_stop(struct ingest *ingest);

#endif
