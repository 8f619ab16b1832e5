/* The values of declared fields of states that are stored already. */
#include "projector/shape/extract.h"

#include <stdlib.h>

#include "core/base/names.h"
#include "projector/shape/fields.h"

struct extractor {
    struct arena *arena; /* owned; what was given last */
    struct names *names; /* owned: the collections, and which of the rules are theirs */
    size_t rules_count;
    struct field_rules *rules[]; /* owned */
};

static enum sg_status compile(struct extractor *x, const struct settings *settings, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < settings->collections_count && status == SG_OK; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        struct field_rules **rules = &x->rules[x->rules_count];
        status = field_rules_create(collection, rules, err);
        if (status == SG_OK && *rules != NULL)
            names_add(x->names, slice_of(collection->name), (int)x->rules_count++);
    }
    return status;
}

enum sg_status extractor_create(const struct settings *settings, struct extractor **out, struct sg_error *err)
{
    size_t count = settings->collections_count;
    struct extractor *x = calloc(1, sizeof *x + (count + 1) * sizeof x->rules[0]);
    if (x == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the fields of %zu collections", count);
    x->arena = arena_create();
    enum sg_status status = x->arena != NULL ? names_create(count + 1, &x->names, err)
                                             : sg_fail(err, SG_MEMORY, "out of memory for the fields of states");
    if (status == SG_OK)
        status = compile(x, settings, err);
    if (status != SG_OK)
        extractor_destroy(x);
    else
        *out = x;
    return status;
}

void extractor_destroy(struct extractor *extractor)
{
    if (extractor == NULL)
        return;
    for (size_t i = 0; i < extractor->rules_count; i++)
        field_rules_destroy(extractor->rules[i]);
    names_destroy(extractor->names);
    arena_destroy(extractor->arena);
    free(extractor);
}

static enum sg_status extract(void *context, struct slice collection, struct slice state,
                              const struct field_value **out, struct sg_error *err)
{
    struct extractor *x = context;
    uint32_t mismatches = 0;
    int at = names_find(x->names, collection);
    arena_reset(x->arena);
    if (at == NAMES_NONE) {
        *out = NULL;
        return SG_OK;
    }
    return fields_read_text(x->rules[at], state, x->arena, out, &mismatches, err);
}

struct store_extract extractor_callback(struct extractor *extractor)
{
    return (struct store_extract){extract, extractor};
}
