/* Whom a commit or a proof wakes: exactly those it may help, and never too late.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/progress/progress.h"

static struct sg_error err;

#define ASSERT_OK(call) assert_int_equal((call), SG_OK)

/* One writing side, two loops, two streams. */
struct world {
    struct progress *progress;
    int wake_fds[2];
    struct progress_loop *loops[2];
};

static uint64_t changed_entities[PROGRESS_CHANGED_ENTITIES_MAX];

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    ASSERT_OK(progress_create(2, &w->progress, &err));
    for (size_t i = 0; i < 2; i++) {
        w->wake_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_true(w->wake_fds[i] >= 0);
        ASSERT_OK(progress_join(w->progress, w->wake_fds[i], &w->loops[i], &err));
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 2; i++) {
        progress_leave(w->loops[i]);
        (void)close(w->wake_fds[i]);
    }
    progress_destroy(w->progress);
    free(w);
    return 0;
}

/* How often the loop's eventfd was written since it looked last; then it has looked. */
static uint64_t wakes(struct world *w, size_t loop)
{
    uint64_t count = 0;
    if (read(w->wake_fds[loop], &count, sizeof count) != (ssize_t)sizeof count)
        return 0;
    return count;
}

/* The same, and which entities changed. */
static uint64_t looked(struct world *w, size_t loop, size_t *entities_count, bool *all)
{
    uint64_t count = wakes(w, loop);
    *entities_count = progress_take(w->loops[loop], changed_entities, all);
    return count;
}

static uint64_t looked_only(struct world *w, size_t loop)
{
    size_t count = 0;
    bool all = false;
    return looked(w, loop, &count, &all);
}

static void want(struct world *w, size_t loop, size_t stream, struct progress_wants wants)
{
    progress_want(w->loops[loop], stream, &wants);
}

static struct progress_wants position_wanted(uint64_t position)
{
    struct progress_wants wants = PROGRESS_WANTS_NONE;
    wants.position = position;
    return wants;
}

static void commit(struct world *w, uint64_t entity)
{
    if (progress_entities_wanted(w->progress))
        progress_entity_changed(w->progress, entity);
    progress_committed(w->progress, 0, 1);
}

static void who_wants_nothing_is_never_woken(void **state)
{
    struct world *w = *state;
    progress_committed(w->progress, 0, INT64_MAX);
    progress_proved(w->progress, 0, INT64_MAX - 1, INT64_MAX - 1);
    commit(w, 7);
    assert_int_equal(wakes(w, 0), 0);
    assert_int_equal(wakes(w, 1), 0);
}

static void a_position_wakes_when_it_is_reached_and_no_sooner(void **state)
{
    struct world *w = *state;
    want(w, 0, 0, position_wanted(10));
    want(w, 1, 1, position_wanted(10));
    progress_committed(w->progress, 0, 9);
    assert_int_equal(wakes(w, 0), 0);
    progress_committed(w->progress, 0, 10);
    assert_int_equal(looked_only(w, 0), 1);
    assert_int_equal(wakes(w, 1), 0); /* another stream */
    progress_committed(w->progress, 1, 11);
    assert_int_equal(looked_only(w, 1), 1);
    want(w, 0, 0, PROGRESS_WANTS_NONE);
    progress_committed(w->progress, 0, 12);
    assert_int_equal(wakes(w, 0), 0);
}

static void proofs_and_probes_wake_when_they_are_young_enough(void **state)
{
    struct world *w = *state;
    struct progress_wants wants = PROGRESS_WANTS_NONE;
    wants.proof_ns = 1000;
    want(w, 0, 0, wants);
    wants = PROGRESS_WANTS_NONE;
    wants.probe_ns = 1000;
    want(w, 1, 0, wants);
    progress_proved(w->progress, 0, INT64_MIN, INT64_MIN);
    progress_proved(w->progress, 0, 999, 999);
    progress_proved(w->progress, 1, 2000, 2000);
    assert_int_equal(wakes(w, 0) + wakes(w, 1), 0);
    progress_proved(w->progress, 0, 999, 1000);
    assert_int_equal(wakes(w, 0), 0);
    assert_int_equal(looked_only(w, 1), 1);
    progress_proved(w->progress, 0, 1000, 999);
    assert_int_equal(looked_only(w, 0), 1);
    assert_int_equal(wakes(w, 1), 0);
}

