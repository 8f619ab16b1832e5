/* The databases that are open in this process, and the sums of their WALs' frames. */
#include "store/integrity/checked.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/checksum.h"

#define FACTOR UINT64_C(0x9e3779b97f4a7c15) /* odd, so that a product loses nothing */

uint64_t store_page_checksum(const struct checked_database *d, int64_t number, const unsigned char *page)
{
    return store_checksum(page, STORE_PAGE_BYTES - STORE_PAGE_RESERVED, d->id ^ (uint64_t)number * FACTOR);
}

uint64_t store_frame_checksum(const struct checked_database *d, int64_t frame, const unsigned char *page)
{
    uint64_t checksum = store_checksum(page, STORE_PAGE_BYTES, d->id + (uint64_t)frame * FACTOR);
    return checksum != 0 ? checksum : 1;
}

/* ---- databases that are open ---- */

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct checked_database *registry;

static struct checked_database *find_or_add(const char *path, uint64_t id, const struct store_seal *seal)
{
    struct checked_database *d = registry;
    while (d != NULL && strcmp(d->path, path) != 0)
        d = d->next;
    if (d != NULL)
        return d;
    d = calloc(1, sizeof *d);
    char *copy = strdup(path);
    if (d == NULL || copy == NULL) {
        free(d);
        free(copy);
        return NULL;
    }
    d->path = copy;
    d->id = id;
    d->interior_pages = interior_pages_create(); /* without it reads are only slower */
    d->seal = *seal;
    d->next = registry;
    registry = d;
    return d;
}

struct checked_database *store_checked_take(const char *path, uint64_t id, const struct store_seal *seal)
{
    (void)pthread_mutex_lock(&registry_mutex);
    struct checked_database *d = find_or_add(path, id, seal);
    if (d != NULL)
        d->users++;
    (void)pthread_mutex_unlock(&registry_mutex);
    return d;
}

struct checked_database *store_checked_of_wal(const char *name)
{
    (void)pthread_mutex_lock(&registry_mutex);
    struct checked_database *d = registry;
    while (d != NULL && (strncmp(d->path, name, strlen(d->path)) != 0 || strcmp(name + strlen(d->path), "-wal") != 0))
        d = d->next;
    (void)pthread_mutex_unlock(&registry_mutex);
    return d;
}

static void destroy(struct checked_database *d)
{
    for (size_t i = 0; i < CHECKED_PARTS_MAX; i++)
        free(atomic_load(&d->parts[i]));
    interior_pages_destroy(d->interior_pages);
    free(d->path);
    free(d);
}

void store_checked_release(struct checked_database *d)
{
    struct checked_database **at = &registry;
    (void)pthread_mutex_lock(&registry_mutex);
    bool last = --d->users == 0;
    if (last) {
        while (*at != d)
            at = &(*at)->next;
        *at = d->next;
    }
    (void)pthread_mutex_unlock(&registry_mutex);
    if (last)
        destroy(d);
}

void store_checked_damage(struct checked_database *d, const char *format, ...)
{
    int none = 0;
    va_list arguments;
    if (!atomic_compare_exchange_strong(&d->damage, &none, 1))
        return; /* the first is enough */
    va_start(arguments, format);
    (void)vsnprintf(d->what, sizeof d->what, format, arguments);
    va_end(arguments);
    atomic_store(&d->damage, 2);
}

const char *store_checksum_damage(const struct checked_database *d)
{
    return d != NULL && atomic_load(&d->damage) == 2 ? d->what : NULL;
}

/* ---- notes of the WAL's frames ---- */

frame_sum *store_frame_sum(struct checked_database *d, int64_t frame, bool make)
{
    size_t part = (size_t)frame / CHECKED_PART_FRAMES;
    frame_sum *none = NULL;
    if (part >= CHECKED_PARTS_MAX)
        return NULL;
    frame_sum *notes = atomic_load(&d->parts[part]);
    if (notes == NULL && make) {
        notes = calloc(CHECKED_PART_FRAMES, sizeof *notes);
        if (notes != NULL && !atomic_compare_exchange_strong(&d->parts[part], &none, notes)) {
            free(notes);
            notes = none;
        }
    }
    return notes != NULL ? &notes[(size_t)frame % CHECKED_PART_FRAMES] : NULL;
}
