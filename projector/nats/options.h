/* How to connect to the broker, as the settings say: servers, credentials, TLS. For the gateway's connections and for
 * stategate-feed; what each of them wants of a connection besides is its own. */
#ifndef STATEGATE_PROJECTOR_NATS_OPTIONS_H
#define STATEGATE_PROJECTOR_NATS_OPTIONS_H

#include <nats/nats.h>
#include <stddef.h>

#include "core/base/status.h"
#include "core/domain/settings.h"

#define NATS_CONNECT_TIMEOUT_MS 2000 /* of one server */
#define NATS_SECRET_BYTES_MAX 65536  /* of a password, token or nkey file */

struct servers_round; /* projector/nats/servers.h */

/* Options with the servers of the round (NULL = those of `nats`), the credentials and TLS of `nats`. Secrets are read
 * from their files now, so that rotated ones are seen. The caller frees them (natsOptions_Destroy).
 * SG_INVALID: a file that cannot be used, named. SG_MEMORY. Blocks on files. */
SG_MUST_CHECK enum sg_status nats_options_create(const struct nats_settings *nats, const struct servers_round *round,
                                                 natsOptions **out, struct sg_error *err);

/* A status of the library as one of ours, with what it says about it: SG_OK, SG_MEMORY, SG_DENIED, SG_UNAVAILABLE. The
 * sentence begins with `what`. In the thread that got the status. */
enum sg_status nats_fail(natsStatus s, const char *what, struct sg_error *err);

#endif
