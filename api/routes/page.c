/* /v1/state/{collection}: pages of entities in the order of their ids. */
#include <string.h>

#include "api/answer/headers.h"
#include "api/http/problem.h"
#include "api/request/cursor.h"
#include "api/request/target.h"
#include "api/routes/router.h"
#include "core/base/decimal.h"
#include "core/base/time.h"

/* A page that is nearly full, and one more entity of the largest size. */
#define PAGE_BUFFER_BYTES_MAX (STORE_PAGE_BYTES_MAX + EVENT_PAYLOAD_BYTES_MAX + (64u << 10))
#define PAGE_ITEM_BYTES 256 /* what an item takes besides its id and state */
#define LINK_DEMANDS_BYTES_MAX 384 /* of a Link: ten streams or so; a connection keeps room for as much */
#define LINK_BYTES_MAX (CURSOR_TEXT_BYTES + LINK_DEMANDS_BYTES_MAX + 64u)
/* Memory that a page begins with: of usual entities, at most. */
#define PAGE_FIRST_BYTES_MAX (64u << 10)

struct page {
    const struct call *call;
    struct buffer body;
    bool stopped;                        /* it outgrows the loop */
    size_t limit;
    size_t items_count;
    bool more;                           /* an entity follows the last item */
    size_t last_bytes;
    char last[CURSOR_PAYLOAD_BYTES_MAX]; /* id of the last item */
    size_t next_bytes;
    char next[CURSOR_TEXT_BYTES];        /* the cursor that follows it, if there is more */
    struct gap gap;                      /* what the gaps of its entities span; `first` 0 = none has one */
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
    page->stopped = call_outgrows_loop(page->call, page->body.bytes + item_bytes);
    if (page->stopped)
        return false;
    if (page->items_count > 0)
        buffer_append_text(&page->body, "},\n{\"id\":\"");
    else
        buffer_append_text(&page->body, "\n{\"id\":\"");
    buffer_append_json_text(&page->body, entity->id);
    buffer_append_text(&page->body, "\",\"version\":");
    buffer_append_int(&page->body, entity->version);
    if (entity->occurred_at.bytes > 0) {
        buffer_append_text(&page->body, ",\"occurredAt\":\"");
        buffer_append_json_text(&page->body, entity->occurred_at);
        buffer_append_text(&page->body, "\",\"state\":");
    } else {
        buffer_append_text(&page->body, ",\"state\":");
    }
    buffer_append_slice(&page->body, entity->state);
    page->items_count++;
    page->last_bytes = entity->id.bytes < sizeof page->last ? entity->id.bytes : sizeof page->last;
    memcpy(page->last, entity->id.data, page->last_bytes);
    return !page->body.failed;
}

static void append_seconds(struct buffer *out, const char *name, int64_t ns)
{
    char digits[DECIMAL_SECONDS_BYTES];
    buffer_append_text(out, name);
    buffer_append(out, digits, decimal_seconds_up(ns, digits));
}

static void append_next(struct page *page)
{
    page->next_bytes = cursor_encode(CURSOR_ENTITIES, (struct slice){page->last, page->last_bytes}, page->next);
    buffer_append_text(&page->body, ",\"next\":\"");
    buffer_append(&page->body, page->next, page->next_bytes);
    buffer_append_text(&page->body, "\"");
}

/* The demands of the request, also those that came as headers: whoever follows the link has them still. */
static void append_demands(struct buffer *link, const struct demands *demands, const struct settings *settings)
{
    struct buffer position;
    buffer_init(&position, LINK_BYTES_MAX);
    for (size_t i = 0; i < demands->positions_count; i++) {
        const struct demand_position *p = &demands->positions[i];
        if (i > 0)
            buffer_append_text(&position, ",");
        position_append(&position, settings->streams[p->stream].name, p->sequence, &p->epoch);
    }
    if (demands->positions_count > 0) {
        buffer_append_text(link, "&min_position=");
        target_append(link, (struct slice){position.data, position.bytes});
    }
    link->failed |= position.failed;
    buffer_free(&position);
    if (demands->has_max_staleness)
        append_seconds(link, "&max_staleness=", demands->max_staleness_ns);
    if (demands->wait_given)
        append_seconds(link, "&wait=", demands->wait_ns);
}

/* The next page as a Link, relative to this one's address, whatever a proxy has made of that. None where it would be
 * too long: better than one that has lost a demand. */
static void add_link(const struct call *call, const struct page *page, struct response *out)
{
    struct buffer link;
    buffer_init(&link, LINK_BYTES_MAX);
    buffer_append_text(&link, "<?limit=");
    buffer_append_uint(&link, call->plan.limit);
    buffer_append_text(&link, "&cursor=");
    buffer_append(&link, page->next, page->next_bytes);
    append_demands(&link, &call->plan.demands, call->api->settings);
    buffer_append_text(&link, ">; rel=\"next\"");
    if (!link.failed)
        response_header_bytes(out, "Link", link.data, link.bytes);
    buffer_free(&link);
}

