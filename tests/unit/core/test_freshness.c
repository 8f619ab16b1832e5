/* core/freshness: what an answer may claim, given the proofs and the position of its own snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/progress/freshness.h"

#define S NS_PER_S

static const struct epoch first_epoch = {"aaaaaa"};
static const struct epoch second_epoch = {"bbbbbb"};

static struct freshness *make(void)
{
    struct freshness *f = NULL;
    struct sg_error err;
    assert_int_equal(freshness_create(1, &f, &err), SG_OK);
    return f;
}

static void prove_copy(struct freshness *f, int64_t proof_ns, int64_t t0_ns, int64_t answered_ns, uint64_t head,
                       const struct epoch *epoch)
{
    const struct freshness_answer answer = {t0_ns, answered_ns, proof_ns, true, head, *epoch};
    assert_false(freshness_answered(f, 0, &answer, true));
}

/* True: the stream's end fell. */
static bool shows(struct freshness *f, int64_t t0_ns, uint64_t head, const struct epoch *epoch, bool proves)
{
    const struct freshness_answer answer = {t0_ns, t0_ns, t0_ns, false, head, *epoch};
    return freshness_answered(f, 0, &answer, proves);
}

static void prove(struct freshness *f, int64_t t0_ns, int64_t answered_ns, uint64_t head, const struct epoch *epoch)
{
    const struct freshness_answer answer = {t0_ns, answered_ns, t0_ns, false, head, *epoch};
    (void)freshness_answered(f, 0, &answer, true);
}

static struct stream row_at(uint64_t position, const struct epoch *epoch)
{
    struct stream row = {.position = position, .settled = position, .epoch = *epoch, .build = 1};
    return row;
}

static struct freshness_view view_at(struct freshness *f, uint64_t position, int64_t now_ns)
{
    struct freshness_view view;
    struct stream row = row_at(position, &first_epoch);
    freshness_view(f, 0, &row, now_ns, &view);
    return view;
}

/* A time base after creation, so that "no proof for 3 s" counts from here. */
static int64_t base(void)
{
    return time_boot_ns();
}

static void without_a_proof_nothing_is_claimed(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_view view = view_at(f, 100, base());
    assert_false(view.staleness_known);
    assert_false(view.head_known);
    assert_int_equal(view.status, STREAM_STARTING);
    freshness_destroy(f);
}

static void what_was_passed_over_proves_nothing_and_meets_a_position_only_beside_a_filter(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_view view;
    struct stream row = row_at(100, &first_epoch);
    int64_t t = base();
    row.settled = 90;
    prove(f, t, t, 100, &first_epoch);
    for (int filtered = 0; filtered <= 1; filtered++) {
        freshness_set_filtered(f, 0, filtered);
        freshness_view(f, 0, &row, t, &view);
        assert_false(view.staleness_known);
        assert_int_equal(view.lag, 0);
        assert_int_equal(view.met, filtered ? 100 : 90);
        assert_int_equal(freshness_met(f, 0, 100, 90), view.met);
    }
    freshness_destroy(f);
}

/* Its keys were counted late, after other answers had proved something. */
static void an_answer_that_proves_something_late_takes_its_place_among_the_others(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    prove(f, t + 1, t + 1, 10, &first_epoch);
    prove(f, t + 3, t + 3, 30, &first_epoch);
    prove(f, t + 2, t + 2, 20, &first_epoch);
    assert_int_equal(view_at(f, 15, t + 9).proof_ns, t + 1);
    assert_int_equal(view_at(f, 25, t + 9).proof_ns, t + 2);
    assert_int_equal(view_at(f, 30, t + 9).proof_ns, t + 3);
    assert_int_equal(view_at(f, 30, t + 9).head, 30);
    prove(f, t + 2, t + 2, 40, &first_epoch); /* no answer of this stream: nothing is believed of it */
    assert_int_equal(view_at(f, 25, t + 9).proof_ns, t + 2);
    freshness_destroy(f);
}

