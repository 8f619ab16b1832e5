/* decode: subjects, ownership, ids, and the envelope. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decode_fixture.h"
#include "tests/support/decode_shaped.h"

#define BY_SUBJECT "state.{collection}.{id}"
#define BY_EVENT "state.{collection}"
#define WITH(members) "{\"version\":1,\"state\":{}," members "}"

static struct decode_fixture fixture;

static int close_fixture(void **state)
{
    (void)state;
    decode_fixture_close(&fixture);
    return 0;
}

static const struct event *run(const char *subject, const char *payload)
{
    return decode_fixture_run(&fixture, slice_of(subject), slice_of(payload));
}

static const struct event *rejected(const char *subject, const char *payload, enum event_reason reason)
{
    return decode_fixture_reject(&fixture, subject, slice_of(payload), reason);
}

static void a_full_envelope_gives_every_field(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    fixture.message.sequence = 77;
    fixture.message.headers[0] = SLICE_LITERAL("from-header");
    const struct event *event =
        run("state.orders.a.1", "{\"aggregateId\":\"a.1\",\"version\":42,\"state\":{\"x\":1},\"deleted\":false,"
                                "\"occurredAt\":\"2026-01-31T12:00:00Z\",\"type\":\"T\",\"schemaVersion\":3,"
                                "\"messageId\":\"m\",\"correlationId\":\"co\",\"causationId\":\"ca\",\"other\":[]}");
    assert_int_equal(event->kind, EVENT_STATE);
    assert_int_equal(event->reason, REASON_NONE);
    assert_int_equal(event->sequence, 77);
    assert_int_equal(event->time_ns, 1700000000);
    assert_slice(event->subject, "state.orders.a.1");
    assert_slice(event->collection, "orders");
    assert_slice(event->id, "a.1");
    assert_int_equal(event->version, 42);
    assert_slice(event->state, "{\"x\":1}");
    assert_slice(event->occurred_at, "2026-01-31T12:00:00Z");
    assert_slice(event->type, "T");
    assert_true(event->has_schema_version);
    assert_int_equal(event->schema_version, 3);
    assert_slice(event->message_id, "m");
    assert_slice(event->correlation_id, "co");
    assert_slice(event->causation_id, "ca");
    assert_false(event->payload_private);
    assert_int_equal(event->detail.bytes, 0);
}

static void absent_members_and_null_members_are_the_same(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{\"version\":1,\"state\":{}}",
        "{\"version\":1,\"state\":{},\"aggregateId\":null,\"patch\":null,\"deleted\":null,\"occurredAt\":null,"
        "\"type\":null,\"schemaVersion\":null,\"messageId\":null,\"correlationId\":null,\"causationId\":null}"};
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    fixture.message.headers[0] = SLICE_LITERAL("from-header");
    for (size_t i = 0; i < 2; i++) {
        const struct event *event = run("state.orders.1", payloads[i]);
        assert_int_equal(event->kind, EVENT_STATE);
        assert_slice(event->id, "1");
        assert_slice(event->state, "{}");
        assert_int_equal(event->occurred_at.bytes + event->type.bytes + event->correlation_id.bytes, 0);
        assert_false(event->has_schema_version);
        assert_slice(event->message_id, "from-header");
    }
}

static void a_message_id_header_that_cannot_be_kept_is_left_out(void **state)
{
    (void)state;
    char text[EVENT_TEXT_BYTES_MAX + 1];
    memset(text, 'm', sizeof text);
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    fixture.message.headers[0] = (struct slice){text, EVENT_TEXT_BYTES_MAX};
    assert_int_equal(run("state.orders.1", "{\"version\":1,\"state\":{}}")->message_id.bytes, EVENT_TEXT_BYTES_MAX);
    fixture.message.headers[0] = (struct slice){text, EVENT_TEXT_BYTES_MAX + 1};
    assert_int_equal(run("state.orders.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_STATE);
    assert_int_equal(fixture.event.message_id.bytes, 0);
    fixture.message.headers[0] = SLICE_LITERAL("\xff");
    assert_int_equal(run("state.orders.1", "{\"version\":1,\"state\":{}}")->message_id.bytes, 0);
}

static void a_subject_that_fits_no_collection_is_ignored(void **state)
{
    (void)state;
    static const char *const subjects[] = {"other.orders.1", "state.orders", "state..1", "state.orders..1", ""};
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        const struct event *event = run(subjects[i], "not JSON");
        assert_int_equal(event->kind, EVENT_IGNORED);
        assert_slice(event->subject, subjects[i]);
    }
}

static void a_listed_collection_belongs_to_the_stream_that_lists_it(void **state)
{
    (void)state;
    char *listed[] = {(char[]){"orders"}, (char[]){"bills"}};
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    fixture.streams[0].collections = listed;
    fixture.streams[0].collections_count = 2;
    assert_int_equal(run("state.bills.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_STATE);
    assert_int_equal(run("state.users.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_IGNORED);

    /* A stream without a list gets what no other stream lists. */
    fixture.streams[1] = fixture.streams[0];
    fixture.streams[0].collections = NULL;
    fixture.streams[0].collections_count = 0;
    fixture.settings.streams_count = 2;
    assert_int_equal(run("state.bills.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_IGNORED);
    assert_int_equal(run("state.users.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_STATE);
}

static void a_fixed_collection_needs_no_token(void **state)
{
    (void)state;
    char *listed[] = {(char[]){"countries"}};
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, "geo.*.{id}");
    fixture.streams[0].collections = listed;
    fixture.streams[0].collections_count = 1;
    fixture.streams[0].fixed_collection = true;
    const struct event *event = run("geo.eu.de", "{\"version\":1,\"state\":{}}");
    assert_slice(event->collection, "countries");
    assert_slice(event->id, "de");
}

static void collection_names_are_limited_at_and_beyond(void **state)
{
    (void)state;
    char subject[EVENT_COLLECTION_BYTES_MAX + 32];
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    (void)snprintf(subject, sizeof subject, "state.%0*d.7", EVENT_COLLECTION_BYTES_MAX, 0);
    assert_int_equal(run(subject, "{\"version\":1,\"state\":{}}")->kind, EVENT_STATE);
    (void)snprintf(subject, sizeof subject, "state.%0*d.7", EVENT_COLLECTION_BYTES_MAX + 1, 0);
    const struct event *event = rejected(subject, "{\"version\":9,\"state\":{}}", REASON_BAD_COLLECTION);
    assert_int_equal(event->collection.bytes, 0);
    assert_slice(event->id, "7");
    assert_int_equal(event->version, 9);
    (void)rejected("state.\xff.7", "{\"version\":1,\"state\":{}}", REASON_BAD_COLLECTION);
}

static void an_id_comes_from_the_event_where_the_subject_has_none(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_EVENT);
    assert_slice(run("state.orders", WITH("\"aggregateId\":\"a/b %*>.. \\u00fc\""))->id, "a/b %*>.. \xc3\xbc");
    assert_slice(run("state.orders", WITH("\"aggregateId\":12345678901234567890123"))->id, "12345678901234567890123");
    assert_slice(run("state.orders", WITH("\"aggregateId\":-0"))->id, "-0");
    (void)rejected("state.orders", "{\"version\":1,\"state\":{}}", REASON_MISSING_ID);
    (void)rejected("state.orders", WITH("\"aggregateId\":null"), REASON_MISSING_ID);
    static const char *const wrong[] = {
        WITH("\"aggregateId\":1.0"),  WITH("\"aggregateId\":1e3"), WITH("\"aggregateId\":true"),
        WITH("\"aggregateId\":[\"a\"]"), WITH("\"aggregateId\":{}"),  WITH("\"aggregateId\":-1.5")};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(rejected("state.orders", wrong[i], REASON_BAD_TYPE)->version, 1);
    static const char *const bad[] = {WITH("\"aggregateId\":\"\""), WITH("\"aggregateId\":\".\""),
                                      WITH("\"aggregateId\":\"..\""), WITH("\"aggregateId\":\"a\\u0000b\"")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(rejected("state.orders", bad[i], REASON_BAD_ID)->id.bytes, 0);
}

static void ids_are_limited_at_and_beyond(void **state)
{
    (void)state;
    char payload[EVENT_ID_BYTES_MAX + 128];
    char subject[EVENT_ID_BYTES_MAX + 128];
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_EVENT);
    (void)snprintf(payload, sizeof payload, WITH("\"aggregateId\":\"%0*d\""), EVENT_ID_BYTES_MAX, 0);
    assert_int_equal(run("state.orders", payload)->id.bytes, EVENT_ID_BYTES_MAX);
    (void)snprintf(payload, sizeof payload, WITH("\"aggregateId\":\"%0*d\""), EVENT_ID_BYTES_MAX + 1, 0);
    (void)rejected("state.orders", payload, REASON_BAD_ID);
    decode_fixture_close(&fixture);

    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    (void)snprintf(subject, sizeof subject, "state.orders.%0*d", EVENT_ID_BYTES_MAX, 0);
    assert_int_equal(run(subject, "{\"version\":1,\"state\":{}}")->id.bytes, EVENT_ID_BYTES_MAX);
    (void)snprintf(subject, sizeof subject, "state.orders.%0*d", EVENT_ID_BYTES_MAX + 1, 0);
    const struct event *event = rejected(subject, "{\"version\":5,\"state\":{}}", REASON_BAD_ID);
    assert_int_equal(event->id.bytes, 0);
    assert_int_equal(event->version, 5);
    (void)rejected("state.orders.\xc0\x80", "{\"version\":5,\"state\":{}}", REASON_BAD_ID);
}

static void subject_and_event_must_agree_on_the_id(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    assert_int_equal(run("state.orders.17", WITH("\"aggregateId\":17"))->kind, EVENT_STATE);
    assert_int_equal(run("state.orders.17", WITH("\"aggregateId\":\"\\u00317\""))->kind, EVENT_STATE);
    assert_slice(rejected("state.orders.17", WITH("\"aggregateId\":\"18\""), REASON_ID_MISMATCH)->id, "17");
    (void)rejected("state.orders.17", WITH("\"aggregateId\":\"\""), REASON_BAD_ID);
    (void)rejected("state.orders.17", WITH("\"aggregateId\":17.0"), REASON_BAD_TYPE);
}

static void a_version_is_an_integer_written_as_one(void **state)
{
    (void)state;
    static const char *const bad[] = {"0",     "-1",  "-0",     "1.0",  "1e3", "\"1\"", "true",
                                      "[1]",   "{}",  "9223372036854775808", "18446744073709551617",
                                      "-9223372036854775809", "1E0", "0.5"};
    char payload[128];
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    assert_int_equal(run("state.orders.1", "{\"version\":1,\"state\":{}}")->version, 1);
    assert_int_equal(run("state.orders.1", "{\"version\":9223372036854775807,\"state\":{}}")->version, INT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(payload, sizeof payload, "{\"version\":%s,\"state\":{}}", bad[i]);
        const struct event *event = rejected("state.orders.1", payload, REASON_BAD_VERSION);
        assert_int_equal(event->version, 0);
        assert_slice(event->id, "1");
        assert_slice(event->collection, "orders");
    }
    (void)rejected("state.orders.1", "{\"state\":{}}", REASON_MISSING_VERSION);
    (void)rejected("state.orders.1", "{\"version\":null,\"state\":{}}", REASON_MISSING_VERSION);
}

static void a_tombstone_needs_a_version_and_no_state(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    const struct event *event = run("state.orders.1", "{\"version\":3,\"deleted\":true}");
    assert_int_equal(event->kind, EVENT_TOMBSTONE);
    assert_int_equal(event->version, 3);
    event = run("state.orders.1", "{\"version\":3,\"deleted\":true,\"state\":{\"a\":1},\"type\":\"Gone\"}");
    assert_int_equal(event->kind, EVENT_TOMBSTONE);
    assert_int_equal(event->state.bytes, 0);
    assert_slice(event->type, "Gone");
    (void)rejected("state.orders.1", "{\"deleted\":true}", REASON_MISSING_VERSION);
    (void)rejected("state.orders.1", "{\"version\":3,\"deleted\":true,\"state\":[]}", REASON_BAD_TYPE);
}

static void an_empty_message_erases(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    const struct event *event = run("state.orders.1", "");
    assert_int_equal(event->kind, EVENT_ERASE);
    assert_slice(event->id, "1");
    assert_int_equal(event->version, 0);
    (void)rejected("state.orders.1", " ", REASON_BAD_JSON);
    (void)rejected("state.orders.1", "\r\n\t ", REASON_BAD_JSON);
    (void)rejected("state.orders.\xff", "", REASON_BAD_ID);
    decode_fixture_close(&fixture);
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_EVENT);
    (void)rejected("state.orders", "", REASON_MISSING_ID);
}

