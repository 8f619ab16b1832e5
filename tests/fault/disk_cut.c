/* Replaying a log of disk operations, and cutting it. */
#include "disk_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool_malloc.h"

struct bytes {
    unsigned char *data; /* owned; of the pool */
    size_t bytes;
};

/* Numbers of operations. */
struct list {
    size_t *items; /* owned */
    size_t count;
    size_t capacity;
};

struct platter {
    struct bytes synced;
    struct list unsynced; /* writes and truncates */
    bool named;           /* the folder has it, as of the last sync of the folder */
};

struct disk_image {
    const struct disk_log *log; /* borrowed */
    size_t at;                  /* the next operation */
    struct platter *files;      /* owned; by number */
    struct list names;          /* unsynced creations and deletions */
};

uint64_t disk_chance(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void *checked(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static void list_add(struct list *list, size_t item)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->items = checked(reallocarray(list->items, list->capacity, sizeof list->items[0]));
    }
    list->items[list->count++] = item;
}

static void bytes_reserve(struct bytes *b, size_t bytes)
{
    b->data = pool_grow(b->data, bytes);
}

/* `filler` NULL: zeros, else whatever it gives. */
static void bytes_resize(struct bytes *b, size_t bytes, uint64_t *filler)
{
    bytes_reserve(b, bytes);
    for (; filler != NULL && b->bytes < bytes; b->bytes++)
        b->data[b->bytes] = (unsigned char)disk_chance(filler);
    if (b->bytes < bytes)
        memset(b->data + b->bytes, 0, bytes - b->bytes);
    b->bytes = bytes;
}

static void bytes_write(struct bytes *b, size_t offset, const unsigned char *data, size_t bytes, uint64_t *filler)
{
    if (bytes == 0)
        return;
    if (offset > b->bytes)
        bytes_resize(b, offset, filler);
    if (offset + bytes > b->bytes) {
        bytes_reserve(b, offset + bytes);
        b->bytes = offset + bytes;
    }
    memcpy(b->data + offset, data, bytes);
}

static void put_start(void *context, const char *name, const unsigned char *data, size_t bytes)
{
    struct disk_image *image = context;
    for (size_t i = 0; i < image->log->files_count; i++) {
        if (strcmp(image->log->names[i], name) == 0) { /* the first of the name: the log's numbers begin with them */
            bytes_write(&image->files[i].synced, 0, data, bytes, NULL);
            image->files[i].named = true;
            return;
        }
    }
}

struct disk_image *disk_image_create(const struct disk_log *log, const struct memory_disk *start)
{
    struct disk_image *image = checked(calloc(1, sizeof *image));
    image->log = log;
    image->files = checked(calloc(log->files_count + 1, sizeof image->files[0]));
    if (start != NULL)
        memory_disk_each(start, put_start, image);
    return image;
}

void disk_image_destroy(struct disk_image *image)
{
    if (image == NULL)
        return;
    for (size_t i = 0; i < image->log->files_count; i++) {
        pool_give(image->files[i].synced.data);
        free(image->files[i].unsynced.items);
    }
    free(image->files);
    free(image->names.items);
    free(image);
}

size_t disk_image_at(const struct disk_image *image)
{
    return image->at;
}

static void apply(struct bytes *b, const struct disk_log *log, const struct disk_op *op, uint64_t *filler)
{
    if (op->kind == DISK_TRUNCATE)
        bytes_resize(b, (size_t)op->offset, filler);
    else
        bytes_write(b, (size_t)op->offset, log->data + op->data, op->bytes, filler);
}

static void sync_file(struct disk_image *image, struct platter *file)
{
    for (size_t i = 0; i < file->unsynced.count; i++)
        apply(&file->synced, image->log, &image->log->ops[file->unsynced.items[i]], NULL);
    file->unsynced.count = 0;
}

static void sync_names(struct disk_image *image)
{
    for (size_t i = 0; i < image->names.count; i++) {
        const struct disk_op *op = &image->log->ops[image->names.items[i]];
        image->files[op->file].named = op->kind == DISK_CREATE;
    }
    image->names.count = 0;
}

void disk_image_step(struct disk_image *image)
{
    const struct disk_op *op = &image->log->ops[image->at];
    switch (op->kind) {
    case DISK_CREATE:
    case DISK_DELETE:
        list_add(&image->names, image->at);
        break;
    case DISK_WRITE:
    case DISK_TRUNCATE:
        list_add(&image->files[op->file].unsynced, image->at);
        break;
    case DISK_SYNC:
        sync_file(image, &image->files[op->file]);
        break;
    }
    if (op->directory)
        sync_names(image);
    image->at++;
}

/* ---- the cut ---- */

/* How much chance keeps of what is not synced. */
enum mood {
    MOOD_NOTHING,
    MOOD_ALL,      /* and the operation under way in part */
    MOOD_UP_TO,    /* what came before some moment */
    MOOD_SOME,     /* each write whole or not */
    MOOD_TORN,     /* each sector or not */
    MOOD_SHUFFLED, /* as before, and earlier writes may lie over later ones */
    MOODS_COUNT
};

