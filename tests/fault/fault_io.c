/* I/O errors and a full disk: while a piece of a history is played (store_scene.h) the Nth read, write, sync, truncate
 * ... fails, once or until it is healed.
 *
 * A step that fails says so with the status that store/writer.h names, and has changed nothing; a step that succeeds
 * has done all of it; readers see the rows of the last success or get an error; after the healing the same step
 * succeeds; nothing is taken for damage, unless a read ends short, as if the file did; and at the end the file holds
 * what the fold does.
 *
 * All of it twice: with checkpoints in the commits, and with the WAL written back in steps between them. Where the sync
 * of pages fails that were written back in such a step, they are gone: the file must not count as holding them.
 *
 * COUNT is in sevenths: 1 takes every seventh index, beginning by the seed, 7 takes all. Planted faults that the checks
 * must find: a write that is lost in silence, a sync that has lost what it should have kept and says nothing, a failed
 * step that has changed a row, a row that is not what was stored.
 *
 * ctest-timeout: 900 */
#include <stdio.h>
#include <stdlib.h>

#include "io_vfs.h"
#include "store_scene.h"
#include "run_options.h"

#define SEVENTHS 7
#define STEPS 14
#define FAILURES_SHOWN 8

struct case_of {
    enum io_operation operation;
    uint64_t index;
    enum io_fault fault;
    bool until_healed;
};

static struct tally {
    uint64_t cases;
    uint64_t struck;  /* cases in which the fault happened */
    uint64_t refused; /* opens, steps and reads that failed cleanly */
    uint64_t hidden;  /* the fault happened, and nothing failed for it */
    uint64_t aside;   /* short reads while opening, taken for damage */
    uint64_t in_steps; /* checkpoints in steps */
    uint64_t failed;
} tally;

static enum io_fault fault_now;

static bool allows(const struct sg_error *err, bool opening)
{
    (void)opening;
    bool full = fault_now == IO_FAULT_FULL || fault_now == IO_FAULT_ENOSPC;
    return err->status == SG_STORAGE || (full && err->status == SG_FULL) ||
           (fault_now == IO_FAULT_SHORT && err->status == SG_CORRUPT);
}

static struct scene_result play(const struct case_of *c, enum scene_plant plant)
{
    struct scene_faults faults = {.heal = io_vfs_heal, .struck = io_vfs_struck, .allows = allows,
                                  .takes_for_damage = c->fault == IO_FAULT_SHORT};
    fault_now = c->fault;
    io_vfs_arm(c->operation, c->index, c->fault, c->until_healed);
    return scene_play(&faults, plant);
}

static void run_case(enum io_operation operation, uint64_t index, enum io_fault fault, bool until_healed)
{
    struct case_of c = {operation, index, fault, until_healed};
    struct scene_result r = play(&c, SCENE_PLANT_NONE);
    bool struck = io_vfs_struck() > 0;
    tally.cases++;
    tally.struck += struck;
    tally.refused += r.refused;
    tally.hidden += struck && r.refused == 0 && !r.aside;
    tally.aside += r.aside;
    tally.in_steps += r.in_steps;
    tally.failed += r.failed;
    if (r.failed && tally.failed <= FAILURES_SHOWN)
        (void)fprintf(stderr, "%s %llu, %s, %s: %s\n", io_operation_name(operation), (unsigned long long)index,
                      io_fault_name(fault), until_healed ? "until healed" : "once", r.what);
}

static void run_operation(enum io_operation operation, uint64_t count, uint64_t seed, uint64_t sevenths)
{
    for (uint64_t index = 0; index < count; index++) {
        bool taken = (index + SEVENTHS - seed % SEVENTHS) % SEVENTHS < sevenths;
        for (enum io_fault fault = 0; fault < IO_FAULTS_COUNT; fault++) {
            if (!taken && fault != IO_FAULT_LOST) /* there are few, and it is the only one that order_lost answers */
                continue;
            if (!io_fault_suits(operation, fault) || fault == IO_FAULT_SILENT || fault == IO_FAULT_FORGOTTEN)
                continue;
            /* In turn once and until it is healed; both ways where all are taken. */
            bool turn = (index / SEVENTHS + (uint64_t)fault) % 2 != 0 && fault != IO_FAULT_SHORT;
            bool both = sevenths >= SEVENTHS || fault == IO_FAULT_LOST;
            if (!turn || both)
                run_case(operation, index, fault, false);
            if (turn || (both && fault != IO_FAULT_SHORT))
                run_case(operation, index, fault, true);
        }
    }
}

