/* An envelope event is published as it stands; only its subject and its header are made here. */
#include <yyjson.h>

#include "feed/compose_parts.h"

/* -?(0|[1-9][0-9]*): the form that an integer id has as text. */
static bool is_integer(struct slice text)
{
    size_t first = text.bytes > 0 && text.data[0] == '-' ? 1 : 0;
    if (first == text.bytes || (text.data[first] == '0' && text.bytes > first + 1))
        return false;
    for (size_t i = first; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return true;
}

static enum sg_status event_id(yyjson_val *root, struct slice *id, struct sg_error *err)
{
    yyjson_val *member = yyjson_obj_get(root, "aggregateId");
    if (member == NULL)
        return sg_fail(err, SG_INVALID, "aggregateId is missing");
    if (yyjson_is_str(member))
        *id = (struct slice){yyjson_get_str(member), yyjson_get_len(member)};
    else if (yyjson_is_raw(member))
        *id = (struct slice){yyjson_get_raw(member), yyjson_get_len(member)};
    else
        return sg_fail(err, SG_INVALID, "aggregateId is neither a string nor an integer");
    if (yyjson_is_raw(member) && !is_integer(*id))
        return sg_fail(err, SG_INVALID, "aggregateId is a number, but no integer");
    return SG_OK;
}

static enum sg_status event_collection(const struct feed_options *options, yyjson_val *root, struct slice *collection,
                                       struct sg_error *err)
{
    if (options->collection != NULL) {
        *collection = slice_of(options->collection);
        return SG_OK; /* checked with the options */
    }
    yyjson_val *member = yyjson_obj_get(root, options->collection_member);
    if (!yyjson_is_str(member))
        return sg_fail(err, SG_INVALID, "member %s, which names the collection, is %s", options->collection_member,
                       member == NULL ? "missing" : "not a string");
    *collection = (struct slice){yyjson_get_str(member), yyjson_get_len(member)};
    return compose_check_id(*collection, true, "the collection", err);
}

/* Ids with dots are carried by the template's last place only, which takes all remaining tokens. */
static bool id_is_last(const struct subject_template *t)
{
    return t->tokens_count > 0 && t->tokens[t->tokens_count - 1].kind == SUBJECT_ID;
}

static enum sg_status event_subject(struct composer *composer, yyjson_val *root, struct slice *subject,
                                    struct sg_error *err)
{
    const struct subject_template *t = &composer->options->subject;
    struct slice id = {NULL, 0};
    struct slice collection = {NULL, 0};
    enum sg_status status = SG_OK;
    if (t->has_id) {
        status = event_id(root, &id, err);
        if (status == SG_OK)
            status = compose_check_id(id, !id_is_last(t), "aggregateId", err);
    }
    if (status == SG_OK && t->has_collection)
        status = event_collection(composer->options, root, &collection, err);
    if (status != SG_OK)
        return status;
    struct buffer *out = &composer->subject;
    for (size_t i = 0; i < t->tokens_count; i++) {
        if (i > 0)
            buffer_append_text(out, ".");
        if (t->tokens[i].kind == SUBJECT_ID)
            buffer_append_slice(out, id);
        else if (t->tokens[i].kind == SUBJECT_COLLECTION)
            buffer_append_slice(out, collection);
        else
            buffer_append(out, t->text + t->tokens[i].offset, t->tokens[i].bytes);
    }
    if (out->failed)
        return sg_fail(err, SG_INVALID, "the subject is longer than %d bytes", FEED_SUBJECT_BYTES_MAX);
    *subject = (struct slice){out->data, out->bytes};
    return SG_OK;
}

enum sg_status compose_event(struct composer *composer, struct slice line, yyjson_val *root, struct outgoing *out,
                             struct sg_error *err)
{
    enum sg_status status = event_subject(composer, root, &out->subject, err);
    if (status != SG_OK)
        return status;
    out->payload = line;
    yyjson_val *message_id = yyjson_obj_get(root, "messageId");
    if (!composer->options->message_id || !yyjson_is_str(message_id) || yyjson_get_len(message_id) == 0)
        return SG_OK;
    struct slice value = {yyjson_get_str(message_id), yyjson_get_len(message_id)};
    return compose_add_header(out, SLICE_LITERAL("Nats-Msg-Id"), value, err);
}
