/* Opaque cursors of pages: base64url of a version byte and what the page ended with. Pure functions. */
#ifndef STATEGATE_API_REQUEST_CURSOR_H
#define STATEGATE_API_REQUEST_CURSOR_H

#include <stddef.h>

#include "core/domain/event.h"
#include "core/base/slice.h"
#include "core/base/status.h"

/* The version byte: what kind of page the cursor belongs to, so that one of another kind is refused. */
enum cursor_kind { CURSOR_ENTITIES = 1, CURSOR_REJECTED = 2 };

#define CURSOR_PAYLOAD_BYTES_MAX EVENT_ID_BYTES_MAX
#define CURSOR_TEXT_BYTES (((CURSOR_PAYLOAD_BYTES_MAX + 1) * 4 + 2) / 3 + 1) /* with the NUL */

/* `payload` is at most CURSOR_PAYLOAD_BYTES_MAX bytes. Returns the length of the text. */
size_t cursor_encode(enum cursor_kind kind, struct slice payload, char out[CURSOR_TEXT_BYTES]);

/* SG_INVALID if the text is no cursor of this kind. `out` has as many bytes of room as the text, or
 * CURSOR_PAYLOAD_BYTES_MAX; it may be where the text lies. */
SG_MUST_CHECK enum sg_status cursor_decode(enum cursor_kind kind, struct slice text, char *out, size_t *bytes,
                                           struct sg_error *err);

#endif
