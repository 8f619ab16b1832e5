/* decode: what JSON may look like, what becomes of it, what is dropped; and the format kv, whose values may be any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/base/time.h"
#include "decode_fixture.h"

static struct decode_fixture fixture;
static char *kv_collections[] = {(char[]){"settings"}};

static int close_fixture(void **state)
{
    (void)state;
    decode_fixture_close(&fixture);
    return 0;
}

static void open_kv(void)
{
    decode_fixture_open(&fixture, FORMAT_KV, "$KV.settings.{id}");
    fixture.streams[0].collections = kv_collections;
    fixture.streams[0].collections_count = 1;
    fixture.streams[0].fixed_collection = true;
    fixture.message.sequence = 9;
}

static const struct event *run(struct slice value)
{
    return decode_fixture_run(&fixture, SLICE_LITERAL("$KV.settings.a.b"), value);
}

static const struct event *rejected(struct slice value, enum event_reason reason)
{
    const struct event *event = decode_fixture_reject(&fixture, "$KV.settings.a.b", value, reason);
    assert_slice(event->id, "a.b");
    assert_int_equal(event->version, 9);
    return event;
}

static void assert_value(const char *value, const char *expected)
{
    const struct event *event = run(slice_of(value));
    assert_int_equal(event->kind, EVENT_STATE);
    assert_slice(event->state, expected);
}

static void white_space_goes_and_all_else_stays(void **state)
{
    (void)state;
    open_kv();
    assert_value(" { \"b\" : 1 ,\t\"a\" : [ 1 , 2 ] ,\r\n\"\" : { } } ", "{\"b\":1,\"a\":[1,2],\"\":{}}");
    assert_value("{\"s\":\" a b \"}", "{\"s\":\" a b \"}");
    assert_value("[true,false,null,\"\",[],{}]", "[true,false,null,\"\",[],{}]");
    assert_value("\"x\"", "\"x\"");
    assert_value(" 1 ", "1");
    assert_value("null", "null");
    assert_value("{\"z\":1,\"a\":2,\"m\":3}", "{\"z\":1,\"a\":2,\"m\":3}");
}

static void numbers_stay_as_they_are_written(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "0", "-0", "0.10", "1e400", "-1E-400", "1E+7", "9007199254740993", "18446744073709551616", "1.0",
        "123456789012345678901234567890123456789012345678901234567890.12345678901234567890e-12", "-0.0e0"};
    char text[256];
    open_kv();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_value(numbers[i], numbers[i]);
        (void)snprintf(text, sizeof text, "{\"n\":[%s,%s]}", numbers[i], numbers[i]);
        assert_value(text, text);
    }
}

static void equal_texts_of_a_string_become_one(void **state)
{
    (void)state;
    open_kv();
    assert_value("\"\\u0061\\/\\u00fc\\ud83d\\ude00\"", "\"a/\xc3\xbc\xf0\x9f\x98\x80\"");
    assert_value("\"\\u0000\\u001f\\n\\\"\\\\\"", "\"\\u0000\\u001F\\n\\\"\\\\\"");
}

static void what_is_not_json_is_rejected(void **state)
{
    (void)state;
    static const struct slice texts[] = {
        SLICE_LITERAL(""),          SLICE_LITERAL(" "),          SLICE_LITERAL("{"),
        SLICE_LITERAL("{}}"),       SLICE_LITERAL("{} {}"),      SLICE_LITERAL("[1,]"),
        SLICE_LITERAL("{\"a\":1,}"), SLICE_LITERAL("{a:1}"),     SLICE_LITERAL("{'a':1}"),
        SLICE_LITERAL("// x\n1"),   SLICE_LITERAL("01"),         SLICE_LITERAL("-"),
        SLICE_LITERAL("-01"),       SLICE_LITERAL("+1"),         SLICE_LITERAL(".5"),
        SLICE_LITERAL("1."),        SLICE_LITERAL("1e"),         SLICE_LITERAL("[1e+]"),
        SLICE_LITERAL("[2.e3]"),    SLICE_LITERAL("0x10"),       SLICE_LITERAL("NaN"),
        SLICE_LITERAL("[nan]"),     SLICE_LITERAL("Infinity"),   SLICE_LITERAL("-Infinity"),
        SLICE_LITERAL("[-inf]"),    SLICE_LITERAL("True"),       SLICE_LITERAL("nul"),
        SLICE_LITERAL("\"\x01\""),  SLICE_LITERAL("\"\n\""),     SLICE_LITERAL("\"\\x41\""),
        SLICE_LITERAL("\"\\u12\""), SLICE_LITERAL("\""),         SLICE_LITERAL("1\0"),
        SLICE_LITERAL("{}\0"),      SLICE_LITERAL("\0"),         SLICE_LITERAL("\xef\xbb\xbf{}"),
        SLICE_LITERAL("\xff\xfe{\0}\0"), SLICE_LITERAL("{\"a\" 1}"), SLICE_LITERAL("[1 2]"),
    };
    open_kv();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        (void)rejected(texts[i], REASON_BAD_JSON);
}

static void what_is_not_unicode_is_rejected(void **state)
{
    (void)state;
    static const struct slice texts[] = {
        SLICE_LITERAL("\"\\ud800\""),         SLICE_LITERAL("\"\\udc00\""),      SLICE_LITERAL("\"\\ud800\\u0041\""),
        SLICE_LITERAL("\"\\ud800\\ud800\""),  SLICE_LITERAL("\"\\udc00\\ud800\""), SLICE_LITERAL("{\"\\udfff\":1}"),
        SLICE_LITERAL("\"\xed\xa0\x80\""),    SLICE_LITERAL("\"\xc0\x80\""),     SLICE_LITERAL("\"\xff\""),
        SLICE_LITERAL("\"\xf4\x90\x80\x80\""), SLICE_LITERAL("\"\xe2\x82\""),    SLICE_LITERAL("{\"\x80\":1}"),
    };
    open_kv();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        (void)rejected(texts[i], REASON_BAD_JSON);
}

static void the_detail_tells_where_and_quotes_nothing(void **state)
{
    (void)state;
    open_kv();
    const struct event *event = rejected(SLICE_LITERAL("{\"secret\":\"hunter2\" oops}"), REASON_BAD_JSON);
    assert_non_null(memmem(event->detail.data, event->detail.bytes, "at byte 20", 10));
    assert_null(memmem(event->detail.data, event->detail.bytes, "hunter2", 7));
    assert_null(memmem(event->detail.data, event->detail.bytes, "oops", 4));
}

static void a_member_twice_is_rejected_at_any_depth(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\":1,\"b\":2,\"\":3}",
        "[[[{\"x\":{\"y\":1,\"z\":[],\"y\":2}}]]]",
        "{\"a\":{\"b\":{\"c\":1}},\"d\":[{\"e\":1},{\"e\":1,\"f\":2,\"f\":3}]}",
        "{\"a\\u0000b\":1,\"a\\u0000b\":1}",
    };
    open_kv();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        (void)rejected(slice_of(texts[i]), REASON_DUPLICATE_MEMBER);
    /* Neighbours that look alike are none. */
    assert_value("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}", "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}");
    assert_value("{\"a\":1,\"A\":2,\"a \":3,\"a\\u0000\":4}", "{\"a\":1,\"A\":2,\"a \":3,\"a\\u0000\":4}");
}

