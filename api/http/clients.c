/* Counting by client. */
#include "api/http/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define CHAINS_COUNT 1024 /* clients of one sidecar are few */

struct client {
    struct client *next;
    struct client_address address;
    size_t count; /* above 0 */
};

struct clients {
    uint64_t seed; /* set by clients_create(), then read-only */
    /* Guarded by mutex. */
    pthread_mutex_t mutex;
    struct client *chains[CHAINS_COUNT];
};

void client_address_set(const struct sockaddr *address, struct client_address *out)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    *out = (struct client_address){{0}};
    if (address == NULL)
        return;
    bool mapped = address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
    out->bytes[0] = mapped ? AF_INET : (unsigned char)address->sa_family;
    if (address->sa_family == AF_INET)
        memcpy(out->bytes + 1, &in->sin_addr, 4);
    else if (mapped)
        memcpy(out->bytes + 1, in6->sin6_addr.s6_addr + 12, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(out->bytes + 1, in6->sin6_addr.s6_addr, 8);
}

struct clients *clients_create(void)
{
    struct clients *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    (void)pthread_mutex_init(&c->mutex, NULL);
    c->seed = hash_seed();
    return c;
}

void clients_destroy(struct clients *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CHAINS_COUNT; i++) {
        while (c->chains[i] != NULL) {
            struct client *client = c->chains[i];
            c->chains[i] = client->next;
            free(client);
        }
    }
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
}

/* What points at the client, or at the end of its chain. Called with the mutex held. */
static struct client **find(struct clients *c, const struct client_address *address)
{
    uint64_t hash = hash_bytes(c->seed, (struct slice){(const char *)address->bytes, sizeof address->bytes});
    struct client **link = &c->chains[hash % CHAINS_COUNT];
    while (*link != NULL && memcmp(&(*link)->address, address, sizeof *address) != 0)
        link = &(*link)->next;
    return link;
}

static bool take(struct clients *c, const struct client_address *address, size_t max)
{
    struct client **link = find(c, address);
    if (max == 0 || (*link != NULL && (*link)->count >= max))
        return false;
    if (*link == NULL) {
        *link = calloc(1, sizeof **link);
        if (*link == NULL)
            return false;
        (*link)->address = *address;
    }
    (*link)->count++;
    return true;
}

bool clients_take(struct clients *c, const struct client_address *client, size_t max)
{
    (void)pthread_mutex_lock(&c->mutex);
    bool taken = take(c, client, max);
    (void)pthread_mutex_unlock(&c->mutex);
    return taken;
}

void clients_give(struct clients *c, const struct client_address *client)
{
    (void)pthread_mutex_lock(&c->mutex);
    struct client **link = find(c, client);
    struct client *found = *link;
    if (found != NULL && --found->count == 0) {
        *link = found->next;
        free(found);
    }
    (void)pthread_mutex_unlock(&c->mutex);
}
