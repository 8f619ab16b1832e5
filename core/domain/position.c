/* Positions and epochs. First epochs, then positions written, then lists of them read. */
#include "core/domain/position.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/digest.h"
#include "core/base/utf8.h"

#define EPOCH_HASH_CHARS 6
#define EPOCH_INPUT_BYTES_MAX (64u << 10)
#define EPOCH_CHARS_MIN 6
static const char epoch_alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
#define EPOCH_LETTERS 26u
#define EPOCH_ALPHABET_CHARS 36u

/* A letter first, so that the epoch is an RFC 9651 token; then all of the alphabet. */
static void epoch_spell(const unsigned char digest[DIGEST_BYTES], char out[EPOCH_HASH_CHARS])
{
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof value; i++)
        value = value << 8 | digest[i];
    out[0] = epoch_alphabet[value % EPOCH_LETTERS];
    value /= EPOCH_LETTERS;
    for (size_t i = 1; i < EPOCH_HASH_CHARS; i++) {
        out[i] = epoch_alphabet[value % EPOCH_ALPHABET_CHARS];
        value /= EPOCH_ALPHABET_CHARS;
    }
}

void epoch_make(const char *stream, int64_t created_ns, const char *suffix, struct epoch *out)
{
    struct buffer input;
    unsigned char digest[DIGEST_BYTES];
    char hash[EPOCH_HASH_CHARS];
    out->text[0] = '\0';
    buffer_init(&input, EPOCH_INPUT_BYTES_MAX);
    buffer_append(&input, stream, strlen(stream) + 1); /* with the NUL: no name can imitate name and time */
    buffer_append_int(&input, created_ns);
    if (!input.failed && digest_sha256((struct slice){input.data, input.bytes}, digest, NULL) == SG_OK) {
        epoch_spell(digest, hash);
        (void)snprintf(out->text, sizeof out->text, "%.*s%s", EPOCH_HASH_CHARS, hash, suffix != NULL ? suffix : "");
    }
    buffer_free(&input);
}

enum sg_status epoch_random_suffix(char out[EPOCH_SUFFIX_CHARS + 1], struct sg_error *err)
{
    char suffix[EPOCH_SUFFIX_CHARS + 1] = {0};
    size_t chars = 0;
    while (chars < EPOCH_SUFFIX_CHARS) {
        unsigned char byte;
        if (getrandom(&byte, sizeof byte, 0) != 1) {
            if (errno == EINTR)
                continue;
            return sg_fail(err, SG_UNAVAILABLE, "no random numbers: %s", strerror(errno));
        }
        if (byte < 256 / EPOCH_ALPHABET_CHARS * EPOCH_ALPHABET_CHARS) /* the rest would favour the first letters */
            suffix[chars++] = epoch_alphabet[byte % EPOCH_ALPHABET_CHARS];
    }
    memcpy(out, suffix, sizeof suffix);
    return SG_OK;
}

bool epoch_equal(const struct epoch *a, const struct epoch *b)
{
    return strcmp(a->text, b->text) == 0;
}

static bool position_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool position_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9651 section 3.3.4: what a token begins with, and what it goes on with. */
static bool position_begins_token(char c)
{
    return position_is_alpha(c) || c == '*';
}

static bool position_continues_token(char c)
{
    return position_is_alpha(c) || position_is_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~:/", c) != NULL);
}

/* For the name; what follows it (':' and digits) always fits. */
static bool position_is_token(struct slice name)
{
    if (name.bytes == 0 || !position_begins_token(name.data[0]))
        return false;
    for (size_t i = 1; i < name.bytes; i++) {
        if (!position_continues_token(name.data[i]))
            return false;
    }
    return true;
}

static bool position_is_printable(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] < 0x20 || name.data[i] > 0x7E)
            return false;
    }
    return true;
}

static void position_append_string(struct buffer *out, struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] == '"' || name.data[i] == '\\')
            buffer_append(out, "\\", 1);
        buffer_append(out, name.data + i, 1);
    }
}

static void position_append_percent(struct buffer *out, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buffer_append_format(out, "%%%02x", (unsigned)(unsigned char)data[i]);
}

/* RFC 9651 section 4.1.11. It must decode to Unicode, so a byte that is no UTF-8 becomes U+FFFD. */
static void position_append_display(struct buffer *out, struct slice name)
{
    size_t at = 0;
    while (at < name.bytes) {
        const char *c = name.data + at;
        size_t step = utf8_char_bytes(c, name.bytes - at);
        if (step == 0)
            position_append_percent(out, "\xEF\xBF\xBD", 3);
        else if (step > 1 || *c < 0x20 || *c > 0x7E || *c == '%' || *c == '"')
            position_append_percent(out, c, step);
        else
            buffer_append(out, c, 1);
        at += step > 0 ? step : 1;
    }
}

