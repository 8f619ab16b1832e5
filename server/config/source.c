/* Where a value came from, and the sentence that says so. */
#include <stdarg.h>
#include <string.h>

#include "server/config/config_internal.h"

#define FILE_TAIL_BYTES 160 /* of a file's name in a message: the sentence after it must fit as well */

struct config_clip config_clip(const char *text)
{
    struct config_clip clip = {{0}};
    size_t bytes = strlen(text);
    size_t kept = bytes < CONFIG_CLIP_BYTES ? bytes : CONFIG_CLIP_BYTES - 4;
    while (kept < bytes && kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80)
        kept--; /* do not cut within a UTF-8 sequence */
    for (size_t i = 0; i < kept; i++) {
        unsigned char c = (unsigned char)text[i];
        clip.text[i] = c < 0x20 || c == 0x7F ? '?' : text[i];
    }
    if (kept < bytes)
        memcpy(clip.text + kept, "...", 4);
    return clip;
}

const char *config_file_tail(const char *file, const char **dots)
{
    size_t bytes = strlen(file);
    *dots = bytes > FILE_TAIL_BYTES ? "..." : "";
    return bytes > FILE_TAIL_BYTES ? file + bytes - FILE_TAIL_BYTES : file;
}

const struct config_override *config_find_override(const struct config_source *source, const struct config_key *key)
{
    for (size_t i = source->overrides_count; i > 0; i--) {
        if (source->overrides[i - 1].key == key)
            return &source->overrides[i - 1];
    }
    return NULL;
}

/* Whether a path of the table is this one: streams[] stands for the first of them. */
static bool is_path(const char *pattern, const char *path)
{
    while (*pattern != '\0' && *pattern == *path) {
        pattern++;
        path++;
        if (pattern[-1] == '[' && *path == '0')
            path++;
    }
    return *pattern == *path;
}

static const struct config_override *find_by_path(const struct config_source *source, const char *path)
{
    for (size_t i = source->overrides_count; i > 0; i--) {
        if (is_path(source->overrides[i - 1].key->path, path))
            return &source->overrides[i - 1];
    }
    return NULL;
}

bool config_is_set(const struct config_source *source, const char *path)
{
    return find_by_path(source, path) != NULL || config_tree_find(source->root, path) != NULL;
}

/* Fill `err` with "<place>: <sentence>". */
static enum sg_status refuse_at(struct sg_error *err, const char *place, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
static enum sg_status refuse_at(struct sg_error *err, const char *place, const char *format, va_list arguments)
{
    char sentence[sizeof err->message];
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    return sg_fail(err, SG_INVALID, "%s: %s", place, sentence);
}

#define PLACE_BYTES (FILE_TAIL_BYTES + 16 + CONFIG_PATH_BYTES)

static void write_line(const struct config_source *source, unsigned line, const char *path, char out[PLACE_BYTES])
{
    const char *dots = "";
    const char *file = config_file_tail(source->file, &dots);
    (void)snprintf(out, PLACE_BYTES, "%s%s:%u%s%s", dots, file, line, path[0] != '\0' ? ": " : "", path);
}

enum sg_status config_refuse(const struct config_source *source, const char *path, struct sg_error *err,
                             const char *format, ...)
{
    char place[PLACE_BYTES];
    const struct config_override *override = find_by_path(source, path);
    const struct config_node *node = config_tree_nearest(source->root, path);
    if (override != NULL)
        (void)snprintf(place, sizeof place, "%s", override->origin);
    else if (node != NULL && node != source->root)
        write_line(source, node->key_line, path, place);
    else
        (void)snprintf(place, sizeof place, "%s", path);
    va_list arguments;
    va_start(arguments, format);
    enum sg_status status = refuse_at(err, place, format, arguments);
    va_end(arguments);
    return status;
}

enum sg_status config_refuse_line(const struct config_source *source, unsigned line, const char *path,
                                  struct sg_error *err, const char *format, ...)
{
    char place[PLACE_BYTES];
    write_line(source, line, path, place);
    va_list arguments;
    va_start(arguments, format);
    enum sg_status status = refuse_at(err, place, format, arguments);
    va_end(arguments);
    return status;
}
