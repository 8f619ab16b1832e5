/* decode without memory: each allocation of a large message fails once, and nothing is half decoded.
 *
 * The arena's source is compiled into this test with its own malloc, in place of the library's copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t allocations_left = SIZE_MAX;
static size_t bytes_allocated;

static void *failing_malloc(size_t bytes)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    bytes_allocated += bytes;
    return malloc(bytes);
}

#define malloc(bytes) failing_malloc(bytes)
#include "core/json/arena.c"
#undef malloc

#include "core/base/buffer.h"
#include "tests/support/decode_shaped.h"

static struct stream_settings stream = {.format = FORMAT_ENVELOPE};
static char *rules_drop[] = {(char[]){"/k00001"}, (char[]){"/k00002"}};
static struct collection_settings rules = {.name = (char[]){"orders"}, .drop = rules_drop, .drop_count = 2};

/* An envelope whose state has `members`, and white space, so that it must be written anew; the caller frees it. */
static struct slice large_envelope(size_t members, const char *tail)
{
    struct buffer b;
    size_t bytes = 0;
    buffer_init(&b, EVENT_PAYLOAD_BYTES_MAX);
    buffer_append_text(&b, "{\"aggregateId\":\"7\",\"version\":1,\"type\":\"T\",\"state\": {");
    for (size_t i = 0; i < members; i++)
        buffer_append_format(&b, "%s\"k%05zu\":%zu", i == 0 ? "" : ",", i, i);
    buffer_append_text(&b, tail);
    char *data = buffer_take(&b, &bytes);
    assert_non_null(data);
    return (struct slice){data, bytes};
}

/* How many allocations it takes; each of them failed once. */
static size_t fail_each_allocation(const struct settings *settings, struct slice payload)
{
    struct message message = {.subject = SLICE_LITERAL("state.orders"), .payload = payload, .sequence = 1};
    for (size_t allowed = 0;; allowed++) {
        struct arena *arena = arena_create();
        struct event event = {.sequence = 4711};
        struct sg_error err = {0};
        assert_non_null(arena);
        allocations_left = allowed;
        enum sg_status status = decode_shaped(settings, 0, &message, arena, &event, &err);
        allocations_left = SIZE_MAX;
        if (status == SG_OK && event.kind == EVENT_STATE) {
            arena_destroy(arena);
            return allowed;
        }
        if (status == SG_OK) { /* a rejection needs memory for its detail only, and does without */
            assert_int_equal(event.kind, EVENT_REJECTED);
            assert_int_equal(event.reason, REASON_BAD_JSON);
            arena_destroy(arena);
            return allowed;
        }
        assert_int_equal(status, SG_MEMORY);
        assert_int_equal(err.status, SG_MEMORY);
        assert_int_equal(event.sequence, 4711);
        /* With memory again, the same arena decodes it. */
        assert_int_equal(decode_shaped(settings, 0, &message, arena, &event, &err), SG_OK);
        assert_int_equal(event.sequence, 1);
        arena_destroy(arena);
    }
}

static void without_memory_nothing_is_decoded(void **state)
{
    (void)state;
    struct settings settings = {.streams = &stream, .streams_count = 1};
    struct slice payload = large_envelope(20000, "}}");
    assert_true(fail_each_allocation(&settings, payload) >= 4);
    settings.collections = &rules;
    settings.collections_count = 1;
    assert_true(fail_each_allocation(&settings, payload) >= 6);
    free((char *)(uintptr_t)payload.data);
}

static void a_rejection_does_without_memory_for_its_detail(void **state)
{
    (void)state;
    struct settings settings = {.streams = &stream, .streams_count = 1};
    struct slice payload = large_envelope(10, "oops");
    assert_int_equal(fail_each_allocation(&settings, payload), 1);
    free((char *)(uintptr_t)payload.data);
}

static void a_batch_that_fits_the_last_ones_memory_allocates_nothing(void **state)
{
    (void)state;
    struct settings settings = {.streams = &stream, .streams_count = 1};
    struct slice payload = large_envelope(100, "}}");
    struct message message = {.subject = SLICE_LITERAL("state.orders"), .payload = payload, .sequence = 1};
    struct arena *arena = arena_create();
    struct event event = {0};
    assert_non_null(arena);
    for (int batch = 0; batch < 10; batch++) {
        bytes_allocated = 0;
        for (int i = 0; i < 2000; i++)
            assert_int_equal(decode_shaped(&settings, 0, &message, arena, &event, NULL), SG_OK);
        if (batch == 0)
            assert_true(bytes_allocated >= 2000 * event.state.bytes);
        arena_reset(arena);
    }
    assert_int_equal(bytes_allocated, 0);
    arena_destroy(arena);
    free((char *)(uintptr_t)payload.data);
}

static void memory_beyond_what_is_kept_is_given_back(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_non_null(arena);
    assert_non_null(region_take(&arena->kept, ARENA_KEPT_BYTES / 2, 1));
    arena_reset(arena);
    assert_non_null(arena->kept.chunk);
    assert_non_null(region_take(&arena->kept, ARENA_KEPT_BYTES / 2 + 1, 1));
    arena_reset(arena);
    assert_null(arena->kept.chunk);
    assert_null(region_take(&arena->kept, SIZE_MAX, 16));
    arena_destroy(arena);
    arena_destroy(NULL);
}

static void memory_is_aligned_and_apart(void **state)
{
    (void)state;
    struct region r = {0};
    char *previous = NULL;
    for (size_t i = 1; i < 3000; i++) {
        char *taken = region_take(&r, i, 16);
        assert_non_null(taken);
        assert_int_equal((uintptr_t)taken % 16, 0);
        memset(taken, (int)(i % 256), i);
        if (previous != NULL)
            assert_int_equal((unsigned char)previous[i - 2], (i - 1) % 256);
        previous = taken;
        assert_non_null(region_take(&r, 1, 1));
    }
    region_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_nothing_is_decoded),
        cmocka_unit_test(a_rejection_does_without_memory_for_its_detail),
        cmocka_unit_test(a_batch_that_fits_the_last_ones_memory_allocates_nothing),
        cmocka_unit_test(memory_beyond_what_is_kept_is_given_back),
        cmocka_unit_test(memory_is_aligned_and_apart),
    };
    if (subject_template_parse("state.{collection}", &stream.subject, NULL) != SG_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
