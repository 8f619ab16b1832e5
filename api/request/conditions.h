/* If-None-Match (RFC 9110, section 13.1.2): read strictly, once, and compared weakly. Pure functions. */
#ifndef STATEGATE_API_REQUEST_CONDITIONS_H
#define STATEGATE_API_REQUEST_CONDITIONS_H

#include <stdbool.h>

#include "api/http/head.h"
#include "core/base/status.h"

/* Zeroed = there is none. */
struct conditions {
    const struct http_lines *if_none_match; /* borrowed; NULL = none. Lists of entity-tags, all well-formed */
    bool any;                               /* `*`: whatever there is */
};

/* `lines` are borrowed for as long as `out` is used. SG_INVALID if they are malformed. */
SG_MUST_CHECK enum sg_status conditions_parse(const struct http_lines *lines, struct conditions *out,
                                              struct sg_error *err);

/* Does the entity-tag `etag` (with its quotes, and a digit or lower-case letter between them; NULL = none) meet
 * If-None-Match? Then the answer is 304. */
bool conditions_unchanged(const struct conditions *conditions, const char *etag);

#endif
