/* One message on its way to the store, as the projector takes it: decoded, then shaped by the settings' rules. */
#ifndef STATEGATE_TESTS_DECODE_SHAPED_H
#define STATEGATE_TESTS_DECODE_SHAPED_H

#include "projector/decode/decode.h"
#include "projector/shape/shape.h"

/* `out` is written only on success. */
static inline enum sg_status decode_shaped(const struct settings *settings, size_t stream,
                                           const struct message *message, struct arena *arena, struct event *out,
                                           struct sg_error *err)
{
    struct decode_stream compiled = {0};
    struct shaper *shaper = NULL;
    struct event event;
    enum sg_status status = decode_stream_open(settings, stream, &compiled, err);
    if (status == SG_OK)
        status = shaper_create(settings, stream, &shaper, err);
    if (status == SG_OK)
        status = decode_message(&compiled, message, arena, &event, err);
    if (status == SG_OK)
        status = shape_event(shaper, &event, arena, err);
    if (status == SG_OK)
        *out = event;
    shaper_destroy(shaper);
    decode_stream_close(&compiled);
    return status;
}

#endif
