/* JSON pointers (RFC 6901), compiled once and followed many times. */
#ifndef STATEGATE_CORE_JSON_POINTER_H
#define STATEGATE_CORE_JSON_POINTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/json/json.h"

/* One step: a member of an object, or an element of an array. */
struct pointer_step {
    struct slice name; /* of the member, without escapes */
    size_t index;      /* of the element, or POINTER_NO_INDEX */
};
#define POINTER_NO_INDEX SIZE_MAX

/* Read-only once made: any thread. */
struct pointer {
    const char *text; /* as it was given */
    size_t steps_count;
    struct pointer_step steps[];
};

/* What is wrong with the form, as a sentence of a refusal ("must ...") in static storage; NULL = nothing. */
const char *pointer_fault(struct slice text);

/* The caller frees `*out` with free(). SG_INVALID, SG_MEMORY. */
SG_MUST_CHECK enum sg_status pointer_compile(struct slice text, struct pointer **out, struct sg_error *err);

/* The value that it points to; NULL = there is none. */
yyjson_val *pointer_get(const struct pointer *pointer, yyjson_val *root);

/* Is the value that `pointer` points to within the one of `outer`, or that one itself? */
bool pointer_is_within(const struct pointer *pointer, const struct pointer *outer);
/* May removing what `removed` points to leave another value where `pointer` points to, or among its elements, as an
 * array then closes up? Whether there is an array only a document tells. */
bool pointer_is_moved(const struct pointer *pointer, const struct pointer *removed);

#endif
