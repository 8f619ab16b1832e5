/* A table from a collection's name to its row: the writer's, of all that it has written to. What a batch changes of
 * them is on a list, so that a commit costs nothing for the others. */
#ifndef STATEGATE_STORE_CACHE_COLLECTION_NAMES_H
#define STATEGATE_STORE_CACHE_COLLECTION_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct store_collection_fields;

struct collection_name {
    int64_t stream;
    int64_t build;
    int64_t id; /* of the collections row */
    char *name; /* owned */
    size_t name_bytes;
    struct store_collection_fields *fields; /* borrowed from the writer; NULL = none is declared, ... */
    bool fields_known; /* ... or it was not looked at */
    /* The writer's, for the batch at hand. */
    int64_t tombstones; /* how many it has, those of the batch included; so for the next two */
    int64_t gaps;       /* entities with a gap */
    int64_t gone;       /* tombstones without a message in the stream */
    int64_t entities_delta;
    uint64_t position; /* highest sequence that changed a row; 0 = none did */
    bool counted;      /* what its row counts has changed */
    int64_t uncounted; /* tombstones less those without a message, as its row has them */
    bool changed;      /* on the list */
    struct collection_name *next_changed;
};

struct collection_names {
    struct collection_name **slots; /* owned; a power of two, at most half full; NULL slots are free */
    size_t slots_count;
    size_t count;
    struct collection_name *changed; /* by the batch at hand */
};

struct collection_name *collection_names_find(const struct collection_names *t, int64_t stream, int64_t build,
                                              struct slice name);
/* NULL when out of memory. The entry is valid until it is removed, or collection_names_clear. */
struct collection_name *collection_names_add(struct collection_names *t, int64_t stream, int64_t build,
                                             struct slice name, int64_t id);
/* What the batch at hand changes of it is to be written. */
void collection_names_change(struct collection_names *t, struct collection_name *name);
/* One that no batch at hand changes; none of that name is allowed. */
void collection_names_remove(struct collection_names *t, int64_t stream, int64_t build, struct slice name);
void collection_names_clear(struct collection_names *t);
void collection_names_free(struct collection_names *t);

#endif
