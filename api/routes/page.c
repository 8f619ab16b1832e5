/* /v1/state/{collection}: pages of entities in the order of their ids. */
#include <stdio.h>

#include "api/request/conditions.h"
#include "api/request/cursor.h"
#include "api/answer/check.h"
#include "api/routes/router.h"
#include "api/http/problem.h"
#include "api/answer/headers.h"
#include "api/worker.h"
#include "core/base/time.h"

/* A page that is nearly full, and one more entity of the largest size. */
#define PAGE_BUFFER_BYTES_MAX (STORE_PAGE_BYTES_MAX + EVENT_PAYLOAD_BYTES_MAX + (64u << 10))
#define PAGE_ITEM_BYTES 256 /* what an item takes besides its id and state */

struct page {
    struct buffer body;
    size_t limit;
    size_t items_count;
    bool more;                         /* an entity follows behind the last item */
    size_t last_bytes;
    char last[CURSOR_PAYLOAD_BYTES_MAX]; /* id of the last item */
};

static bool visit_entity(void *context, const struct entity *entity)
{
    struct page *page = context;
    size_t item_bytes = entity->state.bytes + entity->id.bytes + PAGE_ITEM_BYTES;
    if (page->items_count == page->limit ||
        (page->items_count > 0 && page->body.bytes + item_bytes > STORE_PAGE_BYTES_MAX)) {
        page->more = true;
        return false;
    }
    buffer_append_text(&page->body, page->items_count > 0 ? ",\n{\"id\":" : "\n{\"id\":");
    buffer_append_json_string(&page->body, entity->id);
    buffer_append_text(&page->body, ",\"version\":");
    buffer_append_int(&page->body, entity->version);
    if (entity->occurred_at.bytes > 0) {
        buffer_append_text(&page->body, ",\"occurredAt\":");
        buffer_append_json_string(&page->body, entity->occurred_at);
    }
    buffer_append_text(&page->body, ",\"state\":");
    buffer_append_slice(&page->body, entity->state);
    buffer_append_text(&page->body, "}");
    page->items_count++;
    page->last_bytes = entity->id.bytes < sizeof page->last ? entity->id.bytes : sizeof page->last;
    memcpy(page->last, entity->id.data, page->last_bytes);
    return !page->body.failed;
}

static size_t percent_encode(struct slice text, char out[3 * EVENT_COLLECTION_BYTES_MAX])
{
    static const char hex[] = "0123456789ABCDEF";
    size_t used = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
            c == '_' || c == '~') {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = hex[c >> 4];
            out[used++] = hex[c & 15];
        }
    }
    return used;
}

/* The cursor of the next page, in the body and as a Link. */
static void add_next(const struct call *call, struct page *page, struct response *out)
{
    char cursor[CURSOR_TEXT_BYTES];
    char collection[3 * EVENT_COLLECTION_BYTES_MAX];
    char link[CURSOR_TEXT_BYTES + sizeof collection + 64];
    size_t collection_bytes = percent_encode(call->collection, collection);
    (void)cursor_encode(CURSOR_ENTITIES, (struct slice){page->last, page->last_bytes}, cursor);
    buffer_append_text(&page->body, ",\"next\":\"");
    buffer_append_text(&page->body, cursor);
    buffer_append_text(&page->body, "\"");
    int bytes = snprintf(link, sizeof link, "</v1/state/%.*s?limit=%zu&cursor=%s>; rel=\"next\"", (int)collection_bytes,
                         collection, page->limit, cursor);
    response_header_bytes(out, "Link", link, (size_t)bytes);
}

