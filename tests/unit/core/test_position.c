/* core/position: epochs, and positions as RFC 9651 list members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/domain/position.h"

static void assert_position(const char *stream, uint64_t sequence, const char *epoch, const char *expected)
{
    struct buffer b;
    struct epoch e = {""};
    strcpy(e.text, epoch);
    buffer_init(&b, 4096);
    position_append(&b, stream, sequence, &e);
    assert_false(b.failed);
    buffer_append(&b, "", 1);
    assert_string_equal(b.data, expected);
    buffer_free(&b);
}

static void an_epoch_is_equal_in_every_replica(void **state)
{
    (void)state;
    struct epoch first;
    struct epoch second;
    epoch_make("ORDERS", INT64_C(1700000000123456789), NULL, &first);
    epoch_make("ORDERS", INT64_C(1700000000123456789), NULL, &second);
    assert_int_equal(strlen(first.text), 6);
    assert_true(epoch_equal(&first, &second));
    /* SHA-256 of "ORDERS", NUL, "1700000000123456789", counted out by other means: positions outlive releases. */
    assert_string_equal(first.text, "dtc4zq");
}

static void another_name_or_creation_time_is_another_epoch(void **state)
{
    (void)state;
    struct epoch base;
    struct epoch other;
    epoch_make("A", 1, NULL, &base);
    epoch_make("B", 1, NULL, &other);
    assert_false(epoch_equal(&base, &other));
    epoch_make("A", 2, NULL, &other);
    assert_false(epoch_equal(&base, &other));
    epoch_make("A1", 1, NULL, &base); /* the two parts do not run into each other */
    epoch_make("A", 11, NULL, &other);
    assert_false(epoch_equal(&base, &other));
}

static void an_epoch_is_a_letter_and_5_to_11_letters_or_digits(void **state)
{
    (void)state;
    for (int64_t i = -500; i < 500; i++) {
        struct epoch e;
        char suffix[EPOCH_SUFFIX_CHARS + 1];
        struct sg_error err;
        assert_int_equal(epoch_random_suffix(suffix, &err), SG_OK);
        epoch_make("stream", i * 1000003, suffix, &e);
        assert_int_equal(strlen(e.text), 10);
        assert_int_equal(strspn(e.text, "abcdefghijklmnopqrstuvwxyz0123456789"), 10);
        assert_true(e.text[0] >= 'a' && e.text[0] <= 'z');
        assert_string_equal(e.text + 6, suffix);
    }
}

static void random_suffixes_differ(void **state)
{
    (void)state;
    char first[EPOCH_SUFFIX_CHARS + 1];
    int equal = 0;
    assert_int_equal(epoch_random_suffix(first, NULL), SG_OK);
    for (int i = 0; i < 100; i++) {
        char next[EPOCH_SUFFIX_CHARS + 1];
        assert_int_equal(epoch_random_suffix(next, NULL), SG_OK);
        equal += strcmp(first, next) == 0;
    }
    assert_true(equal < 5); /* by chance one in 1.7 million each */
}

static void a_name_that_is_a_token_stands_bare(void **state)
{
    (void)state;
    assert_position("ORDERS", 10482, "k3fq1z", "ORDERS:10482;epoch=k3fq1z");
    assert_position("ORDERS", 0, "", "ORDERS:0");
    assert_position("KV_settings", UINT64_MAX, "", "KV_settings:18446744073709551615");
    assert_position("*x", 1, "", "*x:1");
    assert_position("a!#$%&'*+-^_`|~:/9", 1, "", "a!#$%&'*+-^_`|~:/9:1");
}

static void other_printable_names_are_strings(void **state)
{
    (void)state;
    assert_position("2024-orders", 7, "abcdef", "\"2024-orders:7\";epoch=abcdef");
    assert_position("a,b", 7, "", "\"a,b:7\"");
    assert_position("a;x", 7, "", "\"a;x:7\"");
    assert_position("a\"b\\c", 7, "", "\"a\\\"b\\\\c:7\"");
    assert_position("_x", 7, "", "\"_x:7\"");
    assert_position("a b~", 7, "", "\"a b~:7\"");
    assert_position("50%", 7, "", "\"50%:7\"");
}

static void names_beyond_ascii_are_display_strings(void **state)
{
    (void)state;
    assert_position("gr\xc3\xbc\xc3\x9f", 7, "abcdef", "%\"gr%c3%bc%c3%9f:7\";epoch=abcdef");
    assert_position("\xc3\xbc\"%\\ ", 7, "", "%\"%c3%bc%22%25\\ :7\"");
    assert_position("a\x7f", 7, "", "%\"a%7f:7\"");
    assert_position("a\n", 7, "", "%\"a%0a:7\"");
    assert_position("a\xff", 7, "", "%\"a%ef%bf%bd:7\"");
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_is_equal_in_every_replica),
        cmocka_unit_test(another_name_or_creation_time_is_another_epoch),
        cmocka_unit_test(an_epoch_is_a_letter_and_5_to_11_letters_or_digits),
        cmocka_unit_test(random_suffixes_differ),
        cmocka_unit_test(a_name_that_is_a_token_stands_bare),
        cmocka_unit_test(other_printable_names_are_strings),
        cmocka_unit_test(names_beyond_ascii_are_display_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
