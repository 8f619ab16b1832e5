/* What the files of compose share: the message that is made, memory, the kinds of lines, and checks. */
#ifndef STATEGATE_FEED_COMPOSE_PARTS_H
#define STATEGATE_FEED_COMPOSE_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "feed/options.h"

struct yyjson_val;

#define FEED_SUBJECT_BYTES_MAX 2048 /* nats-server takes 4096 for a whole control line, reply subject included */
#define FEED_HEADERS_MAX 64         /* of one message */
#define FEED_PAYLOAD_BYTES_MAX (64u << 20) /* nats-server's hard limit; its configured one is checked when sending */

struct outgoing_header {
    struct slice name; /* printable ASCII without a colon */
    struct slice value;
};

/* A message to publish. Everything is borrowed and is valid until the next call of compose(). */
struct outgoing {
    struct slice subject;
    struct slice payload;
    struct outgoing_header headers[FEED_HEADERS_MAX];
    size_t headers_count;
};

/* What composing needs from one line to the next. One thread. */
struct composer {
    const struct feed_options *options; /* borrowed */
    void *pool;                         /* owned: the JSON reader's memory */
    size_t pool_bytes;
    struct buffer subject;
    struct buffer payload;
    struct buffer headers;              /* text of headers that is not in the line as it stands */
};

/* ---- the kinds of lines; `root` is an object, numbers are kept as their text ---- */

SG_MUST_CHECK enum sg_status compose_event(struct composer *composer, struct slice line, struct yyjson_val *root,
                                           struct outgoing *out, struct sg_error *err);
SG_MUST_CHECK enum sg_status compose_raw(struct composer *composer, struct yyjson_val *root, struct outgoing *out,
                                         struct sg_error *err);
SG_MUST_CHECK enum sg_status compose_kv(struct composer *composer, struct yyjson_val *root, struct outgoing *out,
                                        struct sg_error *err);

/* ---- what they share ---- */

/* Check that `text` (an id or a key) can stand in a subject: no space, control byte, * or >; no empty token; with
 * `one_token` no dot at all. `what` names it in the error. */
SG_MUST_CHECK enum sg_status compose_check_id(struct slice text, bool one_token, const char *what,
                                              struct sg_error *err);

/* Check a whole subject: as above, but only tokens that are * or > as a whole are wildcards. */
SG_MUST_CHECK enum sg_status compose_check_subject(struct slice subject, struct sg_error *err);

SG_MUST_CHECK enum sg_status compose_add_header(struct outgoing *out, struct slice name, struct slice value,
                                                struct sg_error *err);

/* The payload out of the first of three members that exists: `json` (any value, written without white space), `text` (a
 * string's bytes), `base64` (a string). None: empty, and `found` is false. More than one is an error. */
struct payload_members {
    const char *json;
    const char *text;
    const char *base64;
};
SG_MUST_CHECK enum sg_status compose_payload(struct composer *composer, struct yyjson_val *root,
                                             const struct payload_members *members, struct slice *payload, bool *found,
                                             struct sg_error *err);

#endif
