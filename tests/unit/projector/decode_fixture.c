/* For the tests of decode. */
#include "decode_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/decode_shaped.h"

void decode_fixture_open(struct decode_fixture *f, enum stream_format format, const char *template)
{
    struct sg_error err = {0};
    *f = (struct decode_fixture){0};
    f->settings.streams = f->streams;
    f->settings.streams_count = 1;
    f->streams[0].name = (char *)(uintptr_t)"STATE";
    f->streams[0].format = format;
    f->message.sequence = 1;
    f->message.time_ns = 1700000000;
    if (subject_template_parse(template, &f->streams[0].subject, &err) != SG_OK)
        fail_msg("%s", err.message);
    f->arena = arena_create();
    assert_non_null(f->arena);
}

void decode_fixture_close(struct decode_fixture *f)
{
    arena_destroy(f->arena);
    free(f->subject);
    free(f->payload);
    *f = (struct decode_fixture){0};
}

static char *copy_exactly(struct slice s)
{
    char *copy = malloc(s.bytes > 0 ? s.bytes : 1);
    assert_non_null(copy);
    if (s.bytes > 0)
        memcpy(copy, s.data, s.bytes);
    return copy;
}

const struct event *decode_fixture_run(struct decode_fixture *f, struct slice subject, struct slice payload)
{
    struct sg_error err = {0};
    free(f->subject);
    free(f->payload);
    f->subject = copy_exactly(subject);
    f->payload = copy_exactly(payload);
    f->message.subject = (struct slice){f->subject, subject.bytes};
    f->message.payload = (struct slice){f->payload, payload.bytes};
    arena_reset(f->arena);
    if (decode_shaped(&f->settings, 0, &f->message, f->arena, &f->event, &err) != SG_OK)
        fail_msg("%s", err.message);
    return &f->event;
}

const struct event *decode_fixture_reject(struct decode_fixture *f, const char *subject, struct slice payload,
                                          enum event_reason reason)
{
    const struct event *event = decode_fixture_run(f, slice_of(subject), payload);
    if (event->kind != EVENT_REJECTED || event->reason != reason)
        fail_msg("expected %s, got kind %d, %s, for %.*s", event_reason_name(reason), (int)event->kind,
                 event_reason_name(event->reason), payload.bytes > 200 ? 200 : (int)payload.bytes, payload.data);
    assert_true(event->detail.bytes > 0);
    assert_int_equal(event->state.bytes, 0);
    return event;
}