static void staleness_counts_from_the_question_not_from_the_answer(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t + S, 100, &first_epoch);
    struct freshness_view view = view_at(f, 100, t + 2 * S);
    assert_true(view.staleness_known);
    assert_int_equal(view.staleness_ns, 2 * S);
    assert_int_equal(view.status, STREAM_LIVE);
    freshness_destroy(f);
}

static void an_older_snapshot_is_not_flattered_by_a_newer_proof(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    freshness_applied(f, 0, 200, &first_epoch);
    prove(f, t + S, t + S, 200, &first_epoch);
    assert_int_equal(view_at(f, 200, t + 2 * S).staleness_ns, S);
    assert_int_equal(view_at(f, 199, t + 2 * S).staleness_ns, 2 * S); /* read before the commit of 200 */
    assert_false(view_at(f, 99, t + 2 * S).staleness_known);
    freshness_destroy(f);
}

static void a_proof_that_is_not_met_proves_nothing_yet(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 50, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    struct freshness_view view = view_at(f, 50, t);
    assert_false(view.staleness_known);
    assert_true(view.head_known);
    assert_int_equal(view.lag, 50);
    assert_int_equal(view.status, STREAM_STARTING);
    assert_true(view_at(f, 100, t).staleness_known);
    freshness_destroy(f);
}

static void another_epoch_is_not_proved(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_view view;
    struct stream row = row_at(100, &second_epoch);
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    freshness_view(f, 0, &row, t, &view);
    assert_false(view.staleness_known);
    assert_false(view.head_known);
    freshness_destroy(f);
}

static void a_new_epoch_forgets_the_old_proofs(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    prove(f, t, t, 10, &first_epoch);
    freshness_reset(f, 0);
    prove(f, t + S, t + S, 500, &second_epoch);
    assert_false(view_at(f, 500, t + S).staleness_known);
    freshness_destroy(f);
}

static void status_of(int64_t staleness_ns, enum stream_status expected)
{
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    prove(f, t + staleness_ns, t + staleness_ns, 200, &first_epoch); /* answered, not met */
    assert_int_equal(view_at(f, 100, t + staleness_ns).status, expected);
    freshness_destroy(f);
}

static void live_ends_at_five_seconds(void **state)
{
    (void)state;
    status_of(5 * S - 1, STREAM_LIVE);
    status_of(5 * S, STREAM_CATCHING_UP);
}

static void three_seconds_without_an_answer_are_disconnected(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    assert_int_equal(view_at(f, 100, t + 3 * S).status, STREAM_LIVE);
    struct freshness_view view = view_at(f, 100, t + 3 * S + 1);
    assert_int_equal(view.status, STREAM_DISCONNECTED);
    assert_int_equal(view.staleness_ns, 3 * S + 1); /* T stands still */
    freshness_destroy(f);
}

static void a_broker_that_cannot_be_used_shows_at_once_until_the_next_proof(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 1, &first_epoch);
    prove(f, t, t, 1, &first_epoch);
    freshness_set_disconnected(f, 0);
    assert_int_equal(view_at(f, 1, t).status, STREAM_DISCONNECTED);
    prove(f, t + 1, t + 1, 1, &first_epoch);
    assert_int_equal(view_at(f, 1, t + 1).status, STREAM_LIVE);
    freshness_destroy(f);
}

static void the_worst_condition_is_shown(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_view view;
    struct stream row = row_at(5, &first_epoch);
    int64_t t = base();
    row.rebuilding = true;
    freshness_applied(f, 0, 5, &first_epoch);
    prove(f, t, t, 5, &first_epoch);
    freshness_view(f, 0, &row, t, &view);
    assert_int_equal(view.status, STREAM_REBUILDING);
    freshness_view(f, 0, &row, t + 4 * S, &view);
    assert_int_equal(view.status, STREAM_DISCONNECTED);
    freshness_set_halted(f, 0, "the disk is full");
    freshness_view(f, 0, &row, t + 4 * S, &view);
    assert_int_equal(view.status, STREAM_HALTED);
    row.rebuilding = false;
    freshness_set_halted(f, 0, NULL);
    freshness_view(f, 0, &row, t, &view);
    assert_int_equal(view.status, STREAM_LIVE);
    freshness_destroy(f);
}

