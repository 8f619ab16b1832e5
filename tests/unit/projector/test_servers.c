/* projector/nats/servers: which servers are tried together, and by what name their certificates are checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "projector/nats/servers.h"

/* Discovered while connected to `url` in the round `index`: `count` URLs. */
static void learn(struct servers *s, size_t index, const char *url, size_t count, const char *const *urls)
{
    struct servers_round round;
    char *discovered[NATS_SERVERS_MAX + 2];
    assert_true(servers_round(s, index, &round));
    for (size_t i = 0; i < count; i++)
        discovered[i] = strdup(urls[i]);
    servers_learn(s, &round, url, discovered, count);
}

static void without_a_name_all_are_tried_together(void **state)
{
    (void)state;
    static const char *const urls[] = {"nats://10.0.0.2:4222", "nats://b.example:4222"};
    struct servers s = {0};
    struct servers_round round;
    assert_true(servers_round(&s, 0, &round));
    assert_true(round.configured);
    assert_int_equal(round.urls_count, 0);
    learn(&s, 0, "nats://10.0.0.1:4222", 2, urls);
    assert_true(servers_round(&s, 0, &round));
    assert_true(round.configured);
    assert_int_equal(round.urls_count, 2);
    assert_null(round.expected_name);
    assert_false(servers_round(&s, 1, &round));
    assert_false(servers_round(&s, 2, &round));
    servers_free(&s);
}

static void addresses_are_known_by_the_name_of_who_named_them(void **state)
{
    (void)state;
    static const char *const urls[] = {"tls://10.0.0.2:4222", "tls://b.example:4222", "tls://[::1]:4222"};
    struct servers s = {0};
    struct servers_round round;
    learn(&s, 0, "tls://user:p@ss@a.example:4222", 3, urls);
    assert_true(servers_round(&s, 0, &round));
    assert_true(round.configured);
    assert_int_equal(round.urls_count, 0);
    assert_null(round.expected_name);
    assert_true(servers_round(&s, 1, &round));
    assert_false(round.configured);
    assert_int_equal(round.urls_count, 1);
    assert_string_equal(round.urls[0], "tls://b.example:4222");
    assert_null(round.expected_name);
    assert_true(servers_round(&s, 2, &round));
    assert_false(round.configured);
    assert_int_equal(round.urls_count, 2);
    assert_string_equal(round.urls[0], "tls://10.0.0.2:4222");
    assert_string_equal(round.urls[1], "tls://[::1]:4222");
    assert_string_equal(round.expected_name, "a.example");
    servers_free(&s);
}

static void what_was_discovered_stays_known_until_a_configured_server_names_others(void **state)
{
    (void)state;
    static const char *const first[] = {"tls://10.0.0.2:4222", "tls://10.0.0.3:4222"};
    static const char *const next[] = {"tls://10.0.0.3:4222", "tls://10.0.0.4:4222"};
    struct servers s = {0};
    learn(&s, 0, "tls://a.example:4222", 2, first);
    /* Over to one of them: the library names none that were given to it. */
    learn(&s, 2, "tls://10.0.0.2:4222", 0, NULL);
    assert_int_equal(s.discovered_count, 2);
    assert_string_equal(s.name, "a.example");
    learn(&s, 2, "tls://10.0.0.2:4222", 2, next);
    assert_int_equal(s.discovered_count, 3);
    learn(&s, 0, "tls://a.example:4222", 2, next);
    assert_int_equal(s.discovered_count, 2);
    assert_string_equal(s.discovered[0], "tls://10.0.0.3:4222");
    servers_free(&s);
}

static void no_more_are_known_than_the_limit(void **state)
{
    (void)state;
    char text[NATS_SERVERS_MAX + 2][32];
    const char *urls[NATS_SERVERS_MAX + 2];
    struct servers s = {0};
    struct servers_round round;
    for (int i = 0; i < NATS_SERVERS_MAX + 2; i++) {
        (void)snprintf(text[i], sizeof text[i], "nats://10.0.0.%d:4222", i + 1);
        urls[i] = text[i];
    }
    learn(&s, 0, "nats://10.1.0.1:4222", NATS_SERVERS_MAX, urls);
    assert_int_equal(s.discovered_count, NATS_SERVERS_MAX);
    learn(&s, 0, "nats://10.1.0.1:4222", NATS_SERVERS_MAX + 2, urls);
    assert_int_equal(s.discovered_count, NATS_SERVERS_MAX);
    assert_true(servers_round(&s, 0, &round));
    assert_int_equal(round.urls_count, NATS_SERVERS_MAX);
    servers_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_name_all_are_tried_together),
        cmocka_unit_test(addresses_are_known_by_the_name_of_who_named_them),
        cmocka_unit_test(what_was_discovered_stays_known_until_a_configured_server_names_others),
        cmocka_unit_test(no_more_are_known_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