static void a_loop_is_woken_once_until_it_has_looked(void **state)
{
    struct world *w = *state;
    want(w, 0, 0, position_wanted(1));
    for (uint64_t position = 1; position <= 100; position++)
        progress_committed(w->progress, 0, position);
    assert_int_equal(looked_only(w, 0), 1);
    progress_committed(w->progress, 0, 101);
    assert_int_equal(looked_only(w, 0), 1);
}

static void an_entity_wakes_those_who_want_it_and_no_others(void **state)
{
    struct world *w = *state;
    size_t count = 0;
    bool all = true;
    assert_false(progress_entities_wanted(w->progress));
    progress_want_entity(w->loops[0], 7);
    assert_true(progress_entities_wanted(w->progress));
    commit(w, 8);
    assert_int_equal(wakes(w, 0), 0);
    commit(w, 7);
    assert_int_equal(wakes(w, 1), 0);
    assert_int_equal(looked(w, 0, &count, &all), 1);
    assert_int_equal(count, 1);
    assert_int_equal(changed_entities[0], 7);
    assert_false(all);
    assert_int_equal(looked(w, 0, &count, &all), 0);
    assert_int_equal(count, 0);
    progress_unwant_entity(w->loops[0], 7);
    assert_false(progress_entities_wanted(w->progress));
    progress_entity_changed(w->progress, 7);
    progress_committed(w->progress, 0, 1);
    assert_int_equal(wakes(w, 0), 0);
}

static void an_entity_counts_until_the_last_has_stopped_wanting_it(void **state)
{
    struct world *w = *state;
    progress_want_entity(w->loops[0], 7);
    progress_want_entity(w->loops[0], 7);
    progress_want_entity(w->loops[1], 7);
    progress_unwant_entity(w->loops[0], 7);
    commit(w, 7);
    assert_int_equal(looked_only(w, 0), 1);
    assert_int_equal(looked_only(w, 1), 1);
    progress_unwant_entity(w->loops[0], 7);
    commit(w, 7);
    assert_int_equal(looked_only(w, 0), 0);
    assert_int_equal(looked_only(w, 1), 1);
    progress_unwant_entity(w->loops[1], 7);
}

static void entities_that_share_a_slot_wake_rather_than_miss(void **state)
{
    struct world *w = *state;
    size_t count = 0;
    bool all = false;
    progress_want_entity(w->loops[0], 7);
    progress_want_entity(w->loops[0], 7 + PROGRESS_ENTITY_SLOTS);
    progress_unwant_entity(w->loops[0], 7);
    commit(w, 7 + PROGRESS_ENTITY_SLOTS);
    assert_int_equal(looked(w, 0, &count, &all), 1);
    assert_int_equal(changed_entities[0], 7 + PROGRESS_ENTITY_SLOTS);
    progress_unwant_entity(w->loops[0], 7 + PROGRESS_ENTITY_SLOTS);
}

static void an_entity_wakes_only_behind_its_commit(void **state)
{
    struct world *w = *state;
    progress_want_entity(w->loops[0], 7);
    progress_entity_changed(w->progress, 7);
    assert_int_equal(wakes(w, 0), 0);
    progress_committed(w->progress, 0, 1);
    assert_int_equal(looked_only(w, 0), 1);
    progress_unwant_entity(w->loops[0], 7);
}

static void mail_that_overflows_says_look_at_all(void **state)
{
    struct world *w = *state;
    size_t count = 0;
    bool all = true;
    for (size_t beyond = 0; beyond <= 1; beyond++) {
        progress_want_entity(w->loops[0], 7);
        for (size_t i = 0; i < PROGRESS_CHANGED_ENTITIES_MAX + beyond; i++)
            progress_entity_changed(w->progress, 7);
        progress_committed(w->progress, 0, 1);
        assert_int_equal(looked(w, 0, &count, &all), 1);
        assert_int_equal(count, PROGRESS_CHANGED_ENTITIES_MAX);
        assert_int_equal(all, beyond == 1);
        (void)looked(w, 0, &count, &all);
        assert_int_equal(count, 0);
        assert_false(all);
        progress_unwant_entity(w->loops[0], 7);
    }
}

static void another_incarnation_lets_every_loop_look_at_all(void **state)
{
    struct world *w = *state;
    size_t count = 0;
    progress_changed(w->progress);
    for (size_t i = 0; i < 2; i++) {
        bool all = false;
        assert_int_equal(looked(w, i, &count, &all), 1);
        assert_true(all);
    }
}

