/* What the rooms of config share: the table of keys, the file as a tree, where a value came from, and the checks. For
 * server/config/ and its tests only.
 *
 *   file text --yaml--> tree --match--> every key is known, and of the right form
 *   table + tree + environment + flags --keys, streams, collections--> settings
 *   table + settings --show--> check-config, --origins
 *   table --reference--> --help, the example file, docs/settings.md */
#ifndef STATEGATE_SERVER_CONFIG_CONFIG_INTERNAL_H
#define STATEGATE_SERVER_CONFIG_CONFIG_INTERNAL_H

#include "core/base/buffer.h"
#include "server/config/config.h"

/* ---- the table of keys: table.c ---- */

enum config_kind {
    KIND_TEXT,     /* char *: min..max bytes, and a check */
    KIND_DURATION, /* int64_t, ms */
    KIND_BYTES,    /* int64_t */
    KIND_COUNT,    /* size_t */
    KIND_UNSIGNED, /* unsigned */
    KIND_BOOL,     /* bool: the second word is true */
    KIND_WORD,     /* an enum: the number of the word */
    KIND_TEXTS,    /* a list of min..max texts */
    KIND_LIST      /* a list of min..max mappings; their keys are the rows whose path goes on with [] */
};

/* Whose member a value is. What lies in the tunables may change while the gateway runs, all else needs a restart.
 * HOME_NONE: it is checked and not kept, or a room of its own keeps it. */
enum config_home { HOME_NONE, HOME_SETTINGS, HOME_TUNABLES, HOME_STREAM, HOME_COLLECTION };

/* NULL = good, else what is wrong ("must ...") in static storage. */
typedef const char *config_check(const char *text);

struct config_key {
    const char *path;     /* "probe.idle", "streams[].name" */
    enum config_kind kind;
    const char *fallback; /* the default; NULL = none */
    enum config_home home;
    size_t offset;        /* of the member in its home */
    int64_t min, max;     /* bytes of a text, entries of a list, else of the value */
    size_t list_max;      /* of a text: the file may give it as a list of so many, joined by commas; 0 = not */
    bool zero;            /* 0 is good as well: none, or no limit */
    config_check *check;  /* of a text; NULL = any */
    bool is_file;         /* names a file that must be readable */
    const char *const *words; /* of KIND_BOOL and KIND_WORD */
    const char *const *later; /* words that a later version will know; NULL = none */
    const char *variable;     /* NULL = none; so for all below but `what` */
    const char *flag;
    const char *value;   /* what --help calls the flag's value */
    const char *example; /* what stands in the example file instead of the default, commented out */
    const char *what;    /* one sentence */
    const char *more;    /* what else is to be known of it */
};

/* The key of a row; NULL beyond the last. The order is that of the example file. */
const struct config_key *config_key_at(size_t index);
/* The key with this path; NULL = there is none. */
const struct config_key *config_key_find(const char *path);
/* The range of its values in words: "between 1ms and 10s", "normal or full"; "" where `check` alone knows. */
#define CONFIG_RANGE_BYTES 96
void config_key_range(const struct config_key *key, char out[CONFIG_RANGE_BYTES]);

/* ---- the file as a tree: yaml.c ---- */

#define CONFIG_DEPTH_MAX 16        /* mappings and lists within each other; the table needs 6 */
#define CONFIG_NODES_MAX 300000    /* full lists of 64 streams and 1000 collections are 279,000 values */
#define CONFIG_MAPPING_KEYS_MAX 64 /* of one mapping, which are compared with each other; the table's largest has 20 */

enum config_form { CONFIG_SCALAR, CONFIG_SEQUENCE, CONFIG_MAPPING };

