/* /v1/state/{collection}: pages of entities in the order of their ids. */
#include <stdio.h>
#include <string.h>

#include "api/answer/headers.h"
#include "api/http/problem.h"
#include "api/request/cursor.h"
#include "api/routes/router.h"
#include "core/base/time.h"

/* A page that is nearly full, and one more entity of the largest size. */
#define PAGE_BUFFER_BYTES_MAX (STORE_PAGE_BYTES_MAX + EVENT_PAYLOAD_BYTES_MAX + (64u << 10))
#define PAGE_ITEM_BYTES 256 /* what an item takes besides its id and state */

struct page {
    struct buffer body;
    size_t limit;
    size_t items_count;
    bool more;                         /* an entity follows the last item */
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

/* The cursor of the next page. */
static void append_next(struct page *page, char cursor[CURSOR_TEXT_BYTES])
{
    (void)cursor_encode(CURSOR_ENTITIES, (struct slice){page->last, page->last_bytes}, cursor);
    buffer_append_text(&page->body, ",\"next\":\"");
    buffer_append_text(&page->body, cursor);
    buffer_append_text(&page->body, "\"");
}

/* The same as a Link. */
static void add_link(const struct plan *plan, const char *cursor, struct response *out)
{
    char collection[3 * EVENT_COLLECTION_BYTES_MAX];
    char link[CURSOR_TEXT_BYTES + sizeof collection + 64];
    size_t collection_bytes = percent_encode(plan->collection, collection);
    int bytes = snprintf(link, sizeof link, "</v1/state/%.*s?limit=%zu&cursor=%s>; rel=\"next\"", (int)collection_bytes,
                         collection, plan->limit, cursor);
    response_header_bytes(out, "Link", link, (size_t)bytes);
}

/* `cursor` stays empty on the last page. */
static enum sg_status render_page(const struct call *call, struct page *page, char cursor[CURSOR_TEXT_BYTES],
                                  struct sg_error *err)
{
    const struct plan *plan = &call->plan;
    buffer_init(&page->body, PAGE_BUFFER_BYTES_MAX);
    buffer_append_text(&page->body, "{\"collection\":");
    buffer_append_json_string(&page->body, plan->collection);
    buffer_append_text(&page->body, ",\"position\":");
    buffer_append_json_string(&page->body, slice_of(snapshot_facts(call->snapshot, plan->owner)->position));
    buffer_append_text(&page->body, ",\"items\":[");
    enum sg_status status = store_read_page(snapshot_reader(call->snapshot), plan->collection, plan->after,
                                            visit_entity, page, err);
    if (status == SG_OK && page->body.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for a page");
    if (status != SG_OK) {
        buffer_free(&page->body);
        return status;
    }
    buffer_append_text(&page->body, "]");
    if (page->more)
        append_next(page, cursor);
    buffer_append_text(&page->body, "}\n");
    return SG_OK;
}

enum sg_status page_find(struct call *call, struct basis *out, struct sg_error *err)
{
    struct store_collection collection = {0};
    enum sg_status status = snapshot_begin(call->snapshot, err);
    if (status != SG_OK || call->plan.owner == OWNER_NONE)
        return status;
    status = store_read_collection(snapshot_reader(call->snapshot), call->plan.collection, &collection, err);
    out->found = out->tagged = status == SG_OK;
    out->revision = collection.position;
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* The facts are those of after the last row was read. */
static const struct stream_facts *add_facts(const struct call *call, struct response *out)
{
    const struct stream_facts *facts = check_facts(&call->plan, call->snapshot);
    headers_facts(out, facts, time_boot_ns());
    if (facts->gaps != NULL)
        response_header(out, "State-Gap", facts->gaps);
    return facts;
}

enum sg_status page_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    struct page page = {.limit = call->plan.limit};
    char cursor[CURSOR_TEXT_BYTES] = "";
    if (!basis->found) {
        const struct stream_facts *facts = add_facts(call, out);
        problem_answer_at(out, PROBLEM_NOT_FOUND, facts->position, 0, "No event of this collection was applied.");
        return SG_OK;
    }
    if (!basis->unchanged) {
        enum sg_status status = render_page(call, &page, cursor, err);
        if (status != SG_OK)
            return status;
        response_body_take(out, &page.body);
    }
    (void)add_facts(call, out);
    if (basis->etag != NULL)
        response_header_bytes(out, "ETag", basis->etag, strlen(basis->etag));
    response_header(out, "Cache-Control", "no-cache");
    if (basis->unchanged) {
        out->status = 304;
        return SG_OK;
    }
    response_header(out, "Content-Type", "application/json");
    if (page.more)
        add_link(&call->plan, cursor, out);
    return SG_OK;
}
