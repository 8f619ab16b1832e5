/* api/request/position_list: lists of positions are read as they are written, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/request/position_list.h"

/* Parses a copy, since it is decoded in place; the copy is valid until the next call. */
#define MEMBERS 64
static struct position_member members[MEMBERS];
static size_t members_count;
static struct sg_error error;

static enum sg_status parse_bytes(const char *text, size_t bytes)
{
    static char *copy;
    free(copy);
    copy = malloc(bytes > 0 ? bytes : 1); /* of exactly this size: reading beyond it is noticed */
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    error.message[0] = '\0';
    members_count = 0;
    enum sg_status status = position_list_parse(copy, bytes, "Min-Position", members, MEMBERS, &members_count, &error);
    if (bytes == 0) {
        free(copy);
        copy = NULL;
    }
    return status;
}

static enum sg_status parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void assert_member(size_t i, const char *name, uint64_t sequence, const char *epoch)
{
    assert_true(i < members_count);
    assert_int_equal(members[i].name.bytes, strlen(name));
    assert_memory_equal(members[i].name.data, name, strlen(name));
    assert_true(members[i].sequence == sequence);
    assert_string_equal(members[i].epoch.text, epoch);
}

/* Every text is refused, and the sentence begins with the header and holds `why`. */
static void assert_refused(const char *text, const char *why)
{
    if (parse(text) != SG_INVALID)
        fail_msg("accepted: %s", text);
    if (strncmp(error.message, "Min-Position: ", 14) != 0 || strstr(error.message, why) == NULL)
        fail_msg("%s: '%s' does not say '%s'", text, error.message, why);
}

static void what_is_written_is_read_back_verbatim(void **state)
{
    static const char *const names[] = {
        "ORDERS", "KV_settings", "2024-orders", "a,b", "a;x", "a\"b\\c", "\\", "\"", "\\\\\"", "a:b", ":", "::7", "_x",
        "50%", "%", "%41", "%\"x", "*x", "a=b", "a;epoch=abcdef", "(a)", "-1", "1", "?1", "@1", "~", "a/b|c`d",
        "gr\xc3\xbc\xc3\x9f", "\xc3\xbc\"%\\ ", "\xf0\x9f\x98\x80:\xe2\x82\xac", "\xc3\xbc,b;epoch=abcdef",
        "a\x7f", "a b",
    };
    char longest[POSITION_NAME_BYTES_MAX + 1] = "";
    struct epoch epoch = {"k3fq1zab2cd4"};
    (void)state;
    for (size_t i = 0; i < POSITION_NAME_BYTES_MAX; i += 3)
        memcpy(longest + i, "\xe2\x82\xac", 4);
    for (size_t i = 0; i <= sizeof names / sizeof names[0]; i++) {
        const char *name = i < sizeof names / sizeof names[0] ? names[i] : longest;
        struct buffer b;
        buffer_init(&b, 4096);
        position_append(&b, name, INT64_MAX, &epoch);
        buffer_append_text(&b, ", ");
        position_append(&b, "last", 0, &(struct epoch){""});
        assert_false(b.failed);
        if (parse_bytes(b.data, b.bytes) != SG_OK)
            fail_msg("%.*s: %s", (int)b.bytes, b.data, error.message);
        assert_int_equal(members_count, 2);
        assert_member(0, name, INT64_MAX, epoch.text);
        assert_member(1, "last", 0, "");
        buffer_free(&b);
    }
}

static void a_list_is_read_with_its_white_space(void **state)
{
    (void)state;
    assert_int_equal(parse("  ORDERS:10482;epoch=k3fq1z , \t \"BILLING:77\"\t,C:0;  epoch=abcdef "), SG_OK);
    assert_int_equal(members_count, 3);
    assert_member(0, "ORDERS", 10482, "k3fq1z");
    assert_member(1, "BILLING", 77, "");
    assert_member(2, "C", 0, "abcdef");
    assert_int_equal(parse("A:1,B:2"), SG_OK);
    assert_int_equal(members_count, 2);
}

static void the_last_colon_splits(void **state)
{
    (void)state;
    assert_int_equal(parse("a:b:7, \"::8\""), SG_OK);
    assert_member(0, "a:b", 7, "");
    assert_member(1, ":", 8, "");
}

static void sequences_are_plain_decimals(void **state)
{
    static const char *const bad[] = {
        "A:",  "A:007", "A:00", "A:+1",  "A:-1",   "A:1.0", "A:1e3", "A:0x1", "A:9223372036854775808",
        "\"A: 1\"", "\"A:1 \"", "\"A:\"", "A:99999999999999999999", "A:18446744073709551617",
    };
    (void)state;
    assert_int_equal(parse("A:0"), SG_OK);
    assert_int_equal(parse("A:9223372036854775807"), SG_OK);
    assert_member(0, "A", INT64_MAX, "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(bad[i], "sequence");
}

static void names_are_1_to_255_bytes(void **state)
{
    char text[POSITION_NAME_BYTES_MAX + 4];
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + POSITION_NAME_BYTES_MAX, ":1", 3);
    assert_int_equal(parse(text), SG_OK);
    memcpy(text + POSITION_NAME_BYTES_MAX, "x:1", 4);
    assert_refused(text, "1 to 255 bytes");
    assert_refused("\":1\"", "1 to 255 bytes");
    assert_refused("ORDERS", "'ORDERS' is not name:sequence");
    assert_refused("\"\"", "is not name:sequence");
    assert_refused("%\"a%00b:1\"", "NUL");
}

