/* Logging: one line per event on standard error, a JSON object or key=value pairs by setting.
 *
 * A line is written at once until log_ring_open. From then on it goes into a ring, and a thread that may block writes
 * it: nobody else waits for who reads standard error.
 *
 *   log_event ──> ring ──log_ring_take──> the writing thread (server/log_writer.h) ──> standard error
 *                  └ full: the line is dropped, and counted
 *
 * Library code returns errors; the loop that decides logs once, with fields. Changes of state are logged, not each
 * message. Never state, never payloads. */
#ifndef STATEGATE_CORE_BASE_LOG_H
#define STATEGATE_CORE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* One field. Build them by the macros below; a value is only read during the call. */
struct log_field {
    const char *key;
    enum { LOG_FIELD_STRING, LOG_FIELD_INT, LOG_FIELD_UINT } kind;
    const char *string;
    int64_t integer;
    uint64_t unsigned_integer;
};
#define LOG_STR(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_STRING, .string = (v)})
#define LOG_INT(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .integer = (int64_t)(v)})
#define LOG_UINT(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_UINT, .unsigned_integer = (uint64_t)(v)})

/* Lines below this level are left out; info at first. Any thread, at any time. */
void log_set_level(enum log_level level);
/* Before other threads start. JSON at first. */
void log_set_format(enum log_format format);

/* A line longer than this is cut, with "truncated" set: one write(2) of at most PIPE_BUF bytes is not interleaved. */
#define LOG_LINE_BYTES_MAX 4096

/* Lines that wait to be written: some 600 of the usual length, which 64 streams that lose their broker four times make.
 */
#define LOG_RING_BYTES (128u << 10)

/* Any thread. With an open ring it never blocks; else it is one write(2), which may. `event` is a stable snake_case
 * name ("stream_connected"). Every line has time, level and event, then the fields. Bytes that are no printable ASCII
 * or valid UTF-8 are escaped, so that no input can forge a line. */
void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t fields_count);

/* From now on lines go into the ring. Before other threads start; at most once in a process. */
void log_ring_open(void);
/* The oldest line, without a terminating NUL; waits for one. 0 = the ring was closed, and is empty. One thread at a
 * time. */
size_t log_ring_take(char out[LOG_LINE_BYTES_MAX]);
/* The line that was taken last has been written, or could not be and counts as dropped. */
void log_ring_written(bool written);
/* No further line goes into the ring: log_ring_take ends when it is empty. Later lines are dropped. Any thread. */
void log_ring_close(void);
/* Wait until all lines in the ring are written, at most `timeout_ms`. False: some are not. */
bool log_ring_flush(int64_t timeout_ms);
/* For a process that dies by a signal: write what is in the ring where standard error takes it at once. May be called
 * in a signal handler. */
void log_ring_salvage(void);
/* Lines that were dropped since the ring was opened. Any thread. */
uint64_t log_dropped(void);

#define log_event(level, event, ...)                                                                                   \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__},                                              \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
