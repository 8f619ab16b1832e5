/* What decoding and shaping one event costs: nanoseconds per event, best and median of several rounds, for typical
 * payloads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "projector/decode/decode.h"
#include "projector/shape/shape.h"

#define ROUNDS 15
#define EVENTS_PER_BATCH 500
#define BATCHES_PER_ROUND 200

struct sample {
    const char *name;
    const char *payload;
};

/* 305 bytes, a usual event. */
static const struct sample samples[] = {
    {"envelope, 305 bytes",
     "{\"aggregateId\":\"7c9e6679-7425-40de-944b-e07fc1f90ae7\",\"version\":42,\"type\":\"CustomerChanged\","
     "\"occurredAt\":\"2026-01-31T12:00:00.123Z\",\"state\":{\"name\":\"Ada Lovelace\",\"email\":\"ada@example.org\","
     "\"balance\":1234.50,\"tags\":[\"gold\",\"eu\"],\"address\":{\"street\":\"12 St James Square\",\"city\":"
     "\"London\",\"zip\":\"SW1Y 4JH\"},\"on\":true}}"},
    {"the same, with white space",
     "{ \"aggregateId\" : \"7c9e6679-7425-40de-944b-e07fc1f90ae7\", \"version\" : 42, \"type\" : "
     "\"CustomerChanged\",\n"
     "  \"occurredAt\" : \"2026-01-31T12:00:00.123Z\",\n  \"state\" : { \"name\" : \"Ada Lovelace\", \"email\" : "
     "\"ada@example.org\",\n    \"balance\" : 1234.50, \"tags\" : [ \"gold\", \"eu\" ],\n    \"address\" : { "
     "\"street\" : \"12 St James Square\", \"city\" : \"London\", \"zip\" : \"SW1Y 4JH\" },\n    \"on\" : true } }"},
    {"rejected, no version", "{\"aggregateId\":\"7c9e6679-7425-40de-944b-e07fc1f90ae7\",\"state\":{\"name\":\"Ada\"}}"},
    {"erase, 0 bytes", ""},
};

static double now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static int run_batches(const struct decode_stream *stream, const struct message *message, struct arena *arena)
{
    struct event event;
    for (int batch = 0; batch < BATCHES_PER_ROUND; batch++) {
        arena_reset(arena);
        for (int i = 0; i < EVENTS_PER_BATCH; i++) {
            if (decode_message(stream, message, arena, &event, NULL) != SG_OK ||
                shape_event(NULL, &event, arena, NULL) != SG_OK)
                return 1;
        }
    }
    return 0;
}

static int run_sample(const struct decode_stream *stream, const struct sample *sample, struct arena *arena)
{
    double rounds[ROUNDS];
    struct message message = {
        .subject = SLICE_LITERAL("state.customers.7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        .payload = slice_of(sample->payload),
        .sequence = 1,
    };
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();
        if (run_batches(stream, &message, arena) != 0)
            return 1;
        rounds[i] = (now_ns() - start) / (EVENTS_PER_BATCH * BATCHES_PER_ROUND);
    }
    qsort(rounds, ROUNDS, sizeof rounds[0], compare_doubles);
    printf("%-28s %4zu bytes  best %6.1f  median %6.1f ns/event\n", sample->name, message.payload.bytes, rounds[0],
           rounds[ROUNDS / 2]);
    return 0;
}

int main(void)
{
    struct sg_error err;
    struct stream_settings stream_settings = {.name = (char[]){"STATE"}, .format = FORMAT_ENVELOPE};
    struct settings settings = {.streams = &stream_settings, .streams_count = 1};
    struct decode_stream stream;
    struct arena *arena = arena_create();
    int failed = arena == NULL;
    if (subject_template_parse("state.{collection}.{id}", &stream_settings.subject, &err) != SG_OK ||
        decode_stream_open(&settings, 0, &stream, &err) != SG_OK)
        failed = 1;
    for (size_t i = 0; !failed && i < sizeof samples / sizeof samples[0]; i++)
        failed = run_sample(&stream, &samples[i], arena);
    arena_destroy(arena);
    if (failed)
        fprintf(stderr, "bench_decode: out of memory\n");
    return failed;
}
