/* What all kinds of lines share. */
#include "feed/compose_parts.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "feed/base64.h"

/* Walk over the tokens; `whole` says that only whole tokens count as wildcards. NULL, or what is wrong. */
static const char *subject_fault(struct slice text, bool whole)
{
    size_t token_begin = 0;
    if (text.bytes == 0)
        return "is empty";
    for (size_t i = 0; i <= text.bytes; i++) {
        unsigned char c = i < text.bytes ? (unsigned char)text.data[i] : '.';
        if (c == '.') {
            size_t bytes = i - token_begin;
            if (bytes == 0)
                return "has an empty token (a dot at its begin or end, or two in a row)";
            if (bytes == 1 && (text.data[token_begin] == '*' || text.data[token_begin] == '>'))
                return "has a wildcard";
            token_begin = i + 1;
        } else if (c == ' ') {
            return "has a space";
        } else if (c < ' ' || c == 0x7f) {
            return "has a control byte";
        } else if (!whole && (c == '*' || c == '>')) {
            return "has a * or >";
        }
    }
    return NULL;
}

enum sg_status compose_check_id(struct slice text, bool one_token, const char *what, struct sg_error *err)
{
    const char *fault = subject_fault(text, false);
    if (fault == NULL && one_token && memchr(text.data, '.', text.bytes) != NULL)
        fault = "has a dot, and the template gives it one token only";
    if (fault != NULL)
        return sg_fail(err, SG_INVALID, "%s %s: no subject can carry it", what, fault);
    return SG_OK;
}

enum sg_status compose_check_subject(struct slice subject, struct sg_error *err)
{
    const char *fault = subject_fault(subject, true);
    if (fault != NULL)
        return sg_fail(err, SG_INVALID, "the subject %s", fault);
    if (subject.bytes > FEED_SUBJECT_BYTES_MAX)
        return sg_fail(err, SG_INVALID, "the subject is longer than %d bytes", FEED_SUBJECT_BYTES_MAX);
    return SG_OK;
}

static bool header_name_valid(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == ':')
            return false;
    }
    return name.bytes > 0;
}

static bool header_value_valid(struct slice value)
{
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.data[i] == '\r' || value.data[i] == '\n' || value.data[i] == '\0')
            return false;
    }
    return true;
}

enum sg_status compose_add_header(struct outgoing *out, struct slice name, struct slice value, struct sg_error *err)
{
    if (out->headers_count == FEED_HEADERS_MAX)
        return sg_fail(err, SG_INVALID, "more than %d headers", FEED_HEADERS_MAX);
    if (!header_name_valid(name))
        return sg_fail(err, SG_INVALID, "a header's name is empty, or has a byte that none may have");
    if (!header_value_valid(value))
        return sg_fail(err, SG_INVALID, "header %.*s has a line end or NUL in its value", SLICE_ARGS(name));
    out->headers[out->headers_count++] = (struct outgoing_header){name, value};
    return SG_OK;
}

static enum sg_status payload_as_json(struct composer *composer, yyjson_val *value, struct slice *payload,
                                      struct sg_error *err)
{
    size_t bytes = 0;
    yyjson_write_err failure = {0};
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, NULL, &bytes, &failure);
    if (text == NULL)
        return sg_fail(err, SG_MEMORY, "the payload cannot be written: %s", failure.msg);
    buffer_append(&composer->payload, text, bytes);
    free(text);
    if (composer->payload.failed)
        return sg_fail(err, SG_INVALID, "the payload is longer than %u bytes", FEED_PAYLOAD_BYTES_MAX);
    *payload = (struct slice){composer->payload.data, composer->payload.bytes};
    return SG_OK;
}

static enum sg_status payload_as_base64(struct composer *composer, yyjson_val *value, struct slice *payload,
                                        struct sg_error *err)
{
    struct slice text = {yyjson_get_str(value), yyjson_get_len(value)};
    if (!base64_decode(text, &composer->payload))
        return sg_fail(err, SG_INVALID, "the payload is not base64 with its padding");
    if (composer->payload.failed)
        return sg_fail(err, SG_MEMORY, "out of memory");
    *payload = (struct slice){composer->payload.data, composer->payload.bytes};
    return SG_OK;
}

enum sg_status compose_payload(struct composer *composer, yyjson_val *root, const struct payload_members *members,
                               struct slice *payload, bool *found, struct sg_error *err)
{
    yyjson_val *json = yyjson_obj_get(root, members->json);
    yyjson_val *text = yyjson_obj_get(root, members->text);
    yyjson_val *base64 = yyjson_obj_get(root, members->base64);
    int count = (json != NULL) + (text != NULL) + (base64 != NULL);
    *payload = (struct slice){NULL, 0};
    *found = count > 0;
    if (count > 1) {
        return sg_fail(err, SG_INVALID, "%s, %s and %s exclude each other", members->json, members->text,
                       members->base64);
    }
    if (text != NULL && !yyjson_is_str(text))
        return sg_fail(err, SG_INVALID, "%s is not a string", members->text);
    if (base64 != NULL && !yyjson_is_str(base64))
        return sg_fail(err, SG_INVALID, "%s is not a string", members->base64);
    if (json != NULL)
        return payload_as_json(composer, json, payload, err);
    if (base64 != NULL)
        return payload_as_base64(composer, base64, payload, err);
    if (text != NULL)
        *payload = (struct slice){yyjson_get_str(text), yyjson_get_len(text)};
    return SG_OK;
}
