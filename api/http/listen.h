/* Listening sockets: from the text of an address (core/base/address.h) to descriptors. */
#ifndef STATEGATE_API_HTTP_LISTEN_H
#define STATEGATE_API_HTTP_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/slice.h"
#include "core/base/status.h"

#define LISTEN_TEXT_BYTES 160
#define LISTEN_BACKLOG 1024

/* Who can reach it: Host is checked accordingly (api/request/admission.h). */
enum listen_reach { LISTEN_UNIX, LISTEN_LOOPBACK, LISTEN_OPEN };

/* A plain value. Zeroed = no address. */
struct listen_address {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    enum listen_reach reach;
    bool bound;                  /* the unix socket's file is ours: remove it at the end */
    char text[LISTEN_TEXT_BYTES]; /* as bound: "127.0.0.1:41234" */
};

/* Parse and resolve the text (host names too, once). SG_INVALID names what is wrong with it. May block on DNS. */
SG_MUST_CHECK enum sg_status listen_resolve(struct slice text, struct listen_address *out, struct sg_error *err);

/* Bind and listen with `count` descriptors, one for each loop, non-blocking. TCP: each has a queue of its own, and the
 * kernel spreads the connections (SO_REUSEPORT); all have the same port, also when it was 0; [::] takes connections of
 * both families. Unix: they share one
 * queue. A socket file that nobody answers on is removed first. SG_INVALID names the address; nothing is left open. */
SG_MUST_CHECK enum sg_status listen_open(struct listen_address *address, int *fds, unsigned count,
                                         struct sg_error *err);
/* Remove the unix socket's file. */
void listen_close(struct listen_address *address);

#endif
