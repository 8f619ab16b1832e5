/* The table of tombstones, as it is read to remove the oldest of a collection; and how old they are.
 *
 * No tombstone has a time. A collection has a few ages instead: a sequence, and a time by which all tombstones up to it
 * had been there. So one that is removed for its age is never younger than it should be, and may be a few parts in a
 * hundred older; what was stored before anybody asked for ages counts from then on; and an event costs nothing. */
#ifndef STATEGATE_STORE_TABLES_TOMBSTONES_H
#define STATEGATE_STORE_TABLES_TOMBSTONES_H

#include "core/domain/event.h"
#include "core/domain/stream.h"
#include "store/sqlite/connection.h"

#define STORE_AGES_MAX 16 /* of a collection: some 40 bytes each in its row, which every deletion writes */
#define STORE_AGES_TEXT_BYTES (STORE_AGES_MAX * 41 + 1) /* two numbers of 20 digits at most, a colon and a space */

struct store_age {
    uint64_t sequence;
    int64_t time_ns; /* by the stream's clock */
};

/* Ascending by both. */
struct store_ages {
    size_t count;
    struct store_age ages[STORE_AGES_MAX + 1]; /* one more than are kept, while one is added */
};

/* Pure. */
void store_ages_add(struct store_ages *ages, uint64_t sequence, int64_t time_ns);
/* Up to which sequence all are at least as old as `time_ns`; 0 = none is known to be. */
uint64_t store_ages_before(const struct store_ages *ages, int64_t time_ns);
/* There is no tombstone up to this sequence any more. */
void store_ages_drop(struct store_ages *ages, uint64_t sequence);

/* A collection in one build, as its row has it. */
struct store_bounded {
    int64_t id;
    int64_t build;
    bool served;
    int64_t tombstones;
    int64_t position_time_ns; /* of the build's last message; 0 = not known */
    struct store_ages ages;
};

/* The collection in the served build of a stream, and in the next one: as many as there are. */
SG_MUST_CHECK enum sg_status store_tombstones_bounded(struct store_connection *c, int64_t stream, struct slice name,
                                                      struct store_bounded out[2], size_t *count,
                                                      struct sg_error *err);

/* The highest sequence of its tombstones, and whether one there is of an entity that left the stream without a message.
 * SG_NOT_FOUND (err not filled): there is none. */
SG_MUST_CHECK enum sg_status store_tombstones_newest(struct store_connection *c, int64_t collection,
                                                     uint64_t *sequence, bool *gone, struct sg_error *err);

struct store_tombstone {
    int64_t number;
    uint64_t sequence;
    bool gone;
    struct slice id; /* until the next call of store_tombstones_oldest, or store_tombstones_read_end */
};
/* The one with the lowest sequence. SG_NOT_FOUND (err not filled): there is none. */
SG_MUST_CHECK enum sg_status store_tombstones_oldest(struct store_connection *c, int64_t collection,
                                                     struct store_tombstone *out, struct sg_error *err);
void store_tombstones_read_end(struct store_connection *c);
SG_MUST_CHECK enum sg_status store_tombstones_remove(struct store_connection *c, int64_t number, struct sg_error *err);

/* So many fewer, and the floor of the collection where no tombstone up to it is complete any more. */
struct store_tombstones_fewer {
    int64_t tombstones;
    int64_t gone;
    int64_t gaps;
    uint64_t floor; /* 0 = as it is */
};
SG_MUST_CHECK enum sg_status store_tombstones_write(struct store_connection *c, int64_t collection,
                                                    const struct store_tombstones_fewer *fewer,
                                                    const struct store_ages *ages, struct sg_error *err);

/* Tombstones at the sequence `head` were made just now, however old its message is: no age holds from there on. */
SG_MUST_CHECK enum sg_status store_tombstones_made(struct store_connection *c, int64_t collection, uint64_t head,
                                                   struct sg_error *err);

#endif