static void members_of_the_wrong_type_are_rejected(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        enum event_reason reason;
    } cases[] = {
        {"{\"version\":7}", REASON_MISSING_STATE},
        {"{\"version\":7,\"state\":null}", REASON_MISSING_STATE},
        {"{\"version\":7,\"deleted\":false}", REASON_MISSING_STATE},
        {"{\"version\":7,\"state\":[]}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":\"{}\"}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":1}", REASON_BAD_TYPE},
        {"{\"version\":7,\"patch\":{}}", REASON_UNSUPPORTED},
        {"{\"version\":7,\"patch\":[]}", REASON_BAD_TYPE},
        {"{\"version\":7,\"patch\":{},\"state\":{}}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"deleted\":\"true\"}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"deleted\":1}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"occurredAt\":1700000000}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"occurredAt\":\"yesterday\"}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"occurredAt\":\"\"}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"type\":1}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"messageId\":{}}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"correlationId\":[]}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"causationId\":true}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"schemaVersion\":\"1\"}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"schemaVersion\":1.0}", REASON_BAD_TYPE},
        {"{\"version\":7,\"state\":{},\"schemaVersion\":9223372036854775808}", REASON_BAD_TYPE},
    };
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct event *event = rejected("state.orders.1", cases[i].payload, cases[i].reason);
        assert_int_equal(event->version, 7);
        assert_slice(event->id, "1");
        assert_int_equal(event->type.bytes + event->occurred_at.bytes, 0);
    }
    (void)rejected("state.orders.1", "[]", REASON_BAD_TYPE);
    (void)rejected("state.orders.1", "1", REASON_BAD_TYPE);
    (void)rejected("state.orders.1", "null", REASON_BAD_TYPE);
    assert_int_equal(run("state.orders.1", WITH("\"schemaVersion\":-9223372036854775808"))->schema_version, INT64_MIN);
}

