/* Reading a line's JSON, and what all kinds of lines share. */
#include "feed/compose.h"

#include <stdlib.h>
#include <yyjson.h>

#include "feed/base64.h"

void composer_init(struct composer *composer, const struct feed_options *options)
{
    *composer = (struct composer){.options = options};
    buffer_init(&composer->subject, FEED_SUBJECT_BYTES_MAX);
    buffer_init(&composer->payload, FEED_PAYLOAD_BYTES_MAX);
    buffer_init(&composer->headers, FEED_PAYLOAD_BYTES_MAX);
}

void composer_free(struct composer *composer)
{
    free(composer->pool);
    composer->pool = NULL;
    buffer_free(&composer->subject);
    buffer_free(&composer->payload);
    buffer_free(&composer->headers);
}

/* One block of memory serves every line: an allocation per line costs half of what reading it costs. */
static bool composer_reserve(struct composer *composer, size_t bytes)
{
    if (bytes <= composer->pool_bytes)
        return true;
    void *grown = realloc(composer->pool, bytes);
    if (grown == NULL)
        return false;
    composer->pool = grown;
    composer->pool_bytes = bytes;
    return true;
}

static enum sg_status compose_kind(struct composer *composer, struct slice line, yyjson_val *root,
                                   struct outgoing *out, struct sg_error *err)
{
    switch (composer->options->mode) {
    case FEED_MODE_EVENT: return compose_event(composer, line, root, out, err);
    case FEED_MODE_RAW: return compose_raw(composer, root, out, err);
    case FEED_MODE_KV: return compose_kv(composer, root, out, err);
    case FEED_MODE_NONE: break;
    }
    return sg_fail(err, SG_INVALID, "nothing is published in this mode");
}

enum sg_status compose(struct composer *composer, struct slice line, struct outgoing *out, struct sg_error *err)
{
    /* Numbers stay text, so that 0.10 and 1e400 are published as they were written. */
    const yyjson_read_flag flags = YYJSON_READ_NUMBER_AS_RAW;
    if (!composer_reserve(composer, yyjson_read_max_memory_usage(line.bytes, flags)))
        return sg_fail(err, SG_MEMORY, "out of memory");
    yyjson_alc allocator;
    if (!yyjson_alc_pool_init(&allocator, composer->pool, composer->pool_bytes))
        return sg_fail(err, SG_MEMORY, "out of memory");
    yyjson_read_err failure = {0};
    /* Without the flag that lets it change its input, the reader only reads; its type says otherwise. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)line.data, line.bytes, flags, &allocator, &failure);
    if (doc == NULL)
        return sg_fail(err, SG_INVALID, "not JSON: %s at byte %zu", failure.msg, failure.pos + 1);
    yyjson_val *root = yyjson_doc_get_root(doc);
    enum sg_status status = SG_OK;
    buffer_reset(&composer->subject);
    buffer_reset(&composer->payload);
    buffer_reset(&composer->headers);
    *out = (struct outgoing){.headers_count = 0};
    if (yyjson_is_obj(root))
        status = compose_kind(composer, line, root, out, err);
    else
        status = sg_fail(err, SG_INVALID, "not a JSON object");
    /* The document lives in the pool, which the next line writes over; there is nothing to free. */
    return status;
}

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
