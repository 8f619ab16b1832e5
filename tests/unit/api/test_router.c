/* The route table and its handlers, against a real store, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>

#include "api/request/admission.h"
#include "api/http/problem.h"
#include "api/routes/page_links.h"
#include "api/routes/router.h"
#include "core/base/time.h"
#include "router_fixture.h"

static struct sg_error err;

#define ASSERT_OK(call) assert_int_equal((call), SG_OK)

static void assert_body(const struct rig *f, const char *text)
{
    assert_int_equal(f->response.body_bytes, strlen(text));
    assert_memory_equal(f->response.body, text, strlen(text));
}

static void an_entity_is_its_document(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "42", 7, "{\"n\":0.10}");
    rig_prove(f);
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
    assert_body(f, "{\"n\":0.10}");
    assert_string_equal(rig_header(f, "State-Version"), "7");
    assert_string_equal(rig_header(f, "State-Status"), "live");
    assert_string_equal(rig_header(f, "State-Lag"), "0");
    assert_non_null(rig_header(f, "State-Staleness"));
    assert_non_null(strstr(rig_header(f, "State-Position"), "STATE:1;epoch="));
    assert_null(strstr(rig_header(f, "State-Position"), "OTHER"));
    assert_null(rig_header(f, "State-Gap"));
    assert_null(rig_header(f, "State-Rejected"));
}

static void without_proof_nothing_is_claimed(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "42", 7, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
    assert_string_equal(rig_header(f, "State-Status"), "starting");
    assert_null(rig_header(f, "State-Staleness"));
    assert_null(rig_header(f, "State-Lag"));
    assert_null(rig_header(f, "Age"));
}

static void tombstones_and_unknown_ids_are_told_apart(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "gone", 1, "{}");
    rig_apply(f, (struct event){.kind = EVENT_TOMBSTONE, .id = SLICE_LITERAL("gone"), .version = 2});
    assert_int_equal(rig_ask(f, "/v1/state/customers/gone"), 410);
    assert_string_equal(rig_header(f, "State-Version"), "2");
    assert_null(rig_header(f, "ETag"));
    assert_string_equal(rig_header(f, "Cache-Control"), "no-store");
    assert_int_equal(rig_ask(f, "/v1/state/customers/never"), 404);
    assert_null(rig_header(f, "State-Version"));
    assert_int_equal(rig_ask(f, "/v1/state/settings/never"), 404);
    assert_non_null(strstr(rig_header(f, "State-Position"), "OTHER:0"));
}

static void a_collection_without_owner_rests_on_all_streams(void **state)
{
    struct rig *f = *state;
    assert_int_equal(rig_ask(f, "/v1/state/a.b/1"), 404);
    assert_non_null(strstr(rig_header(f, "State-Position"), "STATE:0"));
    assert_non_null(strstr(rig_header(f, "State-Position"), ", OTHER:0"));
}

/* One message, one content: the version alone does not tell which message it was. */
static void an_etag_is_the_message_not_the_version(void **state)
{
    struct rig *f = *state;
    char expected[HEADERS_ETAG_BYTES];
    f->sequence = 10481;
    rig_apply_state(f, "42", 7, "{\"a\":1}");
    rig_apply_state(f, "42", 7, "{\"a\":2}"); /* a conflict: the first stays */
    for (int cached = 0; cached < 2; cached++) {
        assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
        (void)snprintf(expected, sizeof expected, "\"%s." RIG_ROWS ".10482\"", f->stream.epoch.text);
        assert_string_equal(rig_header(f, "ETag"), expected);
    }
    f->head.fields.if_none_match.count = 1;
    f->head.fields.if_none_match.values[0] = slice_of(expected);
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 304);
    f->rows[0] = (struct rows_hash){"r0ddba110"}; /* as another replica, or the next start, has it */
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
    assert_true(rig_body_has(f, "{\"a\":1}"));
}

