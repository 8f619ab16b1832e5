/* Logging: a line is built on the stack and written at once, so that lines of several threads never mix. */
#include "core/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/time.h"
#include "core/base/utf8.h"

#define LOG_ESCAPE_BYTES 7 /* \u1234 and a terminator */

/* Of the process: every module logs, and handing a logger to each would say nothing. */
static atomic_int log_level_min = LOG_INFO;
static enum log_format log_line_format = LOG_FORMAT_JSON; /* set once before other threads start */

/* How a line ends: whole or cut, by format. */
static const char *const log_tail_whole[] = {[LOG_FORMAT_JSON] = "}\n", [LOG_FORMAT_TEXT] = "\n"};
static const char *const log_tail_cut[] = {
    [LOG_FORMAT_JSON] = ",\"truncated\":true}\n", [LOG_FORMAT_TEXT] = " truncated=true\n"};

struct log_line {
    char data[LOG_LINE_BYTES_MAX];
    size_t bytes;
    size_t limit; /* content ends here at the latest; the rest is kept free for the tail */
    bool truncated;
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_min, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
    log_line_format = format;
}

static const char *log_level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG: return "debug";
    case LOG_INFO: return "info";
    case LOG_WARN: return "warn";
    case LOG_ERROR: return "error";
    }
    return "error";
}

/* All of it or nothing; false once the line is cut. */
static bool log_put(struct log_line *line, const char *data, size_t bytes)
{
    if (bytes > line->limit - line->bytes)
        return false;
    memcpy(line->data + line->bytes, data, bytes);
    line->bytes += bytes;
    return true;
}

/* Characters that could end a line, steer a terminal or end a quoted value: C0, DEL, C1, quote, backslash, and the two
 * line separators that some viewers obey. What is not UTF-8 is shown as U+FFFD. Returns the input bytes consumed;
 * `out` stays "" for a character that may stand as it is. */
static size_t log_escape(const char *text, size_t bytes, char out[LOG_ESCAPE_BYTES])
{
    const unsigned char *p = (const unsigned char *)text;
    size_t step = utf8_char_bytes(text, bytes);
    out[0] = '\0';
    if (step == 0)
        (void)snprintf(out, LOG_ESCAPE_BYTES, "\\ufffd");
    else if (p[0] == '"' || p[0] == '\\')
        (void)snprintf(out, LOG_ESCAPE_BYTES, "\\%c", p[0]);
    else if (p[0] == '\n')
        (void)snprintf(out, LOG_ESCAPE_BYTES, "\\n");
    else if (p[0] < 0x20 || p[0] == 0x7F)
        (void)snprintf(out, LOG_ESCAPE_BYTES, "\\u%04x", (unsigned)p[0]);
    else if (p[0] == 0xC2 && p[1] < 0xA0)
        (void)snprintf(out, LOG_ESCAPE_BYTES, "\\u%04x", (unsigned)p[1]);
    else if (step == 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9))
        (void)snprintf(out, LOG_ESCAPE_BYTES, "\\u20%02x", (unsigned)p[2] - 0x80u);
    return step > 0 ? step : 1;
}

/* A quoted value, cut between characters if it does not fit; false if not even its quotes do. */
static bool log_put_quoted(struct log_line *line, const char *text)
{
    size_t bytes = strlen(text);
    char escape[LOG_ESCAPE_BYTES];
    if (line->limit - line->bytes < 2)
        return false;
    line->limit -= 1; /* the closing quote's place */
    (void)log_put(line, "\"", 1);
    for (size_t at = 0; at < bytes && !line->truncated;) {
        size_t step = log_escape(text + at, bytes - at, escape);
        bool plain = escape[0] == '\0';
        line->truncated = !log_put(line, plain ? text + at : escape, plain ? step : strlen(escape));
        at += step;
    }
    line->limit += 1;
    return log_put(line, "\"", 1);
}

/* A value of key=value form that needs no quotes. */
static bool log_is_bare(const char *text)
{
    if (text[0] == '\0')
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '=' || *c == '"' || *c == '\\')
            return false;
    }
    return true;
}

/* One field, or nothing of it. `first` leaves the separator out. */
static void log_put_field(struct log_line *line, bool first, const char *key, const char *value, bool is_text)
{
    size_t start = line->bytes;
    bool json = log_line_format == LOG_FORMAT_JSON;
    bool ok;
    if (line->truncated)
        return;
    if (json)
        ok = (first || log_put(line, ",", 1)) && log_put_quoted(line, key) && !line->truncated && log_put(line, ":", 1);
    else
        ok = (first || log_put(line, " ", 1)) && log_put(line, key, strlen(key)) && log_put(line, "=", 1);
    if (ok && is_text && (json || !log_is_bare(value)))
        ok = log_put_quoted(line, value);
    else if (ok)
        ok = log_put(line, value, strlen(value));
    if (!ok) {
        line->bytes = start;
        line->truncated = true;
    }
}

static void log_put_one(struct log_line *line, const struct log_field *field)
{
    char digits[24];
    switch (field->kind) {
    case LOG_FIELD_STRING:
        log_put_field(line, false, field->key, field->string != NULL ? field->string : "", true);
        return;
    case LOG_FIELD_INT:
        (void)snprintf(digits, sizeof digits, "%" PRId64, field->integer);
        break;
    case LOG_FIELD_UINT:
        (void)snprintf(digits, sizeof digits, "%" PRIu64, field->unsigned_integer);
        break;
    }
    log_put_field(line, false, field->key, digits, false);
}

/* Everything but the end of the line, leaving room for `tail`. */
static void log_build(struct log_line *line, enum log_level level, const char *event, const struct log_field *fields,
                      size_t fields_count, const char *tail)
{
    char now[TIME_RFC3339_BYTES];
    time_rfc3339(time_wall_ns(), now);
    line->bytes = 0;
    line->limit = sizeof line->data - strlen(tail);
    line->truncated = false;
    if (log_line_format == LOG_FORMAT_JSON)
        (void)log_put(line, "{", 1);
    log_put_field(line, true, "time", now, true);
    log_put_field(line, false, "level", log_level_name(level), true);
    log_put_field(line, false, "event", event, true);
    for (size_t i = 0; i < fields_count; i++)
        log_put_one(line, &fields[i]);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t fields_count)
{
    struct log_line line;
    int saved_errno = errno; /* a log line must not change what its caller reports next */
    if ((int)level < atomic_load_explicit(&log_level_min, memory_order_relaxed))
        return;
    const char *tail = log_tail_whole[log_line_format];
    log_build(&line, level, event, fields, fields_count, tail);
    if (line.truncated) { /* again, with room for the longer tail, and certainly cut: that room was not there before */
        tail = log_tail_cut[log_line_format];
        log_build(&line, level, event, fields, fields_count, tail);
    }
    memcpy(line.data + line.bytes, tail, strlen(tail));
    line.bytes += strlen(tail);
    while (write(STDERR_FILENO, line.data, line.bytes) < 0 && errno == EINTR) {
        /* again: nothing was written */
    }
    errno = saved_errno;
}
