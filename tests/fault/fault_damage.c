/* Damage: a database that was closed in order or killed is changed beneath the read model, by every means below, and
 * so is one that is open. Then all is asked. Every answer must be that of the fold at the position that is shown, or
 * an error; never a wrong row or a row that is missing. Where anything was found, the next start must move the
 * database aside; and what is built from the stream afterwards must be the whole fold.
 *
 * COUNT is the number of damages. The same campaign without what finds them (page checksums and seal) must give wrong
 * answers: that proves the questions.
 *
 * ctest-timeout: 600 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/integrity/checksum.h"
#include "store/integrity/vfs.h"
#include "store/integrity/wal.h"
#include "damage_world.h"
#include "run_options.h"

#define COUNT_DEFAULT 300
#define PLANT_COUNT 200      /* damages without checks, at most */
#define DAMAGES_PER_STATE 12
#define SESSIONS 3           /* of a database before it is damaged */
#define STARTS_MAX 3         /* until all is well again */
#define SHOWN_MAX 5

enum damage {
    FLIP_DATABASE, FLIP_HEADER, FLIP_SEAL, ZERO_SECTOR, COPY_SECTOR, COPY_PAGE, FOREIGN_PAGE, CUT_DATABASE,
    FLIP_WAL, ZERO_WAL, CUT_WAL, DELETE_WAL, FOREIGN_WAL, OLDER_WAL, NO_SHM, WRONG_SHM,
    OLDER_DATABASE, OLDER_PAIR, FOREIGN_DATABASE, FOREIGN_PAIR,
    DAMAGES_COUNT
};

static const char *const names[DAMAGES_COUNT] = {
    [FLIP_DATABASE] = "bits of the file", [FLIP_HEADER] = "a bit of the header", [FLIP_SEAL] = "a bit of the seal",
    [ZERO_SECTOR] = "a sector of zeros", [COPY_SECTOR] = "a sector of another page", [COPY_PAGE] = "another page",
    [FOREIGN_PAGE] = "a page of another database", [CUT_DATABASE] = "the file cut short",
    [FLIP_WAL] = "bits of the WAL", [ZERO_WAL] = "a WAL with a sector of zeros", [CUT_WAL] = "the WAL cut short",
    [DELETE_WAL] = "the WAL deleted", [FOREIGN_WAL] = "another database's WAL", [OLDER_WAL] = "an older WAL",
    [NO_SHM] = "the -shm deleted", [WRONG_SHM] = "a -shm of noise",
    [OLDER_DATABASE] = "an older file, the WAL left", [OLDER_PAIR] = "an older file and WAL",
    [FOREIGN_DATABASE] = "another gateway's file, the WAL left", [FOREIGN_PAIR] = "another gateway's file and WAL",
};

/* A file in memory; `bytes` 0 = it is not there. */
struct copy {
    unsigned char *data; /* owned */
    size_t bytes;
};

/* A database as a session has left it. */
struct snapshot {
    struct copy database;
    struct copy wal;
};

struct tally {
    uint64_t tries;
    uint64_t at_start; /* found by the start, and moved aside */
    uint64_t at_read;  /* found by a read, a write or a checkpoint */
    uint64_t refused;  /* the start is refused, and says why */
    uint64_t harmless; /* all answers are those of the fold, from its position at once */
    uint64_t behind;   /* the same, from an earlier position than before the damage */
    uint64_t wrong;    /* damages after which there were wrong answers */
    uint64_t unhealed;
};

struct campaign {
    char folder[64];
    char path[96];
    uint64_t chance;
    struct snapshot ours[SESSIONS];    /* the last one is damaged */
    struct snapshot theirs;            /* another gateway's, of the same stream */
    struct tally by_kind[2][DAMAGES_COUNT]; /* closed, open */
    unsigned shown;
    bool checks;
};

/* ---- files ---- */

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void name_of(const struct campaign *c, const char *suffix, char out[128])
{
    (void)snprintf(out, 128, "%s%s", c->path, suffix);
}

static void take(const struct campaign *c, const char *suffix, struct copy *out)
{
    char name[128];
    struct stat st;
    name_of(c, suffix, name);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    free(out->data);
    *out = (struct copy){0};
    if (fd < 0)
        return;
    if (fstat(fd, &st) != 0)
        abort();
    out->bytes = (size_t)st.st_size;
    out->data = must(malloc(out->bytes + 1));
    if (pread(fd, out->data, out->bytes, 0) != (ssize_t)out->bytes || close(fd) != 0)
        abort();
}

