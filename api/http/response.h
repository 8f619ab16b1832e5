/* One answer as a plain value: handlers fill it, the loop sends it. */
#ifndef STATEGATE_API_HTTP_RESPONSE_H
#define STATEGATE_API_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"

#define RESPONSE_HEADERS_MAX 24
#define RESPONSE_TEXT_BYTES 3072 /* a Link with the longest cursor, a State-Gap with all its gaps, and the numbers */

struct response_header {
    const char *name;
    const char *value;
};

struct response {
    unsigned status;
    bool close;  /* end the connection behind this answer */
    bool failed; /* out of memory or of room: not to be sent */
    bool park;   /* no answer yet: the request waits, see its `parked` */
    int64_t made_ns; /* boot clock: when what it claims was looked at; 0 = it claims nothing */
    size_t headers_count;
    struct response_header headers[RESPONSE_HEADERS_MAX];
    const char *body;
    size_t body_bytes;
    void (*body_end)(void *owner); /* called when the body was sent; NULL = it lives for ever */
    void *body_owner;
    size_t text_bytes; /* used of text */
    char text[RESPONSE_TEXT_BYTES]; /* header values that were made for this answer */
};

/* Status 200, no headers, no body. */
void response_init(struct response *r);
/* Free the body. */
void response_free(struct response *r);

/* `value` must live until the answer is sent: static text, `text`, or a turn's. */
void response_header(struct response *r, const char *name, const char *value);
/* The value is copied. */
void response_header_bytes(struct response *r, const char *name, const char *value, size_t bytes);
void response_header_uint(struct response *r, const char *name, uint64_t value);

/* Take the buffer's content as the body; a failed buffer fails the response. */
void response_body_take(struct response *r, struct buffer *body);
/* A copy of `data`. */
void response_body_copy(struct response *r, const void *data, size_t bytes);
/* `data` itself, until `end(owner)` is called. */
void response_body_borrow(struct response *r, const void *data, size_t bytes, void (*end)(void *owner), void *owner);
void response_body_static(struct response *r, const void *data, size_t bytes);

#endif
