/* Values of declared fields: comparing, reading and writing them. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/decimal.h"
#include "core/base/time.h"
#include "core/domain/fields.h"

#define TIME_DECIMALS_MAX 9 /* nanoseconds */
#define TIME_TEXT_BYTES_MAX (sizeof "2026-01-31T12:00:00.123456789+01:00" - 1)
#define OFFSET_BYTES (sizeof "+01:00" - 1)
#define CLIP_BYTES 60 /* of a text in a message */

int field_value_compare(enum field_type type, const struct field_value *a, const struct field_value *b)
{
    if (type == FIELD_STRING) {
        size_t bytes = a->text.bytes < b->text.bytes ? a->text.bytes : b->text.bytes;
        int order = bytes > 0 ? memcmp(a->text.data, b->text.data, bytes) : 0;
        return order != 0 ? order : (a->text.bytes > b->text.bytes) - (a->text.bytes < b->text.bytes);
    }
    if (type == FIELD_NUMBER)
        return (a->number > b->number) - (a->number < b->number);
    return (a->integer > b->integer) - (a->integer < b->integer);
}

/* ---- as written in a document ---- */

static size_t digits_at(struct slice text, size_t at)
{
    size_t count = 0;
    while (at + count < text.bytes && text.data[at + count] >= '0' && text.data[at + count] <= '9')
        count++;
    return count;
}

/* The bytes of an integer at the beginning, as JSON has it; 0 = there is none. */
static size_t integer_bytes(struct slice text)
{
    size_t sign = text.bytes > 0 && text.data[0] == '-' ? 1 : 0;
    size_t digits = digits_at(text, sign);
    return digits == 0 || (digits > 1 && text.data[sign] == '0') ? 0 : sign + digits;
}

bool field_integer_read(struct slice text, int64_t *out)
{
    return integer_bytes(text) == text.bytes && decimal_parse_int(text, out);
}

/* RFC 8259, section 6. */
static bool is_number(struct slice text)
{
    size_t at = integer_bytes(text);
    if (at == 0)
        return false;
    if (at < text.bytes && text.data[at] == '.') {
        size_t decimals = digits_at(text, at + 1);
        if (decimals == 0)
            return false;
        at += 1 + decimals;
    }
    if (at < text.bytes && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        at += at < text.bytes && (text.data[at] == '+' || text.data[at] == '-') ? 1 : 0;
        size_t digits = digits_at(text, at);
        if (digits == 0)
            return false;
        at += digits;
    }
    return at == text.bytes;
}

/* The usual number is a double of few digits over a power of ten, both exact: so one division is rounded as strtod
 * rounds, and costs a fifth of it. False where there are more digits, or an exponent. */
#define SHORT_DIGITS_MAX 15
static bool read_short(struct slice text, double *out)
{
    static const double powers[SHORT_DIGITS_MAX + 1] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                        1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = text.data[0] == '-';
    uint64_t digits = 0;
    size_t point = text.bytes; /* where it is, or would be */
    if (text.bytes > SHORT_DIGITS_MAX)
        return false;
    for (size_t i = negative ? 1 : 0; i < text.bytes; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit <= 9)
            digits = digits * 10 + digit;
        else if (text.data[i] == '.')
            point = i + 1;
        else
            return false;
    }
    double value = (double)digits / powers[text.bytes - point];
    *out = negative ? -value : value;
    return true;
}

bool field_number_read(struct slice text, double *out)
{
    char copy[FIELDS_TEXT_BYTES_MAX + 1];
    double value = 0;
    if (text.bytes > FIELDS_TEXT_BYTES_MAX || !is_number(text))
        return false;
    if (FLT_EVAL_METHOD != 0 || !read_short(text, &value)) {
        memcpy(copy, text.data, text.bytes);
        copy[text.bytes] = '\0';
        value = strtod(copy, NULL); /* the program sets no locale, so the point is a point */
    }
    if (!isfinite(value))
        return false;
    *out = value == 0 ? 0 : value; /* without its sign */
    return true;
}

