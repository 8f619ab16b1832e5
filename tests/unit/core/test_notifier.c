/* core/base/notifier and core/base/thread: no notification is lost, and threads bear names.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/notifier.h"
#include "core/base/thread.h"
#include "core/base/time.h"

#define DEADLINE_NS (10 * NS_PER_S)
#define ROUNDS 20000

static int setup(void **state)
{
    struct notifier *n = NULL;
    struct sg_error err;
    assert_int_equal(notifier_create(&n, &err), SG_OK);
    *state = n;
    return 0;
}

static int teardown(void **state)
{
    notifier_destroy(*state);
    return 0;
}

static bool notified(struct notifier *n, int64_t wait_ns)
{
    int64_t deadline_ns = time_boot_ns() + wait_ns;
    notifier_wait(n, deadline_ns);
    return time_boot_ns() < deadline_ns;
}

static void a_notification_before_the_wait_is_kept_several_are_one(void **state)
{
    struct notifier *n = *state;
    notifier_notify(n);
    notifier_notify(n);
    assert_true(notified(n, DEADLINE_NS));
    assert_false(notified(n, 10 * NS_PER_MS));
    notifier_notify(n);
    assert_true(notified(n, DEADLINE_NS));
}

static void a_wait_whose_deadline_has_passed_takes_what_is_kept(void **state)
{
    struct notifier *n = *state;
    notifier_notify(n);
    notifier_wait(n, 0);
    assert_false(notified(n, 10 * NS_PER_MS));
}

struct counting {
    struct notifier *there;
    struct notifier *back;
    atomic_int done; /* rounds that the other thread has seen */
    int made;        /* plain: that it is seen is the notifier's work */
};

static void *count(void *argument)
{
    struct counting *c = argument;
    for (int seen = 0; seen < ROUNDS;) {
        notifier_wait(c->there, INT64_MAX);
        seen = c->made;
        atomic_store(&c->done, seen);
        notifier_notify(c->back);
    }
    return NULL;
}

static void no_notification_is_lost_and_what_was_done_before_is_seen(void **state)
{
    struct counting c = {.there = *state};
    struct sg_error err;
    pthread_t thread;
    assert_int_equal(notifier_create(&c.back, &err), SG_OK);
    assert_int_equal(pthread_create(&thread, NULL, count, &c), 0);
    for (int i = 1; i <= ROUNDS; i++) {
        c.made = i;
        notifier_notify(c.there);
        assert_true(notified(c.back, DEADLINE_NS));
        assert_int_equal(atomic_load(&c.done), i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    notifier_destroy(c.back);
}

static void *name_of_child(void *name)
{
    (void)pthread_getname_np(pthread_self(), name, THREAD_NAME_BYTES);
    return NULL;
}

static void a_name_is_cut_at_a_character_and_inherited(void **state)
{
    char before[THREAD_NAME_BYTES];
    char name[THREAD_NAME_BYTES];
    pthread_t thread;
    (void)state;
    (void)pthread_getname_np(pthread_self(), before, sizeof before);
    thread_name_set("source", "ORDERS");
    (void)name_of_child(name);
    assert_string_equal(name, "source:ORDERS");
    thread_name_set("source", "BESTELLUNGEN");
    (void)name_of_child(name);
    assert_string_equal(name, "source:BESTELLU");
    thread_name_set("source", "BESTELL\u00dcNGEN");
    assert_int_equal(pthread_create(&thread, NULL, name_of_child, name), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(name, "source:BESTELL");
    thread_name_set(before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_notification_before_the_wait_is_kept_several_are_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wait_whose_deadline_has_passed_takes_what_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(no_notification_is_lost_and_what_was_done_before_is_seen, setup, teardown),
        cmocka_unit_test(a_name_is_cut_at_a_character_and_inherited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
