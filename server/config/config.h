/* Configuration: defaults < file < environment < flags, checked whole before anything starts (and nothing but that: who
 * reads a setting finds it in core/domain/settings.h or tunables.h).
 *
 * Every refusal names where the value stands: `stategate.yaml:14: probe.idle: must be between 100ms and 1h, not 5ms`,
 * or the variable or flag that gave it. Secrets are not read here: only the names of the files that hold them. */
#ifndef STATEGATE_SERVER_CONFIG_CONFIG_H
#define STATEGATE_SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "core/base/status.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"

/* What a file can make us hold; of its form: config_internal.h. */
#define CONFIG_FILE_BYTES_MAX (1u << 20)       /* far beyond 64 streams with all their collections */
#define CONFIG_TEXT_BYTES_MAX 4095             /* one value; a path of the system is no longer (PATH_MAX) */
#define CONFIG_STREAM_COLLECTIONS_MAX 1000     /* names in one stream's list; as many as the default collections_max */
#define CONFIG_COLLECTIONS_MAX 1000            /* entries of `collections` */
#define CONFIG_DROPS_MAX 64                    /* pointers per collection: each is looked up in every event */
#define CONFIG_DROP_BYTES_MAX FIELDS_AT_BYTES_MAX /* one pointer */

/* Ranges. Beyond them the gateway would not do what the setting's name says. */
#define CONFIG_SHUTDOWN_MS_MAX INT64_C(3600000) /* 1h */
#define CONFIG_DATABASE_PATH_BYTES_MAX 400     /* that of store/writer.h, which holds for its real path */
#define CONFIG_DATABASE_BYTES_MIN (INT64_C(1) << 20) /* an empty schema and its first pages */
#define CONFIG_DATABASE_BYTES_MAX (INT64_C(1) << 48) /* SQLite's own limit is just below 2^48 */
#define CONFIG_NATS_URL_BYTES_MAX 2048         /* a cluster's seeds, not its whole list: the servers tell the rest */
#define CONFIG_NATS_NAME_BYTES_MAX 255         /* user and JetStream domain, as for a stream's name */
#define CONFIG_STREAM_NAME_BYTES_MAX 255       /* nats-server's limit */
#define CONFIG_COLLECTIONS_LIMIT_MAX 100000    /* each is a row in memory and several metric series */
#define CONFIG_WAIT_MS_MAX INT64_C(3600000)    /* 1h: no proxy in between holds a quiet connection for longer */
#define CONFIG_PARKED_MAX 1000000              /* 6 KB each: 6 GB */
#define CONFIG_PROBE_IDLE_MS_MIN INT64_C(100)  /* ten questions a second to the broker from an idle replica */
#define CONFIG_PROBE_IDLE_MS_MAX INT64_C(3600000) /* 1h: staleness is known no better than this */
#define CONFIG_PROBE_INTERVAL_MS_MIN INT64_C(1)   /* below it, Max-Staleness: 0 could flood the broker */
#define CONFIG_PROBE_INTERVAL_MS_MAX INT64_C(10000) /* 10s: beyond it no default wait could be met */
#define CONFIG_EPOCH_TRUST_MS_MAX INT64_C(60000)  /* 1m: for so long a recreated stream passes for the old one */
#define CONFIG_MIRROR_DELAY_MS_MAX INT64_C(60000) /* 1m: a mirror that is later than that is not current */
#define CONFIG_TOMBSTONE_KEEP_MS_MIN INT64_C(1000) /* 1s: they are looked for so often */
#define CONFIG_TOMBSTONE_KEEP_MS_MAX INT64_C(315360000000) /* 3650d; whoever means for ever leaves it out */
#define CONFIG_TOMBSTONES_MAX 1000000000       /* some 150 bytes each: more than a database can be */
#define CONFIG_REJECTED_MAX 1000000            /* rows; with payloads of 1 KB that is 1 GB */
#define CONFIG_HTTP_LOOPS_MAX 256              /* more loops than processors only cost */
#define CONFIG_HTTP_CONNECTIONS_MAX 1048576    /* the kernel's usual nr_open */
#define CONFIG_HTTP_TIMEOUT_MS_MIN INT64_C(1000)    /* 1s: below it, honest clients on a slow link are cut off */
#define CONFIG_HTTP_TIMEOUT_MS_MAX INT64_C(3600000) /* 1h */
#define CONFIG_ANSWERS_BYTES_MIN (INT64_C(1) << 20) /* 1MiB: a hundred usual entities, pages of as many */
#define CONFIG_ANSWERS_BYTES_MAX (INT64_C(1) << 40) /* 1TiB */
#define CONFIG_QUERY_THREADS_MAX 64            /* each has a connection and its page cache */
#define CONFIG_QUERY_ROWS_MIN 100              /* a page of the default length */
#define CONFIG_QUERY_ROWS_MAX 1000000          /* several seconds of one thread */
#define CONFIG_QUERY_TIME_MS_MIN INT64_C(1)
#define CONFIG_QUERY_TIME_MS_MAX INT64_C(10000) /* 10s: for so long a query keeps a thread from the others */
#define CONFIG_QUERY_QUEUED_MAX 1000000        /* each is a request that is held, about 6 KB */
#define CONFIG_QUERY_QUEUE_MS_MIN INT64_C(1)
#define CONFIG_QUERY_QUEUE_MS_MAX INT64_C(60000) /* 1m: nobody waits longer for a list */
#define CONFIG_CACHE_BYTES_MAX (INT64_C(1) << 40) /* 1TiB */

struct config_key;

enum config_verb {
    CONFIG_SERVE, /* no command */
    CONFIG_CHECK, /* check-config */
    CONFIG_HEALTH,
    CONFIG_READY,
    CONFIG_HELP,
    CONFIG_VERSION
};

/* Keys that may be set from outside the file: those of the table that have a variable or a flag are fewer. */
#define CONFIG_NAMES_MAX 32

/* The command line, taken apart. All text is borrowed from argv. */
struct config_command {
    enum config_verb verb;
    bool origins;     /* of CONFIG_CHECK: say where each value came from */
    const char *file; /* --config; NULL = not given */
    struct {
        const struct config_key *key;
        const char *text;
    } flags[CONFIG_NAMES_MAX];
    size_t flags_count;
};

/* All that a configuration gives. */
struct config {
    struct settings settings;
    struct tunables tunables;
    char *origins; /* owned; where each value came from, a line each; NULL unless the command asked for it */
};

/* Take the command line apart; nothing is read. SG_INVALID names the argument that is wrong. */
SG_MUST_CHECK enum sg_status config_parse_arguments(int argc, char *const argv[], struct config_command *out,
                                                    struct sg_error *err);

/* What --help prints. */
void config_write_usage(FILE *to);

/* Read and check the whole configuration. `environment` is the environ of the process. For CONFIG_CHECK the files that
 * the settings name must also be readable. Main thread, before others start; blocks on disk. The caller frees `*out`
 * by config_free. Errors: SG_INVALID (the sentence says where), SG_MEMORY. */
SG_MUST_CHECK enum sg_status config_load(const struct config_command *command, char *const environment[],
                                         struct config *out, struct sg_error *err);

/* The same from a text in memory, without environment and flags; `file` is its name in refusals. Any thread, pure. */
SG_MUST_CHECK enum sg_status config_load_text(const char *file, const char *text, size_t bytes, struct config *out,
                                              struct sg_error *err);

/* Free what the configuration owns and zero it; a zeroed one is allowed. */
void config_free(struct config *config);

/* Write what would be served, for people. No secrets: the settings hold none. */
void config_summarise(const struct settings *settings, FILE *to);

#endif
