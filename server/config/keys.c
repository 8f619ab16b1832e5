/* Values of single keys: from text to their place and back, by the rows of the table; and what holds between them. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/address.h"
#include "server/config/config_internal.h"

/* A value on its way: who gave it decides what a refusal says. */
struct given {
    const struct config_source *source;
    const struct config_key *key;
    const char *path;
    const char *text;
    void *place; /* NULL = it is checked only */
    struct sg_error *err;
};

/* ---- storing ---- */

static enum sg_status store_text(const struct given *g)
{
    size_t bytes = strlen(g->text);
    if (bytes == 0 && g->key->min > 0)
        return config_refuse(g->source, g->path, g->err, "must not be empty");
    if ((int64_t)bytes > g->key->max)
        return config_refuse(g->source, g->path, g->err, "must have at most %" PRId64 " bytes", g->key->max);
    const char *wrong = g->key->check != NULL ? g->key->check(g->text) : NULL;
    if (wrong != NULL) /* without the value: an URL may hold a password */
        return config_refuse(g->source, g->path, g->err, "%s", wrong);
    if (g->place == NULL)
        return SG_OK;
    char *copy = strdup(g->text);
    if (copy == NULL)
        return sg_fail(g->err, SG_MEMORY, "out of memory while reading the configuration");
    char **text = g->place;
    free(*text);
    *text = copy;
    return SG_OK;
}

static enum sg_status refuse_value(const struct given *g)
{
    char range[CONFIG_RANGE_BYTES];
    config_key_range(g->key, range);
    return config_refuse(g->source, g->path, g->err, "must be %s, not %s", range, config_clip(g->text).text);
}

static enum sg_status refuse_form(const struct given *g)
{
    const char *form = g->key->kind == KIND_DURATION ? "a duration such as 500ms, 5s, 2m, 1h or 7d"
                       : g->key->kind == KIND_BYTES  ? "a number of bytes such as 4096, 64MiB or 500MB"
                                                     : "a whole number";
    return config_refuse(g->source, g->path, g->err, "must be %s, not %s", form, config_clip(g->text).text);
}

static enum sg_status store_number(const struct given *g)
{
    const struct config_key *key = g->key;
    int64_t value = 0;
    bool good = key->kind == KIND_DURATION ? config_parse_duration_ms(g->text, &value)
                : key->kind == KIND_BYTES  ? config_parse_bytes(g->text, &value)
                                           : config_parse_count(g->text, &value);
    if (!good)
        return refuse_form(g);
    if (!(key->zero && value == 0) && (value < key->min || value > key->max))
        return refuse_value(g);
    if (g->place == NULL)
        return SG_OK;
    if (key->kind == KIND_COUNT)
        *(size_t *)g->place = (size_t)value;
    else if (key->kind == KIND_UNSIGNED)
        *(unsigned *)g->place = (unsigned)value;
    else
        *(int64_t *)g->place = value;
    return SG_OK;
}

/* The number of the word; that of the NULL at the end if it is not there. */
static unsigned find_word(const char *const *words, const char *text)
{
    unsigned number = 0;
    while (words[number] != NULL && strcmp(words[number], text) != 0)
        number++;
    return number;
}

static enum sg_status store_word(const struct given *g)
{
    const struct config_key *key = g->key;
    unsigned number = find_word(key->words, g->text);
    if (key->later != NULL && key->later[find_word(key->later, g->text)] != NULL)
        return config_refuse(g->source, g->path, g->err, "%s is not supported by this version", g->text);
    if (key->words[number] == NULL)
        return refuse_value(g);
    if (g->place == NULL)
        return SG_OK;
    if (key->kind == KIND_BOOL)
        *(bool *)g->place = number == 1;
    else
        memcpy(g->place, &number, sizeof number); /* an enum, whose type is not known here */
    return SG_OK;
}

static enum sg_status store(const struct given *g)
{
    switch (g->key->kind) {
    case KIND_TEXT:
        return store_text(g);
    case KIND_DURATION:
    case KIND_BYTES:
    case KIND_COUNT:
    case KIND_UNSIGNED:
        return store_number(g);
    case KIND_BOOL:
    case KIND_WORD:
        return store_word(g);
    case KIND_TEXTS:
    case KIND_LIST:
        break; /* of a room of its own */
    }
    return sg_fail(g->err, SG_INVALID, "%s: is no single value", g->path);
}

static void *place_of(const struct config_key *key, void *home)
{
    return key->home != HOME_NONE ? (char *)home + key->offset : NULL;
}

enum sg_status config_store(const struct config_source *source, const struct config_key *key, const char *path,
                            const char *text, void *home, struct sg_error *err)
{
    struct given given = {source, key, path, text, place_of(key, home), err};
    return store(&given);
}

/* ---- writing and freeing ---- */

/* A text that would be taken for something else stands in quotes. */
static void append_text(const char *text, struct buffer *out)
{
    bool bare = text[0] != '\0' && strpbrk(text, "\"# ,[]{}") == NULL;
    buffer_append_format(out, bare ? "%s" : "\"%s\"", text);
}