/* Objects of every size around where the way of looking changes; the pair that is equal stands anywhere. */
static void one_pair_is_found_in_an_object_of_any_size(void **state)
{
    (void)state;
    open_kv();
    for (size_t count = 2; count <= 70; count++) {
        for (size_t twin = 0; twin + 1 < count; twin += 1 + count / 7) {
            struct buffer b;
            buffer_init(&b, 1u << 20);
            for (size_t i = 0; i < count; i++)
                buffer_append_format(&b, "%s\"key%zu\":1", i == 0 ? "{" : ",", i + 1 < count ? i : twin);
            buffer_append_text(&b, "}");
            (void)rejected((struct slice){b.data, b.bytes}, REASON_DUPLICATE_MEMBER);
            buffer_reset(&b);
            for (size_t i = 0; i < count; i++)
                buffer_append_format(&b, "%s\"key%zu\":1", i == 0 ? "{" : ",", i);
            buffer_append_text(&b, "}");
            assert_int_equal(run((struct slice){b.data, b.bytes})->kind, EVENT_STATE);
            buffer_free(&b);
        }
    }
}

static void a_large_object_costs_no_quadratic_time(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, EVENT_PAYLOAD_BYTES_MAX);
    open_kv();
    for (size_t i = 0; i < 400000; i++)
        buffer_append_format(&b, "%s\"%07zu\":1", i == 0 ? "{" : ",", i);
    buffer_append_text(&b, ",\"0000000\":1}");
    assert_false(b.failed);
    int64_t start = time_boot_ns();
    (void)rejected((struct slice){b.data, b.bytes}, REASON_DUPLICATE_MEMBER);
    assert_true(time_boot_ns() - start < 10 * NS_PER_S); /* about 0.5 s under sanitizers; 80 billion compares else */
    buffer_free(&b);
}