static void put(const struct campaign *c, const char *suffix, const struct copy *copy)
{
    char name[128];
    name_of(c, suffix, name);
    (void)unlink(name);
    if (copy->bytes == 0)
        return;
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || pwrite(fd, copy->data, copy->bytes, 0) != (ssize_t)copy->bytes || close(fd) != 0)
        abort();
}

/* The folder holds this database and nothing else. */
static void put_snapshot(const struct campaign *c, const struct snapshot *s)
{
    run_folder_remove(c->folder);
    if (mkdir(c->folder, 0700) != 0)
        abort();
    put(c, "", &s->database);
    put(c, "-wal", &s->wal);
}

/* ---- sessions ---- */

/* A session up to `target` in a process of its own, which closes the database or is killed: when it is done, or
 * before. */
static void session(struct campaign *c, uint64_t target)
{
    struct timespec span = {0, (long)(world_chance(&c->chance) % 60000000)};
    unsigned end = (unsigned)(world_chance(&c->chance) % 4);
    pid_t child = fork();
    if (child == 0) {
        struct world w;
        struct sg_error err;
        uint64_t chance = c->chance;
        if (world_open(&w, c->path, &err) != SG_OK || world_apply(&w, target, &chance, &err) != SG_OK)
            _exit(3);
        if (end == 1 || end == 2)
            (void)raise(SIGKILL);
        world_close(&w);
        _exit(0);
    }
    int status = 0;
    if (end == 1) {
        (void)nanosleep(&span, NULL);
        (void)kill(child, SIGKILL);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status) != 0)) {
        (void)fprintf(stderr, "a session failed with status %d\n", status);
        exit(1);
    }
    (void)world_chance(&c->chance);
}

static void take_snapshot(const struct campaign *c, struct snapshot *out)
{
    take(c, "", &out->database);
    take(c, "-wal", &out->wal);
}

static void make_state(struct campaign *c)
{
    static const struct snapshot nothing;
    uint64_t last = WORLD_EVENTS / 2 + world_chance(&c->chance) % (WORLD_EVENTS / 3);
    put_snapshot(c, &nothing);
    do {
        session(c, last);
        take_snapshot(c, &c->theirs);
    } while (c->theirs.database.bytes == 0);
    put_snapshot(c, &nothing);
    for (uint64_t i = 1; i <= SESSIONS; i++) {
        do {
            session(c, last * i / SESSIONS + 1);
            take_snapshot(c, &c->ours[i - 1]);
        } while (c->ours[i - 1].database.bytes == 0);
    }
}

/* ---- damage ---- */

static void flip(struct campaign *c, struct copy *f, size_t from, size_t bytes)
{
    for (uint64_t bits = 1 + world_chance(&c->chance) % 3; f->bytes > from && bits > 0; bits--) {
        size_t at = from + world_chance(&c->chance) % (bytes < f->bytes - from ? bytes : f->bytes - from);
        f->data[at] ^= (unsigned char)(1u << world_chance(&c->chance) % 8);
    }
}

static size_t some_page(struct campaign *c, const struct copy *f)
{
    return f->bytes < 2 * STORE_PAGE_BYTES ? 0 : world_chance(&c->chance) % (f->bytes / STORE_PAGE_BYTES);
}

/* Copy `unit` bytes from a place of `from` to one of `f`, both at a multiple of it. */
static void copy_unit(struct campaign *c, struct copy *f, const struct copy *from, size_t unit)
{
    if (f->bytes >= unit && from->bytes >= unit)
        memcpy(f->data + world_chance(&c->chance) % (f->bytes / unit) * unit,
               from->data + world_chance(&c->chance) % (from->bytes / unit) * unit, unit);
}

static void zero(struct campaign *c, struct copy *f)
{
    if (f->bytes >= 512)
        memset(f->data + world_chance(&c->chance) % (f->bytes / 512) * 512, 0, 512);
}

static void cut(struct campaign *c, struct copy *f)
{
    if (f->bytes > 0)
        f->bytes = world_chance(&c->chance) % f->bytes;
}

static void put_over(struct copy *f, const struct copy *from)
{
    f->data = must(realloc(f->data, from->bytes + 1));
    f->bytes = from->bytes;
    if (from->bytes > 0)
        memcpy(f->data, from->data, from->bytes);
}