void config_append_value(const struct config_key *key, const void *home, struct buffer *out)
{
    const void *place = (const char *)home + key->offset;
    char number[CONFIG_NUMBER_BYTES];
    unsigned word = 0;
    switch (key->kind) {
    case KIND_TEXT:
        append_text(*(char *const *)place, out);
        return;
    case KIND_BOOL:
    case KIND_WORD:
        word = key->kind == KIND_BOOL ? *(const bool *)place : *(const unsigned *)place;
        buffer_append_text(out, key->words[word]);
        return;
    case KIND_DURATION:
    case KIND_BYTES:
        config_format_number(key->kind, *(const int64_t *)place, number);
        break;
    case KIND_COUNT:
        config_format_number(key->kind, (int64_t)*(const size_t *)place, number);
        break;
    case KIND_UNSIGNED:
        config_format_number(key->kind, *(const unsigned *)place, number);
        break;
    case KIND_TEXTS:
    case KIND_LIST:
        return;
    }
    buffer_append_text(out, number);
}

void config_free_texts(enum config_home home, void *members)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        if (key->home == home && key->kind == KIND_TEXT)
            free(*(char **)place_of(key, members));
    }
}

/* ---- what stands in no list ---- */

void *config_home(struct config *config, enum config_home home)
{
    return home == HOME_TUNABLES ? (void *)&config->tunables : &config->settings;
}

/* The file's value: a text, or the texts of a list. */
static enum sg_status store_node(const struct config_source *source, const struct config_key *key,
                                 const struct config_node *node, void *home, struct sg_error *err)
{
    struct buffer joined;
    if (node->form == CONFIG_SCALAR)
        return config_store(source, key, key->path, node->text, home, err);
    buffer_init(&joined, key->list_max * (CONFIG_TEXT_BYTES_MAX + 1) + 1);
    for (const struct config_node *child = node->first; child != NULL; child = child->next)
        buffer_append_format(&joined, "%s%s", child == node->first ? "" : ",", child->text);
    buffer_append(&joined, "", 1);
    enum sg_status status = joined.failed ? sg_fail(err, SG_MEMORY, "out of memory while reading the configuration")
                                          : config_store(source, key, key->path, joined.data, home, err);
    buffer_free(&joined);
    return status;
}

/* Each layer is checked, so a value in the file that is out of range stops the start even if a flag replaces it. */
static enum sg_status apply_key(const struct config_source *source, const struct config_key *key, struct config *out,
                                struct sg_error *err)
{
    /* For the file's layer the overrides are hidden, so that a refusal names the file. */
    struct config_source file_only = {.file = source->file, .root = source->root};
    const struct config_node *node = config_tree_find(source->root, key->path);
    const struct config_override *override = config_find_override(source, key);
    void *home = config_home(out, key->home);
    enum sg_status status = config_store(&file_only, key, key->path, key->fallback, home, err);
    if (status == SG_OK && node != NULL)
        status = store_node(&file_only, key, node, home, err);
    if (status == SG_OK && override != NULL)
        status = config_store(source, key, key->path, override->text, home, err);
    return status;
}

enum sg_status config_apply_keys(const struct config_source *source, struct config *out, struct sg_error *err)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        bool in_list = strchr(key->path, '[') != NULL || key->kind == KIND_LIST || key->kind == KIND_TEXTS;
        enum sg_status status = in_list ? SG_OK : apply_key(source, key, out, err);
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

/* Each address stands once, but for those that are any free port. */
static enum sg_status check_addresses(const struct config_source *source, const struct settings *settings,
                                      struct sg_error *err)
{
    struct address address;
    const char *rest = settings->listen;
    for (struct slice one = address_next(&rest); one.bytes > 0; one = address_next(&rest)) {
        const char *later = rest;
        if (address_parse_slice(one, &address) && !address.is_unix && address.port == 0)
            continue;
        if (slice_equal(one, slice_of(settings->listen_ops)))
            return config_refuse(source, "listen_ops", err, "must be another address than listen");
        for (struct slice other = address_next(&later); other.bytes > 0; other = address_next(&later)) {
            if (slice_equal(one, other))
                return config_refuse(source, "listen", err, "%.*s stands there twice", SLICE_ARGS(one));
        }
    }
    return SG_OK;
}

enum sg_status config_check_keys(const struct config_source *source, struct config *config, struct sg_error *err)
{
    const struct settings *settings = &config->settings;
    struct tunables *tunables = &config->tunables;
    enum sg_status status = check_addresses(source, settings, err);
    if (status != SG_OK)
        return status;
    /* Who shortens the maximum alone means the default as well. */
    if (tunables->wait_default_ms > tunables->wait_max_ms && !config_is_set(source, "wait.default"))
        tunables->wait_default_ms = tunables->wait_max_ms;
    if (tunables->wait_default_ms > tunables->wait_max_ms)
        return config_refuse(source, "wait.default", err, "must not be more than wait.max");
    if (tunables->probe_min_interval_ms > tunables->probe_idle_ms)
        return config_refuse(source, "probe.min_interval", err, "must not be more than probe.idle");
    status = check_credentials(source, &settings->nats, err);
    return status == SG_OK ? check_tls(source, &settings->nats, err) : status;
}

enum sg_status config_check_files(const struct config_source *source, const struct config *config,
                                  struct sg_error *err)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        const char *file = key->is_file ? *(char *const *)((const char *)&config->settings + key->offset) : "";
        struct stat about;
        if (file[0] == '\0')
            continue;
        if (access(file, R_OK) != 0 || stat(file, &about) != 0)
            return config_refuse(source, key->path, err, "%s: %s", config_clip(file).text, strerror(errno));
        if (S_ISDIR(about.st_mode))
            return config_refuse(source, key->path, err, "%s: is a folder", config_clip(file).text);
    }
    return SG_OK;
}
