/* Opaque cursors of pages: base64url of a version byte and of what the page ended with. Pure functions. */
#ifndef STATEGATE_API_REQUEST_CURSOR_H
#define STATEGATE_API_REQUEST_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/request/filter.h"
#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/fields.h"
#include "core/domain/position.h"
#include "core/domain/settings.h"

/* The version byte: what kind of page the cursor belongs to, so that one of another kind is refused. */
enum cursor_kind { CURSOR_REJECTED = 2, CURSOR_LIST = 3 }; /* 1 was that of pages without an epoch */

#define CURSOR_PAYLOAD_BYTES_MAX EVENT_ID_BYTES_MAX
#define CURSOR_TEXT_BYTES (((CURSOR_PAYLOAD_BYTES_MAX + 1) * 4 + 2) / 3 + 1) /* with the NUL */

/* `payload` is at most CURSOR_PAYLOAD_BYTES_MAX bytes. Returns the length of the text. */
size_t cursor_encode(enum cursor_kind kind, struct slice payload, char out[CURSOR_TEXT_BYTES]);

/* SG_INVALID if the text is no cursor of this kind. `out` has as many bytes of room as the text, or
 * CURSOR_PAYLOAD_BYTES_MAX; it may be where the text lies. */
SG_MUST_CHECK enum sg_status cursor_decode(enum cursor_kind kind, struct slice text, char *out, size_t *bytes,
                                           struct sg_error *err);

/* ---- of lists ---- */

/* Where changes since the first page begin: a position of the collection's stream, without its epoch. */
#define CURSOR_SETTLED_CHARS_MAX 16
struct cursor_bookmark {
    uint64_t sequence;
    struct rows_hash rows;
    char settled[CURSOR_SETTLED_CHARS_MAX + 1]; /* "" = no deletion was ever settled without a message */
};

/* ".desc" and ".nullsfirst" on each, and commas. */
#define CURSOR_ORDER_BYTES_MAX (QUERY_ORDER_MAX * (FIELDS_NAME_BYTES_MAX + 5 + 11 + 1))

struct cursor_key {
    bool null;
    struct slice text; /* canonical: field_value_append */
};

/* All that a list's next page needs, on whatever replica, in whatever build of this epoch. No row number: that is
 * another one elsewhere. */
struct cursor_list {
    struct slice collection;
    struct epoch epoch;
    struct fields_hash fields;
    struct cursor_bookmark first; /* of the first page */
    struct slice filter;          /* canonical */
    struct slice order;
    struct slice id;              /* that the page ended with */
    size_t keys_count;            /* of the index that serves; what the page ended with */
    struct cursor_key keys[QUERY_ORDER_MAX];
};

/* All parts at their longest, each with its length, and the version byte. */
#define CURSOR_LIST_BYTES_MAX                                                                                          \
    (1 + 2 * 7 + EVENT_COLLECTION_BYTES_MAX + EPOCH_CHARS_MAX + FIELDS_HASH_CHARS + ROWS_HASH_CHARS +                  \
     CURSOR_SETTLED_CHARS_MAX + 20 + FILTER_BYTES_MAX + CURSOR_ORDER_BYTES_MAX + (2 + EVENT_ID_BYTES_MAX) +            \
     QUERY_ORDER_MAX * (3 + FIELDS_TEXT_BYTES_MAX))
#define CURSOR_LIST_TEXT_BYTES ((CURSOR_LIST_BYTES_MAX * 4 + 2) / 3)

void cursor_list_append(const struct cursor_list *cursor, struct buffer *out);
/* False: it is none. `room` has as many bytes as the text; the slices of `out` point into it. */
SG_MUST_CHECK bool cursor_list_read(struct slice text, char *room, struct cursor_list *out);

#endif
