/* A table from names to small numbers. Open addressing, at most half full, so that a chain is short and ends. */
#include "core/base/names.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/base/hash.h"

struct name {
    struct slice text; /* borrowed; data NULL = free */
    int number;
};

struct names {
    uint64_t seed;
    size_t names_max;
    size_t count;
    size_t mask; /* slots - 1; the number of slots is a power of two */
    struct name slots[];
};

enum sg_status names_create(size_t names_max, struct names **out, struct sg_error *err)
{
    size_t slots = 2;
    while (slots < 2 * names_max && slots < SIZE_MAX / 2)
        slots *= 2;
    struct names *names =
        slots < SIZE_MAX / sizeof names->slots[0] ? calloc(1, sizeof *names + slots * sizeof names->slots[0]) : NULL;
    if (names == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a table of %zu names", names_max);
    names->seed = hash_seed();
    names->names_max = names_max;
    names->mask = slots - 1;
    *out = names;
    return SG_OK;
}

void names_destroy(struct names *names)
{
    free(names);
}

/* Where the name is, or would be. */
static size_t slot_of(const struct names *names, struct slice name)
{
    size_t at = (size_t)hash_bytes(names->seed, name) & names->mask;
    while (names->slots[at].text.data != NULL && !slice_equal(names->slots[at].text, name))
        at = (at + 1) & names->mask;
    return at;
}

void names_add(struct names *names, struct slice name, int number)
{
    struct name *slot = &names->slots[slot_of(names, name)];
    assert(name.data != NULL);
    if (slot->text.data != NULL)
        return;
    assert(names->count < names->names_max);
    names->count++;
    *slot = (struct name){name, number};
}

int names_find(const struct names *names, struct slice name)
{
    const struct name *slot = &names->slots[slot_of(names, name)];
    return slot->text.data != NULL ? slot->number : NAMES_NONE;
}
