/* Base64 (RFC 4648, section 4), decoding only. */
#ifndef STATEGATE_FEED_BASE64_H
#define STATEGATE_FEED_BASE64_H

#include <stdbool.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"

/* Append the bytes that `text` stands for. False if it is not base64 with its padding; `out` may then hold a part. */
bool base64_decode(struct slice text, struct buffer *out);

#endif