static void foreign_page(struct campaign *c, struct copy *f)
{
    size_t page = some_page(c, f) * STORE_PAGE_BYTES;
    if (c->theirs.database.bytes >= page + STORE_PAGE_BYTES && f->bytes >= page + STORE_PAGE_BYTES)
        memcpy(f->data + page, c->theirs.database.data + page, STORE_PAGE_BYTES);
}

static const struct snapshot *older(struct campaign *c)
{
    return &c->ours[world_chance(&c->chance) % (SESSIONS - 1)];
}

static void damage_shm(struct campaign *c, enum damage kind)
{
    unsigned char noise[32768];
    struct copy shm = {noise, kind == WRONG_SHM ? sizeof noise : 0};
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)world_chance(&c->chance);
    put(c, "-shm", &shm);
}

/* Change the two files in memory. */
static void inflict(struct campaign *c, enum damage kind, struct snapshot *s)
{
    switch (kind) {
    case FLIP_DATABASE: flip(c, &s->database, 0, SIZE_MAX); break;
    case FLIP_HEADER:
        flip(c, &s->database, 0, STORE_HEADER_BYTES);
        break;
    case FLIP_SEAL:
        flip(c, &s->database, STORE_SEAL_OFFSET + 1024, 2100);
        break;
    case ZERO_SECTOR: zero(c, &s->database); break;
    case COPY_SECTOR: copy_unit(c, &s->database, &s->database, 512); break;
    case COPY_PAGE:
        copy_unit(c, &s->database, &s->database, STORE_PAGE_BYTES);
        break;
    case FOREIGN_PAGE: foreign_page(c, &s->database); break;
    case CUT_DATABASE: cut(c, &s->database); break;
    case FLIP_WAL: flip(c, &s->wal, 0, SIZE_MAX); break;
    case ZERO_WAL: zero(c, &s->wal); break;
    case CUT_WAL: cut(c, &s->wal); break;
    case DELETE_WAL: s->wal.bytes = 0; break;
    case FOREIGN_WAL: put_over(&s->wal, &c->theirs.wal); break;
    case OLDER_WAL: put_over(&s->wal, &older(c)->wal); break;
    case OLDER_DATABASE: put_over(&s->database, &older(c)->database); break;
    case FOREIGN_DATABASE: put_over(&s->database, &c->theirs.database); break;
    case OLDER_PAIR: {
        const struct snapshot *from = older(c);
        put_over(&s->database, &from->database);
        put_over(&s->wal, &from->wal);
        break;
    }
    case FOREIGN_PAIR:
        put_over(&s->database, &c->theirs.database);
        put_over(&s->wal, &c->theirs.wal);
        break;
    case NO_SHM: case WRONG_SHM: case DAMAGES_COUNT: break;
    }
}

/* ---- what comes of it ---- */

static void note_wrong(struct campaign *c, struct tally *t, enum damage kind, bool open, const char *what)
{
    t->wrong++;
    if (c->checks && c->shown++ < SHOWN_MAX)
        (void)fprintf(stderr, "%s (%s): %s\n", names[kind], open ? "open" : "closed", what);
}

/* One run of the gateway: ask, go on to the end of the stream, ask again. True: all of the fold is there. */
static bool live(struct campaign *c, struct world *w, struct world_answers *first, struct world_answers *last)
{
    struct sg_error err;
    world_ask(w, first);
    enum sg_status status = world_apply(w, WORLD_EVENTS, &c->chance, &err);
    world_ask(w, last);
    return status == SG_OK && last->errors == 0 && last->position == WORLD_EVENTS && store_damage(w->writer) == NULL;
}

/* Start again and again until all is well. `position` is where the database was before the damage. */
static void judge(struct campaign *c, struct tally *t, enum damage kind, bool open, uint64_t position)
{
    struct world w;
    struct world_answers first;
    struct world_answers last;
    struct sg_error err = {0};
    bool found = open; /* what a read found while it was open is counted there */
    for (int start = 0; start < STARTS_MAX; start++) {
        if (world_open(&w, c->path, &err) != SG_OK) {
            if (err.status == SG_INVALID && c->checks) {
                t->refused++;
                return;
            }
            continue; /* damage that is met on the way: the next start looks at all */
        }
        bool aside = w.report.moved_aside[0] != '\0';
        bool well = live(c, &w, &first, &last);
        world_close(&w);
        if (first.wrong + last.wrong > 0) {
            note_wrong(c, t, kind, open, first.wrong > 0 ? first.first_wrong : last.first_wrong);
            return;
        }
        if (!found && (aside || !well)) {
            t->at_start += aside;
            t->at_read += !aside;
            found = true;
        }
        if (well) {
            t->harmless += !found && first.position >= position;
            t->behind += !found && first.position < position;
            return;
        }
    }
    t->unhealed++;
    if (c->checks && c->shown++ < SHOWN_MAX)
        (void)fprintf(stderr, "%s (%s): not well after %d starts: %s\n", names[kind], open ? "open" : "closed",
                      STARTS_MAX, err.message);
}