static void a_304_tells_when_it_was_modified_only_without_a_tag(void **state)
{
    struct rig *f = *state;
    struct http_lines *match = &f->head.fields.if_none_match;
    struct event event = {.kind = EVENT_STATE,
                          .id = SLICE_LITERAL("42"),
                          .version = 7,
                          .state = SLICE_LITERAL("{}"),
                          .occurred_at = SLICE_LITERAL("1994-11-06T08:49:37Z")};
    rig_apply(f, event);
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
    assert_string_equal(rig_header(f, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    match->count = 1;
    match->values[0] = SLICE_LITERAL("*");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 304);
    assert_non_null(rig_header(f, "ETag"));
    assert_null(rig_header(f, "Last-Modified"));
    f->rows[0].text[0] = '\0'; /* no tag */
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 304);
    assert_string_equal(rig_header(f, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void a_condition_that_does_not_hold_is_412(void **state)
{
    struct rig *f = *state;
    struct http_fields *fields = &f->head.fields;
    struct event event = {.kind = EVENT_STATE,
                          .id = SLICE_LITERAL("42"),
                          .version = 7,
                          .state = SLICE_LITERAL("{}"),
                          .occurred_at = SLICE_LITERAL("1994-11-06T08:49:37Z")};
    rig_apply(f, event);
    rig_apply(f, (struct event){.kind = EVENT_TOMBSTONE, .id = SLICE_LITERAL("gone"), .version = 1});
    rig_apply_rejected(f, "42", 9);
    fields->if_match.count = 1;
    fields->if_match.values[0] = SLICE_LITERAL("\"b\"");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 412);
    assert_true(rig_body_has(f, "problem:precondition-failed"));
    assert_string_equal(rig_header(f, "State-Version"), "7");
    assert_string_equal(rig_header(f, "State-Rejected"), "9");
    assert_string_equal(rig_header(f, "Cache-Control"), "no-store");
    assert_non_null(rig_header(f, "State-Position"));
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=1"), 412);
    assert_int_equal(rig_ask(f, "/v1/state/customers/gone"), 410); /* conditions are about a 200 */
    assert_int_equal(rig_ask(f, "/v1/state/customers/never"), 404);
    fields->if_match.count = 0;
    fields->if_unmodified_since.count = 1;
    fields->if_unmodified_since.value = SLICE_LITERAL("Sun, 06 Nov 1994 08:49:36 GMT");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 412);
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=1"), 200); /* a page has no date */
    fields->if_unmodified_since.count = 0;
    fields->if_modified_since.count = 1;
    fields->if_modified_since.value = SLICE_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 304);
    fields->if_modified_since.value = SLICE_LITERAL("Sun, 06 Nov 1994 08:49:36 GMT");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
}

static void an_etag_gives_304_until_the_version_changes(void **state)
{
    struct rig *f = *state;
    char etag[64];
    rig_apply_state(f, "42", 7, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
    (void)snprintf(etag, sizeof etag, "%s", rig_header(f, "ETag"));
    f->head.fields.if_none_match.count = 1;
    f->head.fields.if_none_match.values[0] = slice_of(etag);
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 304);
    assert_int_equal(f->response.body_bytes, 0);
    assert_string_equal(rig_header(f, "ETag"), etag);
    assert_string_equal(rig_header(f, "State-Version"), "7");
    rig_apply_state(f, "42", 8, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 200);
    f->head.fields.if_none_match.values[0] = SLICE_LITERAL("nonsense");
    assert_int_equal(rig_ask(f, "/v1/state/customers/42"), 400);
    assert_true(rig_body_has(f, "If-None-Match"));
}

static void rejections_above_the_version_are_shown(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "known", 42, "{}");
    rig_apply_rejected(f, "known", 43);
    rig_apply_state(f, "unknown", 42, "{}");
    rig_apply_rejected(f, "unknown", 0);
    rig_apply_rejected(f, "never", 9);
    assert_int_equal(rig_ask(f, "/v1/state/customers/known"), 200);
    assert_string_equal(rig_header(f, "State-Rejected"), "43");
    assert_int_equal(rig_ask(f, "/v1/state/customers/unknown"), 200);
    assert_string_equal(rig_header(f, "State-Rejected"), "?");
    assert_int_equal(rig_ask(f, "/v1/state/customers/never"), 404);
    assert_string_equal(rig_header(f, "State-Rejected"), "9");
    rig_apply_state(f, "known", 44, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers/known"), 200);
    assert_null(rig_header(f, "State-Rejected"));
}

static void gaps_concern_what_was_written_before_them(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "before", 1, "{}");
    ASSERT_OK(store_stream_add_gap(f->writer, f->stream.id, 2, 5, &err));
    f->sequence = 5;
    rig_apply_state(f, "after", 1, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers/before"), 200);
    assert_string_equal(rig_header(f, "State-Gap"), "2-5");
    assert_int_equal(rig_ask(f, "/v1/state/customers/after"), 200);
    assert_null(rig_header(f, "State-Gap"));
    assert_int_equal(rig_ask(f, "/v1/state/customers/never"), 404);
    assert_string_equal(rig_header(f, "State-Gap"), "2-5");
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    assert_string_equal(rig_header(f, "State-Gap"), "2-5");
    assert_int_equal(rig_ask(f, "/v1/status"), 200);
    assert_true(rig_body_has(f, "\"gaps\":[{\"first\":2,\"last\":5}]"));
}

