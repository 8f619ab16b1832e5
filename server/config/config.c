/* Loading the configuration: the layers in their order, then what holds between settings. */
#include "server/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config/config_internal.h"

/* ---- the file ---- */

/* Read up to `bytes_max` + 1 bytes of an open file, so that one too large is seen without its size being trusted. */
static enum sg_status read_all(int fd, const char *file, char *text, size_t bytes_max, size_t *bytes,
                               struct sg_error *err)
{
    size_t done = 0;
    while (done <= bytes_max) {
        ssize_t got = read(fd, text + done, bytes_max + 1 - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sg_fail(err, SG_INVALID, "%s: cannot be read: %s", file, strerror(errno));
        if (got == 0)
            break;
        done += (size_t)got;
    }
    if (done > bytes_max)
        return sg_fail(err, SG_INVALID, "%s: is larger than %zu bytes", file, bytes_max);
    *bytes = done;
    return SG_OK;
}

/* The caller frees `*text`. */
static enum sg_status read_file(const char *path, char **text, size_t *bytes, struct sg_error *err)
{
    const char *dots = "";
    const char *name = config_file_tail(path, &dots);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sg_fail(err, SG_INVALID, "%s%s: cannot be opened: %s", dots, name, strerror(errno));
    char *read_text = malloc(CONFIG_FILE_BYTES_MAX + 1);
    enum sg_status status = read_text != NULL
                                ? read_all(fd, name, read_text, CONFIG_FILE_BYTES_MAX, bytes, err)
                                : sg_fail(err, SG_MEMORY, "out of memory while reading the configuration");
    (void)close(fd);
    if (status != SG_OK)
        free(read_text);
    else
        *text = read_text;
    return status;
}

/* ---- the layers ---- */

static enum sg_status apply(const struct config_source *source, const struct config_raw *raw, bool check_files,
                            struct settings *out, struct sg_error *err)
{
    enum sg_status status = config_apply_keys(source, raw, out, err);
    if (status == SG_OK)
        status = config_check_keys(source, out, err);
    if (status == SG_OK)
        status = config_apply_streams(source, raw, out, err);
    if (status == SG_OK)
        status = config_check_owners(source, out, err);
    if (status == SG_OK)
        status = config_apply_collections(source, raw, out, err);
    if (status == SG_OK && check_files)
        status = config_check_files(source, out, err);
    return status;
}

/* From a source whose text (if it has a file) and overrides are complete. */
static enum sg_status load_source(const struct config_source *source, bool check_files, struct settings *out,
                                  struct sg_error *err)
{
    struct config_raw *raw = NULL;
    struct settings settings = {0};
    enum sg_status status = source->text != NULL ? config_raw_load(source, &raw, err) : SG_OK;
    if (status == SG_OK)
        status = apply(source, raw, check_files, &settings, err);
    config_raw_free(raw);
    if (status != SG_OK)
        config_free(&settings);
    else
        *out = settings;
    return status;
}

enum sg_status config_load(const struct config_command *command, char *const environment[], struct settings *out,
                           struct sg_error *err)
{
    struct config_source source = {0};
    const char *file = NULL;
    char *text = NULL;
    enum sg_status status = config_read_environment(environment, &source, &file, err);
    if (status == SG_OK)
        status = config_read_flags(command, &source, err);
    if (status != SG_OK)
        return status;
    source.file = command->file != NULL ? command->file : file;
    if (source.file != NULL)
        status = read_file(source.file, &text, &source.bytes, err);
    source.text = text;
    if (status == SG_OK)
        status = load_source(&source, command->verb == CONFIG_CHECK, out, err);
    free(text);
    return status;
}

enum sg_status config_load_text(const char *file, const char *text, size_t bytes, struct settings *out,
                                struct sg_error *err)
{
    struct config_source source = {.file = file, .text = text, .bytes = bytes};
    return load_source(&source, false, out, err);
}

/* ---- freeing ---- */

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; list != NULL && i < count; i++)
        free(list[i]);
    free(list);
}

static void free_nats(struct nats_settings *nats)
{
    free(nats->url);
    free(nats->credentials_file);
    free(nats->nkey_file);
    free(nats->token_file);
    free(nats->user);
    free(nats->password_file);
    free(nats->tls_ca_file);
    free(nats->tls_cert_file);
    free(nats->tls_key_file);
    free(nats->domain);
}

void config_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->streams_count; i++) {
        free(settings->streams[i].name);
        free_list(settings->streams[i].collections, settings->streams[i].collections_count);
    }
    free(settings->streams);
    for (size_t i = 0; i < settings->collections_count; i++) {
        free(settings->collections[i].name);
        free_list(settings->collections[i].drop, settings->collections[i].drop_count);
    }
    free(settings->collections);
    free_nats(&settings->nats);
    free(settings->listen);
    free(settings->listen_ops);
    free(settings->database);
    *settings = (struct settings){0};
}
