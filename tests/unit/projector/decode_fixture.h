/* Settings with one stream, a message, and the event that decode and shape make of it: for the tests of both. */
#ifndef STATEGATE_TESTS_DECODE_FIXTURE_H
#define STATEGATE_TESTS_DECODE_FIXTURE_H

#include "projector/decode/decode.h"

struct decode_fixture {
    struct settings settings;
    struct stream_settings streams[2];
    struct collection_settings rules;
    struct message message; /* headers and sequence are kept for the next decode */
    struct arena *arena;
    struct event event;
    char *subject; /* owned copies of exactly the size, so that the sanitizer sees a byte too many being read */
    char *payload;
};

/* One stream of this format and template. */
void decode_fixture_open(struct decode_fixture *f, enum stream_format format, const char *template);
void decode_fixture_close(struct decode_fixture *f);
/* Decode and shape this message of stream 0; the event stays valid until the next call. */
const struct event *decode_fixture_run(struct decode_fixture *f, struct slice subject, struct slice payload);
/* The same, and it must be rejected for this reason. */
const struct event *decode_fixture_reject(struct decode_fixture *f, const char *subject, struct slice payload,
                                          enum event_reason reason);

#define assert_slice(s, text)                                                                                          \
    do {                                                                                                               \
        struct slice expected_ = slice_of(text);                                                                       \
        assert_int_equal((s).bytes, expected_.bytes);                                                                  \
        if (expected_.bytes > 0)                                                                                       \
            assert_memory_equal((s).data, expected_.data, expected_.bytes);                                            \
    } while (0)

#endif
