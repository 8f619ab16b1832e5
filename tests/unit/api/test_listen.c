/* Addresses to listen at: the text is parsed as in the settings, by core/base/address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "api/http/listen.h"

static struct sg_error err;

static void addresses_are_resolved(void **state)
{
    struct listen_address address;
    (void)state;
    assert_int_equal(listen_resolve(slice_of("127.0.0.1:8080"), &address, &err), SG_OK);
    assert_int_equal(address.address.ss_family, AF_INET);
    assert_int_equal(ntohs(((struct sockaddr_in *)(void *)&address.address)->sin_port), 8080);
    assert_int_equal(listen_resolve(slice_of("[::1]:65535"), &address, &err), SG_OK);
    assert_int_equal(address.address.ss_family, AF_INET6);
    assert_int_equal(ntohs(((struct sockaddr_in6 *)(void *)&address.address)->sin6_port), 65535);
    assert_int_equal(listen_resolve(slice_of("unix:/run/x.sock"), &address, &err), SG_OK);
    assert_int_equal(address.address.ss_family, AF_UNIX);
    assert_string_equal(((struct sockaddr_un *)(void *)&address.address)->sun_path, "/run/x.sock");
    assert_string_equal(address.text, "unix:/run/x.sock");
    assert_false(address.bound);
}

static void what_the_settings_refuse_is_refused(void **state)
{
    static const char *const texts[] = {"unix:x.sock", "unix:/x/", ":80", "h", "h:65536", "::1:80", "[127.0.0.1]:80"};
    struct listen_address address;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (listen_resolve(slice_of(texts[i]), &address, &err) != SG_INVALID)
            fail_msg("accepted: %s", texts[i]);
        assert_non_null(strstr(err.message, texts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_resolved),
        cmocka_unit_test(what_the_settings_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
