/* The formats: what a stream's messages look like. One row each; its name is the word in the settings. */
#ifndef STATEGATE_PROJECTOR_DECODE_FORMAT_H
#define STATEGATE_PROJECTOR_DECODE_FORMAT_H

#include "core/domain/settings.h"
#include "projector/message.h"

struct decoder;

struct format {
    const char *headers[MESSAGE_HEADERS_MAX]; /* that come with a message, in this order; NULL = no more */
    unsigned revision; /* of the fingerprint: where the same message is read differently, the rows are others */
    /* Fill what the subject did not give, or reject. SG_MEMORY only. */
    enum sg_status (*decode)(struct decoder *decoder, struct sg_error *err);
};

/* Any thread; static storage. */
const struct format *format_get(enum stream_format format);

#endif
