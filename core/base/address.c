/* The address of a listener as it is written in the settings. */
#include "core/base/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/base/decimal.h"

#define UNIX_PREFIX "unix:"

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(const char *host)
{
    for (const char *c = host; *c != '\0'; c++) {
        if (!is_alphanumeric(*c) && strchr(".-_", *c) == NULL)
            return false;
    }
    return host[0] != '\0' && host[0] != '-' && host[0] != '.';
}

/* An IPv6 address, with a scope (`%eth0`) or without. */
static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    size_t bytes = strcspn(host, "%");
    if (bytes >= sizeof address)
        return false;
    memcpy(address, host, bytes);
    address[bytes] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1 && (host[bytes] == '\0' || is_name(host + bytes + 1));
}

/* 0..65535 in decimal digits, at most five of them. */
static bool parse_port(const char *text, size_t bytes, uint16_t *out)
{
    uint64_t port = 0;
    if (bytes > 5 || !decimal_parse((struct slice){text, bytes}, UINT16_MAX, &port))
        return false;
    *out = (uint16_t)port;
    return true;
}

/* Split off the host; `*rest` is what follows it: "" or ":port". */
static bool take_host(const char *text, size_t bytes, struct address *out, size_t *rest)
{
    bool bracketed = bytes > 0 && text[0] == '[';
    const char *end = memchr(text, bracketed ? ']' : ':', bytes);
    if (bracketed && end == NULL)
        return false;
    size_t begin = bracketed ? 1 : 0;
    size_t host_bytes = (end != NULL ? (size_t)(end - text) : bytes) - begin;
    if (host_bytes > ADDRESS_HOST_BYTES_MAX)
        return false;
    memcpy(out->host, text + begin, host_bytes);
    out->host[host_bytes] = '\0';
    out->is_ipv6 = bracketed;
    *rest = begin + host_bytes + (bracketed ? 1 : 0);
    return bracketed ? is_ipv6(out->host) : is_name(out->host);
}

bool address_parse_host(const char *text, size_t bytes, int port_default, struct address *out)
{
    struct address address = {0};
    size_t rest = 0;
    if (!take_host(text, bytes, &address, &rest))
        return false;
    if (rest == bytes && port_default >= 0)
        address.port = (uint16_t)port_default;
    else if (rest == bytes || text[rest] != ':' || !parse_port(text + rest + 1, bytes - rest - 1, &address.port))
        return false;
    *out = address;
    return true;
}

bool address_parse_slice(struct slice text, struct address *out)
{
    const size_t prefix_bytes = sizeof UNIX_PREFIX - 1;
    if (text.bytes < prefix_bytes || memcmp(text.data, UNIX_PREFIX, prefix_bytes) != 0)
        return address_parse_host(text.data, text.bytes, -1, out);
    struct slice path = {text.data + prefix_bytes, text.bytes - prefix_bytes};
    struct address address = {.is_unix = true};
    if (path.bytes == 0 || path.data[0] != '/' || path.bytes > ADDRESS_UNIX_PATH_BYTES_MAX ||
        path.data[path.bytes - 1] == '/')
        return false;
    memcpy(address.path, path.data, path.bytes);
    address.path[path.bytes] = '\0';
    *out = address;
    return true;
}

bool address_parse(const char *text, struct address *out)
{
    return address_parse_slice(slice_of(text), out);
}

struct slice address_next(const char **rest)
{
    struct slice one = {*rest, strcspn(*rest, ",")};
    *rest += one.bytes + ((*rest)[one.bytes] == ',' ? 1 : 0);
    return one;
}