static uint64_t position_of(struct campaign *c, const struct snapshot *s)
{
    struct world w;
    struct sg_error err;
    put_snapshot(c, s);
    if (world_open(&w, c->path, &err) != SG_OK || w.report.moved_aside[0] != '\0') {
        (void)fprintf(stderr, "a sound database is not opened: %s %s\n", err.message, w.report.reason);
        exit(1);
    }
    uint64_t position = w.stream.position;
    world_close(&w);
    return position;
}

static void damage_closed(struct campaign *c, enum damage kind, uint64_t position)
{
    struct snapshot s = {0};
    put_over(&s.database, &c->ours[SESSIONS - 1].database);
    put_over(&s.wal, &c->ours[SESSIONS - 1].wal);
    inflict(c, kind, &s);
    put_snapshot(c, &s);
    if (kind == NO_SHM || kind == WRONG_SHM)
        damage_shm(c, kind);
    free(s.database.data);
    free(s.wal.data);
    c->by_kind[0][kind].tries++;
    judge(c, &c->by_kind[0][kind], kind, false, position);
}

/* Write what differs into a file beneath the one who has it open: in a process of its own, since closing a descriptor
 * here would drop the locks. */
static void write_beneath(const struct campaign *c, const char *suffix, const struct copy *before,
                          const struct copy *after)
{
    char name[128];
    name_of(c, suffix, name);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(name, O_WRONLY | O_CLOEXEC);
        for (size_t at = 0; fd >= 0 && at < after->bytes; at += 16) {
            size_t bytes = after->bytes - at < 16 ? after->bytes - at : 16;
            if (memcmp(before->data + at, after->data + at, bytes) != 0 &&
                pwrite(fd, after->data + at, bytes, (off_t)at) != (ssize_t)bytes)
                _exit(1);
        }
        _exit(fd >= 0 && (after->bytes == before->bytes || ftruncate(fd, (off_t)after->bytes) == 0) ? 0 : 1);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        abort();
}

static void damage_open(struct campaign *c, enum damage kind)
{
    struct tally *t = &c->by_kind[1][kind];
    struct snapshot before = {0};
    struct snapshot after = {0};
    struct world w;
    struct world_answers first;
    struct world_answers last;
    struct sg_error err;
    put_snapshot(c, &c->ours[SESSIONS - 1]);
    if (world_open(&w, c->path, &err) != SG_OK ||
        world_apply(&w, w.stream.position + world_chance(&c->chance) % 300, &c->chance, &err) != SG_OK)
        abort();
    take_snapshot(c, &before);
    put_over(&after.database, &before.database);
    put_over(&after.wal, &before.wal);
    inflict(c, kind, &after);
    t->tries++;
    write_beneath(c, "", &before.database, &after.database);
    if (before.wal.bytes > 0)
        write_beneath(c, "-wal", &before.wal, &after.wal);
    bool well = live(c, &w, &first, &last);
    t->at_read += !well;
    bool wrong = first.wrong + last.wrong > 0;
    if (wrong)
        note_wrong(c, t, kind, true, first.wrong > 0 ? first.first_wrong : last.first_wrong);
    world_close(&w);
    struct tally afterwards = {0};
    if (!wrong)
        judge(c, &afterwards, kind, well ? false : true, 0);
    t->wrong += afterwards.wrong;
    t->refused += afterwards.refused;
    t->unhealed += afterwards.unhealed;
    t->at_start += afterwards.at_start;
    t->harmless += well && !wrong && afterwards.at_start + afterwards.at_read + afterwards.wrong == 0;
    t->at_read += afterwards.at_read;
    free(before.database.data);
    free(before.wal.data);
    free(after.database.data);
    free(after.wal.data);
}

