/* /v1/state/{collection}: pages of entities, in the order of their ids or as a query asks; batches are batch.c's. */
#include "api/routes/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/answer/headers.h"
#include "api/answer/items.h"
#include "api/http/problem.h"
#include "api/routes/page_links.h"
#include "api/routes/router.h"
#include "core/base/time.h"

/* Memory that a page begins with: of usual entities, at most. */
#define PAGE_FIRST_BYTES_MAX (64u << 10)
#define PAGE_RESTART_BYTES_MAX (16u << 10) /* filter, order and selection, percent-encoded */

struct page {
    struct call *call;
    struct buffer body;
    struct items items;
    size_t limit;
    bool stopped;                     /* it outgrows the loop */
    bool more;                        /* rows follow the last one that was looked at */
    bool keeps;                       /* the id of each item, not only of the one that fills the page */
    size_t last_of;                   /* so many items: the last one whose id was kept */
    size_t last_bytes;                /* of a page by ids: id of the last item */
    char last[EVENT_ID_BYTES_MAX];
    struct store_query_end end;       /* of a query's */
    uint64_t examined;                /* rows that a query looked at */
    struct buffer next;               /* the cursor that follows, if there is more */
    struct cursor_bookmark first;     /* of the first page */
    struct gap gap;                   /* what the gaps of its entities span; `first` 0 = none has one */
};

/* ---- what is asked for ---- */

/* A page of all by their ids does not read the sequences of its rows. */
static bool selects_sequence(const struct list_query *q)
{
    size_t i = 0;
    while (i < q->select_count && q->select[i].field != QUERY_SEQUENCE)
        i++;
    return i < q->select_count;
}

/* Is it read like a page of all by their ids? */
static bool is_by_id(const struct list_query *q)
{
    return q == NULL ||
           (!q->batch && q->query.nodes_count == 0 && q->query.order_count == 0 && !selects_sequence(q));
}

static struct slice after_of(const struct list_query *q)
{
    return q != NULL ? q->query.after_id : (struct slice){0};
}

enum sg_status page_plan(const struct target *target, const struct settings *settings, struct plan *plan,
                         struct sg_error *err)
{
    (void)target;
    (void)settings;
    (void)err;
    const struct list_query *q = plan->query;
    if (plan->batch != NULL && plan->batch->demands)
        batch_demand(plan);
    bool is_long = q != NULL && (q->batch ? batch_is_long(q) : !is_by_id(q));
    if (is_long)
        plan->place = PLAN_IN_JOB;
    return SG_OK;
}

/* A cursor of another epoch than the rows'. */
static bool is_expired(const struct call *call)
{
    const struct list_query *q = call->plan.query;
    return q != NULL && q->continued &&
           !epoch_equal(&q->epoch, &snapshot_stream(call->snapshot, (size_t)call->plan.owner)->row->epoch);
}

/* Of what is asked; and of what its fields mean, which changes no row. */
static uint32_t tag_of(const struct plan *plan)
{
    const struct list_query *q = plan->query;
    uint32_t tag = query_tag(q, plan->limit);
    bool by_fields = q != NULL && (q->query.nodes_count > 0 || q->query.ordered || q->select_count > 0);
    for (const char *c = plan->declared->fields_hash.text; by_fields && *c != '\0'; c++)
        tag = (tag ^ (unsigned char)*c) * UINT32_C(16777619);
    return tag;
}

enum sg_status page_find(struct call *call, struct basis *out, struct sg_error *err)
{
    struct store_collection collection = {0};
    const struct plan *plan = &call->plan;
    enum sg_status status = snapshot_begin(call->snapshot, err);
    if (status != SG_OK || plan->owner == OWNER_NONE)
        return status;
    status = store_read_collection(snapshot_reader(call->snapshot), plan->collection, &collection, err);
    out->found = status == SG_OK;
    out->tagged = out->found && !is_expired(call) && call->head->method != METHOD_POST;
    out->revision = (struct revision){.sequence = collection.position,
                                      .page = true,
                                      .entities = collection.entities,
                                      .settled = collection.gone,
                                      .query = tag_of(plan)};
    if (status == SG_NOT_FOUND)
        status = SG_OK;
    if (status == SG_OK && plan->batch != NULL && plan->batch->demands)
        status = batch_find_short(call, out, err);
    return status;
}

