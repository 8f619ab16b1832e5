/* A borrowed run of bytes: not terminated, never owned. Whoever hands one out says how long it is valid. */
#ifndef STATEGATE_CORE_BASE_SLICE_H
#define STATEGATE_CORE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t bytes;
};

/* For "%.*s". */
#define SLICE_ARGS(s) (int)(s).bytes, ((s).data != NULL ? (s).data : "")
#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text != NULL ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

#endif
