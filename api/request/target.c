/* Request targets. */
#include "api/request/target.h"

#include <string.h>
#include <strings.h>

#include "core/base/decimal.h"
#include "core/base/time.h"
#include "core/base/utf8.h"
#include "store/query.h"

#define IN_PATH 1u  /* RFC 3986 pchar */
#define IN_QUERY 2u /* pchar, "/", "?" */
#define IN_HOST 4u  /* what an authority may consist of */
#define PLAIN(class) ((class) << 3) /* and stands for itself there */
#define PLAIN_PATH (IN_PATH | PLAIN(IN_PATH))
#define PLAIN_QUERY (IN_QUERY | PLAIN(IN_QUERY))
#define PLAIN_BOTH (PLAIN_PATH | PLAIN_QUERY)

static const unsigned char classes[256] = {
    ['a' ... 'z'] = PLAIN_BOTH | IN_HOST,
    ['A' ... 'Z'] = PLAIN_BOTH | IN_HOST,
    ['0' ... '9'] = PLAIN_BOTH | IN_HOST,
    ['-'] = PLAIN_BOTH | IN_HOST,
    ['.'] = PLAIN_BOTH | IN_HOST,
    ['_'] = PLAIN_BOTH | IN_HOST,
    ['~'] = PLAIN_BOTH | IN_HOST,
    [':'] = PLAIN_BOTH | IN_HOST,
    ['['] = IN_HOST,
    [']'] = IN_HOST,
    ['%'] = IN_PATH | IN_QUERY,
    ['!'] = PLAIN_BOTH,
    ['$'] = PLAIN_BOTH,
    ['&'] = PLAIN_BOTH,
    ['\''] = PLAIN_BOTH,
    ['('] = PLAIN_BOTH,
    [')'] = PLAIN_BOTH,
    ['*'] = PLAIN_BOTH,
    ['+'] = PLAIN_PATH | IN_QUERY,
    [','] = PLAIN_BOTH,
    [';'] = PLAIN_BOTH,
    ['='] = PLAIN_BOTH,
    ['@'] = PLAIN_BOTH,
    ['/'] = PLAIN_QUERY,
    ['?'] = PLAIN_QUERY,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum sg_status fail_character(unsigned char c, struct sg_error *err)
{
    if (c > 0x20 && c < 0x7F)
        return sg_fail(err, SG_INVALID, "the request target holds the character '%c', which must be percent-encoded",
                       c);
    return sg_fail(err, SG_INVALID, "the request target holds the byte 0x%02X, which must be percent-encoded", c);
}

static unsigned class_of(char c)
{
    return classes[(unsigned char)c];
}

/* How much of the text stands for itself, in steps of four. Most targets hold nothing else. */
static size_t plain_bytes(const char *text, size_t bytes, unsigned class)
{
    size_t i = 0;
    while (bytes - i >= 4 && (class_of(text[i]) & class_of(text[i + 1]) & class_of(text[i + 2]) &
                              class_of(text[i + 3]) & PLAIN(class)) != 0)
        i += 4;
    while (i < bytes && (class_of(text[i]) & PLAIN(class)) != 0)
        i++;
    return i;
}

/* Decode `bytes` at `data` in place: the text only shrinks. */
static enum sg_status decode(char *data, size_t bytes, unsigned class, struct slice *out, struct sg_error *err)
{
    bool encoded = false;
    size_t used = plain_bytes(data, bytes, class);
    for (size_t i = used; i < bytes; i++) {
        char c = data[i];
        if ((class_of(c) & class) == 0)
            return fail_character((unsigned char)c, err);
        if (c == '+' && class == IN_QUERY) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < bytes ? hex_value(data[i + 1]) : -1;
            int low = i + 2 < bytes ? hex_value(data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return sg_fail(err, SG_INVALID,
                               "the request target holds a '%%' that two hexadecimal digits do not follow");
            c = (char)(high * 16 + low);
            if (c == '\0')
                return sg_fail(err, SG_INVALID, "the request target holds %%00");
            encoded = true;
            i += 2;
        }
        data[used++] = c;
    }
    if (encoded && !utf8_valid((struct slice){data, used}))
        return sg_fail(err, SG_INVALID, "the request target is not UTF-8 after percent-decoding");
    *out = (struct slice){data, used};
    return SG_OK;
}

static enum sg_status parse_path(char *path, size_t bytes, struct target *out, struct sg_error *err)
{
    const char *end = path + bytes;
    for (char *segment = path + 1;;) { /* after the first slash */
        size_t left = (size_t)(end - segment);
        size_t plain = plain_bytes(segment, left, IN_PATH);
        char *slash = NULL;
        if (plain < left)
            slash = segment[plain] == '/' ? segment + plain : memchr(segment + plain, '/', left - plain);
        struct slice decoded = {segment, plain};
        enum sg_status status = SG_OK;
        if (plain < left && slash != segment + plain)
            status = decode(segment, slash != NULL ? (size_t)(slash - segment) : left, IN_PATH, &decoded, err);
        if (status != SG_OK)
            return status;
        if (out->segments_count < TARGET_SEGMENTS_MAX)
            out->segments[out->segments_count] = decoded;
        out->segments_count++;
        if (slash == NULL)
            return SG_OK;
        segment = slash + 1;
    }
}

bool target_param(const struct target *target, const char *name, struct slice *value)
{
    for (size_t i = 0; i < target->params_count; i++) {
        if (slice_equal(target->params[i].name, slice_of(name))) {
            *value = target->params[i].value;
            return true;
        }
    }
    return false;
}

static enum sg_status parse_param(char *text, size_t bytes, struct target *out, struct sg_error *err)
{
    char *equals = memchr(text, '=', bytes);
    if (equals == NULL || equals == text)
        return sg_fail(err, SG_INVALID, "the parameter '%.*s' is not name=value", (int)(bytes < 64 ? bytes : 64), text);
    if (out->params_count == TARGET_PARAMS_MAX)
        return sg_fail(err, SG_INVALID, "the query holds more than %d parameters", TARGET_PARAMS_MAX);
    struct param param = {0};
    size_t name_bytes = (size_t)(equals - text);
    enum sg_status status = decode(text, name_bytes, IN_QUERY, &param.name, err);
    if (status == SG_OK)
        status = decode(equals + 1, bytes - name_bytes - 1, IN_QUERY, &param.value, err);
    if (status != SG_OK)
        return status;
    for (size_t i = 0; i < out->params_count; i++)
        out->repeats = out->repeats || slice_equal(out->params[i].name, param.name);
    out->params[out->params_count++] = param;
    return SG_OK;
}

static enum sg_status parse_query(char *query, size_t bytes, struct target *out, struct sg_error *err)
{
    size_t begin = 0;
    if (bytes == 0)
        return SG_OK;
    for (size_t i = 0; i <= bytes; i++) {
        if (i < bytes && query[i] != '&')
            continue;
        enum sg_status status = parse_param(query + begin, i - begin, out, err);
        if (status != SG_OK)
            return status;
        begin = i + 1;
    }
    return SG_OK;
}

enum sg_status target_parse_params(char *text, size_t bytes, struct target *out, struct sg_error *err)
{
    out->segments_count = 0;
    out->params_count = 0;
    out->repeats = false;
    return parse_query(text, bytes, out, err);
}

enum sg_status target_check_repeats(const struct target *target, const struct field_set *fields, struct sg_error *err)
{
    if (!target->repeats)
        return SG_OK;
    for (size_t i = 0; i < target->params_count; i++) {
        struct slice name = target->params[i].name;
        size_t k = 0;
        while (!slice_equal(target->params[k].name, name))
            k++;
        if (k < i && (fields == NULL || query_field_find(fields, name) == QUERY_FIELDS_END))
            return sg_fail(err, SG_INVALID, "the parameter '%.*s' is repeated",
                           (int)(name.bytes < 64 ? name.bytes : 64), name.data);
    }
    return SG_OK;
}

/* Bytes of `http://authority` in front of the path; 0 = origin form. */
static enum sg_status skip_authority(const char *text, size_t bytes, size_t *skipped, struct sg_error *err)
{
    size_t scheme = 0;
    *skipped = 0;
    if (bytes > 0 && text[0] == '/')
        return SG_OK;
    if (bytes >= 7 && strncasecmp(text, "http://", 7) == 0)
        scheme = 7;
    else if (bytes >= 8 && strncasecmp(text, "https://", 8) == 0)
        scheme = 8;
    else
        return sg_fail(err, SG_INVALID, "the request target is neither a path nor an absolute http URI");
    size_t end = scheme;
    while (end < bytes && text[end] != '/' && text[end] != '?') {
        if ((class_of(text[end]) & IN_HOST) == 0)
            return sg_fail(err, SG_INVALID, "the request target has a malformed authority");
        end++;
    }
    if (end == scheme)
        return sg_fail(err, SG_INVALID, "the request target has an empty authority");
    *skipped = end;
    return SG_OK;
}

enum sg_status target_parse(char *text, size_t bytes, struct target *out, struct sg_error *err)
{
    size_t skipped = 0;
    out->segments_count = 0;
    out->params_count = 0;
    out->repeats = false;
    if (memchr(text, '#', bytes) != NULL)
        return sg_fail(err, SG_INVALID, "the request target holds a fragment ('#')");
    enum sg_status status = skip_authority(text, bytes, &skipped, err);
    if (status != SG_OK)
        return status;
    char *path = text + skipped;
    bytes -= skipped;
    char *mark = memchr(path, '?', bytes);
    size_t path_bytes = mark != NULL ? (size_t)(mark - path) : bytes;
    if (path_bytes > 0)
        status = parse_path(path, path_bytes, out, err);
    if (status == SG_OK && mark != NULL)
        status = parse_query(mark + 1, bytes - path_bytes - 1, out, err);
    return status;
}

enum sg_status segment_check(struct slice segment, size_t bytes_max, const char *what, struct sg_error *err)
{
    if (segment.bytes == 0)
        return sg_fail(err, SG_INVALID, "the %s is empty", what);
    if (slice_equal(segment, SLICE_LITERAL(".")) || slice_equal(segment, SLICE_LITERAL("..")))
        return sg_fail(err, SG_INVALID, "the %s is '%.*s', which clients normalise away", what, SLICE_ARGS(segment));
    if (segment.bytes > bytes_max)
        return sg_fail(err, SG_INVALID, "the %s is longer than %zu bytes", what, bytes_max);
    return SG_OK;
}

enum sg_status param_limit(const struct target *target, size_t *limit, struct sg_error *err)
{
    struct slice text;
    uint64_t value = 0;
    if (!target_param(target, "limit", &text)) {
        *limit = PARAM_LIMIT_DEFAULT;
        return SG_OK;
    }
    if (!decimal_parse_canonical(text, PARAM_LIMIT_MAX, &value) || value < 1)
        return sg_fail(err, SG_INVALID, "the parameter 'limit' is not a number from 1 to %d", PARAM_LIMIT_MAX);
    *limit = (size_t)value;
    return SG_OK;
}

enum sg_status param_seconds(struct slice value, const char *name, int64_t *out_ns, struct sg_error *err)
{
    int64_t ms = 0;
    int places = -1; /* digits after the point; -1 = no point yet */
    bool good = value.bytes > 0;
    for (size_t i = 0; good && i < value.bytes; i++) {
        char c = value.data[i];
        if (c == '.') {
            good = places < 0 && i > 0;
            places = 0;
        } else {
            good = c >= '0' && c <= '9' && places < 3 && ms <= INT64_C(1000) * PARAM_SECONDS_MAX;
            ms = ms * 10 + (c - '0');
            places += places >= 0;
        }
    }
    good = good && places != 0;
    for (int i = places < 0 ? 0 : places; good && i < 3; i++) {
        ms *= 10;
        good = ms <= INT64_C(1000) * PARAM_SECONDS_MAX;
    }
    if (!good || ms > INT64_C(1000) * PARAM_SECONDS_MAX)
        return sg_fail(err, SG_INVALID, "'%s' is not a number of seconds with at most 3 decimal places", name);
    *out_ns = ms * NS_PER_MS;
    return SG_OK;
}

/* ---- written ---- */

static bool stands_for_itself(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void target_append(struct buffer *out, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t plain = 0; /* bytes before `i` that are still to be appended */
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (stands_for_itself(c)) {
            plain++;
            continue;
        }
        buffer_append(out, text.data + i - plain, plain);
        buffer_append(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
        plain = 0;
    }
    buffer_append(out, text.data + text.bytes - plain, plain);
}
