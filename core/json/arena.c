/* Memory that is only ever freed as a whole: regions of chunks. */
#include "core/json/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REGION_FIRST_BYTES (64u << 10)
#define REGION_ALIGN_MAX 16u

struct region_chunk {
    struct region_chunk *older; /* owned */
    size_t capacity;
    size_t used;
    alignas(REGION_ALIGN_MAX) char data[];
};

static bool region_grow(struct region *r, size_t bytes)
{
    size_t capacity = r->chunk != NULL ? r->chunk->capacity : REGION_FIRST_BYTES / 2;
    capacity = capacity > SIZE_MAX / 4 ? bytes : capacity * 2;
    if (capacity < bytes)
        capacity = bytes;
    if (capacity > SIZE_MAX - sizeof(struct region_chunk))
        return false;
    struct region_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (chunk == NULL)
        return false;
    chunk->older = r->chunk;
    chunk->capacity = capacity;
    chunk->used = 0;
    r->chunk = chunk;
    return true;
}

void *region_take(struct region *r, size_t bytes, size_t align)
{
    size_t start = r->chunk != NULL ? (r->chunk->used + align - 1) & ~(align - 1) : 0;
    if (r->chunk == NULL || start > r->chunk->capacity || bytes > r->chunk->capacity - start) {
        if (!region_grow(r, bytes))
            return NULL;
        start = 0;
    }
    r->chunk->used = start + bytes;
    return r->chunk->data + start;
}

bool region_copy(struct region *r, struct slice from, struct slice *out)
{
    *out = (struct slice){0};
    if (from.bytes == 0)
        return true;
    char *data = region_take(r, from.bytes, 1);
    if (data == NULL)
        return false;
    memcpy(data, from.data, from.bytes);
    *out = (struct slice){data, from.bytes};
    return true;
}

static void region_free_chunks(struct region_chunk *chunk)
{
    while (chunk != NULL) {
        struct region_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}

void region_reset(struct region *r, size_t kept_bytes_max)
{
    if (r->chunk == NULL)
        return;
    if (r->chunk->capacity > kept_bytes_max) {
        region_free(r);
        return;
    }
    region_free_chunks(r->chunk->older); /* smaller ones: each is at least twice the one before */
    r->chunk->older = NULL;
    r->chunk->used = 0;
}

void region_free(struct region *r)
{
    region_free_chunks(r->chunk);
    *r = (struct region){0};
}

struct arena *arena_create(void)
{
    return calloc(1, sizeof(struct arena));
}

void arena_destroy(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_release(arena);
    free(arena);
}

void arena_release(struct arena *arena)
{
    region_free(&arena->kept);
    region_free(&arena->scratch);
}

void arena_reset(struct arena *arena)
{
    region_reset(&arena->kept, ARENA_KEPT_BYTES / 2);
    region_reset(&arena->scratch, ARENA_KEPT_BYTES / 2);
}

void arena_reset_scratch(struct arena *arena)
{
    region_reset(&arena->scratch, ARENA_KEPT_BYTES / 2);
}