/* `depth` arrays and objects in snapshot, one within the other. */
static void assert_depth(size_t depth, bool fits)
{
    struct buffer b;
    buffer_init(&b, EVENT_PAYLOAD_BYTES_MAX);
    for (size_t i = 0; i < depth; i++)
        buffer_append_text(&b, i % 2 == 0 ? "[" : i + 1 < depth ? "{\"a\":" : "{");
    for (size_t i = depth; i > 0; i--)
        buffer_append_text(&b, i % 2 == 1 ? "]" : "}");
    if (fits)
        assert_int_equal(run((struct slice){b.data, b.bytes})->kind, EVENT_STATE);
    else
        (void)rejected((struct slice){b.data, b.bytes}, REASON_TOO_DEEP);
    buffer_free(&b);
}

static void depth_is_limited_at_and_beyond(void **state)
{
    (void)state;
    open_kv();
    assert_depth(EVENT_DEPTH_MAX - 1, true);
    assert_depth(EVENT_DEPTH_MAX, true);
    assert_depth(EVENT_DEPTH_MAX + 1, false);
    assert_depth(1000000, false); /* and no stack is used up */
    assert_value("[[[],[]],[{},{}],[],[[]]]", "[[[],[]],[{},{}],[],[[]]]");
}

static void neighbours_at_the_deepest_place_count_once(void **state)
{
    (void)state;
    char text[2 * EVENT_DEPTH_MAX + 8];
    open_kv();
    memset(text, '[', EVENT_DEPTH_MAX);
    memcpy(text + EVENT_DEPTH_MAX, "],[],[]", 7);
    memset(text + EVENT_DEPTH_MAX + 7, ']', EVENT_DEPTH_MAX - 1);
    text[2 * EVENT_DEPTH_MAX + 6] = '\0';
    assert_value(text, text);
}

/* Far more values than the parser guesses from the size, so that its memory is moved while it grows. */
static void a_dense_document_comes_out_whole(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, EVENT_PAYLOAD_BYTES_MAX);
    open_kv();
    for (unsigned i = 0; i < 300000; i++)
        buffer_append_format(&b, "%s%u", i == 0 ? "[" : ",", i % 7);
    buffer_append_text(&b, "]");
    buffer_append(&b, "", 1);
    assert_false(b.failed);
    assert_value(b.data, b.data);
    buffer_free(&b);
}

static void an_unclosed_depth_is_rejected(void **state)
{
    (void)state;
    char *text = malloc(EVENT_PAYLOAD_BYTES_MAX);
    assert_non_null(text);
    memset(text, '[', EVENT_PAYLOAD_BYTES_MAX);
    open_kv();
    (void)rejected((struct slice){text, EVENT_PAYLOAD_BYTES_MAX}, REASON_BAD_JSON);
    free(text);
}

static void payloads_are_limited_at_and_beyond(void **state)
{
    (void)state;
    size_t bytes = EVENT_PAYLOAD_BYTES_MAX + 1;
    char *text = malloc(bytes);
    assert_non_null(text);
    memset(text, 'x', bytes);
    text[0] = '"';
    open_kv();
    text[bytes - 2] = '"';
    assert_int_equal(run((struct slice){text, bytes - 1})->kind, EVENT_STATE);
    text[bytes - 2] = 'x';
    text[bytes - 1] = '"';
    (void)rejected((struct slice){text, bytes}, REASON_TOO_LARGE);
    free(text);
}

static void a_key_value_entry_takes_its_version_from_the_sequence(void **state)
{
    (void)state;
    open_kv();
    const struct event *event = run(SLICE_LITERAL("{\"version\":3,\"aggregateId\":\"other\"}"));
    assert_int_equal(event->kind, EVENT_STATE);
    assert_int_equal(event->version, 9);
    assert_slice(event->collection, "settings");
    assert_slice(event->id, "a.b");
    assert_slice(event->state, "{\"version\":3,\"aggregateId\":\"other\"}");
    fixture.message.sequence = INT64_MAX;
    assert_int_equal(run(SLICE_LITERAL("1"))->version, INT64_MAX);
    fixture.message.sequence = (uint64_t)INT64_MAX + 1;
    (void)decode_fixture_reject(&fixture, "$KV.settings.a", SLICE_LITERAL("1"), REASON_BAD_VERSION);
}

