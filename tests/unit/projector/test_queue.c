/* projector/queue: order, bounds, generations.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/base/time.h"
#include "projector/queue.h"

#define DEADLINE_NS (10 * NS_PER_S)

static atomic_int released;

static size_t released_bytes;

static void release(void *handle, size_t bytes)
{
    free(handle);
    atomic_fetch_add(&released, 1);
    released_bytes += bytes;
}

struct fixture {
    struct notifier *notifier;
    struct queue *queue;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sg_error err;
    assert_non_null(f);
    atomic_store(&released, 0);
    released_bytes = 0;
    assert_int_equal(notifier_create(&f->notifier, &err), SG_OK);
    assert_int_equal(queue_create(f->notifier, release, &f->queue, &err), SG_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    queue_destroy(f->queue);
    notifier_destroy(f->notifier);
    free(f);
    return 0;
}

static struct queue_item item_of(uint64_t generation, uint64_t sequence, size_t bytes)
{
    struct queue_item item = {.generation = generation, .handle = malloc(1), .bytes = bytes, .cost = bytes};
    assert_non_null(item.handle);
    item.message.sequence = sequence;
    return item;
}

static bool push(struct queue *q, uint64_t generation, uint64_t sequence, size_t bytes)
{
    struct queue_item item = item_of(generation, sequence, bytes);
    bool pushed = queue_push(q, &item) == QUEUE_TAKEN;
    if (!pushed)
        free(item.handle);
    return pushed;
}

static void messages_come_out_in_order_and_are_released(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[10];
    uint64_t generation = queue_next_generation(f->queue);
    queue_verify(f->queue, generation);
    for (uint64_t i = 1; i <= 15; i++)
        assert_true(push(f->queue, generation, i, 1));
    assert_int_equal(queue_take(f->queue, items, 10, 1000), 10);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(items[i].message.sequence, i + 1);
    assert_false(queue_is_idle(f->queue));
    queue_done(f->queue, items, 10);
    assert_int_equal(queue_take(f->queue, items, 10, 1000), 5);
    assert_int_equal(items[0].message.sequence, 11);
    assert_false(queue_is_idle(f->queue)); /* taken, not done */
    queue_done(f->queue, items, 5);
    assert_true(queue_is_idle(f->queue));
    assert_int_equal(atomic_load(&released), 15);
    assert_int_equal(released_bytes, 15);
}

static void nothing_is_taken_before_its_generation_is_verified(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[1];
    uint64_t generation = queue_next_generation(f->queue);
    assert_true(push(f->queue, generation, 1, 1));
    assert_int_equal(queue_take(f->queue, items, 1, 1000), 0);
    queue_verify(f->queue, generation - 1);
    assert_int_equal(queue_take(f->queue, items, 1, 1000), 0);
    queue_verify(f->queue, generation);
    assert_int_equal(queue_take(f->queue, items, 1, 1000), 1);
    queue_done(f->queue, items, 1);
}

static void a_new_generation_voids_what_is_queued_and_what_comes_late(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[1];
    uint64_t old = queue_next_generation(f->queue);
    queue_verify(f->queue, old);
    assert_true(push(f->queue, old, 1, 1));
    uint64_t generation = queue_next_generation(f->queue);
    assert_int_equal(atomic_load(&released), 1);
    assert_false(push(f->queue, old, 2, 1));
    assert_false(queue_is_current(f->queue, old));
    assert_true(queue_is_current(f->queue, generation));
    queue_verify(f->queue, old);
    assert_true(push(f->queue, generation, 3, 1));
    assert_int_equal(queue_take(f->queue, items, 1, 1000), 0);
    queue_verify(f->queue, generation);
    assert_int_equal(queue_take(f->queue, items, 1, 1000), 1);
    assert_int_equal(items[0].message.sequence, 3);
    queue_done(f->queue, items, 1);
}

static void a_batch_is_bounded_in_bytes_but_never_empty(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[8];
    uint64_t generation = queue_next_generation(f->queue);
    queue_verify(f->queue, generation);
    assert_true(push(f->queue, generation, 1, 5000));
    assert_true(push(f->queue, generation, 2, 400));
    assert_true(push(f->queue, generation, 3, 600));
    assert_true(push(f->queue, generation, 4, 1));
    assert_int_equal(queue_take(f->queue, items, 8, 1000), 1);
    queue_done(f->queue, items, 1);
    assert_int_equal(queue_take(f->queue, items, 8, 1000), 2);
    queue_done(f->queue, items, 2);
    assert_int_equal(queue_take(f->queue, items, 8, 1000), 1);
    queue_done(f->queue, items, 1);
}

/* A pusher as the connection's loop is one: what is turned away is kept, and pushed again when there is room. */
struct pusher {
    struct queue *queue;
    struct notifier *room;
    struct queue_item item;
    atomic_int result; /* -1 = turned away so far */
};

static void on_room(void *context)
{
    struct pusher *p = context;
    notifier_notify(p->room);
}

