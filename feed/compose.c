/* Reading a line's JSON. */
#include "feed/compose.h"

#include <stdlib.h>
#include <yyjson.h>

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
    /* The document is in the pool, which the next line writes over; there is nothing to free. */
    return status;
}
