/* Items, and what is selected of a state. */
#include "api/answer/items.h"

#include <stdlib.h>

#include "core/domain/event.h"
#include "core/json/json.h"

#define MEMORY_KEPT_BYTES (256u << 10) /* from one state to the next */

void items_begin(struct items *items, const struct list_query *query, const struct field_set *fields,
                 struct buffer *body)
{
    *items = (struct items){.body = body, .query = query, .fields = fields};
    for (size_t i = 0; query != NULL && i < query->select_count; i++) {
        const struct query_selected *member = &query->select[i];
        struct slice at = member->field == QUERY_FIELDS_END ? member->pointer
                          : member->field < FIELDS_MAX      ? slice_of(fields->fields[member->field].at)
                                                            : (struct slice){0};
        if (at.data != NULL)
            body->failed |= pointer_compile(at, &items->pointers[i], NULL) != SG_OK;
    }
}

void items_free(struct items *items)
{
    for (size_t i = 0; i < QUERY_SELECT_MAX; i++)
        free(items->pointers[i]);
    region_free(&items->memory);
}

/* ---- what is selected ---- */

/* As it is written in the document, digits and order; white space went when it was stored. */
static void append_value(struct items *items, yyjson_val *value)
{
    struct buffer *out = items->body;
    if (value == NULL || yyjson_is_null(value)) {
        buffer_append_text(out, "null");
    } else if (yyjson_is_str(value)) {
        buffer_append_json_string(out, json_text(value));
    } else if (yyjson_is_raw(value)) {
        buffer_append_slice(out, json_text(value));
    } else {
        yyjson_alc allocator = json_allocator(&items->memory);
        size_t bytes = 0;
        const char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &allocator, &bytes, NULL);
        buffer_append(out, text, text != NULL ? bytes : 0);
        out->failed |= text == NULL;
    }
}

static void append_builtin(struct buffer *out, unsigned field, const struct entity *entity)
{
    switch (field) {
    case QUERY_ID: buffer_append_json_string(out, entity->id); break;
    case QUERY_VERSION: buffer_append_int(out, entity->version); break;
    case QUERY_SEQUENCE: buffer_append_uint(out, entity->sequence); break;
    default:
        if (entity->occurred_at.bytes > 0)
            buffer_append_json_string(out, entity->occurred_at);
        else
            buffer_append_text(out, "null");
    }
}

/* A many-valued field is an array, whatever stands there. */
static void append_selected(struct items *items, size_t at, const struct entity *entity, yyjson_val *state)
{
    unsigned field = items->query->select[at].field;
    if (items->pointers[at] == NULL) {
        append_builtin(items->body, field, entity);
        return;
    }
    yyjson_val *value = pointer_get(items->pointers[at], state);
    if (field < FIELDS_MAX && items->fields->fields[field].many && !yyjson_is_arr(value))
        buffer_append_text(items->body, "[]");
    else
        append_value(items, value);
}

void items_append_selection(struct items *items, const struct entity *entity)
{
    const struct json_limits limits = {.bytes_max = EVENT_PAYLOAD_BYTES_MAX, .depth_max = EVENT_DEPTH_MAX};
    struct buffer *out = items->body;
    struct json_value state;
    struct json_fault fault;
    region_reset(&items->memory, MEMORY_KEPT_BYTES);
    if (json_read(entity->state, &limits, &items->memory, &state, &fault, NULL) != SG_OK ||
        fault.kind != JSON_SOUND) { /* it was read before it was stored */
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < items->query->select_count; i++) {
        buffer_append_text(out, i > 0 ? "," : "{");
        buffer_append_json_string(out, items->query->select[i].name);
        buffer_append_text(out, ":");
        append_selected(items, i, entity, state.value);
    }
    buffer_append_text(out, "}");
}

/* ---- items ---- */

void items_append_missing(struct items *items, struct slice id, int64_t version)
{
    items_append_id(items, id);
    buffer_append_text(items->body, version != 0 ? "\",\"status\":410,\"version\":" : "\",\"status\":404");
    if (version != 0)
        buffer_append_int(items->body, version);
}

void items_end(struct items *items)
{
    if (items->count > 0)
        buffer_append_text(items->body, "}");
}
