/* Where a value came from, and the sentence that says so. */
#include <stdarg.h>
#include <string.h>

#include "server/config/config_internal.h"

#define PATH_BYTES 512      /* of a key's path in a message; real ones have less than 100 */
#define FILE_TAIL_BYTES 160 /* of a file's name in a message: the sentence behind it must fit as well */

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

const struct config_override *config_find_override(const struct config_source *source, const char *path)
{
    for (size_t i = source->overrides_count; i > 0; i--) {
        if (strcmp(source->overrides[i - 1].path, path) == 0)
            return &source->overrides[i - 1];
    }
    return NULL;
}

bool config_is_set(const struct config_source *source, const char *path)
{
    return config_find_override(source, path) != NULL || config_file_line(source, path) > 0;
}

/* The line of the path, or of the nearest thing around it: streams[1].name, streams[1], streams. 0 = none of them. */
static unsigned nearest_line(const struct config_source *source, const char *path)
{
    char around[PATH_BYTES];
    (void)snprintf(around, sizeof around, "%s", path);
    while (around[0] != '\0') {
        unsigned line = config_file_line(source, around);
        if (line > 0)
            return line;
        size_t end = strlen(around);
        do
            end--;
        while (end > 0 && around[end] != '.' && around[end] != '[');
        around[end] = '\0';
    }
    return 0;
}

static void write_place(const struct config_source *source, const char *path, char *out, size_t out_bytes)
{
    const struct config_override *override = config_find_override(source, path);
    unsigned line = override == NULL ? nearest_line(source, path) : 0;
    if (override != NULL) {
        (void)snprintf(out, out_bytes, "%s", override->origin);
    } else if (line > 0) {
        const char *dots = "";
        const char *file = config_file_tail(source->file, &dots);
        (void)snprintf(out, out_bytes, "%s%s:%u: %s", dots, file, line, path);
    } else {
        (void)snprintf(out, out_bytes, "%s", path);
    }
}

enum sg_status config_refuse(const struct config_source *source, const char *path, struct sg_error *err,
                             const char *format, ...)
{
    char place[FILE_TAIL_BYTES + 160];
    char sentence[sizeof err->message];
    write_place(source, path, place, sizeof place);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return sg_fail(err, SG_INVALID, "%s: %s", place, sentence);
}
