/* If-None-Match (RFC 9110, section 13.1.2): a strict parse and the weak comparison. Pure functions. */
#ifndef STATEGATE_API_REQUEST_CONDITIONS_H
#define STATEGATE_API_REQUEST_CONDITIONS_H

#include <stdbool.h>

#include "api/http/head.h"
#include "core/base/status.h"

/* Whether these are lines of If-None-Match that `etag` (with its quotes; NULL = none) meets: then the answer is 304.
 * SG_INVALID if it is malformed. */
SG_MUST_CHECK enum sg_status conditions_unchanged(const struct http_lines *lines, const char *etag, bool *unchanged,
                                                  struct sg_error *err);

#endif