static void *pusher_run(void *argument)
{
    struct pusher *p = argument;
    enum queue_result result = queue_push(p->queue, &p->item);
    while (result == QUEUE_FULL) {
        notifier_wait(p->room, INT64_MAX);
        result = queue_push(p->queue, &p->item);
    }
    if (result == QUEUE_VOID)
        free(p->item.handle);
    atomic_store(&p->result, result == QUEUE_TAKEN ? 1 : 0);
    return NULL;
}

static void pusher_begin(struct pusher *p, struct queue *q, uint64_t generation, pthread_t *thread)
{
    struct sg_error err;
    *p = (struct pusher){.queue = q, .item = item_of(generation, 1, 1), .result = -1};
    assert_int_equal(notifier_create(&p->room, &err), SG_OK);
    queue_on_room(q, on_room, p);
    assert_int_equal(pthread_create(thread, NULL, pusher_run, p), 0);
}

static int pusher_end(struct pusher *p, pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
    queue_on_room(p->queue, NULL, NULL);
    notifier_destroy(p->room);
    return atomic_load(&p->result);
}

static void wait_until_full(struct queue *q)
{
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    while (!queue_is_full(q)) {
        assert_true(time_boot_ns() < deadline_ns);
        (void)usleep(1000);
    }
}

/* Fill up to the limit in items: the last fits, one more waits, and goes on when there is room. */
static void a_full_queue_turns_away_until_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[1];
    pthread_t thread;
    struct pusher pusher;
    uint64_t generation = queue_next_generation(f->queue);
    queue_verify(f->queue, generation);
    for (uint64_t i = 1; i <= QUEUE_ITEMS_MAX; i++)
        assert_true(push(f->queue, generation, i, 1));
    assert_false(queue_is_full(f->queue));
    pusher_begin(&pusher, f->queue, generation, &thread);
    wait_until_full(f->queue);
    assert_int_equal(atomic_load(&pusher.result), -1);
    assert_int_equal(queue_take(f->queue, items, 1, 1000), 1);
    queue_done(f->queue, items, 1);
    assert_int_equal(pusher_end(&pusher, thread), 1);
    assert_false(queue_is_full(f->queue));
}

static void bytes_are_bounded_too_and_a_new_generation_frees_who_waits(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    struct pusher pusher;
    uint64_t generation = queue_next_generation(f->queue);
    assert_true(push(f->queue, generation, 1, QUEUE_BYTES_MAX - 1));
    assert_true(push(f->queue, generation, 2, 1));
    pusher_begin(&pusher, f->queue, generation, &thread);
    wait_until_full(f->queue);
    assert_int_equal(atomic_load(&pusher.result), -1);
    (void)queue_next_generation(f->queue);
    assert_int_equal(pusher_end(&pusher, thread), 0);
    assert_false(queue_is_full(f->queue));
}

/* Who was turned away has not gone: nothing may move the position past its message. */
static void a_queue_that_turned_a_message_away_is_not_idle(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[2];
    uint64_t generation = queue_next_generation(f->queue);
    struct queue_item late = item_of(generation, 2, 1);
    queue_verify(f->queue, generation);
    assert_true(push(f->queue, generation, 1, QUEUE_BYTES_MAX));
    assert_int_equal(queue_push(f->queue, &late), QUEUE_FULL);
    assert_int_equal(queue_take(f->queue, items, 2, 1000), 1);
    queue_done(f->queue, items, 1);
    assert_false(queue_is_idle(f->queue));
    assert_int_equal(queue_push(f->queue, &late), QUEUE_TAKEN);
    assert_int_equal(queue_take(f->queue, items, 2, 1000), 1);
    assert_int_equal(items[0].message.sequence, 2);
    queue_done(f->queue, items, 1);
    assert_true(queue_is_idle(f->queue));
}

/* A batch that cannot be stored holds its messages. */
static void what_was_taken_counts_until_it_is_done(void **state)
{
    struct fixture *f = *state;
    struct queue_item items[2];
    atomic_uint_fast64_t bytes = 0;
    uint64_t generation = queue_next_generation(f->queue);
    struct queue_item late = item_of(generation, 3, 1);
    queue_count_bytes(f->queue, &bytes);
    queue_verify(f->queue, generation);
    assert_true(push(f->queue, generation, 1, QUEUE_BYTES_MAX - 10));
    assert_true(push(f->queue, generation, 2, 10));
    assert_int_equal(queue_take(f->queue, items, 2, QUEUE_BYTES_MAX), 2);
    assert_int_equal(queue_push(f->queue, &late), QUEUE_FULL);
    queue_waiting(f->queue, 7);
    assert_int_equal(atomic_load(&bytes), QUEUE_BYTES_MAX + 7);
    queue_done(f->queue, &items[0], 1);
    assert_int_equal(atomic_load(&bytes), 10 + 7);
    assert_int_equal(queue_push(f->queue, &late), QUEUE_TAKEN);
    queue_waiting(f->queue, 0);
    assert_int_equal(atomic_load(&bytes), 11);
    (void)queue_next_generation(f->queue); /* what was taken of the last one is still held */
    assert_int_equal(atomic_load(&bytes), 10);
    queue_done(f->queue, &items[1], 1);
    assert_int_equal(atomic_load(&bytes), 0);
    queue_count_bytes(f->queue, NULL);
}

