/* The header fields of an answer, as the HTTP library has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/http/http_internal.h"

#define TEXT_BYTES (RESPONSE_TEXT_BYTES + 512)

static enum MHD_Result append(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    char *text = cls;
    size_t used = strlen(text);
    assert_int_equal(kind, MHD_HEADER_KIND);
    (void)snprintf(text + used, TEXT_BYTES - used, "%s: %s\r\n", name, value);
    return MHD_YES;
}

/* The lines that the library would send; "" = the fields are refused, and it has none. */
static void lines_of(struct response *r, char text[TEXT_BYTES])
{
    struct MHD_Response *converted = MHD_create_response_empty(MHD_RF_NONE);
    assert_non_null(converted);
    text[0] = '\0';
    bool added = http_add_fields(converted, r);
    (void)MHD_get_response_headers(converted, append, text);
    assert_int_equal(added, text[0] != '\0');
    MHD_destroy_response(converted);
    response_free(r);
}

static void each_field_is_a_line(void **state)
{
    struct response r;
    char text[TEXT_BYTES];
    (void)state;
    response_init(&r);
    lines_of(&r, text);
    assert_string_equal(text, "X-Content-Type-Options: nosniff\r\n");
    response_init(&r);
    response_header(&r, "State-Position", "A:1");
    response_header_uint(&r, "State-Lag", 0);
    response_header(&r, "ETag", "\"a\tb\"");
    lines_of(&r, text);
    assert_string_equal(text, "State-Position: A:1\r\nState-Lag: 0\r\nETag: \"a\tb\"\r\n"
                              "X-Content-Type-Options: nosniff\r\n");
}

static void a_value_is_one_line(void **state)
{
    static const char *const values[] = {"a\nb", "a\rb", "\n", "a\r", "a\r\nSet-Cookie: b"};
    struct response r;
    char text[TEXT_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        response_init(&r);
        response_header(&r, "A", "a");
        response_header(&r, "B", values[i]);
        lines_of(&r, text);
        assert_string_equal(text, "");
    }
}

static void as_many_as_there_is_room_for(void **state)
{
    static char value[RESPONSE_TEXT_BYTES - 1];
    static char expected[TEXT_BYTES];
    char text[TEXT_BYTES];
    struct response r;
    (void)state;
    memset(value, 'v', sizeof value);
    response_init(&r);
    response_header_bytes(&r, "A", value, sizeof value);
    lines_of(&r, text);
    (void)snprintf(expected, sizeof expected, "A: %.*s\r\nX-Content-Type-Options: nosniff\r\n", (int)sizeof value,
                   value);
    assert_string_equal(text, expected);
    for (size_t more = 0; more < 2; more++) { /* the library's answer has one that the handler did not add */
        response_init(&r);
        for (size_t i = 0; i + 1 < RESPONSE_HEADERS_MAX + more; i++)
            response_header(&r, "A", "b");
        lines_of(&r, text);
        assert_int_equal(text[0] == '\0', more == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_is_a_line),
        cmocka_unit_test(a_value_is_one_line),
        cmocka_unit_test(as_many_as_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
