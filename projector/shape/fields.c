/* The values of declared fields, taken from a state. */
#include "projector/shape/fields.h"

#include <stdlib.h>

#include "core/json/pointer.h"

struct field_rule {
    struct pointer *at; /* owned */
    enum field_type type;
    bool many;
};

struct field_rules {
    bool moved; /* what is dropped may move what a field points to: the document is not the state as it is stored */
    size_t count;
    struct field_rule rules[];
};

/* ---- compiling ---- */

/* May the rule find another value, or none, once the collection's dropped members are gone? */
static enum sg_status find_moved(const struct collection_settings *collection, const struct field_rule *rule,
                                 bool *moved, struct sg_error *err)
{
    for (size_t i = 0; i < collection->drop_count && !*moved; i++) {
        struct pointer *dropped = NULL;
        enum sg_status status = pointer_compile(slice_of(collection->drop[i]), &dropped, err);
        if (status != SG_OK)
            return status;
        *moved = pointer_is_within(rule->at, dropped) || pointer_is_moved(rule->at, dropped);
        free(dropped);
    }
    return SG_OK;
}

enum sg_status field_rules_create(const struct collection_settings *collection, struct field_rules **out,
                                  struct sg_error *err)
{
    const struct field_set *set = &collection->fields;
    enum sg_status status = SG_OK;
    *out = NULL;
    if (set->fields_count == 0)
        return SG_OK;
    struct field_rules *rules = calloc(1, sizeof *rules + set->fields_count * sizeof rules->rules[0]);
    if (rules == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the fields of collection %s", collection->name);
    rules->count = set->fields_count;
    for (size_t i = 0; i < rules->count && status == SG_OK; i++) {
        struct field_rule *rule = &rules->rules[i];
        *rule = (struct field_rule){.type = set->fields[i].type, .many = set->fields[i].many};
        status = pointer_compile(slice_of(set->fields[i].at), &rule->at, err);
        if (status == SG_OK)
            status = find_moved(collection, rule, &rules->moved, err);
    }
    if (status != SG_OK)
        field_rules_destroy(rules);
    else
        *out = rules;
    return status;
}

void field_rules_destroy(struct field_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++)
        free(rules->rules[i].at);
    free(rules);
}

/* ---- one value ---- */

/* Is it one of this type? A string stays where the document has it. */
static bool convert(enum field_type type, yyjson_val *value, struct field_value *out)
{
    struct field_value found = {.state = FIELD_SET};
    bool good = false;
    switch (type) {
    case FIELD_STRING:
        found.text = json_text(value);
        good = unsafe_yyjson_is_str(value) && found.text.bytes <= FIELDS_TEXT_BYTES_MAX;
        break;
    case FIELD_INTEGER: good = unsafe_yyjson_is_raw(value) && field_integer_read(json_text(value), &found.integer); break;
    case FIELD_NUMBER: good = unsafe_yyjson_is_raw(value) && field_number_read(json_text(value), &found.number); break;
    case FIELD_BOOLEAN:
        found.integer = unsafe_yyjson_is_true(value);
        good = unsafe_yyjson_is_bool(value);
        break;
    case FIELD_TIME: good = unsafe_yyjson_is_str(value) && field_time_read(json_text(value), &found.integer); break;
    case FIELD_TYPES_COUNT: break;
    }
    if (good)
        *out = found;
    return good;
}

/* Copy the bytes of a string from scratch memory; a slice of none has an address too, as no null has. */
static bool keep_text(enum field_type type, struct region *kept, struct field_value *value)
{
    if (type != FIELD_STRING)
        return true;
    if (value->text.bytes > 0)
        return region_copy(kept, value->text, &value->text);
    value->text = SLICE_LITERAL("");
    return true;
}

/* ---- many values ---- */

static int compare_strings(const void *a, const void *b)
{
    return field_value_compare(FIELD_STRING, a, b);
}

static int compare_numbers(const void *a, const void *b)
{
    return field_value_compare(FIELD_NUMBER, a, b);
}

static int compare_integers(const void *a, const void *b)
{
    return field_value_compare(FIELD_INTEGER, a, b);
}

/* Ascending, each once; returns how many are left. */
static size_t order(enum field_type type, struct field_value *values, size_t count)
{
    size_t kept = 0;
    qsort(values, count, sizeof *values,
          type == FIELD_STRING   ? compare_strings
          : type == FIELD_NUMBER ? compare_numbers
                                 : compare_integers);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || field_value_compare(type, &values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    }
    return kept;
}

