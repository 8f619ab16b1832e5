/* Inner pages in memory: what is found is what the file holds, whoever writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "store/integrity/interior_pages.h"
#include "store/integrity/os_file.h"

static unsigned char page[STORE_PAGE_BYTES];
static unsigned char found[STORE_PAGE_BYTES];

static const void *page_of(unsigned char kind, unsigned char content)
{
    memset(page, content, sizeof page);
    page[0] = kind;
    return page;
}

/* Read from the file and keep it. */
static void read_page(struct interior_pages *pages, int64_t number, unsigned char kind, unsigned char content)
{
    uint64_t version = 0;
    assert_false(interior_pages_get(pages, number, found, &version));
    interior_pages_put(pages, number, version, page_of(kind, content));
}

static bool has(struct interior_pages *pages, int64_t number, unsigned char content)
{
    uint64_t version = 0;
    bool there = interior_pages_get(pages, number, found, &version);
    assert_true(!there || found[STORE_PAGE_BYTES - 1] == content);
    return there;
}

static void interior_pages_are_kept_and_leaves_are_not(void **state)
{
    struct interior_pages *pages = interior_pages_create();
    (void)state;
    read_page(pages, 1, 13, 1); /* the first is always kept */
    read_page(pages, 5, 5, 2);
    read_page(pages, 6, 2, 3);
    read_page(pages, 7, 13, 4);
    read_page(pages, 8, 10, 5);
    assert_true(has(pages, 1, 1) && has(pages, 5, 2) && has(pages, 6, 3));
    assert_false(has(pages, 7, 4) || has(pages, 8, 5));
    assert_false(has(pages, 5 + INTERIOR_PAGES_SLOTS, 2)); /* another page of the same slot */
    read_page(pages, 5 + INTERIOR_PAGES_SLOTS, 5, 6);
    assert_true(has(pages, 5 + INTERIOR_PAGES_SLOTS, 6));
    assert_false(has(pages, 5, 2));
    interior_pages_destroy(pages);
}

static void page_that_is_written_is_forgotten(void **state)
{
    struct interior_pages *pages = interior_pages_create();
    (void)state;
    read_page(pages, 5, 5, 1);
    interior_pages_write_begin(pages, 5);
    assert_false(has(pages, 5, 1));
    interior_pages_write_end(pages, 5);
    assert_false(has(pages, 5, 1));
    read_page(pages, 5, 5, 2);
    assert_true(has(pages, 5, 2));
    interior_pages_forget(pages);
    assert_false(has(pages, 5, 2));
    interior_pages_destroy(pages);
}

static void page_read_while_it_is_written_is_not_kept(void **state)
{
    struct interior_pages *pages = interior_pages_create();
    uint64_t before = 0;
    uint64_t during = 0;
    (void)state;
    assert_false(interior_pages_get(pages, 5, found, &before));
    interior_pages_write_begin(pages, 5);
    assert_false(interior_pages_get(pages, 5, found, &during));
    interior_pages_put(pages, 5, before, page_of(5, 1));
    interior_pages_put(pages, 5, during, page_of(5, 1));
    assert_false(has(pages, 5, 1));
    interior_pages_write_end(pages, 5);
    interior_pages_put(pages, 5, before, page_of(5, 1));
    interior_pages_put(pages, 5, during, page_of(5, 1));
    assert_false(has(pages, 5, 1));
    assert_false(interior_pages_get(pages, 5, found, &before));
    interior_pages_forget(pages);
    interior_pages_put(pages, 5, before, page_of(5, 1));
    assert_false(has(pages, 5, 1));
    interior_pages_destroy(pages);
}

static void without_memory_nothing_is_kept(void **state)
{
    uint64_t version = 0;
    (void)state;
    assert_false(interior_pages_get(NULL, 5, found, &version));
    interior_pages_put(NULL, 5, version, page_of(5, 1));
    interior_pages_write_begin(NULL, 5);
    interior_pages_write_end(NULL, 5);
    interior_pages_forget(NULL);
    interior_pages_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interior_pages_are_kept_and_leaves_are_not),
        cmocka_unit_test(page_that_is_written_is_forgotten),
        cmocka_unit_test(page_read_while_it_is_written_is_not_kept),
        cmocka_unit_test(without_memory_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
