/* The power fails while a database of schema version 2 is migrated: at every operation on the disk, several times each.
 * What is found is version 2 with all of it or version 3 with all of it, and the next start ends at version 3.
 *
 * COUNT: cuts at each operation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_cut.h"
#include "tests/support/kept_file.h"
#include "memory_vfs.h"
#include "pool_malloc.h"
#include "run_options.h"
#include "store/writer.h"

#define CUTS_DEFAULT 3

static char path[128]; /* in memory; beside it, in a real folder, lies the lock */

static struct {
    void *data; /* of the kept file */
    size_t bytes;
    uint64_t sum;
    struct store_options options;
} kept = {.options = {.path = path, .collections_max = 100, .rejected_max = 100}};

struct tally {
    uint64_t cuts;
    uint64_t old;
    uint64_t new;
    uint64_t bad;
};

static void read_kept(const char *folder)
{
    char unpacked[128];
    (void)snprintf(unpacked, sizeof unpacked, "%s/version-2.db", folder);
    (void)snprintf(path, sizeof path, "%s/state.db", folder);
    kept_unpack(unpacked);
    FILE *f = fopen(unpacked, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        abort();
    kept.bytes = (size_t)ftell(f);
    rewind(f);
    kept.data = malloc(kept.bytes);
    if (kept.data == NULL || fread(kept.data, 1, kept.bytes, f) != kept.bytes)
        abort();
    (void)fclose(f);
}

static struct memory_disk *disk_with_kept(void)
{
    struct memory_disk *disk = memory_disk_create();
    void *copy = pool_take(kept.bytes);
    memcpy(copy, kept.data, kept.bytes);
    memory_disk_give(disk, path, copy, kept.bytes);
    return disk;
}

/* What lies there, without the store. */
static bool look(int *version, uint64_t *sum, char why[256])
{
    sqlite3 *db = NULL;
    (void)snprintf(why, 256, "it cannot be opened");
    bool good = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    good = good && sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK;
    good = good && kept_sum(db, version, sum, why);
    (void)sqlite3_close(db);
    return good;
}

/* The start after the cut. It comes first: the store must find by itself what is whole. */
static bool start(int *from, char why[256])
{
    struct sg_error err = {0};
    struct store_open_report report = {0};
    struct store_writer *w = NULL;
    int version = 0;
    uint64_t sum = 0;
    if (store_open(&kept.options, &w, &report, &err) != SG_OK) {
        (void)snprintf(why, 256, "store_open: %.200s", err.message);
        return false;
    }
    *from = report.migrated_from;
    bool good = !report.created && report.moved_aside[0] == '\0';
    if (!good)
        (void)snprintf(why, 256, "moved aside: %.200s", report.reason);
    good = good && look(&version, &sum, why);
    if (good && (version != 3 || sum != kept.sum)) {
        (void)snprintf(why, 256, "version %d, rows %s", version, sum == kept.sum ? "as before" : "changed");
        good = false;
    }
    store_close(w);
    return good;
}

static void cut(const struct disk_image *image, uint64_t *chance, bool quiet, struct tally *t)
{
    char why[256] = "";
    int from = 0;
    struct memory_disk *disk = disk_image_cut(image, chance);
    memory_vfs_use(disk);
    bool good = start(&from, why);
    memory_disk_destroy(disk);
    t->cuts++;
    t->old += good && from == 2;
    t->new += good && from == 0;
    t->bad += !good;
    if (!good && !quiet)
        (void)fprintf(stderr, "cut at operation %zu: %s\n", disk_image_at(image), why);
}

static void cut_everywhere(uint64_t seed, uint64_t each, bool lying, struct tally *t)
{
    uint64_t chance = seed;
    struct disk_log log = {.lying = lying};
    struct store_writer *w = NULL;
    struct memory_disk *before = disk_with_kept();
    struct memory_disk *disk = disk_with_kept();
    memory_vfs_use(disk);
    memory_disk_record(disk, &log);
    if (store_open(&kept.options, &w, NULL, NULL) != SG_OK)
        abort();
    store_close(w);
    memory_disk_record(disk, NULL);
    struct disk_image *image = disk_image_create(&log, before);
    while (disk_image_at(image) < log.ops_count) {
        for (uint64_t i = 0; i < each; i++)
            cut(image, &chance, lying, t);
        disk_image_step(image);
    }
    disk_image_destroy(image);
    memory_disk_destroy(disk);
    memory_disk_destroy(before);
    disk_log_free(&log);
}

int main(int argc, char **argv)
{
    struct run_options options = run_options_read(argc, argv, CUTS_DEFAULT);
    struct tally lying = {0};
    struct tally t = {0};
    char folder[64];
    char why[256];
    int version = 0;
    pool_malloc_register();
    memory_vfs_register(options.seed);
    run_folder_make(folder);
    read_kept(folder);
    struct memory_disk *disk = disk_with_kept();
    memory_vfs_use(disk);
    if (!look(&version, &kept.sum, why) || version != 2) {
        (void)fprintf(stderr, "the kept database: %s\n", why);
        return 1;
    }
    memory_disk_destroy(disk);
    cut_everywhere(options.seed, 1, true, &lying);
    cut_everywhere(options.seed, options.count, false, &t);
    run_folder_remove(folder);
    free(kept.data);
    bool good = t.bad == 0 && t.old > 0 && t.new > 0 && lying.bad > 0;
    (void)printf("power cuts while migrating: seed %llu, %llu cuts, %llu left version 2, %llu version 3, %llu neither; "
                 "planted: a disk that does not sync: %llu of %llu found: %s\n",
                 (unsigned long long)options.seed, (unsigned long long)t.cuts, (unsigned long long)t.old,
                 (unsigned long long)t.new, (unsigned long long)t.bad, (unsigned long long)lying.bad,
                 (unsigned long long)lying.cuts, good ? "good" : "FAILED");
    return good ? 0 : 1;
}
