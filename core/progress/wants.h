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
    bool proof;              /* T of `proof_stream` is at least `proof_ns` */
    size_t proof_stream;
    int64_t proof_ns;
    bool probe;              /* a probe of `probe_stream` that was sent at `probe_ns` or later is answered */
    size_t probe_stream;
    int64_t probe_ns;
    bool probe_patient;      /* it will hardly be needed: what is waited for is on its way */
};

/* What is not wanted does not matter. */
static inline bool wants_equal(const struct wants *a, const struct wants *b)
{
    return a->entity == b->entity && (!a->entity || a->entity_name == b->entity_name) && a->position == b->position &&
           (!a->position ||
            (a->position_stream == b->position_stream && a->position_sequence == b->position_sequence)) &&
           a->proof == b->proof &&
           (!a->proof || (a->proof_stream == b->proof_stream && a->proof_ns == b->proof_ns)) && a->probe == b->probe &&
           (!a->probe || (a->probe_stream == b->probe_stream && a->probe_ns == b->probe_ns &&
                          a->probe_patient == b->probe_patient));
}

#endif
