/* One slot for each page number modulo their count, a lock for some of them together. */
#include "store/integrity/interior_pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/os_file.h"

#define LOCKS 16
/* The first byte of an inner page: https://sqlite.org/fileformat2.html#b_tree_pages */
#define INNER_INDEX 0x02
#define INNER_TABLE 0x05

struct slot {
    int64_t number;      /* of the page; 0 = none */
    uint64_t version;    /* odd: a page of this slot is being written; it rises with each write */
    unsigned char *page; /* owned; NULL until it is needed */
};

struct interior_pages {
    pthread_mutex_t locks[LOCKS]; /* each guards every LOCKS-th slot */
    struct slot slots[INTERIOR_PAGES_SLOTS];
};

struct interior_pages *interior_pages_create(void)
{
    struct interior_pages *inner = calloc(1, sizeof *inner);
    for (size_t i = 0; inner != NULL && i < LOCKS; i++)
        (void)pthread_mutex_init(&inner->locks[i], NULL);
    return inner;
}

void interior_pages_destroy(struct interior_pages *inner)
{
    if (inner == NULL)
        return;
    for (size_t i = 0; i < INTERIOR_PAGES_SLOTS; i++)
        free(inner->slots[i].page);
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_destroy(&inner->locks[i]);
    free(inner);
}

static struct slot *slot_lock(struct interior_pages *inner, int64_t number)
{
    size_t index = (size_t)number & (INTERIOR_PAGES_SLOTS - 1);
    (void)pthread_mutex_lock(&inner->locks[index % LOCKS]);
    return &inner->slots[index];
}

static void slot_unlock(struct interior_pages *inner, const struct slot *slot)
{
    (void)pthread_mutex_unlock(&inner->locks[(size_t)(slot - inner->slots) % LOCKS]);
}

bool interior_pages_get(struct interior_pages *inner, int64_t number, void *to, uint64_t *version)
{
    if (inner == NULL)
        return false;
    struct slot *slot = slot_lock(inner, number);
    bool found = slot->number == number;
    if (found)
        memcpy(to, slot->page, STORE_PAGE_BYTES);
    *version = slot->version;
    slot_unlock(inner, slot);
    return found;
}

static bool is_inner(int64_t number, const unsigned char *page)
{
    return number == 1 || page[0] == INNER_INDEX || page[0] == INNER_TABLE; /* the first is read in each transaction */
}

void interior_pages_put(struct interior_pages *inner, int64_t number, uint64_t version, const void *page)
{
    if (inner == NULL || version % 2 != 0 || !is_inner(number, page))
        return;
    struct slot *slot = slot_lock(inner, number);
    if (slot->page == NULL)
        slot->page = malloc(STORE_PAGE_BYTES);
    if (slot->version == version && slot->page != NULL) {
        memcpy(slot->page, page, STORE_PAGE_BYTES);
        slot->number = number;
    }
    slot_unlock(inner, slot);
}

static void version_rise(struct interior_pages *inner, int64_t number)
{
    if (inner == NULL)
        return;
    struct slot *slot = slot_lock(inner, number);
    slot->version++;
    if (slot->number == number)
        slot->number = 0;
    slot_unlock(inner, slot);
}

void interior_pages_write_begin(struct interior_pages *inner, int64_t number)
{
    version_rise(inner, number);
}

void interior_pages_write_end(struct interior_pages *inner, int64_t number)
{
    version_rise(inner, number);
}

void interior_pages_forget(struct interior_pages *inner)
{
    for (int64_t number = 1; inner != NULL && number <= INTERIOR_PAGES_SLOTS; number++) {
        struct slot *slot = slot_lock(inner, number);
        slot->version += 2;
        slot->number = 0;
        slot_unlock(inner, slot);
    }
}
