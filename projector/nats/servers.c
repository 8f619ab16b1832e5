/* Which servers a connection tries. */
#include "projector/nats/servers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* The host of a URL, without brackets; false if there is none, or it is too long to be one. */
static bool host_of(const char *url, char out[SERVERS_NAME_BYTES])
{
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    const char *user_end = strrchr(host, '@');
    host = user_end != NULL ? user_end + 1 : host;
    size_t bytes = strcspn(host, ":/");
    if (*host == '[') {
        host++;
        bytes = strcspn(host, "]");
    }
    if (bytes == 0 || bytes >= SERVERS_NAME_BYTES)
        return false;
    memcpy(out, host, bytes);
    out[bytes] = '\0';
    return true;
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool has_address(const char *url)
{
    char host[SERVERS_NAME_BYTES];
    return host_of(url, host) && is_address(host);
}

bool servers_round(const struct servers *s, size_t index, struct servers_round *out)
{
    bool together = s->name[0] == '\0';
    *out = (struct servers_round){.configured = index == 0, .expected_name = index == 2 ? s->name : NULL};
    if (together && index > 0)
        return false;
    for (size_t i = 0; i < s->discovered_count; i++) {
        if (together || (index == 1 && !has_address(s->discovered[i])) || (index == 2 && has_address(s->discovered[i])))
            out->urls[out->urls_count++] = s->discovered[i];
    }
    return out->configured || out->urls_count > 0;
}

static bool is_known(const struct servers *s, const char *url)
{
    for (size_t i = 0; i < s->discovered_count; i++) {
        if (strcmp(s->discovered[i], url) == 0)
            return true;
    }
    return false;
}

void servers_free(struct servers *s)
{
    for (size_t i = 0; i < s->discovered_count; i++)
        free(s->discovered[i]);
    s->discovered_count = 0;
}

void servers_learn(struct servers *s, const struct servers_round *round, const char *url, char **discovered,
                   size_t discovered_count)
{
    char host[SERVERS_NAME_BYTES];
    if (round->configured && host_of(url, host) && !is_address(host))
        memcpy(s->name, host, sizeof host);
    if (round->configured && round->urls_count == 0)
        servers_free(s); /* all that are there were discovered */
    for (size_t i = 0; i < discovered_count; i++) {
        if (s->discovered_count < NATS_SERVERS_MAX && !is_known(s, discovered[i]))
            s->discovered[s->discovered_count++] = discovered[i];
        else
            free(discovered[i]);
    }
}
