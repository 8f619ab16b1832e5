/* A hash table from (stream, build, name) to a collection's row: open addressing, entries never move. */
#include "store/cache/collection_names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define SLOTS_MIN 16

/* The names come from the streams' owners and their number is limited: no seed is needed. */
static size_t name_hash(int64_t stream, int64_t build, struct slice name)
{
    return (size_t)hash_bytes((uint64_t)stream ^ (uint64_t)build << 16, name);
}

static struct collection_name **name_slot(const struct collection_names *t, int64_t stream, int64_t build,
                                           struct slice name)
{
    size_t mask = t->slots_count - 1;
    size_t i = name_hash(stream, build, name) & mask;
    for (;; i = (i + 1) & mask) {
        const struct collection_name *k = t->slots[i];
        if (k == NULL || (k->stream == stream && k->build == build &&
                          slice_equal((struct slice){k->name, k->name_bytes}, name)))
            return &t->slots[i];
    }
}

static bool names_grow(struct collection_names *t)
{
    struct collection_names bigger = {.slots_count = t->slots_count == 0 ? SLOTS_MIN : t->slots_count * 2};
    bigger.slots = calloc(bigger.slots_count, sizeof(struct collection_name *));
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < t->slots_count; i++) {
        struct collection_name *k = t->slots[i];
        if (k != NULL)
            *name_slot(&bigger, k->stream, k->build, (struct slice){k->name, k->name_bytes}) = k;
    }
    bigger.count = t->count;
    bigger.changed = t->changed;
    free(t->slots);
    *t = bigger;
    return true;
}

struct collection_name *collection_names_find(const struct collection_names *t, int64_t stream, int64_t build,
                                              struct slice name)
{
    return t->slots_count == 0 ? NULL : *name_slot(t, stream, build, name);
}

struct collection_name *collection_names_add(struct collection_names *t, int64_t stream, int64_t build,
                                             struct slice name, int64_t id)
{
    if (t->count * 2 >= t->slots_count && !names_grow(t))
        return NULL;
    struct collection_name *k = calloc(1, sizeof *k);
    if (k == NULL)
        return NULL;
    k->name = malloc(name.bytes + 1);
    if (k->name == NULL) {
        free(k);
        return NULL;
    }
    memcpy(k->name, name.data, name.bytes);
    k->name[name.bytes] = '\0';
    k->name_bytes = name.bytes;
    k->stream = stream;
    k->build = build;
    k->id = id;
    *name_slot(t, stream, build, name) = k;
    t->count++;
    return k;
}

void collection_names_change(struct collection_names *t, struct collection_name *name)
{
    if (name->changed)
        return;
    name->changed = true;
    name->next_changed = t->changed;
    t->changed = name;
}

/* Entries that follow move up, so that a free slot still ends each search. */
static void slot_close(struct collection_names *t, size_t free_slot)
{
    size_t mask = t->slots_count - 1;
    for (size_t i = (free_slot + 1) & mask; t->slots[i] != NULL; i = (i + 1) & mask) {
        struct collection_name *k = t->slots[i];
        size_t home = name_hash(k->stream, k->build, (struct slice){k->name, k->name_bytes}) & mask;
        if (((i - home) & mask) < ((i - free_slot) & mask))
            continue; /* it would stand before the place where its search begins */
        t->slots[free_slot] = k;
        t->slots[i] = NULL;
        free_slot = i;
    }
}

void collection_names_remove(struct collection_names *t, int64_t stream, int64_t build, struct slice name)
{
    struct collection_name **slot = t->slots_count > 0 ? name_slot(t, stream, build, name) : NULL;
    if (slot == NULL || *slot == NULL)
        return;
    assert(!(*slot)->changed);
    free((*slot)->name);
    free(*slot);
    *slot = NULL;
    t->count--;
    slot_close(t, (size_t)(slot - t->slots));
}

void collection_names_clear(struct collection_names *t)
{
    for (size_t i = 0; i < t->slots_count; i++) {
        if (t->slots[i] != NULL)
            free(t->slots[i]->name);
        free(t->slots[i]);
        t->slots[i] = NULL;
    }
    t->count = 0;
    t->changed = NULL;
}

void collection_names_free(struct collection_names *t)
{
    collection_names_clear(t);
    free(t->slots);
    *t = (struct collection_names){0};
}
