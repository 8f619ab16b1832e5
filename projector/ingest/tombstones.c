/* Passes over the collections whose tombstones have bounds. */
#include "projector/ingest/tombstones.h"

#include <stdlib.h>

struct bounded {
    size_t stream;
    const struct collection_settings *collection; /* borrowed */
};

struct tombstones {
    int64_t rests_ns; /* between two passes, as long as any may grow old */
    int64_t began_ns; /* the last pass */
    int64_t next_ns;  /* the next step */
    size_t at;        /* whose turn it is; 0 = a pass begins */
    bool came;        /* some may be too many, since the pass began */
    bool left;        /* some may grow old */
    size_t count;
    struct bounded bounded[];
};

static bool is_bounded(const struct collection_settings *collection)
{
    return collection->tombstones.keep_ms > 0 || collection->tombstones.max > 0;
}

/* The shortest time that any are kept decides how often they are looked for. */
static void add(struct tombstones *t, const struct settings *settings, const struct collection_settings *collection)
{
    int owner = settings_owner(settings, slice_of(collection->name));
    int64_t rests_ns = collection->tombstones.keep_ms * NS_PER_MS / TOMBSTONES_PASSES;
    if (owner < 0)
        return;
    t->bounded[t->count++] = (struct bounded){(size_t)owner, collection};
    if (rests_ns > 0 && rests_ns < t->rests_ns)
        t->rests_ns = rests_ns > TOMBSTONES_PASS_NS ? rests_ns : TOMBSTONES_PASS_NS;
}

enum sg_status tombstones_create(const struct settings *settings, struct tombstones **out, struct sg_error *err)
{
    size_t count = 0;
    *out = NULL;
    for (size_t i = 0; i < settings->collections_count; i++)
        count += is_bounded(&settings->collections[i]) ? 1 : 0;
    if (count == 0)
        return SG_OK;
    struct tombstones *t = calloc(1, sizeof *t + count * sizeof t->bounded[0]);
    if (t == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the bounds of %zu collections", count);
    t->rests_ns = TOMBSTONES_PASS_NS_MAX;
    for (size_t i = 0; i < settings->collections_count; i++) {
        if (is_bounded(&settings->collections[i]))
            add(t, settings, &settings->collections[i]);
    }
    *out = t;
    return SG_OK;
}

void tombstones_destroy(struct tombstones *tombstones)
{
    free(tombstones);
}

void tombstones_came(struct tombstones *tombstones)
{
    if (tombstones == NULL || tombstones->came)
        return;
    tombstones->came = true;
    if (tombstones->at == 0 && tombstones->next_ns > tombstones->began_ns + TOMBSTONES_PASS_NS)
        tombstones->next_ns = tombstones->began_ns + TOMBSTONES_PASS_NS;
}

int64_t tombstones_at(const struct tombstones *tombstones)
{
    return tombstones != NULL ? tombstones->next_ns : INT64_MAX;
}

/* ---- a step ---- */

struct step {
    struct ingest *ingest;
    const struct bounded *bounded;
};

/* A subject without a row from now on, and a marker that nobody expects to expire any more; but one that is due has
 * gone from the stream already, as far as is known, and is not expected to any more either. */
static void note_forgotten(void *context, struct slice id)
{
    const struct step *step = context;
    struct stream_writer *writer = &step->ingest->writers[step->bounded->stream];
    struct slice collection = slice_of(step->bounded->collection->name);
    bool due = markers_is_due(&writer->markers, collection, id, atomic_load(&writer->clock_ns),
                              writer->question.max_age_ns);
    markers_remove(&writer->markers, collection, id);
    if (!due)
        atomic_fetch_add(&writer->forgotten, 1);
}

static enum sg_status trim_one(struct ingest *ingest, const struct bounded *bounded, struct store_removal *out,
                               struct sg_error *err)
{
    const struct stream_writer *writer = &ingest->writers[bounded->stream];
    const struct tombstone_settings *settings = &bounded->collection->tombstones;
    struct step step = {ingest, bounded};
    const struct store_tombstone_bounds bounds = {.stream = writer->id,
                                                  .collection = slice_of(bounded->collection->name),
                                                  .keep_ns = settings->keep_ms * NS_PER_MS,
                                                  .max = settings->max,
                                                  .now_ns = atomic_load(&writer->clock_ns)};
    *out = (struct store_removal){.left = true};
    if (atomic_load(&writer->held))
        return SG_OK; /* the next pass comes soon */
    return store_remove_tombstones(ingest->context.store, &bounds, TOMBSTONES_ROWS_MAX, note_forgotten, &step, out,
                                   err);
}

static void pass_end(struct tombstones *t, int64_t now_ns)
{
    t->at = 0;
    if (t->came)
        t->next_ns = t->began_ns + TOMBSTONES_PASS_NS;
    else
        t->next_ns = t->left ? t->began_ns + t->rests_ns : INT64_MAX;
    if (t->next_ns < now_ns)
        t->next_ns = now_ns;
}

enum sg_status tombstones_run(struct ingest *ingest, bool *worked, struct sg_error *err)
{
    struct tombstones *t = ingest->tombstones;
    int64_t began_ns = time_boot_ns();
    *worked = false;
    if (t == NULL || began_ns < t->next_ns)
        return SG_OK;
    if (t->at == 0) {
        t->began_ns = began_ns;
        t->came = t->left = false;
    }
    *worked = true;
    while (t->at < t->count && time_boot_ns() - began_ns < STORE_SWEEP_NS) {
        const struct bounded *bounded = &t->bounded[t->at];
        struct store_removal removal;
        enum sg_status status = trim_one(ingest, bounded, &removal, err);
        if (status != SG_OK) {
            t->next_ns = time_boot_ns() + INGEST_RETRY_MAX_MS * NS_PER_MS;
            *worked = false;
            return status;
        }
        if (removal.more)
            return SG_OK;
        t->left |= removal.left;
        t->came |= atomic_load(&ingest->writers[bounded->stream].held);
        t->at++;
    }
    if (t->at == t->count)
        pass_end(t, time_boot_ns());
    return SG_OK;
}
