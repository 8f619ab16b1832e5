/* What is demanded is met, waited for, or refused: through the router, against a real store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sched.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "router_fixture.h"

static struct sg_error err;

#define ASSERT_OK(call) assert_int_equal((call), SG_OK)
#define ENTITY "/v1/state/customers/42"

static unsigned asked(struct rig *r, const char *format, ...) SG_PRINTF(2, 3);
static unsigned asked(struct rig *r, const char *format, ...)
{
    char target[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(target, sizeof target, format, args);
    va_end(args);
    return rig_ask(r, target);
}

static void assert_problem(const struct rig *r, unsigned status, const char *type)
{
    char text[128];
    (void)snprintf(text, sizeof text, "\"type\":\"urn:stategate:problem:%s\"", type);
    assert_int_equal(r->response.status, status);
    assert_true(rig_body_has(r, text));
    assert_string_equal(rig_header(r, "Cache-Control"), "no-store");
    assert_null(rig_header(r, "ETag"));
    assert_int_equal(rig_header(r, "Retry-After") != NULL, status >= 503);
}

/* Version 7 of an entity at position 1, proved. */
static void begin(struct rig *r)
{
    rig_apply_state(r, "42", 7, "{}");
    rig_prove(r);
}

static void set_draining(struct rig *r, bool draining)
{
    atomic_store(&r->api.draining, draining);
}

/* ---- met and unmet, without waiting ---- */

static void a_version_is_met_at_or_below_what_is_there(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=6"), 200);
    assert_int_equal(asked(r, ENTITY "?min_version=7"), 200);
    assert_null(rig_header(r, "Server-Timing"));
    (void)asked(r, ENTITY "?min_version=8&wait=0");
    assert_problem(r, 504, "version-not-reached");
    assert_true(rig_body_has(r, "\"required\":8,\"current\":7,"));
    assert_string_equal(rig_header(r, "State-Version"), "7");
    assert_string_equal(rig_header(r, "State-Status"), "live");
    assert_string_equal(rig_header(r, "Preference-Applied"), "wait=0");
    assert_non_null(strstr(rig_header(r, "State-Position"), "STATE:1;epoch="));
}

static void what_was_never_seen_is_no_404_while_a_version_is_demanded(void **state)
{
    struct rig *r = *state;
    begin(r);
    (void)asked(r, "/v1/state/customers/never?min_version=1&wait=0");
    assert_problem(r, 504, "version-not-reached");
    assert_false(rig_body_has(r, "\"current\""));
    assert_int_equal(asked(r, "/v1/state/a.b/1?min_version=1&wait=5"), 404); /* no template can produce it */
}

static void a_tombstone_at_or_above_the_minimum_meets_it(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_apply(r, (struct event){.kind = EVENT_TOMBSTONE, .id = SLICE_LITERAL("42"), .version = 8});
    rig_prove(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=0"), 410);
    assert_string_equal(rig_header(r, "State-Version"), "8");
    assert_int_equal(asked(r, ENTITY "?min_version=9&wait=0"), 504);
}

static void an_unchanged_entity_is_no_304_while_a_demand_is_unmet(void **state)
{
    struct rig *r = *state;
    char etag[64];
    begin(r);
    assert_int_equal(asked(r, ENTITY), 200);
    (void)snprintf(etag, sizeof etag, "%s", rig_header(r, "ETag"));
    r->head.fields.if_none_match.count = 1;
    r->head.fields.if_none_match.values[0] = slice_of(etag);
    assert_int_equal(asked(r, ENTITY "?min_version=7&wait=0"), 304);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=0"), 504);
    r->head.fields.if_none_match.count = 0;
}

static void a_position_is_met_at_or_below_what_is_applied(void **state)
{
    struct rig *r = *state;
    char required[64];
    begin(r);
    const char *epoch = r->stream.epoch.text;
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1&wait=0"), 200);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=%s&wait=0", epoch), 200);
    (void)asked(r, ENTITY "?min_position=STATE:2;epoch=%s&wait=0", epoch);
    assert_problem(r, 504, "position-not-reached");
    (void)snprintf(required, sizeof required, "\"required\":\"STATE:2;epoch=%s\"", epoch);
    assert_true(rig_body_has(r, required));
    (void)asked(r, "/v1/state/customers?min_position=STATE:2&wait=0");
    assert_problem(r, 504, "position-not-reached");
}

