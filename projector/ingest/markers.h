/* Delete markers of a bucket that expire: how many may be gone from the stream by now. No message tells of it, so the
 * bucket seems to lose keys; these are expected. Only for the thread that writes. */
#ifndef STATEGATE_PROJECTOR_INGEST_MARKERS_H
#define STATEGATE_PROJECTOR_INGEST_MARKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define MARKERS_MAX 65536 /* remembered of a stream, in 3 MiB; those beyond are not expected to go */

struct marker {
    uint64_t hash;      /* of its entity, seeded; 0 = free */
    int64_t time_ns;    /* of its message; 0 = it does not count any more */
    int64_t expires_ns; /* 0 = only by the stream's age limit */
};

/* Zeroed: none. */
struct markers {
    struct marker *items; /* owned; NULL until the first one */
    size_t used;          /* that are not free */
    size_t count;         /* of those, the ones that still count */
    uint64_t seed;
    bool expiring; /* one was there that expires by itself */
};

/* An entity was deleted by a message of then. Not remembered without memory, or beyond MARKERS_MAX. Amortised
 * constant time, also beyond the limit. */
void markers_add(struct markers *markers, struct slice collection, struct slice id, int64_t time_ns,
                 int64_t expires_ns);
/* The entity is back, or its marker is known to be gone. */
void markers_remove(struct markers *markers, struct slice collection, struct slice id);
/* Is it remembered, and due at `now_ns`, in a stream with this age limit (0 = none)? */
bool markers_is_due(const struct markers *markers, struct slice collection, struct slice id, int64_t now_ns,
                    int64_t max_age_ns);
/* How many are due at `now_ns`, in a stream with this age limit (0 = none). */
uint64_t markers_due(const struct markers *markers, int64_t now_ns, int64_t max_age_ns);
void markers_free(struct markers *markers);

#endif
