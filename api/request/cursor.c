/* Cursors. */
#include "api/request/cursor.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/base/decimal.h"
#include "core/base/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* What is written goes on from piece to piece. */
struct encoder {
    uint32_t bits;
    unsigned bits_count;
};

/* Writes at most four characters for three bytes, and one more. */
static size_t encode(struct encoder *e, struct slice data, char *out)
{
    const unsigned char *bytes = (const unsigned char *)data.data;
    size_t used = 0;
    size_t i = 0;
    for (; e->bits_count == 0 && i + 3 <= data.bytes; i += 3) { /* most of it */
        out[used++] = alphabet[bytes[i] >> 2];
        out[used++] = alphabet[(bytes[i] & 3) << 4 | bytes[i + 1] >> 4];
        out[used++] = alphabet[(bytes[i + 1] & 15) << 2 | bytes[i + 2] >> 6];
        out[used++] = alphabet[bytes[i + 2] & 63];
    }
    for (; i < data.bytes; i++) {
        e->bits = (e->bits << 8) | bytes[i];
        e->bits_count += 8;
        for (; e->bits_count >= 6; e->bits_count -= 6)
            out[used++] = alphabet[(e->bits >> (e->bits_count - 6)) & 63];
    }
    return used;
}

static size_t encode_end(const struct encoder *e, char *out)
{
    if (e->bits_count == 0)
        return 0;
    out[0] = alphabet[(e->bits << (6 - e->bits_count)) & 63];
    return 1;
}

size_t cursor_encode(enum cursor_kind kind, struct slice payload, char out[CURSOR_TEXT_BYTES])
{
    struct encoder e = {0};
    assert(payload.bytes <= CURSOR_PAYLOAD_BYTES_MAX);
    size_t used = encode(&e, (struct slice){(char[]){(char)kind}, 1}, out);
    used += encode(&e, payload, out + used);
    used += encode_end(&e, out + used);
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

/* ---- of lists ----
 *
 *   version, collection, epoch, fields, rows, settled, sequence, filter, order, id, key*
 *
 * The version is a byte; every other part its length and its bytes, and a key a byte before that which says whether it
 * is null. A length is one byte below 128, and else two: 128 more in the first, and the rest. */

#define KEY_NULL 0
#define KEY_SET 1
#define LENGTH_MAX (128u * 256u - 1)

static void append_byte(struct buffer *out, unsigned byte)
{
    buffer_append(out, (char[]){(char)(unsigned char)byte}, 1);
}

static void append_part(struct buffer *out, struct slice part)
{
    assert(part.bytes <= LENGTH_MAX);
    if (part.bytes >= 128)
        append_byte(out, 128u + (unsigned)(part.bytes >> 8));
    append_byte(out, part.bytes & 255);
    buffer_append_slice(out, part);
}

void cursor_list_append(const struct cursor_list *cursor, struct buffer *out)
{
    struct buffer raw;
    char digits[DECIMAL_UINT_BYTES];
    char text[CURSOR_LIST_TEXT_BYTES + 1];
    struct encoder e = {0};
    buffer_init(&raw, CURSOR_LIST_BYTES_MAX);
    append_byte(&raw, CURSOR_LIST);
    append_part(&raw, cursor->collection);
    append_part(&raw, slice_of(cursor->epoch.text));
    append_part(&raw, slice_of(cursor->fields.text));
    append_part(&raw, slice_of(cursor->first.rows.text));
    append_part(&raw, slice_of(cursor->first.settled));
    append_part(&raw, (struct slice){digits, decimal_uint(cursor->first.sequence, digits)});
    append_part(&raw, cursor->filter);
    append_part(&raw, cursor->order);
    append_part(&raw, cursor->id);
    for (size_t i = 0; i < cursor->keys_count; i++) {
        append_byte(&raw, cursor->keys[i].null ? KEY_NULL : KEY_SET);
        if (!cursor->keys[i].null)
            append_part(&raw, cursor->keys[i].text);
    }
    out->failed |= raw.failed;
    if (!raw.failed) {
        size_t used = encode(&e, (struct slice){raw.data, raw.bytes}, text);
        used += encode_end(&e, text + used);
        buffer_append(out, text, used);
    }
    buffer_free(&raw);
}

/* What is still to be read; `bad` sticks. */
struct part_reader {
    struct slice rest;
    bool bad;
};

static unsigned take_byte(struct part_reader *r)
{
    if (r->rest.bytes == 0) {
        r->bad = true;
        return 0;
    }
    unsigned byte = (unsigned char)r->rest.data[0];
    r->rest = (struct slice){r->rest.data + 1, r->rest.bytes - 1};
    return byte;
}

static struct slice take_part(struct part_reader *r, size_t bytes_max)
{
    size_t bytes = take_byte(r);
    if (bytes >= 128) {
        bytes = ((bytes - 128) << 8) + take_byte(r);
        r->bad |= bytes < 128; /* one length, one spelling */
    }
    if (r->bad || bytes > bytes_max || bytes > r->rest.bytes) {
        r->bad = true;
        return (struct slice){"", 0};
    }
    struct slice part = {r->rest.data, bytes};
    r->bad = !utf8_valid(part);
    r->rest = (struct slice){r->rest.data + bytes, r->rest.bytes - bytes};
    return part;
}

/* A short text of letters and digits, with a NUL. */
static void take_word(struct part_reader *r, char *out, size_t chars_max)
{
    struct slice part = take_part(r, chars_max);
    for (size_t i = 0; i < part.bytes; i++) {
        char c = part.data[i];
        r->bad |= (c < 'a' || c > 'z') && (c < '0' || c > '9');
        out[i] = c;
    }
    out[part.bytes] = '\0';
}

static void take_keys(struct part_reader *r, struct cursor_list *out)
{
    while (r->rest.bytes > 0 && !r->bad) {
        if (out->keys_count == QUERY_ORDER_MAX) {
            r->bad = true;
            return;
        }
        struct cursor_key *key = &out->keys[out->keys_count++];
        unsigned tag = take_byte(r);
        key->null = tag == KEY_NULL;
        r->bad |= tag > KEY_SET;
        if (!key->null)
            key->text = take_part(r, FIELDS_TEXT_BYTES_MAX);
    }
}

bool cursor_list_read(struct slice text, char *room, struct cursor_list *out)
{
    size_t bytes = 0;
    struct cursor_list cursor = {0};
    if (base64url_decode(text, (unsigned char *)room, text.bytes, &bytes) != 0)
        return false;
    struct part_reader r = {.rest = {room, bytes}};
    r.bad = take_byte(&r) != CURSOR_LIST;
    cursor.collection = take_part(&r, EVENT_COLLECTION_BYTES_MAX);
    take_word(&r, cursor.epoch.text, EPOCH_CHARS_MAX);
    take_word(&r, cursor.fields.text, FIELDS_HASH_CHARS);
    take_word(&r, cursor.first.rows.text, ROWS_HASH_CHARS);
    take_word(&r, cursor.first.settled, CURSOR_SETTLED_CHARS_MAX);
    struct slice digits = take_part(&r, DECIMAL_UINT_BYTES);
    r.bad |= !decimal_parse_canonical(digits, UINT64_MAX, &cursor.first.sequence);
    cursor.filter = take_part(&r, FILTER_BYTES_MAX);
    cursor.order = take_part(&r, CURSOR_ORDER_BYTES_MAX);
    cursor.id = take_part(&r, EVENT_ID_BYTES_MAX);
    take_keys(&r, &cursor);
    if (r.bad || cursor.collection.bytes == 0 || cursor.id.bytes == 0)
        return false;
    *out = cursor;
    return true;
}
