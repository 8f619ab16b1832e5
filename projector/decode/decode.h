/* From a message (subject, headers, bytes) to an event: pure, no clock, no network, no disk.
 *
 * One file per format holds what differs (envelope.c, kv.c), and format.c the table of them; limits, JSON checks and
 * ids are shared. */
#ifndef STATEGATE_PROJECTOR_DECODE_DECODE_H
#define STATEGATE_PROJECTOR_DECODE_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/names.h"
#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"
#include "projector/message.h"

/* What decode knows of a stream, compiled once; read-only afterwards: any thread. */
struct decode_stream {
    const struct stream_settings *settings; /* borrowed */
    int index;                              /* of the stream in the settings */
    bool owns_rest;      /* all collections that no stream lists */
    struct names *listed; /* owned: the collections that streams list, and which of them; NULL = none does */
};

/* The settings outlive it. SG_MEMORY. */
SG_MUST_CHECK enum sg_status decode_stream_open(const struct settings *settings, size_t stream,
                                                struct decode_stream *out, struct sg_error *err);
/* One that is zeroed is allowed. */
void decode_stream_close(struct decode_stream *stream);

/* Decode one message of the stream. Every message gives an event: one that cannot be applied is
 * EVENT_REJECTED with a reason and a detail, and with collection, id and version where they could be read. An
 * EVENT_STATE has a document and no state yet: shape_event() writes that, before the next message is decoded. The
 * event's slices point into the message (`payload`, `subject`, headers), the settings (a fixed collection's name) or
 * the arena; all must outlive it.
 * SG_MEMORY: the arena could not grow; nothing was decoded, retry with a smaller batch. Never another error. */
SG_MUST_CHECK enum sg_status decode_message(const struct decode_stream *stream, const struct message *message,
                                            struct arena *arena, struct event *out, struct sg_error *err);

#endif
