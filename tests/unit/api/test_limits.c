/* The limits of waiting reads, and their series. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/routes/metrics.h"
#include "api/wait/limits.h"
#include "core/base/time.h"

static struct sg_error err;
static struct tunables limits_now; /* what the tests set by made() */
static struct wait_place last;   /* that was taken; of one test all are alike, but where it says otherwise */

static struct wait_limits *made(size_t parked_max, size_t client_max)
{
    struct wait_limits *w = NULL;
    limits_now = (struct tunables){.parked_max = parked_max, .parked_max_per_client = client_max};
    assert_int_equal(wait_limits_create(&w, &err), SG_OK);
    return w;
}

static struct client_address client_of(unsigned number)
{
    struct client_address client = {{2}};
    memcpy(&client.bytes[1], &number, sizeof number);
    return client;
}

static bool take(struct wait_limits *w, const struct client_address *client)
{
    return wait_limits_take(w, &limits_now, client, &last);
}

static void give(struct wait_limits *w, const struct client_address *client)
{
    struct wait_place place = last;
    wait_limits_give(w, client, &place, WAIT_VERSION, WAIT_MET, NS_PER_MS);
    assert_false(place.taken);
}

static void as_many_may_wait_as_the_limit_says(void **state)
{
    static const size_t limits[] = {1, 2, 7};
    struct client_address client = client_of(1);
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct wait_limits *w = made(limits[i], limits[i]);
        for (size_t k = 0; k < limits[i]; k++)
            assert_true(take(w, &client));
        assert_false(take(w, &client));
        assert_int_equal(wait_limits_parked(w), limits[i]);
        give(w, &client);
        assert_int_equal(wait_limits_parked(w), limits[i] - 1);
        assert_true(take(w, &client));
        assert_false(take(w, &client));
        wait_limits_destroy(w);
    }
}

static void no_client_takes_more_than_its_share(void **state)
{
    struct client_address greedy = client_of(1);
    struct client_address other = client_of(2);
    struct client_address third = client_of(3);
    struct wait_limits *w = made(5, 3);
    (void)state;
    for (int k = 0; k < 3; k++)
        assert_true(take(w, &greedy));
    assert_false(take(w, &greedy));
    assert_int_equal(wait_limits_parked(w), 3); /* what was refused takes no place */
    assert_true(take(w, &other));
    assert_true(take(w, &third));
    assert_false(take(w, &other)); /* all places are taken */
    give(w, &greedy);
    assert_true(take(w, &other));
    give(w, &other);
    assert_true(take(w, &greedy));
    assert_false(take(w, &greedy));
    wait_limits_destroy(w);
}

static void the_whole_limit_holds_for_clients_too(void **state)
{
    struct client_address client = client_of(1);
    struct client_address other = client_of(2);
    struct wait_limits *w = made(3, 2);
    (void)state;
    assert_true(take(w, &client));
    assert_true(take(w, &client));
    assert_true(take(w, &other));
    assert_false(take(w, &other)); /* refused by the whole limit: the client's own count is untouched */
    give(w, &client);
    assert_true(take(w, &other));
    wait_limits_destroy(w);
}

static void with_a_limit_of_nothing_nobody_waits(void **state)
{
    static const size_t limits[][2] = {{0, 0}, {0, 5}, {5, 0}};
    struct client_address client = client_of(1);
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct wait_limits *w = made(limits[i][0], limits[i][1]);
        assert_false(take(w, &client));
        assert_int_equal(wait_limits_parked(w), 0);
        wait_limits_destroy(w);
    }
}

