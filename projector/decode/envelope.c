/* Format `envelope`: a JSON object with the entity's id, version and state among its members.
 *
 * A member that is null counts as absent, as many serializers write what is not there. Members that are not known are
 * ignored. An empty payload marks the entity deleted. */
#include "core/base/time.h"
#include "projector/decode/decoder.h"

enum { HEADER_MESSAGE_ID }; /* as format.c orders them */

enum envelope_member {
    MEMBER_ID,
    MEMBER_VERSION,
    MEMBER_STATE,
    MEMBER_PATCH,
    MEMBER_DELETED,
    MEMBER_OCCURRED_AT,
    MEMBER_TYPE,
    MEMBER_SCHEMA_VERSION,
    MEMBER_MESSAGE_ID,
    MEMBER_CORRELATION_ID,
    MEMBER_CAUSATION_ID,
    MEMBERS_COUNT,
    MEMBER_UNKNOWN = MEMBERS_COUNT
};

struct envelope {
    yyjson_val *members[MEMBERS_COUNT]; /* NULL = absent or null */
    bool twice[MEMBERS_COUNT];          /* and so worth nothing; the event is rejected anyway */
};

static const struct slice envelope_names[MEMBERS_COUNT] = {
    [MEMBER_ID] = SLICE_LITERAL("aggregateId"),
    [MEMBER_VERSION] = SLICE_LITERAL("version"),
    [MEMBER_STATE] = SLICE_LITERAL("state"),
    [MEMBER_PATCH] = SLICE_LITERAL("patch"),
    [MEMBER_DELETED] = SLICE_LITERAL("deleted"),
    [MEMBER_OCCURRED_AT] = SLICE_LITERAL("occurredAt"),
    [MEMBER_TYPE] = SLICE_LITERAL("type"),
    [MEMBER_SCHEMA_VERSION] = SLICE_LITERAL("schemaVersion"),
    [MEMBER_MESSAGE_ID] = SLICE_LITERAL("messageId"),
    [MEMBER_CORRELATION_ID] = SLICE_LITERAL("correlationId"),
    [MEMBER_CAUSATION_ID] = SLICE_LITERAL("causationId"),
};

static enum envelope_member envelope_member_of(yyjson_val *key)
{
    struct slice name = json_key(key);
    for (unsigned m = 0; m < MEMBERS_COUNT; m++) {
        if (slice_equal(envelope_names[m], name))
            return (enum envelope_member)m;
    }
    return MEMBER_UNKNOWN;
}

static void envelope_collect(yyjson_val *root, struct envelope *out)
{
    bool met[MEMBERS_COUNT] = {0};
    size_t index;
    size_t count;
    yyjson_val *key;
    yyjson_val *value;
    *out = (struct envelope){0};
    yyjson_obj_foreach(root, index, count, key, value)
    {
        enum envelope_member m = envelope_member_of(key);
        if (m == MEMBER_UNKNOWN)
            continue;
        out->twice[m] = met[m];
        met[m] = true;
        out->members[m] = unsafe_yyjson_is_null(value) ? NULL : value;
    }
}

static enum sg_status envelope_no_memory(struct sg_error *err)
{
    return sg_fail(err, SG_MEMORY, "no memory to keep a message's members");
}

/* An integer id is its decimal text exactly as written. */
static enum sg_status envelope_id(struct decoder *d, const struct envelope *e, struct sg_error *err)
{
    yyjson_val *value = e->members[MEMBER_ID];
    struct event *event = d->event;
    bool in_subject = d->stream->subject.has_id;
    if (e->twice[MEMBER_ID])
        return SG_OK;
    if (value == NULL) {
        if (!in_subject)
            decode_reject(d, REASON_MISSING_ID, "neither the subject nor aggregateId gives an id");
        return SG_OK;
    }
    if (!unsafe_yyjson_is_str(value) && !json_is_integer(value)) {
        decode_reject(d, REASON_BAD_TYPE, "aggregateId is neither a string nor an integer");
        return SG_OK;
    }
    struct slice id = json_text(value);
    if (!decode_id_is_valid(id)) {
        decode_reject(d, REASON_BAD_ID, "aggregateId is empty, . or .., longer than %d bytes, or holds a NUL",
                      EVENT_ID_BYTES_MAX);
        return SG_OK;
    }
    if (in_subject) { /* the subject's stays: it is what the server ordered the message by */
        if (event->id.bytes > 0 && !slice_equal(id, event->id))
            decode_reject(d, REASON_ID_MISMATCH, "aggregateId is not the subject's id");
        return SG_OK;
    }
    return region_copy(&d->arena->kept, id, &event->id) ? SG_OK : envelope_no_memory(err);
}

static void envelope_version(struct decoder *d, const struct envelope *e)
{
    yyjson_val *value = e->members[MEMBER_VERSION];
    int64_t version = 0;
    if (e->twice[MEMBER_VERSION])
        return;
    if (value == NULL)
        decode_reject(d, REASON_MISSING_VERSION, "version is absent");
    else if (!json_integer(value, &version) || version < 1)
        decode_reject(d, REASON_BAD_VERSION, "version is not an integer between 1 and 2^63-1, written as one");
    else
        d->event->version = version;
}