/* What can be written beneath an open database without replacing its files. */
static bool can_be_open(enum damage kind)
{
    return kind <= CUT_WAL;
}

static struct tally add_up(const struct campaign *c)
{
    struct tally sum = {0};
    for (size_t i = 0; i < 2 * DAMAGES_COUNT; i++) {
        const struct tally *t = &c->by_kind[i / DAMAGES_COUNT][i % DAMAGES_COUNT];
        sum.tries += t->tries;
        sum.at_start += t->at_start;
        sum.at_read += t->at_read;
        sum.refused += t->refused;
        sum.harmless += t->harmless;
        sum.behind += t->behind;
        sum.wrong += t->wrong;
        sum.unhealed += t->unhealed;
    }
    return sum;
}

static struct tally run(struct campaign *c, uint64_t seed, uint64_t count, bool checks)
{
    uint64_t position = 0;
    c->chance = seed;
    c->checks = checks;
    for (uint64_t done = 0; done < count; done++) {
        if (done % DAMAGES_PER_STATE == 0) {
            store_checksum_set_checking(true);
            make_state(c);
            position = position_of(c, &c->ours[SESSIONS - 1]);
            store_checksum_set_checking(checks);
        }
        enum damage kind = (enum damage)((done + done / DAMAGES_COUNT) % DAMAGES_COUNT);
        if (can_be_open(kind) && done / DAMAGES_COUNT % 2 == 1)
            damage_open(c, kind);
        else
            damage_closed(c, kind, position);
        if (!checks && add_up(c).wrong >= 5)
            break;
    }
    store_checksum_set_checking(true);
    for (size_t i = 0; i < SESSIONS; i++) {
        free(c->ours[i].database.data);
        free(c->ours[i].wal.data);
    }
    free(c->theirs.database.data);
    free(c->theirs.wal.data);
    return add_up(c);
}

static void print(const struct campaign *c)
{
    for (size_t i = 0; i < 2 * DAMAGES_COUNT; i++) {
        const struct tally *t = &c->by_kind[i / DAMAGES_COUNT][i % DAMAGES_COUNT];
        if (t->tries > 0)
            (void)printf("%-38s %s: %3llu times, %3llu found at the start, %3llu by a read, %llu refused, "
                         "%3llu harmless, %llu behind, %llu wrong\n",
                         names[i % DAMAGES_COUNT], i < DAMAGES_COUNT ? "closed" : "open  ",
                         (unsigned long long)t->tries, (unsigned long long)t->at_start, (unsigned long long)t->at_read,
                         (unsigned long long)t->refused, (unsigned long long)t->harmless, (unsigned long long)t->behind,
                         (unsigned long long)t->wrong);
    }
}

int main(int argc, char **argv)
{
    struct run_options options = run_options_read(argc, argv, COUNT_DEFAULT);
    struct campaign *c = must(calloc(1, sizeof *c));
    run_folder_make(c->folder);
    (void)snprintf(c->path, sizeof c->path, "%s/state.db", c->folder);
    struct tally plant = run(c, options.seed, PLANT_COUNT, false);
    (void)printf("planted: nothing is checked: wrong answers after %llu of %llu damages\n",
                 (unsigned long long)plant.wrong, (unsigned long long)plant.tries);
    memset(c->by_kind, 0, sizeof c->by_kind);
    memset(c->ours, 0, sizeof c->ours);
    memset(&c->theirs, 0, sizeof c->theirs);
    double began = run_seconds();
    struct tally sum = run(c, options.seed, options.count, true);
    double seconds = run_seconds() - began;
    print(c);
    run_folder_remove(c->folder);
    free(c);
    bool good = sum.wrong + sum.unhealed == 0 && plant.wrong > 0 && sum.at_start + sum.at_read > 0;
    (void)printf("damage: seed %llu, %llu damages, %llu found at the start, %llu by a read or a write, %llu refused, "
                 "%llu harmless, %llu behind and caught up, not healed %llu, wrong answers %llu, %.1f a second: %s\n",
                 (unsigned long long)options.seed, (unsigned long long)sum.tries, (unsigned long long)sum.at_start,
                 (unsigned long long)sum.at_read, (unsigned long long)sum.refused, (unsigned long long)sum.harmless,
                 (unsigned long long)sum.behind, (unsigned long long)sum.unhealed, (unsigned long long)sum.wrong,
                 (double)sum.tries / seconds, good ? "good" : "FAILED");
    return good ? 0 : 1;
}
