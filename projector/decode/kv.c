/* Format `kv`: a NATS key-value bucket. The id is the key, the version the stream sequence (the revision), the state
 * the value, which may be any JSON. */
#include "projector/decode/decoder.h"

enum { HEADER_OPERATION, HEADER_MARKER_REASON }; /* as format.c orders them */

/* A delete, a purge, or the marker that the server leaves for an expired or removed entry. */
static bool kv_is_deletion(const struct message *message)
{
    struct slice operation = message->headers[HEADER_OPERATION];
    return slice_equal(operation, SLICE_LITERAL("DEL")) || slice_equal(operation, SLICE_LITERAL("PURGE")) ||
           message->headers[HEADER_MARKER_REASON].bytes > 0;
}

static void kv_version(struct decoder *d)
{
    uint64_t sequence = d->message->sequence;
    if (sequence == 0 || sequence > INT64_MAX)
        decode_reject(d, REASON_BAD_VERSION, "the message's sequence is not between 1 and 2^63-1");
    else
        d->event->version = (int64_t)sequence;
}

enum sg_status decode_kv(struct decoder *d, struct sg_error *err)
{
    struct json_value *state = NULL;
    if (!d->stream->subject.has_id)
        decode_reject(d, REASON_MISSING_ID, "the subject template has no {id}, which is a bucket's only id");
    kv_version(d);
    if (kv_is_deletion(d->message)) {
        if (!decode_is_rejected(d))
            d->event->kind = EVENT_TOMBSTONE;
        return SG_OK;
    }
    /* An empty value is a value that is not JSON; deletion is said by a header. */
    enum sg_status status = decode_json(d, &state, err);
    if (status == SG_OK && !decode_is_rejected(d))
        decode_keep(d, state, state->value);
    return status;
}