/* True if a planted fault is found in one of the cases. */
static bool plant_found(const char *name, enum scene_plant plant, enum io_operation operation, enum io_fault fault,
                        const uint64_t *counts)
{
    uint64_t cases = 0;
    bool found = false;
    bool few = operation == IO_SYNC;
    for (uint64_t index = few ? 0 : counts[operation] / 4; index < counts[operation] && !found;
         index += few ? 1 : 3, cases++)
        found = play(&(struct case_of){operation, index, fault, false}, plant).failed;
    (void)printf("planted: %s: %s after %llu cases\n", name, found ? "found" : "NOT FOUND", (unsigned long long)cases);
    return found;
}

static bool plants_found(const uint64_t *counts)
{
    bool found = plant_found("a write that is lost in silence", SCENE_PLANT_NONE, IO_WRITE, IO_FAULT_SILENT, counts);
    found &= plant_found("a sync that has lost it in silence", SCENE_PLANT_NONE, IO_SYNC, IO_FAULT_FORGOTTEN, counts);
    found &= plant_found("a failed step that has changed a row", SCENE_PLANT_CHANGE, IO_WRITE, IO_FAULT_ERROR, counts);
    found &= plant_found("a row that is not what was stored", SCENE_PLANT_ROW, IO_WRITE, IO_FAULT_ERROR, counts);
    return found;
}

/* All faults of one scene. False: a case failed, or a planted fault was not found. */
static bool run_scene(const char *name, const struct run_options *run)
{
    uint64_t counts[IO_OPERATIONS_COUNT];
    struct scene_result sound = play(&(struct case_of){IO_READ, UINT64_MAX, IO_FAULT_ERROR, false}, SCENE_PLANT_NONE);
    (void)printf("%s, without a fault: %s\noperations:", name, sound.failed ? sound.what : "good");
    for (enum io_operation o = 0; o < IO_OPERATIONS_COUNT; o++) {
        counts[o] = io_vfs_count(o);
        (void)printf(" %s %llu", io_operation_name(o), (unsigned long long)counts[o]);
    }
    (void)printf("\n");
    bool plants = plants_found(counts);
    double began = run_seconds();
    tally = (struct tally){0};
    for (enum io_operation o = 0; o < IO_OPERATIONS_COUNT; o++)
        run_operation(o, counts[o], run->seed, run->count);
    double seconds = run_seconds() - began;
    bool good = tally.failed == 0 && plants && !sound.failed;
    (void)printf("I/O faults, %s: seed %llu, %llu sevenths, %llu cases, struck in %llu, refused cleanly %llu, without "
                 "effect %llu, short reads at the start taken for damage %llu, checkpoints in steps %llu, failed %llu, "
                 "%.0f cases/s: %s\n",
                 name, (unsigned long long)run->seed, (unsigned long long)run->count, (unsigned long long)tally.cases,
                 (unsigned long long)tally.struck, (unsigned long long)tally.refused, (unsigned long long)tally.hidden,
                 (unsigned long long)tally.aside, (unsigned long long)tally.in_steps,
                 (unsigned long long)tally.failed, (double)tally.cases / seconds, good ? "good" : "FAILED");
    return good;
}

int main(int argc, char **argv)
{
    struct run_options run = run_options_read(argc, argv, 1);
    char folder[64];
    io_vfs_register();
    run_folder_make(folder);
    scene_make(folder, run.seed, STEPS);
    bool good = run_scene("checkpoints in commits", &run);
    scene_write_back_in_steps();
    good &= run_scene("written back in steps", &run) && tally.in_steps > tally.cases;
    scene_free();
    run_folder_remove(folder);
    return good ? 0 : 1;
}
