/* A process is killed (SIGKILL) while it migrates a database of schema version 2: at points spread over all that it
 * does to the files, before or in the middle of an operation. What is found is version 2 with all of it or version 3
 * with all of it, and the next start ends at version 3.
 *
 * COUNT: how many are killed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io_vfs.h"
#include "tests/support/kept_file.h"
#include "run_options.h"
#include "store/writer.h"

#define KILLS_DEFAULT 200

static char path[128];
static struct store_options options = {.path = path, .collections_max = 100, .rejected_max = 100};

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

/* What the child does: the number of changes to files goes to `report` if it comes to the end. */
static void child(uint64_t kill_at, unsigned eighths, int report)
{
    struct store_writer *w = NULL;
    io_vfs_register();
    io_vfs_kill_at(kill_at, eighths);
    if (store_open(&options, &w, NULL, NULL) != SG_OK)
        _exit(3);
    store_close(w);
    uint64_t changes = io_vfs_changes();
    _exit(write(report, &changes, sizeof changes) == (ssize_t)sizeof changes ? 0 : 4);
}

/* True if it was killed; `*changes` if it was not. */
static bool run_child(uint64_t kill_at, unsigned eighths, uint64_t *changes)
{
    int ends[2];
    int status = 0;
    if (pipe(ends) != 0)
        abort();
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(kill_at, eighths, ends[1]);
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

/* The start after the kill, by this process, which fails nothing. */
static bool start(uint64_t sum_before, bool *was_old, char why[256])
{
    struct store_open_report report = {0};
    struct store_writer *w = NULL;
    struct sg_error err = {0};
    int version = 0;
    uint64_t sum = 0;
    if (store_open(&options, &w, &report, &err) != SG_OK) {
        (void)snprintf(why, 256, "store_open: %.200s", err.message);
        return false;
    }
    *was_old = report.migrated_from == 2;
    bool good = !report.created && report.moved_aside[0] == '\0';
    if (!good)
        (void)snprintf(why, 256, "moved aside: %.200s", report.reason);
    good = good && look(&version, &sum, why);
    if (good && (version != 3 || sum != sum_before)) {
        (void)snprintf(why, 256, "version %d, rows %s", version, sum == sum_before ? "as before" : "changed");
        good = false;
    }
    store_close(w);
    return good;
}

/* Does the sum see a row that is not as it was? */
static bool plant_found(uint64_t sum_before)
{
    sqlite3 *db = NULL;
    int version = 0;
    uint64_t sum = 0;
    char why[256];
    kept_unpack(path);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "UPDATE entities SET sequence = sequence + 1 WHERE deleted = 1 AND number = "
                         "(SELECT max(number) FROM entities WHERE deleted = 1)", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    bool good = kept_sum(db, &version, &sum, why);
    (void)sqlite3_close(db);
    return good && sum != sum_before;
}

int main(int argc, char **argv)
{
    struct run_options run = run_options_read(argc, argv, KILLS_DEFAULT);
    uint64_t sum = 0;
    uint64_t changes = 0;
    uint64_t old = 0;
    uint64_t new = 0;
    uint64_t bad = 0;
    int version = 0;
    char why[256];
    char folder[64];
    run_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/state.db", folder);
    kept_unpack(path);
    if (!look(&version, &sum, why) || version != 2) {
        (void)fprintf(stderr, "the kept database: %s\n", why);
        return 1;
    }
    if (run_child(UINT64_MAX, 0, &changes) || changes == 0)
        return 1;
    for (uint64_t i = 0; i < run.count; i++) {
        bool was_old = false;
        uint64_t at = changes * i / run.count;
        if (!remove_all(folder))
            return 1;
        kept_unpack(path);
        bool killed = run_child(at, (unsigned)(i % 8), &changes);
        bool good = killed && start(sum, &was_old, why);
        if (!killed)
            (void)snprintf(why, sizeof why, "it was not killed");
        if (!good)
            (void)fprintf(stderr, "killed at change %llu: %s\n", (unsigned long long)at, why);
        old += good && was_old;
        new += good && !was_old;
        bad += !good;
    }
    bool plant = remove_all(folder) && plant_found(sum);
    run_folder_remove(folder);
    bool good = bad == 0 && old > 0 && new > 0 && plant;
    (void)printf("kills while migrating: %llu at %llu changes of files, %llu left version 2, %llu version 3, %llu "
                 "neither; planted: a tombstone that changed, %s: %s\n",
                 (unsigned long long)run.count, (unsigned long long)changes, (unsigned long long)old,
                 (unsigned long long)new, (unsigned long long)bad, plant ? "found" : "NOT found",
                 good ? "good" : "FAILED");
    return good ? 0 : 1;
}
