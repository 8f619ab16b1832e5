/* Tunables: whoever takes them has values that fit each other, and those that were published last. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/domain/tunables.h"

/* ctest-threads: */

#define SETS 64
#define ITERATIONS 100000

static struct tunables sets[SETS];
static struct tunables_now now;
static atomic_bool stopping;

static void what_was_published_last_is_taken(void **state)
{
    (void)state;
    struct tunables_now here;
    const struct tunables first = {.wait_max_ms = 1};
    const struct tunables second = {.wait_max_ms = 2};
    tunables_publish(&here, &first);
    const struct tunables *taken = tunables_take(&here);
    assert_ptr_equal(taken, &first);
    tunables_publish(&here, &second);
    assert_int_equal(taken->wait_max_ms, 1); /* to the end of the iteration */
    assert_ptr_equal(tunables_take(&here), &second);
}

/* Each set is written whole before it is published, and never afterwards. */
static void *publish_all(void *context)
{
    (void)context;
    for (int64_t i = 1; i < SETS; i++) {
        sets[i] = (struct tunables){
            .wait_default_ms = i, .wait_max_ms = i, .probe_idle_ms = i, .probe_epoch_trust_ms = i};
        tunables_publish(&now, &sets[i]);
    }
    atomic_store(&stopping, true);
    return NULL;
}

static void an_iteration_never_sees_values_of_two_sets(void **state)
{
    (void)state;
    pthread_t publisher;
    int64_t last = 0;
    tunables_publish(&now, &sets[0]);
    assert_int_equal(pthread_create(&publisher, NULL, publish_all, NULL), 0);
    for (int i = 0; i < ITERATIONS && last < SETS - 1; i++) {
        const struct tunables *t = tunables_take(&now);
        assert_int_equal(t->wait_default_ms, t->wait_max_ms);
        assert_int_equal(t->probe_idle_ms, t->wait_max_ms);
        assert_int_equal(t->probe_epoch_trust_ms, t->wait_max_ms);
        assert_true(t->wait_max_ms >= last);
        last = t->wait_max_ms;
    }
    assert_int_equal(pthread_join(publisher, NULL), 0);
    assert_true(atomic_load(&stopping));
    assert_int_equal(tunables_take(&now)->wait_max_ms, SETS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_published_last_is_taken),
        cmocka_unit_test(an_iteration_never_sees_values_of_two_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
