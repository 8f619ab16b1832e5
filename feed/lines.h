/* The input's lines, one at a time, without waiting for ever where a pipe is silent. */
#ifndef STATEGATE_FEED_LINES_H
#define STATEGATE_FEED_LINES_H

#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "feed/stop.h"

/* An 8 MiB payload, which is the most that a server should take, as base64, and its envelope. */
#define LINE_BYTES_MAX (12u << 20)
/* How long lines_next() waits on a silent pipe before it says LINES_IDLE. */
#define LINES_IDLE_MS 50

enum lines_result {
    LINES_LINE,
    LINES_IDLE,     /* nothing yet: do what else is to do and ask again */
    LINES_TOO_LONG, /* a line beyond LINE_BYTES_MAX: passed over, its number is set */
    LINES_END,
    LINES_FAILED    /* reading failed, or memory ran out: `err` is set */
};

struct lines;

/* Open a file, or standard input for NULL. */
SG_MUST_CHECK enum sg_status lines_open(const char *path, struct lines **out, struct sg_error *err);
void lines_close(struct lines *lines);

/* The next line without its line end (\n or \r\n), and its number from 1. Blank lines are counted and passed over.
 * The line is valid until the next call. */
enum lines_result lines_next(struct lines *lines, struct stop *stop, struct slice *line, uint64_t *number,
                             struct sg_error *err);

#endif
