/* The parked reads of one loop: found when they are helped, in order, and nothing is left over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/wait/parked_reads.h"

#define STREAMS 3
#define READS 600    /* of the random test */
#define STEPS 20000

static struct sg_error err;

#define ASSERT_OK(call) assert_int_equal((call), SG_OK)

struct yard {
    struct progress *progress;
    int wake_fd;
    struct progress_loop *loop;
    struct parked_reads *parked_reads;
    uint64_t random;
    struct parked_read reads[READS];
};

static uint64_t changed_entities[PROGRESS_CHANGED_ENTITIES_MAX];

static int setup(void **state)
{
    struct yard *y = calloc(1, sizeof *y);
    assert_non_null(y);
    y->random = 88172645463325252u;
    y->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(y->wake_fd >= 0);
    ASSERT_OK(progress_create(STREAMS, &y->progress, &err));
    ASSERT_OK(progress_join(y->progress, y->wake_fd, &y->loop, &err));
    ASSERT_OK(parked_reads_create(y->loop, STREAMS, &y->parked_reads, &err));
    *state = y;
    return 0;
}

static int teardown(void **state)
{
    struct yard *y = *state;
    assert_int_equal(parked_reads_count(y->parked_reads), 0);
    assert_int_equal(parked_reads_next_deadline_ns(y->parked_reads), INT64_MAX);
    assert_null(parked_reads_any(y->parked_reads));
    assert_null(parked_reads_take_unchecked(y->parked_reads));
    assert_false(progress_entities_wanted(y->progress));
    for (size_t i = 0; i < STREAMS; i++)
        assert_false(parked_reads_wants_stream(y->parked_reads, i));
    parked_reads_destroy(y->parked_reads);
    progress_leave(y->loop);
    progress_destroy(y->progress);
    (void)close(y->wake_fd);
    free(y);
    return 0;
}

static uint64_t below(struct yard *y, uint64_t limit)
{
    y->random ^= y->random << 13;
    y->random ^= y->random >> 7;
    y->random ^= y->random << 17;
    return y->random % limit;
}

static struct parked_read *add(struct yard *y, size_t i, struct wants wants, int64_t deadline_ns)
{
    struct parked_read *read = &y->reads[i];
    read->wants = wants;
    read->deadline_ns = deadline_ns;
    ASSERT_OK(parked_reads_add(y->parked_reads, read, &err));
    return read;
}

/* The loop was woken, and has looked. */
static bool woken(struct yard *y)
{
    uint64_t count = 0;
    bool all = false;
    bool written = read(y->wake_fd, &count, sizeof count) == (ssize_t)sizeof count;
    assert_true(!written || count == 1);
    (void)progress_take(y->loop, changed_entities, &all);
    return written;
}

/* ---- against a naive list ---- */

static struct wants random_wants(struct yard *y)
{
    uint64_t probes = below(y, 3) == 0 ? below(y, 1u << STREAMS) : 0;
    return (struct wants){
        .entity = below(y, 2) == 0,
        .entity_name = below(y, 50),
        .position = below(y, 2) == 0,
        .position_stream = below(y, STREAMS),
        .position_sequence = below(y, 100),
        .proofs = below(y, 3) == 0 ? below(y, 1u << STREAMS) : 0,
        .proof_ns = (int64_t)below(y, 120) - 20,
        .probes = probes,
        .probe_ns = (int64_t)below(y, 120) - 20,
        .recent = below(y, 3) == 0 ? below(y, 1u << STREAMS) & ~probes : 0,
        .recent_ns = (int64_t)below(y, 120) - 20,
    };
}

/* A time before the boot is met by any. */
static bool time_met(int64_t wanted_ns, int64_t ns)
{
    return ns != INT64_MIN && wanted_ns <= (ns > 0 ? ns : 0);
}

static bool is_helped(const struct parked_read *r, size_t stream, const struct parked_reads_facts *f)
{
    const struct wants *w = &r->wants;
    return (w->position && w->position_stream == stream && w->position_sequence <= f->position) ||
           ((w->proofs & wants_bit(stream)) != 0 && time_met(w->proof_ns, f->proof_ns)) ||
           ((w->probes & wants_bit(stream)) != 0 && time_met(w->probe_ns, f->probe_ns)) ||
           ((w->recent & wants_bit(stream)) != 0 && time_met(w->recent_ns, f->probe_ns));
}

