/* What the files of decode share: one message on its way to an event, scratch memory, JSON. Not for other modules. */
#ifndef STATEGATE_PROJECTOR_DECODE_DECODER_H
#define STATEGATE_PROJECTOR_DECODE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#include "core/base/status.h"
#include "projector/decode/decode.h"

/* Memory that is only ever freed as a whole: chunks, each at least twice the one before, so that after a few batches
 * all of one fits into a single chunk. Starts zeroed. */
struct region_chunk;
struct region {
    struct region_chunk *chunk; /* owned; the newest, and by its links all others */
};
/* `align` is a power of two, at most 16. NULL when out of memory; never for 0 bytes. */
void *region_take(struct region *r, size_t bytes, size_t align);
/* Copies; false when out of memory. An empty slice stays empty. */
SG_MUST_CHECK bool region_copy(struct region *r, struct slice from, struct slice *out);
/* Forget what was handed out; keep the largest chunk if it is not larger than `kept_bytes_max`. */
void region_reset(struct region *r, size_t kept_bytes_max);
void region_free(struct region *r);

struct decode_arena {
    struct region kept;    /* what events point into, until the next decode_arena_reset() */
    struct region scratch; /* of one decode() call: small and reused, so that it stays in the processor's cache */
};

/* One message on its way. */
struct decoder {
    const struct settings *settings;
    const struct stream_settings *stream;
    size_t stream_index;
    const struct message *message;
    struct decode_arena *arena;
    const struct collection_settings *rules; /* members to drop; NULL = none */
    const yyjson_doc *document;              /* of the payload; in scratch memory; NULL = not read */
    struct event *event;
};

/* Reject, unless the event is rejected already: the first reason stays. Reading goes on afterwards, so that the record
 * of the event names its id and version. The detail must hold nothing of the payload but the contract's own names. */
void decode_reject(struct decoder *d, enum event_reason reason, const char *format, ...) SG_PRINTF(3, 4);
bool decode_is_rejected(const struct decoder *d);

/* 1..EVENT_ID_BYTES_MAX bytes of UTF-8, no NUL, neither "." nor "..". */
bool decode_id_is_valid(struct slice id);
/* Take the header Nats-Msg-Id for the event's messageId. One that is too long or not UTF-8 is left out: it serves the
 * transport, and the state beside it is sound. */
void decode_use_message_id_header(struct decoder *d);

/* RFC 3339 section 5.6, date-time: syntax and ranges, leap seconds and lower-case letters included. */
bool decode_is_rfc3339(struct slice text);

/* The formats. They fill what the subject did not give, or reject. SG_MEMORY only. */
SG_MUST_CHECK enum sg_status decode_envelope(struct decoder *d, struct sg_error *err);
SG_MUST_CHECK enum sg_status decode_kv(struct decoder *d, struct sg_error *err);

/* Parse the payload into scratch memory, numbers as raw text, and look for what a parser lets through: members twice,
 * and nesting beyond EVENT_DEPTH_MAX. On SG_OK `root` is NULL if it is not JSON or too large, and the event is
 * rejected; it may be rejected with a root too. */
SG_MUST_CHECK enum sg_status decode_json_read(struct decoder *d, yyjson_val **root, struct sg_error *err);
/* Write `value`, the document's root or a member of it, as the event's state: without white space and without the
 * members that the collection's rules drop. */
SG_MUST_CHECK enum sg_status decode_json_write(struct decoder *d, yyjson_val *value, struct sg_error *err);
/* The text of a string or of a number, as written; bytes 0 and data NULL for anything else. */
struct slice decode_json_text(yyjson_val *value);
/* True if a number is written as an integer: digits, perhaps behind a minus sign. */
bool decode_json_is_integer(yyjson_val *value);
/* The same, and it fits. */
bool decode_json_integer(yyjson_val *value, int64_t *out);

#endif
