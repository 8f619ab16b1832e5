/* shape/minimise: a state comes out the same however its text was spelled, and one that is spelled without white space
 * and escapes is taken as it stands in the payload.
 *
 * Events are made by chance, each with the text that must come out beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "decode_fixture.h"

#define EVENTS 20000
#define TEXT_BYTES_MAX (1u << 20)
#define DEPTH_MAX 4

/* How a text departs from the shortest spelling. */
struct spelling {
    uint64_t random;
    bool spaces;
    bool escapes;
    bool departed;         /* it really did, within the state or beside it */
    struct buffer text;    /* as it is spelled */
    struct buffer compact; /* as it must come out */
};

static struct decode_fixture fixture;

static int close_fixture(void **state)
{
    (void)state;
    decode_fixture_close(&fixture);
    return 0;
}

static unsigned chance(struct spelling *s, unsigned below)
{
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(s->random >> 33) % below;
}

static void space(struct spelling *s)
{
    static const char *const kinds[] = {" ", "\t", "\n", "\r\n  "};
    if (!s->spaces || chance(s, 6) != 0)
        return;
    buffer_append_text(&s->text, kinds[chance(s, 4)]);
    s->departed = true;
}

/* What stands between values, with or without space on both sides. */
static void token(struct spelling *s, const char *text)
{
    space(s);
    buffer_append_text(&s->text, text);
    buffer_append_text(&s->compact, text);
    space(s);
}

static void word(struct spelling *s, const char *text)
{
    buffer_append_text(&s->text, text);
    buffer_append_text(&s->compact, text);
}

static void string(struct spelling *s, unsigned number)
{
    static const char *const parts[] = {"a", "Z", "/", " ", "}", "{", ":", ",", "\xc3\xbc", "\xf0\x9f\x98\x80", "\x7f"};
    word(s, "\"");
    buffer_append_uint(&s->text, number); /* keys differ */
    buffer_append_uint(&s->compact, number);
    for (unsigned n = chance(s, 6); n > 0; n--) {
        const char *part = parts[chance(s, sizeof parts / sizeof parts[0])];
        bool escaped = s->escapes && (unsigned char)part[0] < 0x80 && chance(s, 4) == 0;
        buffer_append_text(&s->compact, part);
        if (escaped)
            buffer_append_format(&s->text, "\\u%04x", (unsigned)part[0]);
        else
            buffer_append_text(&s->text, part);
        s->departed |= escaped;
    }
    if (chance(s, 40) == 0) { /* stays an escape */
        word(s, "\\n\\\"\\\\");
        s->departed = true;
    }
    word(s, "\"");
}

static void value(struct spelling *s, unsigned depth);

static void object(struct spelling *s, unsigned depth)
{
    token(s, "{");
    for (unsigned i = 0, n = chance(s, 5); i < n; i++) {
        if (i > 0)
            token(s, ",");
        string(s, i);
        token(s, ":");
        value(s, depth + 1);
    }
    token(s, "}");
}

static void array(struct spelling *s, unsigned depth)
{
    token(s, "[");
    for (unsigned i = 0, n = chance(s, 5); i < n; i++) {
        if (i > 0)
            token(s, ",");
        value(s, depth + 1);
    }
    token(s, "]");
}

static void value(struct spelling *s, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null", "0", "-1.50e+3", "12345678901234567890"};
    switch (chance(s, depth < DEPTH_MAX ? 5 : 3)) {
    case 0: string(s, 0); break;
    case 3: object(s, depth); break;
    case 4: array(s, depth); break;
    default: word(s, words[chance(s, sizeof words / sizeof words[0])]); break;
    }
}

/* Around the state stands something or nothing; what comes out is the state alone. */
static void envelope(struct spelling *s)
{
    bool last = chance(s, 2) == 0;
    buffer_append_text(&s->text, chance(s, 2) == 0 ? "{\"version\":1,\"x\":{\"state\":{}}," : "{\"version\":1,");
    buffer_append_text(&s->text, s->escapes && chance(s, 4) == 0 ? "\"st\\u0061te\"" : "\"state\"");
    space(s);
    buffer_append_text(&s->text, ":");
    object(s, 1);
    if (!last)
        buffer_append_text(&s->text, ",\"aggregateId\":\"1\"");
    buffer_append_text(&s->text, "}");
    if (last)
        space(s);
}

static void spelling_reset(struct spelling *s, unsigned number)
{
    s->random = number * UINT64_C(0x9e3779b97f4a7c15);
    s->spaces = number % 4 == 1 || number % 4 == 3;
    s->escapes = number % 4 >= 2;
    s->departed = false;
    buffer_reset(&s->text);
    buffer_reset(&s->compact);
}

static bool lies_within(struct slice part, struct slice whole)
{
    return part.data >= whole.data && part.data + part.bytes <= whole.data + whole.bytes;
}

static void a_state_comes_out_the_same_however_it_was_spelled(void **state)
{
    (void)state;
    struct spelling s = {0};
    size_t taken = 0;
    size_t written = 0;
    buffer_init(&s.text, TEXT_BYTES_MAX);
    buffer_init(&s.compact, TEXT_BYTES_MAX);
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, "state.{collection}.{id}");
    for (unsigned i = 0; i < EVENTS; i++) {
        spelling_reset(&s, i);
        envelope(&s);
        const struct event *event =
            decode_fixture_run(&fixture, SLICE_LITERAL("state.orders.1"), (struct slice){s.text.data, s.text.bytes});
        assert_int_equal(event->kind, EVENT_STATE);
        assert_int_equal(event->state.bytes, s.compact.bytes);
        assert_memory_equal(event->state.data, s.compact.data, s.compact.bytes);
        bool within = lies_within(event->state, event->payload);
        assert_false(within && s.departed);
        taken += within;
        written += !within;
    }
    assert_true(taken > EVENTS / 5); /* the short way was walked */
    assert_true(written > EVENTS / 3);
    buffer_free(&s.text);
    buffer_free(&s.compact);
}

static void a_bucket_s_value_comes_out_the_same_however_it_was_spelled(void **state)
{
    (void)state;
    struct spelling s = {0};
    size_t taken = 0;
    buffer_init(&s.text, TEXT_BYTES_MAX);
    buffer_init(&s.compact, TEXT_BYTES_MAX);
    decode_fixture_open(&fixture, FORMAT_KV, "$KV.{collection}.{id}");
    fixture.message.sequence = 9;
    for (unsigned i = 0; i < EVENTS; i++) {
        spelling_reset(&s, i);
        value(&s, 1);
        const struct event *event =
            decode_fixture_run(&fixture, SLICE_LITERAL("$KV.settings.1"), (struct slice){s.text.data, s.text.bytes});
        assert_int_equal(event->kind, EVENT_STATE);
        assert_int_equal(event->state.bytes, s.compact.bytes);
        assert_memory_equal(event->state.data, s.compact.data, s.compact.bytes);
        taken += lies_within(event->state, event->payload);
        assert_false(s.departed && lies_within(event->state, event->payload));
    }
    assert_true(taken > EVENTS / 5);
    buffer_free(&s.text);
    buffer_free(&s.compact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_state_comes_out_the_same_however_it_was_spelled, close_fixture),
        cmocka_unit_test_teardown(a_bucket_s_value_comes_out_the_same_however_it_was_spelled, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
