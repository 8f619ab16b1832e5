/* A growable run of bytes with a limit; appending never fails half-way: the first failure sticks and is asked for
 * once, at the end. Owned by one thread at a time. */
#ifndef STATEGATE_CORE_BASE_BUFFER_H
#define STATEGATE_CORE_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/slice.h"
#include "core/base/status.h"

struct buffer {
    char *data; /* owned; NULL while empty */
    size_t bytes;
    size_t capacity;
    size_t bytes_max; /* growth beyond this fails */
    bool failed;      /* out of memory or beyond bytes_max: the content is not to be used */
};

/* Nothing is allocated yet. */
void buffer_init(struct buffer *b, size_t bytes_max);
/* Free what is owned; may be called on a zeroed struct. */
void buffer_free(struct buffer *b);
/* Forget the content and the failure, keep the memory. */
void buffer_reset(struct buffer *b);
/* Hand the memory to the caller, who frees it with free(); the buffer is empty afterwards. NULL when empty. */
char *buffer_take(struct buffer *b, size_t *bytes);

/* What the next functions do where there is no room, or nothing to append. */
void buffer_grow(struct buffer *b, size_t bytes);
void buffer_append_grow(struct buffer *b, const void *data, size_t bytes);

/* Make room for `bytes` more at once, where much is about to be appended. */
static inline void buffer_reserve(struct buffer *b, size_t bytes)
{
    if (bytes > b->capacity - b->bytes)
        buffer_grow(b, bytes);
}

/* Inline, since an answer is made of many short pieces. */
static inline void buffer_append(struct buffer *b, const void *data, size_t bytes)
{
    if (b->failed || bytes - 1 >= b->capacity - b->bytes) { /* 0 bytes wrap round */
        buffer_append_grow(b, data, bytes);
        return;
    }
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

static inline void buffer_append_slice(struct buffer *b, struct slice s)
{
    buffer_append(b, s.data, s.bytes);
}

static inline void buffer_append_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_append_uint(struct buffer *b, uint64_t value);
void buffer_append_int(struct buffer *b, int64_t value);
void buffer_append_format(struct buffer *b, const char *format, ...) SG_PRINTF(2, 3);
/* What stands between the quotes of a JSON string; the input must be UTF-8 (invalid bytes become U+FFFD). */
void buffer_append_json_text(struct buffer *b, struct slice s);
/* The same with its quotes. */
void buffer_append_json_string(struct buffer *b, struct slice s);

#endif