static enum sg_status render_page(const struct call *call, struct page *page, struct slice after,
                                  const struct stream_facts *claim, struct response *out, struct sg_error *err)
{
    buffer_init(&page->body, PAGE_BUFFER_BYTES_MAX);
    buffer_append_text(&page->body, "{\"collection\":");
    buffer_append_json_string(&page->body, call->collection);
    buffer_append_text(&page->body, ",\"position\":");
    buffer_append_json_string(&page->body, slice_of(claim->position));
    buffer_append_text(&page->body, ",\"items\":[");
    enum sg_status status =
        store_read_page(snapshot_reader(call->worker->snapshot), call->collection, after, visit_entity, page, err);
    if (status == SG_OK && page->body.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for a page");
    if (status != SG_OK) {
        buffer_free(&page->body);
        return status;
    }
    buffer_append_text(&page->body, "]");
    if (page->more)
        add_next(call, page, out);
    buffer_append_text(&page->body, "}\n");
    response_body_take(out, &page->body);
    return SG_OK;
}

static enum sg_status read_params(const struct call *call, struct page *page, struct slice *after,
                                  struct sg_error *err)
{
    struct slice cursor;
    enum sg_status status = param_limit(&call->request->target, &page->limit, err);
    *after = (struct slice){0};
    if (status != SG_OK || !target_param(&call->request->target, "cursor", &cursor))
        return status;
    *after = (struct slice){page->last, 0};
    return cursor_decode(CURSOR_ENTITIES, cursor, page->last, &after->bytes, err);
}

enum sg_status page_check(const struct call *call, struct sg_error *err)
{
    struct page ignored = {0};
    struct slice after;
    return read_params(call, &ignored, &after, err);
}

/* The collection is there: 304, or the page. */
static enum sg_status answer_page(const struct call *call, struct page *page, struct slice after, int owner,
                                  uint64_t position, struct response *out, struct sg_error *err)
{
    char text[HEADERS_ETAG_BYTES];
    char after_copy[CURSOR_PAYLOAD_BYTES_MAX]; /* page->last is written while the rows come */
    struct snapshot *snapshot = call->worker->snapshot;
    bool unchanged = false;
    const char *etag = headers_etag(snapshot_stream(snapshot, (size_t)owner)->row, position, text);
    if (conditions_unchanged(&call->request->head->fields.if_none_match, etag, &unchanged, err) != SG_OK) {
        problem_bad_request(out, err);
        return SG_OK;
    }
    if (etag != NULL)
        response_header_bytes(out, "ETag", etag, strlen(etag));
    response_header(out, "Cache-Control", "no-cache");
    if (unchanged) {
        out->status = 304;
        return SG_OK;
    }
    response_header(out, "Content-Type", "application/json");
    if (after.bytes > 0)
        memcpy(after_copy, after.data, after.bytes);
    return render_page(call, page, (struct slice){after_copy, after.bytes}, snapshot_facts(snapshot, owner), out, err);
}

void page_entities(struct call *call, struct response *out)
{
    struct snapshot *snapshot = call->worker->snapshot;
    struct page page = {0};
    struct slice after;
    struct store_collection collection = {0};
    struct sg_error err;
    int owner = settings_owner(call->worker->api->context.settings, call->collection);
    if (read_params(call, &page, &after, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return;
    }
    enum sg_status status = snapshot_begin(snapshot, &err);
    if (status == SG_OK)
        status = owner < 0 ? SG_NOT_FOUND
                           : store_read_collection(snapshot_reader(snapshot), call->collection, &collection, &err);
    if (status == SG_OK || status == SG_NOT_FOUND) {
        /* What no template can produce is not waited for. */
        if (owner >= 0 && !demands_hold(call, &(struct basis){.owner = owner}, out))
            return;
        const struct stream_facts *claim = demands_facts(call, owner < 0 ? OWNER_ALL : owner);
        headers_facts(out, claim, time_boot_ns());
        if (claim->gaps != NULL)
            response_header(out, "State-Gap", claim->gaps);
        if (status == SG_NOT_FOUND)
            problem_answer_at(out, PROBLEM_NOT_FOUND, claim->position, 0, "No event of this collection was applied.");
        else
            status = answer_page(call, &page, after, owner, collection.position, out, &err);
    }
    if (status != SG_OK && status != SG_NOT_FOUND)
        headers_storage(out, snapshot, &err);
}