/* The `next` of the page, or NULL; is valid until the next call. */
static const char *next_of(const struct rig *f)
{
    static char cursor[1024];
    const char *at = memmem(f->response.body, f->response.body_bytes, "\"next\":\"", 8);
    if (at == NULL)
        return NULL;
    const char *end = memchr(at + 8, '"', (size_t)(f->response.body + f->response.body_bytes - (at + 8)));
    assert_non_null(end);
    (void)snprintf(cursor, sizeof cursor, "%.*s", (int)(end - at - 8), at + 8);
    return cursor;
}

static void pages_hold_every_entity_once_in_order(void **state)
{
    struct rig *f = *state;
    char id[16];
    char target[1200] = "/v1/state/customers?limit=10";
    for (int i = 0; i < 25; i++) {
        (void)snprintf(id, sizeof id, "p/%02d", i);
        rig_apply_state(f, id, 1, "{}");
    }
    for (int page = 0; page < 3; page++) {
        assert_int_equal(rig_ask(f, target), 200);
        for (int i = 0; i < 25; i++) {
            (void)snprintf(id, sizeof id, "\"p/%02d\"", i);
            assert_int_equal(rig_body_has(f, id), i / 10 == page);
        }
        const char *next = next_of(f);
        assert_int_equal(next != NULL, page < 2);
        if (next != NULL) {
            (void)snprintf(target, sizeof target, "<?limit=10&cursor=%s>; rel=\"next\"", next);
            assert_string_equal(rig_header(f, "Link"), target);
            (void)snprintf(target, sizeof target, "/v1/state/customers?limit=10&cursor=%s", next);
        } else {
            assert_non_null(strstr(rig_header(f, "Link"), "rel=\"changes\""));
        }
    }
}

static void a_page_that_ends_exactly_has_no_next(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "a", 1, "{}");
    rig_apply_state(f, "b", 1, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=2"), 200);
    assert_null(next_of(f));
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=1"), 200);
    assert_non_null(next_of(f));
}

static void a_page_ends_early_when_it_grows_too_large(void **state)
{
    struct rig *f = *state;
    size_t bytes = STORE_PAGE_BYTES_MAX / 2;
    char *json = malloc(bytes + 1);
    char target[1200];
    assert_non_null(json);
    memset(json, 'x', bytes);
    json[0] = json[bytes - 1] = '"';
    json[bytes] = '\0';
    for (char id[] = "a"; id[0] <= 'c'; id[0]++)
        rig_apply_state(f, id, 1, json);
    free(json);
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    assert_true(f->response.body_bytes <= STORE_PAGE_BYTES_MAX);
    assert_true(rig_body_has(f, "{\"id\":\"a\""));
    assert_false(rig_body_has(f, "{\"id\":\"b\""));
    (void)snprintf(target, sizeof target, "/v1/state/customers?cursor=%s", next_of(f));
    assert_int_equal(rig_ask(f, target), 200);
    assert_true(rig_body_has(f, "{\"id\":\"b\""));
}

static void an_entity_larger_than_a_page_is_a_page(void **state)
{
    struct rig *f = *state;
    size_t bytes = EVENT_PAYLOAD_BYTES_MAX;
    char *json = malloc(bytes + 1);
    assert_non_null(json);
    memset(json, '1', bytes);
    json[bytes] = '\0';
    rig_apply_state(f, "huge", 1, json);
    rig_apply_state(f, "small", 1, "{}");
    free(json);
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    assert_true(f->response.body_bytes > EVENT_PAYLOAD_BYTES_MAX);
    assert_non_null(next_of(f));
}