static enum sg_status render_page(const struct call *call, struct page *page, struct sg_error *err)
{
    const struct plan *plan = &call->plan;
    page->call = call;
    page->stopped = false;
    page->limit = plan->limit;
    page->items_count = 0;
    page->more = false;
    page->gap = (struct gap){0, 0};
    size_t first = plan->limit * 2 * PAGE_ITEM_BYTES;
    buffer_init(&page->body, PAGE_BUFFER_BYTES_MAX);
    buffer_reserve(&page->body, first < PAGE_FIRST_BYTES_MAX ? first : PAGE_FIRST_BYTES_MAX);
    buffer_append_text(&page->body, "{\"collection\":");
    buffer_append_json_string(&page->body, plan->collection);
    buffer_append_text(&page->body, ",\"position\":");
    buffer_append_json_string(&page->body, slice_of(snapshot_facts(call->snapshot, plan->owner)->position));
    buffer_append_text(&page->body, ",\"items\":[");
    enum sg_status status = store_read_page(snapshot_reader(call->snapshot), plan->collection, plan->after,
                                            visit_entity, page, err);
    if (status == SG_OK && page->body.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for a page");
    if (status == SG_OK && page->stopped)
        status = SG_STOPPED;
    if (status == SG_OK && page->items_count > 0)
        status = store_read_gaps(snapshot_reader(call->snapshot), plan->collection, plan->after,
                                 (struct slice){page->last, page->last_bytes}, &page->gap, err);
    if (status != SG_OK) {
        buffer_free(&page->body);
        return status;
    }
    if (page->items_count > 0)
        buffer_append_text(&page->body, "}]");
    else
        buffer_append_text(&page->body, "]");
    if (page->more)
        append_next(page);
    buffer_append_text(&page->body, "}\n");
    return SG_OK;
}

/* FNV-1a of what was asked for but the demands, which change nothing of what is answered. */
static uint32_t query_hash(const struct plan *plan)
{
    char text[DECIMAL_UINT_BYTES + 1];
    size_t used = decimal_uint(plan->limit, text);
    uint32_t hash = UINT32_C(2166136261);
    text[used++] = ' ';
    for (size_t i = 0; i < used + plan->after.bytes; i++) {
        hash ^= (unsigned char)(i < used ? text[i] : plan->after.data[i - used]);
        hash *= UINT32_C(16777619);
    }
    return hash;
}

enum sg_status page_content(struct slice body, const struct settings *settings, struct plan *plan,
                            struct query_fault *fault, struct sg_error *err)
{
    (void)body;
    (void)settings;
    (void)plan;
    (void)fault;
    return sg_fail(err, SG_INVALID, "a list is not asked for by a body");
}

enum sg_status page_find(struct call *call, struct basis *out, struct sg_error *err)
{
    struct store_collection collection = {0};
    enum sg_status status = snapshot_begin(call->snapshot, err);
    if (status != SG_OK || call->plan.owner == OWNER_NONE)
        return status;
    status = store_read_collection(snapshot_reader(call->snapshot), call->plan.collection, &collection, err);
    out->found = out->tagged = status == SG_OK;
    out->revision = (struct revision){.sequence = collection.position,
                                      .page = true,
                                      .entities = collection.entities,
                                      .settled = collection.gone,
                                      .query = query_hash(&call->plan)};
    return status == SG_NOT_FOUND ? SG_OK : status;
}

/* The facts are those of after the last row was read. */
static const struct stream_facts *add_facts(const struct call *call, struct response *out)
{
    const struct stream_facts *facts = check_facts(&call->plan, call->snapshot);
    headers_facts_and_gaps(out, facts, time_boot_ns());
    return facts;
}

/* The gaps of the stream, and those of single entities that are on the page. */
static void add_facts_and_gap(const struct call *call, struct gap gap, struct response *out)
{
    headers_facts(out, check_facts(&call->plan, call->snapshot), time_boot_ns());
    headers_gaps_with(out, snapshot_stream(call->snapshot, (size_t)call->plan.owner)->row, 0, gap);
}

/* Of a page that is not read again, as it is unchanged: all that may be on it. */
static enum sg_status find_gap(const struct call *call, struct gap *out, struct sg_error *err)
{
    return store_read_gaps(snapshot_reader(call->snapshot), call->plan.collection, call->plan.after,
                           SLICE_LITERAL("\xff"), out, err);
}

enum sg_status page_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    struct page page;
    if (!basis->found) {
        const struct stream_facts *facts = add_facts(call, out);
        problem_answer_at(out, PROBLEM_NOT_FOUND, facts->position, 0, "No event of this collection was applied.");
        return SG_OK;
    }
    enum sg_status status = basis->unchanged ? find_gap(call, &page.gap, err) : render_page(call, &page, err);
    if (status != SG_OK)
        return status;
    if (!basis->unchanged)
        response_body_take(out, &page.body);
    add_facts_and_gap(call, page.gap, out);
    if (basis->etag != NULL)
        response_header(out, "ETag", basis->etag);
    response_header(out, "Cache-Control", "no-cache");
    if (basis->unchanged) {
        out->status = 304;
        return SG_OK;
    }
    response_header(out, "Content-Type", "application/json");
    if (page.more)
        add_link(call, &page, out);
    return SG_OK;
}
