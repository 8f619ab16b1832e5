/* What a stream has of each subject that the filter matches: the sequence of its last message, by entity. Taken while
 * the stream goes on being followed. Source thread only. */
#ifndef STATEGATE_PROJECTOR_SOURCE_LISTING_H
#define STATEGATE_PROJECTOR_SOURCE_LISTING_H

#include "projector/source/probe.h"

#define LISTING_SUBJECTS_MAX 8388608 /* 16 bytes each, in a table at most half full: 256 MiB */
#define LISTING_TICK_NS (500 * NS_PER_MS)        /* meanwhile the stream is asked so often, or it would look lost */

struct listing_entry {
    uint64_t hash; /* of collection and id, seeded; 0 = free */
    uint64_t sequence;
};

/* Zeroed: nothing is listed. */
struct listing {
    struct listing_entry *entries; /* owned; a power of two */
    size_t entries_count;
    uint64_t count;    /* subjects that are listed */
    uint64_t seed;
    uint64_t last;     /* the highest sequence listed */
    struct probe after; /* proof-grade: what it showed as its end is in the list, as it is then or was since */
};

/* List; `before` is proof-grade. Returns when all that is listed was applied too. SG_UNAVAILABLE: the stream cannot be
 * asked; SG_NOT_FOUND: not this time (there are more than LISTING_SUBJECTS_MAX, no proof-grade answer came after it, or
 * no second consumer is allowed). */
SG_MUST_CHECK enum sg_status listing_take(struct session *s, const struct probe *before, struct listing *out,
                                          struct sg_error *err);
void listing_free(struct listing *listing);

/* The sequence of the last message of this entity's subject; 0 = there is none. */
uint64_t listing_find(const struct listing *listing, struct slice collection, struct slice id);

#endif
