/* Positions and epochs. First epochs, then positions written. */
#include "core/domain/position.h"

#include <errno.h>
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

bool epoch_parse(struct slice text, struct epoch *out)
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
