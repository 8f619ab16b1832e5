/* Power cuts: the real read model writes to a disk in memory that writes down every write, truncate and sync; at each
 * of them the power is cut, the store is opened on what is left, and its content must be that after one of the
 * transactions: rows, position, counts and rejected events of every build together. What the collections declare changes
 * from session to session: the tables of fields and their indexes must agree with a recount of the rows. With synchronous FULL none that was
 * acknowledged may be missing; with NORMAL the last ones may.
 *
 * In every other pair of histories the WAL is written back in steps between the transactions, as the gateway does it:
 * the syncs of a checkpoint come some transactions after they were asked for, in the place of another thread's.
 *
 * COUNT is the number of cuts. Histories follow one another until they suffice; the seed's first history has
 * synchronous FULL, the next NORMAL, and so on. Some of the cuts are followed by more transactions, and some by a
 * second cut while the database is opened again. Two planted faults must be found: a disk that does not sync, and a
 * position that is written by a transaction of its own.
 *
 * ctest-timeout: 1200 */
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "store/integrity/checksum.h"
#include "store/integrity/vfs.h"
#include "store/integrity/wal.h"
#include "store/write/transaction.h"
#include "disk_cut.h"
#include "run_options.h"
#include "store_history.h"
#include "pool_malloc.h"
#include "tests/support/fields_recount.h"

#define CUTS_DEFAULT 20000
#define PLANT_CUTS 1500       /* at most, of each planted fault */
#define STEPS_MAX 160         /* of a history */
#define IN_STEPS_PAGES 6      /* that are worth a checkpoint in steps */
#define REOPEN_EVERY 40       /* steps, about */
#define FAILURES_SHOWN 5
#define GO_ON_EVERY 8         /* cuts that are followed by more transactions */
#define CUT_AGAIN_EVERY 16    /* cuts that are followed by another */

enum plant { PLANT_NONE, PLANT_LYING_DISK, PLANT_TWO_TRANSACTIONS };

struct tally {
    uint64_t cuts;
    uint64_t at_writes;
    uint64_t at_syncs;
    uint64_t at_others;    /* truncates, names */
    uint64_t again;        /* second cuts */
    uint64_t went_on;
    uint64_t lost;         /* acknowledged transactions were missing */
    uint64_t lost_full;    /* the same with synchronous FULL */
    uint64_t corrupt;
    uint64_t torn;
    uint64_t histories;
    uint64_t recounted;    /* rows of fields */
    uint64_t indexes;      /* likewise */
    uint64_t in_steps;     /* checkpoints that were made in steps */
    uint64_t parts;        /* of these, but for the last one of each */
};

/* One history, and what is known after each of its steps. */
struct run {
    uint64_t seed;
    enum plant plant;
    char path[96];
    struct store_options options;
    struct notifier *notifier; /* owned; NULL = checkpoints are made at once */
    struct disk_log log;
    struct history_step steps[2 * STEPS_MAX];
    struct mark marks[2 * STEPS_MAX + 1]; /* marks[i]: after i steps */
    size_t count;
    /* While it is recorded. */
    struct history fold;
    struct store_writer *writer;
    struct store_reader *reader; /* NULL = not open */
    struct history seen;         /* the fold as it was when the reader began its transaction */
    int64_t ids[HISTORY_STREAMS];
};

static struct tally *tally;
static bool quiet;

static void die(const char *what, const struct sg_error *err)
{
    (void)fprintf(stderr, "%s: %s\n", what, err->message);
    exit(1);
}

/* ---- recording a history ---- */

static void acknowledge(struct run *r, const struct history_step *step)
{
    r->steps[r->count++] = *step;
    history_mark(&r->fold, &r->marks[r->count]);
    r->log.acknowledged = r->count;
}

