/* The scalar keys: their defaults, what they may hold, where they go. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/address.h"
#include "server/config/config_internal.h"

enum kind {
    KIND_TEXT,     /* char *: min..max bytes, and a check */
    KIND_DURATION, /* int64_t, ms */
    KIND_BYTES,    /* int64_t */
    KIND_COUNT,    /* size_t */
    KIND_UNSIGNED, /* unsigned */
    KIND_BOOL,     /* bool: the second word is true */
    KIND_WORD      /* an enum: the number of the word */
};

struct key {
    const char *path;
    enum kind kind;
    const char *fallback; /* the default */
    size_t raw;           /* offset in struct config_raw */
    size_t setting;       /* offset in struct settings */
    int64_t min, max;     /* bytes of a text, else of the value */
    bool zero;            /* 0 is good as well: none, or no limit */
    config_check *check;  /* of a text; NULL = any */
    bool is_file;         /* names a file that must be readable */
    const char *const *words;
};

#define PLACES(r, s) .raw = offsetof(struct config_raw, r), .setting = offsetof(struct settings, s)
#define RANGE(low, high) .min = (low), .max = (high)
#define NATS_FILE(name, r, s)                                                                                          \
    {"nats." name, KIND_TEXT, "", PLACES(nats.r, nats.s), RANGE(0, CONFIG_TEXT_BYTES_MAX), .is_file = true}

