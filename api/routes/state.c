/* /v1/state and /v1/state/{collection}/{id}. */
#include <stdlib.h>

#include "api/request/conditions.h"
#include "api/answer/demands_check.h"
#include "api/routes/handlers.h"
#include "api/http/problem.h"
#include "api/answer/headers.h"
#include "api/worker.h"
#include "core/base/time.h"

#define COLLECTIONS_BYTES_MAX (64u << 20) /* as many collections as the settings may allow, with the longest names */

static bool visit_collection(void *context, const struct model_collection *collection)
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

void state_collections(struct call *call, struct response *out)
{
    struct turn *turn = call->worker->turn;
    struct sg_error err;
    struct buffer body;
    if (turn_begin(turn, &err) != SG_OK) {
        render_storage(out, turn, &err);
        return;
    }
    if (!demands_hold(call, &(struct demands_subject){.owner = TURN_ALL}, out))
        return;
    buffer_init(&body, COLLECTIONS_BYTES_MAX);
    buffer_append_text(&body, "{\"collections\":[");
    if (body.failed || model_read_collections(turn_reader(turn), visit_collection, &body, &err) != SG_OK) {
        if (body.failed)
            (void)sg_fail(&err, SG_MEMORY, "out of memory for the list of collections");
        buffer_free(&body);
        render_storage(out, turn, &err);
        return;
    }
    buffer_append_text(&body, "]}\n");
    response_body_take(out, &body);
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    render_claim(out, turn_claim(turn, TURN_ALL), clock_boot_ns());
    const struct turn_claim *claim = turn_claim(turn, TURN_ALL);
    if (claim->gaps != NULL)
        response_header(out, "State-Gap", claim->gaps);
}

/* What was rejected of this entity above what is shown. Ends the life of the entity's slices. */
static enum sg_status add_rejections(const struct call *call, struct response *out, const struct model_entity *shown,
                                     struct sg_error *err)
{
    struct model_entity_rejections rejections = {0};
    enum sg_status status =
        model_read_entity_rejections(turn_reader(call->worker->turn), call->collection, call->id, shown->version,
                                     shown->sequence, &rejections, err);
    if (status == SG_OK)
        render_rejections(out, &rejections);
    return status;
}

static void answer_found(const struct call *call, const struct turn_stream *stream, const struct model_entity *entity,
                         struct response *out)
{
    char text[RENDER_ETAG_BYTES];
    struct sg_error err;
    bool unchanged = false;
    struct model_cached *row = NULL;
    const char *etag = render_etag(stream->row, (uint64_t)entity->version, text);
    if (conditional_unchanged(call->request, etag, &unchanged, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return;
    }
    if (unchanged)
        out->status = 304;
    else if ((row = model_read_take(turn_reader(call->worker->turn))) != NULL)
        response_body_borrow(out, entity->state.data, entity->state.bytes, model_cached_release, row);
    else
        response_body_copy(out, entity->state.data, entity->state.bytes);
    if (etag != NULL)
        response_header_bytes(out, "ETag", etag, strlen(etag));
    if (!unchanged)
        response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    render_last_modified(out, entity->occurred_at, turn_wall_s(call->worker->turn));
}

/* Found, or deleted. */
static void answer_entity(const struct call *call, int owner, const struct model_entity *entity, struct response *out)
{
    const struct turn_claim *claim = demands_claim(call, owner);
    const struct turn_stream *stream = turn_stream(call->worker->turn, (size_t)owner);
    render_claim(out, claim, clock_boot_ns());
    response_header_uint(out, "State-Version", (uint64_t)entity->version);
    render_gaps_after(out, stream, entity->sequence);
    if (entity->deleted)
        problem_answer_at(out, PROBLEM_DELETED, claim->position, entity->version,
                          "The entity was deleted at version %lld.", (long long)entity->version);
    else
        answer_found(call, stream, entity, out);
}

/* `owner` < 0: what no template can produce. */
static void answer_absent(const struct call *call, int owner, struct response *out)
{
    const struct turn_claim *claim = demands_claim(call, owner < 0 ? TURN_ALL : owner);
    render_claim(out, claim, clock_boot_ns());
    if (claim->gaps != NULL)
        response_header(out, "State-Gap", claim->gaps);
    problem_answer_at(out, PROBLEM_NOT_FOUND, claim->position, 0, "No event of this entity was applied.");
}

/* Without a transaction, as of the last commit, if the row is cached and meets what is demanded.
 * Of a cached row no event was rejected. */
static bool answer_cached(const struct call *call, int owner, struct response *out)
{
    struct turn *turn = call->worker->turn;
    struct model_entity entity;
    if (!turn_peek(turn) || !model_read_cached(turn_reader(turn), call->collection, call->id, &entity) ||
        !demands_met(call, &(struct demands_subject){owner, entity.version, entity.sequence}, out))
        return false;
    answer_entity(call, owner, &entity, out);
    return true;
}

void state_entity(struct call *call, struct response *out)
{
    struct turn *turn = call->worker->turn;
    struct model_entity entity = {0};
    struct sg_error err;
    int owner = settings_owner(call->worker->api->context.settings, call->collection);
    if (owner >= 0 && answer_cached(call, owner, out))
        return;
    enum sg_status status = turn_begin(turn, &err);
    if (status == SG_OK)
        status = owner < 0 ? SG_NOT_FOUND
                           : model_read_entity(turn_reader(turn), call->collection, call->id, &entity, &err);
    if (status != SG_OK && status != SG_NOT_FOUND) {
        render_storage(out, turn, &err);
        return;
    }
    /* What no template can produce is not waited for. */
    if (owner >= 0 && !demands_hold(call, &(struct demands_subject){owner, entity.version, entity.sequence}, out))
        return;
    if (status == SG_OK)
        answer_entity(call, owner, &entity, out);
    else
        answer_absent(call, owner, out);
    if (owner >= 0 && add_rejections(call, out, &entity, &err) != SG_OK)
        render_storage(out, turn, &err);
}
