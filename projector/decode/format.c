/* The formats. */
#include "projector/decode/format.h"

#include <assert.h>

#include "projector/decode/decoder.h"

static const struct format formats[] = {
    [FORMAT_ENVELOPE] = {{"Nats-Msg-Id"}, 1, decode_envelope},
    [FORMAT_KV] = {{"KV-Operation", "Nats-Marker-Reason", "Nats-TTL"}, 1, decode_kv},
};
static_assert(sizeof formats / sizeof formats[0] == STREAM_FORMATS_COUNT, "each format has its row");

const struct format *format_get(enum stream_format format)
{
    assert((unsigned)format < STREAM_FORMATS_COUNT);
    return &formats[format];
}
