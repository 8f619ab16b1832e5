/* What each event comes to: the highest version wins, and a version that comes again must bring the same content. */
#include "store/write/fold.h"

#include <assert.h>

/* Has the row, at this very version, the content that `e` brings? */
static enum sg_status same_content(struct store_connection *c, const struct fold_row *row, const struct event *e,
                                   bool *out, struct sg_error *err)
{
    *out = row->stored.deleted && e->kind == EVENT_TOMBSTONE;
    if (row->stored.deleted || e->kind == EVENT_TOMBSTONE)
        return SG_OK;
    if (row->changed) {
        *out = slice_equal(row->value.state, e->state);
        return SG_OK;
    }
    return store_entities_same_state(c, row->stored.number, e->state, out, err);
}

/* The event's own part of what is stored. */
static struct entity_value value_of(const struct event *e, int64_t version)
{
    return (struct entity_value){.version = version,
                                 .deleted = e->kind == EVENT_TOMBSTONE || e->kind == EVENT_ERASE,
                                 .sequence = e->sequence,
                                 .schema_version = e->schema_version,
                                 .has_schema_version = e->has_schema_version,
                                 .occurred_at = e->occurred_at,
                                 .type = e->type,
                                 .message_id = e->message_id,
                                 .correlation_id = e->correlation_id,
                                 .causation_id = e->causation_id,
                                 .state = e->kind == EVENT_STATE ? e->state : (struct slice){NULL, 0},
                                 .fields = e->kind == EVENT_STATE ? e->fields : NULL};
}

static void win(struct fold_row *row, const struct event *e, struct fold_outcome *o)
{
    row->value = value_of(e, e->kind != EVENT_ERASE ? e->version : row->stored.version);
    row->stored.version = row->value.version;
    row->stored.deleted = row->value.deleted;
    row->stored.sequence = e->sequence;
    row->changed = true;
    o->result = RESULT_APPLIED;
}

static void erase(struct fold_row *row, const struct event *e, struct fold_outcome *o)
{
    if (row->stored.version == 0)
        o->result = RESULT_IGNORED;
    else if (row->stored.deleted)
        o->result = RESULT_DUPLICATE;
    else
        win(row, e, o);
}

/* The version that is stored, and other content. */
static void conflict(const struct fold_row *row, struct fold_outcome *o)
{
    o->result = RESULT_CONFLICT;
    o->reason = REASON_CONFLICT;
    o->stored_sequence = row->stored.sequence;
}

/* ---- patches ---- */

static void reject(struct fold_outcome *o, enum event_reason reason, struct slice detail)
{
    o->result = RESULT_REJECTED;
    o->reason = reason;
    o->detail = detail;
}

static enum sg_status merge_patch(struct store_connection *c, struct fold_row *row, const struct event *e,
                                  const struct store_merge *merge, struct fold_outcome *o, struct sg_error *err)
{
    struct entity_value value = value_of(e, e->version);
    enum event_reason reason = REASON_UNSUPPORTED;
    struct slice detail = {NULL, 0};
    struct slice base = row->value.state;
    enum sg_status status = SG_OK;
    assert(e->document == NULL); /* minimised, or the state would hold what must not be kept */
    if (!row->changed)
        status = store_entities_state(c, row->stored.number, &base, err);
    if (status == SG_OK)
        status = merge->merge(merge->context, base, e, &value, &reason, &detail, err);
    if (!row->changed)
        store_entities_state_end(c);
    if (status == SG_INVALID) {
        reject(o, reason, detail);
        return SG_OK;
    }
    if (status != SG_OK)
        return status;
    win(row, e, o);
    row->value = value;
    return SG_OK;
}

static enum sg_status fold_patch(struct store_connection *c, struct fold_row *row, const struct event *e,
                                 const struct store_merge *merge, struct fold_outcome *o, struct sg_error *err)
{
    if (merge == NULL)
        reject(o, REASON_UNSUPPORTED, SLICE_LITERAL(FOLD_UNSUPPORTED));
    else if (row->stored.version != 0 && e->version < row->stored.version)
        o->result = RESULT_STALE;
    else if (row->stored.version != 0 && e->version == row->stored.version && row->stored.deleted)
        conflict(row, o); /* whatever it would have come to is no tombstone */
    else if (row->stored.version != 0 && e->version == row->stored.version)
        o->result = RESULT_DUPLICATE; /* what it would have come to is not known: its base is gone */
    else if (row->stored.version != e->version - 1 || row->stored.deleted || row->stored.version == 0)
        reject(o, REASON_MISSING_BASE, (struct slice){0});
    else
        return merge_patch(c, row, e, merge, o, err);
    return SG_OK;
}

enum sg_status fold_event(struct store_connection *c, struct fold_row *row, const struct event *e,
                          const struct store_merge *merge, struct fold_outcome *o, struct sg_error *err)
{
    bool same = false;
    *o = (struct fold_outcome){.result = RESULT_STALE, .reason = REASON_NONE};
    if (e->kind == EVENT_ERASE) {
        erase(row, e, o);
        return SG_OK;
    }
    if (e->kind == EVENT_PATCH)
        return fold_patch(c, row, e, merge, o, err);
    if (e->version > row->stored.version) {
        win(row, e, o);
        return SG_OK;
    }
    if (e->version < row->stored.version)
        return SG_OK;
    enum sg_status status = same_content(c, row, e, &same, err);
    if (same)
        o->result = RESULT_DUPLICATE;
    else
        conflict(row, o);
    return status;
}
