/* What the files of config share: where a value came from, the file's raw texts, and the checks. For server/config*.c
 * and their tests only. */
#ifndef STATEGATE_SERVER_CONFIG_CONFIG_INTERNAL_H
#define STATEGATE_SERVER_CONFIG_CONFIG_INTERNAL_H

#include "server/config/config.h"

/* ---- where values come from ---- */

/* One setting from outside the file. All text is borrowed. */
struct config_override {
    const char *path;   /* "probe.idle", "streams[0].name" */
    const char *origin; /* "STATEGATE_LISTEN", "--listen" */
    const char *text;
};

/* Everything a refusal needs to say where a value stands. A later override of the same path wins. */
struct config_source {
    const char *file; /* NULL = no file */
    const char *text; /* of the file */
    size_t bytes;
    struct config_override overrides[2 * CONFIG_NAMES_MAX]; /* the environment, then the flags */
    size_t overrides_count;
};

/* Fill `err` with "<where>: <sentence>", where being the override of `path`, or file, line and key, or the key alone.
 * A path that is not in the file takes the line of what it would be in. Returns SG_INVALID. */
enum sg_status config_refuse(const struct config_source *source, const char *path, struct sg_error *err,
                             const char *format, ...) SG_PRINTF(4, 5);

/* Whether anybody set this path. */
bool config_is_set(const struct config_source *source, const char *path);

/* The override of a path that wins, or NULL. */
const struct config_override *config_find_override(const struct config_source *source, const char *path);

/* A value as it may stand in a message: one line, cut when long. */
#define CONFIG_CLIP_BYTES 80
struct config_clip {
    char text[CONFIG_CLIP_BYTES];
};
struct config_clip config_clip(const char *text);

/* The end of a file's name that a message has room for; `*dots` is "..." or "". */
const char *config_file_tail(const char *file, const char **dots);

/* ---- names outside the file: config_arguments.c ---- */

/* Add the variables to `source`. `*file` is set where STATEGATE_CONFIG names one. SG_INVALID: an unknown STATEGATE_
 * variable. */
SG_MUST_CHECK enum sg_status config_read_environment(char *const environment[], struct config_source *source,
                                                     const char **file, struct sg_error *err);
/* Add the flags to `source`. */
SG_MUST_CHECK enum sg_status config_read_flags(const struct config_command *command, struct config_source *source,
                                               struct sg_error *err);

/* ---- the file as text: config_schema.c, config_yaml.c ---- */

struct config_raw_tls {
    char *ca_file, *cert_file, *key_file;
};
struct config_raw_nats {
    char *url, *credentials_file, *nkey_file, *token_file, *user, *password_file, *domain;
    struct config_raw_tls tls;
};
struct config_raw_stream {
    char *name, *subject, *format, *collection, *on_gap, *expire;
    char **collections;
    unsigned collections_count;
};
struct config_raw_collection {
    char *name;
    char **drop;
    unsigned drop_count;
};
struct config_raw_wait {
    char *fallback, *max, *parked_max, *parked_max_per_client;
};
struct config_raw_probe {
    char *idle, *min_interval, *epoch_trust;
};
struct config_raw_rejected {
    char *max, *payload;
};
struct config_raw_ready {
    char *without_broker;
};
struct config_raw_rebuild {
    char *empty;
};
struct config_raw_http {
    char *loops, *connections_max, *head_timeout, *answer_timeout;
};
struct config_raw_cache {
    char *size;
};
struct config_raw_log {
    char *level, *format;
};

/* The file, scalars as they are written; NULL = not in the file. */
struct config_raw {
    char *listen, *listen_ops, *database, *database_synchronous, *database_max_bytes, *collections_max;
    struct config_raw_nats nats;
    struct config_raw_stream *streams;
    unsigned streams_count;
    struct config_raw_collection *collections;
    unsigned collections_count;
    struct config_raw_wait wait;
    struct config_raw_probe probe;
    struct config_raw_rejected rejected;
    struct config_raw_ready ready;
    struct config_raw_rebuild rebuild;
    struct config_raw_http http;
    struct config_raw_cache cache;
    struct config_raw_log log;
};

/* Parse the source's text. `*out` is NULL when the file sets nothing; free it by config_raw_free (NULL is allowed). */
SG_MUST_CHECK enum sg_status config_raw_load(const struct config_source *source, struct config_raw **out,
                                             struct sg_error *err);
void config_raw_free(struct config_raw *raw);

/* The line in the source's text where the path's key stands; 0 = it is not there. */
unsigned config_file_line(const struct config_source *source, const char *path);

/* ---- one value: config_value.c ---- */

/* Text to a value; false where it is malformed. What is beyond 64 bits becomes INT64_MAX, which no range allows. */
bool config_parse_duration_ms(const char *text, int64_t *out); /* 500ms, 5s, 2m, 1h; 0 */
bool config_parse_bytes(const char *text, int64_t *out);       /* 4096, 64MiB, 500MB */
bool config_parse_count(const char *text, int64_t *out);

#define CONFIG_NUMBER_BYTES 32
void config_format_duration_ms(int64_t ms, char out[CONFIG_NUMBER_BYTES]);
void config_format_bytes(int64_t bytes, char out[CONFIG_NUMBER_BYTES]);

/* ---- checks of texts: config_check.c. NULL = good, else what is wrong ("must ...") in static storage ---- */

typedef const char *config_check(const char *text);
const char *config_check_listen(const char *text);
const char *config_check_listen_ops(const char *text); /* "" is good */
const char *config_check_database(const char *text);
const char *config_check_nats_url(const char *text);
const char *config_check_domain(const char *text); /* "" is good */
const char *config_check_stream_name(const char *text);
const char *config_check_collection_name(const char *text);
const char *config_check_drop(const char *text);
const char *config_check_override(const char *text); /* UTF-8 without control characters, as config_yaml.c has it */

/* ---- scalar keys: config_keys.c ---- */

/* The path of the scalar key `index`, or NULL behind the last. */
const char *config_key_path(size_t index);

/* Fill the scalars of `out`: defaults, then `raw` (may be NULL), then the overrides. Each is checked. */
SG_MUST_CHECK enum sg_status config_apply_keys(const struct config_source *source, const struct config_raw *raw,
                                               struct settings *out, struct sg_error *err);
/* What holds between scalars. */
SG_MUST_CHECK enum sg_status config_check_keys(const struct config_source *source, struct settings *settings,
                                               struct sg_error *err);
/* The files that the settings name can be read. */
SG_MUST_CHECK enum sg_status config_check_files(const struct config_source *source, const struct settings *settings,
                                                struct sg_error *err);

/* ---- streams and collections: config_streams.c, config_collections.c ---- */

/* Fill `streams` of `out` and check each by itself. */
SG_MUST_CHECK enum sg_status config_apply_streams(const struct config_source *source, const struct config_raw *raw,
                                                  struct settings *out, struct sg_error *err);
/* Fill `collections` of `out`. */
SG_MUST_CHECK enum sg_status config_apply_collections(const struct config_source *source, const struct config_raw *raw,
                                                      struct settings *out, struct sg_error *err);
/* Who owns which collection: no stream twice, no collection twice, one open template. */
SG_MUST_CHECK enum sg_status config_check_owners(const struct config_source *source, const struct settings *settings,
                                                 struct sg_error *err);

#endif