/* ---- rows ---- */

static void keep_last(struct page *page, struct slice id)
{
    page->last_of = page->items.count;
    page->last_bytes = id.bytes < sizeof page->last ? id.bytes : sizeof page->last;
    memcpy(page->last, id.data, page->last_bytes);
}

static bool visit_entity(void *context, const struct entity *entity)
{
    struct page *page = context;
    size_t bytes = page->body.bytes + entity->state.bytes + entity->id.bytes + ITEMS_ITEM_BYTES;
    page->more = page->items.count == page->limit;
    if (bytes > CALL_LOOP_BYTES_MAX) { /* seldom */
        page->more |= page->items.count > 0 && bytes > STORE_PAGE_BYTES_MAX;
        page->stopped = !page->more && call_outgrows_loop(page->call, bytes);
    }
    if (page->more || page->stopped)
        return false;
    items_append(&page->items, entity);
    if (page->items.count == page->limit || page->keeps)
        keep_last(page, entity->id);
    return !page->body.failed;
}

static bool visit_found(void *context, const struct entity *entity)
{
    struct page *page = context;
    items_append(&page->items, entity);
    return !page->body.failed;
}

static struct store_query_budget budget_of(const struct call *call)
{
    const struct tunables *tunables = snapshot_tunables(call->snapshot);
    return (struct store_query_budget){.items_max = call->plan.limit,
                                 .rows_max = tunables->query_rows_max,
                                 .bytes_max = STORE_PAGE_BYTES_MAX,
                                 .deadline_ns = time_boot_ns() + tunables->query_time_max_ms * NS_PER_MS};
}

/* The bookmark of the first page, which the cursors carry on. */
static void find_first(struct page *page, uint64_t settled)
{
    const struct call *call = page->call;
    const struct list_query *q = call->plan.query;
    size_t stream = (size_t)call->plan.owner;
    if (q != NULL && q->continued) {
        page->first = q->first;
        return;
    }
    page->first.sequence = snapshot_stream(call->snapshot, stream)->row->position;
    page->first.rows = call->api->rows[stream];
    if (settled > 0)
        (void)snprintf(page->first.settled, sizeof page->first.settled, "%" PRIx64, settled);
}

/* While what the page ended with is still there: until the next read. */
static void make_cursor(struct page *page)
{
    const struct plan *plan = &page->call->plan;
    const struct stream *row = snapshot_stream(page->call->snapshot, (size_t)plan->owner)->row;
    const struct query_end end = {.keys = page->end.after,
                                  .id = page->end.after_id,
                                  .collection = plan->collection,
                                  .epoch = &row->epoch,
                                  .hash = &plan->declared->fields_hash,
                                  .first = page->first};
    query_append_cursor(plan->query, &end, &page->next);
}

static enum sg_status read_by_id(struct page *page, struct sg_error *err)
{
    const struct plan *plan = &page->call->plan;
    struct store_reader *reader = snapshot_reader(page->call->snapshot);
    struct slice after = after_of(plan->query);
    size_t begun = page->body.bytes;
    enum sg_status status = store_read_page(reader, plan->collection, after, visit_entity, page, err);
    if (status == SG_OK && page->more && page->last_of != page->items.count) {
        /* It ended by its size, which is seldom: once more, for its last id. */
        page->keeps = true;
        page->body.bytes = begun;
        page->items.count = 0;
        status = store_read_page(reader, plan->collection, after, visit_entity, page, err);
    }
    if (!page->more) {
        page->last[0] = '\xff'; /* beyond all ids */
        page->last_bytes = 1;
    }
    page->end.after_id = (struct slice){page->last, page->last_bytes};
    if (status == SG_OK && page->more)
        make_cursor(page);
    if (status == SG_OK && page->items.count > 0)
        status = store_read_gaps(reader, plan->collection, after, page->end.after_id, &page->gap, err);
    return status;
}

