/* Counters and histograms.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "core/progress/metrics.h"

static const double bounds[] = {0.001, 0.5, 10};

static void assert_sum(const struct metrics_histogram *h, uint64_t whole, uint64_t nano)
{
    uint64_t found_whole = 0;
    uint64_t found_nano = 0;
    metrics_histogram_sum(h, &found_whole, &found_nano);
    assert_int_equal(found_whole, whole);
    assert_int_equal(found_nano, nano);
}

static void values_below_zero_do_not_lower_the_sum(void **state)
{
    struct metrics_histogram h;
    (void)state;
    metrics_histogram_init(&h, bounds, 3);
    metrics_histogram_add(&h, -1);
    assert_int_equal(atomic_load(&h.counts[0]), 1);
    assert_sum(&h, 0, 0);
}

/* A build reads events that are years old: 10 million of 30 years are 9.5e15 s, and half a nanosecond is nothing. */
static void sums_never_wrap(void **state)
{
    struct metrics_histogram h;
    struct metrics_histogram other;
    const double years = 30 * 365.25 * 86400;
    (void)state;
    metrics_histogram_init(&h, bounds, 3);
    metrics_histogram_init(&other, bounds, 3);
    for (int i = 0; i < 1000000; i++)
        metrics_histogram_add(&h, years + 0.25);
    assert_sum(&h, UINT64_C(946728000) * 1000000 + 250000, 0);
    metrics_histogram_add(&h, 1e300);
    metrics_histogram_add(&h, 0.000000001);
    assert_sum(&h, UINT64_C(946728000) * 1000000 + 250000 + UINT64_C(1000000000000000000), 1);
    /* What stands in billionths is carried before it is full. */
    atomic_store(&other.sum_nano, (UINT64_C(1) << 62) - 3);
    metrics_histogram_add(&other, 0.000000005);
    assert_sum(&other, 4611686018, 427387906);
    metrics_histogram_add(&other, 0.000000001);
    assert_true(atomic_load(&other.sum_nano) < UINT64_C(1000000000));
    assert_sum(&other, 4611686018, 427387907);
    metrics_histogram_merge(&other, &h);
    assert_sum(&other, UINT64_C(946728000) * 1000000 + 250000 + UINT64_C(1000000000000000000) + 4611686018, 427387908);
    assert_int_equal(atomic_load(&other.counts[3]), 1000001);
}

static void *add_many(void *context)
{
    for (int i = 0; i < 10000; i++)
        metrics_histogram_add(context, 1);
    return NULL;
}

static void threads_do_not_lose_counts(void **state)
{
    struct metrics_histogram h;
    pthread_t threads[4];
    (void)state;
    metrics_histogram_init(&h, bounds, 3);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &h), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&h.counts[2]), 40000);
    assert_sum(&h, 40000, 0);
}

static const struct settings one_stream = {.streams_count = 1};

struct seen {
    size_t names;
    uint64_t sum;
    uint64_t of_customers;
};

static void see(void *context, const char *collection, uint64_t count)
{
    struct seen *seen = context;
    seen->names++;
    seen->sum += count;
    if (strcmp(collection, "customers") == 0)
        seen->of_customers = count;
}

static void tombstones_are_counted_by_collection(void **state)
{
    struct metrics *m = NULL;
    struct sg_error err;
    struct seen seen = {0};
    (void)state;
    assert_int_equal(metrics_create(&one_stream, &m, &err), SG_OK);
    metrics_tombstone(m, SLICE_LITERAL("customers"));
    metrics_tombstone(m, SLICE_LITERAL("orders"));
    metrics_tombstone(m, (struct slice){"customers and more", 9});
    metrics_tombstones(m, see, &seen);
    assert_int_equal(seen.names, 2);
    assert_int_equal(seen.of_customers, 2);
    metrics_destroy(m);
}