static void the_longest_ids_have_a_cursor_and_a_link(void **state)
{
    struct rig *f = *state;
    char id[EVENT_ID_BYTES_MAX + 1];
    char collection[EVENT_COLLECTION_BYTES_MAX + 1];
    char target[TARGET_BYTES_MAX];
    memset(id, '\x01', EVENT_ID_BYTES_MAX);
    memset(collection, '\x02', EVENT_COLLECTION_BYTES_MAX);
    id[EVENT_ID_BYTES_MAX] = collection[EVENT_COLLECTION_BYTES_MAX] = '\0';
    for (char last = 'a'; last <= 'b'; last++) {
        id[EVENT_ID_BYTES_MAX - 1] = last;
        rig_apply(f, (struct event){.kind = EVENT_STATE,
                                .collection = slice_of(collection),
                                .id = slice_of(id),
                                .version = 1,
                                .state = SLICE_LITERAL("{}")});
    }
    size_t used = (size_t)snprintf(target, sizeof target, "/v1/state/");
    for (int i = 0; i < EVENT_COLLECTION_BYTES_MAX; i++)
        used += (size_t)snprintf(target + used, sizeof target - used, "%%02");
    (void)snprintf(target + used, sizeof target - used, "?limit=1");
    assert_int_equal(rig_ask(f, target), 200);
    (void)snprintf(target + used, sizeof target - used, "?limit=1&cursor=%s", next_of(f));
    assert_non_null(strstr(rig_header(f, "Link"), target + used));
    assert_int_equal(rig_ask(f, target), 200);
    assert_null(next_of(f));
    assert_true(rig_body_has(f, "b\",\"version\":1"));
}

/* `target` becomes what the Link refers to, as a client resolves it. */
static void follow(const struct rig *f, char *target, size_t target_bytes)
{
    char reference[TARGET_BYTES_MAX];
    const char *link = rig_header(f, "Link");
    assert_non_null(link);
    size_t bytes = strlen(link) - strlen("<>; rel=\"next\"");
    assert_memory_equal(link, "<?", 2);
    assert_string_equal(link + 1 + bytes, ">; rel=\"next\"");
    (void)snprintf(reference, sizeof reference, "%.*s", (int)bytes, link + 1);
    target[strcspn(target, "?")] = '\0';
    (void)snprintf(target + strlen(target), target_bytes - strlen(target), "%s", reference);
}

static void the_next_page_has_the_demands_of_this_one(void **state)
{
    struct rig *f = *state;
    struct http_fields *fields = &f->head.fields;
    char target[TARGET_BYTES_MAX];
    char tail[512];
    for (char id[] = "a"; id[0] <= 'e'; id[0]++)
        rig_apply_state(f, id, 1, "{}");
    rig_prove(f);
    (void)snprintf(target, sizeof target,
                   "/v1/state/customers?limit=1&min_position=STATE:5;epoch=%s,OTHER:0;epoch=%s"
                   "&max_staleness=30.25&wait=2",
                   f->stream.epoch.text, f->other.epoch.text);
    (void)snprintf(tail, sizeof tail,
                   "&min_position=STATE%%3A5%%3Bepoch%%3D%s%%2COTHER%%3A0%%3Bepoch%%3D%s"
                   "&max_staleness=30.250&wait=2.000",
                   f->stream.epoch.text, f->other.epoch.text);
    for (int page = 0; page < 3; page++) { /* what the link says is asked, and said again */
        assert_int_equal(rig_ask(f, target), 200);
        follow(f, target, sizeof target);
        assert_string_equal(target + strlen(target) - strlen(tail), tail);
    }
    /* As headers, they are in the link too: who follows it may send no others. */
    fields->min_position.count = fields->max_staleness.count = fields->prefer.count = 1;
    fields->min_position.values[0] = SLICE_LITERAL("STATE:5");
    fields->max_staleness.values[0] = SLICE_LITERAL("30.25");
    fields->prefer.values[0] = SLICE_LITERAL("wait=2");
    rig_publish_probe(f, 0, time_boot_ns(), 5, &f->stream.epoch);
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=1"), 200);
    (void)strcpy(target, "/v1/state/customers");
    follow(f, target, sizeof target);
    assert_non_null(strstr(target, "&min_position=STATE%3A5&max_staleness=30.250&wait=2.000"));
    fields->min_position.values[0] = SLICE_LITERAL("STATE:6");
    fields->prefer.values[0] = SLICE_LITERAL("wait=0");
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=1"), 504);
    assert_null(rig_header(f, "Link"));
}

#define LINK_ROOM PAGE_LINK_BYTES_MAX

/* A stream in the place of the second one, whose name takes three times its length in a link. */
static void follow_a_long_name(struct rig *f, char name[256])
{
    struct sg_error error;
    bool reshaped = false;
    memset(name, '#', 255);
    name[0] = 'n'; /* so that it needs no quotes */
    name[255] = '\0';
    assert_int_equal(store_stream_attach(f->writer, name, STREAM_FINGERPRINT("test"), &f->other, &reshaped, &error),
                     SG_OK);
    epoch_make(name, RIG_CREATED_NS, NULL, &f->other.epoch);
    assert_int_equal(store_stream_identify(f->writer, f->other.id, RIG_CREATED_NS, &f->other.epoch, &error), SG_OK);
    f->streams[1].name = name;
}

