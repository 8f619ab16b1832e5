/* Batches: some ids of a collection, in the order asked for, in one snapshot. */
#include "api/routes/page.h"

#include <inttypes.h>

#include "api/request/batch.h"
#include "core/base/time.h"

#define BATCH_LOOP_IDS_MAX 16 /* more are read in a job: they may be some pages of the file each */

bool batch_is_long(const struct list_query *q)
{
    return q->ids_count > BATCH_LOOP_IDS_MAX || q->query.nodes_count > 0;
}

/* ---- minimum versions ---- */

void batch_demand(struct plan *plan)
{
    const struct batch *batch = plan->batch;
    for (size_t i = 0; i < batch->ids_count && plan->demands.min_version == 0; i++) {
        plan->demands.min_version = batch->min_versions[i];
        plan->id = batch->ids[i];
    }
}

/* What one id is short of. */
struct lack {
    size_t at; /* in the ids */
    bool rejected;
    struct entity entity;
};

static enum sg_status find_lack(const struct call *call, size_t at, struct lack *out, bool *lacks,
                                struct sg_error *err)
{
    const struct batch *batch = call->plan.batch;
    struct store_reader *reader = snapshot_reader(call->snapshot);
    struct slice collection = call->plan.collection;
    *out = (struct lack){.at = at};
    *lacks = false;
    if (batch->min_versions[at] == 0)
        return SG_OK;
    enum sg_status status = store_read_entity(reader, collection, batch->ids[at], &out->entity, err);
    if (status != SG_OK && status != SG_NOT_FOUND)
        return status;
    *lacks = out->entity.version < batch->min_versions[at];
    return *lacks ? store_read_version_rejected(reader, collection, batch->ids[at], batch->min_versions[at],
                                                &out->rejected, err)
                  : SG_OK;
}

static void append_unmet(struct buffer *unmet, struct slice id)
{
    buffer_append_text(unmet, unmet->bytes == 0 ? ",\"unmet\":[" : ",");
    buffer_append_json_string(unmet, id);
}

/* The first of them that was rejected, else the first: what is waited for, and answered about. */
enum sg_status batch_find_short(struct call *call, struct basis *out, struct sg_error *err)
{
    struct batch *batch = call->plan.batch;
    bool any = false;
    buffer_reset(&batch->unmet);
    for (size_t i = 0; i < batch->ids_count; i++) {
        struct lack lack;
        bool lacks = false;
        enum sg_status status = find_lack(call, i, &lack, &lacks, err);
        if (status != SG_OK)
            return status;
        if (!lacks)
            continue;
        append_unmet(&batch->unmet, batch->ids[i]);
        if (any && (!lack.rejected || out->version_rejected))
            continue;
        any = true;
        out->version_rejected = lack.rejected;
        out->entity = (struct entity){.version = lack.entity.version, .sequence = lack.entity.sequence};
        call->plan.id = batch->ids[i];
        call->plan.demands.min_version = batch->min_versions[i];
    }
    if (any)
        buffer_append_text(&batch->unmet, "]");
    else
        out->entity.version = call->plan.demands.min_version; /* met, whichever it was about */
    return batch->unmet.failed ? sg_fail(err, SG_MEMORY, "out of memory for a batch") : SG_OK;
}

/* ---- items ---- */

static void extend_gap(struct gap *gap, const struct entity *entity)
{
    uint64_t first = entity->sequence < entity->gap_last ? entity->sequence + 1 : entity->gap_last;
    if (entity->gap_last == 0)
        return;
    if (gap->first == 0 || first < gap->first)
        gap->first = first;
    if (entity->gap_last > gap->last)
        gap->last = entity->gap_last;
}

static bool visit_one(void *context, const struct entity *entity)
{
    items_append(context, entity);
    return false;
}

/* A query for one id at a time: the filter, and the id. */
struct filtered {
    struct query query;
    struct query_access access;
    struct field_value id;
};

static enum sg_status filtered_begin(struct filtered *f, const struct query *filter, struct slice id,
                                     struct sg_error *err)
{
    char needed[QUERY_NEEDED_BYTES];
    if (filter->nodes_count == QUERY_NODES_MAX)
        return sg_fail(err, SG_INVALID, "the filter of a batch has more than %d tests and groups", QUERY_NODES_MAX - 1);
    f->query = *filter;
    f->id = (struct field_value){.state = FIELD_SET, .text = id};
    f->query.nodes[f->query.nodes_count] = (struct query_node){.kind = QUERY_TEST,
                                                               .end = (unsigned)f->query.nodes_count + 1,
                                                               .field = QUERY_ID,
                                                               .operator = QUERY_EQ,
                                                               .values = &f->id,
                                                               .values_count = 1};
    f->query.nodes_count++;
    (void)query_access(&f->query, &f->access, needed); /* the ids' own index serves it */
    return SG_OK;
}

/* It passes the filter, or there is no such entity; one that does not pass is left out. */
static enum sg_status append_one(const struct call *call, struct items *items, struct filtered *filtered,
                                 struct slice id, struct gap *gap, struct sg_error *err)
{
    struct store_reader *reader = snapshot_reader(call->snapshot);
    struct slice collection = call->plan.collection;
    struct entity entity = {0};
    size_t before = items->count;
    enum sg_status status = SG_OK;
    if (filtered != NULL) {
        struct store_query_budget budget = {.items_max = 1, .rows_max = 1, .bytes_max = STORE_PAGE_BYTES_MAX};
        struct store_query_end end;
        filtered->id.text = id;
        status = store_read_query(reader, collection, &filtered->query, &filtered->access, &budget, visit_one, items,
                                  &end, err);
        if (status != SG_OK || items->count > before)
            return status;
    }
    status = store_read_entity(reader, collection, id, &entity, err);
    if (status != SG_OK && status != SG_NOT_FOUND)
        return status;
    entity.id = id;
    if (status == SG_NOT_FOUND || entity.deleted)
        items_append_missing(items, id, entity.version);
    else if (filtered == NULL)
        items_append(items, &entity);
    extend_gap(gap, &entity);
    return SG_OK;
}

enum sg_status batch_append(const struct call *call, struct items *items, struct gap *gap, struct sg_error *err)
{
    const struct list_query *q = call->plan.query;
    bool has_filter = q->query.nodes_count > 0;
    struct filtered filtered;
    enum sg_status status = has_filter ? filtered_begin(&filtered, &q->query, q->ids[0], err) : SG_OK;
    for (size_t i = 0; status == SG_OK && i < q->ids_count; i++) {
        if (items->body->bytes > STORE_PAGE_BYTES_MAX)
            return sg_fail(err, SG_INVALID, "the first %zu of these ids have more than %u bytes: ask for fewer at once",
                           i, STORE_PAGE_BYTES_MAX);
        if (call_outgrows_loop(call, items->body->bytes))
            return sg_fail(err, SG_STOPPED, "the batch is too large for a loop");
        status = append_one(call, items, has_filter ? &filtered : NULL, q->ids[i], gap, err);
    }
    return status;
}
