/* The address of a listener: the three forms that are one, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/address.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void hosts_and_ports_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool is_ipv6;
    } cases[] = {{"127.0.0.1:8080", "127.0.0.1", 8080, false}, {"localhost:0", "localhost", 0, false},
                 {"a-b_c.example:65535", "a-b_c.example", 65535, false}, {"[::1]:1", "::1", 1, true},
                 {"[::]:80", "::", 80, true}, {"[fe80::1%eth0]:80", "fe80::1%eth0", 80, true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct address address;
        if (!address_parse(cases[i].text, &address))
            fail_msg("refused: %s", cases[i].text);
        assert_false(address.is_unix);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_int_equal(address.is_ipv6, cases[i].is_ipv6);
    }
}

static void unix_sockets_are_absolute_paths(void **state)
{
    (void)state;
    struct address address;
    assert_true(address_parse("unix:/run/a b.sock", &address));
    assert_true(address.is_unix);
    assert_string_equal(address.path, "/run/a b.sock");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",       ":80",      "h",          "h:",       "h:x",      "h:65536", "h:100000", "h:-1",   "h:+1", "h: 1",
        "::1:80", "[::1]",    "[::1]80",    "[]:80",    "[::1:80",  "[h]:80",  "[::1%]:80", "-h:80", ".h:80", "h h:80",
        "h/x:80", "unix:",    "unix:x",     "unix:/",   "unix:/x/", "h:80:80", "[127.0.0.1]:80", "[1:2]:80"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct address address;
        if (address_parse(texts[i], &address))
            fail_msg("accepted: %s", texts[i]);
    }
}

static void a_host_has_at_most_253_bytes(void **state)
{
    (void)state;
    struct address address;
    char text[ADDRESS_HOST_BYTES_MAX + 8];
    memset(text, 'h', sizeof text);
    memcpy(text + ADDRESS_HOST_BYTES_MAX, ":80", 4);
    assert_true(address_parse(text, &address));
    memcpy(text + ADDRESS_HOST_BYTES_MAX, "h:80", 5);
    assert_false(address_parse(text, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_ports_are_taken_apart),
        cmocka_unit_test(unix_sockets_are_absolute_paths),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_host_has_at_most_253_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