/* The elements' values, in scratch memory; `*count` 0 = there are none. False when out of memory. */
static bool gather(enum field_type type, yyjson_val *array, struct region *scratch, struct field_value **out,
                   size_t *count, bool *mismatch)
{
    size_t size = unsafe_yyjson_get_len(array);
    yyjson_val *element = unsafe_yyjson_get_first(array);
    size_t found = 0;
    *out = region_take(scratch, size * sizeof **out, JSON_ALIGN);
    if (*out == NULL)
        return false;
    for (size_t i = 0; i < size; i++, element = unsafe_yyjson_get_next(element)) {
        if (unsafe_yyjson_is_null(element))
            continue;
        if (convert(type, element, &(*out)[found]))
            found++;
        else
            *mismatch = true;
    }
    *count = order(type, *out, found);
    return true;
}

/* False when out of memory. */
static bool read_many(enum field_type type, yyjson_val *array, struct arena *arena, struct field_value *out,
                      bool *mismatch)
{
    struct field_value *gathered = NULL;
    size_t count = 0;
    *mismatch = !unsafe_yyjson_is_arr(array) || unsafe_yyjson_get_len(array) > FIELDS_ELEMENTS_MAX;
    if (*mismatch || unsafe_yyjson_get_len(array) == 0)
        return true;
    if (!gather(type, array, &arena->scratch, &gathered, &count, mismatch))
        return false;
    if (count == 0)
        return true;
    struct field_value *values = region_take(&arena->kept, count * sizeof *values, JSON_ALIGN);
    if (values == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        values[i] = gathered[i];
        if (!keep_text(type, &arena->kept, &values[i]))
            return false;
    }
    *out = (struct field_value){.state = FIELD_ELEMENTS, .elements = {values, count}};
    return true;
}

/* ---- a document ---- */

/* `out` is null. False when out of memory. */
static bool read_one(const struct field_rule *rule, yyjson_val *root, struct arena *arena, struct field_value *out,
                     bool *mismatch)
{
    yyjson_val *value = pointer_get(rule->at, root);
    if (value == NULL || unsafe_yyjson_is_null(value))
        return true;
    if (rule->many)
        return read_many(rule->type, value, arena, out, mismatch);
    *mismatch = !convert(rule->type, value, out);
    return *mismatch || keep_text(rule->type, &arena->kept, out);
}

enum sg_status fields_read(const struct field_rules *rules, yyjson_val *root, struct arena *arena,
                           const struct field_value **out, uint32_t *mismatches, struct sg_error *err)
{
    struct field_value *values = region_take(&arena->kept, rules->count * sizeof *values, JSON_ALIGN);
    uint32_t found = 0;
    if (values == NULL)
        return sg_fail(err, SG_MEMORY, "no memory for the fields of a message");
    for (size_t i = 0; i < rules->count; i++) {
        bool mismatch = false;
        values[i] = (struct field_value){.state = FIELD_NULL};
        if (!read_one(&rules->rules[i], root, arena, &values[i], &mismatch))
            return sg_fail(err, SG_MEMORY, "no memory for the fields of a message");
        found |= (uint32_t)mismatch << i;
    }
    *out = values;
    *mismatches = found;
    return SG_OK;
}
_Static_assert(FIELDS_MAX <= 32, "each has a bit of the word");

enum sg_status fields_read_text(const struct field_rules *rules, struct slice state, struct arena *arena,
                                const struct field_value **out, uint32_t *mismatches, struct sg_error *err)
{
    const struct json_limits limits = {SIZE_MAX, JSON_DEPTH_MAX};
    struct json_value document;
    struct json_fault fault;
    enum sg_status status = json_read(state, &limits, &arena->scratch, &document, &fault, err);
    if (status == SG_OK && fault.kind == JSON_MALFORMED)
        return sg_fail(err, SG_INVALID, "the state is no JSON: %s", fault.message);
    return status == SG_OK ? fields_read(rules, document.value, arena, out, mismatches, err) : status;
}

enum sg_status fields_take(const void *rules, struct event *event, struct arena *arena, struct sg_error *err)
{
    const struct field_rules *fields = rules;
    if (fields->moved)
        return fields_read_text(fields, event->state, arena, &event->fields, &event->mismatches, err);
    return fields_read(fields, event->document->value, arena, &event->fields, &event->mismatches, err);
}
