/* Answers. */
#include "api/http/response.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/decimal.h"

void response_init(struct response *r)
{
    r->status = 200;
    r->close = false;
    r->failed = false;
    r->made_ns = 0;
    r->headers_count = 0;
    r->body = NULL;
    r->body_bytes = 0;
    r->body_end = NULL;
    r->producer = NULL;
    r->kept = NULL;
    r->text_bytes = 0; /* the text itself is written before it is read */
}

static void body_free(struct response *r)
{
    if (r->body_end != NULL)
        r->body_end(r->body_owner);
    if (r->producer != NULL)
        r->producer->stop(r->producer_self);
    r->body = NULL;
    r->body_bytes = 0;
    r->body_end = NULL;
    r->producer = NULL;
}

void response_free(struct response *r)
{
    body_free(r);
    if (r->kept != NULL)
        free(r->kept);
    r->kept = NULL;
}

void response_keep(struct response *r)
{
    size_t bytes = 1;
    for (size_t i = 0; i < r->headers_count; i++)
        bytes += strlen(r->headers[i].value) + 1;
    char *kept = malloc(bytes);
    if (kept == NULL) {
        r->failed = true;
        r->headers_count = 0;
        return;
    }
    for (size_t i = 0, at = 0; i < r->headers_count; i++) {
        size_t value_bytes = strlen(r->headers[i].value) + 1;
        memcpy(kept + at, r->headers[i].value, value_bytes);
        r->headers[i].value = kept + at;
        at += value_bytes;
    }
    free(r->kept);
    r->kept = kept;
}

void response_header(struct response *r, const char *name, const char *value)
{
    if (r->headers_count == RESPONSE_HEADERS_MAX) {
        r->failed = true;
        return;
    }
    r->headers[r->headers_count++] = (struct response_header){name, value};
}

char *response_room(struct response *r, size_t bytes)
{
    if (bytes <= RESPONSE_TEXT_BYTES - r->text_bytes)
        return r->text + r->text_bytes;
    r->failed = true;
    return NULL;
}

void response_room_used(struct response *r, size_t bytes)
{
    r->text_bytes += bytes;
}

void response_header_bytes(struct response *r, const char *name, const char *value, size_t bytes)
{
    char *copy = r->text + r->text_bytes;
    if (bytes >= RESPONSE_TEXT_BYTES - r->text_bytes) {
        r->failed = true;
        return;
    }
    memcpy(copy, value, bytes);
    copy[bytes] = '\0';
    r->text_bytes += bytes + 1;
    response_header(r, name, copy);
}

void response_header_uint(struct response *r, const char *name, uint64_t value)
{
    char digits[DECIMAL_UINT_BYTES];
    response_header_bytes(r, name, digits, decimal_uint(value, digits));
}

void response_body_borrow(struct response *r, const void *data, size_t bytes, void (*end)(void *owner), void *owner)
{
    body_free(r);
    r->body = data;
    r->body_bytes = bytes;
    r->body_end = end;
    r->body_owner = owner;
}

void response_body_take(struct response *r, struct buffer *body)
{
    size_t bytes = 0;
    if (body->failed) {
        body_free(r);
        r->failed = true;
        buffer_free(body);
        return;
    }
    char *data = buffer_take(body, &bytes);
    response_body_borrow(r, data, bytes, free, data);
}

void response_body_copy(struct response *r, const void *data, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1);
    if (copy == NULL) {
        body_free(r);
        r->failed = true;
        return;
    }
    if (bytes > 0)
        memcpy(copy, data, bytes);
    response_body_borrow(r, copy, bytes, free, copy);
}

void response_body_static(struct response *r, const void *data, size_t bytes)
{
    response_body_borrow(r, data, bytes, NULL, NULL);
}

void response_body_produce(struct response *r, const struct producer *producer, void *self)
{
    body_free(r);
    r->producer = producer;
    r->producer_self = self;
}