/* A value of the file, with its key where it stands in a mapping. */
struct config_node {
    enum config_form form;
    bool plain;        /* a scalar without quotes */
    unsigned line;     /* where the value begins */
    unsigned key_line; /* where the key stands; in a list as `line` */
    const char *key;   /* NULL in a list, and at the top */
    size_t key_bytes;  /* it may hold any byte, as may `text` */
    const char *text;  /* of a scalar; else NULL */
    size_t text_bytes;
    size_t count;      /* entries, or keys */
    struct config_node *first, *last, *next; /* entries in the order of the file */
    struct config_node *made_next;           /* all nodes of a tree, from its root, for its end */
};

struct config_source;

/* Parse the source's text; `*out` is NULL where it holds nothing, and the caller frees it. Errors: SG_INVALID (with
 * file and line: no YAML, several documents, an alias, a key twice, beyond a limit), SG_MEMORY. */
SG_MUST_CHECK enum sg_status config_tree_parse(const struct config_source *source, struct config_node **out,
                                               struct sg_error *err);
void config_tree_free(struct config_node *root);

/* The value at `path` below a node, "nats.tls" or "streams[1].name"; NULL = not there. `node` may be NULL. */
const struct config_node *config_tree_find(const struct config_node *node, const char *path);
/* The same, or the nearest thing around it that is there. */
const struct config_node *config_tree_nearest(const struct config_node *node, const char *path);

/* ---- where values come from: source.c ---- */

/* One setting from outside the file. All text is borrowed. */
struct config_override {
    const struct config_key *key; /* "streams[].name" stands for the only stream */
    const char *origin;           /* "STATEGATE_LISTEN", "--listen" */
    const char *text;
};

/* Everything a refusal needs to say where a value stands. A later override of the same key wins. */
struct config_source {
    const char *file; /* NULL = no file */
    const char *text; /* of the file */
    size_t bytes;
    const struct config_node *root;                         /* of the file; NULL = none, or it holds nothing */
    struct config_override overrides[2 * CONFIG_NAMES_MAX]; /* the environment, then the flags */
    size_t overrides_count;
};

/* Fill `err` with "<where>: <sentence>", where being the override of `path`, or file, line and key, or the key alone.
 * A path that is not in the file takes the line of what it would be in. Returns SG_INVALID. */
enum sg_status config_refuse(const struct config_source *source, const char *path, struct sg_error *err,
                             const char *format, ...) SG_PRINTF(4, 5);
/* The same for a line that is known; `path` may be "". */
enum sg_status config_refuse_line(const struct config_source *source, unsigned line, const char *path,
                                  struct sg_error *err, const char *format, ...) SG_PRINTF(5, 6);

/* Whether anybody set this path. */
bool config_is_set(const struct config_source *source, const char *path);

/* The override of a key that wins, or NULL. */
const struct config_override *config_find_override(const struct config_source *source, const struct config_key *key);

/* A value as it may stand in a message: one line, cut when long. */
#define CONFIG_CLIP_BYTES 80
struct config_clip {
    char text[CONFIG_CLIP_BYTES];
};
struct config_clip config_clip(const char *text);

/* The end of a file's name that a message has room for; `*dots` is "..." or "". */
const char *config_file_tail(const char *file, const char **dots);

/* The longest path of the table has less than 40 bytes, and two indexes; one of the file's own keys may be cut. */
#define CONFIG_PATH_BYTES 256

/* ---- names outside the file: arguments.c ---- */

/* Add the variables to `source`. `*file` is set where STATEGATE_CONFIG names one. SG_INVALID: an unknown STATEGATE_
 * variable. */
SG_MUST_CHECK enum sg_status config_read_environment(char *const environment[], struct config_source *source,
                                                     const char **file, struct sg_error *err);
/* Add the flags to `source`. */
SG_MUST_CHECK enum sg_status config_read_flags(const struct config_command *command, struct config_source *source,
                                               struct sg_error *err);

/* ---- the tree beside the table: match.c ---- */

/* Unknown keys, values of the wrong form, empty and overlong ones, lists too long or too short. */
SG_MUST_CHECK enum sg_status config_match(const struct config_source *source, struct sg_error *err);

/* ---- one value: value.c ---- */

