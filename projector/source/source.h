/* A stream's source: one thread that connects, subscribes from the stored position, makes sure that the stream is the
 * one the position belongs to, probes the head, and begins again whenever anything is in doubt. */
#ifndef STATEGATE_PROJECTOR_SOURCE_SOURCE_H
#define STATEGATE_PROJECTOR_SOURCE_SOURCE_H

#include "projector/source/context.h"

struct source;

/* Start watching `settings->streams[stream]`: for ever, whatever the broker does, until source_stop. */
SG_MUST_CHECK enum sg_status source_start(const struct source_context *context, size_t stream, struct source **out,
                                          struct sg_error *err);
/* Have the thread end, without waiting. NULL is allowed. */
void source_begin_stop(struct source *s);
/* Hang up and end the thread, at the latest at `until_ns` (boot clock). Then, when all are stopped,
 * nats_library_close(), then source_destroy. NULL is allowed. False: it still waits in the library, connecting or for
 * an answer; it may be stopped again, and until it has ended all that it uses must stay: the projector, which answers
 * SG_STOPPED once it has stopped, its queue, freshness, metrics. */
bool source_stop(struct source *s, int64_t until_ns);
void source_destroy(struct source *s);

#endif
