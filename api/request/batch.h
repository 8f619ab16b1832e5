/* The body of a QUERY or POST to a list: {"ids": ["a", {"id": "b", "minVersion": 7}], "select": ["id", "total"],
 * "filter": "status=eq.open"}. Only `ids` is required. Pure. */
#ifndef STATEGATE_API_REQUEST_BATCH_H
#define STATEGATE_API_REQUEST_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "api/request/query.h"
#include "api/request/target.h"
#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/json/arena.h"

#define BATCH_UNMET_BYTES_MAX (1u << 20) /* all ids, escaped */
#define BATCH_DEPTH_MAX 4 /* of the body's JSON: three are of use */

struct batch {
    struct slice ids[QUERY_IDS_MAX];      /* in the order of the body */
    int64_t min_versions[QUERY_IDS_MAX];  /* of each; 0 = none. The same for each time that an id is there */
    size_t ids_count;
    bool demands;                         /* any minimum version is there */
    struct target params;                 /* `select` and `filter` as parameters; no segments */
    struct region memory;                 /* owned; what the slices point into */
    struct buffer unmet;                  /* owned; of the last look: a member of the problem that names the ids */
};

/* The caller frees `*out` with batch_free(). SG_INVALID says what is malformed; SG_MEMORY. */
SG_MUST_CHECK enum sg_status batch_read(struct slice body, struct batch **out, struct sg_error *err);
/* NULL is allowed. */
void batch_free(struct batch *batch);

#endif
