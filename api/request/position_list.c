/* Lists of positions, as Min-Position and min_position carry them. */
#include "api/request/position_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/decimal.h"
#include "core/base/utf8.h"

/* A list that is being read: sf-list of RFC 9651 section 3.1, without inner lists and parameters that mean nothing.
 *
 *   list   = *SP member *( OWS "," OWS member ) OWS
 *   member = ( token / string / display-string ) *( ";" *SP "epoch=" token ) */
struct list_reader {
    const char *what;
    char *at;
    char *end;
    struct sg_error *err;
};

#define CLIP_BYTES 64u /* of the client's text, in a sentence */
#define CLIPPED(s) (int)((s).bytes < CLIP_BYTES ? (s).bytes : CLIP_BYTES), ((s).data != NULL ? (s).data : "")

SG_PRINTF(2, 3) static enum sg_status read_refuse(const struct list_reader *r, const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return sg_fail(r->err, SG_INVALID, "%s: %s", r->what, reason);
}

static bool read_sees(const struct list_reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

static bool read_takes(struct list_reader *r, char c)
{
    if (!read_sees(r, c))
        return false;
    r->at++;
    return true;
}

static void read_skip_spaces(struct list_reader *r)
{
    while (read_sees(r, ' '))
        r->at++;
}

static void read_skip_white_space(struct list_reader *r)
{
    while (read_sees(r, ' ') || read_sees(r, '\t'))
        r->at++;
}

static struct slice read_token(struct list_reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && (r->at == begin ? position_begins_token(*r->at) : position_continues_token(*r->at)))
        r->at++;
    return (struct slice){begin, (size_t)(r->at - begin)};
}

/* After the opening quote. */
static enum sg_status read_string(struct list_reader *r, struct slice *out)
{
    char *begin = r->at;
    char *used = begin;
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '"') {
            *out = (struct slice){begin, (size_t)(used - begin)};
            return SG_OK;
        }
        if (c < 0x20 || c > 0x7E)
            return read_refuse(r, "a string holds the byte 0x%02X, which takes a display string, %%\"...\"",
                               (unsigned char)c);
        if (c == '\\') {
            if (!read_sees(r, '"') && !read_sees(r, '\\'))
                return read_refuse(r, "a backslash in a string is followed by neither a quote nor a backslash");
            c = *r->at++;
        }
        *used++ = c;
    }
    return read_refuse(r, "a string has no closing quote");
}

/* Lower case only, as the RFC has it. -1 = none. */
static int read_hex_digit(struct list_reader *r)
{
    if (r->at == r->end)
        return -1;
    char c = *r->at++;
    if (position_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After the opening percent sign and quote. */
static enum sg_status read_display_string(struct list_reader *r, struct slice *out)
{
    char *begin = r->at;
    char *used = begin;
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '"') {
            *out = (struct slice){begin, (size_t)(used - begin)};
            return utf8_valid(*out) ? SG_OK : read_refuse(r, "a display string is not UTF-8");
        }
        if (c < 0x20 || c > 0x7E)
            return read_refuse(r, "a display string holds the byte 0x%02X, not percent-encoded", (unsigned char)c);
        if (c == '%') {
            int high = read_hex_digit(r);
            int low = read_hex_digit(r);
            if (high < 0 || low < 0)
                return read_refuse(r, "a '%%' in a display string lacks two lower-case hexadecimal digits");
            c = (char)(high * 16 + low);
        }
        *used++ = c;
    }
    return read_refuse(r, "a display string has no closing quote");
}

static enum sg_status read_value(struct list_reader *r, struct slice *out)
{
    if (read_takes(r, '"'))
        return read_string(r, out);
    if (r->end - r->at >= 2 && r->at[0] == '%' && r->at[1] == '"') {
        r->at += 2;
        return read_display_string(r, out);
    }
    *out = read_token(r);
    if (out->bytes > 0)
        return SG_OK;
    if (r->at == r->end || *r->at == ',')
        return read_refuse(r, "a member of the list is empty");
    if (*r->at == '(')
        return read_refuse(r, "inner lists mean nothing here");
    return read_refuse(r, "'%.*s' does not begin like a token: put name:sequence into quotes",
                       CLIPPED(((struct slice){r->at, (size_t)(r->end - r->at)})));
}

