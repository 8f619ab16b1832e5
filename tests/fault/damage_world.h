/* A read model on a real disk, fed with events that follow from their sequence alone, and the comparison of all that it
 * answers with their fold. */
#ifndef STATEGATE_TESTS_DAMAGE_WORLD_H
#define STATEGATE_TESTS_DAMAGE_WORLD_H

#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"

#define WORLD_EVENTS 2400 /* the whole stream */
#define WORLD_IDS 300
#define WORLD_IDS_NEVER 30 /* ids that no event has, asked for as well */

/* The next number of a generator. */
uint64_t world_chance(uint64_t *state);

/* A writer with a reader beside it. */
struct world {
    struct store_writer *writer;
    struct store_reader *reader;
    struct stream stream;
    struct store_open_report report;
};

/* On failure nothing is left open. */
enum sg_status world_open(struct world *w, const char *path, struct sg_error *err);
void world_close(struct world *w);
/* Apply up to `target` in batches of random size; sometimes a reader holds the WAL meanwhile. */
enum sg_status world_apply(struct world *w, uint64_t target, uint64_t *chance, struct sg_error *err);

/* What all answers came to. */
struct world_answers {
    uint64_t position;  /* that they show */
    unsigned equal;
    unsigned errors;    /* honest ones: the gateway would say 5xx */
    unsigned wrong;     /* another row than the fold has, a row too many, a row that is missing */
    char first_wrong[160];
};

/* Ask for every entity, those that never were, all pages, counts and rejected events. */
void world_ask(struct world *w, struct world_answers *out);

#endif
