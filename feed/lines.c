/* Reading by read(2) into one growing buffer: stdio cannot be asked to wait for only a while. */
#include "feed/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/time.h"

#define LINES_CAPACITY_START (256u << 10)

struct lines {
    int fd;          /* owned unless it is standard input */
    char *data;      /* owned */
    size_t capacity;
    size_t begin;    /* the first byte not handed out */
    size_t searched; /* up to here there is no line end */
    size_t end;
    uint64_t number;
    bool at_end;
    bool skipping;   /* inside a line that is too long */
};

enum sg_status lines_open(const char *path, struct lines **out, struct sg_error *err)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    lines->fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    lines->data = malloc(LINES_CAPACITY_START);
    lines->capacity = LINES_CAPACITY_START;
    if (lines->fd >= 0 && lines->data != NULL) {
        *out = lines;
        return SG_OK;
    }
    enum sg_status status = lines->fd < 0 ? sg_fail(err, SG_NOT_FOUND, "%s: %s", path, strerror(errno))
                                          : sg_fail(err, SG_MEMORY, "out of memory");
    lines_close(lines);
    return status;
}

void lines_close(struct lines *lines)
{
    if (lines == NULL)
        return;
    if (lines->fd > STDIN_FILENO)
        (void)close(lines->fd);
    free(lines->data);
    free(lines);
}

/* Make room for more bytes: move what is left to the front, and grow when that is everything. */
static bool lines_make_room(struct lines *lines)
{
    if (lines->begin > 0) {
        memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->searched -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end < lines->capacity)
        return true;
    char *grown = realloc(lines->data, lines->capacity * 2);
    if (grown == NULL)
        return false;
    lines->data = grown;
    lines->capacity *= 2;
    return true;
}

/* Read once. LINES_LINE means that there is more to look at (or the end), nothing else. */
static enum lines_result lines_fill(struct lines *lines, struct stop *stop, struct sg_error *err)
{
    if (!stop_wait(stop, lines->fd, LINES_IDLE_MS * NS_PER_MS))
        return LINES_IDLE;
    if (!lines_make_room(lines)) {
        (void)sg_fail(err, SG_MEMORY, "out of memory for line %llu", (unsigned long long)lines->number + 1);
        return LINES_FAILED;
    }
    ssize_t got = read(lines->fd, lines->data + lines->end, lines->capacity - lines->end);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return LINES_IDLE;
    if (got < 0) {
        (void)sg_fail(err, SG_STORAGE, "the input cannot be read after line %llu: %s",
                      (unsigned long long)lines->number, strerror(errno));
        return LINES_FAILED;
    }
    lines->at_end = got == 0;
    lines->end += (size_t)got;
    return LINES_LINE;
}

/* Cut the next line out of what is there. False if its end is not there yet. */
static bool lines_cut(struct lines *lines, struct slice *line)
{
    char *found = memchr(lines->data + lines->searched, '\n', lines->end - lines->searched);
    lines->searched = lines->end;
    if (found == NULL && !(lines->at_end && lines->end > lines->begin))
        return false;
    char *start = lines->data + lines->begin;
    size_t bytes = found != NULL ? (size_t)(found - start) : lines->end - lines->begin;
    lines->begin += bytes + (found != NULL ? 1 : 0);
    lines->searched = lines->begin;
    lines->number++;
    if (bytes > 0 && start[bytes - 1] == '\r')
        bytes--;
    *line = (struct slice){start, bytes};
    return true;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.bytes; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t')
            return false;
    }
    return true;
}

enum lines_result lines_next(struct lines *lines, struct stop *stop, struct slice *line, uint64_t *number,
                             struct sg_error *err)
{
    for (;;) {
        while (lines_cut(lines, line)) {
            bool too_long = lines->skipping || line->bytes > LINE_BYTES_MAX;
            lines->skipping = false;
            *number = lines->number;
            if (too_long)
                return LINES_TOO_LONG;
            if (!is_blank(*line))
                return LINES_LINE;
        }
        if (lines->end - lines->begin > LINE_BYTES_MAX + 1) { /* + 1: its last byte may be the \r of the line end */
            lines->skipping = true;
            lines->begin = lines->end; /* forget it, so that the buffer stays bounded */
        }
        if (lines->at_end) {
            if (!lines->skipping)
                return LINES_END;
            /* The line that was too long has no line end. */
            lines->skipping = false;
            *number = ++lines->number;
            return LINES_TOO_LONG;
        }
        enum lines_result result = lines_fill(lines, stop, err);
        if (result != LINES_LINE)
            return result;
    }
}
