/* Conditions of a request (RFC 9110, section 13): read strictly, once. Pure functions. */
#ifndef STATEGATE_API_REQUEST_CONDITIONS_H
#define STATEGATE_API_REQUEST_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/http/head.h"
#include "core/base/status.h"

/* Zeroed = there is none. */
struct conditions {
    bool given;                             /* there is one at all */
    bool dated;                             /* one of them needs to know when the answer was modified */
    const struct http_lines *if_match;      /* borrowed; NULL = none. Lists of entity-tags, all well-formed, or `*` */
    const struct http_lines *if_none_match; /* likewise */
    const struct slice *modified_since;     /* borrowed; NULL = none. As it came: a date that is none is ignored */
    const struct slice *unmodified_since;   /* likewise */
};

/* The fields are borrowed for as long as `out` is used. SG_INVALID, with the header's name: a list that is malformed or
 * stands on too many lines, a date that is repeated. */
SG_MUST_CHECK enum sg_status conditions_parse(const struct http_fields *fields, struct conditions *out,
                                              struct sg_error *err);

enum condition_result {
    CONDITIONS_MET,       /* answer as if there were none */
    CONDITIONS_UNCHANGED, /* 304 */
    CONDITIONS_FAILED,    /* 412 */
};

/* Of a GET or HEAD that would be answered by 200, in the order of RFC 9110, section 13.2.2. `etag`: with its quotes, a
 * digit or lower-case letter between them, and W/ before them if it is weak; NULL = none. `modified_s`: seconds since
 * 1970; NULL = not known. `now_s` tells which century a year of two digits belongs to. */
enum condition_result conditions_check(const struct conditions *conditions, const char *etag,
                                       const int64_t *modified_s, int64_t now_s);

#endif