static void key_value_deletions_are_tombstones(void **state)
{
    (void)state;
    static const struct {
        const char *operation;
        const char *marker;
        enum event_kind kind;
    } cases[] = {
        {"DEL", NULL, EVENT_TOMBSTONE},     {"PURGE", NULL, EVENT_TOMBSTONE},  {NULL, "MaxAge", EVENT_TOMBSTONE},
        {NULL, "Remove", EVENT_TOMBSTONE},  {"PUT", NULL, EVENT_STATE},        {NULL, NULL, EVENT_STATE},
    };
    open_kv();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture.message.headers[0] = slice_of(cases[i].operation);
        fixture.message.headers[1] = slice_of(cases[i].marker);
        const struct event *event = run(cases[i].kind == EVENT_STATE ? SLICE_LITERAL("1") : SLICE_LITERAL(""));
        assert_int_equal(event->kind, cases[i].kind);
        assert_int_equal(event->version, 9);
        assert_slice(event->id, "a.b");
    }
}

static void a_deletion_says_how_long_it_stays(void **state)
{
    (void)state;
    static const struct {
        const char *ttl;
        int64_t ns; /* 0 = for ever, as far as is known */
    } cases[] = {
        {NULL, 0},   {"", 0},          {"never", 0},  {"5", 5 * NS_PER_S},       {"1s", NS_PER_S},
        {"-1s", 0},  {"5x", 0},        {"1s2", 0},    {"1m30s", 90 * NS_PER_S},  {"2h0m0s", 7200 * NS_PER_S},
        {"0s", 0},   {"1.5s", 3 * NS_PER_S / 2},      {"250ms", 250 * NS_PER_MS}, {"99999999999999999999h", 0},
        {"1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h1h", 0}, /* longer than any */
    };
    open_kv();
    fixture.message.headers[0] = SLICE_LITERAL("DEL");
    fixture.message.time_ns = 7;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture.message.headers[2] = slice_of(cases[i].ttl);
        const struct event *event = run(SLICE_LITERAL(""));
        assert_int_equal(event->expires_ns, cases[i].ns > 0 ? cases[i].ns + 7 : 0);
    }
    fixture.message.headers[0] = (struct slice){0};
    fixture.message.headers[2] = SLICE_LITERAL("5s"); /* a value that expires leaves a marker */
    assert_int_equal(run(SLICE_LITERAL("1"))->expires_ns, 0);
}

static void an_empty_value_is_no_deletion(void **state)
{
    (void)state;
    open_kv();
    (void)rejected(SLICE_LITERAL(""), REASON_BAD_JSON);
}

/* What becomes of a value under the rules of `drop` (up to five). */
static void assert_dropped(const char *drop[], size_t count, const char *value, const char *expected)
{
    char *rules[5];
    assert_true(count <= 5);
    for (size_t i = 0; i < count; i++)
        rules[i] = (char *)(uintptr_t)drop[i];
    fixture.rules = (struct collection_settings){.name = kv_collections[0], .drop = rules, .drop_count = count};
    fixture.settings.collections = &fixture.rules;
    fixture.settings.collections_count = 1;
    assert_value(value, expected);
    assert_true(fixture.event.payload_private);
}
#define RULES(...) (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)
#define DROPPED(value, expected, ...) assert_dropped(RULES(__VA_ARGS__), value, expected)

static void dropped_members_are_never_written(void **state)
{
    (void)state;
    open_kv();
    DROPPED("{\"ssn\":1,\"a\":0.10,\"card\":{\"number\":2,\"x\":3}}", "{\"a\":0.10,\"card\":{\"x\":3}}", "/ssn",
            "/card/number");
    DROPPED("{\"a\":1}", "{\"a\":1}", "/ssn");
    DROPPED("{\"a/b\":1,\"m~n\":2,\"\":3,\"k\":4}", "{\"k\":4}", "/a~1b", "/m~0n", "/");
    DROPPED("{\"\\u0073sn\":1}", "{}", "/ssn");
    DROPPED("7", "7", "/ssn");
    DROPPED("[]", "[]", "/0");
    DROPPED("{\"a\":[{\"b\":1},{\"b\":2}]}", "{\"a\":[{\"b\":1},{}]}", "/a/1/b");
}