static size_t helped_count(const struct yard *y, size_t stream, const struct parked_reads_facts *facts)
{
    size_t count = 0;
    for (size_t i = 0; i < READS; i++)
        count += y->reads[i].in_heaps && is_helped(&y->reads[i], stream, facts);
    return count;
}

static void take_all_helped(struct yard *y)
{
    size_t stream = below(y, STREAMS);
    struct parked_reads_facts facts = {
        .position = below(y, 30),
        .proof_ns = below(y, 2) == 0 ? INT64_MIN : (int64_t)below(y, 10),
        .probe_ns = below(y, 2) == 0 ? INT64_MIN : (int64_t)below(y, 10),
    };
    struct parked_read *read = NULL;
    size_t expected = helped_count(y, stream, &facts);
    while ((read = parked_reads_helped(y->parked_reads, stream, &facts)) != NULL) {
        assert_true(expected > 0);
        assert_true(read->in_heaps);
        assert_true(is_helped(read, stream, &facts));
        parked_reads_remove(y->parked_reads, read);
        expected--;
    }
    assert_int_equal(expected, 0);
}

static void take_all_overdue(struct yard *y)
{
    int64_t now_ns = (int64_t)below(y, 100);
    int64_t last_ns = 0;
    struct parked_read *read = NULL;
    while ((read = parked_reads_overdue(y->parked_reads, now_ns)) != NULL) {
        assert_true(read->deadline_ns <= now_ns);
        assert_true(read->deadline_ns >= last_ns); /* the longest overdue comes first */
        last_ns = read->deadline_ns;
        parked_reads_remove(y->parked_reads, read);
    }
    for (size_t i = 0; i < READS; i++)
        assert_true(!y->reads[i].in_heaps || y->reads[i].deadline_ns > now_ns);
}

static void remove_found(void *context, struct parked_read *read)
{
    struct yard *y = context;
    parked_reads_remove(y->parked_reads, read);
}

static void take_all_of_an_entity(struct yard *y)
{
    uint64_t entity = below(y, 60);
    size_t others = 0;
    for (size_t i = 0; i < READS; i++)
        others += y->reads[i].in_heaps && !(y->reads[i].wants.entity && y->reads[i].wants.entity_name == entity);
    parked_reads_each_entity(y->parked_reads, entity, remove_found, y);
    assert_int_equal(parked_reads_count(y->parked_reads), others);
    for (size_t i = 0; i < READS; i++)
        assert_true(!y->reads[i].in_heaps || !y->reads[i].wants.entity || y->reads[i].wants.entity_name != entity);
}

static void assert_same(struct yard *y)
{
    size_t count = 0;
    int64_t deadline_ns = INT64_MAX;
    bool wants_stream[STREAMS] = {false};
    for (size_t i = 0; i < READS; i++) {
        const struct parked_read *r = &y->reads[i];
        if (!r->in_heaps)
            continue;
        count++;
        if (r->deadline_ns < deadline_ns)
            deadline_ns = r->deadline_ns;
        wants_stream[r->wants.position_stream] |= r->wants.position;
        for (size_t k = 0; k < STREAMS; k++)
            wants_stream[k] |= ((r->wants.proofs | r->wants.probes | r->wants.recent) & wants_bit(k)) != 0;
    }
    assert_int_equal(parked_reads_count(y->parked_reads), count);
    assert_int_equal(parked_reads_next_deadline_ns(y->parked_reads), deadline_ns);
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(parked_reads_wants_stream(y->parked_reads, i), wants_stream[i]);
}

/* The smallest that is parked is what interest is registered in: just below it nobody is woken, there the loop is. */
static void assert_published(struct yard *y)
{
    parked_reads_publish(y->parked_reads);
    for (size_t stream = 0; stream < STREAMS; stream++) {
        uint64_t first = UINT64_MAX;
        for (size_t i = 0; i < READS; i++) {
            const struct parked_read *r = &y->reads[i];
            if (r->in_heaps && r->wants.position && r->wants.position_stream == stream &&
                r->wants.position_sequence < first)
                first = r->wants.position_sequence;
        }
        (void)woken(y);
        progress_committed(y->progress, stream, first == UINT64_MAX ? INT64_MAX : first);
        assert_int_equal(woken(y), first != UINT64_MAX);
        if (first > 0) {
            progress_committed(y->progress, stream, first == UINT64_MAX ? 0 : first - 1);
            assert_false(woken(y));
        }
    }
}