static void a_bare_position_needs_a_recent_proof_of_the_epoch(void **state)
{
    struct rig *r = *state;
    rig_apply_state(r, "42", 7, "{}");
    rig_publish_commit(r, NULL);
    (void)asked(r, ENTITY "?min_position=STATE:1&wait=0");
    assert_problem(r, 503, "starting");
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=%s&wait=0", r->stream.epoch.text), 200);
    rig_publish_probe(r, 0, time_boot_ns() - 2500 * NS_PER_MS, 1, &r->stream.epoch);
    (void)asked(r, ENTITY "?min_position=STATE:1&wait=0");
    assert_problem(r, 504, "position-not-reached");
    rig_publish_probe(r, 0, time_boot_ns() - 500 * NS_PER_MS, 1, &r->stream.epoch);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1&wait=0"), 200);
    r->tunables.probe_epoch_trust_ms = 0;
    (void)asked(r, ENTITY "?min_position=STATE:1&wait=0");
    assert_problem(r, 504, "position-not-reached");
    r->tunables.probe_epoch_trust_ms = 2000;
    rig_publish_probe(r, 0, time_boot_ns(), 1, &(struct epoch){"another"});
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1&wait=0"), 503);
}

static void staleness_is_met_by_a_proof_that_is_young_enough(void **state)
{
    struct rig *r = *state;
    rig_apply_state(r, "42", 7, "{}");
    rig_publish_commit(r, NULL);
    rig_publish_probe(r, 0, time_boot_ns() - NS_PER_S, 1, &r->stream.epoch);
    assert_int_equal(asked(r, ENTITY "?max_staleness=60&wait=0"), 200);
    (void)asked(r, ENTITY "?max_staleness=0.5&wait=0");
    assert_problem(r, 504, "too-stale");
    assert_true(rig_body_has(r, "\"required\":0.5"));
    assert_int_equal(asked(r, ENTITY "?max_staleness=0&wait=0"), 504);
    rig_publish_probe(r, 0, time_boot_ns(), 2, &r->stream.epoch); /* newer, and not met by the rows */
    assert_int_equal(asked(r, ENTITY "?max_staleness=0.5&wait=0"), 504);
}

static void a_list_of_all_collections_is_as_fresh_as_the_oldest_stream(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_publish_commit(r, NULL);
    (void)asked(r, "/v1/state?max_staleness=60&wait=0");
    assert_problem(r, 503, "starting");
    rig_publish_probe(r, 1, time_boot_ns(), 0, &r->other.epoch);
    assert_int_equal(asked(r, "/v1/state?max_staleness=60&wait=0"), 200);
}

/* ---- by the status of the stream ---- */

static void what_the_stream_cannot_meet_now_is_503_by_its_status(void **state)
{
    static const char *const demands[] = {"min_version=8", "min_position=STATE:2", "max_staleness=0"};
    struct rig *r = *state;
    rig_apply_state(r, "42", 7, "{}");
    rig_publish_commit(r, NULL);
    for (size_t i = 0; i < sizeof demands / sizeof demands[0]; i++) {
        (void)asked(r, ENTITY "?wait=0&%s", demands[i]);
        assert_problem(r, 503, "starting");
        freshness_set_disconnected(r->freshness, 0);
        (void)asked(r, ENTITY "?wait=0&%s", demands[i]);
        assert_problem(r, 503, "replica-disconnected");
        freshness_set_halted(r->freshness, 0, "the disk is full");
        (void)asked(r, ENTITY "?wait=0&%s", demands[i]);
        assert_problem(r, 503, "halted");
        freshness_set_halted(r->freshness, 0, NULL);
        rig_publish_probe(r, 0, time_boot_ns(), 1, &r->stream.epoch);
        assert_int_equal(asked(r, ENTITY "?wait=0&%s", demands[i]), 504);
        freshness_reset(r->freshness, 0);
    }
}

static void demands_that_are_met_are_answered_whatever_the_status(void **state)
{
    struct rig *r = *state;
    begin(r);
    freshness_set_halted(r->freshness, 0, "the disk is full");
    assert_int_equal(asked(r, ENTITY "?min_version=7&min_position=STATE:1&max_staleness=60&wait=0"), 200);
    assert_string_equal(rig_header(r, "State-Status"), "halted");
    set_draining(r, true);
    assert_int_equal(asked(r, ENTITY "?min_version=7"), 200);
}

