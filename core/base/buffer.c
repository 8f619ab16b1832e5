/* A growable run of bytes. */
#include "core/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/utf8.h"

#define BUFFER_FIRST_BYTES 256u

void buffer_init(struct buffer *b, size_t bytes_max)
{
    *b = (struct buffer){.bytes_max = bytes_max};
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    b->data = NULL;
    b->bytes = 0;
    b->capacity = 0;
}

void buffer_reset(struct buffer *b)
{
    b->bytes = 0;
    b->failed = false;
}

char *buffer_take(struct buffer *b, size_t *bytes)
{
    char *data = b->data;
    size_t taken = b->bytes;
    if (taken == 0 || b->failed) { /* half an answer is worth nothing */
        buffer_free(b);
        *bytes = 0;
        return NULL;
    }
    b->data = NULL;
    b->bytes = 0;
    b->capacity = 0;
    *bytes = taken;
    return data;
}

/* Make room for `more` bytes; false, and failed, if that is beyond the limit or the memory. One byte more than the
 * capacity is allocated, for the terminator that vsnprintf() insists on. */
static bool make_room(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (more <= b->capacity - b->bytes)
        return true;
    if (b->bytes > b->bytes_max || more > b->bytes_max - b->bytes || b->bytes + more > SIZE_MAX - 1) {
        b->failed = true;
        return false;
    }
    size_t needed = b->bytes + more;
    size_t capacity = b->capacity < BUFFER_FIRST_BYTES ? BUFFER_FIRST_BYTES : b->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (capacity > b->bytes_max)
        capacity = b->bytes_max;
    if (capacity > SIZE_MAX - 1)
        capacity = SIZE_MAX - 1;
    char *data = realloc(b->data, capacity + 1);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buffer_grow(struct buffer *b, size_t bytes)
{
    (void)make_room(b, bytes);
}

void buffer_append_grow(struct buffer *b, const void *data, size_t bytes)
{
    if (bytes == 0 || !make_room(b, bytes))
        return;
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

void buffer_append_uint(struct buffer *b, uint64_t value)
{
    size_t digits = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10)
        digits++;
    buffer_reserve(b, digits);
    if (b->failed)
        return;
    b->bytes += digits;
    char *end = b->data + b->bytes;
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
}

void buffer_append_int(struct buffer *b, int64_t value)
{
    if (value < 0) {
        buffer_append(b, "-", 1);
        buffer_append_uint(b, 0 - (uint64_t)value); /* unsigned, so that INT64_MIN has a magnitude too */
        return;
    }
    buffer_append_uint(b, (uint64_t)value);
}

void buffer_append_format(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0) {
        b->failed = true;
        return;
    }
    if (needed == 0 || !make_room(b, (size_t)needed))
        return;
    va_start(args, format);
    (void)vsnprintf(b->data + b->bytes, (size_t)needed + 1, format, args);
    va_end(args);
    b->bytes += (size_t)needed;
}

static void buffer_append_json_escape(struct buffer *b, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15u]};
    size_t bytes = 2;
    switch (byte) {
    case '"':
    case '\\': escape[1] = (char)byte; break;
    case '\b': escape[1] = 'b'; break;
    case '\f': escape[1] = 'f'; break;
    case '\n': escape[1] = 'n'; break;
    case '\r': escape[1] = 'r'; break;
    case '\t': escape[1] = 't'; break;
    default: bytes = sizeof escape; break;
    }
    buffer_append(b, escape, bytes);
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* 0 if eight bytes are ASCII, and none of them is a control character, a quote or a backslash. The highest bit of each
 * that is good stays clear, unless one below it is not. */
static uint64_t json_odd(uint64_t bytes)
{
    uint64_t quotes = bytes ^ EACH_BYTE('"');
    uint64_t backslashes = bytes ^ EACH_BYTE('\\');
    uint64_t odd = bytes | (bytes - EACH_BYTE(0x20)) | (quotes - EACH_BYTE(1)) | (backslashes - EACH_BYTE(1));
    return odd & EACH_BYTE(0x80);
}

/* Copy what a JSON string can hold as it is, from the start of `data`; the bytes that were copied. */
static size_t copy_json_run(char *out, const char *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        unsigned char byte = (unsigned char)data[at];
        if (byte < 0x20 || byte == '"' || byte == '\\')
            break;
        size_t step = byte < 0x80 ? 1 : utf8_char_bytes(data + at, bytes - at);
        if (step == 0)
            break;
        for (size_t end = at + step; at < end; at++)
            out[at] = data[at];
    }
    return at;
}

/* The general case; not inlined, so that the usual one needs few registers. */
__attribute__((noinline)) static void append_json_rest(struct buffer *b, struct slice s)
{
    for (size_t at = 0; at < s.bytes; at++) {
        buffer_reserve(b, s.bytes - at); /* no byte of it takes less */
        if (b->failed)
            return;
        size_t run = copy_json_run(b->data + b->bytes, s.data + at, s.bytes - at);
        b->bytes += run;
        at += run;
        if (at == s.bytes)
            return;
        if ((unsigned char)s.data[at] >= 0x80)
            buffer_append_text(b, "\xEF\xBF\xBD");
        else
            buffer_append_json_escape(b, (unsigned char)s.data[at]);
    }
}

void buffer_append_json_text(struct buffer *b, struct slice s)
{
    uint64_t words[2];
    size_t at = 0;
    buffer_reserve(b, s.bytes);
    if (b->failed || s.bytes == 0)
        return;
    char *out = b->data + b->bytes;
    for (; s.bytes - at >= sizeof words; at += sizeof words) {
        memcpy(words, s.data + at, sizeof words);
        if ((json_odd(words[0]) | json_odd(words[1])) != 0)
            break;
        memcpy(out + at, words, sizeof words);
    }
    if (s.bytes - at >= sizeof words[0]) {
        memcpy(words, s.data + at, sizeof words[0]);
        if (json_odd(words[0]) == 0) {
            memcpy(out + at, words, sizeof words[0]);
            at += sizeof words[0];
        }
    }
    b->bytes += at;
    if (at < s.bytes)
        append_json_rest(b, (struct slice){s.data + at, s.bytes - at});
}

void buffer_append_json_string(struct buffer *b, struct slice s)
{
    buffer_append(b, "\"", 1);
    buffer_append_json_text(b, s);
    buffer_append(b, "\"", 1);
}
