/* The memory of applying, kept from batch to batch: room for the largest one so far. */
#include <stdlib.h>

#include "store/write/write.h"

void store_scratch_free(struct store_scratch *scratch)
{
    if (scratch == NULL)
        return;
    free(scratch->outcomes);
    free(scratch->works);
    free(scratch->groups);
    free(scratch);
}

enum sg_status store_scratch_reserve(struct store_writer *w, size_t count, struct sg_error *err)
{
    if (w->scratch == NULL)
        w->scratch = calloc(1, sizeof *w->scratch);
    struct store_scratch *scratch = w->scratch;
    if (scratch == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    if (scratch->capacity >= count)
        return SG_OK;
    struct store_outcome *outcomes = calloc(count, sizeof *outcomes);
    struct store_work *works = calloc(count, sizeof *works);
    struct store_group *groups = calloc(count, sizeof *groups);
    if (outcomes == NULL || works == NULL || groups == NULL) {
        free(outcomes);
        free(works);
        free(groups);
        return sg_fail(err, SG_MEMORY, "out of memory");
    }
    free(scratch->outcomes);
    free(scratch->works);
    free(scratch->groups);
    scratch->outcomes = outcomes;
    scratch->works = works;
    scratch->groups = groups;
    scratch->capacity = count;
    return SG_OK;
}
