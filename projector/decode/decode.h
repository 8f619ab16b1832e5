/* From a message (subject, headers, bytes) to an event: pure, no clock, no network, no disk.
 *
 * One file per format holds what differs (decode_envelope.c, decode_kv.c); limits, JSON checks and ids are shared. */
#ifndef STATEGATE_PROJECTOR_DECODE_DECODE_H
#define STATEGATE_PROJECTOR_DECODE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "core/domain/event.h"
#include "core/domain/settings.h"

/* What a message carries besides its bytes. Slices are borrowed. */
struct message {
    struct slice subject;
    struct slice payload;
    uint64_t sequence;
    int64_t time_ns;
    /* Headers that formats use; bytes 0 = absent. */
    struct slice message_id;     /* Nats-Msg-Id */
    struct slice kv_operation;   /* KV-Operation */
    struct slice marker_reason;  /* Nats-Marker-Reason */
};

/* Scratch memory for one batch: what the events of a batch point into. One thread. */
struct decode_arena;
/* NULL when out of memory. */
struct decode_arena *decode_arena_create(void);
void decode_arena_destroy(struct decode_arena *arena);
/* Forget all events decoded since the last reset; keeps memory up to DECODE_ARENA_KEPT_BYTES for the next batch. */
#define DECODE_ARENA_KEPT_BYTES (32u << 20)
void decode_arena_reset(struct decode_arena *arena);
/* The same, and keep no memory. */
void decode_arena_release(struct decode_arena *arena);

/* Decode one message of `settings->streams[stream_index]`. Every message gives an event: one that cannot be applied is
 * EVENT_REJECTED with a reason and a detail, and with collection, id and version where they could be read. The event's
 * slices point into the message (`payload`, `subject`, headers), the settings (a fixed collection's name) or the arena;
 * all must outlive it.
 * SG_MEMORY: the arena could not grow; nothing was decoded, retry with a smaller batch. Never another error. */
SG_MUST_CHECK enum sg_status decode(const struct settings *settings, size_t stream_index, const struct message *message,
                                    struct decode_arena *arena, struct event *out, struct sg_error *err);

#endif
