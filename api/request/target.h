/* From a raw request target to path segments and query parameters: strict, so that no two readers of one target can
 * understand it differently. */
#ifndef STATEGATE_API_REQUEST_TARGET_H
#define STATEGATE_API_REQUEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/fields.h"

#define TARGET_BYTES_MAX 6144   /* the longest collection, percent-encoded, and the longest cursor: query.h */
#define TARGET_SEGMENTS_MAX 8   /* no route is deeper than 4 */
#define TARGET_PARAMS_MAX 32    /* as many as HTTP_FIELDS_MAX lets through */
#define PARAM_LIMIT_DEFAULT 100
#define PARAM_LIMIT_MAX 1000

struct param {
    struct slice name;
    struct slice value;
};

struct target {
    size_t segments_count; /* may exceed the array: deeper than any route */
    struct slice segments[TARGET_SEGMENTS_MAX];
    size_t params_count;
    struct param params[TARGET_PARAMS_MAX];
    bool repeats; /* two of them have one name */
};

/* Parse a request target in origin form, or in absolute form, whose scheme and authority are dropped. Segments and
 * parameters are percent-decoded in place, one by one, so `%2F` never splits a segment; in parameters `+` is a space.
 * The slices of `out` point into `text`. SG_INVALID says what is wrong: a fragment, `*`, a character that must be
 * percent-encoded, a bad percent-encoding, %00, bytes that are not UTF-8, a parameter without `=`, too many of them. */
SG_MUST_CHECK enum sg_status target_parse(char *text, size_t bytes, struct target *out, struct sg_error *err);

/* The same of parameters alone, as of a filter in a body: what stands after "?". */
SG_MUST_CHECK enum sg_status target_parse_params(char *text, size_t bytes, struct target *out, struct sg_error *err);

/* The value of a parameter, of several the first; false if it is absent. */
bool target_param(const struct target *target, const char *name, struct slice *value);

/* Refuse a parameter that is repeated, but a field of a collection that declares `fields` (NULL: no parameter is a
 * field, not even a built-in one). SG_INVALID names it. */
SG_MUST_CHECK enum sg_status target_check_repeats(const struct target *target, const struct field_set *fields,
                                                  struct sg_error *err);

/* Percent-encode all but what stands for itself everywhere (RFC 3986, unreserved). */
void target_append(struct buffer *out, struct slice text);

/* A collection or an id as a path segment: not empty, not "." or "..", at most `bytes_max` bytes. SG_INVALID names it.
 */
SG_MUST_CHECK enum sg_status segment_check(struct slice segment, size_t bytes_max, const char *what,
                                           struct sg_error *err);

/* `limit`: 1..PARAM_LIMIT_MAX, decimal; PARAM_LIMIT_DEFAULT where it is absent. */
SG_MUST_CHECK enum sg_status param_limit(const struct target *target, size_t *limit, struct sg_error *err);

/* Seconds as a decimal with at most 3 places and without sign or exponent, at most PARAM_SECONDS_MAX. */
#define PARAM_SECONDS_MAX 1000000000
SG_MUST_CHECK enum sg_status param_seconds(struct slice value, const char *name, int64_t *out_ns,
                                           struct sg_error *err);

#endif
