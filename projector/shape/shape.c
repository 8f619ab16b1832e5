/* The order of the steps between decode and the store. */
#include "projector/shape/shape.h"

#include <stdlib.h>

#include "projector/shape/fields.h"
#include "projector/shape/minimise.h"

/* Does the stream own the collection, and do the settings ask for anything there? */
static bool has_rules(const struct settings *settings, size_t stream, const struct collection_settings *collection)
{
    return (collection->drop_count > 0 || collection->fields.fields_count > 0) &&
           settings_owner(settings, slice_of(collection->name)) == (int)stream;
}

/* The steps of one collection; what they need is freed with the shaper. */
static enum sg_status compile(const struct collection_settings *collection, struct shape_rules *rules,
                              struct sg_error *err)
{
    enum sg_status status = drop_rules_create(collection, &rules->drops, err);
    if (status == SG_OK)
        status = field_rules_create(collection, &rules->fields, err);
    rules->payload_private = rules->drops != NULL;
    if (rules->drops != NULL)
        rules->steps[SHAPE_MINIMISE] = (struct shape_step){minimise_drop, rules->drops};
    if (rules->fields != NULL)
        rules->steps[SHAPE_FIELDS] = (struct shape_step){fields_take, rules->fields};
    return status;
}

enum sg_status shaper_create(const struct settings *settings, size_t stream, struct shaper **out, struct sg_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->collections_count; i++)
        count += has_rules(settings, stream, &settings->collections[i]);
    *out = NULL;
    if (count == 0)
        return SG_OK;
    struct shaper *shaper = calloc(1, sizeof *shaper + count * sizeof shaper->rules[0]);
    if (shaper == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the rules of %zu collections", count);
    enum sg_status status = names_create(count, &shaper->names, err);
    for (size_t i = 0; i < settings->collections_count && status == SG_OK; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        if (!has_rules(settings, stream, collection))
            continue;
        names_add(shaper->names, slice_of(collection->name), (int)shaper->rules_count);
        status = compile(collection, &shaper->rules[shaper->rules_count++], err);
    }
    if (status != SG_OK)
        shaper_destroy(shaper);
    else
        *out = shaper;
    return status;
}

void shaper_destroy(struct shaper *shaper)
{
    if (shaper == NULL)
        return;
    for (size_t i = 0; i < shaper->rules_count; i++) {
        drop_rules_destroy(shaper->rules[i].drops);
        field_rules_destroy(shaper->rules[i].fields);
    }
    names_destroy(shaper->names);
    free(shaper);
}

static const struct shape_rules *rules_of(const struct shaper *shaper, struct slice collection)
{
    int at = names_find(shaper->names, collection);
    return at != NAMES_NONE ? &shaper->rules[at] : NULL;
}

static bool has_document(const struct event *event)
{
    return event->kind == EVENT_STATE || event->kind == EVENT_PATCH;
}

/* Steps first .. end - 1, as long as the event is not rejected. */
static enum sg_status take_steps(const struct shape_rules *rules, enum shape_step_kind first, enum shape_step_kind end,
                                 struct event *event, struct arena *arena, struct sg_error *err)
{
    for (unsigned i = first; i < (unsigned)end; i++) {
        if (rules->steps[i].run == NULL)
            continue;
        enum sg_status status = rules->steps[i].run(rules->steps[i].rules, event, arena, err);
        if (status != SG_OK || event->kind == EVENT_REJECTED)
            return status;
    }
    return SG_OK;
}

enum sg_status shape_event(const struct shaper *shaper, struct event *event, struct arena *arena, struct sg_error *err)
{
    const struct shape_rules *rules = shaper != NULL ? rules_of(shaper, event->collection) : NULL;
    enum sg_status status = SG_OK;
    if (rules != NULL)
        event->payload_private = rules->payload_private;
    if (!has_document(event))
        return SG_OK;
    if (rules != NULL)
        status = take_steps(rules, SHAPE_UPCAST, SHAPE_VALIDATE, event, arena, err);
    if (status == SG_OK && has_document(event) && event->state.bytes == 0)
        status = minimise_whole(event, arena, err);
    if (status == SG_OK && event->kind == EVENT_STATE && rules != NULL)
        status = take_steps(rules, SHAPE_VALIDATE, SHAPE_STEPS_COUNT, event, arena, err);
    if (status != SG_OK)
        return status;
    if (event->kind == EVENT_REJECTED)
        event_strip(event);
    event->document = NULL;
    return SG_OK;
}
