/* The hash of bytes: every byte counts, and so does the length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"

#define BYTES_MAX 40 /* several words, and each number of bytes beyond a word */

/* In memory of its own, so that a sanitizer sees what is read beyond it. */
static uint64_t hash_of(uint64_t seed, const char *data, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    uint64_t hash = hash_bytes(seed, (struct slice){copy, bytes});
    free(copy);
    return hash;
}

static void every_byte_counts(void **state)
{
    char text[BYTES_MAX];
    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t bytes = 1; bytes <= BYTES_MAX; bytes++) {
        uint64_t hash = hash_of(7, text, bytes);
        for (size_t i = 0; i < bytes; i++) {
            text[i] = 'b';
            assert_int_not_equal(hash_of(7, text, bytes), hash);
            text[i] = 'a';
        }
    }
}

static void the_length_counts(void **state)
{
    static const char zeroes[BYTES_MAX];
    uint64_t hashes[BYTES_MAX + 1];
    (void)state;
    for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
        hashes[bytes] = hash_of(7, zeroes, bytes);
        for (size_t k = 0; k < bytes; k++)
            assert_int_not_equal(hashes[k], hashes[bytes]);
    }
    assert_int_equal(hash_bytes(7, (struct slice){0}), hashes[0]);
}

/* Texts that differ in two places at once, as numbers in ids do. */
static void numbers_do_not_collide(void **state)
{
    enum { NUMBERS = 4096 };
    static uint64_t hashes[NUMBERS];
    (void)state;
    for (size_t bytes = 2; bytes <= 12; bytes++) {
        for (unsigned n = 0; n < NUMBERS; n++) {
            char text[12];
            memset(text, '0', sizeof text);
            text[0] = (char)('0' + n / 64);
            text[bytes - 1] = (char)('0' + n % 64);
            hashes[n] = hash_of(7, text, bytes);
        }
        for (unsigned n = 0; n < NUMBERS; n++) {
            for (unsigned k = 0; k < n; k++)
                assert_true(hashes[k] != hashes[n]);
        }
    }
}

/* Where words are multiplied within 64 bits these two collide whatever the seed is: one change undoes the other. */
static void a_change_cannot_be_undone_without_the_seed(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10000; seed++) {
        uint64_t words[3] = {seed, UINT64_C(0x6162636465666768), 7};
        uint64_t hash = hash_of(seed * UINT64_C(0x9e3779b97f4a7c15), (const char *)words, sizeof words);
        words[0] ^= UINT64_C(1) << 63;
        words[1] ^= UINT64_C(1) << 63 | UINT64_C(1) << 30;
        assert_true(hash_of(seed * UINT64_C(0x9e3779b97f4a7c15), (const char *)words, sizeof words) != hash);
    }
}

static void the_seed_counts(void **state)
{
    (void)state;
    assert_int_not_equal(hash_of(7, "a", 1), hash_of(8, "a", 1));
    assert_int_not_equal(hash_seed(), hash_seed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(the_length_counts),
        cmocka_unit_test(numbers_do_not_collide),
        cmocka_unit_test(a_change_cannot_be_undone_without_the_seed),
        cmocka_unit_test(the_seed_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
