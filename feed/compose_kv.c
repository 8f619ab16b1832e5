/* Entries of a key-value bucket, as its clients write them: a put has no header, a delete and a purge have. */
#include <yyjson.h>

#include "feed/compose_parts.h"

static enum sg_status kv_subject(struct composer *composer, yyjson_val *root, struct slice *subject,
                                 struct sg_error *err)
{
    yyjson_val *member = yyjson_obj_get(root, "key");
    if (!yyjson_is_str(member))
        return sg_fail(err, SG_INVALID, "key is %s", member == NULL ? "missing" : "not a string");
    struct slice key = {yyjson_get_str(member), yyjson_get_len(member)};
    enum sg_status status = compose_check_id(key, false, "key", err);
    if (status != SG_OK)
        return status;
    struct buffer *out = &composer->subject;
    buffer_append_text(out, "$KV.");
    buffer_append_text(out, composer->options->bucket);
    buffer_append_text(out, ".");
    buffer_append_slice(out, key);
    if (out->failed)
        return sg_fail(err, SG_INVALID, "the subject is longer than %d bytes", FEED_SUBJECT_BYTES_MAX);
    *subject = (struct slice){out->data, out->bytes};
    return SG_OK;
}

/* A flag that is absent, false or true. */
static enum sg_status kv_flag(yyjson_val *root, const char *name, bool *flag, struct sg_error *err)
{
    yyjson_val *member = yyjson_obj_get(root, name);
    if (member != NULL && !yyjson_is_bool(member))
        return sg_fail(err, SG_INVALID, "%s is not a boolean", name);
    *flag = yyjson_is_true(member);
    return SG_OK;
}

static enum sg_status kv_headers(struct outgoing *out, bool deleted, bool purged, struct sg_error *err)
{
    const struct slice operation = SLICE_LITERAL("KV-Operation");
    if (deleted)
        return compose_add_header(out, operation, SLICE_LITERAL("DEL"), err);
    if (!purged)
        return SG_OK;
    enum sg_status status = compose_add_header(out, operation, SLICE_LITERAL("PURGE"), err);
    if (status == SG_OK)
        status = compose_add_header(out, SLICE_LITERAL("Nats-Rollup"), SLICE_LITERAL("sub"), err);
    return status;
}

enum sg_status compose_kv(struct composer *composer, yyjson_val *root, struct outgoing *out, struct sg_error *err)
{
    static const struct payload_members members = {"value", "valueText", "valueBase64"};
    bool deleted = false;
    bool purged = false;
    bool found = false;
    enum sg_status status = kv_subject(composer, root, &out->subject, err);
    if (status == SG_OK)
        status = kv_flag(root, "deleted", &deleted, err);
    if (status == SG_OK)
        status = kv_flag(root, "purged", &purged, err);
    if (status == SG_OK)
        status = compose_payload(composer, root, &members, &out->payload, &found, err);
    if (status != SG_OK)
        return status;
    if ((deleted ? 1 : 0) + (purged ? 1 : 0) + (found ? 1 : 0) != 1)
        return sg_fail(err, SG_INVALID, "exactly one of value, deleted and purged is wanted");
    return kv_headers(out, deleted, purged, err);
}
