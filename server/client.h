/* One GET to the gateway of this configuration, for `stategate health` and `stategate ready`; not a general HTTP
 * client. */
#ifndef STATEGATE_SERVER_CLIENT_H
#define STATEGATE_SERVER_CLIENT_H

#include <stddef.h>

#include "core/domain/settings.h"
#include "core/base/status.h"

#define CLIENT_DEADLINE_MS 2000            /* for all of it; looking up a host's name is not interrupted */
#define CLIENT_ANSWER_BYTES_MAX (64u << 10) /* head and body; a line per check needs far less */

struct client_answer {
    int code;                               /* HTTP status */
    size_t body_bytes;
    char body[CLIENT_ANSWER_BYTES_MAX + 1]; /* terminated */
};

/* GET `path` from listen_ops, or listen where that is not set; an address that means all is asked on loopback. Blocks.
 * Errors: SG_UNAVAILABLE (no connection, or no answer in time), SG_INVALID (no HTTP answer, or port 0), SG_MEMORY. */
SG_MUST_CHECK enum sg_status client_get(const struct settings *settings, const char *path, struct client_answer *out,
                                        struct sg_error *err);

#endif
