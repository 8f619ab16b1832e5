/* Cursors. */
#include "api/request/cursor.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t cursor_encode(enum cursor_kind kind, struct slice payload, char out[CURSOR_TEXT_BYTES])
{
    uint32_t bits = (uint32_t)kind;
    unsigned bits_count = 8;
    size_t used = 0;
    assert(payload.bytes <= CURSOR_PAYLOAD_BYTES_MAX);
    for (size_t i = 0;; i++) {
        for (; bits_count >= 6; bits_count -= 6)
            out[used++] = alphabet[(bits >> (bits_count - 6)) & 63];
        if (i == payload.bytes)
            break;
        bits = (bits << 8) | (unsigned char)payload.data[i];
        bits_count += 8;
    }
    if (bits_count > 0)
        out[used++] = alphabet[(bits << (6 - bits_count)) & 63];
    out[used] = '\0';
    return used;
}

static int digit_value(char c)
{
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

/* Strict: no padding, no spare bits that are set, so that one cursor has one spelling. -1 if it is none. */
static int base64url_decode(struct slice text, unsigned char *out, size_t room, size_t *bytes)
{
    uint32_t bits = 0;
    unsigned bits_count = 0;
    size_t used = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        int digit = digit_value(text.data[i]);
        if (digit < 0)
            return -1;
        bits = (bits << 6) | (uint32_t)digit;
        bits_count += 6;
        if (bits_count >= 8) {
            if (used == room)
                return -1;
            bits_count -= 8;
            out[used++] = (unsigned char)(bits >> bits_count);
        }
    }
    *bytes = used;
    return bits_count < 6 && (bits & ((1u << bits_count) - 1)) == 0 ? 0 : -1;
}

enum sg_status cursor_decode(enum cursor_kind kind, struct slice text, char *out, size_t *bytes, struct sg_error *err)
{
    unsigned char raw[CURSOR_PAYLOAD_BYTES_MAX + 1];
    size_t raw_bytes = 0;
    if (base64url_decode(text, raw, sizeof raw, &raw_bytes) != 0 || raw_bytes < 2 || raw[0] != (unsigned char)kind)
        return sg_fail(err, SG_INVALID, "the parameter 'cursor' is not one that this page gave");
    memcpy(out, raw + 1, raw_bytes - 1);
    *bytes = raw_bytes - 1;
    return SG_OK;
}
