/* /v1/state/{collection}/{id}: one entity. */
#include <string.h>

#include "api/answer/headers.h"
#include "api/http/problem.h"
#include "api/routes/router.h"
#include "core/base/time.h"

/* ---- find ---- */

/* Without a transaction, as of the last commit, if the row is cached. */
static bool find_cached(struct call *call, struct basis *out)
{
    return snapshot_peek(call->snapshot) && store_read_cached(snapshot_reader(call->snapshot), call->plan.collection,
                                                              call->plan.id, &out->entity);
}

static enum sg_status find_stored(struct call *call, struct basis *out, struct sg_error *err)
{
    const struct plan *plan = &call->plan;
    struct store_reader *reader = snapshot_reader(call->snapshot);
    enum sg_status status = store_read_entity(reader, plan->collection, plan->id, &out->entity, err);
    out->found = status == SG_OK;
    if (status == SG_NOT_FOUND)
        status = SG_OK;
    /* What `entity` points at is not valid afterwards; it is not shown in this case. */
    if (status == SG_OK && out->entity.version < plan->demands.min_version)
        status = store_read_version_rejected(reader, plan->collection, plan->id, plan->demands.min_version,
                                             &out->version_rejected, err);
    return status;
}

enum sg_status entity_find(struct call *call, struct basis *out, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (call->plan.owner == OWNER_NONE)
        return snapshot_begin(call->snapshot, err); /* nothing can be there */
    out->cached = out->found = find_cached(call, out);
    if (!out->cached)
        status = snapshot_begin(call->snapshot, err);
    if (status == SG_OK && !out->cached)
        status = find_stored(call, out, err);
    out->tagged = status == SG_OK && out->found && !out->entity.deleted;
    out->revision.sequence = out->entity.sequence;
    return status;
}

/* ---- answer ---- */

static void answer_state(const struct call *call, const struct basis *basis, struct response *out)
{
    const struct entity *entity = &basis->entity;
    struct cached_row *row = NULL;
    if (basis->unchanged)
        out->status = 304;
    else if ((row = store_read_retain(snapshot_reader(call->snapshot))) != NULL)
        response_body_borrow(out, entity->state.data, entity->state.bytes, cached_row_release, row);
    else
        response_body_copy(out, entity->state.data, entity->state.bytes);
    if (basis->etag != NULL)
        response_header(out, "ETag", basis->etag);
    if (!basis->unchanged)
        response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    if (!basis->unchanged || basis->etag == NULL) /* what tells less than the tag does not stand beside it in a 304 */
        headers_last_modified(out, entity->occurred_at, snapshot_wall_s(call->snapshot));
}

/* Those of the stream that lie after it, and its own. */
static void add_gaps(const struct call *call, const struct entity *entity, struct response *out)
{
    const struct stream *row = snapshot_stream(call->snapshot, (size_t)call->plan.owner)->row;
    struct gap own = {entity->sequence, entity->gap_last};
    if (own.first < own.last)
        own.first++; /* else it is its own event that the stream does not have any more */
    if (row->gaps_count > 0 || own.last != 0)
        headers_gaps_with(out, row, entity->sequence, own.last != 0 ? own : (struct gap){0, 0});
}

/* Found, or deleted. */
static void answer_found(const struct call *call, const struct basis *basis, struct response *out)
{
    const struct entity *entity = &basis->entity;
    const struct stream_facts *facts = check_facts(&call->plan, call->snapshot);
    headers_facts(out, facts, time_boot_ns());
    response_header_uint(out, "State-Version", (uint64_t)entity->version);
    add_gaps(call, entity, out);
    if (entity->deleted)
        problem_answer_at(out, PROBLEM_DELETED, facts->position, entity->version,
                          "The entity was deleted at version %lld.", (long long)entity->version);
    else
        answer_state(call, basis, out);
}

static void answer_absent(const struct call *call, struct response *out)
{
    const struct stream_facts *facts = check_facts(&call->plan, call->snapshot);
    headers_facts_and_gaps(out, facts, time_boot_ns());
    problem_answer_at(out, PROBLEM_NOT_FOUND, facts->position, 0, "No event of this entity was applied.");
}

/* What was rejected of this entity above what is shown; of a cached row nothing was. What the basis
 * points at is not valid afterwards. */
static enum sg_status add_rejections(const struct call *call, const struct basis *basis, struct response *out,
                                     struct sg_error *err)
{
    struct store_entity_rejections rejections = {0};
    if (basis->cached || call->plan.owner == OWNER_NONE)
        return SG_OK;
    enum sg_status status =
        store_read_entity_rejections(snapshot_reader(call->snapshot), call->plan.collection, call->plan.id,
                                     basis->entity.version, basis->entity.sequence, &rejections, err);
    if (status == SG_OK)
        headers_rejections(out, &rejections);
    return status;
}

enum sg_status entity_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    /* Neither a cached one is copied, nor one that is unchanged. */
    if (basis->found && !basis->cached && !basis->unchanged && call_outgrows_loop(call, basis->entity.state.bytes))
        return sg_fail(err, SG_STOPPED, "the entity is too large for a loop");
    if (basis->found)
        answer_found(call, basis, out);
    else
        answer_absent(call, out);
    return add_rejections(call, basis, out, err);
}