/* As many bytes as there is room for, and one more. */
static void a_link_that_cannot_hold_the_demands_is_left_out(void **state)
{
    struct rig *f = *state;
    char name[256];
    char id[EVENT_ID_BYTES_MAX + 1] = "";
    char demand[1024] = "&min_position=n";
    char target[TARGET_BYTES_MAX] = "/v1/state/customers?limit=1";
    char link[2 * LINK_ROOM];
    size_t longest = 0;
    size_t shortest = SIZE_MAX;
    follow_a_long_name(f, name);
    for (size_t bytes = 1; bytes < 255; bytes++)
        (void)strcat(demand, "%23");
    (void)strcat(strcat(demand, "%3A0%3Bepoch%3D"), f->other.epoch.text);
    for (size_t bytes = 1; bytes <= EVENT_ID_BYTES_MAX; bytes++) { /* each id begins with the one before */
        id[bytes - 1] = 'a';
        if (bytes % 50 == 0 || (bytes > 120 && bytes < 230) || bytes == EVENT_ID_BYTES_MAX)
            rig_apply_state(f, id, 1, "{}");
    }
    (void)strcat(target, demand);
    while (rig_ask(f, target) == 200 && next_of(f) != NULL) {
        (void)snprintf(link, sizeof link, "<?limit=1&cursor=%s%s>; rel=\"next\"", next_of(f), demand);
        if (strlen(link) <= LINK_ROOM) {
            assert_string_equal(rig_header(f, "Link"), link);
            longest = strlen(link);
        } else {
            assert_null(rig_header(f, "Link"));
            shortest = strlen(link) < shortest ? strlen(link) : shortest;
        }
        (void)snprintf(target, sizeof target, "/v1/state/customers?limit=1&cursor=%s%s", next_of(f), demand);
    }
    assert_int_equal(f->response.status, 200);
    assert_true(longest >= LINK_ROOM - 1 && shortest <= LINK_ROOM + 2); /* a cursor grows by one or two characters */
}

static void the_tag_of_a_page_names_what_was_asked(void **state)
{
    struct rig *f = *state;
    struct http_lines *match = &f->head.fields.if_none_match;
    char expected[HEADERS_ETAG_BYTES];
    char target[TARGET_BYTES_MAX];
    rig_apply_state(f, "a", 1, "{}");
    rig_apply_state(f, "b", 1, "{}");
    rig_apply_state(f, "c", 1, "{}");
    rig_apply(f, (struct event){.kind = EVENT_TOMBSTONE, .id = SLICE_LITERAL("c"), .version = 2});
    rig_prove(f);
    /* FNV-1a of "100 ", "1 " and "1 a". */
    (void)snprintf(expected, sizeof expected, "W/\"%s." RIG_ROWS ".4.2.0.q3297e3f4\"", f->stream.epoch.text);
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    assert_string_equal(rig_header(f, "ETag"), expected);
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=100&max_staleness=9"), 200);
    assert_string_equal(rig_header(f, "ETag"), expected);
    match->count = 1;
    match->values[0] = slice_of(expected);
    assert_int_equal(rig_ask(f, "/v1/state/customers?max_staleness=9"), 304);
    assert_string_equal(rig_header(f, "ETag"), expected);
    match->count = 0;
    assert_int_equal(rig_ask(f, "/v1/state/customers?limit=1"), 200);
    (void)snprintf(expected, sizeof expected, "W/\"%s." RIG_ROWS ".4.2.0.q2beb4374\"", f->stream.epoch.text);
    assert_string_equal(rig_header(f, "ETag"), expected);
    (void)snprintf(target, sizeof target, "/v1/state/customers?limit=1&cursor=%s", next_of(f));
    assert_int_equal(rig_ask(f, target), 200);
    (void)snprintf(expected, sizeof expected, "W/\"%s." RIG_ROWS ".4.2.0.q385a9a0f\"", f->stream.epoch.text);
    assert_string_equal(rig_header(f, "ETag"), expected);
}