/* What a bug would do that wrote the position after the rows: it is put back behind the back of the store. */
static void write_position_later(struct run *r, size_t stream, uint64_t before)
{
    char sql[256];
    sqlite3 *db = NULL;
    const struct history_stream *s = &r->fold.streams[stream];
    const struct history_build *b = s->has_next ? &s->next : &s->served;
    if (sqlite3_open_v2(r->path, &db, SQLITE_OPEN_READWRITE, store_checksum_vfs()) != SQLITE_OK)
        abort();
    for (int i = 0; i < 2; i++) {
        (void)snprintf(sql, sizeof sql, "PRAGMA wal_autocheckpoint = 0; UPDATE %s SET position = %llu WHERE %s = %lld",
                       s->has_next ? "next_build" : "streams", (unsigned long long)(i == 0 ? before : b->position),
                       s->has_next ? "stream" : "id", (long long)r->ids[stream]);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            abort();
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(db);
}

static void take_step(struct run *r, struct history_step *step)
{
    struct sg_error err = {0};
    const struct history_stream *s = &r->fold.streams[step->stream];
    uint64_t before = s->has_next ? s->next.position : s->served.position;
    bool had_next = s->has_next;
    enum sg_status status = history_do(&r->fold, r->writer, step, r->ids, &err);
    if (status == SG_FULL)
        return; /* refused for its size: nothing has changed */
    if (status != SG_OK)
        die("a step failed without a fault", &err);
    if (r->plant == PLANT_TWO_TRANSACTIONS && step->kind == STEP_APPLY && s->has_next == had_next)
        write_position_later(r, step->stream, before);
    acknowledge(r, step);
}

static void open_writer(struct run *r, uint64_t *chance)
{
    struct sg_error err = {0};
    struct store_open_report report;
    if (store_open(&r->options, &r->writer, &report, &err) != SG_OK)
        die("store_open without a fault", &err);
    if (report.moved_aside[0] != '\0')
        die("a sound database was moved aside", &err);
    if (r->notifier != NULL && store_write_back_start(r->writer, r->notifier, &err) != SG_OK)
        die("store_write_back_start", &err);
    if (r->notifier != NULL) {
        r->writer->back.slice = IN_STEPS_PAGES;
        r->writer->back.part = (int)(disk_chance(chance) % IN_STEPS_PAGES) + 1;
        r->writer->back.pause_ns = 0;
    }
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        bool reshape = r->fold.streams[i].there && disk_chance(chance) % 6 == 0;
        struct history_step step = history_attach(&r->fold, i, reshape);
        step.declared += disk_chance(chance) % 3 == 0 ? 1 : 0;
        take_step(r, &step);
        step = history_identify(i);
        if (r->fold.streams[i].incarnations == 0)
            take_step(r, &step);
    }
}

static void write_back(struct run *r, uint64_t *chance)
{
    if (r->notifier == NULL)
        return;
    for (uint64_t calls = disk_chance(chance) % 6; calls > 0; calls--) {
        int before = r->writer->back.step;
        store_write_back(r->writer);
        int after = r->writer->back.step;
        tally->in_steps += (before == BACK_SEAL || before == BACK_WRITES) && after == BACK_PAGES;
        tally->parts += (before == BACK_SEAL || before == BACK_WRITES) && after == BACK_WRITES;
    }
}

/* A reader that holds its snapshot for some steps keeps the WAL from being begun again, and must see what was there. */
static void snapshot_reader(struct run *r, uint64_t *chance)
{
    struct sg_error err = {0};
    if (disk_chance(chance) % 4 != 0)
        return;
    if (r->reader == NULL && store_reader_open(r->path, NULL, &r->reader, &err) != SG_OK)
        die("store_reader_open", &err);
    if (r->seen.streams[0].there && history_compare(&r->seen, r->reader, &err) != SG_OK)
        die("a reader's snapshot is not that of the fold", &err);
    store_read_end(r->reader);
    r->seen = (struct history){0};
    if (disk_chance(chance) % 2 == 0)
        return;
    if (store_read_begin(r->reader, &err) != SG_OK)
        die("store_read_begin", &err);
    r->seen = r->fold;
}

static void close_all(struct run *r)
{
    store_reader_close(r->reader);
    r->reader = NULL;
    r->seen = (struct history){0};
    store_close(r->writer);
    r->writer = NULL;
}

