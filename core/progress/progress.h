/* Who waits for what, and whom a commit or a proof must wake.
 *
 * The reading side's loops keep their parked reads themselves. Here they only register an interest: in an entity that
 * changes, a position that is reached, a proof or a probe that is young enough. The writing side looks at these after
 * each commit and each probe, at a cost that does not grow with the number of parked reads that want something else,
 * and wakes a loop once, however many of its reads are helped.
 *
 * No wake-up is missed, because each side does two things in opposite order:
 *
 *   a loop             1. registers its interest    2. reads the store
 *   the writing side   1. commits                   2. looks for interests
 *
 * Whichever comes second sees what the other did first. Waking too often is harmless, as what was wanted is checked
 * again. */
#ifndef STATEGATE_CORE_PROGRESS_PROGRESS_H
#define STATEGATE_CORE_PROGRESS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"

#define PROGRESS_LOOPS_MAX 257          /* HTTP_LOOPS_MAX, and one of the second address */
#define PROGRESS_ENTITY_SLOTS (1u << 18) /* of a counting filter: 10,000 parked reads hit others' events in 4 of 100 */
/* A read that waits for a position which is on its way needs no probe, which costs the broker more than the message
 * did: only after so long the stream is asked whether it has come that far. */
#define PROGRESS_PATIENCE_NS (10 * INT64_C(1000000))
#define PROGRESS_CHANGED_ENTITIES_MAX 4096 /* published to a loop between two iterations; beyond it: "look at all" */

struct progress;
struct progress_loop; /* the interests of one loop */

SG_MUST_CHECK enum sg_status progress_create(size_t streams_count, struct progress **out, struct sg_error *err);
/* All loops have left. NULL is allowed. */
void progress_destroy(struct progress *p);

/* A name of an entity, equal for equal collection and id in this process. Others may have the same by chance: that
 * costs a second look. Any thread. */
uint64_t progress_entity(const struct progress *p, struct slice collection, struct slice id);

/* ---- the reading side: each loop's own thread, but for join and leave ---- */

/* `wake_fd` is an eventfd that is written to wake the loop; borrowed until leave.
 * Before this loop runs, and after it. */
SG_MUST_CHECK enum sg_status progress_join(struct progress *p, int wake_fd, struct progress_loop **out,
                                           struct sg_error *err);
void progress_leave(struct progress_loop *l);

/* One parked read more, or less, waits for a change of this entity. */
void progress_want_entity(struct progress_loop *l, uint64_t entity);
void progress_unwant_entity(struct progress_loop *l, uint64_t entity);

/* What the parked reads of this loop want of one stream. The writing side wakes the loop when it is there. */
struct progress_wants {
    uint64_t position;       /* the smallest position wanted; UINT64_MAX = none */
    int64_t proof_ns;        /* the smallest T wanted (boot clock); INT64_MAX = none */
    int64_t probe_ns;        /* the smallest time that a probe must have been sent after; INT64_MAX = none */
    int64_t probe_newest_ns; /* the largest of T and of these times: a loop that wants nothing newer than what was sent
                                waits for its answer, and causes no other probe; INT64_MIN = none */
    bool probe_patient;      /* the probe may be sent PROGRESS_PATIENCE_NS after that time */
};
#define PROGRESS_WANTS_NONE                                                                                            \
    ((struct progress_wants){.position = UINT64_MAX, .proof_ns = INT64_MAX, .probe_ns = INT64_MAX,                     \
                             .probe_newest_ns = INT64_MIN})
/* Replaces the loop's interest in this stream, and asks for a probe where one is needed. */
void progress_want(struct progress_loop *l, size_t stream, const struct progress_wants *wants);

/* Which entities changed since the last call; `*all` = there were too many, or a stream began another incarnation: look
 * at every parked read. At most PROGRESS_CHANGED_ENTITIES_MAX. */
size_t progress_take(struct progress_loop *l, uint64_t entities[PROGRESS_CHANGED_ENTITIES_MAX], bool *all);

/* ---- the writing side ---- */

/* Does any loop wait for entities at all? Spares the projector the names. The thread that writes. */
bool progress_entities_wanted(const struct progress *p);
/* After the commit: this entity changed, or an event of it was rejected. The thread that writes. */
void progress_entity_changed(struct progress *p, uint64_t entity);
/* After the commit, once its entities are published: the stream's position. The thread that writes. */
void progress_committed(struct progress *p, size_t stream, uint64_t position);
/* After a proof-grade probe, and after a commit that met one: the newest probe was sent at probe_ns, and T is proof_ns
 * (INT64_MIN = none). Any thread. */
void progress_proved(struct progress *p, size_t stream, int64_t proof_ns, int64_t probe_ns);
/* The stream's rows belong to another incarnation, or its reads can no longer be helped: every parked read is looked
 * at. Any thread. */
void progress_changed(struct progress *p);

/* When should a probe be sent, as a parked read wants one that is sent after `sent_ns`? INT64_MIN = at once; INT64_MAX
 * = none wants one. Any thread. */
int64_t progress_probe_at(struct progress *p, size_t stream, int64_t sent_ns);
/* Until `at_ns` nobody need be notified of a probe that is to be sent then or later: it will be looked at. Until the
 * next call of progress_probe_at, which is followed by this one. Any thread. */
void progress_probe_looks(struct progress *p, size_t stream, int64_t at_ns);
/* Does a parked read wait for a position, or for a proof? Any thread. */
bool progress_waited(struct progress *p, size_t stream);
/* A probe is wanted for what waits already. Any thread. */
void progress_want_probe(struct progress *p, size_t stream);
/* Called when a probe is wanted; must not block. It is called under a lock, and must not call back. NULL = nobody.
 * Any thread. */
typedef void progress_probe_wanted_fn(void *context);
void progress_on_probe_wanted(struct progress *p, size_t stream, progress_probe_wanted_fn *notify, void *context);

#endif