/* The page is the same, although its position is not: a weak tag may say so, and the header has the present one. */
static void a_page_of_another_position_is_304(void **state)
{
    struct rig *f = *state;
    struct http_lines *match = &f->head.fields.if_none_match;
    char etag[HEADERS_ETAG_BYTES];
    rig_apply_state(f, "a", 1, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    (void)snprintf(etag, sizeof etag, "%s", rig_header(f, "ETag"));
    rig_apply(f, (struct event){.kind = EVENT_STATE,
                                .collection = SLICE_LITERAL("others"),
                                .id = SLICE_LITERAL("a"),
                                .version = 1,
                                .state = SLICE_LITERAL("{}")});
    match->count = 1;
    match->values[0] = slice_of(etag);
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 304);
    assert_non_null(strstr(rig_header(f, "State-Position"), "STATE:2;"));
    rig_apply_state(f, "a", 2, "{}");
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    f->rows[0] = (struct rows_hash){"r0ddba110"};
    match->values[0] = slice_of(strcpy(etag, rig_header(f, "ETag")));
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
}

static void a_collection_never_seen_is_404_and_an_empty_one_is_a_page(void **state)
{
    struct rig *f = *state;
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 404);
    rig_apply_state(f, "a", 1, "{}");
    rig_apply(f, (struct event){.kind = EVENT_TOMBSTONE, .id = SLICE_LITERAL("a"), .version = 2});
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 200);
    assert_true(rig_body_has(f, "\"items\":[]"));
    assert_int_equal(rig_ask(f, "/v1/state"), 200);
    assert_true(rig_body_has(f, "{\"name\":\"customers\",\"stream\":\"STATE\",\"entities\":0,\"position\":2,\"tombstones\":1,\"floor\":0}"));
}

static void rejected_events_are_listed_newest_first(void **state)
{
    struct rig *f = *state;
    char target[1200];
    for (int i = 1; i <= 3; i++)
        rig_apply_rejected(f, "a", i);
    assert_int_equal(rig_ask(f, "/v1/rejected?limit=2"), 200);
    assert_true(rig_body_has(f, "\"sequence\":3,"));
    assert_true(rig_body_has(f, "\"sequence\":2,"));
    assert_false(rig_body_has(f, "\"sequence\":1,"));
    assert_true(rig_body_has(f, "\"payload\":\"eyJiYWQiOjF9\""));
    assert_true(
        rig_body_has(f, "\"reason\":\"bad-type\",\"detail\":\"no object\",\"payloadBytes\":9,\"payloadSha256\":\""));
    (void)snprintf(target, sizeof target, "/v1/rejected?limit=2&cursor=%s", next_of(f));
    assert_int_equal(rig_ask(f, target), 200);
    assert_true(rig_body_has(f, "\"sequence\":1,"));
    assert_null(next_of(f));
    assert_int_equal(rig_ask(f, "/v1/rejected?stream=OTHER"), 200);
    assert_true(rig_body_has(f, "\"items\":[]"));
    assert_non_null(strstr(rig_header(f, "State-Position"), "OTHER:0"));
    assert_null(strstr(rig_header(f, "State-Position"), "STATE:"));
}

static void paths_that_are_none_are_404(void **state)
{
    static const char *const paths[] = {
        "/",       "/v1",    "/v1/",    "/v1/state/",           "/v1/state/a/", "/v1/state/a/b/", "/v1/state/a/b/c",
        "/livez/", "/LIVEZ", "//livez", "/a/b/c/d/e/f/g/h/i/j", "/v1/state//",  "/v1/status/x"};
    struct rig *f = *state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (rig_ask(f, paths[i]) != 404)
            fail_msg("%s: %u", paths[i], f->response.status);
    }
}

static void the_second_address_serves_probes_only(void **state)
{
    struct rig *f = *state;
    (void)strcpy(f->target, "/v1/state");
    f->head.ops_only = true;
    f->head.target_text = f->target;
    f->head.target_bytes = strlen(f->target);
    (void)worker_handle(f->worker, &f->head, &f->call, &f->response);
    assert_int_equal(f->response.status, 404);
    response_free(&f->response);
    response_init(&f->response);
    (void)strcpy(f->target, "/livez");
    f->head.target_bytes = strlen(f->target);
    (void)worker_handle(f->worker, &f->head, &f->call, &f->response);
    assert_int_equal(f->response.status, 200);
}

static struct http_lines line_of(const char *text)
{
    return (struct http_lines){.count = 1, .values = {slice_of(text)}};
}

