/* Delete markers that expire: which of them are due, and which count no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "projector/ingest/markers.h"

#define THINGS SLICE_LITERAL("things")

static void one_is_due_when_it_expires_or_is_too_old(void **state)
{
    struct markers markers = {0};
    (void)state;
    assert_int_equal(markers_due(&markers, INT64_MAX, 0), 0);
    markers_add(&markers, THINGS, SLICE_LITERAL("a"), 10 * NS_PER_S, 15 * NS_PER_S);
    markers_add(&markers, THINGS, SLICE_LITERAL("b"), 10 * NS_PER_S, 0);
    assert_int_equal(markers_due(&markers, 15 * NS_PER_S - 1, 0), 0);
    assert_int_equal(markers_due(&markers, 15 * NS_PER_S, 0), 1);
    assert_int_equal(markers_due(&markers, 14 * NS_PER_S, 4 * NS_PER_S), 2);
    assert_int_equal(markers_due(&markers, 14 * NS_PER_S - 1, 4 * NS_PER_S), 0);
    assert_int_equal(markers_due(&markers, INT64_MAX, 0), 1); /* b: never by itself */
    markers_free(&markers);
}

static void what_is_back_is_not_due(void **state)
{
    struct markers markers = {0};
    (void)state;
    markers_remove(&markers, THINGS, SLICE_LITERAL("a"));
    assert_false(markers_is_due(&markers, THINGS, SLICE_LITERAL("a"), 2, 2));
    markers_add(&markers, THINGS, SLICE_LITERAL("a"), 1, 2);
    markers_add(&markers, THINGS, SLICE_LITERAL("b"), 1, 2);
    markers_remove(&markers, THINGS, SLICE_LITERAL("c"));
    assert_true(markers_is_due(&markers, THINGS, SLICE_LITERAL("a"), 2, 0));
    assert_false(markers_is_due(&markers, THINGS, SLICE_LITERAL("a"), 1, 0));
    assert_false(markers_is_due(&markers, THINGS, SLICE_LITERAL("c"), 2, 0));
    markers_remove(&markers, THINGS, SLICE_LITERAL("a"));
    assert_false(markers_is_due(&markers, THINGS, SLICE_LITERAL("a"), 2, 0));
    assert_int_equal(markers_due(&markers, 2, 0), 1);
    markers_add(&markers, THINGS, SLICE_LITERAL("a"), 3, 4);
    markers_add(&markers, THINGS, SLICE_LITERAL("a"), 3, 5); /* the same entity */
    assert_int_equal(markers_due(&markers, 4, 0), 1);
    assert_int_equal(markers_due(&markers, 5, 0), 2);
    markers_free(&markers);
}

static void add_numbered(struct markers *markers, int from, int count)
{
    char id[16];
    for (int i = from; i < from + count; i++) {
        int bytes = snprintf(id, sizeof id, "%d", i);
        markers_add(markers, THINGS, (struct slice){id, (size_t)bytes}, 1, 2);
    }
}

static void beyond_the_limit_none_is_remembered_until_there_is_room(void **state)
{
    struct markers markers = {0};
    char id[16];
    (void)state;
    add_numbered(&markers, 0, MARKERS_MAX);
    assert_int_equal(markers_due(&markers, 2, 0), MARKERS_MAX);
    add_numbered(&markers, MARKERS_MAX, 5);
    assert_int_equal(markers_due(&markers, 2, 0), MARKERS_MAX);
    for (int i = 0; i < 100; i++) {
        int bytes = snprintf(id, sizeof id, "%d", i);
        markers_remove(&markers, THINGS, (struct slice){id, (size_t)bytes});
    }
    add_numbered(&markers, MARKERS_MAX, 150);
    assert_int_equal(markers_due(&markers, 2, 0), MARKERS_MAX);
    markers_free(&markers);
}

/* Each one beyond the limit once made the table anew: 131,072 steps, and an allocation of 3 MiB. */
static void those_beyond_the_limit_cost_no_more(void **state)
{
    struct markers markers = {0};
    (void)state;
    add_numbered(&markers, 0, MARKERS_MAX);
    const struct marker *items = markers.items;
    add_numbered(&markers, MARKERS_MAX, MARKERS_MAX);
    assert_ptr_equal(markers.items, items);
    assert_int_equal(markers.used, MARKERS_MAX);
    markers_free(&markers);
}

static void one_goes_and_one_comes(void **state)
{
    struct markers markers = {0};
    const struct marker *items = NULL;
    int made = 0;
    char id[16];
    (void)state;
    add_numbered(&markers, 0, MARKERS_MAX);
    for (int i = 0; i < 2 * MARKERS_MAX; i++) {
        int bytes = snprintf(id, sizeof id, "%d", i);
        made += markers.items != items ? 1 : 0;
        items = markers.items;
        markers_remove(&markers, THINGS, (struct slice){id, (size_t)bytes});
        add_numbered(&markers, MARKERS_MAX + i, 1);
        assert_int_equal(markers.count, MARKERS_MAX);
        assert_in_range(markers.used, MARKERS_MAX, 2 * MARKERS_MAX - 1); /* a search ends at a free one */
    }
    assert_in_range(made, 2, 6); /* 131,072 came, and at least 32,768 in between */
    assert_int_equal(markers_due(&markers, 2, 0), MARKERS_MAX);
    markers_free(&markers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_due_when_it_expires_or_is_too_old),
        cmocka_unit_test(what_is_back_is_not_due),
        cmocka_unit_test(beyond_the_limit_none_is_remembered_until_there_is_room),
        cmocka_unit_test(those_beyond_the_limit_cost_no_more),
        cmocka_unit_test(one_goes_and_one_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