/* An applier that lags for long keeps proving progress: the oldest unmet proof and the newest are never thinned
 * away. */
static void thinning_keeps_the_oldest_and_the_newest_unmet_proof(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    uint64_t head = 0;
    freshness_applied(f, 0, 10, &first_epoch);
    for (int i = 0; i < 10 * FRESHNESS_PROOFS_MAX; i++) {
        head = 11 + (uint64_t)i;
        prove(f, t + i * S, t + i * S, head, &first_epoch);
    }
    int64_t last = t + (10 * FRESHNESS_PROOFS_MAX - 1) * S;
    assert_int_equal(view_at(f, 11, last).proof_ns, t);
    assert_int_equal(view_at(f, head, last).proof_ns, last);
    /* In between, progress is proved, and never beyond the truth. */
    int proved = 0;
    int64_t newest = 0;
    for (uint64_t position = 11; position <= head; position++) {
        struct freshness_view view = view_at(f, position, last);
        assert_true(view.staleness_known);
        assert_true(view.proof_ns <= t + (int64_t)(position - 11) * S);
        assert_true(view.proof_ns >= newest);
        proved += view.proof_ns > newest;
        newest = view.proof_ns;
    }
    assert_true(proved >= FRESHNESS_PROOFS_MAX / 2);
    freshness_destroy(f);
}

static void of_the_met_proofs_the_newest_few_stay_for_older_snapshots(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    for (int i = 1; i <= 3 * FRESHNESS_PROOFS_MAX; i++) {
        freshness_applied(f, 0, (uint64_t)i, &first_epoch);
        prove(f, t + i * S, t + i * S, (uint64_t)i, &first_epoch);
    }
    uint64_t position = 3 * FRESHNESS_PROOFS_MAX;
    for (uint64_t back = 0; back < FRESHNESS_PROOFS_MET; back++)
        assert_int_equal(view_at(f, position - back, t).proof_ns, t + (int64_t)(position - back) * S);
    freshness_destroy(f);
}

static void ready_once_is_ready_until_it_is_cleared(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_ready ready;
    assert_false(freshness_all_ready(f, false));
    freshness_applied(f, 0, 99, &first_epoch);
    freshness_set_ready_target(f, 0, 100, &first_epoch);
    freshness_ready(f, 0, &ready);
    assert_false(ready.ready);
    assert_true(ready.target_known);
    freshness_applied(f, 0, 100, &first_epoch);
    assert_true(freshness_all_ready(f, false));
    freshness_set_disconnected(f, 0);
    assert_true(freshness_all_ready(f, false));
    freshness_clear_ready(f, 0);
    freshness_reset(f, 0);
    freshness_applied(f, 0, 0, &second_epoch);
    assert_false(freshness_all_ready(f, false));
    freshness_set_ready_target(f, 0, 0, &second_epoch);
    assert_true(freshness_all_ready(f, false));
    freshness_destroy(f);
}

static void ready_replica_stays_ready_while_it_is_rebuilt(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_ready ready;
    freshness_applied(f, 0, 100, &first_epoch);
    freshness_set_ready_target(f, 0, 100, &first_epoch);
    freshness_reset(f, 0);
    freshness_applied(f, 0, 100, &first_epoch); /* reads go on */
    freshness_set_ready_target(f, 0, 7, &second_epoch);
    freshness_ready(f, 0, &ready);
    assert_true(ready.ready);
    assert_int_equal(ready.target, 7);
    assert_int_equal(ready.position, 0); /* 100 would be compared with a target that it has nothing to do with */
    freshness_destroy(f);
}

