/* Preferences of a request (RFC 7240). One that is not understood is ignored, and so is a malformed line. Pure. */
#ifndef STATEGATE_API_REQUEST_PREFER_H
#define STATEGATE_API_REQUEST_PREFER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/http/head.h"
#include "core/base/slice.h"

#define PREFER_VALUE_BYTES_MAX 32u /* more than any value that is understood needs */

struct preference {
    struct slice name;  /* points into the line */
    size_t value_bytes; /* may exceed the array: too long to be understood */
    char value[PREFER_VALUE_BYTES_MAX];
};

/* The first one of this name, in whatever case; the value is unquoted. False: there is none. */
bool prefer_find(const struct http_lines *lines, const char *name, struct preference *out);

#endif