static void helped_and_overdue_agree_with_a_naive_list(void **state)
{
    struct yard *y = *state;
    for (size_t step = 0; step < STEPS; step++) {
        struct parked_read *read = &y->reads[below(y, READS)];
        switch (below(y, 64)) {
        case 0: take_all_helped(y); break;
        case 1: take_all_overdue(y); break;
        case 2: take_all_of_an_entity(y); break;
        case 3: assert_same(y); break;
        case 4: assert_published(y); break;
        default:
            if (read->in_heaps)
                parked_reads_remove(y->parked_reads, read);
            else
                (void)add(y, (size_t)(read - y->reads), random_wants(y), (int64_t)below(y, 1000));
        }
    }
    for (size_t i = 0; i < READS; i++)
        parked_reads_remove(y->parked_reads, &y->reads[i]);
    assert_published(y);
}

static void deadlines_come_in_order(void **state)
{
    struct yard *y = *state;
    int64_t last_ns = 0;
    struct parked_read *read = NULL;
    for (size_t i = 0; i < READS; i++)
        (void)add(y, i, (struct wants){0}, (int64_t)below(y, 10000) + 1);
    while ((read = parked_reads_any(y->parked_reads)) != NULL) {
        assert_int_equal(parked_reads_next_deadline_ns(y->parked_reads), read->deadline_ns);
        assert_null(parked_reads_overdue(y->parked_reads, read->deadline_ns - 1));
        assert_ptr_equal(parked_reads_overdue(y->parked_reads, read->deadline_ns), read);
        assert_true(read->deadline_ns >= last_ns);
        last_ns = read->deadline_ns;
        parked_reads_remove(y->parked_reads, read);
    }
}

/* ---- chains ---- */

static void count_found(void *context, struct parked_read *read)
{
    (void)read;
    ++*(size_t *)context;
}

static void entities_are_found_however_many_are_parked(void **state)
{
    const size_t reads_count = 20000; /* the chains are doubled several times */
    struct yard *y = *state;
    struct parked_read *reads = calloc(reads_count, sizeof *reads);
    size_t found = 0;
    assert_non_null(reads);
    for (size_t i = 0; i < reads_count; i++) {
        /* All in one chain, until it has been doubled. */
        reads[i].wants = (struct wants){.entity = true, .entity_name = i / 2 * 1024};
        ASSERT_OK(parked_reads_add(y->parked_reads, &reads[i], &err));
    }
    for (size_t i = 0; i < reads_count; i += 1001) {
        found = 0;
        parked_reads_each_entity(y->parked_reads, reads[i].wants.entity_name, count_found, &found);
        assert_int_equal(found, 2);
    }
    found = 0;
    parked_reads_each_entity(y->parked_reads, 1, count_found, &found);
    assert_int_equal(found, 0);
    assert_int_equal(parked_reads_count(y->parked_reads), reads_count);
    for (size_t i = 0; i < reads_count; i++)
        parked_reads_remove(y->parked_reads, &reads[i]);
    free(reads);
}

/* ---- interest ---- */

static void a_commit_wakes_once_word_is_left(void **state)
{
    struct yard *y = *state;
    struct wants wants = {.position = true, .position_stream = 1, .position_sequence = 10};
    struct parked_read *read = add(y, 0, wants, 1);
    progress_committed(y->progress, 1, 10);
    assert_false(woken(y));
    parked_reads_publish(y->parked_reads);
    progress_committed(y->progress, 1, 9);
    progress_committed(y->progress, 0, 10);
    assert_false(woken(y));
    progress_committed(y->progress, 1, 10);
    assert_true(woken(y));
    parked_reads_remove(y->parked_reads, read);
    parked_reads_publish(y->parked_reads);
    progress_committed(y->progress, 1, 10);
    assert_false(woken(y));
}