static void it_is_the_cost_that_is_bounded(void **state)
{
    struct fixture *f = *state;
    uint64_t generation = queue_next_generation(f->queue);
    struct queue_item item = item_of(generation, 1, 1);
    item.cost = QUEUE_BYTES_MAX;
    assert_int_equal(queue_push(f->queue, &item), QUEUE_TAKEN);
    item = item_of(generation, 2, 1);
    assert_int_equal(queue_push(f->queue, &item), QUEUE_FULL);
    free(item.handle);
}

static void a_message_larger_than_the_bound_fits_an_empty_queue(void **state)
{
    struct fixture *f = *state;
    uint64_t generation = queue_next_generation(f->queue);
    assert_true(push(f->queue, generation, 1, QUEUE_BYTES_MAX + 1));
}

static void a_push_notifies_and_a_wait_ends_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    uint64_t generation = queue_next_generation(f->queue);
    queue_verify(f->queue, generation);
    notifier_wait(f->notifier, 0); /* forget that */
    int64_t before_ns = time_boot_ns();
    notifier_wait(f->notifier, before_ns + 20 * NS_PER_MS);
    assert_true(time_boot_ns() >= before_ns + 20 * NS_PER_MS);
    assert_true(push(f->queue, generation, 1, 1));
    before_ns = time_boot_ns();
    notifier_wait(f->notifier, before_ns + DEADLINE_NS);
    assert_true(time_boot_ns() < before_ns + DEADLINE_NS);
}

/* What queue_on_few() is given: takes all, or cannot. */
struct few {
    struct queue *queue;
    bool can;
    size_t calls;
    size_t taken;
};

static bool apply_few(void *context)
{
    struct few *few = context;
    struct queue_item items[QUEUE_FEW_ITEMS + 1];
    few->calls++;
    if (!few->can)
        return false;
    size_t count = queue_take(few->queue, items, QUEUE_FEW_ITEMS + 1, QUEUE_BYTES_MAX);
    queue_done(few->queue, items, count);
    few->taken += count;
    return true;
}

static bool is_notified(struct fixture *f)
{
    int64_t before_ns = time_boot_ns();
    notifier_wait(f->notifier, before_ns + 20 * NS_PER_MS);
    return time_boot_ns() < before_ns + 20 * NS_PER_MS;
}

/* At the limit they are the pusher's own; nobody is woken. One more, and the other thread has them. */
static void a_few_messages_are_left_to_who_pushed_them(void **state)
{
    struct fixture *f = *state;
    struct few few = {.queue = f->queue, .can = true};
    uint64_t generation = queue_next_generation(f->queue);
    queue_on_few(f->queue, apply_few, &few);
    queue_verify(f->queue, generation);
    notifier_wait(f->notifier, 0); /* forget that */
    for (uint64_t i = 1; i <= QUEUE_FEW_ITEMS; i++)
        assert_true(push(f->queue, generation, i, 1));
    assert_int_equal(few.calls, 0);
    queue_pushed(f->queue);
    assert_int_equal(few.taken, QUEUE_FEW_ITEMS);
    queue_pushed(f->queue); /* nothing more */
    assert_int_equal(few.calls, 1);
    assert_false(is_notified(f));
    for (uint64_t i = 1; i <= QUEUE_FEW_ITEMS + 1; i++)
        assert_true(push(f->queue, generation, i, 1));
    assert_true(is_notified(f));
    queue_pushed(f->queue);
    assert_int_equal(few.calls, 1);
}

static void what_the_pusher_cannot_apply_is_notified(void **state)
{
    struct fixture *f = *state;
    struct few few = {.queue = f->queue};
    uint64_t generation = queue_next_generation(f->queue);
    queue_on_few(f->queue, apply_few, &few);
    assert_true(push(f->queue, generation, 1, 1));
    queue_pushed(f->queue);
    assert_int_equal(few.calls, 0); /* not verified */
    assert_false(is_notified(f));
    queue_verify(f->queue, generation);
    assert_true(is_notified(f));
    (void)queue_next_generation(f->queue);
    queue_verify(f->queue, generation + 1);
    notifier_wait(f->notifier, 0); /* forget that */
    assert_true(push(f->queue, generation + 1, 1, 1));
    queue_pushed(f->queue);
    assert_int_equal(few.calls, 1);
    assert_true(is_notified(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_out_in_order_and_are_released, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_taken_before_its_generation_is_verified, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_generation_voids_what_is_queued_and_what_comes_late, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_is_bounded_in_bytes_but_never_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_turns_away_until_there_is_room, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_are_bounded_too_and_a_new_generation_frees_who_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_that_turned_a_message_away_is_not_idle, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_taken_counts_until_it_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_the_cost_that_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_larger_than_the_bound_fits_an_empty_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(a_push_notifies_and_a_wait_ends_at_its_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_few_messages_are_left_to_who_pushed_them, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_pusher_cannot_apply_is_notified, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