struct cut {
    const struct disk_log *log;
    enum mood mood;
    uint64_t *chance;
    uint64_t *filler; /* NULL: holes are zeros */
};

static bool flip(const struct cut *cut)
{
    return (disk_chance(cut->chance) & 1) != 0;
}

/* Some of the sectors of one write. */
static void write_torn(struct bytes *b, const struct cut *cut, const struct disk_op *op)
{
    size_t begin = (size_t)op->offset;
    size_t end = begin + op->bytes;
    while (begin < end) {
        size_t next = (begin / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
        if (next > end)
            next = end;
        if (flip(cut))
            bytes_write(b, begin, cut->log->data + op->data + (begin - (size_t)op->offset), next - begin, cut->filler);
        begin = next;
    }
}

static void keep_some(struct bytes *b, const struct cut *cut, const struct disk_op *op, bool last)
{
    bool torn = false;
    switch (cut->mood) {
    case MOOD_ALL:
        torn = last;
        break;
    case MOOD_TORN:
        torn = true;
        break;
    case MOOD_SOME:
    case MOOD_SHUFFLED:
        if (flip(cut))
            return;
        torn = disk_chance(cut->chance) % 8 == 0;
        break;
    default:
        break;
    }
    if (torn && op->kind == DISK_WRITE)
        write_torn(b, cut, op);
    else if (!torn || flip(cut))
        apply(b, cut->log, op, cut->filler);
}

static void shuffle(size_t *items, size_t count, uint64_t *chance)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = disk_chance(chance) % i;
        size_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* The operations of which a cut may keep something: those in the cache, and `under_way` if it is one of this file. */
static struct list candidates(const struct platter *file, const struct cut *cut, const size_t *under_way)
{
    struct list all = {0};
    size_t count = file->unsynced.count;
    if (cut->mood == MOOD_NOTHING)
        count = 0;
    else if (cut->mood == MOOD_UP_TO)
        count = disk_chance(cut->chance) % (count + 1);
    for (size_t i = 0; i < count; i++)
        list_add(&all, file->unsynced.items[i]);
    if (under_way != NULL && cut->mood != MOOD_NOTHING && cut->mood != MOOD_UP_TO)
        list_add(&all, *under_way);
    return all;
}

static struct bytes file_cut(const struct platter *file, const struct cut *cut, const size_t *under_way)
{
    struct bytes found = {0};
    struct list kept = candidates(file, cut, under_way);
    if (file->synced.bytes > 0)
        bytes_write(&found, 0, file->synced.data, file->synced.bytes, NULL);
    if (cut->mood == MOOD_SHUFFLED)
        shuffle(kept.items, kept.count, cut->chance);
    for (size_t i = 0; i < kept.count; i++) {
        const struct disk_op *op = &cut->log->ops[kept.items[i]];
        keep_some(&found, cut, op, under_way != NULL && kept.items[i] == *under_way);
    }
    free(kept.items);
    return found;
}

/* Which files the folder shows: its synced names, and some of the changes since, in their order. */
static bool *names_cut(const struct disk_image *image, const struct cut *cut)
{
    bool *named = checked(calloc(image->log->files_count + 1, sizeof named[0]));
    size_t count = cut->mood == MOOD_NOTHING ? 0
                   : cut->mood == MOOD_ALL   ? image->names.count
                                             : disk_chance(cut->chance) % (image->names.count + 1);
    for (size_t i = 0; i < image->log->files_count; i++)
        named[i] = image->files[i].named;
    for (size_t i = 0; i < count; i++) {
        const struct disk_op *op = &image->log->ops[image->names.items[i]];
        named[op->file] = op->kind == DISK_CREATE;
    }
    return named;
}

struct memory_disk *disk_image_cut(const struct disk_image *image, uint64_t *chance)
{
    struct memory_disk *disk = memory_disk_create();
    uint64_t filler = disk_chance(chance);
    struct cut cut = {.log = image->log, .mood = (enum mood)(disk_chance(chance) % MOODS_COUNT), .chance = chance,
                      .filler = filler % 4 == 0 ? &filler : NULL};
    bool *named = names_cut(image, &cut);
    const struct disk_op *next = image->at < image->log->ops_count ? &image->log->ops[image->at] : NULL;
    bool writes = next != NULL && (next->kind == DISK_WRITE || next->kind == DISK_TRUNCATE);
    for (size_t i = 0; i < image->log->files_count; i++) {
        if (!named[i])
            continue;
        struct bytes found = file_cut(&image->files[i], &cut, writes && next->file == i ? &image->at : NULL);
        memory_disk_give(disk, image->log->names[i], found.data, found.bytes);
    }
    free(named);
    return disk;
}