static void only_streams_with_an_unmet_demand_give_the_status(void **state)
{
    struct rig *r = *state;
    begin(r);
    freshness_set_disconnected(r->freshness, 1);
    (void)asked(r, ENTITY "?min_position=STATE:2,OTHER:0;epoch=%s&wait=0", r->other.epoch.text);
    assert_problem(r, 504, "position-not-reached");
    assert_non_null(strstr(rig_header(r, "State-Position"), ", OTHER:0;epoch="));
    (void)asked(r, ENTITY "?min_position=STATE:2,OTHER:1&wait=0");
    assert_problem(r, 503, "replica-disconnected");
}

/* ---- combined ---- */

static void all_demands_must_hold(void **state)
{
    struct rig *r = *state;
    begin(r);
    (void)asked(r, ENTITY "?min_version=7&min_position=STATE:2&max_staleness=60&wait=0");
    assert_problem(r, 504, "position-not-reached");
    (void)asked(r, ENTITY "?min_version=8&min_position=STATE:1&max_staleness=60&wait=0");
    assert_problem(r, 504, "version-not-reached");
    (void)asked(r, ENTITY "?min_version=7&min_position=STATE:1&max_staleness=0&wait=0");
    assert_problem(r, 504, "too-stale");
    (void)asked(r, ENTITY "?min_version=8&min_position=STATE:2&max_staleness=0&wait=0");
    assert_problem(r, 504, "version-not-reached"); /* the first is named */
    (void)asked(r, ENTITY "?min_version=7&min_position=STATE:1,OTHER:5&wait=0");
    assert_int_equal(r->response.status, 503);
    assert_true(rig_body_has(r, "\"required\":\"OTHER:5\""));
}

/* ---- what can never be met ---- */

static void a_stream_that_is_not_followed_is_409_at_once(void **state)
{
    struct rig *r = *state;
    begin(r);
    (void)asked(r, ENTITY "?min_position=NONE:1&wait=5");
    assert_problem(r, 409, "unknown-stream");
}

static void another_epoch_is_409_when_a_later_proof_shows_it(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_publish_commit(r, NULL);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=zzzzzz&wait=0"), 504); /* nothing newer is known */
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=zzzzzz&wait=5"), 0);
    assert_true(rig_park(r));
    assert_true(progress_probe_at(r->progress, 0, r->call.arrived_ns - 1) == INT64_MIN); /* at once */
    rig_publish_probe(r, 0, r->call.arrived_ns - 1, 1, &r->stream.epoch);
    assert_false(rig_wake(r)); /* asked for before the request arrived */
    rig_publish_probe(r, 0, time_boot_ns(), 1, &r->stream.epoch);
    assert_true(rig_wake(r));
    (void)rig_ask_again(r);
    assert_problem(r, 409, "epoch-mismatch");
    assert_non_null(rig_header(r, "Server-Timing"));
}

static void beyond_the_head_is_409_when_a_later_proof_shows_it(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_publish_commit(r, NULL);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:3&wait=5"), 0);
    assert_true(rig_park(r));
    rig_publish_probe(r, 0, time_boot_ns(), 3, &r->stream.epoch); /* there is such a message: it is on its way */
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 0);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:4&wait=5"), 0);
    assert_true(rig_park(r));
    assert_true(progress_probe_at(r->progress, 0, r->call.arrived_ns - 1) == r->call.arrived_ns + PROGRESS_PATIENCE_NS);
    rig_publish_probe(r, 0, time_boot_ns(), 3, &r->stream.epoch);
    assert_true(rig_wake(r));
    (void)rig_ask_again(r);
    assert_problem(r, 409, "position-beyond-head");
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 0);
}

static void a_rejected_version_is_422_until_a_higher_one_is_there(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_apply_rejected(r, "42", 8);
    rig_prove(r);
    (void)asked(r, ENTITY "?min_version=8&wait=5");
    assert_problem(r, 422, "version-rejected");
    assert_int_equal(asked(r, ENTITY "?min_version=9&wait=0"), 504); /* not that one */
    (void)asked(r, ENTITY "?min_version=8&max_staleness=0&wait=5");
    assert_problem(r, 422, "version-rejected"); /* waiting for the other demand would not help */
    rig_apply_state(r, "42", 9, "{}");
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=0"), 200);
}