static void record(struct run *r)
{
    uint64_t chance = r->seed;
    struct memory_disk *disk = memory_disk_create();
    r->log.lying = r->plant == PLANT_LYING_DISK;
    memory_vfs_use(disk);
    memory_disk_record(disk, &r->log);
    history_init(&r->fold, r->seed, &r->options);
    history_mark(&r->fold, &r->marks[0]);
    open_writer(r, &chance);
    while (r->count < STEPS_MAX) {
        struct history_step step = history_choose(&r->fold, &chance);
        take_step(r, &step);
        write_back(r, &chance);
        snapshot_reader(r, &chance);
        if (disk_chance(&chance) % REOPEN_EVERY == 0) {
            close_all(r);
            open_writer(r, &chance);
        }
    }
    close_all(r);
    history_free(&r->fold);
    memory_disk_destroy(disk);
}

/* ---- looking at what a cut has left ---- */

struct verdict {
    bool corrupt;
    bool torn;
    size_t found; /* the mark that it is at */
    char why[512];
    struct mark shown;
};

/* A sound database is always at one of the marks: at `acknowledged`, the one after it whose transaction was under way,
 * or with synchronous NORMAL an earlier one. */
static void place(const struct run *r, size_t acknowledged, struct verdict *v)
{
    size_t last = acknowledged < r->count ? acknowledged + 1 : acknowledged;
    for (size_t i = last + 1; i > 0; i--) {
        if (!mark_same_place(&r->marks[i - 1], &v->shown))
            continue;
        v->found = i - 1;
        v->torn = !mark_same_rows(&r->marks[i - 1], &v->shown);
        if (v->torn)
            (void)snprintf(v->why, sizeof v->why, "rows are not those of mark %zu", v->found);
        return;
    }
    v->torn = true;
    (void)snprintf(v->why, sizeof v->why, "at no mark up to %zu", last);
}

/* Are the fields and their indexes those of the entities? */
static bool recount(sqlite3 *db, char *why, size_t why_bytes)
{
    char found[RECOUNT_WHY_BYTES];
    struct recount counted;
    bool good = fields_recount(db, &counted, found);
    if (!good)
        (void)snprintf(why, why_bytes, "%.250s", found);
    tally->recounted += counted.rows;
    tally->indexes += counted.indexes;
    return good;
}

static bool read_mark(const char *path, struct mark *out, char *why, size_t why_bytes)
{
    sqlite3 *db = NULL;
    (void)snprintf(why, why_bytes, "it cannot be opened");
    bool good = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
    good = good && sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK;
    good = good && mark_read(db, out, why, why_bytes) && recount(db, why, why_bytes);
    (void)sqlite3_close(db);
    return good;
}

/* The history goes on from what was found: more transactions, and everything is as it must be. */
static void go_on(const struct run *r, struct store_writer *w, uint64_t *chance, struct verdict *v)
{
    struct history fold;
    struct mark wanted;
    struct mark shown;
    int64_t ids[HISTORY_STREAMS];
    struct sg_error err = {0};
    history_init(&fold, r->seed, &r->options);
    for (size_t i = 0; i < v->found; i++)
        history_fold(&fold, &r->steps[i]);
    enum sg_status status = history_attach_all(&fold, w, ids, &err);
    for (int i = 0; status == SG_OK && i < 6; i++) {
        struct history_step step = history_choose(&fold, chance);
        status = history_do(&fold, w, &step, ids, &err);
        if (status == SG_FULL)
            status = SG_OK;
    }
    history_mark(&fold, &wanted);
    if (status != SG_OK) {
        v->corrupt = true;
        (void)snprintf(v->why, sizeof v->why, "afterwards: %s", err.message);
    } else if (!read_mark(r->path, &shown, v->why, sizeof v->why)) {
        v->corrupt = true;
    } else if (!mark_same_place(&wanted, &shown) || !mark_same_rows(&wanted, &shown)) {
        v->torn = true;
        (void)snprintf(v->why, sizeof v->why, "what came afterwards is not what is stored");
    }
    history_free(&fold);
    tally->went_on++;
}

