/* Listening sockets. */
#include "api/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/address.h"
#include "core/base/decimal.h"

#define UNIX_MODE 0660

static void take_unix(struct slice text, const struct address *parsed, struct listen_address *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _Static_assert(sizeof parsed->path <= sizeof address.sun_path, "core/base/address.h holds no longer path");
    memcpy(address.sun_path, parsed->path, sizeof parsed->path);
    memcpy(&out->address, &address, sizeof address);
    out->address_bytes = sizeof address;
    out->reach = LISTEN_UNIX;
    (void)snprintf(out->text, sizeof out->text, "%.*s", SLICE_ARGS(text));
}

static enum listen_reach reach_of(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    bool loopback = address->ss_family == AF_INET ? (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET
                    : IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET
                                                            : IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    return loopback ? LISTEN_LOOPBACK : LISTEN_OPEN;
}

static enum sg_status resolve(struct slice text, const struct address *parsed, struct listen_address *out,
                              struct sg_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[DECIMAL_UINT_BYTES + 1];
    port[decimal_uint(parsed->port, port)] = '\0';
    int result = getaddrinfo(parsed->host, port, &hints, &found);
    if (result != 0)
        return sg_fail(err, SG_INVALID, "listen address '%.*s': %s", SLICE_ARGS(text), gai_strerror(result));
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    out->address_bytes = found->ai_addrlen;
    out->reach = reach_of(&out->address);
    freeaddrinfo(found);
    return SG_OK;
}

enum sg_status listen_resolve(struct slice text, struct listen_address *out, struct sg_error *err)
{
    struct address parsed;
    *out = (struct listen_address){0};
    if (!address_parse_slice(text, &parsed))
        return sg_fail(err, SG_INVALID, "listen address '%.*s' is not host:port, [::1]:port or unix:/path",
                       (int)(text.bytes < 200 ? text.bytes : 200), text.data);
    if (!parsed.is_unix)
        return resolve(text, &parsed, out, err);
    take_unix(text, &parsed, out);
    return SG_OK;
}

static enum sg_status fail_socket(struct sg_error *err, const struct listen_address *address, const char *what)
{
    return sg_fail(err, SG_INVALID, "listen address %s: %s: %s", address->text, what, strerror(errno));
}

/* The address in words, with the port that was really bound. */
static void describe(struct listen_address *address)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->address;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(address->text, sizeof address->text, "[%s]:%u", host, (unsigned)ntohs(in6->sin6_port));
    } else if (address->address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->address;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(address->text, sizeof address->text, "%s:%u", host, (unsigned)ntohs(in->sin_port));
    }
}

/* A TCP socket that is bound. Without `shared` the bind fails if any other socket, of whatever process, listens there.
 */
static int bind_tcp(const struct listen_address *address, bool shared)
{
    const int on = 1;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->address;
    const int v6_only = address->address.ss_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
    int fd = socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (good && shared)
        good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    if (good && address->address.ss_family == AF_INET6)
        good = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) == 0;
    if (good)
        good = bind(fd, (const struct sockaddr *)(const void *)&address->address, address->address_bytes) == 0;
    if (good)
        return fd;
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static void close_all(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)close(fds[i]);
}

static enum sg_status open_tcp(struct listen_address *address, int *fds, unsigned count, struct sg_error *err)
{
    describe(address);
    /* SO_REUSEPORT would let a second gateway of the same user share the port unnoticed: look first. */
    int probe = bind_tcp(address, false);
    if (probe < 0)
        return fail_socket(err, address, "cannot be bound");
    (void)close(probe);
    for (unsigned i = 0; i < count; i++) {
        fds[i] = bind_tcp(address, true);
        if (fds[i] < 0 || listen(fds[i], LISTEN_BACKLOG) != 0 ||
            getsockname(fds[i], (struct sockaddr *)(void *)&address->address, &address->address_bytes) != 0) {
            enum sg_status status = fail_socket(err, address, "cannot be bound");
            close_all(fds, fds[i] < 0 ? i : i + 1);
            return status;
        }
        describe(address); /* the first of them has picked the port */
    }
    return SG_OK;
}

/* Whether somebody accepts connections on the socket file. */
static bool unix_answers(const struct listen_address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    int result = connect(fd, (const struct sockaddr *)(const void *)&address->address, address->address_bytes);
    bool answers = result == 0 || errno != ECONNREFUSED;
    (void)close(fd);
    return answers;
}

static enum sg_status open_unix(struct listen_address *address, int *fds, unsigned count, struct sg_error *err)
{
    const char *path = ((const struct sockaddr_un *)(const void *)&address->address)->sun_path;
    const struct sockaddr *name = (const struct sockaddr *)(const void *)&address->address;
    struct stat file;
    if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode) && !unix_answers(address))
        (void)unlink(path);
    fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fds[0] < 0)
        return fail_socket(err, address, "no socket");
    /* Nobody can connect between bind and chmod: the socket does not listen yet. */
    address->bound = bind(fds[0], name, address->address_bytes) == 0;
    if (!address->bound || chmod(path, UNIX_MODE) != 0 || listen(fds[0], LISTEN_BACKLOG) != 0) {
        enum sg_status status = fail_socket(err, address, "cannot be bound");
        (void)close(fds[0]);
        listen_close(address);
        return status;
    }
    for (unsigned i = 1; i < count; i++) {
        fds[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0) {
            enum sg_status status = fail_socket(err, address, "no descriptor");
            close_all(fds, i);
            listen_close(address);
            return status;
        }
    }
    return SG_OK;
}

enum sg_status listen_open(struct listen_address *address, int *fds, unsigned count, struct sg_error *err)
{
    if (address->address.ss_family == AF_UNIX)
        return open_unix(address, fds, count, err);
    return open_tcp(address, fds, count, err);
}

void listen_close(struct listen_address *address)
{
    if (address->bound)
        (void)unlink(((const struct sockaddr_un *)(const void *)&address->address)->sun_path);
    address->bound = false;
}
