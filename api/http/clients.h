/* How much each client has of something: of connections, or of reads that wait. A client is kept only while it has
 * any. */
#ifndef STATEGATE_API_HTTP_CLIENTS_H
#define STATEGATE_API_HTTP_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "api/http/head.h"

/* Who it is that connects from this address (NULL: nobody knows), without its port, so that all its connections count
 * as one client. A client of IPv6 has a network of its own, a /64, in which it may take any address. One of IPv4 that
 * comes through [::] is the client that it is elsewhere. Any thread, pure. */
void client_address_set(const struct sockaddr *address, struct client_address *out);

struct clients;

/* NULL = out of memory. */
struct clients *clients_create(void);
/* NULL is allowed. */
void clients_destroy(struct clients *c);
/* One more of this client, if it has less than `max`. False: it has, or there is no memory to count it. Any thread; one
 * short lock. Clients are found by a keyed hash: nobody can choose addresses that share a chain. */
bool clients_take(struct clients *c, const struct client_address *client, size_t max);
/* One less, that was taken. Any thread; one short lock. */
void clients_give(struct clients *c, const struct client_address *client);

#endif
