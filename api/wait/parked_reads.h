/* The parked reads of one loop: what each of them wants, found again when it comes, and when their time is over. They
 * are kept in heaps and chains, so that a wake-up costs what it helps, not what is parked. One thread, the loop's. */
#ifndef STATEGATE_API_WAIT_PARKED_READS_H
#define STATEGATE_API_WAIT_PARKED_READS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/progress/progress.h"
#include "core/progress/wants.h"
#include "core/base/status.h"

struct http_connection;
struct parked_read;

/* An entry of a heap that is ordered by `key`, the smallest first. */
struct heap_entry {
    struct parked_read *owner;
    uint64_t key;
    size_t index; /* in the heap, from 1; 0 = not there */
    unsigned stream;
    bool is_probe;  /* of what is asked: a probe, or a proof */
    bool impatient; /* and it is needed at once */
};
#define PARKED_READ_ASKED_FEW 2 /* one stream's proof, and a probe of it */

/* One parked read; part of its request. Zeroed = not parked. */
struct parked_read {
    struct wants wants;
    int64_t deadline_ns;     /* boot clock */
    struct http_connection *connection; /* whose read it is; the HTTP side's */
    bool in_heaps;
    bool unchecked;          /* made visible, and not checked since */
    struct parked_read *next_unchecked;
    struct heap_entry deadline, position;
    struct heap_entry *asked; /* the proofs and probes that it wants; owned, or `asked_few` */
    size_t asked_count;
    struct heap_entry asked_few[PARKED_READ_ASKED_FEW];
    struct parked_read *entity_next;
    struct parked_read **entity_link; /* what points at this one; NULL = in no chain */
};

struct parked_reads;

/* `loop` is borrowed and outlives the parked reads. */
SG_MUST_CHECK enum sg_status parked_reads_create(struct progress_loop *loop, size_t streams_count,
                                                 struct parked_reads **out, struct sg_error *err);
/* Nothing is parked any more. NULL is allowed. */
void parked_reads_destroy(struct parked_reads *parked);

/* Park a read whose wants and deadline are set. SG_MEMORY: it is not parked. */
SG_MUST_CHECK enum sg_status parked_reads_add(struct parked_reads *parked, struct parked_read *read,
                                              struct sg_error *err);
/* Take it out; nothing happens if it is not there. */
void parked_reads_remove(struct parked_reads *parked, struct parked_read *read);
size_t parked_reads_count(const struct parked_reads *parked);

/* Register interest in what is wanted now, so that the writing side wakes this loop.
 * After every change, before the second look. */
void parked_reads_publish(struct parked_reads *parked);
/* All that were added and not checked since they became visible, linked by next_unchecked; NULL = none. */
struct parked_read *parked_reads_take_unchecked(struct parked_reads *parked);

/* Where a stream is, as the present snapshot and its proofs show it. */
struct parked_reads_facts {
    uint64_t position;
    int64_t proof_ns; /* INT64_MIN = none */
    int64_t probe_ns; /* INT64_MIN = none */
};
/* One read of this stream that is helped by these facts, or NULL; the caller takes it out. */
struct parked_read *parked_reads_helped(struct parked_reads *parked, size_t stream,
                                        const struct parked_reads_facts *facts);
/* One read whose deadline is not after now_ns, or NULL; the caller takes it out. */
struct parked_read *parked_reads_overdue(struct parked_reads *parked, int64_t now_ns);
/* Any read, or NULL. */
struct parked_read *parked_reads_any(struct parked_reads *parked);
/* Does any read want something of this stream? */
bool parked_reads_wants_stream(const struct parked_reads *parked, size_t stream);

/* Call `found` for each read that wants this entity; it may take that read out, and no other. */
typedef void parked_reads_visitor(void *context, struct parked_read *read);
void parked_reads_each_entity(struct parked_reads *parked, uint64_t entity, parked_reads_visitor *found, void *context);

/* When the first deadline ends; INT64_MAX = nothing is parked. */
int64_t parked_reads_next_deadline_ns(const struct parked_reads *parked);

#endif
