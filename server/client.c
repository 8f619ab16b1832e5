/* One GET over a socket, every step bounded by one deadline. */
#include "server/client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/address.h"
#include "core/base/time.h"

#define REQUEST_BYTES 512 /* with a path of ours */

#define CLIENT_ADDRESS_BYTES (ADDRESS_HOST_BYTES_MAX + 16) /* longer than unix: and a path */

struct exchange {
    int fd; /* owned; -1 = none */
    int64_t deadline_ns;
    struct sg_error *err;
    size_t bytes;
    char answer[CLIENT_ANSWER_BYTES_MAX + 1]; /* head and body; terminated */
};

/* Wait until the socket can do `events`; false at the deadline. */
static bool wait_for(const struct exchange *x, short events)
{
    struct pollfd watched = {.fd = x->fd, .events = events};
    for (;;) {
        int64_t rest_ms = (x->deadline_ns - time_boot_ns()) / NS_PER_MS;
        if (rest_ms <= 0)
            return false;
        int ready = poll(&watched, 1, (int)rest_ms);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

/* ---- connecting ---- */

/* 0, or an errno; x->fd is open on success only. */
static int connect_to(struct exchange *x, const struct sockaddr *address, socklen_t bytes)
{
    int result = 0;
    socklen_t result_bytes = sizeof result;
    x->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->fd < 0)
        return errno;
    if (connect(x->fd, address, bytes) != 0) {
        result = errno;
        if (result == EINPROGRESS && !wait_for(x, POLLOUT))
            result = ETIMEDOUT;
        else if (result == EINPROGRESS && getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &result, &result_bytes) != 0)
            result = errno;
    }
    if (result != 0) {
        (void)close(x->fd);
        x->fd = -1;
    }
    return result;
}

static int connect_unix(struct exchange *x, const struct address *address)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    _Static_assert(sizeof name.sun_path > ADDRESS_UNIX_PATH_BYTES_MAX, "the path and its NUL fit");
    memcpy(name.sun_path, address->path, strlen(address->path) + 1);
    return connect_to(x, (const struct sockaddr *)&name, sizeof name);
}

/* A listener on all addresses is asked on loopback. */
static const char *host_to_ask(const struct address *address)
{
    if (address->is_ipv6)
        return strcmp(address->host, "::") == 0 ? "::1" : address->host;
    return strcmp(address->host, "0.0.0.0") == 0 ? "127.0.0.1" : address->host;
}

static enum sg_status connect_host(struct exchange *x, const struct address *address, const char *text)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)address->port);
    int looked_up = getaddrinfo(host_to_ask(address), port, &hints, &found);
    if (looked_up != 0)
        return sg_fail(x->err, SG_UNAVAILABLE, "%s: %s", text, gai_strerror(looked_up));
    int result = ECONNREFUSED;
    for (const struct addrinfo *at = found; at != NULL && result != 0; at = at->ai_next)
        result = connect_to(x, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
    return result == 0 ? SG_OK : sg_fail(x->err, SG_UNAVAILABLE, "%s: %s", text, strerror(result));
}

static enum sg_status connect_listener(struct exchange *x, const struct address *address, const char *text)
{
    if (!address->is_unix && address->port == 0)
        return sg_fail(x->err, SG_INVALID, "%s: port 0 is any free port, and which one it became is not known here",
                       text);
    if (!address->is_unix)
        return connect_host(x, address, text);
    int result = connect_unix(x, address);
    return result == 0 ? SG_OK : sg_fail(x->err, SG_UNAVAILABLE, "%s: %s", text, strerror(result));
}

/* ---- asking ---- */

static enum sg_status send_request(const struct exchange *x, const char *path)
{
    char request[REQUEST_BYTES];
    /* Whatever `hosts` holds, and however the address is written. */
    int bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                         path);
    if (bytes < 0 || (size_t)bytes >= sizeof request)
        return sg_fail(x->err, SG_INVALID, "%s: the request does not fit", path);
    for (size_t sent = 0; sent < (size_t)bytes;) {
        ssize_t now = send(x->fd, request + sent, (size_t)bytes - sent, MSG_NOSIGNAL);
        if (now > 0)
            sent += (size_t)now;
        else if (errno != EAGAIN && errno != EINTR)
            return sg_fail(x->err, SG_UNAVAILABLE, "the connection was lost: %s", strerror(errno));
        else if (!wait_for(x, POLLOUT))
            return sg_fail(x->err, SG_UNAVAILABLE, "no answer within %d ms", CLIENT_DEADLINE_MS);
    }
    return SG_OK;
}