static void texts_are_limited_at_and_beyond(void **state)
{
    (void)state;
    static const char *const names[] = {"type", "messageId", "correlationId", "causationId"};
    char payload[EVENT_TEXT_BYTES_MAX + 128];
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(payload, sizeof payload, WITH("\"%s\":\"%0*d\""), names[i], EVENT_TEXT_BYTES_MAX, 0);
        assert_int_equal(run("state.orders.1", payload)->kind, EVENT_STATE);
        (void)snprintf(payload, sizeof payload, WITH("\"%s\":\"%0*d\""), names[i], EVENT_TEXT_BYTES_MAX + 1, 0);
        const struct event *event = rejected("state.orders.1", payload, REASON_TOO_LARGE);
        assert_non_null(memmem(event->detail.data, event->detail.bytes, names[i], strlen(names[i])));
        assert_null(memmem(event->detail.data, event->detail.bytes, "000", 3)); /* nothing of the payload */
    }
    (void)snprintf(payload, sizeof payload, WITH("\"occurredAt\":\"2026-01-31T12:00:00.%0*dZ\""),
                   EVENT_TEXT_BYTES_MAX - 21, 0);
    assert_int_equal(run("state.orders.1", payload)->occurred_at.bytes, EVENT_TEXT_BYTES_MAX);
    (void)snprintf(payload, sizeof payload, WITH("\"occurredAt\":\"2026-01-31T12:00:00.%0*dZ\""),
                   EVENT_TEXT_BYTES_MAX - 20, 0);
    (void)rejected("state.orders.1", payload, REASON_TOO_LARGE);
}

