/* The values of declared fields, taken from a state.
 *
 *   there is nothing, or null           null
 *   a value of the declared type        that value
 *   any other value                     null, and a mismatch
 *
 * A field with many values has those of an array's elements, each once and ascending; elements that are null are left
 * out, and so, with a mismatch, are those of another type. An array with more than FIELDS_ELEMENTS_MAX elements is null
 * and a mismatch, as is what is no array. */
#ifndef STATEGATE_PROJECTOR_SHAPE_FIELDS_H
#define STATEGATE_PROJECTOR_SHAPE_FIELDS_H

#include <stdint.h>

#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/fields.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"
#include "core/json/json.h"

/* The fields of a collection, compiled. Read-only once made: any thread. */
struct field_rules;

/* `*out` is NULL where the collection, which outlives the rules, declares none. SG_INVALID (what is no pointer),
 * SG_MEMORY. */
SG_MUST_CHECK enum sg_status field_rules_create(const struct collection_settings *collection, struct field_rules **out,
                                                struct sg_error *err);
/* NULL is allowed. */
void field_rules_destroy(struct field_rules *rules);

/* Take the values from a document: one for each field, in the arena's kept memory, and a bit for each mismatch.
 * SG_MEMORY. */
SG_MUST_CHECK enum sg_status fields_read(const struct field_rules *rules, yyjson_val *root, struct arena *arena,
                                         const struct field_value **out, uint32_t *mismatches, struct sg_error *err);

/* The step: set the event's fields, those of the state as it is written. `rules` is a struct field_rules. SG_MEMORY. */
SG_MUST_CHECK enum sg_status fields_take(const void *rules, struct event *event, struct arena *arena,
                                         struct sg_error *err);

/* Take them from a state's text. SG_INVALID: it is no JSON. SG_MEMORY. */
SG_MUST_CHECK enum sg_status fields_read_text(const struct field_rules *rules, struct slice state, struct arena *arena,
                                              const struct field_value **out, uint32_t *mismatches,
                                              struct sg_error *err);

#endif
