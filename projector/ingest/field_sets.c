/* Steps of the store on the way to what is declared, and what is said of them. */
#include "projector/ingest/field_sets.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/time.h"
#include "projector/ingest/publish.h"
#include "projector/shape/extract.h"

struct field_sets {
    struct extractor *extractor; /* owned */
    struct store_extract extract;
    int64_t retry_at_ns;
};

enum sg_status field_sets_create(const struct settings *settings, struct field_sets **out, struct sg_error *err)
{
    struct field_sets *sets = calloc(1, sizeof *sets);
    if (sets == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for declared fields");
    enum sg_status status = extractor_create(settings, &sets->extractor, err);
    if (status != SG_OK) {
        free(sets);
        return status;
    }
    sets->extract = extractor_callback(sets->extractor);
    *out = sets;
    return SG_OK;
}

void field_sets_destroy(struct field_sets *sets)
{
    if (sets == NULL)
        return;
    extractor_destroy(sets->extractor);
    free(sets);
}

enum sg_status field_sets_declare(struct ingest *ingest, size_t stream, struct sg_error *err)
{
    const struct settings *settings = ingest->context.settings;
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        if (collection->fields.fields_count > 0)
            status = store_set_fields(ingest->context.store, ingest->writers[stream].id, slice_of(collection->name),
                                      &collection->fields, err);
    }
    return status;
}

int64_t field_sets_at(const struct ingest *ingest)
{
    return store_fields_wanted(ingest->context.store) ? ingest->field_sets->retry_at_ns : INT64_MAX;
}

static void tell(const struct ingest *ingest, const struct store_fields_done *done)
{
    const char *stream = "";
    if (done->what == FIELDS_DONE_NOTHING)
        return;
    for (size_t i = 0; i < ingest->writers_count; i++) {
        if (ingest->writers[i].id == done->stream)
            stream = ingest->context.settings->streams[i].name;
    }
    log_event(LOG_INFO, done->what == FIELDS_DONE_BUILT ? "field_set_built" : "field_index_removed",
              LOG_STR("stream", stream), LOG_STR("collection", done->collection), LOG_INT("set", done->set));
}

/* The step may have been what a next build waited for. And what was given up is swept. */
static enum sg_status publish(struct ingest *ingest, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < ingest->writers_count; i++) {
        if (ingest->writers[i].is_next)
            status = publish_row(ingest, i, err);
    }
    return status;
}

enum sg_status field_sets_run(struct ingest *ingest, bool *worked, struct sg_error *err)
{
    struct field_sets *sets = ingest->field_sets;
    struct store_fields_done done;
    *worked = false;
    if (time_boot_ns() < field_sets_at(ingest))
        return SG_OK;
    enum sg_status status = store_fields_step(ingest->context.store, &sets->extract, FIELD_SETS_ROWS_MAX, &done, err);
    if (status == SG_OK) {
        tell(ingest, &done);
        status = publish(ingest, err);
    }
    sets->retry_at_ns = status == SG_OK ? 0 : time_boot_ns() + INGEST_RETRY_MAX_MS * NS_PER_MS;
    ingest->sweep_needed |= status == SG_OK && (done.what != FIELDS_DONE_NOTHING || done.given_up);
    *worked = status == SG_OK;
    return status;
}
