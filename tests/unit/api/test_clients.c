/* api/http/clients: who is one client, and how much each has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "api/http/clients.h"

static struct client_address client_at(const char *text, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct client_address client;
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        client_address_set((const struct sockaddr *)(const void *)&in, &client);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        client_address_set((const struct sockaddr *)(const void *)&in6, &client);
    }
    return client;
}

static void an_address_or_a_network_is_one_client(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"10.0.0.1", "11.0.0.1", false},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"::1", "::2", true}, /* nobody but this host has either */
        {"::ffff:10.1.2.3", "10.1.2.3", true},
        {"::ffff:10.1.2.3", "::ffff:10.1.2.4", false},
        {"::ffff:0.0.0.0", "::1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_address a = client_at(rows[i].a, 1);
        struct client_address b = client_at(rows[i].b, 2);
        print_message("%s, %s\n", rows[i].a, rows[i].b);
        assert_int_equal(memcmp(&a, &b, sizeof a) == 0, rows[i].same);
    }
}

static void who_has_no_address_is_one_client(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/s.sock"};
    struct client_address unix_client;
    struct client_address unknown;
    struct client_address zeros = {{0}};
    (void)state;
    client_address_set((const struct sockaddr *)(const void *)&un, &unix_client);
    client_address_set(NULL, &unknown);
    assert_memory_equal(&unknown, &zeros, sizeof zeros);
    zeros.bytes[0] = AF_UNIX;
    assert_memory_equal(&unix_client, &zeros, sizeof zeros);
}

static void each_client_has_as_much_as_its_limit(void **state)
{
    struct clients *c = clients_create();
    char text[32];
    (void)state;
    assert_non_null(c);
    for (unsigned i = 0; i < 5000; i++) { /* more than there are chains */
        (void)snprintf(text, sizeof text, "10.0.%u.%u", i / 256, i % 256);
        struct client_address client = client_at(text, 1);
        assert_false(clients_take(c, &client, 0));
        assert_true(clients_take(c, &client, 2));
        assert_true(clients_take(c, &client, 2));
        assert_false(clients_take(c, &client, 2));
    }
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(text, sizeof text, "10.0.%u.%u", i / 256, i % 256);
        struct client_address client = client_at(text, 2);
        clients_give(c, &client);
        assert_true(clients_take(c, &client, 2));
        assert_false(clients_take(c, &client, 2));
        clients_give(c, &client);
        if (i % 2 == 0)
            clients_give(c, &client); /* the rest is freed with the table */
    }
    struct client_address nobody = client_at("192.0.2.1", 1);
    clients_give(c, &nobody); /* has nothing */
    clients_destroy(c);
    clients_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_or_a_network_is_one_client),
        cmocka_unit_test(who_has_no_address_is_one_client),
        cmocka_unit_test(each_client_has_as_much_as_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