static void times_are_those_of_rfc_3339(void **state)
{
    (void)state;
    static const char *const good[] = {
        "2026-01-31T12:00:00Z",      "2026-01-31t12:00:00z",      "2024-02-29T23:59:60Z", "2000-02-29T00:00:00.1Z",
        "2026-01-31T12:00:00+23:59", "2026-01-31T12:00:00-00:00", "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z"};
    static const char *const bad[] = {
        "2026-01-31",           "2026-01-31T12:00:00",       "2026-01-31 12:00:00Z",      "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-32T00:00:00Z",      "2026-01-00T00:00:00Z",      "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",      "2026-01-01T24:00:00Z",      "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",     "2026-01-01T00:00:00,1Z",    "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00Zx",
        "2026-1-01T00:00:00Z",  "20260101T000000Z",          "2026-01-01T00:00Z",         "-026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.1", "2026-01-01T00:00:00.1+1:00", "2026/01/01T00:00:00Z",    "+2026-01-01T00:00:0Z"};
    char payload[160];
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(payload, sizeof payload, WITH("\"occurredAt\":\"%s\""), good[i]);
        const struct event *event = run("state.orders.1", payload);
        assert_int_equal(event->kind, EVENT_STATE);
        assert_slice(event->occurred_at, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(payload, sizeof payload, WITH("\"occurredAt\":\"%s\""), bad[i]);
        (void)rejected("state.orders.1", payload, REASON_BAD_TYPE);
    }
}

