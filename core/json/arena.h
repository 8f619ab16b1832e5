/* Memory that is only ever freed as a whole: regions of chunks, and a pair of them for a batch of events. */
#ifndef STATEGATE_CORE_JSON_ARENA_H
#define STATEGATE_CORE_JSON_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/status.h"

/* Each chunk is at least twice the one before, so that after a few batches all of one fits into a single chunk. Starts
 * zeroed. One thread. */
struct region_chunk;
struct region {
    struct region_chunk *chunk; /* owned; the newest, and by its links all others */
};
/* `align` is a power of two, at most 16. NULL when out of memory; never for 0 bytes. */
void *region_take(struct region *r, size_t bytes, size_t align);
/* Copies; false when out of memory. An empty slice stays empty. */
SG_MUST_CHECK bool region_copy(struct region *r, struct slice from, struct slice *out);
/* Forget what was handed out; keep the largest chunk if it is not larger than `kept_bytes_max`. */
void region_reset(struct region *r, size_t kept_bytes_max);
void region_free(struct region *r);

/* What the events of a batch point into. One thread. */
struct arena {
    struct region kept;    /* is valid until the next arena_reset() */
    struct region scratch; /* of one event: small and reused, so that it stays in the processor's cache */
};
/* NULL when out of memory. */
struct arena *arena_create(void);
void arena_destroy(struct arena *arena);
/* The next batch begins: forget everything; keeps memory up to ARENA_KEPT_BYTES. */
#define ARENA_KEPT_BYTES (32u << 20)
void arena_reset(struct arena *arena);
/* The next event begins: forget what is in scratch memory. */
void arena_reset_scratch(struct arena *arena);
/* Forget everything, and keep no memory. */
void arena_release(struct arena *arena);

#endif
