/* A fixed piece of a history, played again and again while something fails: open, attach, apply, begin a build, sweep,
 * read, close. After each failure what is stored and what readers see must be as before it, and once the fault is
 * healed the same step must succeed. */
#ifndef STATEGATE_TESTS_STORE_SCENE_H
#define STATEGATE_TESTS_STORE_SCENE_H

#include "store_history.h"

/* How the scene deals with what is failing. */
struct scene_faults {
    /* No fault from now on. */
    void (*heal)(void);
    /* While the scene looks at what is stored; else NULL. */
    void (*pause)(void);
    void (*resume)(void);
    /* How often it has failed so far. */
    uint64_t (*struck)(void);
    /* May the store call the fault so? `opening`: by store_open and store_stream_attach. */
    bool (*allows)(const struct sg_error *err, bool opening);
    /* May the database be taken for damaged when it is opened? */
    bool takes_for_damage;
};

/* Mistakes that the scene must notice. */
enum scene_plant {
    SCENE_PLANT_NONE,
    SCENE_PLANT_CHANGE, /* a step that failed has changed a row */
    SCENE_PLANT_ROW     /* a row is not what was stored */
};

struct scene_result {
    bool failed;
    char what[600];
    bool aside;       /* it was taken for damaged, and that was allowed: nothing else was looked at */
    uint64_t refused; /* failures that were reported */
    uint64_t in_steps; /* checkpoints that left the sync of their pages for later */
};

/* Make the database that each play begins with, in this folder: not closed in order, so that its WAL is needed. `steps`
 * is how long a play is. Ends the process if that fails. */
void scene_make(const char *folder, uint64_t seed, int steps);
/* From now on the WAL is written back in steps between those of a play, as the gateway does it. */
void scene_write_back_in_steps(void);
void scene_free(void);

struct scene_result scene_play(const struct scene_faults *faults, enum scene_plant plant);

#endif
