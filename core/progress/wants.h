/* What a read that waits wants: which of its demands it waits for, and what would help it. Plain values. */
#ifndef STATEGATE_CORE_PROGRESS_WANTS_H
#define STATEGATE_CORE_PROGRESS_WANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Labels of stategate_wait_seconds. */
enum wait_kind { WAIT_VERSION, WAIT_POSITION, WAIT_STALENESS };
#define WAIT_KINDS_COUNT 3

/* What would help a parked read; whatever comes first wakes it, and then everything is checked again. */
struct wants {
    bool entity;             /* a change of the entity `entity_name` (progress_entity) */
    uint64_t entity_name;
    bool position;           /* `position_stream` reaches `position_sequence` */
    size_t position_stream;
    uint64_t position_sequence;
    /* Of each stream in a set (wants_bit): all of them are asked at once. */
    uint64_t proofs;         /* its T is at least `proof_ns` */
    int64_t proof_ns;
    uint64_t probes;         /* a probe that was sent at `probe_ns` or later is answered */
    int64_t probe_ns;
    uint64_t patient;        /* of `probes`: it will hardly be needed, as what is waited for is on its way */
    uint64_t recent;         /* of other streams, the same at `recent_ns` */
    int64_t recent_ns;
};

/* A set of streams has a bit for each. */
static inline uint64_t wants_bit(size_t stream)
{
    return UINT64_C(1) << stream;
}

/* What is not wanted does not matter. */
static inline bool wants_equal(const struct wants *a, const struct wants *b)
{
    return a->entity == b->entity && (!a->entity || a->entity_name == b->entity_name) && a->position == b->position &&
           a->proofs == b->proofs && a->probes == b->probes && a->patient == b->patient && a->recent == b->recent &&
           (!a->position ||
            (a->position_stream == b->position_stream && a->position_sequence == b->position_sequence)) &&
           (a->proofs == 0 || a->proof_ns == b->proof_ns) && (a->probes == 0 || a->probe_ns == b->probe_ns) &&
           (a->recent == 0 || a->recent_ns == b->recent_ns);
}

#endif