static void a_rejection_ends_the_waits_for_that_version(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=5"), 0);
    assert_true(rig_park(r));
    rig_apply_rejected(r, "42", 8);
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    (void)rig_ask_again(r);
    assert_problem(r, 422, "version-rejected");
}

/* ---- waiting ---- */

static void the_commit_of_the_version_ends_the_wait(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=2.5"), 0);
    assert_true(rig_park(r));
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 1);
    rig_apply_state(r, "43", 8, "{}");
    rig_publish_commit(r, "43");
    assert_false(rig_wake(r)); /* another entity */
    rig_apply_state(r, "42", 8, "{\"n\":8}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_true(rig_body_has(r, "{\"n\":8}"));
    assert_string_equal(rig_header(r, "Preference-Applied"), "wait=2.5");
    assert_int_equal(strncmp(rig_header(r, "Server-Timing"), "wait;dur=", 9), 0);
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 0);
}

static void the_commit_of_the_position_ends_the_wait(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:3;epoch=%s&wait=5", r->stream.epoch.text), 0);
    assert_true(rig_park(r));
    rig_apply_state(r, "43", 1, "{}");
    rig_publish_commit(r, "43");
    assert_false(rig_wake(r));
    rig_apply_state(r, "44", 1, "{}");
    rig_publish_commit(r, "44");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_string_equal(rig_header(r, "State-Version"), "7");
}

static void a_probe_sent_after_the_request_ends_the_wait_for_freshness(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_publish_commit(r, NULL);
    assert_int_equal(asked(r, ENTITY "?max_staleness=0&wait=5"), 0);
    assert_true(rig_park(r));
    rig_publish_probe(r, 0, r->call.arrived_ns - 1, 1, &r->stream.epoch);
    assert_false(rig_wake(r));
    rig_publish_probe(r, 0, time_boot_ns(), 2, &r->stream.epoch);
    assert_false(rig_wake(r)); /* it shows more than the rows have */
    rig_apply_state(r, "43", 1, "{}");
    rig_publish_commit(r, "43");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
}

static void what_is_half_helped_waits_on_for_the_rest(void **state)
{
    struct rig *r = *state;
    begin(r);
    rig_publish_commit(r, NULL);
    assert_int_equal(asked(r, ENTITY "?min_version=8&max_staleness=0&wait=5"), 0);
    assert_true(rig_park(r));
    rig_apply_state(r, "42", 8, "{}");
    rig_publish_commit(r, "42");
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 0);
    assert_true(rig_park(r));
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 1); /* one place for the whole wait */
    rig_publish_probe(r, 0, time_boot_ns(), 2, &r->stream.epoch);
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
}

