/* A list for each client that has something queued, and the order of their turns. */
#include "api/wait/turns.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define CHAINS_COUNT 256 /* clients that have something queued are few */

struct turns_list {
    struct turns_entry *first;
    struct turns_entry *last;
    size_t count;
};

/* Exists while it has something queued. */
struct client {
    struct turns_list list; /* first: a list of a client is its client */
    struct client_address address;
    struct client *next_of_chain;
    struct client *previous; /* in the order of turns */
    struct client *next;
};

struct turns {
    uint64_t seed;
    struct turns_list first;
    size_t count; /* of all clients */
    struct client *turn; /* whose turn it is; NULL = nobody's */
    struct client *last;
    struct client *chains[CHAINS_COUNT];
};

enum sg_status turns_create(struct turns **out, struct sg_error *err)
{
    struct turns *t = calloc(1, sizeof *t);
    if (t == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a queue");
    t->seed = hash_seed();
    *out = t;
    return SG_OK;
}

void turns_destroy(struct turns *t)
{
    free(t);
}

/* ---- lists ---- */

static void append(struct turns_list *list, struct turns_entry *entry)
{
    entry->list = list;
    entry->next = NULL;
    entry->previous = list->last;
    if (list->last != NULL)
        list->last->next = entry;
    else
        list->first = entry;
    list->last = entry;
    list->count++;
}

static void unlink_entry(struct turns_entry *entry)
{
    struct turns_list *list = entry->list;
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        list->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        list->last = entry->previous;
    list->count--;
    *entry = (struct turns_entry){0};
}

/* ---- clients ---- */

/* What points at the client, or at the end of its chain. */
static struct client **find(struct turns *t, const struct client_address *address)
{
    uint64_t hash = hash_bytes(t->seed, (struct slice){(const char *)address->bytes, sizeof address->bytes});
    struct client **link = &t->chains[hash % CHAINS_COUNT];
    while (*link != NULL && memcmp(&(*link)->address, address, sizeof *address) != 0)
        link = &(*link)->next_of_chain;
    return link;
}

static void leave_turns(struct turns *t, struct client *c)
{
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        t->turn = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    else
        t->last = c->previous;
}

static void take_last_turn(struct turns *t, struct client *c)
{
    c->next = NULL;
    c->previous = t->last;
    if (t->last != NULL)
        t->last->next = c;
    else
        t->turn = c;
    t->last = c;
}

static struct client *client_of(struct turns *t, const struct client_address *address)
{
    struct client **link = find(t, address);
    if (*link != NULL)
        return *link;
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->address = *address;
    *link = c;
    take_last_turn(t, c);
    return c;
}

static void client_free(struct turns *t, struct client *c)
{
    struct client **link = find(t, &c->address);
    *link = c->next_of_chain;
    leave_turns(t, c);
    free(c);
}

/* ---- the queue ---- */

bool turns_put(struct turns *t, struct turns_entry *entry, const struct client_address *client)
{
    struct client *c = client_of(t, client);
    if (c == NULL)
        return false;
    append(&c->list, entry);
    t->count++;
    return true;
}

void turns_put_first(struct turns *t, struct turns_entry *entry)
{
    append(&t->first, entry);
}

void turns_remove(struct turns *t, struct turns_entry *entry)
{
    struct turns_list *list = entry->list;
    unlink_entry(entry);
    if (list == &t->first)
        return;
    t->count--;
    if (list->count == 0)
        client_free(t, (struct client *)(void *)list);
}

struct turns_entry *turns_take(struct turns *t)
{
    struct turns_entry *entry = t->first.first;
    struct client *c = t->turn;
    if (entry == NULL && c != NULL) {
        entry = c->list.first;
        leave_turns(t, c);
        take_last_turn(t, c);
    }
    if (entry != NULL)
        turns_remove(t, entry);
    return entry;
}

size_t turns_count(const struct turns *t)
{
    return t->first.count + t->count;
}

size_t turns_count_clients(const struct turns *t)
{
    return t->count;
}

struct turns_entry *turns_unfair(struct turns *t, const struct client_address *client)
{
    const struct client *own = *find(t, client);
    const struct client *most = NULL;
    size_t looked = 0;
    for (const struct client *c = t->turn; c != NULL && looked < TURNS_LOOKED_AT_MAX; c = c->next, looked++) {
        if (most == NULL || c->list.count > most->list.count)
            most = c;
    }
    size_t fair = (own != NULL ? own->list.count : 0) + 2;
    return most != NULL && most->list.count >= fair ? most->list.last : NULL;
}
