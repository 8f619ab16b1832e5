/* Which Host a request may name: what two servers in a row could understand differently is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/request/admission.h"

static bool admitted(struct slice host)
{
    struct http_head head = {
        .target_bytes = 1, .version_known = true, .version_1_1 = true, .hosts_count = 1, .host = host};
    struct response response;
    response_init(&response);
    bool good = admission_check(&head, &response);
    assert_false(response.failed);
    assert_int_equal(response.status, good ? 200 : 400);
    response_free(&response);
    return good;
}

static void hosts_with_and_without_a_port_are_admitted(void **state)
{
    static const char *const hosts[] = {"localhost", "a-b.example_c~d:8080", "127.0.0.1:",
                                        "[::1]",     "[2001:db8::1]:65535",  "[::ffff:127.0.0.1]:0"};
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        print_message("%s\n", hosts[i]);
        assert_true(admitted(slice_of(hosts[i])));
    }
}

static void malformed_hosts_are_refused(void **state)
{
    static const struct slice hosts[] = {
        SLICE_LITERAL(""),         SLICE_LITERAL(":80"),        SLICE_LITERAL("a b"),     SLICE_LITERAL("user@a"),
        SLICE_LITERAL("a:65536"),  SLICE_LITERAL("a:8x"),       SLICE_LITERAL("a:000080"), SLICE_LITERAL("a/b"),
        SLICE_LITERAL("[::1"),     SLICE_LITERAL("[]"),         SLICE_LITERAL("[127.0.0.1]"), SLICE_LITERAL("[::1]80"),
        SLICE_LITERAL("[::1\0x]"), SLICE_LITERAL("[\0::1]:80"), SLICE_LITERAL("a\0b"),    SLICE_LITERAL("a:8\0"),
        SLICE_LITERAL("\xc3\xbc"), SLICE_LITERAL("[fe80::1%eth0]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        print_message("case %zu\n", i);
        assert_false(admitted(hosts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_with_and_without_a_port_are_admitted),
        cmocka_unit_test(malformed_hosts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