static const char *const bool_words[] = {"false", "true", NULL};
static const char *const synchronous_words[] = {"normal", "full", NULL};
static const char *const empty_words[] = {"wait", "swap", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_words[] = {"json", "text", NULL};
_Static_assert(LOG_DEBUG == 0 && LOG_INFO == 1 && LOG_WARN == 2 && LOG_ERROR == 3, "level_words is in their order");
_Static_assert(LOG_FORMAT_JSON == 0 && LOG_FORMAT_TEXT == 1, "format_words is in their order");
_Static_assert(EMPTY_WAIT == 0 && EMPTY_SWAP == 1, "empty_words is in their order");
_Static_assert(sizeof(enum log_level) == sizeof(unsigned) && sizeof(enum log_format) == sizeof(unsigned) &&
                   sizeof(enum empty_policy) == sizeof(unsigned),
               "KIND_WORD stores an unsigned");

static const struct key keys[] = {
    {"listen", KIND_TEXT, "127.0.0.1:8080", PLACES(listen, listen), RANGE(1, CONFIG_TEXT_BYTES_MAX),
     .check = config_check_listen},
    {"listen_ops", KIND_TEXT, "", PLACES(listen_ops, listen_ops), RANGE(0, CONFIG_TEXT_BYTES_MAX),
     .check = config_check_listen_ops},
    {"database", KIND_TEXT, "stategate.db", PLACES(database, database), RANGE(1, CONFIG_DATABASE_PATH_BYTES_MAX),
     .check = config_check_database},
    {"database_synchronous", KIND_BOOL, "normal", PLACES(database_synchronous, synchronous_full),
     .words = synchronous_words},
    {"database_max_bytes", KIND_BYTES, "0", PLACES(database_max_bytes, database_bytes_max),
     RANGE(CONFIG_DATABASE_BYTES_MIN, CONFIG_DATABASE_BYTES_MAX), .zero = true},
    {"nats.url", KIND_TEXT, "nats://127.0.0.1:4222", PLACES(nats.url, nats.url), RANGE(1, CONFIG_NATS_URL_BYTES_MAX),
     .check = config_check_nats_url},
    NATS_FILE("credentials_file", credentials_file, credentials_file),
    NATS_FILE("nkey_file", nkey_file, nkey_file),
    NATS_FILE("token_file", token_file, token_file),
    {"nats.user", KIND_TEXT, "", PLACES(nats.user, nats.user), RANGE(0, CONFIG_NATS_NAME_BYTES_MAX)},
    NATS_FILE("password_file", password_file, password_file),
    NATS_FILE("tls.ca_file", tls.ca_file, tls_ca_file),
    NATS_FILE("tls.cert_file", tls.cert_file, tls_cert_file),
    NATS_FILE("tls.key_file", tls.key_file, tls_key_file),
    {"nats.domain", KIND_TEXT, "", PLACES(nats.domain, nats.domain), RANGE(0, CONFIG_TEXT_BYTES_MAX),
     .check = config_check_domain},
    {"collections_max", KIND_COUNT, "1000", PLACES(collections_max, collections_max),
     RANGE(1, CONFIG_COLLECTIONS_LIMIT_MAX)},
    {"wait.max", KIND_DURATION, "30s", PLACES(wait.max, wait_max_ms), RANGE(0, CONFIG_WAIT_MS_MAX)},
    {"wait.default", KIND_DURATION, "5s", PLACES(wait.fallback, wait_default_ms), RANGE(0, CONFIG_WAIT_MS_MAX)},
    {"wait.parked_max", KIND_COUNT, "10000", PLACES(wait.parked_max, parked_max), RANGE(0, CONFIG_PARKED_MAX)},
    {"wait.parked_max_per_client", KIND_COUNT, "10000", PLACES(wait.parked_max_per_client, parked_max_per_client),
     RANGE(0, CONFIG_PARKED_MAX)},
    {"probe.idle", KIND_DURATION, "1s", PLACES(probe.idle, probe_idle_ms),
     RANGE(CONFIG_PROBE_IDLE_MS_MIN, CONFIG_PROBE_IDLE_MS_MAX)},
    {"probe.min_interval", KIND_DURATION, "5ms", PLACES(probe.min_interval, probe_min_interval_ms),
     RANGE(CONFIG_PROBE_INTERVAL_MS_MIN, CONFIG_PROBE_INTERVAL_MS_MAX)},
    {"probe.epoch_trust", KIND_DURATION, "2s", PLACES(probe.epoch_trust, probe_epoch_trust_ms),
     RANGE(0, CONFIG_EPOCH_TRUST_MS_MAX)},
    {"rejected.max", KIND_COUNT, "10000", PLACES(rejected.max, rejected_max), RANGE(1, CONFIG_REJECTED_MAX)},
    {"rejected.payload", KIND_BOOL, "false", PLACES(rejected.payload, rejected_payload), .words = bool_words},
    {"ready.without_broker", KIND_BOOL, "false", PLACES(ready.without_broker, ready_without_broker),
     .words = bool_words},
    {"rebuild.empty", KIND_WORD, "wait", PLACES(rebuild.empty, rebuild_empty), .words = empty_words},
    {"http.loops", KIND_UNSIGNED, "0", PLACES(http.loops, http_loops), RANGE(0, CONFIG_HTTP_LOOPS_MAX)},
    {"http.connections_max", KIND_UNSIGNED, "16384", PLACES(http.connections_max, http_connections_max),
     RANGE(1, CONFIG_HTTP_CONNECTIONS_MAX)},
    {"http.head_timeout", KIND_DURATION, "30s", PLACES(http.head_timeout, http_head_timeout_ms),
     RANGE(CONFIG_HTTP_TIMEOUT_MS_MIN, CONFIG_HTTP_TIMEOUT_MS_MAX)},
    {"http.answer_timeout", KIND_DURATION, "60s", PLACES(http.answer_timeout, http_answer_timeout_ms),
     RANGE(CONFIG_HTTP_TIMEOUT_MS_MIN, CONFIG_HTTP_TIMEOUT_MS_MAX)},
    {"cache.size", KIND_BYTES, "64MiB", PLACES(cache.size, cache_bytes), RANGE(0, CONFIG_CACHE_BYTES_MAX)},
    {"log.level", KIND_WORD, "info", PLACES(log.level, log_level), .words = level_words},
    {"log.format", KIND_WORD, "json", PLACES(log.format, log_format), .words = format_words},
};
#define KEYS_COUNT (sizeof keys / sizeof keys[0])

/* A value on its way: who gave it decides what a refusal says. */
struct given {
    const struct config_source *source;
    const struct key *key;
    const char *text;
    struct sg_error *err;
};

const char *config_key_path(size_t index)
{
    return index < KEYS_COUNT ? keys[index].path : NULL;
}

static void *place(struct settings *out, const struct key *key)
{
    return (char *)out + key->setting;
}

static enum sg_status store_text(const struct given *g, struct settings *out)
{
    size_t bytes = strlen(g->text);
    if (bytes == 0 && g->key->min > 0)
        return config_refuse(g->source, g->key->path, g->err, "must not be empty");
    if ((int64_t)bytes > g->key->max)
        return config_refuse(g->source, g->key->path, g->err, "must have at most %" PRId64 " bytes", g->key->max);
    const char *wrong = g->key->check != NULL ? g->key->check(g->text) : NULL;
    if (wrong != NULL) /* without the value: an URL may hold a password */
        return config_refuse(g->source, g->key->path, g->err, "%s", wrong);
    char *copy = strdup(g->text);
    if (copy == NULL)
        return sg_fail(g->err, SG_MEMORY, "out of memory while reading the configuration");
    char **text = place(out, g->key);
    free(*text);
    *text = copy;
    return SG_OK;
}

static enum sg_status refuse_range(const struct given *g)
{
    char min[CONFIG_NUMBER_BYTES];
    char max[CONFIG_NUMBER_BYTES];
    if (g->key->kind == KIND_DURATION) {
        config_format_duration_ms(g->key->min, min);
        config_format_duration_ms(g->key->max, max);
    } else if (g->key->kind == KIND_BYTES) {
        config_format_bytes(g->key->min, min);
        config_format_bytes(g->key->max, max);
    } else {
        (void)snprintf(min, sizeof min, "%" PRId64, g->key->min);
        (void)snprintf(max, sizeof max, "%" PRId64, g->key->max);
    }
    return config_refuse(g->source, g->key->path, g->err, "must be %sbetween %s and %s, not %s",
                         g->key->zero ? "0 or " : "", min, max, config_clip(g->text).text);
}

static enum sg_status refuse_form(const struct given *g)
{
    const char *form = g->key->kind == KIND_DURATION ? "a duration such as 500ms, 5s, 2m or 1h"
                       : g->key->kind == KIND_BYTES  ? "a number of bytes such as 4096, 64MiB or 500MB"
                                                     : "a whole number";
    return config_refuse(g->source, g->key->path, g->err, "must be %s, not %s", form, config_clip(g->text).text);
}

static enum sg_status store_number(const struct given *g, struct settings *out)
{
    const struct key *key = g->key;
    int64_t value = 0;
    bool good = key->kind == KIND_DURATION ? config_parse_duration_ms(g->text, &value)
                : key->kind == KIND_BYTES  ? config_parse_bytes(g->text, &value)
                                           : config_parse_count(g->text, &value);
    if (!good)
        return refuse_form(g);
    if (!(key->zero && value == 0) && (value < key->min || value > key->max))
        return refuse_range(g);
    if (key->kind == KIND_COUNT)
        *(size_t *)place(out, key) = (size_t)value;
    else if (key->kind == KIND_UNSIGNED)
        *(unsigned *)place(out, key) = (unsigned)value;
    else
        *(int64_t *)place(out, key) = value;
    return SG_OK;
}

static enum sg_status refuse_word(const struct given *g)
{
    char words[64] = "";
    size_t bytes = 0;
    for (size_t i = 0; g->key->words[i] != NULL; i++) {
        const char *between = i == 0 ? "" : g->key->words[i + 1] == NULL ? " or " : ", ";
        bytes += (size_t)snprintf(words + bytes, sizeof words - bytes, "%s%s", between, g->key->words[i]);
    }
    return config_refuse(g->source, g->key->path, g->err, "must be %s, not %s", words, config_clip(g->text).text);
}

static enum sg_status store_word(const struct given *g, struct settings *out)
{
    unsigned number = 0;
    while (g->key->words[number] != NULL && strcmp(g->key->words[number], g->text) != 0)
        number++;
    if (g->key->words[number] == NULL)
        return refuse_word(g);
    if (g->key->kind == KIND_BOOL)
        *(bool *)place(out, g->key) = number == 1;
    else
        memcpy(place(out, g->key), &number, sizeof number); /* an enum, whose type is not known here */
    return SG_OK;
}

static enum sg_status store(const struct given *g, struct settings *out)
{
    switch (g->key->kind) {
    case KIND_TEXT:
        return store_text(g, out);
    case KIND_DURATION:
    case KIND_BYTES:
    case KIND_COUNT:
    case KIND_UNSIGNED:
        return store_number(g, out);
    case KIND_BOOL:
    case KIND_WORD:
        return store_word(g, out);
    }
    return sg_fail(g->err, SG_INVALID, "%s: of no kind", g->key->path);
}

/* Each layer is checked, so a value in the file that is out of range stops the start even if a flag replaces it. */
static enum sg_status apply_key(const struct config_source *source, const struct config_raw *raw,
                                const struct key *key, struct settings *out, struct sg_error *err)
{
    /* For the file's layer the overrides are hidden, so that a refusal names the file. */
    struct config_source file_only = {.file = source->file, .text = source->text, .bytes = source->bytes};
    struct given layers[3] = {{&file_only, key, key->fallback, err}};
    size_t count = 1;
    const char *in_file = raw != NULL ? *(char *const *)((const char *)raw + key->raw) : NULL;
    if (in_file != NULL)
        layers[count++] = (struct given){&file_only, key, in_file, err};
    const struct config_override *override = config_find_override(source, key->path);
    if (override != NULL)
        layers[count++] = (struct given){source, key, override->text, err};
    for (size_t i = 0; i < count; i++) {
        enum sg_status status = store(&layers[i], out);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

enum sg_status config_apply_keys(const struct config_source *source, const struct config_raw *raw,
                                 struct settings *out, struct sg_error *err)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        enum sg_status status = apply_key(source, raw, &keys[i], out, err);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

/* ---- what holds between keys ---- */

static enum sg_status check_credentials(const struct config_source *source, const struct nats_settings *nats,
                                        struct sg_error *err)
{
    const struct {
        const char *path;
        const char *text;
    } kinds[] = {
        {"nats.credentials_file", nats->credentials_file},
        {"nats.nkey_file", nats->nkey_file},
        {"nats.token_file", nats->token_file},
        {"nats.user", nats->user},
    };
    const char *first = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].text[0] == '\0')
            continue;
        if (first != NULL)
            return config_refuse(source, kinds[i].path, err, "cannot stand beside %s: one kind of credentials only",
                                 first);
        first = kinds[i].path;
    }
    if (nats->user[0] != '\0' && nats->password_file[0] == '\0')
        return config_refuse(source, "nats.user", err, "needs nats.password_file");
    if (nats->user[0] == '\0' && nats->password_file[0] != '\0')
        return config_refuse(source, "nats.password_file", err, "needs nats.user");
    return SG_OK;
}