/* Text to a value; false where it is malformed. What is beyond 64 bits becomes INT64_MAX, which no range allows. */
bool config_parse_duration_ms(const char *text, int64_t *out); /* 500ms, 5s, 2m, 1h, 7d; 0 */
bool config_parse_bytes(const char *text, int64_t *out);       /* 4096, 64MiB, 500MB */
bool config_parse_count(const char *text, int64_t *out);

#define CONFIG_NUMBER_BYTES 32
void config_format_duration_ms(int64_t ms, char out[CONFIG_NUMBER_BYTES]);
void config_format_bytes(int64_t bytes, char out[CONFIG_NUMBER_BYTES]);
/* A number of this kind in its unit. */
void config_format_number(enum config_kind kind, int64_t value, char out[CONFIG_NUMBER_BYTES]);

/* ---- checks of texts: check.c ---- */

config_check config_check_listen;
config_check config_check_listen_ops; /* one; "" is good */
config_check config_check_hosts;      /* "" is good */
config_check config_check_database;
config_check config_check_nats_url;
config_check config_check_domain; /* "" is good */
config_check config_check_stream_name;
config_check config_check_collection_name;
config_check config_check_drop;
config_check config_check_field_name;
config_check config_check_field_at;
config_check config_check_override; /* UTF-8 without control characters, as match.c has it */

/* ---- values of single keys: keys.c ---- */

/* Check `text` and store it in the key's home; `path` is the key's with its indexes, for a refusal. */
SG_MUST_CHECK enum sg_status config_store(const struct config_source *source, const struct config_key *key,
                                          const char *path, const char *text, void *home, struct sg_error *err);
/* Append the value as config_store takes it. Not for lists and HOME_NONE. */
void config_append_value(const struct config_key *key, const void *home, struct buffer *out);

/* Fill what stands in no list: defaults, then the file, then the overrides. Each is checked. */
SG_MUST_CHECK enum sg_status config_apply_keys(const struct config_source *source, struct config *out,
                                               struct sg_error *err);
/* What holds between them. */
SG_MUST_CHECK enum sg_status config_check_keys(const struct config_source *source, struct config *config,
                                               struct sg_error *err);
/* The files that the settings name can be read. */
SG_MUST_CHECK enum sg_status config_check_files(const struct config_source *source, const struct config *config,
                                                struct sg_error *err);
/* Where the values of a home that is no entry of a list lie. */
void *config_home(struct config *config, enum config_home home);
/* Free the texts of one home. */
void config_free_texts(enum config_home home, void *members);

/* ---- streams and collections: streams.c, collections.c, fields.c ---- */

/* Fill `streams` and check each by itself. */
SG_MUST_CHECK enum sg_status config_apply_streams(const struct config_source *source, struct settings *out,
                                                  struct sg_error *err);
/* Fill `collections`. */
SG_MUST_CHECK enum sg_status config_apply_collections(const struct config_source *source, struct settings *out,
                                                      struct sg_error *err);
/* Fill `fields` of the collection `index`, whose entry `node` is; path and source are for refusals. */
SG_MUST_CHECK enum sg_status config_apply_fields(const struct config_source *source, size_t index,
                                                 const struct config_node *node, struct collection_settings *out,
                                                 struct sg_error *err);
/* Who owns which collection: no stream twice, no collection twice, one open template. */
SG_MUST_CHECK enum sg_status config_check_owners(const struct config_source *source, const struct settings *settings,
                                                 struct sg_error *err);

/* ---- for people: show.c, reference.c ---- */

/* Every setting, a line each: "path = value  # where it came from". The settings are those of the source. */
void config_append_origins(const struct config_source *source, struct config *config, struct buffer *out);

/* What is made of the table: --help's settings, deploy/stategate.yaml, and the table of docs/settings.md. */
void config_append_usage(struct buffer *out);
void config_append_example(struct buffer *out);
void config_append_reference(struct buffer *out);
#define CONFIG_DOCUMENT_BYTES_MAX (64u << 10) /* four times the longest of them */

#endif
