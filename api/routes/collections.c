/* /v1/state: the collections. */
#include "api/answer/headers.h"
#include "api/routes/router.h"
#include "core/base/time.h"

#define COLLECTIONS_BYTES_MAX (64u << 20) /* as many collections as the settings may allow, with the longest names */

struct list {
    const struct api_shared *api;
    struct buffer body;
};

/* What the collection declares; nothing where that is nothing. */
static void append_fields(const struct api_shared *api, const char *name, struct buffer *body)
{
    const struct collection_settings *settings = settings_collection(api->settings, slice_of(name));
    if (settings == NULL || settings->fields.fields_count == 0)
        return;
    buffer_append_text(body, ",\"fields\":[");
    for (unsigned i = 0; i < settings->fields.fields_count; i++) {
        const struct field *field = &settings->fields.fields[i];
        buffer_append_format(body, "%s{\"name\":\"%s\",\"type\":\"%s\",\"mismatches\":", i > 0 ? "," : "", field->name,
                             field_type_name(field->type));
        buffer_append_uint(body, metrics_mismatches_of(api->metrics, slice_of(name), i));
        buffer_append_text(body, "}");
    }
    buffer_append_text(body, "]");
}

static bool visit_collection(void *context, const struct store_collection *collection)
{
    struct list *list = context;
    struct buffer *body = &list->body;
    buffer_append_text(body, body->data[body->bytes - 1] == '[' ? "{\"name\":" : ",{\"name\":");
    buffer_append_json_string(body, slice_of(collection->name));
    buffer_append_text(body, ",\"stream\":");
    buffer_append_json_string(body, slice_of(collection->stream));
    buffer_append_text(body, ",\"entities\":");
    buffer_append_uint(body, collection->entities);
    buffer_append_text(body, ",\"position\":");
    buffer_append_uint(body, collection->position);
    buffer_append_text(body, ",\"tombstones\":");
    buffer_append_uint(body, collection->tombstones);
    buffer_append_text(body, ",\"floor\":");
    buffer_append_uint(body, collection->floor);
    append_fields(list->api, collection->name, body);
    buffer_append_text(body, "}");
    return !body->failed;
}

enum sg_status collections_find(struct call *call, struct basis *out, struct sg_error *err)
{
    (void)out;
    return snapshot_begin(call->snapshot, err);
}

enum sg_status collections_answer(struct call *call, const struct basis *basis, struct response *out,
                                  struct sg_error *err)
{
    struct list list = {.api = call->api};
    struct buffer *body = &list.body;
    (void)basis;
    buffer_init(body, COLLECTIONS_BYTES_MAX);
    buffer_append_text(body, "{\"collections\":[");
    enum sg_status status =
        body->failed ? SG_OK : store_read_collections(snapshot_reader(call->snapshot), visit_collection, &list, err);
    if (status == SG_OK && body->failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for the list of collections");
    if (status != SG_OK) {
        buffer_free(body);
        return status;
    }
    buffer_append_text(body, "]}\n");
    response_body_take(out, body);
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    const struct stream_facts *facts = snapshot_facts(call->snapshot, OWNER_ALL);
    headers_facts_and_gaps(out, facts, time_boot_ns());
    return call_encode(call, out);
}