/* All that may be on a page. */
static enum sg_status find_gap(const struct call *call, struct gap *out, struct sg_error *err)
{
    struct slice after = is_by_id(call->plan.query) ? after_of(call->plan.query) : (struct slice){0};
    return store_read_gaps(snapshot_reader(call->snapshot), call->plan.collection, after, SLICE_LITERAL("\xff"), out,
                           err);
}

/* For the metrics. */
static void count_examined(struct call *call, const struct store_query_budget *budget)
{
    call->examined_rows += (size_t)budget->examined;
}

static enum sg_status read_found(struct page *page, struct sg_error *err)
{
    const struct call *call = page->call;
    const struct list_query *q = call->plan.query;
    struct store_query_budget budget = budget_of(call);
    enum sg_status status = store_read_query(snapshot_reader(call->snapshot), call->plan.collection, &q->query,
                                             &q->access, &budget, visit_found, page, &page->end, err);
    page->more = page->end.more;
    page->examined = budget.examined;
    count_examined(page->call, &budget);
    if (status == SG_OK && page->more)
        make_cursor(page);
    return status == SG_OK ? find_gap(call, &page->gap, err) : status;
}

/* ---- the body ---- */

/* Of the whole filter: the number that is kept, or what is counted within a budget of its own. */
static enum sg_status append_count(struct page *page, uint64_t entities, struct sg_error *err)
{
    const struct call *call = page->call;
    const struct list_query *q = call->plan.query;
    struct store_query_count count = {.value = entities, .exact = true};
    struct store_query_budget budget = budget_of(call);
    enum sg_status status = SG_OK;
    if (q->query.nodes_count > 0)
        status = store_read_query_count(snapshot_reader(call->snapshot), call->plan.collection, &q->query, &q->access,
                                        &budget, &count, err);
    count_examined(page->call, &budget);
    if (count.exact)
        buffer_append_format(&page->body, ",\"count\":%" PRIu64, count.value);
    else
        buffer_append_format(&page->body, ",\"count\":{\"value\":%" PRIu64 ",\"relation\":\"gte\"}", count.value);
    return status;
}