/* Where the body begins; NULL while the head is not complete. */
static const char *find_body(const struct exchange *x)
{
    const char *end = strstr(x->answer, "\r\n\r\n");
    return end != NULL ? end + 4 : NULL;
}

/* The head names a length and that much is here. Without one the end of the connection ends the body. */
static bool is_complete(const struct exchange *x)
{
    const char *body = find_body(x);
    if (body == NULL)
        return false;
    const char *line = strstr(x->answer, "\r\n");
    for (; line != NULL && line + 4 < body; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) != 0)
            continue;
        unsigned long long length = strtoull(line + 17, NULL, 10);
        return (size_t)(x->answer + x->bytes - body) >= length;
    }
    return false;
}

static enum sg_status receive_answer(struct exchange *x)
{
    while (!is_complete(x)) {
        if (x->bytes == CLIENT_ANSWER_BYTES_MAX)
            return sg_fail(x->err, SG_INVALID, "the answer is longer than %u bytes", CLIENT_ANSWER_BYTES_MAX);
        ssize_t now = recv(x->fd, x->answer + x->bytes, CLIENT_ANSWER_BYTES_MAX - x->bytes, 0);
        if (now == 0)
            return SG_OK;
        if (now > 0) {
            x->bytes += (size_t)now;
            x->answer[x->bytes] = '\0';
        } else if (errno != EAGAIN && errno != EINTR) {
            return sg_fail(x->err, SG_UNAVAILABLE, "the connection was lost: %s", strerror(errno));
        } else if (!wait_for(x, POLLIN)) {
            return sg_fail(x->err, SG_UNAVAILABLE, "no answer within %d ms", CLIENT_DEADLINE_MS);
        }
    }
    return SG_OK;
}

/* `HTTP/1.1 200 OK`, and what follows the head. */
static enum sg_status parse_answer(const struct exchange *x, struct client_answer *out)
{
    const char *body = find_body(x);
    const char *code = x->answer + 9;
    if (body == NULL || strncmp(x->answer, "HTTP/1.", 7) != 0 || x->answer[8] != ' ' ||
        !isdigit((unsigned char)code[0]) || !isdigit((unsigned char)code[1]) || !isdigit((unsigned char)code[2]))
        return sg_fail(x->err, SG_INVALID, "the answer is not HTTP");
    out->code = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    out->body_bytes = (size_t)(x->answer + x->bytes - body);
    memcpy(out->body, body, out->body_bytes + 1);
    return SG_OK;
}

static enum sg_status run_exchange(struct exchange *x, const struct address *address, const char *listen,
                                   const char *path, struct client_answer *out)
{
    enum sg_status status = connect_listener(x, address, listen);
    if (status == SG_OK)
        status = send_request(x, path);
    if (status == SG_OK)
        status = receive_answer(x);
    if (status == SG_OK)
        status = parse_answer(x, out);
    return status;
}

enum sg_status client_get(const struct settings *settings, const char *path, struct client_answer *out,
                          struct sg_error *err)
{
    const char *rest = settings->listen_ops[0] != '\0' ? settings->listen_ops : settings->listen;
    struct slice first = address_next(&rest);
    struct address address;
    char listen[CLIENT_ADDRESS_BYTES];
    if (!address_parse_slice(first, &address))
        return sg_fail(err, SG_INVALID, "%.*s: no address", SLICE_ARGS(first));
    (void)snprintf(listen, sizeof listen, "%.*s", SLICE_ARGS(first));
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    x->fd = -1;
    x->err = err;
    x->deadline_ns = time_boot_ns() + CLIENT_DEADLINE_MS * NS_PER_MS;
    enum sg_status status = run_exchange(x, &address, listen, path, out);
    if (x->fd >= 0)
        (void)close(x->fd);
    free(x);
    return status;
}
