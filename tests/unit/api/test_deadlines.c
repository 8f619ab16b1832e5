/* Deadlines of one duration, and how many loops the processors allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/http/deadlines.h"
#include "core/base/processors.h"

static void deadlines_end_in_order_and_not_early(void **state)
{
    struct deadlines list = {.duration_ns = 10};
    struct deadline a = {0};
    struct deadline b = {0};
    (void)state;
    deadline_begin(&list, &a, 100);
    deadline_begin(&list, &b, 105);
    assert_null(deadlines_take(&list, 109));
    assert_ptr_equal(deadlines_take(&list, 115), &a);
    assert_ptr_equal(deadlines_take(&list, 115), &b);
    assert_null(deadlines_take(&list, 115));
    assert_null(list.first);
    assert_null(list.last);
}

static void beginning_again_moves_to_the_end(void **state)
{
    struct deadlines list = {.duration_ns = 10};
    struct deadline d[3] = {{0}};
    (void)state;
    for (int64_t i = 0; i < 3; i++)
        deadline_begin(&list, &d[i], i);
    deadline_begin(&list, &d[1], 5);
    assert_ptr_equal(deadlines_take(&list, 100), &d[0]);
    assert_ptr_equal(deadlines_take(&list, 100), &d[2]);
    assert_ptr_equal(deadlines_take(&list, 100), &d[1]);
}

static void another_duration_holds_for_what_is_on_the_list(void **state)
{
    struct deadlines list = {.duration_ns = 100};
    struct deadline first = {0};
    struct deadline second = {0};
    struct deadline third = {0};
    (void)state;
    deadline_begin(&list, &first, 0);
    deadline_begin(&list, &second, 50);
    deadlines_set_duration(&list, 10);
    deadline_begin(&list, &third, 55);
    assert_ptr_equal(deadlines_take(&list, 59), &first);
    assert_null(deadlines_take(&list, 59));
    assert_ptr_equal(deadlines_take(&list, 60), &second);
    deadlines_set_duration(&list, 1000);
    assert_null(deadlines_take(&list, 1054));
    assert_ptr_equal(deadlines_take(&list, 1055), &third);
}

static void a_deadline_is_on_one_list_only(void **state)
{
    struct deadlines heads = {.duration_ns = 10};
    struct deadlines answers = {.duration_ns = 20};
    struct deadline d = {0};
    (void)state;
    deadline_begin(&heads, &d, 0);
    deadline_begin(&answers, &d, 0);
    assert_null(heads.first);
    assert_null(deadlines_take(&answers, 19));
    deadline_end(&d);
    deadline_end(&d);
    assert_null(deadlines_take(&answers, 100));
}

/* ---- processors ---- */

static char root[] = "/tmp/stategate-test.XXXXXX";

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/stategate-test.XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file below the root; folders are made as needed. */
static void put(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void no_quota_is_none(void **state)
{
    (void)state;
    assert_int_equal(processors_quota(root, "0::/a\n"), 0);
    put("a/cpu.max", "max 100000\n");
    assert_int_equal(processors_quota(root, "0::/a\n"), 0);
    put("cpu/cpu.cfs_quota_us", "-1\n");
    put("cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(processors_quota(root, "3:cpu:/\n"), 0);
    assert_int_equal(processors_quota(root, "nonsense"), 0);
    assert_int_equal(processors_quota(root, ""), 0);
}

static void the_quota_is_rounded_up(void **state)
{
    (void)state;
    put("a/cpu.max", "150000 100000\n");
    assert_int_equal(processors_quota(root, "0::/a\n"), 2);
    put("a/cpu.max", "200000 100000\n");
    assert_int_equal(processors_quota(root, "0::/a\n"), 2);
    put("a/cpu.max", "1000 100000\n");
    assert_int_equal(processors_quota(root, "0::/a\n"), 1);
}

static void the_smallest_quota_above_counts(void **state)
{
    (void)state;
    put("a/cpu.max", "300000 100000\n");
    put("a/b/cpu.max", "max 100000\n");
    put("a/b/c/cpu.max", "800000 100000\n");
    assert_int_equal(processors_quota(root, "0::/a/b/c\n"), 3);
}

static void version_one_has_its_own_files(void **state)
{
    (void)state;
    put("cpu,cpuacct/docker/x/cpu.cfs_quota_us", "250000\n");
    put("cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
    assert_int_equal(processors_quota(root, "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/\n"), 3);
    assert_int_equal(processors_quota(root, "5:cpuset:/docker/x\n"), 0);
}

static void in_a_container_the_mount_itself_is_the_group(void **state)
{
    (void)state;
    put("cpu/cpu.cfs_quota_us", "100000\n");
    put("cpu/cpu.cfs_period_us", "50000\n");
    assert_int_equal(processors_quota(root, "4:cpu:/docker/not-visible\n"), 2);
}

static void at_least_one_processor_is_usable(void **state)
{
    (void)state;
    assert_true(processors_usable() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_end_in_order_and_not_early),
        cmocka_unit_test(beginning_again_moves_to_the_end),
        cmocka_unit_test(another_duration_holds_for_what_is_on_the_list),
        cmocka_unit_test(a_deadline_is_on_one_list_only),
        cmocka_unit_test_setup_teardown(no_quota_is_none, make_root, remove_root),
        cmocka_unit_test_setup_teardown(the_quota_is_rounded_up, make_root, remove_root),
        cmocka_unit_test_setup_teardown(the_smallest_quota_above_counts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(version_one_has_its_own_files, make_root, remove_root),
        cmocka_unit_test_setup_teardown(in_a_container_the_mount_itself_is_the_group, make_root, remove_root),
        cmocka_unit_test(at_least_one_processor_is_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
