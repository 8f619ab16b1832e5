/* What a request demands of its answer: a minimum version, minimum positions, a maximum staleness; and how long it will
 * wait for them. Parsed strictly, once, when the request arrives; checked inside the read transaction that answers. */
#ifndef STATEGATE_API_REQUEST_DEMANDS_H
#define STATEGATE_API_REQUEST_DEMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http/head.h"
#include "api/request/target.h"
#include "core/domain/position.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "core/base/status.h"

/* The parameters that demand, for a route's row; min_version is refused by name where no entity is meant. */
#define DEMANDS_PARAMS "min_version", "min_position", "max_staleness", "wait"

struct demand_position {
    size_t stream;      /* index in the settings */
    uint64_t sequence;
    struct epoch epoch; /* "" = the stream's present incarnation */
};

struct demands {
    int64_t min_version;     /* 0 = none */
    size_t positions_count;
    struct demand_position *positions; /* owned; each stream at most once */
    bool has_max_staleness;
    int64_t max_staleness_ns;
    bool wait_given;         /* the request said how long; shown in Preference-Applied */
    int64_t wait_ns;         /* what is used: given or default, at most the maximum */
};

/* Read the demands of a request. `entity_route`: Min-Version means something here. A parameter wins over its header.
 * Repeated single-valued headers, more than HTTP_LINES_MAX lines of Min-Position or Prefer, malformed values and one
 * stream named twice are refused; a Prefer that is not understood is ignored. SG_INVALID (400): names the header or
 * parameter; SG_NOT_FOUND (409): a stream that is not configured, named; SG_MEMORY. On failure nothing is owned. */
SG_MUST_CHECK enum sg_status demands_parse(const struct http_fields *fields, const struct target *target,
                                           bool entity_route, const struct settings *settings,
                                           const struct tunables *tunables, struct demands *out,
                                           struct sg_error *err);
/* Free what is owned; a zeroed struct is allowed. */
void demands_free(struct demands *d);

static inline bool demands_any(const struct demands *d)
{
    return d->min_version > 0 || d->positions_count > 0 || d->has_max_staleness;
}

#endif