static void demands_are_refused_where_they_mean_nothing(void **state)
{
    static const char *const demands[] = {"min_version=1", "min_position=STATE:1", "max_staleness=0", "wait=1"};
    struct rig *f = *state;
    char target[128];
    for (size_t k = 0; k < sizeof demands / sizeof demands[0]; k++) {
        (void)snprintf(target, sizeof target, "/v1/status?%s", demands[k]);
        assert_int_equal(rig_ask(f, target), 400);
    }
    f->head.fields.max_staleness = line_of("0");
    assert_int_equal(rig_ask(f, "/v1/status"), 400);
    assert_true(rig_body_has(f, "Max-Staleness"));
    assert_int_equal(rig_ask(f, "/livez"), 200); /* a probe is no read */
    f->head.fields = (struct http_fields){.min_version = line_of("1")};
    assert_int_equal(rig_ask(f, "/v1/state/customers"), 400);
    assert_true(rig_body_has(f, "Min-Version"));
    f->head.fields = (struct http_fields){0};
}

static void options_names_the_methods_of_every_path(void **state)
{
    struct rig *f = *state;
    f->head.method = METHOD_OPTIONS;
    for (unsigned id = 0; id < ROUTES_COUNT; id++) {
        char path[128]; /* `{collection}` becomes `collection`, which is one */
        size_t used = 0;
        for (const char *c = router_route((enum route_id)id)->path; *c != '\0'; c++) {
            if (*c != '{' && *c != '}')
                path[used++] = *c;
        }
        path[used] = '\0';
        assert_int_equal(rig_ask(f, path), 204);
        bool list = id == ROUTE_PAGE;
        assert_string_equal(rig_header(f, "Allow"), admission_allow(list ? ADMISSION_JSON_BODY : ADMISSION_NO_BODY));
        assert_true((rig_header(f, "Accept-Query") != NULL) == list);
    }
    assert_int_equal(rig_ask(f, "/nowhere"), 404);
}

static void readiness_tells_every_check(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "a", 1, "{}");
    rig_prove(f);
    assert_int_equal(rig_ask(f, "/readyz"), 503);
    assert_body(f, "no stream STATE head not known yet\nno stream OTHER head not known yet\n");
    freshness_set_ready_target(f->freshness, 0, 1, &f->stream.epoch);
    freshness_applied(f->freshness, 1, 0, &f->other.epoch);
    freshness_set_ready_target(f->freshness, 1, 5, &f->other.epoch);
    assert_int_equal(rig_ask(f, "/readyz"), 503);
    assert_body(f, "ok stream STATE position 1 >= head at start 1\nno stream OTHER position 0 < head at start 5\n");
    freshness_set_ready_target(f->freshness, 1, 0, &f->other.epoch);
    assert_int_equal(rig_ask(f, "/readyz"), 200);
    assert_int_equal(rig_ask(f, "/readyz?max_staleness=60"), 503);
    assert_true(rig_body_has(f, "no stream OTHER staleness not known\n"));
    (void)rig_answer(f, 1, time_boot_ns(), 0, &f->other.epoch);
    assert_int_equal(rig_ask(f, "/readyz?max_staleness=60"), 200);
    assert_int_equal(rig_ask(f, "/readyz?max_staleness=0"), 503);
    atomic_store(&f->api.unready, true);
    assert_int_equal(rig_ask(f, "/readyz"), 503);
    assert_true(rig_body_has(f, "no the process is stopping\n"));
    assert_int_equal(rig_ask(f, "/livez"), 200);
}

static void ready_without_broker_needs_rows(void **state)
{
    struct rig *f = *state;
    f->tunables.ready_without_broker = true;
    f->settings.streams_count = 1;
    freshness_applied(f->freshness, 0, 0, &f->stream.epoch);
    assert_int_equal(rig_ask(f, "/readyz"), 503);
    rig_apply_state(f, "a", 1, "{}");
    freshness_applied(f->freshness, 0, 1, &f->stream.epoch);
    assert_int_equal(rig_ask(f, "/readyz"), 200);
    f->tunables.ready_without_broker = false;
    assert_int_equal(rig_ask(f, "/readyz"), 503);
    f->settings.streams_count = 2; /* as it was made */
}

static void requests_are_counted_by_route_method_and_code(void **state)
{
    struct rig *f = *state;
    size_t code_404 = 0;
    while (route_codes[code_404] != 404)
        code_404++;
    (void)rig_ask(f, "/v1/state/customers/1");
    (void)rig_ask(f, "/v1/state/customers/2");
    (void)rig_ask(f, "/nowhere");
    assert_int_equal(atomic_load(&f->counters.requests[ROUTE_ENTITY][METHOD_GET][code_404]), 2);
    assert_int_equal(atomic_load(&f->counters.requests[ROUTE_NONE][METHOD_GET][code_404]), 1);
}