static void events_of_a_batch_stay_until_the_arena_is_reset(void **state)
{
    (void)state;
    static struct event events[5000];
    static char payloads[5000][64];
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_EVENT);
    struct message message = {.subject = SLICE_LITERAL("state.orders"), .sequence = 1};
    for (size_t i = 0; i < 5000; i++) {
        (void)snprintf(payloads[i], sizeof payloads[i],
                       "{\"aggregateId\":\"id%zu\",\"version\":1,\"state\":{\"n\": %zu}}", i, i);
        message.payload = slice_of(payloads[i]);
        assert_int_equal(decode_shaped(&fixture.settings, 0, &message, fixture.arena, &events[i], NULL), SG_OK);
    }
    for (size_t i = 0; i < 5000; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "id%zu", i);
        assert_slice(events[i].id, expected);
        (void)snprintf(expected, sizeof expected, "{\"n\":%zu}", i);
        assert_slice(events[i].state, expected);
    }
    /* Its memory is then there for the next batch. */
    const char *first[2];
    for (size_t i = 0; i < 2; i++) {
        arena_reset(fixture.arena);
        assert_int_equal(decode_shaped(&fixture.settings, 0, &message, fixture.arena, &events[0], NULL), SG_OK);
        first[i] = events[0].state.data;
    }
    assert_ptr_equal(first[0], first[1]);
}

#define decode_test(name) cmocka_unit_test_teardown(name, close_fixture)

static void what_is_scheduled_is_no_state_yet(void **state)
{
    (void)state;
    decode_fixture_open(&fixture, FORMAT_ENVELOPE, BY_SUBJECT);
    fixture.message.scheduled = true;
    assert_int_equal(run("state.orders.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_IGNORED);
    assert_int_equal(run("state.orders.1", "nonsense")->kind, EVENT_IGNORED);
    fixture.message.scheduled = false;
    assert_int_equal(run("state.orders.1", "{\"version\":1,\"state\":{}}")->kind, EVENT_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        decode_test(a_full_envelope_gives_every_field),
        decode_test(absent_members_and_null_members_are_the_same),
        decode_test(a_message_id_header_that_cannot_be_kept_is_left_out),
        decode_test(a_subject_that_fits_no_collection_is_ignored),
        decode_test(a_listed_collection_belongs_to_the_stream_that_lists_it),
        decode_test(a_fixed_collection_needs_no_token),
        decode_test(collection_names_are_limited_at_and_beyond),
        decode_test(an_id_comes_from_the_event_where_the_subject_has_none),
        decode_test(ids_are_limited_at_and_beyond),
        decode_test(subject_and_event_must_agree_on_the_id),
        decode_test(a_version_is_an_integer_written_as_one),
        decode_test(a_tombstone_needs_a_version_and_no_state),
        decode_test(an_empty_message_erases),
        decode_test(members_of_the_wrong_type_are_rejected),
        decode_test(texts_are_limited_at_and_beyond),
        decode_test(times_are_those_of_rfc_3339),
        decode_test(events_of_a_batch_stay_until_the_arena_is_reset),
        decode_test(what_is_scheduled_is_no_state_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