static void a_proof_or_a_probe_wakes_who_wants_it(void **state)
{
    struct yard *y = *state;
    struct parked_read *proof = add(y, 0, (struct wants){.proofs = wants_bit(0), .proof_ns = 100}, 1);
    struct parked_read *probe = add(y, 1, (struct wants){.probes = wants_bit(2), .probe_ns = 100}, 1);
    parked_reads_publish(y->parked_reads);
    progress_proved(y->progress, 0, 99, 100);
    progress_proved(y->progress, 2, 100, 99);
    assert_false(woken(y));
    progress_proved(y->progress, 0, 100, 100);
    assert_true(woken(y));
    progress_proved(y->progress, 2, 99, 100);
    assert_true(woken(y));
    parked_reads_remove(y->parked_reads, proof);
    parked_reads_remove(y->parked_reads, probe);
    parked_reads_publish(y->parked_reads);
    progress_proved(y->progress, 0, 100, 100);
    progress_proved(y->progress, 2, 100, 100);
    assert_false(woken(y));
}

static void an_entity_needs_no_publishing(void **state)
{
    struct yard *y = *state;
    struct parked_read *read = add(y, 0, (struct wants){.entity = true, .entity_name = 7}, 1);
    assert_true(progress_entities_wanted(y->progress));
    progress_entity_changed(y->progress, 8);
    progress_committed(y->progress, 0, 1);
    assert_false(woken(y));
    progress_entity_changed(y->progress, 7);
    progress_committed(y->progress, 0, 1);
    assert_true(woken(y));
    parked_reads_remove(y->parked_reads, read);
}

static void probes_are_wanted_as_young_as_the_youngest_read(void **state)
{
    struct yard *y = *state;
    struct parked_read *older = add(y, 0, (struct wants){.proofs = wants_bit(1), .proof_ns = 100}, 1);
    struct parked_read *younger = add(y, 1, (struct wants){.probes = wants_bit(1), .probe_ns = 200}, 1);
    parked_reads_publish(y->parked_reads);
    assert_true(progress_probe_at(y->progress, 1, 199) < INT64_MAX);
    assert_true(progress_probe_at(y->progress, 1, 200) == INT64_MAX);
    assert_true(progress_probe_at(y->progress, 0, 0) == INT64_MAX);
    parked_reads_remove(y->parked_reads, younger);
    parked_reads_remove(y->parked_reads, older);
    parked_reads_publish(y->parked_reads);
    assert_true(progress_probe_at(y->progress, 1, 0) == INT64_MAX);
}

static void a_probe_is_wanted_at_once_while_one_read_cannot_wait(void **state)
{
    struct yard *y = *state;
    struct wants on_its_way = {.probes = wants_bit(1), .probe_ns = 100, .patient = wants_bit(1)};
    struct parked_read *patient = add(y, 0, on_its_way, 1);
    parked_reads_publish(y->parked_reads);
    assert_true(progress_probe_at(y->progress, 1, 0) == 100 + PROGRESS_PATIENCE_NS);
    struct parked_read *probe = add(y, 1, (struct wants){.probes = wants_bit(1), .probe_ns = 90}, 1);
    struct parked_read *proof = add(y, 2, (struct wants){.proofs = wants_bit(1), .proof_ns = 80}, 1);
    parked_reads_publish(y->parked_reads);
    assert_true(progress_probe_at(y->progress, 1, 0) == INT64_MIN);
    parked_reads_remove(y->parked_reads, probe);
    parked_reads_publish(y->parked_reads);
    assert_true(progress_probe_at(y->progress, 1, 0) == INT64_MIN);
    parked_reads_remove(y->parked_reads, proof);
    parked_reads_publish(y->parked_reads);
    assert_true(progress_probe_at(y->progress, 1, 0) == 100 + PROGRESS_PATIENCE_NS);
    parked_reads_remove(y->parked_reads, patient);
}