static void every_status_of_a_problem_is_counted(void **state)
{
    static const unsigned statuses[] = {
#define PROBLEM_STATUS(name, status, type, title) status,
        PROBLEMS(PROBLEM_STATUS)
#undef PROBLEM_STATUS
    };
    (void)state;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        size_t k = 0;
        while (k < ROUTE_CODES_MAX && route_codes[k] != statuses[i])
            k++;
        assert_true(k < ROUTE_CODES_MAX);
    }
}

static void the_probe_of_a_status_is_the_one_that_proves(void **state)
{
    struct rig *f = *state;
    rig_apply_state(f, "a", 1, "{}");
    rig_prove(f);
    (void)rig_answer(f, 0, time_boot_ns(), 9, &f->stream.epoch); /* not met yet */
    assert_int_equal(rig_ask(f, "/v1/status"), 200);
    assert_true(rig_body_has(f, ",\"head\":9,\"lag\":8,\"staleness\":"));
    assert_true(rig_body_has(f, ",\"head\":1,\"epoch\":"));
    assert_false(rig_body_has(f, ",\"head\":9,\"epoch\":"));
}

/* Iterations whose begin succeeds and whose read fails; what was logged of them. */
static void log_failing_iterations(struct snapshot *snapshot, unsigned iterations, char *out, size_t room)
{
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    assert_non_null(file);
    assert_true(kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    for (unsigned i = 0; i < iterations; i++) {
        enum sg_status begun = snapshot_begin(snapshot, &err);
        (void)sg_fail(&err, SG_CORRUPT, "a page is damaged");
        snapshot_failed(snapshot, &err);
        snapshot_end(snapshot);
        if (begun != SG_OK)
            break;
    }
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    rewind(file);
    out[fread(out, 1, room - 1, file)] = '\0';
    (void)fclose(file);
}

static void reads_that_go_on_failing_are_logged_once(void **state)
{
    struct rig *f = *state;
    char text[16384];
    log_failing_iterations(f->worker->snapshot, 5, text, sizeof text);
    const char *first = strstr(text, "reads_failing");
    assert_non_null(first);
    assert_null(strstr(first + 1, "reads_failing"));
    assert_null(strstr(text, "reads_recovered"));
}

/* A field of that name could not be asked for. */
static void no_field_is_declared_with_the_name_of_a_parameter(void **state)
{
    (void)state;
    for (unsigned id = 0; id < ROUTES_COUNT; id++) {
        const char *const *params = router_route((enum route_id)id)->rules.params;
        for (size_t i = 0; i < PLAN_PARAMS_MAX && params[i] != NULL; i++) {
            if (fields_name_fault(slice_of(params[i])) == NULL)
                fail_msg("%s is not reserved", params[i]);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_entity_is_its_document),
        TEST(without_proof_nothing_is_claimed),
        TEST(tombstones_and_unknown_ids_are_told_apart),
        TEST(a_collection_without_owner_rests_on_all_streams),
        TEST(an_etag_is_the_message_not_the_version),
        TEST(a_304_tells_when_it_was_modified_only_without_a_tag),
        TEST(a_condition_that_does_not_hold_is_412),
        TEST(an_etag_gives_304_until_the_version_changes),
        TEST(rejections_above_the_version_are_shown),
        TEST(gaps_concern_what_was_written_before_them),
        TEST(pages_hold_every_entity_once_in_order),
        TEST(a_page_that_ends_exactly_has_no_next),
        TEST(a_page_ends_early_when_it_grows_too_large),
        TEST(an_entity_larger_than_a_page_is_a_page),
        TEST(the_longest_ids_have_a_cursor_and_a_link),
        TEST(the_next_page_has_the_demands_of_this_one),
        TEST(a_link_that_cannot_hold_the_demands_is_left_out),
        TEST(the_tag_of_a_page_names_what_was_asked),
        TEST(a_page_of_another_position_is_304),
        TEST(a_collection_never_seen_is_404_and_an_empty_one_is_a_page),
        TEST(rejected_events_are_listed_newest_first),
        TEST(paths_that_are_none_are_404),
        TEST(the_second_address_serves_probes_only),
        TEST(demands_are_refused_where_they_mean_nothing),
        TEST(options_names_the_methods_of_every_path),
        TEST(readiness_tells_every_check),
        TEST(ready_without_broker_needs_rows),
        TEST(requests_are_counted_by_route_method_and_code),
        TEST(every_status_of_a_problem_is_counted),
        TEST(the_probe_of_a_status_is_the_one_that_proves),
        TEST(no_field_is_declared_with_the_name_of_a_parameter),
        TEST(reads_that_go_on_failing_are_logged_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