static void replica_that_was_not_ready_is_so_with_the_swap(void **state)
{
    (void)state;
    struct freshness *f = make();
    freshness_applied(f, 0, 100, &first_epoch);
    freshness_set_ready_target(f, 0, 7, &second_epoch);
    assert_false(freshness_all_ready(f, false));
    freshness_swapped(f, 0);
    freshness_applied(f, 0, 7, &second_epoch);
    assert_true(freshness_all_ready(f, false));
    freshness_destroy(f);
}

static void served_rows_of_the_same_incarnation_stay_proved_during_a_rebuild(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_view view;
    struct stream row = row_at(100, &first_epoch);
    int64_t t = base();
    row.rebuilding = true;
    row.rebuild = (struct rebuild){.build = 2, .epoch = first_epoch, .position = 3, .target = 100};
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    freshness_view(f, 0, &row, t, &view);
    assert_int_equal(view.status, STREAM_REBUILDING);
    assert_true(view.staleness_known);
    assert_int_equal(view.lag, 0);
    prove(f, t + 1, t + 1, 101, &first_epoch); /* written since: the old rows will not have it */
    freshness_view(f, 0, &row, t + 1, &view);
    assert_int_equal(view.proof_ns, t);
    assert_int_equal(view.lag, 1);
    freshness_destroy(f);
}

static void swapped_build_may_stand_lower_in_the_same_epoch(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove(f, t, t, 100, &first_epoch);
    freshness_swapped(f, 0);
    freshness_applied(f, 0, 60, &first_epoch);
    assert_false(view_at(f, 60, t).staleness_known);
    freshness_destroy(f);
}

static void a_target_of_another_epoch_is_not_reached(void **state)
{
    (void)state;
    struct freshness *f = make();
    freshness_applied(f, 0, 1000, &first_epoch);
    freshness_set_ready_target(f, 0, 10, &second_epoch);
    assert_false(freshness_all_ready(f, false));
    freshness_destroy(f);
}

static void without_a_broker_only_rows_make_ready(void **state)
{
    (void)state;
    struct freshness *f = make();
    freshness_applied(f, 0, 0, &first_epoch);
    assert_false(freshness_all_ready(f, true));
    freshness_applied(f, 0, 1, &first_epoch);
    assert_true(freshness_all_ready(f, true));
    assert_false(freshness_all_ready(f, false));
    freshness_set_ready_target(f, 0, 10, &first_epoch); /* the broker is there: its head counts */
    assert_false(freshness_all_ready(f, true));
    freshness_destroy(f);
}

static void the_probe_that_proves_and_the_last_error_are_shown(void **state)
{
    (void)state;
    struct freshness *f = make();
    struct freshness_facts facts;
    int64_t t = base();
    freshness_facts(f, 0, &facts);
    assert_false(facts.applied_known);
    prove(f, t, t + 5, 7, &first_epoch);
    prove(f, t + 10, t + 12, 9, &first_epoch);
    freshness_set_error(f, 0, "no rights");
    struct freshness_view view = view_at(f, 8, t + 20); /* the newer one is not met yet */
    assert_int_equal(view.proof_ns, t);
    assert_int_equal(view.proof_answered_ns, t + 5);
    assert_int_equal(view.proof_head, 7);
    int64_t wall_error_ns = time_wall_ns() - (time_boot_ns() - t) - view.proof_wall_ns;
    assert_true(wall_error_ns < S && wall_error_ns > -S);
    freshness_facts(f, 0, &facts);
    assert_string_equal(facts.error, "no rights");
    freshness_destroy(f);
}

static void a_copy_is_as_old_as_its_last_word_from_its_origin(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    assert_false(view_at(f, 100, t).copy);
    prove_copy(f, t - 2 * S, t, t + 5, 100, &first_epoch);
    struct freshness_view view = view_at(f, 100, t + S);
    assert_true(view.copy);
    assert_true(view.staleness_known);
    assert_int_equal(view.staleness_ns, 3 * S);
    assert_int_equal(view.proof_asked_ns, t);
    assert_int_equal(view.probe_ns, t);
    assert_int_equal(view.probe_head_ns, t - 2 * S);
    /* Its account may go back a little: what was proved stays so, with the newer head. */
    prove_copy(f, t - 3 * S, t + S, t + S, 101, &first_epoch);
    assert_int_equal(view_at(f, 101, t + S).proof_ns, t - 2 * S);
    assert_int_equal(view_at(f, 100, t + S).proof_ns, t - 2 * S);
    freshness_destroy(f);
}

