/* Everything in the settings that shapes a stream's rows, as one text: another text means other rows. */
#ifndef STATEGATE_PROJECTOR_INGEST_FINGERPRINT_H
#define STATEGATE_PROJECTOR_INGEST_FINGERPRINT_H

#include "core/base/buffer.h"
#include "core/domain/settings.h"

#define FINGERPRINT_BYTES_MAX (1u << 20) /* names and pointers of a configuration file, which is no larger */

/* Append the fingerprint of `stream`, one of the settings', and a NUL to `out`. SG_MEMORY: it does not fit there. */
SG_MUST_CHECK enum sg_status fingerprint_make(const struct settings *settings, const struct stream_settings *stream,
                                              struct buffer *out, struct sg_error *err);

#endif