bool field_time_read(struct slice text, int64_t *out)
{
    const char *point = text.bytes > 0 ? memchr(text.data, '.', text.bytes) : NULL;
    if (point != NULL && digits_at(text, (size_t)(point - text.data) + 1) > TIME_DECIMALS_MAX)
        return false;
    return time_parse_rfc3339(text, out);
}

/* ---- of a query ---- */

/* A "+" in a query is a space by the time it comes here. */
static bool parse_time(struct slice text, int64_t *out)
{
    char copy[TIME_TEXT_BYTES_MAX];
    if (text.bytes <= OFFSET_BYTES || text.bytes > sizeof copy || text.data[text.bytes - OFFSET_BYTES] != ' ')
        return field_time_read(text, out);
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes - OFFSET_BYTES] = '+';
    return field_time_read((struct slice){copy, text.bytes}, out);
}

static bool parse_boolean(struct slice text, int64_t *out)
{
    bool is_true = slice_equal(text, SLICE_LITERAL("true"));
    *out = is_true;
    return is_true || slice_equal(text, SLICE_LITERAL("false"));
}

static bool parse_string(struct slice text, struct slice *out)
{
    *out = text;
    return text.bytes <= FIELDS_TEXT_BYTES_MAX;
}

/* Its beginning, whole characters of it. */
static struct slice clipped(struct slice text)
{
    size_t bytes = text.bytes > CLIP_BYTES ? CLIP_BYTES : text.bytes;
    while (bytes < text.bytes && bytes > 0 && ((unsigned char)text.data[bytes] & 0xC0) == 0x80)
        bytes--;
    return (struct slice){text.data, bytes};
}

enum sg_status field_value_parse(enum field_type type, struct slice text, struct field_value *out,
                                 struct sg_error *err)
{
    static const char *const wanted[] = {
        [FIELD_STRING] = "a string of at most 512 bytes",
        [FIELD_INTEGER] = "an integer of 64 bits, without decimals and exponent",
        [FIELD_NUMBER] = "a number that a double can hold, such as 12, -0.5 or 1e3",
        [FIELD_BOOLEAN] = "true or false",
        [FIELD_TIME] = "a time such as 2026-01-31T12:00:00Z, with at most 9 decimals, from 1677 to 2262",
    };
    struct field_value value = {.state = FIELD_SET};
    bool good = false;
    switch (type) {
    case FIELD_STRING: good = parse_string(text, &value.text); break;
    case FIELD_INTEGER: good = field_integer_read(text, &value.integer); break;
    case FIELD_NUMBER: good = field_number_read(text, &value.number); break;
    case FIELD_BOOLEAN: good = parse_boolean(text, &value.integer); break;
    case FIELD_TIME: good = parse_time(text, &value.integer); break;
    case FIELD_TYPES_COUNT: break;
    }
    if (!good)
        return sg_fail(err, SG_INVALID, "must be %s, not %.*s%s", wanted[type], SLICE_ARGS(clipped(text)),
                       text.bytes > CLIP_BYTES ? "..." : "");
    *out = value;
    return SG_OK;
}
_Static_assert(FIELDS_TEXT_BYTES_MAX == 512 && TIME_DECIMALS_MAX == 9, "the sentences above name them");

static void append_time(int64_t ns, struct buffer *out)
{
    int64_t fraction = ns % NS_PER_S;
    time_t seconds = (time_t)(ns / NS_PER_S - (fraction < 0 ? 1 : 0));
    struct tm parts = {0};
    char date[sizeof "2026-01-31T12:00:00"];
    (void)gmtime_r(&seconds, &parts); /* of years with four digits it cannot fail */
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_append_format(out, "%s.%09" PRId64 "Z", date, fraction < 0 ? fraction + NS_PER_S : fraction);
}

void field_value_append(enum field_type type, const struct field_value *value, struct buffer *out)
{
    switch (type) {
    case FIELD_STRING: buffer_append_slice(out, value->text); return;
    case FIELD_INTEGER: buffer_append_int(out, value->integer); return;
    case FIELD_NUMBER: buffer_append_format(out, "%.17g", value->number); return;
    case FIELD_BOOLEAN: buffer_append_text(out, value->integer != 0 ? "true" : "false"); return;
    case FIELD_TIME: append_time(value->integer, out); return;
    case FIELD_TYPES_COUNT: return;
    }
}
