/* The piece of a history, and what is looked at while it is played. */
#include "store_scene.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "disk_cut.h"
#include "store/write/transaction.h"
#include "tests/support/fields_recount.h"

#define BASE_STEPS 50
#define ATTEMPTS_MAX 12  /* that a step may need */
#define HEAL_AFTER 2     /* attempts while the fault lasts */
#define CACHE_BYTES (64 << 10)
#define IN_STEPS_PAGES 4 /* so many new ones in the WAL are worth a checkpoint in steps */

static struct {
    uint64_t seed;
    int steps;
    char base_path[96];
    char path[96];
    struct history fold; /* of the base */
    struct store_options options;
    bool in_steps;
} base;

struct scene {
    const struct scene_faults *faults;
    enum scene_plant plant;
    struct scene_result result;
    bool over; /* nothing more is to be looked at */
    bool opening;
    struct history fold;
    struct commit_clock *shared;
    struct store_writer *writer;
    struct store_reader *reader;
    struct notifier *notifier; /* NULL = the WAL is not written back in steps */
    int64_t ids[HISTORY_STREAMS];
    uint64_t chance;
    uint64_t chance_back;
};

static void scene_fail(struct scene *s, const char *what, const char *detail)
{
    if (!s->over)
        (void)snprintf(s->result.what, sizeof s->result.what, "%s: %s", what, detail);
    s->result.failed = s->over = true;
}

/* Is this what the fault may be called? */
static void refused(struct scene *s, const struct sg_error *err, const char *what)
{
    s->result.refused++;
    if (s->faults->struck() == 0 || !s->faults->allows(err, s->opening))
        scene_fail(s, what, err->message);
}

/* ---- files ---- */

static void copy_file(const char *from_base, const char *to_base, const char *suffix)
{
    char from[128];
    char to[128];
    struct stat st;
    (void)snprintf(from, sizeof from, "%s%s", from_base, suffix);
    (void)snprintf(to, sizeof to, "%s%s", to_base, suffix);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (in < 0 || out < 0 || fstat(in, &st) != 0 || sendfile(out, in, NULL, (size_t)st.st_size) != st.st_size) {
        perror(to);
        exit(2);
    }
    (void)close(in);
    (void)close(out);
}

static void files_begin(void)
{
    static const char *const others[] = {"-shm", "-journal", ".suspect"};
    char name[128];
    copy_file(base.base_path, base.path, "");
    copy_file(base.base_path, base.path, "-wal");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", base.path, others[i]);
        (void)unlink(name);
    }
}

/* With the system's own VFS, so that no fault is in the way of the checks. */
static sqlite3 *open_plainly(int flags)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(base.path, &db, flags, "unix") == SQLITE_OK)
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return db;
}

static void pause_faults(const struct scene *s)
{
    if (s->faults->pause != NULL)
        s->faults->pause();
}

static void resume_faults(const struct scene *s)
{
    if (s->faults->resume != NULL)
        s->faults->resume();
}

static void check_stored(struct scene *s, const char *when)
{
    struct mark wanted;
    struct mark shown;
    char why[256];
    char found[RECOUNT_WHY_BYTES];
    struct recount counted;
    pause_faults(s);
    sqlite3 *db = open_plainly(SQLITE_OPEN_READONLY);
    history_mark(&s->fold, &wanted);
    if (!mark_read(db, &shown, why, sizeof why))
        scene_fail(s, when, why);
    else if (!mark_same_place(&wanted, &shown) || !mark_same_rows(&wanted, &shown))
        scene_fail(s, when, "the file does not hold what the fold does");
    else if (!fields_recount(db, &counted, found))
        scene_fail(s, when, found);
    (void)sqlite3_close(db);
    resume_faults(s);
}

static void plant_change(const struct scene *s)
{
    pause_faults(s);
    sqlite3 *db = open_plainly(SQLITE_OPEN_READWRITE);
    if (sqlite3_exec(db, "UPDATE entities SET version = version + 1 WHERE number = (SELECT max(number) FROM entities)",
                     NULL, NULL, NULL) != SQLITE_OK)
        abort();
    (void)sqlite3_close(db);
    resume_faults(s);
}

/* ---- the steps ---- */

static void writer_close(struct scene *s)
{
    store_reader_close(s->reader);
    store_close(s->writer);
    notifier_destroy(s->notifier);
    s->notifier = NULL;
    commit_clock_destroy(s->shared);
    s->reader = NULL;
    s->writer = NULL;
    s->shared = NULL;
}

static enum sg_status write_back_start(struct scene *s, struct sg_error *err)
{
    enum sg_status status = notifier_create(&s->notifier, err);
    if (status == SG_OK)
        status = store_write_back_start(s->writer, s->notifier, err);
    if (status == SG_OK) {
        s->writer->back.slice = IN_STEPS_PAGES;
        s->writer->back.pause_ns = 0; /* steps come faster here than anywhere */
    }
    return status;
}

/* Between two steps; how often it is called is part of the play. */
static void write_back(struct scene *s)
{
    if (s->notifier == NULL || s->writer == NULL || s->over)
        return;
    for (uint64_t calls = 3 + disk_chance(&s->chance_back) % 8; calls > 0; calls--) {
        bool announced = s->writer->back.step == BACK_SEAL;
        store_write_back(s->writer);
        s->result.in_steps += announced && s->writer->back.step == BACK_PAGES;
    }
}

