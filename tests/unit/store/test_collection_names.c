/* The tables of collections by name: the writer's, from which names go one by one, and a reader's, which is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/cache/collection_names.h"
#include "store/cache/served_names.h"

#define NAMES 5000

static struct slice name_of(int64_t number)
{
    static char text[24];
    (void)snprintf(text, sizeof text, "c-%lld", (long long)number);
    return slice_of(text);
}

static void names_that_are_left_are_found_after_others_went(void **state)
{
    struct collection_names names = {0};
    (void)state;
    for (int64_t i = 1; i <= NAMES; i++)
        assert_non_null(collection_names_add(&names, i % 3, 1, name_of(i), i));
    for (int64_t i = 1; i <= NAMES; i += 2)
        collection_names_remove(&names, i % 3, 1, name_of(i));
    collection_names_remove(&names, 0, 1, name_of(NAMES + 1)); /* that never was */
    assert_int_equal(names.count, NAMES / 2);
    for (int64_t i = 1; i <= NAMES; i++) {
        const struct collection_name *found = collection_names_find(&names, i % 3, 1, name_of(i));
        if (i % 2 == 1)
            assert_null(found);
        else
            assert_int_equal(found->id, i);
    }
    assert_null(collection_names_find(&names, 2, 2, name_of(2))); /* of another build */
    collection_names_free(&names);
}

static void changed_names_are_on_the_list_once(void **state)
{
    struct collection_names names = {0};
    size_t count = 0;
    (void)state;
    for (int64_t i = 1; i <= NAMES; i++)
        assert_non_null(collection_names_add(&names, 1, 1, name_of(i), i));
    for (int64_t i = 1; i <= 3; i++) {
        collection_names_change(&names, collection_names_find(&names, 1, 1, name_of(i)));
        collection_names_change(&names, collection_names_find(&names, 1, 1, name_of(1)));
    }
    for (const struct collection_name *k = names.changed; k != NULL; k = k->next_changed)
        count++;
    assert_int_equal(count, 3);
    collection_names_clear(&names);
    assert_null(names.changed);
    collection_names_free(&names);
}

static void newest_of_a_name_counts(void **state)
{
    struct served_names names = {0};
    (void)state;
    assert_null(served_names_find(&names, SLICE_LITERAL("a")));
    assert_non_null(served_names_add(&names, SLICE_LITERAL("a"), 1, 1, 1, 0));
    assert_non_null(served_names_add(&names, SLICE_LITERAL("b"), 2, 1, 1, 0));
    assert_non_null(served_names_add(&names, SLICE_LITERAL("a"), 3, 1, 2, 0));
    assert_int_equal(served_names_find(&names, SLICE_LITERAL("a"))->id, 3);
    assert_int_equal(served_names_find(&names, SLICE_LITERAL("a"))->build, 2);
    assert_int_equal(served_names_find(&names, SLICE_LITERAL("b"))->id, 2);
    assert_null(served_names_find(&names, SLICE_LITERAL("")));
    served_names_free(&names);
}

static void name_of_the_largest_length_fits(void **state)
{
    struct served_names names = {0};
    char text[EVENT_COLLECTION_BYTES_MAX + 1];
    struct slice longest = {text, EVENT_COLLECTION_BYTES_MAX};
    (void)state;
    memset(text, 'n', sizeof text);
    assert_non_null(served_names_add(&names, longest, 7, 1, 1, 0));
    assert_int_equal(served_names_find(&names, longest)->id, 7);
    assert_null(served_names_add(&names, (struct slice){text, sizeof text}, 8, 1, 1, 0));
    assert_int_equal(served_names_find(&names, longest)->id, 7);
    served_names_free(&names);
}

/* Far more than there are places: the newest is always there, and none is taken for another. */
static void names_beyond_the_places_take_those_of_others(void **state)
{
    struct served_names names = {0};
    size_t found = 0;
    (void)state;
    for (int64_t i = 1; i <= 4 * SERVED_NAMES_MAX; i++) {
        assert_non_null(served_names_add(&names, name_of(i), i, 1, 1, 0));
        assert_int_equal(served_names_find(&names, name_of(i))->id, i);
    }
    for (int64_t i = 1; i <= 4 * SERVED_NAMES_MAX; i++) {
        const struct served_name *name = served_names_find(&names, name_of(i));
        if (name != NULL) {
            assert_int_equal(name->id, i);
            found++;
        }
    }
    assert_true(found > SERVED_NAMES_MAX / 2 && found <= SERVED_NAMES_MAX);
    served_names_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_left_are_found_after_others_went),
        cmocka_unit_test(changed_names_are_on_the_list_once),
        cmocka_unit_test(newest_of_a_name_counts),
        cmocka_unit_test(name_of_the_largest_length_fits),
        cmocka_unit_test(names_beyond_the_places_take_those_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