/* Removing one must not move what another rule means. */
static void rules_mean_the_document_as_it_came(void **state)
{
    (void)state;
    open_kv();
    DROPPED("[1,2,3,4]", "[3,4]", "/0", "/1");
    DROPPED("[1,2,3,4]", "[3,4]", "/1", "/0");
    DROPPED("[[1,2],[3,4],[5,6]]", "[[4],[5,6]]", "/0", "/1/0");
    DROPPED("{\"a\":{\"b\":1},\"c\":2}", "{\"c\":2}", "/a", "/a/b");
    DROPPED("{\"a\":{\"b\":1},\"c\":2}", "{\"c\":2}", "/a/b", "/a");
    DROPPED("{\"a\":1,\"b\":2}", "{\"b\":2}", "/a", "/a");
    DROPPED("[1,2,3]", "[1,2,3]", "/-", "/3", "/01");
}

static void a_collection_with_dropped_members_keeps_no_payload(void **state)
{
    (void)state;
    char *rules[] = {(char[]){"/ssn"}};
    open_kv();
    assert_false(run(SLICE_LITERAL("1"))->payload_private);
    fixture.rules = (struct collection_settings){.name = kv_collections[0], .drop = rules, .drop_count = 1};
    fixture.settings.collections = &fixture.rules;
    fixture.settings.collections_count = 1;
    const struct event *event = rejected(SLICE_LITERAL("{\"ssn\":"), REASON_BAD_JSON);
    assert_true(event->payload_private);
    assert_int_equal(event->payload.bytes, 7); /* still there to be counted and hashed */
    fixture.rules.name = (char[]){"others"};
    assert_false(run(SLICE_LITERAL("1"))->payload_private);
}

static void rejection_of_an_envelope_names_what_can_be_trusted(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, "state.{collection}");
    const struct event *event =
        decode_fixture_reject(&fixture, "state.orders", SLICE_LITERAL("{\"aggregateId\":\"7\",\"version\":5,\"state\":"
                                                                      "{\"a\":1,\"a\":2}}"), REASON_DUPLICATE_MEMBER);
    assert_slice(event->id, "7");
    assert_int_equal(event->version, 5);
    event = decode_fixture_reject(&fixture, "state.orders",
                                  SLICE_LITERAL("{\"aggregateId\":\"7\",\"version\":5,\"state\":{},\"version\":6}"),
                                  REASON_DUPLICATE_MEMBER);
    assert_slice(event->id, "7");
    assert_int_equal(event->version, 0);
    event = decode_fixture_reject(&fixture, "state.orders",
                                  SLICE_LITERAL("{\"aggregateId\":\"7\",\"aggregateId\":\"8\",\"version\":5}"),
                                  REASON_DUPLICATE_MEMBER);
    assert_int_equal(event->id.bytes, 0);
    assert_int_equal(event->version, 5);
}

#define json_test(name) cmocka_unit_test_teardown(name, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        json_test(white_space_goes_and_all_else_stays),
        json_test(numbers_stay_as_they_are_written),
        json_test(equal_texts_of_a_string_become_one),
        json_test(what_is_not_json_is_rejected),
        json_test(what_is_not_unicode_is_rejected),
        json_test(the_detail_tells_where_and_quotes_nothing),
        json_test(a_member_twice_is_rejected_at_any_depth),
        json_test(one_pair_is_found_in_an_object_of_any_size),
        json_test(a_large_object_costs_no_quadratic_time),
        json_test(depth_is_limited_at_and_beyond),
        json_test(neighbours_at_the_deepest_place_count_once),
        json_test(a_dense_document_comes_out_whole),
        json_test(an_unclosed_depth_is_rejected),
        json_test(payloads_are_limited_at_and_beyond),
        json_test(a_key_value_entry_takes_its_version_from_the_sequence),
        json_test(key_value_deletions_are_tombstones),
        json_test(a_deletion_says_how_long_it_stays),
        json_test(an_empty_value_is_no_deletion),
        json_test(dropped_members_are_never_written),
        json_test(rules_mean_the_document_as_it_came),
        json_test(a_collection_with_dropped_members_keeps_no_payload),
        json_test(rejection_of_an_envelope_names_what_can_be_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
