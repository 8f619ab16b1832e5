/* /v1/state/{collection}/{id}: one entity. */
#include "api/request/conditions.h"
#include "api/answer/check.h"
#include "api/routes/router.h"
#include "api/http/problem.h"
#include "api/answer/headers.h"
#include "api/worker.h"
#include "core/base/time.h"

/* What was rejected of this entity above what is shown. Ends the life of the entity's slices. */
static enum sg_status add_rejections(const struct call *call, struct response *out, const struct entity *shown,
                                     struct sg_error *err)
{
    struct store_entity_rejections rejections = {0};
    enum sg_status status = store_read_entity_rejections(snapshot_reader(call->worker->snapshot), call->collection,
                                                         call->id, shown->version, shown->sequence, &rejections, err);
    if (status == SG_OK)
        headers_rejections(out, &rejections);
    return status;
}

static void answer_found(const struct call *call, const struct snapshot_stream *stream, const struct entity *entity,
                         struct response *out)
{
    char text[HEADERS_ETAG_BYTES];
    struct sg_error err;
    bool unchanged = false;
    struct cached_row *row = NULL;
    const char *etag = headers_etag(stream->row, (uint64_t)entity->version, text);
    if (conditions_unchanged(&call->request->head->fields.if_none_match, etag, &unchanged, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return;
    }
    if (unchanged)
        out->status = 304;
    else if ((row = store_read_retain(snapshot_reader(call->worker->snapshot))) != NULL)
        response_body_borrow(out, entity->state.data, entity->state.bytes, cached_row_release, row);
    else
        response_body_copy(out, entity->state.data, entity->state.bytes);
    if (etag != NULL)
        response_header_bytes(out, "ETag", etag, strlen(etag));
    if (!unchanged)
        response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    headers_last_modified(out, entity->occurred_at, snapshot_wall_s(call->worker->snapshot));
}

/* Found, or deleted. */
static void answer_entity(const struct call *call, int owner, const struct entity *entity, struct response *out)
{
    const struct stream_facts *claim = demands_facts(call, owner);
    const struct snapshot_stream *stream = snapshot_stream(call->worker->snapshot, (size_t)owner);
    headers_facts(out, claim, time_boot_ns());
    response_header_uint(out, "State-Version", (uint64_t)entity->version);
    headers_gaps_after(out, stream, entity->sequence);
    if (entity->deleted)
        problem_answer_at(out, PROBLEM_DELETED, claim->position, entity->version,
                          "The entity was deleted at version %lld.", (long long)entity->version);
    else
        answer_found(call, stream, entity, out);
}

/* `owner` < 0: what no template can produce. */
static void answer_absent(const struct call *call, int owner, struct response *out)
{
    const struct stream_facts *claim = demands_facts(call, owner < 0 ? OWNER_ALL : owner);
    headers_facts(out, claim, time_boot_ns());
    if (claim->gaps != NULL)
        response_header(out, "State-Gap", claim->gaps);
    problem_answer_at(out, PROBLEM_NOT_FOUND, claim->position, 0, "No event of this entity was applied.");
}

/* Without a transaction, as of the last commit, if the row is cached and meets what is demanded.
 * Of a cached row no event was rejected. */
static bool answer_cached(const struct call *call, int owner, struct response *out)
{
    struct snapshot *snapshot = call->worker->snapshot;
    struct entity entity;
    if (!snapshot_peek(snapshot) ||
        !store_read_cached(snapshot_reader(snapshot), call->collection, call->id, &entity) ||
        !demands_met(call, &(struct basis){owner, entity.version, entity.sequence}, out))
        return false;
    answer_entity(call, owner, &entity, out);
    return true;
}

void entity_show(struct call *call, struct response *out)
{
    struct snapshot *snapshot = call->worker->snapshot;
    struct entity entity = {0};
    struct sg_error err;
    int owner = settings_owner(call->worker->api->context.settings, call->collection);
    if (owner >= 0 && answer_cached(call, owner, out))
        return;
    enum sg_status status = snapshot_begin(snapshot, &err);
    if (status == SG_OK)
        status = owner < 0 ? SG_NOT_FOUND
                           : store_read_entity(snapshot_reader(snapshot), call->collection, call->id, &entity, &err);
    if (status != SG_OK && status != SG_NOT_FOUND) {
        headers_storage(out, snapshot, &err);
        return;
    }
    /* What no template can produce is not waited for. */
    if (owner >= 0 && !demands_hold(call, &(struct basis){owner, entity.version, entity.sequence}, out))
        return;
    if (status == SG_OK)
        answer_entity(call, owner, &entity, out);
    else
        answer_absent(call, owner, out);
    if (owner >= 0 && add_rejections(call, out, &entity, &err) != SG_OK)
        headers_storage(out, snapshot, &err);
}