static enum sg_status append_items(struct page *page, struct sg_error *err)
{
    const struct list_query *q = page->call->plan.query;
    enum sg_status status = is_by_id(q)            ? read_by_id(page, err)
                            : q != NULL && q->batch ? batch_append(page->call, &page->items, &page->gap, err)
                                                    : read_found(page, err);
    if (status == SG_OK && page->body.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for a page");
    if (status == SG_OK && page->stopped)
        status = SG_STOPPED;
    return status;
}

static void append_end(struct page *page)
{
    items_end(&page->items);
    buffer_append_text(&page->body, "]");
    if (page->more && page->items.count < page->call->plan.limit && page->examined > 0)
        buffer_append_format(&page->body, ",\"examined\":%" PRIu64, page->examined);
    if (page->more) {
        buffer_append_text(&page->body, ",\"next\":\"");
        buffer_append(&page->body, page->next.data, page->next.bytes);
        buffer_append_text(&page->body, "\"");
    }
    buffer_append_text(&page->body, "}\n");
}

static enum sg_status render(struct page *page, const struct basis *basis, struct sg_error *err)
{
    const struct plan *plan = &page->call->plan;
    enum sg_status status = SG_OK;
    size_t first_bytes = plan->limit * 2 * ITEMS_ITEM_BYTES;
    buffer_reserve(&page->body, first_bytes < PAGE_FIRST_BYTES_MAX ? first_bytes : PAGE_FIRST_BYTES_MAX);
    find_first(page, basis->revision.settled);
    buffer_append_text(&page->body, "{\"collection\":");
    buffer_append_json_string(&page->body, plan->collection);
    buffer_append_text(&page->body, ",\"position\":");
    buffer_append_json_string(&page->body, slice_of(snapshot_facts(page->call->snapshot, plan->owner)->position));
    if (plan->query != NULL && plan->query->count)
        status = append_count(page, basis->revision.entities, err);
    buffer_append_text(&page->body, ",\"items\":[");
    if (status == SG_OK)
        status = append_items(page, err);
    append_end(page);
    return status;
}

static void page_begin(struct page *page, struct call *call)
{
    *page = (struct page){.call = call, .limit = call->plan.limit};
    buffer_init(&page->body, PAGE_BODY_BYTES_MAX);
    buffer_init(&page->next, CURSOR_LIST_TEXT_BYTES);
    items_begin(&page->items, call->plan.query, &call->plan.declared->fields, &page->body);
}

static void page_end(struct page *page)
{
    items_free(&page->items);
    buffer_free(&page->next);
    buffer_free(&page->body);
}

/* ---- the answer ---- */

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

static void answer_not_found(const struct call *call, struct response *out)
{
    const struct stream_facts *facts = add_facts(call, out);
    problem_answer_at(out, PROBLEM_NOT_FOUND, facts->position, 0, "No event of this collection was applied.");
}

static void answer_refused(const struct call *call, enum problem problem, const struct sg_error *why,
                           struct response *out)
{
    (void)add_facts(call, out);
    problem_refuse(out, problem, (struct slice){0}, why);
}

/* What it was about is there no more: the list begins again. */
static void answer_expired(const struct call *call, struct response *out)
{
    struct buffer url;
    struct buffer members;
    buffer_init(&url, PAGE_RESTART_BYTES_MAX);
    buffer_init(&members, 2 * PAGE_RESTART_BYTES_MAX);
    query_append_restart(call->plan.query, call->plan.limit, &url);
    buffer_append_text(&members, ",\"restart\":");
    buffer_append_json_string(&members, (struct slice){url.data, url.bytes});
    const struct problem_members more = {.waited_ns = -1, .more = {members.data, members.bytes}};
    (void)add_facts(call, out);
    problem_answer_with(out, PROBLEM_CURSOR_EXPIRED, &more, "The rows are of another epoch than the cursor.");
    out->failed |= url.failed || members.failed;
    buffer_free(&url);
    buffer_free(&members);
}

static void add_links(struct page *page, struct response *out)
{
    const struct stream *row = snapshot_stream(page->call->snapshot, (size_t)page->call->plan.owner)->row;
    if (page->more)
        page_link_next(page->call, (struct slice){page->next.data, page->next.bytes}, out);
    else if (page->call->plan.query == NULL || !page->call->plan.query->batch)
        page_link_changes(page->call, &page->first, &row->epoch, out);
}

static enum sg_status answer_page(struct page *page, const struct basis *basis, struct response *out,
                                  struct sg_error *err)
{
    enum sg_status status = basis->unchanged ? find_gap(page->call, &page->gap, err) : render(page, basis, err);
    if (status != SG_OK)
        return status;
    if (!basis->unchanged)
        response_body_take(out, &page->body);
    add_facts_and_gap(page->call, page->gap, out);
    if (basis->etag != NULL)
        response_header(out, "ETag", basis->etag);
    response_header(out, "Cache-Control", "no-cache");
    if (basis->unchanged) {
        out->status = 304;
    } else {
        response_header(out, "Content-Type", "application/json");
        add_links(page, out);
    }
    return call_encode(page->call, out);
}

enum sg_status page_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    struct page page;
    struct sg_error why;
    response_header(out, "Accept-Query", ADMISSION_TYPE);
    if (!basis->found) {
        answer_not_found(call, out);
        return SG_OK;
    }
    if (is_expired(call)) {
        answer_expired(call, out);
        return SG_OK;
    }
    page_begin(&page, call);
    enum sg_status status = answer_page(&page, basis, out, &why);
    page_end(&page);
    if (status == SG_UNAVAILABLE || status == SG_INVALID) {
        answer_refused(call, status == SG_UNAVAILABLE ? PROBLEM_INDEX_BUILDING : PROBLEM_BAD_REQUEST, &why, out);
        return SG_OK;
    }
    if (status != SG_OK && err != NULL)
        *err = why;
    return status;
}
