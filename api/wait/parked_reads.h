/* The parked reads of one loop: what each of them wants, found again when it comes, and when their time is over. They
 * are kept in heaps and chains, so that a wake-up costs what it helps, not what is parked. One thread, the loop's. */
#ifndef STATEGATE_API_WAIT_PARKED_READS_H
#define STATEGATE_API_WAIT_PARKED_READS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/progress/progress.h"
#include "core/base/status.h"

struct parked;

/* A place in a heap that is ordered by `key`, the smallest first. */
struct parked_place {
    struct parked *owner;
    uint64_t key;
    size_t index; /* in the heap, from 1; 0 = not there */
    size_t stream;
};

/* What would help a parked read; whatever comes first wakes it, and then everything is checked again. */
struct parked_wants {
    bool entity;             /* a change of the entity `entity_name` (progress_entity) */
    uint64_t entity_name;
    bool position;           /* `position_stream` reaches `position_sequence` */
    size_t position_stream;
    uint64_t position_sequence;
    bool proof;              /* T of `proof_stream` is at least `proof_ns` */
    size_t proof_stream;
    int64_t proof_ns;
    bool probe;              /* a probe of `probe_stream` that was sent at `probe_ns` or later is answered */
    size_t probe_stream;
    int64_t probe_ns;
};

/* One parked read; part of its request. Zeroed = not parked. */
struct parked {
    struct parked_wants wants;
    int64_t deadline_ns;     /* boot clock */
    void *connection;        /* whose read it is; the HTTP side's */
    bool in_lot;
    bool unchecked;          /* made visible, and not checked since */
    struct parked *next_unchecked;
    struct parked_place deadline, position, proof, probe;
    struct parked *entity_next;
    struct parked **entity_link; /* what points at this one; NULL = in no chain */
};

struct parking;

/* `loop` is borrowed and outlives the lot. */
SG_MUST_CHECK enum sg_status parking_create(struct progress_loop *loop, size_t streams_count, struct parking **out,
                                            struct sg_error *err);
/* Nothing is parked any more. NULL is allowed. */
void parking_destroy(struct parking *lot);

/* Park a read whose wants and deadline are set. SG_MEMORY: it is not parked. */
SG_MUST_CHECK enum sg_status parking_add(struct parking *lot, struct parked *read, struct sg_error *err);
/* Take it out; nothing happens if it is not there. */
void parking_remove(struct parking *lot, struct parked *read);
size_t parking_count(const struct parking *lot);

/* Leave word of what is wanted now, so that the writing side wakes this loop.
 * Behind every change, before the second check. */
void parking_publish(struct parking *lot);
/* All that were added and not checked since they became visible, linked by next_unchecked; NULL = none. */
struct parked *parking_take_unchecked(struct parking *lot);
bool parked_wants_equal(const struct parked_wants *a, const struct parked_wants *b);

/* Where a stream is, as the present snapshot and its proofs show it. */
struct parking_facts {
    uint64_t position;
    int64_t proof_ns; /* INT64_MIN = none */
    int64_t probe_ns; /* INT64_MIN = none */
};
/* One read of this stream that is helped by these facts, or NULL; the caller takes it out. */
struct parked *parking_helped(struct parking *lot, size_t stream, const struct parking_facts *facts);
/* One read whose deadline is not after now_ns, or NULL; the caller takes it out. */
struct parked *parking_overdue(struct parking *lot, int64_t now_ns);
/* Any read, or NULL. */
struct parked *parking_any(struct parking *lot);
/* Does any read want something of this stream? */
bool parking_wants_stream(const struct parking *lot, size_t stream);

/* Call `found` for each read that wants this entity; it may take that read out, and no other. */
typedef void parking_visitor(void *context, struct parked *read);
void parking_each_entity(struct parking *lot, uint64_t entity, parking_visitor *found, void *context);

/* When the first deadline ends; INT64_MAX = nothing is parked. */
int64_t parking_next_deadline_ns(const struct parking *lot);

#endif