static void one_read_asks_all_of_its_streams_at_once(void **state)
{
    struct yard *y = *state;
    struct wants wants = {.proofs = wants_bit(0) | wants_bit(2), .proof_ns = 100, .probes = wants_bit(1),
                          .probe_ns = 100,
                          .recent = wants_bit(2), .recent_ns = 50};
    struct parked_read *read = add(y, 0, wants, 1);
    parked_reads_publish(y->parked_reads);
    for (size_t i = 0; i < STREAMS; i++)
        assert_true(progress_probe_at(y->progress, i, 99) == INT64_MIN);
    /* And whatever comes first wakes it. */
    progress_proved(y->progress, 1, 99, 100);
    assert_true(woken(y));
    progress_proved(y->progress, 2, 99, 50);
    assert_true(woken(y));
    progress_proved(y->progress, 2, 100, 49);
    assert_true(woken(y));
    for (size_t i = 0; i < STREAMS; i++) {
        const struct parked_reads_facts facts = {.proof_ns = 99, .probe_ns = i == 2 ? 50 : 100};
        assert_ptr_equal(parked_reads_helped(y->parked_reads, i, &facts), i == 0 ? NULL : read);
    }
    parked_reads_remove(y->parked_reads, read);
    parked_reads_publish(y->parked_reads);
    for (size_t i = 0; i < STREAMS; i++)
        assert_true(progress_probe_at(y->progress, i, 0) == INT64_MAX);
}

/* ---- the second check ---- */

static void each_read_is_checked_once_more_and_only_once(void **state)
{
    struct yard *y = *state;
    size_t count = 0;
    for (size_t i = 0; i < 5; i++)
        (void)add(y, i, (struct wants){0}, 1);
    parked_reads_remove(y->parked_reads, &y->reads[4]); /* the first, one between, the last of the list */
    parked_reads_remove(y->parked_reads, &y->reads[2]);
    parked_reads_remove(y->parked_reads, &y->reads[0]);
    for (struct parked_read *read = parked_reads_take_unchecked(y->parked_reads); read != NULL;
         read = read->next_unchecked) {
        assert_true(read == &y->reads[1] || read == &y->reads[3]);
        count++;
    }
    assert_int_equal(count, 2);
    assert_null(parked_reads_take_unchecked(y->parked_reads));
    parked_reads_remove(y->parked_reads, &y->reads[1]);
    parked_reads_remove(y->parked_reads, &y->reads[3]);
    parked_reads_remove(y->parked_reads, &y->reads[3]); /* once more does nothing */
}

static void wants_are_equal_only_in_all_that_matters(void **state)
{
    const struct wants base = {.entity = true,
                               .entity_name = 1,
                               .position = true,
                               .position_stream = 1,
                               .position_sequence = 1,
                               .proofs = 1,
                               .proof_ns = 1,
                               .probes = 1,
                               .probe_ns = 1,
                               .recent = 2,
                               .recent_ns = 1};
    struct wants others[12];
    (void)state;
    for (size_t i = 0; i < 12; i++)
        others[i] = base;
    others[0].entity = false;
    others[1].entity_name = 2;
    others[2].position = false;
    others[3].position_stream = 2;
    others[4].position_sequence = 2;
    others[5].proofs = 3;
    others[6].proof_ns = 2;
    others[7].probes = 5;
    others[8].probe_ns = 2;
    others[9].patient = 1;
    others[10].recent = 6;
    others[11].recent_ns = 2;
    assert_true(wants_equal(&base, &base));
    for (size_t i = 0; i < 12; i++) {
        assert_false(wants_equal(&base, &others[i]));
        assert_false(wants_equal(&others[i], &base));
    }
    struct wants none = {0};
    struct wants unset = {.entity_name = 5, .position_sequence = 5, .proof_ns = 5, .probe_ns = 5, .recent_ns = 5};
    assert_true(wants_equal(&none, &unset)); /* what is not wanted does not matter */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(helped_and_overdue_agree_with_a_naive_list),
        TEST(deadlines_come_in_order),
        TEST(entities_are_found_however_many_are_parked),
        TEST(a_commit_wakes_once_word_is_left),
        TEST(a_proof_or_a_probe_wakes_who_wants_it),
        TEST(an_entity_needs_no_publishing),
        TEST(probes_are_wanted_as_young_as_the_youngest_read),
        TEST(a_probe_is_wanted_at_once_while_one_read_cannot_wait),
        TEST(one_read_asks_all_of_its_streams_at_once),
        TEST(each_read_is_checked_once_more_and_only_once),
        TEST(wants_are_equal_only_in_all_that_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
