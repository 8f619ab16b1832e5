/* core/domain/fields: what text is a value of which type, at each limit and beyond; order; canonical text; the
 * declaration and its hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/domain/fields.h"

static struct field_value parsed(enum field_type type, const char *text)
{
    struct field_value value;
    struct sg_error err = {0};
    if (field_value_parse(type, slice_of(text), &value, &err) != SG_OK)
        fail_msg("%s: %s", text, err.message);
    assert_int_equal(value.state, FIELD_SET);
    return value;
}

static void refused(enum field_type type, const char *text)
{
    struct field_value value = {.state = FIELD_NULL, .integer = 7};
    struct sg_error err = {0};
    if (field_value_parse(type, slice_of(text), &value, &err) == SG_OK)
        fail_msg("accepted as %s: %s", field_type_name(type), text);
    assert_int_equal(err.status, SG_INVALID);
    assert_int_equal(value.integer, 7); /* nothing is written */
}

static void an_integer(const char *text, int64_t expected)
{
    assert_true(parsed(FIELD_INTEGER, text).integer == expected);
}

static void integers_are_exact_up_to_64_bits(void **state)
{
    (void)state;
    an_integer("0", 0);
    an_integer("-0", 0);
    an_integer("9007199254740991", INT64_C(9007199254740991)); /* 2^53 and its neighbours: no double on the way */
    an_integer("9007199254740992", INT64_C(9007199254740992));
    an_integer("9007199254740993", INT64_C(9007199254740993));
    an_integer("-9007199254740993", INT64_C(-9007199254740993));
    an_integer("9223372036854775806", INT64_MAX - 1);
    an_integer("9223372036854775807", INT64_MAX);
    an_integer("-9223372036854775808", INT64_MIN);
    static const char *const bad[] = {
        "9223372036854775808", "-9223372036854775809", "18446744073709551616", "5.0", "1e3", "1E3", "", "-", "+1", " 1",
        "1 ", "01", "-01", "00", "0x1", "1_000", "true", "null", "١", "99999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(FIELD_INTEGER, bad[i]);
}

static void a_number(const char *text, double expected)
{
    assert_true(parsed(FIELD_NUMBER, text).number == expected);
}

static void numbers_are_finite_doubles(void **state)
{
    (void)state;
    a_number("0", 0);
    a_number("5.0", 5);
    a_number("1e3", 1000);
    a_number("-1.5E-3", -0.0015);
    a_number("0.1", 0.1);
    a_number("9007199254740991", 9007199254740991.0);
    a_number("9007199254740992", 9007199254740992.0);
    a_number("9007199254740993", 9007199254740992.0); /* to the nearest, even */
    a_number("9007199254740995", 9007199254740996.0);
    a_number("9223372036854775807", 9223372036854775808.0);
    a_number("1.7976931348623157e308", 1.7976931348623157e308);
    a_number("4.9406564584124654e-324", 4.9406564584124654e-324);
    a_number("1e-400", 0);
    struct field_value zero = parsed(FIELD_NUMBER, "-0.0");
    assert_int_equal(memcmp(&zero.number, &(double){0.0}, sizeof zero.number), 0);
    static const char *const bad[] = {"",   "1e309", "-1e309", "1.7976931348623159e308", "inf", "Infinity", "nan",
                                      ".5", "5.",    "+5",     "05",  "-",   "1e",  "1e+", "0x10", "1,5", " 1", "1 ",
                                      "--1", "1e5.5", "1.2.3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(FIELD_NUMBER, bad[i]);
}

/* Those of few digits are read without strtod, and come out the same, as do those beyond. */
static void short_numbers_are_rounded_as_strtod_does(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[32];
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        unsigned digits = 1 + (unsigned)(random >> 33) % 18;
        unsigned decimals = (unsigned)(random >> 40) % 17;
        uint64_t value = random >> 8;
        for (unsigned limit = 19; limit > digits; limit--)
            value /= 10;
        (void)snprintf(text, sizeof text, "%s%.*f", (random >> 50 & 1) != 0 ? "-" : "", (int)decimals,
                       (double)value / 1000);
        struct field_value found = parsed(FIELD_NUMBER, text);
        double expected = strtod(text, NULL);
        if (found.number != expected)
            fail_msg("%s is %.17g", text, found.number);
    }
    a_number("123456789012345", 123456789012345);
    a_number("0.1234567890123", 0.1234567890123);
    a_number("0.12345678901234", 0.12345678901234);
    a_number("-0.1234567890123", -0.1234567890123);
    a_number("9999999999999.9", 9999999999999.9);
}

/* A value of exactly so many bytes, of '1'. */
static const char *ones(size_t bytes)
{
    static char text[FIELDS_TEXT_BYTES_MAX + 2];
    memset(text, '1', bytes);
    text[bytes] = '\0';
    if (bytes > 2)
        text[1] = '.';
    return text;
}

static void texts_have_a_limit(void **state)
{
    (void)state;
    struct field_value empty = parsed(FIELD_STRING, "");
    assert_int_equal(empty.text.bytes, 0);
    assert_int_equal(parsed(FIELD_STRING, ones(FIELDS_TEXT_BYTES_MAX)).text.bytes, FIELDS_TEXT_BYTES_MAX);
    refused(FIELD_STRING, ones(FIELDS_TEXT_BYTES_MAX + 1));
    assert_true(parsed(FIELD_NUMBER, ones(FIELDS_TEXT_BYTES_MAX)).number > 1.11);
    refused(FIELD_NUMBER, ones(FIELDS_TEXT_BYTES_MAX + 1));
}

static void booleans_are_two_words(void **state)
{
    (void)state;
    assert_int_equal(parsed(FIELD_BOOLEAN, "true").integer, 1);
    assert_int_equal(parsed(FIELD_BOOLEAN, "false").integer, 0);
    static const char *const bad[] = {"", "True", "FALSE", "1", "0", "t", "yes", "null", "true "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(FIELD_BOOLEAN, bad[i]);
}

static void a_time(const char *text, int64_t expected)
{
    int64_t found = parsed(FIELD_TIME, text).integer;
    if (found != expected)
        fail_msg("%s is %lld", text, (long long)found);
}

static void times_are_instants(void **state)
{
    (void)state;
    a_time("1970-01-01T00:00:00Z", 0);
    a_time("1970-01-01T01:00:00+01:00", 0);
    a_time("1970-01-01T01:00:00 01:00", 0); /* a + that a URL turned into a space */
    a_time("1970-01-01t00:00:00.123456789z", 123456789);
    a_time("1970-01-01T01:00:00.123456789 01:00", 123456789);
    a_time("1969-12-31T23:59:59.999999999Z", -1);
    a_time("2262-04-11T23:47:16.854775807Z", INT64_MAX);
    a_time("2262-04-12T01:47:16.854775807+02:00", INT64_MAX);
    a_time("1677-09-21T00:12:43.145224192Z", INT64_MIN);
    static const char *const bad[] = {"",
                                      "2262-04-11T23:47:16.854775808Z",
                                      "1677-09-21T00:12:43.145224191Z",
                                      "0001-01-01T00:00:00Z",
                                      "9999-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00.1234567890Z",
                                      "1970-01-01T00:00:00.0000000000Z",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01",
                                      "1970-01-01 00:00:00Z",
                                      "1970-01-01T00:00:00 Z",
                                      "1970-01-01T00:00:00  01:00",
                                      "1970-01-01T00:00:00.1234567890 01:00",
                                      "1970-02-29T00:00:00Z",
                                      "0",
                                      " 01:00",
                                      "now"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(FIELD_TIME, bad[i]);
}

/* The space stands for a + in a query alone. */
static void documents_are_read_strictly(void **state)
{
    (void)state;
    int64_t ns = 7;
    assert_true(field_time_read(SLICE_LITERAL("1970-01-01T01:00:00+01:00"), &ns));
    assert_int_equal(ns, 0);
    assert_false(field_time_read(SLICE_LITERAL("1970-01-01T01:00:00 01:00"), &ns));
    assert_false(field_time_read((struct slice){0}, &ns));
    assert_false(field_integer_read((struct slice){0}, &ns));
    assert_int_equal(ns, 0);
}

static void refusals_name_what_is_wanted(void **state)
{
    (void)state;
    static const struct {
        enum field_type type;
        const char *text;
        const char *message;
    } cases[] = {
        {FIELD_INTEGER, "5.0", "must be an integer of 64 bits, without decimals and exponent, not 5.0"},
        {FIELD_NUMBER, "x", "must be a number that a double can hold, such as 12, -0.5 or 1e3, not x"},
        {FIELD_BOOLEAN, "yes", "must be true or false, not yes"},
        {FIELD_TIME, "now",
         "must be a time such as 2026-01-31T12:00:00Z, with at most 9 decimals, from 1677 to 2262, not now"},
        {FIELD_BOOLEAN, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffffff\xc3\xa4x",
         "must be true or false, not aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffffff..."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct field_value value;
        struct sg_error err = {0};
        assert_int_equal(field_value_parse(cases[i].type, slice_of(cases[i].text), &value, &err), SG_INVALID);
        assert_string_equal(err.message, cases[i].message);
    }
    struct sg_error err = {0};
    struct field_value value;
    assert_int_equal(field_value_parse(FIELD_STRING, slice_of(ones(FIELDS_TEXT_BYTES_MAX + 1)), &value, &err),
                     SG_INVALID);
    assert_int_equal(strncmp(err.message, "must be a string of at most 512 bytes, not 1.11", 46), 0);
}

/* Ascending, of one type. */
static void expect_ascending(enum field_type type, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            struct field_value a = parsed(type, texts[i]);
            struct field_value b = parsed(type, texts[k]);
            int order = field_value_compare(type, &a, &b);
            if ((order > 0) != (i > k) || (order < 0) != (i < k))
                fail_msg("%s beside %s: %d", texts[i], texts[k], order);
        }
    }
}
#define EXPECT_ASCENDING(type, ...)                                                                                    \
    do {                                                                                                               \
        static const char *const texts[] = {__VA_ARGS__};                                                              \
        expect_ascending(type, texts, sizeof texts / sizeof texts[0]);                                                 \
    } while (0)

static void values_have_an_order(void **state)
{
    (void)state;
    EXPECT_ASCENDING(FIELD_STRING, "", "A", "B", "a", "aa", "ab", "b", "\xc3\xa4", "\xf0\x9f\x98\x80");
    EXPECT_ASCENDING(FIELD_INTEGER, "-9223372036854775808", "-9007199254740993", "-1", "0", "9007199254740992",
                     "9007199254740993", "9223372036854775807");
    EXPECT_ASCENDING(FIELD_NUMBER, "-1e308", "-1", "-1e-300", "0", "5e-324", "0.1", "1", "1e308");
    EXPECT_ASCENDING(FIELD_BOOLEAN, "false", "true");
    EXPECT_ASCENDING(FIELD_TIME, "1700-01-01T00:00:00Z", "2026-01-01T00:00:00.000000001+01:00", "2026-01-01T00:00:00Z");
    struct field_value nul = {.state = FIELD_SET, .text = {"a\0b", 3}};
    struct field_value a = parsed(FIELD_STRING, "a");
    assert_true(field_value_compare(FIELD_STRING, &nul, &a) > 0);
    struct field_value none = {.state = FIELD_SET};
    assert_true(field_value_compare(FIELD_STRING, &none, &a) < 0);
    assert_int_equal(field_value_compare(FIELD_STRING, &none, &none), 0);
}

static void expect_written(enum field_type type, const char *text, const char *expected)
{
    struct buffer out;
    struct field_value value = parsed(type, text);
    buffer_init(&out, 4096);
    field_value_append(type, &value, &out);
    buffer_append(&out, "", 1);
    assert_false(out.failed);
    assert_string_equal(out.data, expected);
    struct field_value again = parsed(type, out.data);
    assert_int_equal(field_value_compare(type, &value, &again), 0);
    buffer_free(&out);
}

static void equal_values_are_written_the_same_and_read_back(void **state)
{
    (void)state;
    expect_written(FIELD_STRING, "a\"b", "a\"b");
    expect_written(FIELD_INTEGER, "-9223372036854775808", "-9223372036854775808");
    expect_written(FIELD_INTEGER, "-0", "0");
    expect_written(FIELD_NUMBER, "1e3", "1000");
    expect_written(FIELD_NUMBER, "-0.0", "0");
    expect_written(FIELD_NUMBER, "0.1", "0.10000000000000001");
    expect_written(FIELD_NUMBER, "1.7976931348623157e308", "1.7976931348623157e+308");
    expect_written(FIELD_NUMBER, "4.9406564584124654e-324", "4.9406564584124654e-324");
    expect_written(FIELD_NUMBER, "9007199254740993", "9007199254740992");
    expect_written(FIELD_BOOLEAN, "true", "true");
    expect_written(FIELD_BOOLEAN, "false", "false");
    expect_written(FIELD_TIME, "2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00.500000000Z");
    expect_written(FIELD_TIME, "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z");
    expect_written(FIELD_TIME, "1677-09-21T00:12:43.145224192Z", "1677-09-21T00:12:43.145224192Z");
    expect_written(FIELD_TIME, "2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775807Z");
}

/* ---- the declaration ---- */

static void add(struct field_set *set, const char *name, const char *at, enum field_type type)
{
    struct sg_error err = {0};
    if (fields_add(set, slice_of(name), slice_of(at), type, &err) != SG_OK)
        fail_msg("%s", err.message);
}

static void add_index(struct field_set *set, const char *text)
{
    struct sg_error err = {0};
    if (fields_add_index(set, slice_of(text), &err) != SG_OK)
        fail_msg("%s", err.message);
}

static void expect_declaration(const struct field_set *set, const char *expected)
{
    struct buffer out;
    struct sg_error err = {0};
    buffer_init(&out, FIELDS_TEXT_MAX);
    assert_int_equal(fields_write(set, &out, &err), SG_OK);
    assert_string_equal(out.data, expected);
    assert_int_equal(out.bytes, strlen(expected) + 1);
    buffer_free(&out);
}

static struct fields_hash hash_of(const struct field_set *set)
{
    struct fields_hash hash;
    struct sg_error err = {0};
    assert_int_equal(fields_hash_of(set, &hash, &err), SG_OK);
    return hash;
}

static void a_declaration_is_written_as_canonical_json(void **state)
{
    (void)state;
    struct field_set set = {0};
    expect_declaration(&set, "{\"fields\":[],\"indexes\":[],\"scan\":false}");
    assert_string_equal(hash_of(&set).text, "");
    add(&set, "status", "/status", FIELD_STRING);
    add(&set, "tag", "/tags/*", FIELD_STRING);
    add(&set, "whole", "", FIELD_INTEGER);
    add(&set, "odd", "/a\"b\\", FIELD_TIME);
    assert_string_equal(set.fields[1].at, "/tags");
    add_index(&set, " status , odd.desc.nullsfirst ");
    add_index(&set, "tag");
    expect_declaration(&set,
                       "{\"fields\":[{\"name\":\"status\",\"at\":\"/status\",\"type\":\"string\"},"
                       "{\"name\":\"tag\",\"at\":\"/tags/*\",\"type\":\"string\"},"
                       "{\"name\":\"whole\",\"at\":\"\",\"type\":\"integer\"},"
                       "{\"name\":\"odd\",\"at\":\"/a\\\"b\\\\\",\"type\":\"time\"}],"
                       "\"indexes\":[\"status,odd.desc.nullsfirst\",\"tag\"],\"scan\":false}");
    assert_int_equal(fields_find(&set, SLICE_LITERAL("whole")), 2);
    assert_int_equal(fields_find(&set, SLICE_LITERAL("who")), FIELDS_NONE);
    assert_int_equal(fields_find(&set, (struct slice){0}), FIELDS_NONE);
    fields_free(&set);
    assert_int_equal(set.fields_count, 0);
    fields_free(&set);
}

/* Each change of what is declared has another hash, and the same declaration the same one. */
static void the_hash_is_that_of_the_declaration(void **state)
{
    (void)state;
    struct fields_hash hashes[5];
    struct field_set set = {.scan = true};
    hashes[0] = hash_of(&set);
    set.scan = false;
    add(&set, "a", "/a", FIELD_STRING);
    hashes[1] = hash_of(&set);
    add(&set, "b", "/a/*", FIELD_STRING);
    hashes[2] = hash_of(&set);
    add_index(&set, "a");
    hashes[3] = hash_of(&set);
    set.scan = true;
    hashes[4] = hash_of(&set);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(strlen(hashes[i].text), FIELDS_HASH_CHARS);
        assert_int_equal(hashes[i].text[0], 'f');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hashes[i].text, hashes[k].text);
    }
    assert_string_equal(hashes[4].text, hash_of(&set).text);
    fields_free(&set);
}

