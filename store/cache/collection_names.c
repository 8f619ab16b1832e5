/* A hash table from (stream, build, name) to a collection's row: open addressing, entries never move. */
#include <stdlib.h>

#include "core/base/hash.h"
#include "store/write/write.h"

#define SLOTS_MIN 16

/* The names come from the streams' owners and their number is limited: no seed is needed. */
static size_t known_hash(int64_t stream, int64_t build, struct slice name)
{
    return (size_t)hash_bytes((uint64_t)stream ^ (uint64_t)build << 16, name);
}

static struct model_known **known_slot(const struct model_known_table *t, int64_t stream, int64_t build,
                                       struct slice name)
{
    size_t mask = t->slots_count - 1;
    size_t i = known_hash(stream, build, name) & mask;
    for (;; i = (i + 1) & mask) {
        const struct model_known *k = t->slots[i];
        if (k == NULL || (k->stream == stream && k->build == build &&
                          slice_equal((struct slice){k->name, k->name_bytes}, name)))
            return &t->slots[i];
    }
}

static bool known_grow(struct model_known_table *t)
{
    struct model_known_table bigger = {.slots_count = t->slots_count == 0 ? SLOTS_MIN : t->slots_count * 2};
    bigger.slots = calloc(bigger.slots_count, sizeof(struct model_known *));
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < t->slots_count; i++) {
        struct model_known *k = t->slots[i];
        if (k != NULL)
            *known_slot(&bigger, k->stream, k->build, (struct slice){k->name, k->name_bytes}) = k;
    }
    bigger.count = t->count;
    free(t->slots);
    *t = bigger;
    return true;
}

struct model_known *model_known_find(const struct model_known_table *t, int64_t stream, int64_t build,
                                     struct slice name)
{
    return t->slots_count == 0 ? NULL : *known_slot(t, stream, build, name);
}

struct model_known *model_known_add(struct model_known_table *t, int64_t stream, int64_t build, struct slice name,
                                    int64_t id)
{
    if (t->count * 2 >= t->slots_count && !known_grow(t))
        return NULL;
    struct model_known *k = calloc(1, sizeof *k);
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
    *known_slot(t, stream, build, name) = k;
    t->count++;
    return k;
}

void model_known_clear(struct model_known_table *t)
{
    for (size_t i = 0; i < t->slots_count; i++) {
        if (t->slots[i] != NULL)
            free(t->slots[i]->name);
        free(t->slots[i]);
        t->slots[i] = NULL;
    }
    t->count = 0;
}

void model_known_free(struct model_known_table *t)
{
    model_known_clear(t);
    free(t->slots);
    *t = (struct model_known_table){0};
}