static void a_commit_between_the_check_and_the_parking_is_seen(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=5"), 0);
    rig_apply_state(r, "42", 8, "{}");
    rig_publish_commit(r, "42"); /* the read is not visible yet, so nothing is published to it */
    assert_false(rig_park(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:3&wait=5"), 0);
    rig_apply_state(r, "42", 9, "{}");
    rig_publish_commit(r, "42");
    assert_false(rig_park(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_int_equal(asked(r, ENTITY "?max_staleness=0&wait=5"), 0);
    rig_publish_probe(r, 0, time_boot_ns(), 3, &r->stream.epoch);
    assert_false(rig_park(r));
    assert_int_equal(rig_ask_again(r), 200);
}

static void at_its_deadline_and_no_sooner_the_answer_says_what_is_unmet(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=0.05"), 0);
    assert_true(rig_park(r));
    int64_t deadline_ns = r->call.arrived_ns + 50 * NS_PER_MS;
    assert_int_equal(parked_reads_next_deadline_ns(r->worker->parked_reads), deadline_ns);
    while (!rig_wake(r)) {
        assert_true(time_boot_ns() < deadline_ns + 10 * NS_PER_S);
        (void)sched_yield();
    }
    assert_true(time_boot_ns() >= deadline_ns);
    (void)rig_ask_again(r);
    assert_problem(r, 504, "version-not-reached");
    assert_true(rig_body_has(r, "\"waited\":0."));
    assert_false(rig_body_has(r, "\"waited\":0.000"));
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 0);
}

static void without_a_preference_the_default_wait_is_used(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8"), 0);
    assert_int_equal(r->call.parked.deadline_ns, r->call.arrived_ns + 5 * NS_PER_S);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=31"), 0);
    assert_int_equal(r->call.parked.deadline_ns, r->call.arrived_ns + 30 * NS_PER_S); /* the maximum */
    assert_int_equal(asked(r, ENTITY "?wait=5"), 200); /* nothing is demanded */
}

static void a_hang_up_gives_the_place_back(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=5"), 0);
    assert_true(rig_park(r));
    assert_int_equal(asked(r, ENTITY), 200); /* the rig forgets the one before */
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 0);
    assert_int_equal(parked_reads_count(r->worker->parked_reads), 0);
    assert_false(progress_entities_wanted(r->progress));
}

static void beyond_the_limit_a_read_is_refused_and_not_parked(void **state)
{
    struct rig *r = *state;
    struct wait_place places[RIG_WAITS_MAX];
    begin(r);
    for (size_t i = 0; i < RIG_WAITS_MAX - 1; i++)
        assert_true(wait_limits_take(r->api.wait_limits, &r->tunables, &r->client, &places[i]));
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=5"), 0);
    (void)asked(r, ENTITY); /* gives the last place back */
    assert_true(wait_limits_take(r->api.wait_limits, &r->tunables, &r->client, &places[RIG_WAITS_MAX - 1]));
    (void)asked(r, ENTITY "?min_version=8&wait=5");
    assert_problem(r, 503, "too-many-waits");
    assert_int_equal(asked(r, ENTITY "?min_version=7&wait=5"), 200); /* what is met needs no place */
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=0"), 504); /* nor what does not wait */
    assert_int_equal(wait_limits_parked(r->api.wait_limits), RIG_WAITS_MAX);
    for (size_t i = 0; i < RIG_WAITS_MAX; i++)
        wait_limits_give(r->api.wait_limits, &r->client, &places[i], WAIT_VERSION, WAIT_GONE, 0);
}

/* From the next iteration on; of all reads, and of one client's. */
static void the_limit_may_change_while_reads_wait(void **state)
{
    struct rig *r = *state;
    struct tunables less = r->tunables;
    struct tunables one_each = r->tunables;
    struct wait_place place;
    less.parked_max = 0;
    one_each.parked_max_per_client = 1;
    begin(r);
    assert_true(wait_limits_take(r->api.wait_limits, &r->tunables, &r->client, &place));
    tunables_publish(&r->tunables_now, &less);
    (void)rig_wake(r);
    (void)asked(r, ENTITY "?min_version=8&wait=5");
    assert_problem(r, 503, "too-many-waits");
    tunables_publish(&r->tunables_now, &one_each);
    (void)rig_wake(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=5"), 0); /* the other one is not counted as its client's */
    wait_limits_give(r->api.wait_limits, &r->client, &place, WAIT_VERSION, WAIT_GONE, 0);
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 1);
    /* Taken while the limit was for all, it counts for no client. */
    assert_true(wait_limits_take(r->api.wait_limits, &r->tunables, &r->client, &place));
    assert_false(wait_limits_take(r->api.wait_limits, &one_each, &r->client, &(struct wait_place){0}));
    wait_limits_give(r->api.wait_limits, &r->client, &place, WAIT_VERSION, WAIT_GONE, 0);
    (void)asked(r, ENTITY);
    assert_int_equal(wait_limits_parked(r->api.wait_limits), 0);
    tunables_publish(&r->tunables_now, &r->tunables);
    (void)rig_wake(r);
}

static void a_gateway_that_stops_answers_who_waits(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_version=8&wait=5"), 0);
    assert_true(rig_park(r));
    set_draining(r, true);
    (void)rig_ask_again(r);
    assert_problem(r, 503, "stopping");
    (void)asked(r, ENTITY "?min_version=8&wait=5");
    assert_problem(r, 503, "stopping");
}

/* ---- another incarnation ---- */

static void begin_another_incarnation(struct rig *r, struct epoch *epoch)
{
    epoch_make("STATE", RIG_CREATED_NS + 1, NULL, epoch);
    freshness_reset(r->freshness, 0);
    ASSERT_OK(store_stream_begin_build(r->writer, r->stream.id, RIG_CREATED_NS + 1, epoch, 2, &err));
    r->sequence = 0;
    rig_publish_commit(r, NULL);
    progress_changed(r->progress);
}

static void until_the_swap_old_rows_meet_demands_of_their_epoch(void **state)
{
    struct rig *r = *state;
    struct epoch old;
    struct epoch new;
    begin(r);
    old = r->stream.epoch;
    begin_another_incarnation(r, &new);
    rig_publish_probe(r, 0, time_boot_ns(), 2, &new);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=%s&wait=0", old.text), 200);
    assert_string_equal(rig_header(r, "State-Status"), "rebuilding");
    (void)asked(r, ENTITY "?min_position=STATE:1&wait=0");
    assert_problem(r, 503, "rebuilding"); /* the present incarnation, which these rows are not of */
    (void)asked(r, ENTITY "?min_position=STATE:1;epoch=%s&wait=0", new.text);
    assert_problem(r, 503, "rebuilding");
    (void)asked(r, ENTITY "?min_version=8&wait=0");
    assert_problem(r, 503, "rebuilding");
}

static void the_swap_ends_waits_for_the_new_incarnation_and_refuses_the_old(void **state)
{
    struct rig *r = *state;
    struct epoch old;
    struct epoch new;
    begin(r);
    old = r->stream.epoch;
    begin_another_incarnation(r, &new);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:2;epoch=%s&wait=5", new.text), 0);
    (void)rig_park(r);
    rig_apply_state(r, "42", 1, "{\"incarnation\":2}");
    rig_publish_commit(r, NULL);
    rig_apply_state(r, "43", 1, "{}");
    freshness_swapped(r->freshness, 0);
    progress_changed(r->progress);
    rig_publish_commit(r, NULL);
    assert_string_equal(r->stream.epoch.text, new.text);
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 200);
    assert_true(rig_body_has(r, "{\"incarnation\":2}"));
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=%s&wait=5", old.text), 0);
    (void)rig_park(r);
    rig_publish_probe(r, 0, time_boot_ns(), 2, &new);
    assert_true(rig_wake(r));
    (void)rig_ask_again(r);
    assert_problem(r, 409, "epoch-mismatch");
}

static void an_epoch_that_is_over_is_409_at_once_and_asks_nobody(void **state)
{
    struct rig *r = *state;
    struct epoch old;
    begin(r);
    old = r->stream.epoch;
    (void)asked(r, ENTITY "?min_position=STATE:2;epoch=%s&wait=0", old.text);
    assert_problem(r, 504, "position-not-reached");
    rig_publish_probe(r, 0, time_boot_ns(), 2, &(struct epoch){"another"});
    (void)asked(r, ENTITY "?min_position=STATE:2;epoch=%s&wait=0", old.text);
    assert_problem(r, 409, "epoch-mismatch");
    assert_true(rig_body_has(r, "another"));
    (void)asked(r, ENTITY "?min_position=STATE:2;epoch=%s&wait=5", old.text);
    assert_problem(r, 409, "epoch-mismatch");
    /* Its rows are still served, and meet what they can. */
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:1;epoch=%s&wait=0", old.text), 200);
    /* One that nobody here has met may be a newer one. */
    (void)asked(r, ENTITY "?min_position=STATE:2;epoch=zzzzzz&wait=0");
    assert_problem(r, 503, "starting");
}

/* A server that lost the end of its stream, after the read had found that it reached that far. */
static void what_waits_beyond_an_end_that_fell_is_409(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(asked(r, ENTITY "?min_position=STATE:9&wait=5"), 0);
    assert_true(rig_park(r));
    rig_publish_probe(r, 0, time_boot_ns(), 10, &r->stream.epoch);
    assert_true(rig_wake(r));
    assert_int_equal(rig_ask_again(r), 0); /* on its way */
    assert_true(rig_park(r));
    rig_publish_probe(r, 0, time_boot_ns(), 10, &r->stream.epoch);
    assert_false(rig_wake(r));
    rig_publish_probe(r, 0, time_boot_ns(), 7, &r->stream.epoch);
    assert_true(rig_wake(r));
    (void)rig_ask_again(r);
    assert_problem(r, 409, "position-beyond-head");
    assert_true(rig_body_has(r, "ended at 7"));
}

/* Each of them has to show something later than the request: none waits for another's answer. */
static void all_streams_that_are_short_are_asked_at_once(void **state)
{
    struct rig *r = *state;
    static const char *const targets[] = {"/v1/state?max_staleness=0&wait=5",
                                          "/v1/state?min_position=STATE:1,OTHER:1&wait=5",
                                          "/v1/state?min_position=STATE:9;epoch=zzzzzz,OTHER:9;epoch=zzzzzz&wait=5"};
    begin(r);
    rig_publish_commit(r, NULL);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        r->tunables.probe_epoch_trust_ms = 0;
        assert_int_equal(rig_ask(r, targets[i]), 0);
        assert_true(rig_park(r));
        for (size_t stream = 0; stream < 2; stream++)
            assert_true(progress_probe_at(r->progress, stream, r->call.arrived_ns - 1) < INT64_MAX);
        worker_forget(r->worker, &r->call);
    }
    r->tunables.probe_epoch_trust_ms = 2000;
}