static void tombstones_of_too_many_collections_are_not_counted(void **state)
{
    struct metrics *m = NULL;
    struct sg_error err;
    struct seen seen = {0};
    char name[32];
    (void)state;
    assert_int_equal(metrics_create(&one_stream, &m, &err), SG_OK);
    for (int i = 0; i < METRICS_TOMBSTONE_COLLECTIONS_MAX + 1; i++) {
        int bytes = snprintf(name, sizeof name, "c%d", i);
        metrics_tombstone(m, (struct slice){name, (size_t)bytes});
    }
    metrics_tombstone(m, SLICE_LITERAL("c0"));
    metrics_tombstones(m, see, &seen);
    assert_int_equal(seen.names, METRICS_TOMBSTONE_COLLECTIONS_MAX);
    assert_int_equal(seen.sum, METRICS_TOMBSTONE_COLLECTIONS_MAX + 1);
    metrics_destroy(m);
}

/* Each field of each collection has a counter of its own, also where another one declares nothing. */
static void mismatches_are_counted_by_field(void **state)
{
    struct metrics *m = NULL;
    struct sg_error err;
    struct collection_settings collections[] = {{.name = (char[]){"a"}}, {.name = (char[]){"b"}}, {.name = (char[]){"c"}}};
    const struct settings settings = {.collections = collections, .collections_count = 3};
    (void)state;
    assert_int_equal(fields_add(&collections[0].fields, slice_of("x"), slice_of("/x"), FIELD_STRING, &err), SG_OK);
    assert_int_equal(fields_add(&collections[0].fields, slice_of("y"), slice_of("/y"), FIELD_STRING, &err), SG_OK);
    assert_int_equal(fields_add(&collections[2].fields, slice_of("x"), slice_of("/x"), FIELD_STRING, &err), SG_OK);
    assert_int_equal(metrics_create(&settings, &m, &err), SG_OK);
    metrics_mismatches(m, slice_of("a"), 2);
    metrics_mismatches(m, slice_of("a"), 3);
    metrics_mismatches(m, slice_of("c"), 1);
    metrics_mismatches(m, slice_of("c"), UINT32_C(1) << 31);
    metrics_mismatches(m, slice_of("d"), 1);
    assert_int_equal(metrics_mismatches_of(m, slice_of("a"), 0), 1);
    assert_int_equal(metrics_mismatches_of(m, slice_of("a"), 1), 2);
    assert_int_equal(metrics_mismatches_of(m, slice_of("c"), 0), 1);
    assert_int_equal(metrics_mismatches_of(m, slice_of("c"), 1), 0);
    assert_int_equal(metrics_mismatches_of(m, slice_of("d"), 0), 0);
    metrics_destroy(m);
    fields_free(&collections[0].fields);
    fields_free(&collections[2].fields);
}

static void streams_have_counters_of_their_own(void **state)
{
    struct metrics *m = NULL;
    struct sg_error err;
    (void)state;
    const struct settings two_streams = {.streams_count = 2};
    assert_int_equal(metrics_create(&two_streams, &m, &err), SG_OK);
    atomic_fetch_add(&metrics_stream(m, 1)->events[RESULT_APPLIED], 3);
    assert_int_equal(atomic_load(&metrics_stream(m, 0)->events[RESULT_APPLIED]), 0);
    assert_int_equal(atomic_load(&metrics_stream(m, 1)->events[RESULT_APPLIED]), 3);
    metrics_destroy(m);
    metrics_destroy(NULL);
}

static void results_of_probes_have_their_words(void **state)
{
    (void)state;
    assert_string_equal(probe_result_name(PROBE_PROVED), "proved");
    assert_string_equal(probe_result_name(PROBE_UNPROVED), "unproved");
    assert_string_equal(probe_result_name(PROBE_FAILED), "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_below_zero_do_not_lower_the_sum),
        cmocka_unit_test(sums_never_wrap),
        cmocka_unit_test(threads_do_not_lose_counts),
        cmocka_unit_test(tombstones_are_counted_by_collection),
        cmocka_unit_test(tombstones_of_too_many_collections_are_not_counted),
        cmocka_unit_test(mismatches_are_counted_by_field),
        cmocka_unit_test(streams_have_counters_of_their_own),
        cmocka_unit_test(results_of_probes_have_their_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