static void a_copy_that_lacks_something_proves_that_it_is_there_alone(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 100, &first_epoch);
    prove_copy(f, INT64_MIN, t, t, 100, &first_epoch);
    struct freshness_view view = view_at(f, 100, t);
    assert_false(view.staleness_known);
    assert_false(view.head_known);
    assert_int_equal(view.status, STREAM_STARTING);
    assert_true(view.probe_known);
    assert_int_equal(view.probe_head_ns, INT64_MIN);
    /* It answers: that is no disconnection, and T stands still. */
    prove_copy(f, t, t + S, t + S, 100, &first_epoch);
    prove_copy(f, INT64_MIN, t + 9 * S, t + 9 * S, 120, &first_epoch);
    view = view_at(f, 100, t + 9 * S);
    assert_int_equal(view.staleness_ns, 9 * S);
    assert_int_equal(view.status, STREAM_CATCHING_UP);
    freshness_destroy(f);
}

/* ---- an end that falls ---- */

static int64_t newest(struct freshness *f)
{
    int64_t proof_ns = 0;
    int64_t probe_ns = 0;
    freshness_newest(f, 0, &proof_ns, &probe_ns);
    return proof_ns;
}

/* A server that lost the end of its stream: what it proves since then is what those who wait learn of. */
static void a_stream_that_lost_its_end_is_proved_by_the_end_that_it_has(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 5, &first_epoch);
    assert_false(shows(f, t, 5, &first_epoch, true));
    assert_false(shows(f, t + 1, 9, &first_epoch, true));
    assert_false(shows(f, t + 2, 10, &first_epoch, true));
    freshness_set_ready_target(f, 0, 10, &first_epoch);
    assert_true(shows(f, t + 3, 7, &first_epoch, false)); /* whatever it proves */
    assert_false(shows(f, t + 3, 7, &first_epoch, true)); /* once */
    assert_false(freshness_all_ready(f, false));
    assert_true(newest(f) == t);
    freshness_applied(f, 0, 7, &first_epoch);
    assert_true(newest(f) == t + 3);
    assert_int_equal(view_at(f, 7, t + 4).proof_ns, t + 3);
    assert_int_equal(view_at(f, 7, t + 4).lag, 0);
    assert_true(freshness_all_ready(f, false));
    assert_false(shows(f, t + 4, 8, &first_epoch, true));
    assert_true(newest(f) == t + 3);
    freshness_destroy(f);
}

static void the_end_of_another_incarnation_has_not_fallen(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    assert_false(shows(f, t, 10, &first_epoch, true));
    assert_false(shows(f, t + 1, 3, &second_epoch, true));
    assert_false(shows(f, t, 2, &second_epoch, true)); /* it was asked for before */
    freshness_destroy(f);
}

/* ---- epochs that are over ---- */

static void an_epoch_is_over_when_an_answer_shows_another(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    freshness_applied(f, 0, 5, &first_epoch);
    assert_false(freshness_is_past(f, 0, &first_epoch));
    assert_false(shows(f, t, 5, &first_epoch, true));
    assert_false(freshness_is_past(f, 0, &first_epoch));
    freshness_swapped(f, 0);
    freshness_applied(f, 0, 1, &second_epoch); /* of which no answer is here yet */
    assert_false(freshness_is_past(f, 0, &first_epoch));
    assert_false(freshness_is_past(f, 0, &second_epoch));
    assert_false(shows(f, t + 1, 1, &second_epoch, false));
    assert_true(freshness_is_past(f, 0, &first_epoch));
    assert_false(freshness_is_past(f, 0, &second_epoch));
    assert_false(freshness_is_past(f, 0, &(struct epoch){"cccccc"})); /* nobody knows it */
    assert_false(shows(f, t + 2, 5, &first_epoch, false));             /* restored */
    assert_false(freshness_is_past(f, 0, &first_epoch));
    assert_true(freshness_is_past(f, 0, &second_epoch));
    freshness_destroy(f);
}

