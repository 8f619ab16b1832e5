/* Lists of free blocks, one for each power of two. */
#include "pool_malloc.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define CLASS_FIRST 5 /* 32 bytes */
#define CLASSES_COUNT 32

/* Before each block; 16 bytes, so that blocks stay aligned. */
struct block {
    struct block *next;
    size_t class;
};

static struct block *unused[CLASSES_COUNT];

static size_t class_of(size_t bytes)
{
    size_t class = CLASS_FIRST;
    while (((size_t)1 << class) < bytes)
        class++;
    return class;
}

void *pool_take(size_t bytes)
{
    size_t class = class_of(bytes);
    struct block *b = unused[class];
    if (b != NULL)
        unused[class] = b->next;
    else
        b = malloc(sizeof *b + ((size_t)1 << class));
    if (b == NULL)
        abort();
    b->class = class;
    return b + 1;
}

void pool_give(void *data)
{
    if (data == NULL)
        return;
    struct block *b = (struct block *)data - 1;
    b->next = unused[b->class];
    unused[b->class] = b;
}

size_t pool_bytes(void *data)
{
    return data == NULL ? 0 : (size_t)1 << ((struct block *)data - 1)->class;
}

void *pool_grow(void *data, size_t bytes)
{
    size_t before = pool_bytes(data);
    if (bytes <= before)
        return data;
    void *grown = pool_take(bytes);
    if (before > 0)
        memcpy(grown, data, before);
    pool_give(data);
    return grown;
}

/* ---- for SQLite ---- */

static void *on_malloc(int bytes)
{
    return pool_take((size_t)bytes);
}

static void *on_realloc(void *data, int bytes)
{
    return pool_grow(data, (size_t)bytes);
}

static int on_size(void *data)
{
    return (int)pool_bytes(data);
}

static int on_roundup(int bytes)
{
    return 1 << class_of((size_t)bytes);
}

static int on_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void on_shutdown(void *context)
{
    (void)context;
}

void pool_malloc_register(void)
{
    static const sqlite3_mem_methods methods = {on_malloc,  pool_give, on_realloc,  on_size,
                                                on_roundup, on_init,   on_shutdown, NULL};
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        abort();
}
