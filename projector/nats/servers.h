/* Which servers a connection tries, and what is known of those that are not configured: the cluster names its members
 * to whoever is connected, by their addresses above all. A certificate seldom has those: it is checked for the name of
 * the configured server instead, as it was when that server named them. */
#ifndef STATEGATE_PROJECTOR_NATS_SERVERS_H
#define STATEGATE_PROJECTOR_NATS_SERVERS_H

#include <stdbool.h>
#include <stddef.h>

#define NATS_SERVERS_MAX 64      /* configured and discovered addresses together */
#define SERVERS_NAME_BYTES 256   /* of a host name, with its end */
#define SERVERS_ROUNDS_MAX 3     /* of one connect */

/* Zeroed = nothing is known. */
struct servers {
    char *discovered[NATS_SERVERS_MAX]; /* owned; URLs */
    size_t discovered_count;
    char name[SERVERS_NAME_BYTES]; /* of the configured server that was connected last; "" = an address, or none yet */
};

/* Servers that are tried together, in any order. What it points at is the servers', until they learn. */
struct servers_round {
    bool configured; /* those of the settings are among them */
    const char *urls[NATS_SERVERS_MAX];
    size_t urls_count;
    const char *expected_name; /* that their certificates must have; NULL = each its own */
};

/* The round `index` of a connect: the configured servers, then discovered names, then discovered addresses; all
 * together where no name is known. False = there is nothing to try in it. */
bool servers_round(const struct servers *s, size_t index, struct servers_round *out);

/* What a connection that was made in this round, to `url`, has discovered; the strings become the servers' or are
 * freed. Of servers that were tried it does not say whether they are still there: those stay known. */
void servers_learn(struct servers *s, const struct servers_round *round, const char *url, char **discovered,
                   size_t discovered_count);

void servers_free(struct servers *s);

#endif