static enum sg_status check_tls(const struct config_source *source, const struct nats_settings *nats,
                                struct sg_error *err)
{
    bool has_cert = nats->tls_cert_file[0] != '\0';
    bool has_key = nats->tls_key_file[0] != '\0';
    if (has_cert && !has_key)
        return config_refuse(source, "nats.tls.cert_file", err, "needs nats.tls.key_file");
    if (has_key && !has_cert)
        return config_refuse(source, "nats.tls.key_file", err, "needs nats.tls.cert_file");
    return SG_OK;
}

enum sg_status config_check_keys(const struct config_source *source, struct settings *settings, struct sg_error *err)
{
    struct address address;
    bool any_port = address_parse(settings->listen, &address) && !address.is_unix && address.port == 0;
    if (strcmp(settings->listen, settings->listen_ops) == 0 && !any_port)
        return config_refuse(source, "listen_ops", err, "must be another address than listen");
    /* Who shortens the maximum alone means the default as well. */
    if (settings->wait_default_ms > settings->wait_max_ms && !config_is_set(source, "wait.default"))
        settings->wait_default_ms = settings->wait_max_ms;
    if (settings->wait_default_ms > settings->wait_max_ms)
        return config_refuse(source, "wait.default", err, "must not be more than wait.max");
    if (settings->probe_min_interval_ms > settings->probe_idle_ms)
        return config_refuse(source, "probe.min_interval", err, "must not be more than probe.idle");
    enum sg_status status = check_credentials(source, &settings->nats, err);
    return status == SG_OK ? check_tls(source, &settings->nats, err) : status;
}

enum sg_status config_check_files(const struct config_source *source, const struct settings *settings,
                                  struct sg_error *err)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const char *file = keys[i].is_file ? *(char *const *)((const char *)settings + keys[i].setting) : "";
        struct stat about;
        if (file[0] == '\0')
            continue;
        if (access(file, R_OK) != 0 || stat(file, &about) != 0)
            return config_refuse(source, keys[i].path, err, "%s: %s", config_clip(file).text, strerror(errno));
        if (S_ISDIR(about.st_mode))
            return config_refuse(source, keys[i].path, err, "%s: is a folder", config_clip(file).text);
    }
    return SG_OK;
}