static enum sg_status read_name_and_sequence(const struct list_reader *r, struct slice value,
                                             struct position_member *out)
{
    const char *colon = value.bytes > 0 ? memrchr(value.data, ':', value.bytes) : NULL;
    if (colon == NULL)
        return read_refuse(r, "'%.*s' is not name:sequence", CLIPPED(value));
    out->name = (struct slice){value.data, (size_t)(colon - value.data)};
    struct slice digits = {colon + 1, value.bytes - out->name.bytes - 1};
    if (out->name.bytes < 1 || out->name.bytes > POSITION_NAME_BYTES_MAX)
        return read_refuse(r, "'%.*s' does not begin with a name of 1 to %d bytes", CLIPPED(value),
                           POSITION_NAME_BYTES_MAX);
    if (memchr(out->name.data, '\0', out->name.bytes) != NULL)
        return read_refuse(r, "a name holds the character NUL");
    if (!decimal_parse_canonical(digits, INT64_MAX, &out->sequence))
        return read_refuse(r, "'%.*s' does not end in a sequence, digits from 0 to 2^63-1 without leading zeros",
                           CLIPPED(value));
    return SG_OK;
}

static struct slice read_key(struct list_reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end) {
        char c = *r->at;
        bool first = (c >= 'a' && c <= 'z') || c == '*';
        if (!first && (r->at == begin || !(position_is_digit(c) || c == '_' || c == '-' || c == '.')))
            break;
        r->at++;
    }
    return (struct slice){begin, (size_t)(r->at - begin)};
}

static enum sg_status read_parameters(struct list_reader *r, struct epoch *out)
{
    out->text[0] = '\0';
    while (read_takes(r, ';')) {
        read_skip_spaces(r);
        struct slice key = read_key(r);
        if (key.bytes == 0)
            return read_refuse(r, "a ';' has no parameter after it");
        if (!slice_equal(key, SLICE_LITERAL("epoch")))
            return read_refuse(r, "the parameter '%.*s' is not known", CLIPPED(key));
        if (out->text[0] != '\0')
            return read_refuse(r, "the parameter 'epoch' is repeated");
        if (!read_takes(r, '=') || !epoch_parse(read_token(r), out))
            return read_refuse(r, "the parameter 'epoch' is not a lower-case letter and 5 to 11 of a-z0-9, unquoted");
    }
    return SG_OK;
}

static enum sg_status read_member(struct list_reader *r, struct position_member *members, size_t count)
{
    struct slice value = {0};
    enum sg_status status = read_value(r, &value);
    if (status == SG_OK)
        status = read_name_and_sequence(r, value, &members[count]);
    if (status == SG_OK)
        status = read_parameters(r, &members[count].epoch);
    for (size_t i = 0; status == SG_OK && i < count; i++) {
        if (slice_equal(members[i].name, members[count].name))
            status = read_refuse(r, "the stream '%.*s' is named twice", CLIPPED(members[i].name));
    }
    return status;
}

enum sg_status position_list_parse(char *text, size_t bytes, const char *what, struct position_member *members,
                                   size_t members_max, size_t *count, struct sg_error *err)
{
    struct list_reader r = {.what = what, .at = text, .end = text + bytes, .err = err};
    size_t used = 0;
    read_skip_spaces(&r);
    for (;;) {
        if (used == members_max)
            return read_refuse(&r, "more than %zu streams are named", members_max);
        enum sg_status status = read_member(&r, members, used);
        if (status != SG_OK)
            return status;
        used++;
        read_skip_white_space(&r);
        if (!read_takes(&r, ','))
            break;
        read_skip_white_space(&r);
    }
    if (r.at < r.end)
        return read_refuse(&r, "after '%.*s' there is neither a comma nor the end", CLIPPED(members[used - 1].name));
    *count = used;
    return SG_OK;
}
