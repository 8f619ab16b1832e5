/* Logging: a line is built on the stack, and goes whole into the ring or to standard error, so that lines of several
 * threads never mix. */
#include "core/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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

/* A whole line, with its end. */
static void log_finish(struct log_line *line, enum log_level level, const char *event, const struct log_field *fields,
                       size_t fields_count)
{
    const char *tail = log_tail_whole[log_line_format];
    log_build(line, level, event, fields, fields_count, tail);
    if (line->truncated) { /* again, with room for the longer tail, and certainly cut: that room was not there before */
        tail = log_tail_cut[log_line_format];
        log_build(line, level, event, fields, fields_count, tail);
    }
    memcpy(line->data + line->bytes, tail, strlen(tail));
    line->bytes += strlen(tail);
}

/* ---- the ring ---- */

/* Each line with its length before it. `taken` and `put` count bytes since the ring was opened. */
#define RING_PREFIX_BYTES 2
#define SALVAGE_TRIES 25 /* 2 ms each: whoever holds the mutex, or writes a line, is at it for microseconds */
_Static_assert(LOG_LINE_BYTES_MAX <= UINT16_MAX, "a length has two bytes");

static struct {
    atomic_bool open;
    atomic_uint_fast64_t dropped;
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed;
    bool writing; /* a line was taken, and is not written yet */
    uint64_t dropped_said; /* lines that a line in the log has told of */
    size_t put;
    size_t taken;
    char data[LOG_RING_BYTES];
} ring = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void ring_copy_in(const char *data, size_t bytes)
{
    size_t at = ring.put % LOG_RING_BYTES;
    size_t first = bytes < LOG_RING_BYTES - at ? bytes : LOG_RING_BYTES - at;
    memcpy(ring.data + at, data, first);
    memcpy(ring.data, data + first, bytes - first);
    ring.put += bytes;
}

static void ring_copy_out(char *data, size_t bytes)
{
    size_t at = ring.taken % LOG_RING_BYTES;
    size_t first = bytes < LOG_RING_BYTES - at ? bytes : LOG_RING_BYTES - at;
    memcpy(data, ring.data + at, first);
    memcpy(data + first, ring.data, bytes - first);
    ring.taken += bytes;
}

static void ring_put(const struct log_line *line)
{
    uint16_t bytes = (uint16_t)line->bytes;
    (void)pthread_mutex_lock(&ring.mutex);
    bool room = RING_PREFIX_BYTES + line->bytes <= LOG_RING_BYTES - (ring.put - ring.taken);
    if (ring.closed) {
        /* nobody would be told how many */
    } else if (room) {
        ring_copy_in((const char *)&bytes, RING_PREFIX_BYTES);
        ring_copy_in(line->data, line->bytes);
        (void)pthread_cond_broadcast(&ring.changed);
    } else {
        atomic_fetch_add_explicit(&ring.dropped, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&ring.mutex);
}

/* The bytes of the line; 0 = there is none. */
static size_t ring_next(char out[LOG_LINE_BYTES_MAX])
{
    uint16_t bytes = 0;
    if (ring.put == ring.taken)
        return 0;
    ring_copy_out((char *)&bytes, RING_PREFIX_BYTES);
    ring_copy_out(out, bytes);
    return bytes;
}

void log_ring_open(void)
{
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* log_ring_flush ends whatever the wall clock does */
    (void)pthread_cond_init(&ring.changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    atomic_store(&ring.open, true);
}

/* Lines were dropped, and all that came before them are written: how many, as a line. 0 = none. */
static size_t ring_tell_dropped(char out[LOG_LINE_BYTES_MAX])
{
    struct log_line line;
    uint64_t dropped = log_dropped();
    if (dropped == ring.dropped_said)
        return 0;
    const struct log_field field = LOG_UINT("lines", dropped - ring.dropped_said);
    ring.dropped_said = dropped;
    log_finish(&line, LOG_WARN, "log_dropped", &field, 1);
    memcpy(out, line.data, line.bytes);
    return line.bytes;
}

size_t log_ring_take(char out[LOG_LINE_BYTES_MAX])
{
    (void)pthread_mutex_lock(&ring.mutex);
    size_t bytes = ring_next(out);
    while (bytes == 0) {
        bytes = ring_tell_dropped(out);
        if (bytes > 0 || ring.closed)
            break;
        (void)pthread_cond_wait(&ring.changed, &ring.mutex);
        bytes = ring_next(out);
    }
    ring.writing = bytes > 0;
    (void)pthread_mutex_unlock(&ring.mutex);
    return bytes;
}

void log_ring_written(bool written)
{
    (void)pthread_mutex_lock(&ring.mutex);
    ring.writing = false;
    if (!written) {
        atomic_fetch_add_explicit(&ring.dropped, 1, memory_order_relaxed);
        ring.dropped_said++; /* a line about it could not be written either */
    }
    (void)pthread_cond_broadcast(&ring.changed);
    (void)pthread_mutex_unlock(&ring.mutex);
}

void log_ring_close(void)
{
    (void)pthread_mutex_lock(&ring.mutex);
    ring.closed = true;
    (void)pthread_cond_broadcast(&ring.changed);
    (void)pthread_mutex_unlock(&ring.mutex);
}

/* Nothing is left to be written, not even how many lines were dropped. */
static bool ring_is_done(void)
{
    return !ring.writing && ring.put == ring.taken && ring.dropped_said == log_dropped();
}

bool log_ring_flush(int64_t timeout_ms)
{
    struct timespec end;
    int result = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(timeout_ms / 1000);
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&ring.mutex);
    while (result == 0 && !ring_is_done())
        result = pthread_cond_timedwait(&ring.changed, &ring.mutex, &end);
    bool done = ring_is_done();
    (void)pthread_mutex_unlock(&ring.mutex);
    return done;
}

/* The writing thread may be at a line: what stands after it waits for it a little. Without the mutex the process would
 * die with it held, by a fault in here, or the writing thread hangs: then what is seen may be torn, and is not read. */
static bool salvage_lock(void)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    for (int tries = 0; tries < SALVAGE_TRIES; tries++) {
        if (pthread_mutex_trylock(&ring.mutex) == 0) {
            if (!ring.writing)
                return true;
            (void)pthread_mutex_unlock(&ring.mutex);
        }
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

void log_ring_salvage(void)
{
    char line[LOG_LINE_BYTES_MAX];
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (!atomic_load(&ring.open) || !salvage_lock())
        return;
    for (size_t bytes = ring_next(line); bytes > 0; bytes = ring_next(line)) {
        if (poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0 || write(STDERR_FILENO, line, bytes) < 0)
            break;
    }
    (void)pthread_mutex_unlock(&ring.mutex);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&ring.dropped, memory_order_relaxed);
}

/* ---- a line ---- */

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t fields_count)
{
    struct log_line line;
    int saved_errno = errno; /* a log line must not change what its caller reports next */
    if ((int)level < atomic_load_explicit(&log_level_min, memory_order_relaxed))
        return;
    log_finish(&line, level, event, fields, fields_count);
    if (atomic_load_explicit(&ring.open, memory_order_relaxed)) {
        ring_put(&line);
    } else {
        while (write(STDERR_FILENO, line.data, line.bytes) < 0 && errno == EINTR) {
            /* again: nothing was written */
        }
    }
    errno = saved_errno;
}