static enum sg_status try_open(struct scene *s, struct store_open_report *report, struct sg_error *err)
{
    struct store_options options = base.options;
    *report = (struct store_open_report){0};
    enum sg_status status = commit_clock_create(CACHE_BYTES, &s->shared, err);
    options.shared = s->shared;
    if (status == SG_OK)
        status = store_open(&options, &s->writer, report, err);
    if (status == SG_OK && base.in_steps)
        status = write_back_start(s, err);
    if (status == SG_OK && report->moved_aside[0] == '\0')
        status = history_attach_all(&s->fold, s->writer, s->ids, err);
    return status;
}

static void writer_open(struct scene *s)
{
    struct sg_error err = {0};
    struct store_open_report report;
    for (int attempt = 0; attempt < ATTEMPTS_MAX && !s->over; attempt++) {
        enum sg_status status = try_open(s, &report, &err);
        if (report.moved_aside[0] != '\0' && s->faults->takes_for_damage)
            s->result.aside = s->over = true;
        else if (report.moved_aside[0] != '\0' || report.created)
            scene_fail(s, "open", "the database was thrown away");
        if (status == SG_OK)
            return;
        s->opening = true;
        refused(s, &err, "open and attach");
        s->opening = false;
        writer_close(s);
        if (attempt + 1 >= HEAL_AFTER)
            s->faults->heal();
    }
    scene_fail(s, "open and attach", "not even after the healing");
}

/* Right rows, or an error. */
static void check_reader(struct scene *s)
{
    struct sg_error err = {0};
    enum sg_status status = SG_OK;
    if (s->over)
        return;
    if (s->reader == NULL)
        status = store_reader_open(base.path, s->shared, &s->reader, &err);
    if (status == SG_OK)
        status = history_read(&s->fold, s->reader, &err);
    if (status == SG_INVALID)
        scene_fail(s, "a reader", err.message);
    else if (status != SG_OK)
        refused(s, &err, "a reader");
}

static void do_step(struct scene *s, struct history_step *step)
{
    for (int attempt = 0; attempt < ATTEMPTS_MAX && !s->over; attempt++) {
        struct sg_error err = {0};
        enum sg_status status = history_do(&s->fold, s->writer, step, s->ids, &err);
        if (status == SG_OK) {
            if (attempt > 0)
                check_stored(s, "after the healing");
            return;
        }
        refused(s, &err, "a step");
        if (s->plant == SCENE_PLANT_CHANGE)
            plant_change(s);
        check_stored(s, "after a step that failed");
        check_reader(s);
        if (attempt >= HEAL_AFTER)
            s->faults->heal();
        if (status == SG_CORRUPT && !s->over) {
            /* The gateway ends then, and looks at the whole file when it starts again. */
            s->faults->heal();
            writer_close(s);
            writer_open(s);
        }
    }
    scene_fail(s, "a step", "not even after the healing");
}

/* The same steps each time: what there is to do follows from the seed and the base. */
static void play(struct scene *s)
{
    writer_open(s);
    for (int i = 0; i < base.steps && !s->over; i++) {
        struct history_step step = history_choose(&s->fold, &s->chance);
        if (i == base.steps / 3)
            step = (struct history_step){.kind = STEP_BEGIN_BUILD, .target = 30};
        else if (i == base.steps * 2 / 3)
            step = (struct history_step){.kind = STEP_SWEEP};
        do_step(s, &step);
        write_back(s);
        if (i % 3 == 0)
            check_reader(s);
    }
    if (s->plant == SCENE_PLANT_ROW)
        s->fold.streams[0].served.rows[0][0].version++;
    check_reader(s);
    if (!s->over && s->reader != NULL)
        check_reader(s); /* from the cache as well */
    writer_close(s);     /* may meet the fault */
    s->faults->heal();
    if (!s->over)
        check_stored(s, "after the end");
}

struct scene_result scene_play(const struct scene_faults *faults, enum scene_plant plant)
{
    struct scene s = {.faults = faults, .plant = plant, .chance = base.seed + 5,
                      .chance_back = base.seed + 7};
    pause_faults(&s);
    files_begin();
    history_copy(&base.fold, &s.fold);
    s.fold.pause = faults->pause;
    s.fold.resume = faults->resume;
    resume_faults(&s);
    play(&s);
    history_free(&s.fold);
    return s.result;
}

void scene_make(const char *folder, uint64_t seed, int steps)
{
    struct store_writer *w = NULL;
    struct sg_error err = {0};
    int64_t ids[HISTORY_STREAMS];
    uint64_t chance = seed;
    base.seed = seed;
    base.steps = steps;
    (void)snprintf(base.path, sizeof base.path, "%s/state.db", folder);
    (void)snprintf(base.base_path, sizeof base.base_path, "%s/base.db", folder);
    base.options = (struct store_options){.path = base.path,
                                          .synchronous_full = seed % 2 == 1,
                                          .bytes_max = 1 << 20,
                                          .collections_max = 8,
                                          .rejected_max = 40};
    history_fields_make();
    history_init(&base.fold, seed, &base.options);
    enum sg_status status = store_open(&base.options, &w, NULL, &err);
    if (status == SG_OK)
        status = history_attach_all(&base.fold, w, ids, &err);
    for (int i = 0; status == SG_OK && i < BASE_STEPS; i++) {
        struct history_step step = history_choose(&base.fold, &chance);
        status = history_do(&base.fold, w, &step, ids, &err);
    }
    if (status != SG_OK) {
        (void)fprintf(stderr, "without a fault: %s\n", err.message);
        exit(1);
    }
    copy_file(base.path, base.base_path, "");
    copy_file(base.path, base.base_path, "-wal");
    store_close(w);
}

void scene_write_back_in_steps(void)
{
    store_syncer_set_stepwise(true);
    base.in_steps = true;
}

void scene_free(void)
{
    history_free(&base.fold);
}
