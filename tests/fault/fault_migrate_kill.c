/* A process is killed (SIGKILL) while it migrates a database of schema version 2: at points spread over all that it
 * does to the files, before or in the middle of an operation. What is found is version 2 with all of it or version 3
 * or 4 with all of it, and the next start ends at version 4.
 *
 * In turn: from a file that was closed in order, with all pages in memory until the commit; and from one whose last
 * commits are in the WAL alone, with 10 pages in memory, so that most of what changes is in the WAL before the commit.
 *
 * COUNT: how many are killed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io_vfs.h"
#include "run_options.h"
#include "store/sqlite/migrate.h"
#include "store/writer.h"
#include "tests/support/kept_file.h"

#define KILLS_DEFAULT 200
#define CACHE_LARGE (-65536)
#define CACHE_SMALL 10

static char path[128];
static struct store_options options = {.path = path, .collections_max = 100, .rejected_max = 100};

/* What it begins with, and how it goes on. */
struct variant {
    const char *name;
    bool live_wal;
    int cache;
    struct kept_files kept;
    uint64_t sum;
    uint64_t changes; /* of files, when nothing stops it */
};

/* What the child does: the number of changes to files goes to `report` if it comes to the end. */
static void child(int cache, uint64_t kill_at, unsigned eighths, int report)
{
    struct store_writer *w = NULL;
    store_migrate_set_cache(cache);
    io_vfs_register();
    io_vfs_kill_at(kill_at, eighths);
    if (store_open(&options, &w, NULL, NULL) != SG_OK)
        _exit(3);
    store_close(w);
    uint64_t changes = io_vfs_changes();
    _exit(write(report, &changes, sizeof changes) == (ssize_t)sizeof changes ? 0 : 4);
}

/* True if it was killed; `*changes` if it was not. */
static bool run_child(int cache, uint64_t kill_at, unsigned eighths, uint64_t *changes)
{
    int ends[2];
    int status = 0;
    if (pipe(ends) != 0)
        abort();
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(cache, kill_at, eighths, ends[1]);
    (void)close(ends[1]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && read(ends[0], changes, sizeof *changes) != (ssize_t)sizeof *changes) {
        (void)fprintf(stderr, "the child could not migrate (status %d)\n", status);
        exit(1);
    }
    (void)close(ends[0]);
    return killed;
}

static bool remove_all(const char *folder)
{
    char command[256];
    (void)snprintf(command, sizeof command, "rm -f '%s'/*", folder);
    return system(command) == 0;
}

/* Does the sum see a row that is not as it was? */
static bool plant_found(const struct variant *v)
{
    sqlite3 *db = NULL;
    int version = 0;
    uint64_t sum = 0;
    char why[256];
    kept_write(&v->kept, path);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "UPDATE entities SET sequence = sequence + 1 WHERE deleted = 1 AND number = "
                         "(SELECT max(number) FROM entities WHERE deleted = 1)", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    bool good = kept_sum(db, &version, &sum, why);
    (void)sqlite3_close(db);
    return good && sum != v->sum;
}

static void variant_make(struct variant *v, const char *folder)
{
    int version = 0;
    char why[256];
    kept_load(folder, v->live_wal, &v->kept);
    kept_write(&v->kept, path);
    if (!kept_look(path, &version, &v->sum, why) || version != 2) {
        (void)fprintf(stderr, "the kept database: %s\n", why);
        exit(1);
    }
    if (run_child(v->cache, UINT64_MAX, 0, &v->changes) || v->changes == 0)
        exit(1);
}

struct tally {
    uint64_t old;
    uint64_t between; /* the first step was taken, and not the next */
    uint64_t new;
    uint64_t bad;
};

static void kill_once(const struct variant *v, uint64_t at, unsigned eighths, struct tally *t)
{
    int from = 0; /* the version that the kill left, where it is not the present one */
    uint64_t changes = 0;
    char why[256] = "it was not killed";
    kept_write(&v->kept, path);
    bool good = run_child(v->cache, at, eighths, &changes) && kept_migrate(&options, v->sum, &from, why);
    if (!good)
        (void)fprintf(stderr, "%s, killed at change %llu: %s\n", v->name, (unsigned long long)at, why);
    t->old += good && from == 2;
    t->between += good && from == 3;
    t->new += good && from == 0;
    t->bad += !good;
}

int main(int argc, char **argv)
{
    struct run_options run = run_options_read(argc, argv, KILLS_DEFAULT);
    struct variant variants[] = {{.name = "closed in order", .cache = CACHE_LARGE},
                                 {.name = "live WAL, 10 pages", .live_wal = true, .cache = CACHE_SMALL},
                                 {.name = "live WAL, all pages", .live_wal = true, .cache = CACHE_LARGE}};
    char folder[64];
    bool good = true;
    run_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/state.db", folder);
    for (size_t k = 0; k < 3; k++)
        variant_make(&variants[k], folder);
    for (size_t k = 0; k < 2; k++) {
        struct variant *v = &variants[k];
        struct tally t = {0};
        uint64_t count = (run.count + 1 - k) / 2;
        for (uint64_t i = 0; i < count; i++) {
            if (!remove_all(folder))
                return 1;
            kill_once(v, v->changes * i / count, (unsigned)(i % 8), &t);
        }
        good &= t.bad == 0 && t.old > 0 && t.new > 0;
        (void)printf("%s: %llu killed at %llu changes of files, %llu left version 2, %llu version 3, "
                     "%llu version 4, %llu none of them\n",
                     v->name, (unsigned long long)count, (unsigned long long)v->changes, (unsigned long long)t.old,
                     (unsigned long long)t.between, (unsigned long long)t.new, (unsigned long long)t.bad);
    }
    bool spilled = variants[1].changes > variants[2].changes;
    bool plant = remove_all(folder) && plant_found(&variants[0]);
    run_folder_remove(folder);
    for (size_t k = 0; k < 3; k++)
        kept_free(&variants[k].kept);
    good &= plant && spilled;
    (void)printf(
        "kills while migrating: with 10 pages %llu changes instead of %llu; planted: a tombstone that changed, "
        "%s: %s\n",
        (unsigned long long)variants[1].changes, (unsigned long long)variants[2].changes, plant ? "found" : "NOT found",
        good ? "good" : "FAILED");
    return good ? 0 : 1;
}
