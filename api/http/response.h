/* One answer as a plain value: handlers fill it, the loop sends it. */
#ifndef STATEGATE_API_HTTP_RESPONSE_H
#define STATEGATE_API_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"

#define RESPONSE_HEADERS_MAX 26
#define RESPONSE_TEXT_BYTES 3104 /* a Link with the longest cursor, a State-Gap with all its gaps, and the numbers */

struct response_header {
    const char *name;
    const char *value;
};

/* What a producer puts its next piece of the body in: `data` has `room` bytes, and at least one of them is used. */
struct chunk {
    char *data;
    size_t room;
    size_t bytes; /* to be set */
};

enum produced {
    PRODUCED_CHUNK,  /* `bytes` of `data` are to be sent */
    PRODUCED_LATER,  /* nothing yet: http_connection_resume() has it asked again */
    PRODUCED_END,    /* the body is complete */
    PRODUCED_FAILED, /* it will never be: the connection is cut off, so that the client sees it. An HTTP/1.0 client on a
                        unix socket does not: there is no reset there, and its body has no other end */
};

/* Makes a body while it is sent. It is asked for the next chunk when all before it was taken, so a client that does not
 * read keeps one chunk in memory and no more. Both on the loop's thread (`stop` of what is left after http_stop on that
 * of http_destroy); neither blocks. */
struct producer {
    enum produced (*next)(void *self, struct chunk *out);
    /* Once, however it ends: also when nothing was ever asked for (HEAD, no memory, the client gone). Before the
     * handler's `forget`. */
    void (*stop)(void *self);
};

/* A body is bytes that the response owns, bytes that it borrows, or produced. */
struct response {
    unsigned status;
    bool close;  /* end the connection after this answer */
    bool failed; /* out of memory or of room: not to be sent */
    int64_t made_ns; /* boot clock: when the facts in its headers were read; 0 = it has none */
    size_t headers_count;
    struct response_header headers[RESPONSE_HEADERS_MAX];
    const char *body;
    size_t body_bytes;
    void (*body_end)(void *owner); /* called when the body was sent; NULL = it is never freed */
    void *body_owner;
    const struct producer *producer; /* NULL = the body is there */
    void *producer_self;
    char *kept;        /* owned; header values of response_keep; NULL = none */
    size_t text_bytes; /* used of text */
    char text[RESPONSE_TEXT_BYTES]; /* header values that were made for this answer */
};

/* Status 200, no headers, no body. */
void response_init(struct response *r);
/* Free the body, or stop its producer. */
void response_free(struct response *r);
/* Make it independent of where it was made: its header values are copied, so that it outlives the snapshot that they
 * point at, and may be assigned to another struct response, which then owns it. */
void response_keep(struct response *r);

/* `value` must live until the answer is sent: static text, `text`, or a snapshot's. */
void response_header(struct response *r, const char *name, const char *value);
/* Room for a value that is made in place, of up to `bytes` bytes with its NUL; NULL, and the response fails, where
 * there is none. Then: how many of them were used. */
char *response_room(struct response *r, size_t bytes);
void response_room_used(struct response *r, size_t bytes);
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
/* What `producer` makes of `self`, in chunks; to an HTTP/1.0 client until the connection closes. */
void response_body_produce(struct response *r, const struct producer *producer, void *self);

#endif
