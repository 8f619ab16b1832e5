/* Where a reader has found collections by their names; its own. It keeps the newest few, at a cost that does not depend
 * on how many there are. What it says is checked against the builds that are served. */
#ifndef STATEGATE_STORE_CACHE_SERVED_NAMES_H
#define STATEGATE_STORE_CACHE_SERVED_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/domain/event.h"

#define SERVED_NAMES_MAX 16384 /* 16 times the default of collections_max; what is not used takes no memory */

struct served_name {
    int64_t id; /* of the collections row; 0 = a free place */
    int64_t stream;
    int64_t build;
    size_t stream_at; /* where the stream was among those that are served: a hint */
    unsigned char bytes;
    char name[EVENT_COLLECTION_BYTES_MAX];
};

struct served_names {
    struct served_name *places; /* owned; SERVED_NAMES_MAX; NULL until one is added */
    size_t turn;
};

/* NULL = it is not here. Valid until the next one is added. */
const struct served_name *served_names_find(const struct served_names *t, struct slice name);
/* In the place of an older one of that name, or of some other. NULL: out of memory, or the name is too long. */
const struct served_name *served_names_add(struct served_names *t, struct slice name, int64_t id, int64_t stream,
                                           int64_t build, size_t stream_at);
void served_names_free(struct served_names *t);

#endif
