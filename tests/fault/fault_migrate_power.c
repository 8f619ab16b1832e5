/* The power fails while a database of schema version 2 is migrated: at every operation on the disk, several times each.
 * What is found is version 2, 3 or 4 with all of it, and the next start ends at version 4.
 *
 * Three times: from a file that was closed in order, with all pages in memory until the commit; from one whose last
 * commits are in the WAL alone; and so with 10 pages in memory, so that most of what changes is in the WAL before the
 * commit.
 *
 * COUNT: cuts at each operation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_cut.h"
#include "memory_vfs.h"
#include "pool_malloc.h"
#include "run_options.h"
#include "store/sqlite/migrate.h"
#include "store/writer.h"
#include "tests/support/kept_file.h"

#define CUTS_DEFAULT 3
#define CACHE_LARGE (-65536)
#define CACHE_SMALL 10

static char path[128]; /* in memory; beside it, in a real folder, lies the lock */

static struct store_options options = {.path = path, .collections_max = 100, .rejected_max = 100};

/* What it begins with, and how it goes on. */
struct variant {
    const char *name;
    bool live_wal;
    int cache;
    struct kept_files kept;
    uint64_t sum;
    size_t operations;
};

struct tally {
    uint64_t cuts;
    uint64_t old;
    uint64_t between; /* the first step was taken, and not the next */
    uint64_t new;
    uint64_t bad;
};

static void give(struct memory_disk *disk, const char *suffix, const void *data, size_t bytes)
{
    char name[136];
    void *copy = pool_take(bytes);
    (void)snprintf(name, sizeof name, "%s%s", path, suffix);
    memcpy(copy, data, bytes);
    memory_disk_give(disk, name, copy, bytes);
}

static struct memory_disk *disk_with(const struct kept_files *kept)
{
    struct memory_disk *disk = memory_disk_create();
    give(disk, "", kept->database, kept->database_bytes);
    if (kept->wal_bytes > 0)
        give(disk, "-wal", kept->wal, kept->wal_bytes);
    return disk;
}

static void cut(const struct variant *v, const struct disk_image *image, uint64_t *chance, bool quiet,
                struct tally *t)
{
    char why[256] = "";
    int from = 0;
    struct memory_disk *disk = disk_image_cut(image, chance);
    memory_vfs_use(disk);
    bool good = kept_migrate(&options, v->sum, &from, why);
    memory_disk_destroy(disk);
    t->cuts++;
    t->old += good && from == 2;
    t->between += good && from == 3;
    t->new += good && from == 0;
    t->bad += !good;
    if (!good && !quiet)
        (void)fprintf(stderr, "%s, cut at operation %zu: %s\n", v->name, disk_image_at(image), why);
}

static void cut_everywhere(struct variant *v, uint64_t seed, uint64_t each, bool lying, struct tally *t)
{
    uint64_t chance = seed;
    struct disk_log log = {.lying = lying};
    struct store_writer *w = NULL;
    struct memory_disk *before = disk_with(&v->kept);
    struct memory_disk *disk = disk_with(&v->kept);
    memory_vfs_use(disk);
    store_migrate_set_cache(v->cache);
    memory_disk_record(disk, &log);
    if (store_open(&options, &w, NULL, NULL) != SG_OK)
        abort();
    store_close(w);
    memory_disk_record(disk, NULL);
    v->operations = log.ops_count;
    struct disk_image *image = disk_image_create(&log, before);
    while (disk_image_at(image) < log.ops_count) {
        for (uint64_t i = 0; i < each; i++)
            cut(v, image, &chance, lying, t);
        disk_image_step(image);
    }
    disk_image_destroy(image);
    memory_disk_destroy(disk);
    memory_disk_destroy(before);
    disk_log_free(&log);
}

static void variant_look(struct variant *v)
{
    int version = 0;
    char why[256];
    struct memory_disk *disk = disk_with(&v->kept);
    memory_vfs_use(disk);
    if (!kept_look(path, &version, &v->sum, why) || version != 2) {
        (void)fprintf(stderr, "the kept database: %s\n", why);
        exit(1);
    }
    memory_disk_destroy(disk);
}

static bool run_variant(struct variant *v, const struct run_options *run)
{
    struct tally lying = {0};
    struct tally t = {0};
    variant_look(v);
    cut_everywhere(v, run->seed, 1, true, &lying);
    cut_everywhere(v, run->seed, run->count, false, &t);
    bool good = t.bad == 0 && t.old > 0 && t.new > 0 && lying.bad > 0;
    (void)printf(
        "%s: %zu operations, %llu cuts, %llu left version 2, %llu version 3, %llu version 4, %llu none of them; "
        "planted: a disk that does not sync: %llu of %llu found\n",
        v->name, v->operations, (unsigned long long)t.cuts, (unsigned long long)t.old,
        (unsigned long long)t.between, (unsigned long long)t.new,
        (unsigned long long)t.bad, (unsigned long long)lying.bad, (unsigned long long)lying.cuts);
    return good;
}

int main(int argc, char **argv)
{
    struct run_options run = run_options_read(argc, argv, CUTS_DEFAULT);
    struct variant variants[] = {{.name = "closed in order", .cache = CACHE_LARGE},
                                 {.name = "live WAL, all pages", .live_wal = true, .cache = CACHE_LARGE},
                                 {.name = "live WAL, 10 pages", .live_wal = true, .cache = CACHE_SMALL}};
    char folder[64];
    bool good = true;
    pool_malloc_register();
    run_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/state.db", folder);
    for (size_t k = 0; k < 3; k++)
        kept_load(folder, variants[k].live_wal, &variants[k].kept);
    memory_vfs_register(run.seed);
    for (size_t k = 0; k < 3; k++)
        good &= run_variant(&variants[k], &run);
    run_folder_remove(folder);
    for (size_t k = 0; k < 3; k++)
        kept_free(&variants[k].kept);
    good &= variants[2].operations > variants[1].operations;
    (void)printf("power cuts while migrating: seed %llu: %s\n", (unsigned long long)run.seed, good ? "good" : "FAILED");
    return good ? 0 : 1;
}
