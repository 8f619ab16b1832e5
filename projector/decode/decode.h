/* From a message (subject, headers, bytes) to an event: pure, no clock, no network, no disk.
 *
 * One file per format holds what differs (envelope.c, kv.c), and format.c the table of them; limits, JSON checks and ids
 * are shared. */
#ifndef STATEGATE_PROJECTOR_DECODE_DECODE_H
#define STATEGATE_PROJECTOR_DECODE_DECODE_H

#include <stddef.h>

#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"
#include "projector/message.h"

/* Decode one message of `settings->streams[stream]`. Every message gives an event: one that cannot be applied is
 * EVENT_REJECTED with a reason and a detail, and with collection, id and version where they could be read. An
 * EVENT_STATE has a document and no state yet: shape_event() writes that, before the next message is decoded. The
 * event's slices point into the message (`payload`, `subject`, headers), the settings (a fixed collection's name) or
 * the arena; all must outlive it.
 * SG_MEMORY: the arena could not grow; nothing was decoded, retry with a smaller batch. Never another error. */
SG_MUST_CHECK enum sg_status decode_message(const struct settings *settings, size_t stream,
                                            const struct message *message, struct arena *arena, struct event *out,
                                            struct sg_error *err);

#endif
