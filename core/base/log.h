/* Logging: one line per event on standard error, a JSON object or key=value pairs by setting.
 *
 * Library code returns errors; the loop that decides logs once, with fields. Changes of state are logged, not each
 * message. Never state, never payloads. */
#ifndef STATEGATE_CORE_BASE_LOG_H
#define STATEGATE_CORE_BASE_LOG_H

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

/* Any thread; one write(2), which may block on a slow reader of standard error. `event` is a stable snake_case name
 * ("stream_connected"). Every line has time, level and event, then the fields. Bytes that are no printable ASCII or
 * valid UTF-8 are escaped, so that no input can forge a line. */
void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t fields_count);

#define log_event(level, event, ...)                                                                                   \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__},                                              \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
