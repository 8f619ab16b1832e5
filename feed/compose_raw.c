/* Any message, byte for byte: for tests, benchmarks, and events of foreign formats. */
#include <yyjson.h>

#include "feed/compose_parts.h"

static enum sg_status raw_header(struct outgoing *out, struct slice name, yyjson_val *value, struct sg_error *err)
{
    if (!yyjson_is_str(value))
        return sg_fail(err, SG_INVALID, "header %.*s is not a string or a list of strings", SLICE_ARGS(name));
    return compose_add_header(out, name, (struct slice){yyjson_get_str(value), yyjson_get_len(value)}, err);
}

static enum sg_status raw_headers(struct outgoing *out, yyjson_val *headers, struct sg_error *err)
{
    if (!yyjson_is_obj(headers))
        return sg_fail(err, SG_INVALID, "headers is not an object");
    size_t index = 0;
    size_t count = 0;
    yyjson_val *key = NULL;
    yyjson_val *value = NULL;
    yyjson_obj_foreach(headers, index, count, key, value) {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        enum sg_status status = SG_OK;
        if (yyjson_is_arr(value)) {
            size_t item_index = 0;
            size_t items_count = 0;
            yyjson_val *item = NULL;
            yyjson_arr_foreach(value, item_index, items_count, item) {
                if (status == SG_OK)
                    status = raw_header(out, name, item, err);
            }
        } else {
            status = raw_header(out, name, value, err);
        }
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

enum sg_status compose_raw(struct composer *composer, yyjson_val *root, struct outgoing *out, struct sg_error *err)
{
    static const struct payload_members members = {"payload", "payloadText", "payloadBase64"};
    yyjson_val *subject = yyjson_obj_get(root, "subject");
    if (!yyjson_is_str(subject))
        return sg_fail(err, SG_INVALID, "subject is %s", subject == NULL ? "missing" : "not a string");
    out->subject = (struct slice){yyjson_get_str(subject), yyjson_get_len(subject)};
    enum sg_status status = compose_check_subject(out->subject, err);
    yyjson_val *headers = yyjson_obj_get(root, "headers");
    if (status == SG_OK && headers != NULL)
        status = raw_headers(out, headers, err);
    bool found = false;
    if (status == SG_OK)
        status = compose_payload(composer, root, &members, &out->payload, &found, err);
    return status;
}