static void names_differ_by_collection_and_id(void **state)
{
    struct world *w = *state;
    const struct progress *p = w->progress;
    struct slice a = SLICE_LITERAL("a");
    struct slice ab = SLICE_LITERAL("ab");
    struct slice b = SLICE_LITERAL("b");
    struct slice bc = SLICE_LITERAL("bc");
    struct slice c = SLICE_LITERAL("c");
    assert_true(progress_entity(p, a, b) == progress_entity(p, a, b));
    assert_true(progress_entity(p, a, b) != progress_entity(p, b, a));
    assert_true(progress_entity(p, ab, c) != progress_entity(p, a, bc));
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static void a_probe_that_will_hardly_be_needed_is_sent_later(void **state)
{
    struct world *w = *state;
    struct progress_wants wants = PROGRESS_WANTS_NONE;
    int called = 0;
    progress_on_probe_wanted(w->progress, 0, count_call, &called);
    wants.probe_ns = 1000;
    wants.probe_newest_ns = 2000;
    wants.probe_patient = true;
    want(w, 0, 0, wants);
    assert_int_equal(called, 1);
    assert_true(progress_probe_at(w->progress, 0, 999) == 1000 + PROGRESS_PATIENCE_NS);
    assert_true(progress_probe_at(w->progress, 0, 1000) == 2000 + PROGRESS_PATIENCE_NS); /* the first was helped */
    assert_true(progress_probe_at(w->progress, 0, 2000) == INT64_MAX);
    /* Who looks by then need not be notified; of what is wanted earlier he must be. */
    progress_probe_looks(w->progress, 0, 1000 + PROGRESS_PATIENCE_NS);
    want(w, 0, 0, wants);
    assert_int_equal(called, 1);
    wants.probe_ns = 999;
    want(w, 0, 0, wants);
    assert_int_equal(called, 2);
    wants.probe_patient = false;
    want(w, 1, 0, wants);
    assert_int_equal(called, 3);
    assert_true(progress_probe_at(w->progress, 0, 0) == INT64_MIN); /* one of two loops */
    want(w, 1, 0, PROGRESS_WANTS_NONE);
    wants.probe_ns = 1000;
    wants.probe_patient = true;
    want(w, 0, 0, wants);
    assert_int_equal(called, 4); /* nobody has said since when he looks */
    want(w, 0, 0, PROGRESS_WANTS_NONE);
    progress_on_probe_wanted(w->progress, 0, NULL, NULL);
}

static void probes_are_asked_for_while_somebody_wants_a_newer_one(void **state)
{
    struct world *w = *state;
    struct progress_wants wants = PROGRESS_WANTS_NONE;
    int called = 0;
    progress_on_probe_wanted(w->progress, 0, count_call, &called);
    want(w, 0, 0, position_wanted(5));
    assert_int_equal(called, 0); /* no probe helps */
    assert_true(progress_probe_at(w->progress, 0, INT64_MIN) == INT64_MAX);
    wants.probe_ns = 1000;
    wants.probe_newest_ns = 2000;
    want(w, 0, 0, wants);
    assert_int_equal(called, 1);
    want(w, 1, 1, wants);
    assert_int_equal(called, 1); /* another stream's listener */
    assert_true(progress_probe_at(w->progress, 0, 1999) < INT64_MAX);
    assert_true(progress_probe_at(w->progress, 0, 2000) == INT64_MAX);
    assert_true(progress_probe_at(w->progress, 0, 0) == INT64_MIN); /* at once */
    want(w, 0, 0, PROGRESS_WANTS_NONE);
    assert_true(progress_probe_at(w->progress, 0, 1999) == INT64_MAX);
    progress_on_probe_wanted(w->progress, 0, NULL, NULL);
    want(w, 0, 0, wants);
    assert_int_equal(called, 1);
}

static void who_has_left_is_not_woken(void **state)
{
    struct world *w = *state;
    want(w, 0, 0, position_wanted(1));
    want(w, 1, 0, position_wanted(1));
    progress_leave(w->loops[0]);
    progress_committed(w->progress, 0, 1);
    assert_int_equal(wakes(w, 0), 0);
    assert_int_equal(looked_only(w, 1), 1);
    ASSERT_OK(progress_join(w->progress, w->wake_fds[0], &w->loops[0], &err));
    progress_committed(w->progress, 0, 2);
    assert_int_equal(wakes(w, 0), 0); /* its interest went with it */
}

/* ---- two threads ---- */

#define ROUNDS 20000
#define LOST_MS 5000 /* a wake-up that takes so long is lost */

enum wish { WISH_POSITION, WISH_ENTITY, WISH_PROOF };
#define WISHES 3

/* `committed` is what is stored: the writing side adds one to it and tells, and goes on when the loop has seen that. */
struct race {
    struct world *world;
    enum wish wish;
    atomic_uint_fast64_t committed;
    atomic_uint_fast64_t seen;
    atomic_bool lost;
};

static void tell(struct race *r, uint64_t now)
{
    struct progress *p = r->world->progress;
    if (r->wish == WISH_POSITION) {
        progress_committed(p, 0, now);
    } else if (r->wish == WISH_PROOF) {
        progress_proved(p, 0, (int64_t)now, INT64_MIN);
    } else {
        if (progress_entities_wanted(p))
            progress_entity_changed(p, 7);
        progress_committed(p, 1, 1);
    }
}

static void *writing(void *context)
{
    struct race *r = context;
    for (uint64_t now = 1; now <= ROUNDS; now++) {
        /* When the loop has seen the last one, and sometimes a little later: so the two meet anywhere. */
        while (atomic_load_explicit(&r->seen, memory_order_acquire) + 1 < now && !atomic_load(&r->lost))
            (void)sched_yield();
        for (volatile uint64_t pause = now % 64 * (now % 7); pause > 0; pause--) {
        }
        if (r->wish == WISH_ENTITY)
            progress_committed(r->world->progress, 0, 1); /* the loop looks because of something else just then */
        atomic_store_explicit(&r->committed, now, memory_order_relaxed); /* the order is progress's to keep */
        tell(r, now);
    }
    return NULL;
}

static void register_interest(struct race *r, uint64_t wanted)
{
    struct progress_wants wants = PROGRESS_WANTS_NONE;
    if (r->wish == WISH_ENTITY)
        progress_want_entity(r->world->loops[0], 7);
    if (r->wish == WISH_PROOF)
        wants.proof_ns = (int64_t)wanted;
    else
        wants.position = r->wish == WISH_POSITION ? wanted : 0;
    progress_want(r->world->loops[0], 0, &wants);
}

/* Look; then sleep until woken and look once more, until what is wanted is committed. Who waits for an entity looks
 * only when its name is among the changed entities. False: nobody woke us. */
static bool wait_for(struct race *r, uint64_t wanted)
{
    struct pollfd poll_fd = {.fd = r->world->wake_fds[0], .events = POLLIN};
    while (atomic_load_explicit(&r->committed, memory_order_relaxed) < wanted) {
        size_t entities_count = 0;
        bool all = false;
        do {
            if (poll(&poll_fd, 1, LOST_MS) != 1)
                return false;
            (void)looked(r->world, 0, &entities_count, &all);
        } while (r->wish == WISH_ENTITY && entities_count == 0);
    }
    return true;
}

static void no_wake_up_is_lost(void **state)
{
    struct world *w = *state;
    for (unsigned wish = 0; wish < WISHES; wish++) {
        struct race r = {.world = w, .wish = (enum wish)wish};
        pthread_t writer;
        assert_int_equal(pthread_create(&writer, NULL, writing, &r), 0);
        for (uint64_t wanted = 1; wanted <= ROUNDS && !atomic_load(&r.lost); wanted++) {
            register_interest(&r, wanted);
            if (!wait_for(&r, wanted))
                atomic_store(&r.lost, true);
            if (r.wish == WISH_ENTITY)
                progress_unwant_entity(w->loops[0], 7);
            atomic_store_explicit(&r.seen, wanted, memory_order_release);
        }
        assert_int_equal(pthread_join(writer, NULL), 0);
        assert_false(atomic_load(&r.lost));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_wants_nothing_is_never_woken),
        TEST(a_position_wakes_when_it_is_reached_and_no_sooner),
        TEST(proofs_and_probes_wake_when_they_are_young_enough),
        TEST(a_loop_is_woken_once_until_it_has_looked),
        TEST(an_entity_wakes_those_who_want_it_and_no_others),
        TEST(an_entity_counts_until_the_last_has_stopped_wanting_it),
        TEST(entities_that_share_a_slot_wake_rather_than_miss),
        TEST(an_entity_wakes_only_behind_its_commit),
        TEST(mail_that_overflows_says_look_at_all),
        TEST(another_incarnation_lets_every_loop_look_at_all),
        TEST(names_differ_by_collection_and_id),
        TEST(probes_are_asked_for_while_somebody_wants_a_newer_one),
        TEST(a_probe_that_will_hardly_be_needed_is_sent_later),
        TEST(who_has_left_is_not_woken),
        TEST(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
