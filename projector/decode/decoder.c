/* What the formats share: JSON, ids, rejection. */
#include "projector/decode/decoder.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/utf8.h"

#define DECODE_DETAIL_BYTES 160

static_assert(EVENT_DEPTH_MAX <= JSON_DEPTH_MAX, "JSON is read as deep as an event may be");

void decode_reject(struct decoder *d, enum event_reason reason, const char *format, ...)
{
    char text[DECODE_DETAIL_BYTES];
    struct slice detail;
    va_list args;
    if (decode_is_rejected(d))
        return;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (bytes < 0)
        bytes = 0;
    if ((size_t)bytes >= sizeof text)
        bytes = (int)sizeof text - 1;
    if (!region_copy(&d->arena->kept, (struct slice){text, (size_t)bytes}, &detail))
        detail = SLICE_LITERAL("no memory for the detail"); /* the reason must do */
    event_reject(d->event, reason, detail);
}

bool decode_is_rejected(const struct decoder *d)
{
    return d->event->kind == EVENT_REJECTED;
}

bool decode_id_is_valid(struct slice id)
{
    return id.bytes > 0 && id.bytes <= EVENT_ID_BYTES_MAX && memchr(id.data, '\0', id.bytes) == NULL &&
           !slice_equal(id, SLICE_LITERAL(".")) && !slice_equal(id, SLICE_LITERAL("..")) && utf8_valid(id);
}

void decode_use_message_id(struct decoder *d, struct slice header)
{
    if (header.bytes <= EVENT_TEXT_BYTES_MAX && utf8_valid(header))
        d->event->message_id = header;
}

/* What is wrong with the payload, as a reason. */
static void reject_fault(struct decoder *d, const struct json_fault *fault)
{
    switch (fault->kind) {
    case JSON_SOUND:
        break;
    case JSON_TOO_LARGE:
        decode_reject(d, REASON_TOO_LARGE, "the payload is larger than %u bytes", EVENT_PAYLOAD_BYTES_MAX);
        break;
    case JSON_MALFORMED:
        decode_reject(d, REASON_BAD_JSON, "not JSON: %s at byte %zu", fault->message, fault->at);
        break;
    case JSON_TOO_DEEP:
        decode_reject(d, REASON_TOO_DEEP, "arrays and objects are nested deeper than %d", EVENT_DEPTH_MAX);
        break;
    case JSON_DUPLICATE_MEMBER:
        decode_reject(d, REASON_DUPLICATE_MEMBER, "an object has a member twice");
        break;
    }
}

enum sg_status decode_json(struct decoder *d, struct json_value **out, struct sg_error *err)
{
    static const struct json_limits limits = {EVENT_PAYLOAD_BYTES_MAX, EVENT_DEPTH_MAX};
    struct json_fault fault;
    *out = NULL;
    if (d->message->payload.bytes == 0) {
        decode_reject(d, REASON_BAD_JSON, "not JSON: the payload is empty");
        return SG_OK;
    }
    struct json_value *read = region_take(&d->arena->scratch, sizeof *read, JSON_ALIGN);
    if (read == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to read a message of %zu bytes", d->message->payload.bytes);
    read->value = NULL;
    enum sg_status status = json_read(d->message->payload, &limits, &d->arena->scratch, read, &fault, err);
    if (status != SG_OK)
        return status;
    reject_fault(d, &fault);
    if (read->value != NULL)
        *out = read;
    return SG_OK;
}

void decode_keep(struct decoder *d, struct json_value *state, yyjson_val *value)
{
    state->value = value;
    d->event->document = state;
}
