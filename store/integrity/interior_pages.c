/* One slot for each page number modulo their count, a lock for some of them together. */
#include "store/integrity/interior_pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/os_file.h"

#define LOCKS 16
/* The first byte of an interior page: https://sqlite.org/fileformat2.html#b_tree_pages */
#define INTERIOR_INDEX 0x02
#define INTERIOR_TABLE 0x05

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
    struct interior_pages *pages = calloc(1, sizeof *pages);
    for (size_t i = 0; pages != NULL && i < LOCKS; i++)
        (void)pthread_mutex_init(&pages->locks[i], NULL);
    return pages;
}

void interior_pages_destroy(struct interior_pages *pages)
{
    if (pages == NULL)
        return;
    for (size_t i = 0; i < INTERIOR_PAGES_SLOTS; i++)
        free(pages->slots[i].page);
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_destroy(&pages->locks[i]);
    free(pages);
}

static struct slot *slot_lock(struct interior_pages *pages, int64_t number)
{
    size_t index = (size_t)number & (INTERIOR_PAGES_SLOTS - 1);
    (void)pthread_mutex_lock(&pages->locks[index % LOCKS]);
    return &pages->slots[index];
}

static void slot_unlock(struct interior_pages *pages, const struct slot *slot)
{
    (void)pthread_mutex_unlock(&pages->locks[(size_t)(slot - pages->slots) % LOCKS]);
}

bool interior_pages_get(struct interior_pages *pages, int64_t number, void *to, uint64_t *version)
{
    if (pages == NULL)
        return false;
    struct slot *slot = slot_lock(pages, number);
    bool found = slot->number == number;
    if (found)
        memcpy(to, slot->page, STORE_PAGE_BYTES);
    *version = slot->version;
    slot_unlock(pages, slot);
    return found;
}

static bool is_interior(int64_t number, const unsigned char *page)
{
    /* The first is read in each transaction. */
    return number == 1 || page[0] == INTERIOR_INDEX || page[0] == INTERIOR_TABLE;
}

void interior_pages_put(struct interior_pages *pages, int64_t number, uint64_t version, const void *page)
{
    if (pages == NULL || version % 2 != 0 || !is_interior(number, page))
        return;
    struct slot *slot = slot_lock(pages, number);
    if (slot->page == NULL)
        slot->page = malloc(STORE_PAGE_BYTES);
    if (slot->version == version && slot->page != NULL) {
        memcpy(slot->page, page, STORE_PAGE_BYTES);
        slot->number = number;
    }
    slot_unlock(pages, slot);
}

static void version_rise(struct interior_pages *pages, int64_t number)
{
    if (pages == NULL)
        return;
    struct slot *slot = slot_lock(pages, number);
    slot->version++;
    if (slot->number == number)
        slot->number = 0;
    slot_unlock(pages, slot);
}

void interior_pages_write_begin(struct interior_pages *pages, int64_t number)
{
    version_rise(pages, number);
}

void interior_pages_write_end(struct interior_pages *pages, int64_t number)
{
    version_rise(pages, number);
}

void interior_pages_forget(struct interior_pages *pages)
{
    for (int64_t number = 1; pages != NULL && number <= INTERIOR_PAGES_SLOTS; number++) {
        struct slot *slot = slot_lock(pages, number);
        slot->version += 2;
        slot->number = 0;
        slot_unlock(pages, slot);
    }
}