static struct verdict judge(const struct run *r, size_t acknowledged, uint64_t *chance)
{
    struct verdict v = {0};
    struct sg_error err = {0};
    struct store_open_report report = {0};
    struct store_writer *w = NULL;
    if (store_open(&r->options, &w, &report, &err) != SG_OK) {
        v.corrupt = true;
        (void)snprintf(v.why, sizeof v.why, "store_open: %s", err.message);
        return v;
    }
    if (report.moved_aside[0] != '\0') {
        v.corrupt = true;
        (void)snprintf(v.why, sizeof v.why, "moved aside as corrupt");
    } else if (!read_mark(r->path, &v.shown, v.why, sizeof v.why)) {
        v.corrupt = true;
    } else {
        place(r, acknowledged, &v);
    }
    if (!v.corrupt && !v.torn && disk_chance(chance) % GO_ON_EVERY == 0)
        go_on(r, w, chance, &v);
    store_close(w);
    return v;
}

static void count_verdict(const struct run *r, size_t op, size_t acknowledged, const struct verdict *v)
{
    static unsigned shown;
    tally->corrupt += v->corrupt;
    tally->torn += v->torn;
    if (!v->corrupt && !v->torn && v->found < acknowledged &&
        !mark_same_place(&r->marks[v->found], &r->marks[acknowledged])) {
        tally->lost++;
        tally->lost_full += r->options.synchronous_full;
    }
    bool bad = v->corrupt || v->torn || (r->options.synchronous_full && v->found < acknowledged);
    if (!bad || quiet || shown++ >= FAILURES_SHOWN)
        return;
    (void)fprintf(stderr, "history of seed %llu (%s), cut at operation %zu, acknowledged %zu, found %zu: %s: %s\n",
                  (unsigned long long)r->seed, r->options.synchronous_full ? "FULL" : "NORMAL", op, acknowledged,
                  v->found, v->corrupt ? "corrupt" : v->torn ? "torn" : "lost", v->why);
    if (v->torn) {
        mark_print("found", &v->shown);
        mark_print("expected", &r->marks[v->found]);
    }
}

/* The same cut once more, and then another one while the store is opened on it. */
static void cut_again(const struct run *r, const struct disk_image *image, uint64_t same_chance, size_t acknowledged,
                      uint64_t *chance)
{
    struct disk_log log = {0};
    uint64_t copy_chance = same_chance;
    struct memory_disk *disk = disk_image_cut(image, &same_chance);
    struct memory_disk *copy = disk_image_cut(image, &copy_chance);
    struct store_writer *w = NULL;
    memory_vfs_use(disk);
    memory_disk_record(disk, &log);
    if (store_open(&r->options, &w, NULL, NULL) == SG_OK)
        store_close(w);
    memory_disk_record(disk, NULL);
    struct disk_image *second = disk_image_create(&log, copy);
    for (size_t at = disk_chance(chance) % (log.ops_count + 1); at > 0; at--)
        disk_image_step(second);
    struct memory_disk *left = disk_image_cut(second, chance);
    memory_vfs_use(left);
    struct verdict v = judge(r, acknowledged, chance);
    count_verdict(r, disk_image_at(image), acknowledged, &v);
    memory_disk_destroy(left);
    disk_image_destroy(second);
    memory_disk_destroy(copy);
    memory_disk_destroy(disk);
    disk_log_free(&log);
    tally->again++;
    tally->cuts++;
}

static void cut(const struct run *r, const struct disk_image *image, uint64_t *chance)
{
    const struct disk_op *op = &r->log.ops[disk_image_at(image)];
    uint64_t same_chance = *chance;
    struct memory_disk *disk = disk_image_cut(image, chance);
    memory_vfs_use(disk);
    struct verdict v = judge(r, op->acknowledged, chance);
    count_verdict(r, disk_image_at(image), op->acknowledged, &v);
    memory_disk_destroy(disk);
    tally->cuts++;
    tally->at_writes += op->kind == DISK_WRITE;
    tally->at_syncs += op->kind == DISK_SYNC;
    tally->at_others += op->kind != DISK_WRITE && op->kind != DISK_SYNC;
    if (disk_chance(chance) % CUT_AGAIN_EVERY == 0 && !v.corrupt)
        cut_again(r, image, same_chance, op->acknowledged, chance);
}

/* ---- histories ---- */

