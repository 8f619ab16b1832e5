/* Loading the configuration: the layers in their order, then what holds between settings. */
#include "server/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config/config_internal.h"

/* A file may fill it, and each of its keys takes a line with its path and the place it came from. */
#define CONFIG_ORIGINS_BYTES_MAX (8u << 20)

/* ---- the file ---- */

/* Read up to CONFIG_FILE_BYTES_MAX + 1 bytes of an open file, so that one too large is seen without its size being
 * trusted. */
static enum sg_status read_all(int fd, const char *file, char *text, size_t *bytes, struct sg_error *err)
{
    size_t done = 0;
    while (done <= CONFIG_FILE_BYTES_MAX) {
        ssize_t got = read(fd, text + done, CONFIG_FILE_BYTES_MAX + 1 - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sg_fail(err, SG_INVALID, "%s: cannot be read: %s", file, strerror(errno));
        if (got == 0)
            break;
        done += (size_t)got;
    }
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
                                ? read_all(fd, name, read_text, bytes, err)
                                : sg_fail(err, SG_MEMORY, "out of memory while reading the configuration");
    (void)close(fd);
    if (status != SG_OK)
        free(read_text);
    else
        *text = read_text;
    return status;
}

/* ---- the layers ---- */

static enum sg_status apply(const struct config_source *source, bool check_files, struct config *out,
                            struct sg_error *err)
{
    enum sg_status status = config_match(source, err);
    if (status == SG_OK)
        status = config_apply_keys(source, out, err);
    if (status == SG_OK)
        status = config_check_keys(source, out, err);
    if (status == SG_OK)
        status = config_apply_streams(source, &out->settings, err);
    if (status == SG_OK)
        status = config_check_owners(source, &out->settings, err);
    if (status == SG_OK)
        status = config_apply_collections(source, &out->settings, err);
    if (status == SG_OK && check_files)
        status = config_check_files(source, out, err);
    return status;
}

static enum sg_status keep_origins(const struct config_source *source, struct config *config, struct sg_error *err)
{
    struct buffer text;
    buffer_init(&text, CONFIG_ORIGINS_BYTES_MAX);
    config_append_origins(source, config, &text);
    buffer_append(&text, "", 1);
    if (text.failed) {
        buffer_free(&text);
        return sg_fail(err, SG_MEMORY, "out of memory for the settings as text");
    }
    size_t bytes = 0;
    config->origins = buffer_take(&text, &bytes);
    return SG_OK;
}

/* From a source whose text (if it has a file) and overrides are complete. */
static enum sg_status load_source(struct config_source *source, bool check_files, bool origins, struct config *out,
                                  struct sg_error *err)
{
    struct config_node *root = NULL;
    struct config config = {0};
    enum sg_status status = source->text != NULL ? config_tree_parse(source, &root, err) : SG_OK;
    source->root = root;
    if (status == SG_OK)
        status = apply(source, check_files, &config, err);
    if (status == SG_OK && origins)
        status = keep_origins(source, &config, err);
    source->root = NULL;
    config_tree_free(root);
    if (status != SG_OK)
        config_free(&config);
    else
        *out = config;
    return status;
}

enum sg_status config_load(const struct config_command *command, char *const environment[], struct config *out,
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
        status = load_source(&source, command->verb == CONFIG_CHECK, command->origins, out, err);
    free(text);
    return status;
}

enum sg_status config_load_text(const char *file, const char *text, size_t bytes, struct config *out,
                                struct sg_error *err)
{
    struct config_source source = {.file = file, .text = text, .bytes = bytes};
    return load_source(&source, false, false, out, err);
}

/* ---- freeing ---- */

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; list != NULL && i < count; i++)
        free(list[i]);
    free(list);
}

void config_free(struct config *config)
{
    struct settings *settings = &config->settings;
    for (size_t i = 0; i < settings->streams_count; i++) {
        config_free_texts(HOME_STREAM, &settings->streams[i]);
        free_list(settings->streams[i].collections, settings->streams[i].collections_count);
    }
    free(settings->streams);
    for (size_t i = 0; i < settings->collections_count; i++) {
        config_free_texts(HOME_COLLECTION, &settings->collections[i]);
        free_list(settings->collections[i].drop, settings->collections[i].drop_count);
        fields_free(&settings->collections[i].fields);
    }
    free(settings->collections);
    config_free_texts(HOME_SETTINGS, settings);
    free(config->origins);
    *config = (struct config){0};
}