static void epochs_are_tokens_of_their_form(void **state)
{
    static const char *const bad[] = {
        "",       "=",         "=abcde",   "=abcdefghijklm", "=1abcde",  "=aBcdef",  "=abc-ef", "=\"abcdef\"",
        "=?1",    "= abcdef",  " =abcdef", "=abcdef:1",      "=*abcde",  "=:bytes:", "=17",
    };
    char text[64];
    (void)state;
    assert_int_equal(parse("A:1;epoch=abcdefghijkl, B:1;epoch=a12345"), SG_OK);
    assert_member(0, "A", 1, "abcdefghijkl");
    assert_member(1, "B", 1, "a12345");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        strcpy(text, "A:1;epoch");
        strcat(text, bad[i]);
        assert_refused(text, "the parameter 'epoch' is not");
    }
}

static void other_parameters_and_repeated_ones_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("A:1;epoc=abcdef", "'epoc'");
    assert_refused("A:1;epoch=abcdef;build=2", "'build'");
    assert_refused("A:1;*x", "'*x'");
    assert_refused("A:1;epochs=abcdef", "'epochs'");
    assert_refused("A:1;epoch=abcdef;epoch=abcdef", "'epoch' is repeated");
    assert_refused("A:1;", "';'");
    assert_refused("A:1;EPOCH=abcdef", "';'");
    assert_refused("A:1;\tepoch=abcdef", "';'");
}

static void a_stream_named_twice_is_refused(void **state)
{
    (void)state;
    assert_refused("ORDERS:1, B:1, ORDERS:1", "'ORDERS' is named twice");
    assert_refused("A:1;epoch=abcdef, %\"A:2\"", "'A' is named twice");
}

static void lists_beyond_the_grammar_are_refused(void **state)
{
    (void)state;
    assert_refused("", "empty");
    assert_refused(" ", "empty");
    assert_refused(",", "empty");
    assert_refused("A:1,", "empty");
    assert_refused("A:1, ", "empty");
    assert_refused(",A:1", "empty");
    assert_refused("A:1,,B:1", "empty");
    assert_refused("A:1 B:1", "after 'A'");
    assert_refused("A:1 ;epoch=abcdef", "after 'A'");
    assert_refused("A:1;epoch=abcdef B:1", "after 'A'");
    assert_refused("\"A:1\"x", "after 'A'");
    assert_refused("A:1\n", "after 'A'");
    assert_refused("(A:1)", "inner list");
    assert_refused("(A:1 B:2)", "inner list");
    assert_refused("2024-orders:7", "quotes");
    assert_refused("7", "quotes");
    assert_refused("?1", "quotes");
    assert_refused(":QTox:", "quotes");
    assert_refused("\tA:1", "quotes");
    assert_refused("%A:1", "quotes");
    assert_refused("\xc3\xbc:1", "quotes");
}

static void strings_beyond_the_grammar_are_refused(void **state)
{
    (void)state;
    assert_refused("\"A:1", "closing quote");
    assert_refused("\"", "closing quote");
    assert_refused("\"A:1\\\"", "closing quote");
    assert_refused("\"A:1\\", "backslash");
    assert_refused("\"\\A:1\"", "backslash");
    assert_refused("\"\xc3\xbc:1\"", "byte 0xC3");
    assert_refused("\"A\n:1\"", "byte 0x0A");
    assert_refused("\"A\x7f:1\"", "byte 0x7F");
    assert_refused("%\"A:1", "closing quote");
    assert_refused("%\"\xc3\xbc:1\"", "byte 0xC3");
    assert_refused("%\"A%C3%BC:1\"", "hexadecimal");
    assert_refused("%\"A:1%4\"", "hexadecimal");
    assert_refused("%\"A:1%", "hexadecimal");
    assert_refused("%\"A%ff:1\"", "UTF-8");
    assert_refused("%\"A%ed%a0%80:1\"", "UTF-8");
}

static void members_beyond_the_limit_are_refused(void **state)
{
    char text[(MEMBERS + 2) * 16] = "";
    (void)state;
    for (int i = 0; i < MEMBERS; i++)
        (void)snprintf(text + strlen(text), 16, "%sA%02d:1", i > 0 ? "," : "", i);
    assert_int_equal(parse(text), SG_OK);
    assert_int_equal(members_count, MEMBERS);
    strcat(text, ",B:1");
    assert_refused(text, "more than 64");
}

static void every_cut_of_a_list_is_read_or_refused(void **state)
{
    static const char text[] = "A:1;epoch=abcdef, \"b\\\"\\\\:2\"; epoch=abcdef,%\"%c3%bc:3\";epoch=abcdef";
    (void)state;
    for (size_t bytes = 0; bytes < sizeof text; bytes++)
        (void)parse_bytes(text, bytes);
    assert_int_equal(parse(text), SG_OK);
    assert_member(2, "\xc3\xbc", 3, "abcdef");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back_verbatim),
        cmocka_unit_test(a_list_is_read_with_its_white_space),
        cmocka_unit_test(the_last_colon_splits),
        cmocka_unit_test(sequences_are_plain_decimals),
        cmocka_unit_test(names_are_1_to_255_bytes),
        cmocka_unit_test(epochs_are_tokens_of_their_form),
        cmocka_unit_test(other_parameters_and_repeated_ones_are_refused_by_name),
        cmocka_unit_test(a_stream_named_twice_is_refused),
        cmocka_unit_test(lists_beyond_the_grammar_are_refused),
        cmocka_unit_test(strings_beyond_the_grammar_are_refused),
        cmocka_unit_test(members_beyond_the_limit_are_refused),
        cmocka_unit_test(every_cut_of_a_list_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
