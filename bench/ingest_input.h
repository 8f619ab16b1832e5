/* Events in memory, for the programs that measure ingest without a broker: the lines of a file, or made ones. */
#ifndef STATEGATE_BENCH_INGEST_INPUT_H
#define STATEGATE_BENCH_INGEST_INPUT_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/slice.h"

#define INGEST_MADE_BYTES_MAX 512

struct ingest_input {
    char *bytes;          /* owned; what `events` point into */
    struct slice *events; /* owned; JSON, one object each */
    size_t count;
    size_t event_bytes_max;
    size_t total_bytes;
};

static inline uint64_t ingest_mix(uint64_t x)
{
    /* splitmix64: the same ids in every run. */
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline void ingest_input_free(struct ingest_input *in)
{
    free(in->bytes);
    free(in->events);
    *in = (struct ingest_input){0};
}

static inline void ingest_input_add(struct ingest_input *in, char *data, size_t bytes)
{
    in->events[in->count++] = (struct slice){data, bytes};
    in->total_bytes += bytes;
    if (bytes > in->event_bytes_max)
        in->event_bytes_max = bytes;
}

/* Events of about 300 bytes. `entities` is how many ids there are to choose from; 0: every event has its own. False:
 * out of memory. */
static inline bool ingest_input_make(struct ingest_input *in, size_t count, size_t entities, bool sequential)
{
    *in = (struct ingest_input){.bytes = calloc(count, INGEST_MADE_BYTES_MAX),
                                .events = calloc(count, sizeof in->events[0])};
    if (in->bytes == NULL || in->events == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint64_t entity = entities != 0 ? ingest_mix(i) % entities : i;
        uint64_t id = sequential ? entity : ingest_mix(entity ^ UINT64_C(0x5bd1e995));
        char *to = in->bytes + i * INGEST_MADE_BYTES_MAX;
        int bytes = snprintf(to, INGEST_MADE_BYTES_MAX,
                             "{\"aggregateId\":\"%016" PRIx64 "\",\"version\":%zu,\"type\":\"CustomerChanged\","
                             "\"occurredAt\":\"2026-01-31T12:00:00.123Z\",\"schemaVersion\":1,"
                             "\"state\":{\"name\":\"Customer %zu\",\"balance\":%zu.50,\"active\":true,"
                             "\"tags\":[\"a\",\"b\",\"c\"],\"address\":{\"street\":\"Main Street %zu\","
                             "\"city\":\"Springfield\",\"zip\":\"12345\"},\"note\":\"%016" PRIx64 "\"}}",
                             id, i + 1, i, i % 100000, i % 500, ingest_mix(i));
        if (bytes <= 0 || bytes >= INGEST_MADE_BYTES_MAX)
            return false;
        ingest_input_add(in, to, (size_t)bytes);
    }
    return true;
}

/* The lines of `path`, at most `count_max`. False: it cannot be read, or is empty. */
static inline bool ingest_input_read(struct ingest_input *in, const char *path, size_t count_max)
{
    FILE *file = fopen(path, "rb");
    long size = 0;
    *in = (struct ingest_input){0};
    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size > 0 && fseek(file, 0, SEEK_SET) == 0) {
        in->bytes = malloc((size_t)size);
        in->events = calloc(count_max, sizeof in->events[0]);
    }
    bool read = in->bytes != NULL && in->events != NULL && fread(in->bytes, 1, (size_t)size, file) == (size_t)size;
    if (file != NULL)
        (void)fclose(file);
    char *end = read ? in->bytes + size : NULL;
    for (char *line = in->bytes; read && line < end && in->count < count_max;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL)
            newline = end;
        ingest_input_add(in, line, (size_t)(newline - line));
        line = newline + 1;
    }
    return in->count > 0;
}

#endif