/* The longest declaration that the limits allow has room, each byte of its pointers escaped. */
static void the_longest_declaration_has_room(void **state)
{
    (void)state;
    struct field_set set = {0};
    struct sg_error err = {0};
    char at[FIELDS_AT_BYTES_MAX + 1] = "/";
    memset(at + 1, 1, FIELDS_AT_BYTES_MAX - 1);
    for (unsigned i = 0; i < FIELDS_MAX; i++) {
        char name[FIELDS_NAME_BYTES_MAX + 1];
        (void)snprintf(name, sizeof name, "f%062u", i);
        add(&set, name, at, FIELD_INTEGER);
    }
    assert_int_equal(fields_add(&set, SLICE_LITERAL("one_more"), slice_of("/a"), FIELD_TIME, &err), SG_INVALID);
    assert_string_equal(err.message, "must be at most 32 fields");
    for (unsigned i = 0; i < FIELDS_INDEXES_MAX; i++) {
        char text[4 * (FIELDS_NAME_BYTES_MAX + sizeof ".desc.nullsfirst,")] = "";
        for (unsigned k = 0; k < FIELDS_INDEX_COLUMNS_MAX; k++)
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s.desc.nullsfirst", k > 0 ? "," : "",
                           set.fields[i + k].name);
        add_index(&set, text);
        assert_string_equal(set.indexes[i].text, text);
    }
    assert_int_equal(fields_add_index(&set, slice_of(set.fields[0].name), &err), SG_INVALID);
    assert_string_equal(err.message, "must be at most 16 indexes");
    assert_int_equal(hash_of(&set).text[0], 'f');
    fields_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact_up_to_64_bits),
        cmocka_unit_test(numbers_are_finite_doubles),
        cmocka_unit_test(short_numbers_are_rounded_as_strtod_does),
        cmocka_unit_test(texts_have_a_limit),
        cmocka_unit_test(booleans_are_two_words),
        cmocka_unit_test(times_are_instants),
        cmocka_unit_test(documents_are_read_strictly),
        cmocka_unit_test(refusals_name_what_is_wanted),
        cmocka_unit_test(values_have_an_order),
        cmocka_unit_test(equal_values_are_written_the_same_and_read_back),
        cmocka_unit_test(a_declaration_is_written_as_canonical_json),
        cmocka_unit_test(the_hash_is_that_of_the_declaration),
        cmocka_unit_test(the_longest_declaration_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