void position_append(struct buffer *out, const char *stream, uint64_t sequence, const struct epoch *epoch)
{
    struct slice name = slice_of(stream);
    const char *quote = "\"";
    if (position_is_token(name)) {
        quote = "";
        buffer_append_slice(out, name);
    } else if (position_is_printable(name)) {
        buffer_append_text(out, "\"");
        position_append_string(out, name);
    } else {
        buffer_append_text(out, "%\"");
        position_append_display(out, name);
    }
    buffer_append_text(out, ":");
    buffer_append_uint(out, sequence);
    buffer_append_text(out, quote);
    if (epoch->text[0] != '\0') {
        buffer_append_text(out, ";epoch=");
        buffer_append_text(out, epoch->text);
    }
}

/* A list that is being read: sf-list of RFC 9651 section 3.1, without inner lists and parameters that mean nothing.
 *
 *   list   = *SP member *( OWS "," OWS member ) OWS
 *   member = ( token / string / display-string ) *( ";" *SP "epoch=" token ) */
struct position_reader {
    const char *what;
    char *at;
    char *end;
    struct sg_error *err;
};

#define CLIP_BYTES 64u /* of the client's text, in a sentence */
#define CLIPPED(s) (int)((s).bytes < CLIP_BYTES ? (s).bytes : CLIP_BYTES), ((s).data != NULL ? (s).data : "")

SG_PRINTF(2, 3) static enum sg_status read_refuse(const struct position_reader *r, const char *format, ...)
{
    char reason[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return sg_fail(r->err, SG_INVALID, "%s: %s", r->what, reason);
}

static bool read_sees(const struct position_reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

static bool read_takes(struct position_reader *r, char c)
{
    if (!read_sees(r, c))
        return false;
    r->at++;
    return true;
}

static void read_skip_spaces(struct position_reader *r)
{
    while (read_sees(r, ' '))
        r->at++;
}

static void read_skip_white_space(struct position_reader *r)
{
    while (read_sees(r, ' ') || read_sees(r, '\t'))
        r->at++;
}

static struct slice read_token(struct position_reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && (r->at == begin ? position_begins_token(*r->at) : position_continues_token(*r->at)))
        r->at++;
    return (struct slice){begin, (size_t)(r->at - begin)};
}

/* Behind the opening quote. */
static enum sg_status read_string(struct position_reader *r, struct slice *out)
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
                return read_refuse(r, "a backslash in a string has neither a quote nor a backslash behind it");
            c = *r->at++;
        }
        *used++ = c;
    }
    return read_refuse(r, "a string has no closing quote");
}

/* Lower case only, as the RFC has it. -1 = none. */
static int read_hex_digit(struct position_reader *r)
{
    if (r->at == r->end)
        return -1;
    char c = *r->at++;
    if (position_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind the opening percent sign and quote. */
static enum sg_status read_display_string(struct position_reader *r, struct slice *out)
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

static enum sg_status read_value(struct position_reader *r, struct slice *out)
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

bool position_number(struct slice text, uint64_t *out)
{
    uint64_t value = 0;
    if (text.bytes < 1 || text.bytes > 19 || (text.data[0] == '0' && text.bytes > 1)) /* 19 digits: no overflow */
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        if (!position_is_digit(text.data[i]))
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > INT64_MAX)
        return false;
    *out = value;
    return true;
}

static enum sg_status read_name_and_sequence(const struct position_reader *r, struct slice value,
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
    if (!position_number(digits, &out->sequence))
        return read_refuse(r, "'%.*s' does not end in a sequence, digits from 0 to 2^63-1 without leading zeros",
                           CLIPPED(value));
    return SG_OK;
}

static bool epoch_parse(struct slice text, struct epoch *out)
{
    if (text.bytes < EPOCH_CHARS_MIN || text.bytes > EPOCH_CHARS_MAX || position_is_digit(text.data[0]))
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        if (!position_is_digit(text.data[i]) && !(text.data[i] >= 'a' && text.data[i] <= 'z'))
            return false;
    }
    memcpy(out->text, text.data, text.bytes);
    out->text[text.bytes] = '\0';
    return true;
}

static struct slice read_key(struct position_reader *r)
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

static enum sg_status read_parameters(struct position_reader *r, struct epoch *out)
{
    out->text[0] = '\0';
    while (read_takes(r, ';')) {
        read_skip_spaces(r);
        struct slice key = read_key(r);
        if (key.bytes == 0)
            return read_refuse(r, "a ';' has no parameter behind it");
        if (!slice_equal(key, SLICE_LITERAL("epoch")))
            return read_refuse(r, "the parameter '%.*s' is not known", CLIPPED(key));
        if (out->text[0] != '\0')
            return read_refuse(r, "the parameter 'epoch' is repeated");
        if (!read_takes(r, '=') || !epoch_parse(read_token(r), out))
            return read_refuse(r, "the parameter 'epoch' is not a lower-case letter and 5 to 11 of a-z0-9, unquoted");
    }
    return SG_OK;
}

static enum sg_status read_member(struct position_reader *r, struct position_member *members, size_t count)
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
    struct position_reader r = {.what = what, .at = text, .end = text + bytes, .err = err};
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
        return read_refuse(&r, "behind '%.*s' there is neither a comma nor the end", CLIPPED(members[used - 1].name));
    *count = used;
    return SG_OK;
}
