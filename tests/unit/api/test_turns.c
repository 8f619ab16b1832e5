/* The queue in which clients take turns: its order, what it leaves behind, and who makes room for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/wait/turns.h"

#define ENTRIES 600

struct item {
    struct turns_entry entry;
    int client;
    int number; /* of its client's */
};

static struct turns *t;
static struct sg_error err;
static struct item items[ENTRIES];

static struct client_address address(int client)
{
    return (struct client_address){{2, 127, 0, (unsigned char)(client >> 8), (unsigned char)client}};
}

static struct item *item_of(struct turns_entry *entry)
{
    return (struct item *)(void *)entry; /* its first member */
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENTRIES; i++)
        items[i] = (struct item){.client = -1};
    return turns_create(&t, &err) == SG_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(turns_count(t), 0);
    turns_destroy(t);
    return 0;
}

static void put(size_t i, int client, int number)
{
    struct client_address from = address(client);
    items[i].client = client;
    items[i].number = number;
    assert_true(turns_put(t, &items[i].entry, &from));
}

static void assert_next(int client, int number)
{
    struct turns_entry *entry = turns_take(t);
    assert_non_null(entry);
    assert_null(entry->list);
    assert_int_equal(item_of(entry)->client, client);
    assert_int_equal(item_of(entry)->number, number);
}

static void clients_take_turns_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        put((size_t)i, 1, i);
    put(4, 2, 0);
    put(5, 2, 1);
    assert_next(1, 0);
    put(6, 3, 0); /* comes last */
    assert_next(2, 0);
    assert_next(1, 1);
    assert_next(3, 0);
    assert_next(2, 1);
    put(7, 3, 1);
    assert_next(1, 2);
    assert_next(3, 1);
    assert_next(1, 3);
    assert_null(turns_take(t));
}

static void what_was_put_first_comes_before_all_turns(void **state)
{
    (void)state;
    put(0, 1, 0);
    put(1, 2, 0);
    items[2] = (struct item){.client = 9, .number = 0};
    items[3] = (struct item){.client = 9, .number = 1};
    turns_put_first(t, &items[2].entry);
    turns_put_first(t, &items[3].entry);
    assert_int_equal(turns_count(t), 4);
    assert_int_equal(turns_count_clients(t), 2);
    assert_next(9, 0);
    assert_next(9, 1);
    assert_next(1, 0);
    assert_next(2, 0);
}

static void what_is_removed_is_not_taken_and_leaves_its_clients_turn(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        put((size_t)i, 1, i);
    put(3, 2, 0);
    put(4, 3, 0);
    turns_remove(t, &items[1].entry); /* of several, one in the middle */
    turns_remove(t, &items[3].entry); /* a client's only one */
    assert_null(items[3].entry.list);
    assert_next(1, 0);
    assert_next(3, 0);
    assert_next(1, 2);
    put(5, 2, 1); /* who left may come again */
    assert_next(2, 1);
}

static void whoever_has_two_more_makes_room_and_nobody_else(void **state)
{
    struct client_address one = address(1);
    struct client_address two = address(2);
    (void)state;
    assert_null(turns_unfair(t, &one));
    put(0, 1, 0);
    assert_null(turns_unfair(t, &two)); /* 1 and 1 would be no fairer as 0 and 1 */
    put(1, 1, 1);
    assert_ptr_equal(turns_unfair(t, &two), &items[1].entry); /* the newest */
    assert_null(turns_unfair(t, &one));
    put(2, 2, 0);
    assert_null(turns_unfair(t, &two));
    put(3, 1, 2);
    assert_ptr_equal(turns_unfair(t, &two), &items[3].entry);
    put(4, 3, 0);
    for (int i = 1; i < 5; i++)
        put((size_t)i + 4, 3, i);
    assert_ptr_equal(turns_unfair(t, &two), &items[8].entry); /* of the one with the most */
    while (turns_take(t) != NULL) {
    }
}

/* Compared with the rule, said in another way: the next is of the client that was served longest ago. */
static void any_order_of_puts_and_removals_is_fair(void **state)
{
    int served[8] = {0};
    int clock = 0;
    uint64_t random = 88172645463325252u;
    (void)state;
    for (int step = 0; step < 20000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t i = (size_t)(random % ENTRIES);
        if (items[i].entry.list == NULL && (random >> 20) % 3 != 0) {
            int client = (int)((random >> 32) % 8);
            bool there = false;
            for (size_t k = 0; k < ENTRIES; k++)
                there |= items[k].entry.list != NULL && items[k].client == client;
            if (!there)
                served[client] = ++clock; /* it comes last */
            put(i, client, step);
        } else if (items[i].entry.list != NULL && (random >> 20) % 3 == 0) {
            turns_remove(t, &items[i].entry);
        } else {
            struct turns_entry *entry = turns_take(t);
            if (entry == NULL)
                continue;
            for (size_t k = 0; k < ENTRIES; k++) {
                if (items[k].entry.list == NULL)
                    continue;
                assert_true(served[items[k].client] >= served[item_of(entry)->client]);
                if (items[k].client == item_of(entry)->client)
                    assert_true(items[k].number > item_of(entry)->number);
            }
            served[item_of(entry)->client] = ++clock;
        }
    }
    while (turns_take(t) != NULL) {
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(clients_take_turns_in_the_order_in_which_they_came),
        TEST(what_was_put_first_comes_before_all_turns),
        TEST(what_is_removed_is_not_taken_and_leaves_its_clients_turn),
        TEST(whoever_has_two_more_makes_room_and_nobody_else),
        TEST(any_order_of_puts_and_removals_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
