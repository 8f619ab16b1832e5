/* core/names: each name has the number that it was added with, and no other name has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/names.h"

static void a_full_table_finds_each_name_and_no_other(void **state)
{
    enum { NAMES = 1000 };
    static char texts[NAMES][8];
    struct names *names = NULL;
    char other[8];
    (void)state;
    for (size_t count = 0; count <= NAMES; count = count < 10 ? count + 1 : count + 90) {
        assert_int_equal(names_create(count, &names, NULL), SG_OK);
        for (size_t i = 0; i < count; i++) {
            (void)snprintf(texts[i], sizeof texts[i], "n%zu", i);
            names_add(names, slice_of(texts[i]), (int)i * 3);
        }
        for (size_t i = 0; i < NAMES; i++) {
            (void)snprintf(other, sizeof other, "n%zu", i);
            assert_int_equal(names_find(names, slice_of(other)), i < count ? (int)i * 3 : NAMES_NONE);
        }
        assert_int_equal(names_find(names, SLICE_LITERAL("n")), NAMES_NONE);
        assert_int_equal(names_find(names, SLICE_LITERAL("")), NAMES_NONE);
        names_destroy(names);
    }
    names_destroy(NULL);
}

static void the_first_number_of_a_name_stays(void **state)
{
    struct names *names = NULL;
    (void)state;
    assert_int_equal(names_create(1, &names, NULL), SG_OK);
    names_add(names, SLICE_LITERAL("orders"), 7);
    names_add(names, (struct slice){"orders and more", 6}, 8);
    assert_int_equal(names_find(names, (struct slice){"orders!", 6}), 7);
    assert_int_equal(names_find(names, (struct slice){"orders!", 7}), NAMES_NONE);
    names_destroy(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_table_finds_each_name_and_no_other),
        cmocka_unit_test(the_first_number_of_a_name_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
