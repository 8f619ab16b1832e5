/* /v1/state: the collections. */
#include "api/answer/check.h"
#include "api/answer/headers.h"
#include "api/routes/router.h"
#include "api/worker.h"
#include "core/base/time.h"

#define COLLECTIONS_BYTES_MAX (64u << 20) /* as many collections as the settings may allow, with the longest names */

static bool visit_collection(void *context, const struct store_collection *collection)
{
    struct buffer *body = context;
    buffer_append_text(body, body->data[body->bytes - 1] == '[' ? "{\"name\":" : ",{\"name\":");
    buffer_append_json_string(body, slice_of(collection->name));
    buffer_append_text(body, ",\"stream\":");
    buffer_append_json_string(body, slice_of(collection->stream));
    buffer_append_text(body, ",\"entities\":");
    buffer_append_uint(body, collection->entities);
    buffer_append_text(body, ",\"position\":");
    buffer_append_uint(body, collection->position);
    buffer_append_text(body, "}");
    return !body->failed;
}

void collections_show(struct call *call, struct response *out)
{
    struct snapshot *snapshot = call->worker->snapshot;
    struct sg_error err;
    struct buffer body;
    if (snapshot_begin(snapshot, &err) != SG_OK) {
        headers_storage(out, snapshot, &err);
        return;
    }
    if (!demands_hold(call, &(struct basis){.owner = OWNER_ALL}, out))
        return;
    buffer_init(&body, COLLECTIONS_BYTES_MAX);
    buffer_append_text(&body, "{\"collections\":[");
    if (body.failed || store_read_collections(snapshot_reader(snapshot), visit_collection, &body, &err) != SG_OK) {
        if (body.failed)
            (void)sg_fail(&err, SG_MEMORY, "out of memory for the list of collections");
        buffer_free(&body);
        headers_storage(out, snapshot, &err);
        return;
    }
    buffer_append_text(&body, "]}\n");
    response_body_take(out, &body);
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    headers_facts(out, snapshot_facts(snapshot, OWNER_ALL), time_boot_ns());
    const struct stream_facts *claim = snapshot_facts(snapshot, OWNER_ALL);
    if (claim->gaps != NULL)
        response_header(out, "State-Gap", claim->gaps);
}