static struct run *run_create(uint64_t seed, bool synchronous_full, enum plant plant, const char *folder)
{
    struct run *r = calloc(1, sizeof *r);
    struct sg_error err;
    if (r == NULL || (seed / 2 % 2 == 0 && notifier_create(&r->notifier, &err) != SG_OK))
        abort();
    r->seed = seed;
    r->plant = plant;
    (void)snprintf(r->path, sizeof r->path, "%s/state.db", folder);
    /* A small limit, so that the WAL is written back often. */
    r->options = (struct store_options){.path = r->path,
                                        .synchronous_full = synchronous_full,
                                        .bytes_max = 1 << 20,
                                        .collections_max = seed % 3 == 0 ? 7 : 9,
                                        .rejected_max = seed % 5 < 2 ? 15 : 1000,
                                        .rebuild_empty_swap = seed % 7 < 3};
    return r;
}

/* Cut at every `stride`th operation until `count` cuts are done. */
static void run_history(uint64_t seed, bool full, enum plant plant, size_t stride, uint64_t count, const char *folder)
{
    struct run *r = run_create(seed, full, plant, folder);
    uint64_t chance = hash_mix(seed + 77);
    record(r);
    struct disk_image *image = disk_image_create(&r->log, NULL);
    while (disk_image_at(image) < r->log.ops_count && tally->cuts < count) {
        if (disk_image_at(image) % stride == seed % stride)
            cut(r, image, &chance);
        disk_image_step(image);
    }
    disk_image_destroy(image);
    disk_log_free(&r->log);
    notifier_destroy(r->notifier);
    free(r);
    tally->histories++;
}

/* True if the checker finds the fault. */
static bool plant_found(enum plant plant, uint64_t seed, const char *folder, const char *name)
{
    struct tally found = {0};
    tally = &found;
    quiet = true;
    for (uint64_t i = 0; found.corrupt + found.torn == 0 && found.cuts < PLANT_CUTS; i++)
        run_history(seed + i, true, plant, 23, PLANT_CUTS, folder);
    quiet = false;
    (void)printf("planted: %s: %llu corrupt, %llu torn, %llu without acknowledged commits in %llu cuts\n", name,
                 (unsigned long long)found.corrupt, (unsigned long long)found.torn,
                 (unsigned long long)found.lost_full, (unsigned long long)found.cuts);
    return found.corrupt + found.torn > 0;
}

int main(int argc, char **argv)
{
    struct run_options options = run_options_read(argc, argv, CUTS_DEFAULT);
    struct tally t = {0};
    char folder[64];
    pool_malloc_register();
    memory_vfs_register(options.seed);
    store_syncer_set_stepwise(true);
    history_fields_make();
    run_folder_make(folder);
    bool plants = plant_found(PLANT_LYING_DISK, options.seed, folder, "a disk that does not sync") &
                  plant_found(PLANT_TWO_TRANSACTIONS, options.seed, folder, "a position in a transaction of its own");
    double began = run_seconds();
    tally = &t;
    for (uint64_t i = 0; t.cuts < options.count; i++)
        run_history(options.seed + i, i % 2 == 0, PLANT_NONE, 1, options.count, folder);
    double seconds = run_seconds() - began;
    run_folder_remove(folder);
    bool good = t.corrupt + t.torn + t.lost_full == 0 && t.in_steps > 0 && t.parts > 0 && t.recounted > 0 && t.indexes > 0 && plants;
    (void)printf("power cuts: seed %llu, %llu histories, %llu checkpoints in steps, %llu cuts (%llu at writes, %llu at "
                 "syncs, %llu at truncates and names, %llu second ones), %llu followed by more, %llu lost commits "
                 "(with synchronous FULL %llu), corrupt %llu, torn %llu, %llu rows of fields and %llu indexes counted again, %.0f cuts/s: %s\n",
                 (unsigned long long)options.seed, (unsigned long long)t.histories, (unsigned long long)t.in_steps,
                 (unsigned long long)t.cuts, (unsigned long long)t.at_writes, (unsigned long long)t.at_syncs,
                 (unsigned long long)t.at_others, (unsigned long long)t.again, (unsigned long long)t.went_on,
                 (unsigned long long)t.lost, (unsigned long long)t.lost_full, (unsigned long long)t.corrupt,
                 (unsigned long long)t.torn, (unsigned long long)t.recounted, (unsigned long long)t.indexes,
                 (double)t.cuts / seconds, good ? "good" : "FAILED");
    return good ? 0 : 1;
}
