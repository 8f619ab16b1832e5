/* What the formats share: one message on its way to an event, its JSON, ids, rejection. Not for other modules. */
#ifndef STATEGATE_PROJECTOR_DECODE_DECODER_H
#define STATEGATE_PROJECTOR_DECODE_DECODER_H

#include <stdbool.h>

#include "core/domain/event.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"
#include "core/json/json.h"
#include "projector/message.h"

/* One message on its way. All borrowed. */
struct decoder {
    const struct stream_settings *stream;
    const struct message *message;
    struct arena *arena;
    struct event *event;
};

/* Reject, unless the event is rejected already: the first reason stays. Reading goes on afterwards, so that the record
 * of the event names its id and version. The detail must hold nothing of the payload but the contract's own names. */
void decode_reject(struct decoder *d, enum event_reason reason, const char *format, ...) SG_PRINTF(3, 4);
bool decode_is_rejected(const struct decoder *d);

/* 1..EVENT_ID_BYTES_MAX bytes of UTF-8, no NUL, neither "." nor "..". */
bool decode_id_is_valid(struct slice id);

/* Take a header, Nats-Msg-Id, for the event's messageId. One that is too long or not UTF-8 is left out: it serves the
 * transport, and the state beside it is sound. */
void decode_use_message_id(struct decoder *d, struct slice header);

/* Read the payload as JSON. On SG_OK `out` is NULL if it is not JSON or too large, and the event is rejected; it may be
 * rejected with a value too. The value lies in scratch memory; decode_keep() leaves it to the event. */
SG_MUST_CHECK enum sg_status decode_json(struct decoder *d, struct json_value **out, struct sg_error *err);
/* The event's state is this value, the document's root or a member of it. */
void decode_keep(struct decoder *d, struct json_value *state, yyjson_val *value);

/* The formats' functions, for the table in format.c. */
SG_MUST_CHECK enum sg_status decode_envelope(struct decoder *d, struct sg_error *err);
SG_MUST_CHECK enum sg_status decode_kv(struct decoder *d, struct sg_error *err);

#endif
