/* What each event comes to: the highest version wins, and a version that comes again must bring the same content. */
#include "store/write/fold.h"

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

static void win(struct fold_row *row, const struct event *e, struct fold_outcome *o)
{
    if (e->kind != EVENT_ERASE)
        row->stored.version = e->version;
    row->stored.deleted = e->kind != EVENT_STATE;
    row->stored.sequence = e->sequence;
    row->changed = true;
    row->value = (struct entity_value){.version = row->stored.version,
                                       .deleted = row->stored.deleted,
                                       .sequence = e->sequence,
                                       .schema_version = e->schema_version,
                                       .has_schema_version = e->has_schema_version,
                                       .occurred_at = e->occurred_at,
                                       .type = e->type,
                                       .message_id = e->message_id,
                                       .correlation_id = e->correlation_id,
                                       .causation_id = e->causation_id};
    if (e->kind == EVENT_STATE)
        row->value.state = e->state;
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

enum sg_status fold_event(struct store_connection *c, struct fold_row *row, const struct event *e,
                          struct fold_outcome *o, struct sg_error *err)
{
    bool same = false;
    *o = (struct fold_outcome){.result = RESULT_STALE, .reason = REASON_NONE};
    if (e->kind == EVENT_ERASE) {
        erase(row, e, o);
        return SG_OK;
    }
    if (e->version > row->stored.version) {
        win(row, e, o);
        return SG_OK;
    }
    if (e->version < row->stored.version)
        return SG_OK;
    enum sg_status status = same_content(c, row, e, &same, err);
    o->result = same ? RESULT_DUPLICATE : RESULT_CONFLICT;
    if (!same) {
        o->reason = REASON_CONFLICT;
        o->stored_sequence = row->stored.sequence;
    }
    return status;
}