/* Which kind of event: a state, a tombstone, or neither. */
static void envelope_kind(struct decoder *d, const struct envelope *e)
{
    yyjson_val *state = e->members[MEMBER_STATE];
    yyjson_val *patch = e->members[MEMBER_PATCH];
    yyjson_val *deleted = e->members[MEMBER_DELETED];
    if (state != NULL && !unsafe_yyjson_is_obj(state))
        decode_reject(d, REASON_BAD_TYPE, "state is not an object");
    else if (patch != NULL && !unsafe_yyjson_is_obj(patch))
        decode_reject(d, REASON_BAD_TYPE, "patch is not an object");
    else if (state != NULL && patch != NULL)
        decode_reject(d, REASON_BAD_TYPE, "both state and patch are there");
    else if (deleted != NULL && !unsafe_yyjson_is_bool(deleted))
        decode_reject(d, REASON_BAD_TYPE, "deleted is not a boolean");
    else if (patch != NULL)
        decode_reject(d, REASON_UNSUPPORTED, "patch is not supported");
    else if (deleted != NULL && unsafe_yyjson_is_true(deleted))
        d->event->kind = EVENT_TOMBSTONE;
    else if (state == NULL)
        decode_reject(d, REASON_MISSING_STATE, "neither state nor deleted is there");
}

static enum sg_status envelope_text(struct decoder *d, const struct envelope *e, enum envelope_member m,
                                    struct slice *out, struct sg_error *err)
{
    yyjson_val *value = e->members[m];
    if (value == NULL)
        return SG_OK;
    if (!unsafe_yyjson_is_str(value)) {
        decode_reject(d, REASON_BAD_TYPE, "%s is not a string", envelope_names[m].data);
        return SG_OK;
    }
    struct slice text = json_text(value);
    if (text.bytes > EVENT_TEXT_BYTES_MAX) {
        decode_reject(d, REASON_TOO_LARGE, "%s is longer than %d bytes", envelope_names[m].data, EVENT_TEXT_BYTES_MAX);
        return SG_OK;
    }
    return region_copy(&d->arena->kept, text, out) ? SG_OK : envelope_no_memory(err);
}

static enum sg_status envelope_texts(struct decoder *d, const struct envelope *e, struct sg_error *err)
{
    struct event *event = d->event;
    const struct {
        enum envelope_member member;
        struct slice *out;
    } texts[] = {
        {MEMBER_OCCURRED_AT, &event->occurred_at},       {MEMBER_TYPE, &event->type},
        {MEMBER_MESSAGE_ID, &event->message_id},         {MEMBER_CORRELATION_ID, &event->correlation_id},
        {MEMBER_CAUSATION_ID, &event->causation_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        enum sg_status status = envelope_text(d, e, texts[i].member, texts[i].out, err);
        if (status != SG_OK)
            return status;
    }
    if (e->members[MEMBER_MESSAGE_ID] == NULL)
        decode_use_message_id(d, d->message->headers[HEADER_MESSAGE_ID]);
    if (e->members[MEMBER_OCCURRED_AT] != NULL && !time_is_rfc3339(event->occurred_at))
        decode_reject(d, REASON_BAD_TYPE, "occurredAt is not an RFC 3339 time");
    return SG_OK;
}

static void envelope_schema_version(struct decoder *d, const struct envelope *e)
{
    yyjson_val *value = e->members[MEMBER_SCHEMA_VERSION];
    if (value == NULL)
        return;
    d->event->has_schema_version = json_integer(value, &d->event->schema_version);
    if (!d->event->has_schema_version)
        decode_reject(d, REASON_BAD_TYPE, "schemaVersion is not an integer of 64 bits");
}

/* An empty message: the entity is gone, at whatever version it is stored. */
static enum sg_status envelope_erase(struct decoder *d)
{
    if (!d->stream->subject.has_id)
        decode_reject(d, REASON_MISSING_ID, "an empty message, and the subject gives no id");
    if (!decode_is_rejected(d))
        d->event->kind = EVENT_ERASE;
    decode_use_message_id(d, d->message->headers[HEADER_MESSAGE_ID]);
    return SG_OK;
}

/* Id and version first and in any case, so that the record of a rejected event names them. */
enum sg_status decode_envelope(struct decoder *d, struct sg_error *err)
{
    struct envelope e;
    struct json_value *payload = NULL;
    if (d->message->payload.bytes == 0)
        return envelope_erase(d);
    enum sg_status status = decode_json(d, &payload, err);
    if (status != SG_OK || payload == NULL)
        return status;
    if (!unsafe_yyjson_is_obj(payload->value)) {
        decode_reject(d, REASON_BAD_TYPE, "the payload is not an object");
        return SG_OK;
    }
    envelope_collect(payload->value, &e);
    status = envelope_id(d, &e, err);
    if (status != SG_OK)
        return status;
    envelope_version(d, &e);
    if (decode_is_rejected(d))
        return SG_OK;
    envelope_kind(d, &e);
    envelope_schema_version(d, &e);
    status = envelope_texts(d, &e, err);
    if (status == SG_OK && d->event->kind == EVENT_STATE)
        decode_keep(d, payload, e.members[MEMBER_STATE]);
    return status;
}