/* Also where the first of them answers nothing. */
static void any_stream_that_refuses_ends_the_wait(void **state)
{
    struct rig *r = *state;
    begin(r);
    assert_int_equal(rig_ask(r, "/v1/state?min_position=STATE:9;epoch=zzzzzz,OTHER:9;epoch=zzzzzz&wait=5"), 0);
    assert_true(rig_park(r));
    rig_publish_probe(r, 1, time_boot_ns(), 9, &(struct epoch){"another"});
    assert_true(rig_wake(r));
    (void)rig_ask_again(r);
    assert_problem(r, 409, "epoch-mismatch");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_version_is_met_at_or_below_what_is_there),
        TEST(what_was_never_seen_is_no_404_while_a_version_is_demanded),
        TEST(a_tombstone_at_or_above_the_minimum_meets_it),
        TEST(an_unchanged_entity_is_no_304_while_a_demand_is_unmet),
        TEST(a_position_is_met_at_or_below_what_is_applied),
        TEST(a_bare_position_needs_a_recent_proof_of_the_epoch),
        TEST(staleness_is_met_by_a_proof_that_is_young_enough),
        TEST(a_list_of_all_collections_is_as_fresh_as_the_oldest_stream),
        TEST(what_the_stream_cannot_meet_now_is_503_by_its_status),
        TEST(demands_that_are_met_are_answered_whatever_the_status),
        TEST(only_streams_with_an_unmet_demand_give_the_status),
        TEST(all_demands_must_hold),
        TEST(a_stream_that_is_not_followed_is_409_at_once),
        TEST(another_epoch_is_409_when_a_later_proof_shows_it),
        TEST(beyond_the_head_is_409_when_a_later_proof_shows_it),
        TEST(a_rejected_version_is_422_until_a_higher_one_is_there),
        TEST(a_rejection_ends_the_waits_for_that_version),
        TEST(the_commit_of_the_version_ends_the_wait),
        TEST(the_commit_of_the_position_ends_the_wait),
        TEST(a_probe_sent_after_the_request_ends_the_wait_for_freshness),
        TEST(what_is_half_helped_waits_on_for_the_rest),
        TEST(a_commit_between_the_check_and_the_parking_is_seen),
        TEST(at_its_deadline_and_no_sooner_the_answer_says_what_is_unmet),
        TEST(without_a_preference_the_default_wait_is_used),
        TEST(a_hang_up_gives_the_place_back),
        TEST(beyond_the_limit_a_read_is_refused_and_not_parked),
        TEST(the_limit_may_change_while_reads_wait),
        TEST(a_gateway_that_stops_answers_who_waits),
        TEST(until_the_swap_old_rows_meet_demands_of_their_epoch),
        TEST(the_swap_ends_waits_for_the_new_incarnation_and_refuses_the_old),
        TEST(an_epoch_that_is_over_is_409_at_once_and_asks_nobody),
        TEST(what_waits_beyond_an_end_that_fell_is_409),
        TEST(all_streams_that_are_short_are_asked_at_once),
        TEST(any_stream_that_refuses_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