static void what_the_rows_were_when_the_process_began_is_over_as_well(void **state)
{
    (void)state;
    struct freshness *f = make();
    freshness_applied(f, 0, 5, &first_epoch);
    freshness_reset(f, 0);
    assert_false(shows(f, base(), 1, &second_epoch, false));
    assert_true(freshness_is_past(f, 0, &first_epoch));
    freshness_destroy(f);
}

static void the_newest_epochs_that_are_over_are_kept(void **state)
{
    (void)state;
    struct freshness *f = make();
    int64_t t = base();
    struct epoch epoch = {"epoch0"};
    for (int i = 0; i <= FRESHNESS_PAST_MAX + 1; i++) {
        epoch.text[5] = (char)('a' + i);
        assert_false(shows(f, t + i, 1, &epoch, true));
    }
    for (int i = 0; i <= FRESHNESS_PAST_MAX + 1; i++) {
        epoch.text[5] = (char)('a' + i);
        assert_int_equal(freshness_is_past(f, 0, &epoch), i >= 1 && i <= FRESHNESS_PAST_MAX);
    }
    freshness_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_proof_nothing_is_claimed),
        cmocka_unit_test(an_answer_that_proves_something_late_takes_its_place_among_the_others),
        cmocka_unit_test(what_was_passed_over_proves_nothing_and_meets_a_position_only_beside_a_filter),
        cmocka_unit_test(staleness_counts_from_the_question_not_from_the_answer),
        cmocka_unit_test(an_older_snapshot_is_not_flattered_by_a_newer_proof),
        cmocka_unit_test(a_proof_that_is_not_met_proves_nothing_yet),
        cmocka_unit_test(another_epoch_is_not_proved),
        cmocka_unit_test(a_new_epoch_forgets_the_old_proofs),
        cmocka_unit_test(live_ends_at_five_seconds),
        cmocka_unit_test(three_seconds_without_an_answer_are_disconnected),
        cmocka_unit_test(a_broker_that_cannot_be_used_shows_at_once_until_the_next_proof),
        cmocka_unit_test(the_worst_condition_is_shown),
        cmocka_unit_test(thinning_keeps_the_oldest_and_the_newest_unmet_proof),
        cmocka_unit_test(of_the_met_proofs_the_newest_few_stay_for_older_snapshots),
        cmocka_unit_test(ready_once_is_ready_until_it_is_cleared),
        cmocka_unit_test(ready_replica_stays_ready_while_it_is_rebuilt),
        cmocka_unit_test(replica_that_was_not_ready_is_so_with_the_swap),
        cmocka_unit_test(served_rows_of_the_same_incarnation_stay_proved_during_a_rebuild),
        cmocka_unit_test(swapped_build_may_stand_lower_in_the_same_epoch),
        cmocka_unit_test(a_target_of_another_epoch_is_not_reached),
        cmocka_unit_test(without_a_broker_only_rows_make_ready),
        cmocka_unit_test(the_probe_that_proves_and_the_last_error_are_shown),
        cmocka_unit_test(a_copy_is_as_old_as_its_last_word_from_its_origin),
        cmocka_unit_test(a_copy_that_lacks_something_proves_that_it_is_there_alone),
        cmocka_unit_test(a_stream_that_lost_its_end_is_proved_by_the_end_that_it_has),
        cmocka_unit_test(the_end_of_another_incarnation_has_not_fallen),
        cmocka_unit_test(an_epoch_is_over_when_an_answer_shows_another),
        cmocka_unit_test(what_the_rows_were_when_the_process_began_is_over_as_well),
        cmocka_unit_test(the_newest_epochs_that_are_over_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