static void many_clients_are_told_apart_and_forgotten(void **state)
{
    const unsigned clients = 5000; /* more than there are chains */
    struct wait_limits *w = made(clients + 1, 1);
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < clients; i++) {
            struct client_address client = client_of(i);
            assert_true(take(w, &client));
        }
        for (unsigned i = 0; i < clients; i++) {
            struct client_address client = client_of(i);
            assert_false(take(w, &client));
        }
        assert_int_equal(wait_limits_parked(w), clients);
        for (unsigned i = 0; i < clients; i++) {
            struct client_address client = client_of(i);
            give(w, &client);
        }
        assert_int_equal(wait_limits_parked(w), 0);
    }
    wait_limits_destroy(w);
}

static const char *rendered(const struct wait_limits *w)
{
    static char text[65536];
    struct buffer out;
    buffer_init(&out, sizeof text);
    metrics_append_waits(&out, w);
    assert_false(out.failed);
    (void)snprintf(text, sizeof text, "%.*s", (int)out.bytes, out.data);
    buffer_free(&out);
    return text;
}

static void the_series_say_what_was_waited_for_and_how_it_ended(void **state)
{
    struct client_address client = client_of(1);
    struct wait_limits *w = made(10, 10);
    (void)state;
    for (int k = 0; k < 3; k++)
        assert_true(take(w, &client));
    wait_limits_give(w, &client, &last, WAIT_STALENESS, WAIT_DEADLINE, 2 * NS_PER_S);
    const char *text = rendered(w);
    assert_non_null(strstr(text, "# TYPE stategate_waits_parked gauge\nstategate_waits_parked 2\n"));
    assert_non_null(strstr(text, "# TYPE stategate_wait_seconds histogram\n"));
    assert_non_null(strstr(text, "stategate_wait_seconds_count{kind=\"staleness\",outcome=\"deadline\"} 1\n"));
    static const char sum[] = "stategate_wait_seconds_sum{kind=\"staleness\",outcome=\"deadline\"} ";
    assert_non_null(strstr(text, sum));
    assert_true(strtod(strstr(text, sum) + sizeof sum - 1, NULL) == 2.0);
    assert_non_null(strstr(text, "stategate_wait_seconds_count{kind=\"staleness\",outcome=\"met\"} 0\n"));
    wait_limits_destroy(w);
}

static void every_kind_and_outcome_has_its_series(void **state)
{
    static const char *const kinds[WAIT_KINDS_COUNT] = {"version", "position", "staleness"};
    static const char *const outcomes[WAIT_OUTCOMES_COUNT] = {"met", "deadline", "refused", "gone", "stopped"};
    struct client_address client = client_of(1);
    struct wait_limits *w = made(1, 1);
    char line[128];
    (void)state;
    for (size_t k = 0; k < WAIT_KINDS_COUNT; k++) {
        for (size_t o = 0; o < WAIT_OUTCOMES_COUNT; o++) {
            for (size_t times = 0; times < 1 + k * WAIT_OUTCOMES_COUNT + o; times++) {
                assert_true(take(w, &client));
                wait_limits_give(w, &client, &last, (enum wait_kind)k, (enum wait_outcome)o, NS_PER_MS);
            }
        }
    }
    const char *text = rendered(w);
    for (size_t k = 0; k < WAIT_KINDS_COUNT; k++) {
        for (size_t o = 0; o < WAIT_OUTCOMES_COUNT; o++) {
            (void)snprintf(line, sizeof line, "stategate_wait_seconds_count{kind=\"%s\",outcome=\"%s\"} %zu\n",
                           kinds[k], outcomes[o], 1 + k * WAIT_OUTCOMES_COUNT + o);
            assert_non_null(strstr(text, line));
        }
    }
    wait_limits_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_may_wait_as_the_limit_says),
        cmocka_unit_test(no_client_takes_more_than_its_share),
        cmocka_unit_test(the_whole_limit_holds_for_clients_too),
        cmocka_unit_test(with_a_limit_of_nothing_nobody_waits),
        cmocka_unit_test(many_clients_are_told_apart_and_forgotten),
        cmocka_unit_test(the_series_say_what_was_waited_for_and_how_it_ended),
        cmocka_unit_test(every_kind_and_outcome_has_its_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
