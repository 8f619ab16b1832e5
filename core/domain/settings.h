/* The settings that hold as long as the process: what shapes rows, and what is bound or made once. Plain values, filled
 * by server/config, read-only afterwards, read by everybody. What may change meanwhile stands in tunables.h. */
#ifndef STATEGATE_CORE_DOMAIN_SETTINGS_H
#define STATEGATE_CORE_DOMAIN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/base/slice.h"
#include "core/domain/fields.h"
#include "core/domain/subject.h"

#define SETTINGS_LISTEN_MAX 8 /* addresses: each costs two descriptors a loop */
#define SETTINGS_HOSTS_MAX 64 /* names: each is compared with the Host of a request */
#define SETTINGS_STREAMS_MAX 64 /* each costs two connections, a queue and three threads */

/* What the messages of a stream look like. The word is the one in the settings. */
#define STREAM_FORMATS(X)                                                                                              \
    X(FORMAT_ENVELOPE, "envelope")                                                                                     \
    X(FORMAT_KV, "kv")

enum stream_format {
#define STREAM_FORMAT_ENUM(name, word) name,
    STREAM_FORMATS(STREAM_FORMAT_ENUM)
#undef STREAM_FORMAT_ENUM
    STREAM_FORMATS_COUNT
};
enum gap_policy { ON_GAP_CONTINUE, ON_GAP_REBUILD };
/* A stream recreated empty: serve the old rows until its first event, or nothing at once. */
enum empty_policy { EMPTY_WAIT, EMPTY_SWAP };

struct stream_settings {
    char *name;                     /* owned; 1..255 bytes, no '.', '*', '>', white space or control bytes */
    struct subject_template subject;
    enum stream_format format;
    char **collections;             /* owned; names this stream owns; empty: any that the template gives */
    size_t collections_count;
    bool fixed_collection;          /* `collection: x`: collections[0] is it, the template has no {collection} */
    enum gap_policy on_gap;
};

/* How many tombstones are kept of a collection, and for how long; 0 = without a limit. */
struct tombstone_settings {
    int64_t keep_ms;
    size_t max;
};

/* Per collection: members removed before anything is written, what it can be asked by, and what is kept of what was
 * deleted. */
struct collection_settings {
    char *name;        /* owned */
    char **drop;       /* owned; RFC 6901 JSON pointers, none of them "" */
    size_t drop_count;
    struct field_set fields; /* owned */
    struct fields_hash fields_hash;
    struct tombstone_settings tombstones;
};

struct nats_settings {
    char *url;              /* owned; comma-separated */
    char *credentials_file; /* owned; "" = none; so for all strings below */
    char *nkey_file;        /* an nkey seed */
    char *token_file;
    char *user;
    char *password_file;
    char *tls_ca_file;
    char *tls_cert_file;
    char *tls_key_file;
    char *domain;
};

struct settings {
    char *listen;      /* owned; host:port, [::1]:port or unix:/path; several with commas between */
    char *hosts;       /* owned; names that Host may bear; several with commas between; "" = none */
    char *listen_ops;  /* owned; "" = none */
    char *database;    /* owned */
    bool synchronous_full;
    int64_t database_bytes_max; /* 0 = no limit */
    struct nats_settings nats;
    struct stream_settings *streams; /* owned; 1..SETTINGS_STREAMS_MAX */
    size_t streams_count;
    struct collection_settings *collections; /* owned */
    size_t collections_count;
    size_t collections_max;
    bool rejected_payload;
    enum empty_policy rebuild_empty;
    unsigned http_loops; /* 0 = processors that affinity and cgroup quota allow */
    unsigned http_connections_max;
    unsigned query_threads; /* each has a connection of its own to the database */
    int64_t cache_bytes; /* bound at the start: its memory is mapped and divided there (store/cache/rows.c) */
    enum log_format log_format;
};

/* Names the settings that shape a stream's rows: equal settings have one name, in every file. "" = not known. */
#define ROWS_HASH_CHARS 9 /* an r and 8 hexadecimal digits */
struct rows_hash {
    char text[ROWS_HASH_CHARS + 1];
};

/* Of what concerns streams: an index in the settings, or one of these. */
enum owner {
    OWNER_NONE = -1, /* no stream can hold it */
    OWNER_ALL = -2,  /* it rests on all of them */
};

/* Static storage; any thread. */
const char *stream_format_name(enum stream_format format);

/* The stream that may hold `collection`: the one that names it, else the one whose template gives any name.
 * OWNER_NONE if no template can produce it. Any thread, pure. */
int settings_owner(const struct settings *settings, struct slice collection);

/* What is set of a collection, or NULL. */
const struct collection_settings *settings_collection(const struct settings *settings, struct slice collection);

#endif
