/* Connections: where the HTTP library calls us. It parses; here its facts become a struct http_head, and a struct
 * response becomes its answer. Everything runs on the loop's own thread. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http/http_internal.h"

/* What one connection's memory must hold: the head of a request as large as is admitted, what of the next pipelined
 * request was read with it, and the head of the answer, whose State-Position comes on top. Only what the library cannot
 * read into this at all does it refuse itself. */
#define HEAD_READ_AHEAD_BYTES 512
#define HEAD_ANSWER_BYTES 2304
/* What the library keeps for each header field and each parameter besides its text. */
#define HEAD_FIELD_BYTES 56
#define EXCHANGES_KEPT_MAX 1024 /* on the free list of a loop */
#define RAW_ANSWER_BYTES 2048

/* ---- exchanges ---- */

static struct exchange *exchange_begin(struct http_loop *loop)
{
    struct exchange *e = loop->free_exchanges;
    if (e == NULL)
        return calloc(1, sizeof *e + loop->http->options.handler.call_bytes);
    loop->free_exchanges = e->next_free;
    loop->free_exchanges_count--;
    return e;
}

static void exchange_end(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    connection->exchange = NULL;
    if (e == NULL)
        return;
    loop->http->options.handler.forget(loop->worker, e->call);
    free(e->long_target);
    e->long_target = NULL;
    if (loop->free_exchanges_count >= EXCHANGES_KEPT_MAX) {
        free(e);
        return;
    }
    e->next_free = loop->free_exchanges;
    loop->free_exchanges = e;
    loop->free_exchanges_count++;
}

void http_exchanges_free(struct http_loop *loop)
{
    while (loop->free_exchanges != NULL) {
        struct exchange *e = loop->free_exchanges;
        loop->free_exchanges = e->next_free;
        free(e);
    }
    loop->free_exchanges_count = 0;
}

/* ---- connections ---- */

void http_connection_shutdown(struct http_connection *connection)
{
    /* The library sees the end of the connection and closes it, which frees `connection`. */
    (void)shutdown(connection->fd, SHUT_RDWR);
}

bool http_connection_idle(const struct http_connection *connection)
{
    char byte;
    if (connection->exchange != NULL)
        return false;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* The library itself cannot be relied on to notice a hang-up: its edge-triggered set tells of bytes and the end behind
 * them once, and it does not look again after a read that took less than it had room for; and not at all while the
 * connection is suspended. */
static bool watch(struct http_connection *connection)
{
    struct epoll_event event = {.events = EPOLLRDHUP, .data = {.ptr = connection}};
    if (!connection->watched)
        connection->watched =
            epoll_ctl(connection->port->loop->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) == 0;
    return connection->watched;
}

static void unwatch(struct http_connection *connection)
{
    (void)epoll_ctl(connection->port->loop->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->watched = false;
}

/* The client's address without its port, so that all its connections count as one client. */
static void client_of(struct MHD_Connection *mhd, struct client_address *out)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    *out = (struct client_address){{0}};
    if (address == NULL)
        return;
    out->bytes[0] = (unsigned char)address->sa_family;
    if (address->sa_family == AF_INET)
        memcpy(out->bytes + 1, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(out->bytes + 1, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
}

static void connection_opened(struct http_port *port, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = info != NULL ? calloc(1, sizeof *connection) : NULL;
    *context = connection;
    if (connection == NULL)
        return; /* its requests will be closed without an answer */
    connection->port = port;
    connection->fd = info->connect_fd;
    connection->mhd = mhd;
    client_of(mhd, &connection->client);
    (void)watch(connection); /* without it a hang-up is noticed at the deadline */
    atomic_fetch_add_explicit(&port->loop->connections, 1, memory_order_relaxed);
    deadline_begin(&port->loop->heads, &connection->deadline, port->loop->now_ns);
}

static void connection_closed(struct http_connection *connection)
{
    if (connection == NULL)
        return;
    atomic_fetch_sub_explicit(&connection->port->loop->connections, 1, memory_order_relaxed);
    connection->port->freed = true;
    deadline_end(&connection->deadline);
    exchange_end(connection);
    free(connection);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_opened(cls, mhd, context);
    else
        connection_closed(*context);
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* ---- requests ---- */

/* The request line is there: keep the target as it came, before the library takes it apart. NULL = out of memory. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_connection *connection = connection_of(mhd);
    (void)cls;
    if (connection == NULL)
        return NULL;
    struct http_loop *loop = connection->port->loop;
    if (connection->exchange == NULL)
        connection->exchange = exchange_begin(loop);
    struct exchange *e = connection->exchange;
    if (e == NULL)
        return NULL;
    size_t bytes = strlen(target);
    const struct http_handler *handler = &loop->http->options.handler;
    memset(e->call, 0, handler->call_zeroed_bytes);
    e->head = (struct http_head){.ops_only = connection->port->ops_only,
                                 .target_text = e->target,
                                 .client = &connection->client,
                                 .connection = connection};
    e->admitted = false;
    if (bytes >= sizeof e->target) {
        free(e->long_target);
        e->long_target = malloc(bytes + 1);
        e->head.target_text = e->long_target;
    }
    if (e->head.target_text == NULL)
        return NULL;
    memcpy(e->head.target_text, target, bytes + 1);
    e->head.target_bytes = bytes;
    handler->expect(loop->worker, &e->head);
    return connection;
}

static bool name_is(struct slice name, const char *wanted, size_t wanted_bytes)
{
    return name.bytes == wanted_bytes && strncasecmp(name.data, wanted, wanted_bytes) == 0;
}
#define NAME_IS(name, literal) name_is((name), (literal), sizeof(literal) - 1)

static void add_line(struct http_lines *lines, struct slice value)
{
    if (lines->count < HTTP_LINES_MAX)
        lines->values[lines->count] = value;
    lines->count++;
}

/* One header field. Most are told apart by their length alone. */
static void take_field(struct http_head *head, struct slice name, struct slice value)
{
    switch (name.bytes) {
    case 4:
        if (NAME_IS(name, "Host")) {
            head->hosts_count++;
            head->host = value;
        }
        break;
    case 6:
        if (NAME_IS(name, "Expect") && !NAME_IS(value, "100-continue"))
            head->expect_unknown = true;
        else if (NAME_IS(name, "Prefer"))
            add_line(&head->fields.prefer, value);
        break;
    case 11:
        if (NAME_IS(name, "Min-Version"))
            add_line(&head->fields.min_version, value);
        break;
    case 12:
        if (NAME_IS(name, "Min-Position"))
            add_line(&head->fields.min_position, value);
        break;
    case 13:
        if (NAME_IS(name, "If-None-Match"))
            add_line(&head->fields.if_none_match, value);
        else if (NAME_IS(name, "Max-Staleness"))
            add_line(&head->fields.max_staleness, value);
        break;
    case 14:
        if (NAME_IS(name, "Content-Length") && strspn(value.data, "0") != value.bytes)
            head->has_body = true;
        break;
    case 17:
        if (NAME_IS(name, "Transfer-Encoding"))
            head->has_body = true;
        break;
    default:
        break;
    }
}

struct fields {
    struct http_head *head;
    size_t count;
};

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_bytes,
                                const char *value, size_t value_bytes)
{
    struct fields *fields = cls;
    fields->count++;
    if (kind == MHD_HEADER_KIND)
        take_field(fields->head, (struct slice){name, name_bytes},
                   (struct slice){value != NULL ? value : "", value_bytes});
    return MHD_YES;
}

static enum http_method method_of(const char *method)
{
    if (strcmp(method, "GET") == 0)
        return METHOD_GET;
    if (strcmp(method, "HEAD") == 0)
        return METHOD_HEAD;
    if (strcmp(method, "OPTIONS") == 0)
        return METHOD_OPTIONS;
    return METHOD_OTHER;
}

/* The head is complete. */
static void collect(struct http_head *head, struct MHD_Connection *mhd, const char *method, const char *version)
{
    struct fields fields = {.head = head};
    head->method = method_of(method);
    head->version_1_1 = strcmp(version, "HTTP/1.1") == 0;
    head->version_known = head->version_1_1 || strcmp(version, "HTTP/1.0") == 0;
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, on_field, &fields);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t head_bytes = info != NULL ? info->header_size : 0;
    head->too_large = head_bytes + fields.count * HEAD_FIELD_BYTES > HTTP_HEAD_COST_MAX;
}

/* ---- answers ---- */

static struct MHD_Response *response_convert(struct response *r, bool close_after)
{
    struct MHD_Response *converted =
        MHD_create_response_from_buffer_with_free_callback_cls(r->body_bytes, r->body, r->body_end, r->body_owner);
    if (converted == NULL)
        return NULL;
    r->body_end = NULL; /* the library calls it */
    /* Without this a 304 would claim that the entity has no bytes. */
    if (r->status == 304)
        (void)MHD_set_response_options(converted, MHD_RF_HEAD_ONLY_RESPONSE, MHD_RO_END);
    enum MHD_Result result = MHD_YES;
    for (size_t i = 0; result == MHD_YES && i < r->headers_count; i++)
        result = MHD_add_response_header(converted, r->headers[i].name, r->headers[i].value);
    if (result == MHD_YES && close_after)
        result = MHD_add_response_header(converted, "Connection", "close");
    if (result == MHD_YES)
        return converted;
    MHD_destroy_response(converted);
    return NULL;
}

/* Hand the answer to the library. MHD_NO closes the connection. */
static enum MHD_Result queue(struct http_connection *connection, struct MHD_Connection *mhd, struct response *r)
{
    struct MHD_Response *converted =
        r->failed ? NULL : response_convert(r, r->close || connection->port->loop->draining);
    enum MHD_Result result = converted != NULL ? MHD_queue_response(mhd, r->status, converted) : MHD_NO;
    if (converted != NULL)
        MHD_destroy_response(converted); /* drops our reference; the library has its own */
    response_free(r);
    return result;
}

/* A head so large that the library has no room left for the head of an answer: write the refusal to the socket, where
 * nothing else is under way, as this connection's answers before it have been sent. */
static void send_raw(struct http_connection *connection, struct response *r)
{
    char text[RAW_ANSWER_BYTES];
    size_t body_bytes = connection->exchange->head.method == METHOD_HEAD ? 0 : r->body_bytes;
    size_t used = (size_t)snprintf(text, sizeof text, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
                                   r->status, MHD_get_reason_phrase_for(r->status), r->body_bytes);
    for (size_t i = 0; i < r->headers_count && used < sizeof text; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
    if (used + body_bytes + 2 <= sizeof text && !r->failed) {
        memcpy(text + used, "\r\n", 2);
        memcpy(text + used + 2, r->body, body_bytes);
        (void)send(connection->fd, text, used + 2 + body_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(connection->fd, SHUT_WR);
    }
    response_free(r);
}

/* The head is complete: go on, or refuse. An answer that is queued now, before the library has asked for a body, makes
 * it close the connection, which is what a request with a doubtful frame needs. */
static enum MHD_Result begin(struct http_connection *connection, struct MHD_Connection *mhd, const char *method,
                             const char *version)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    struct response refusal;
    deadline_begin(&loop->answers, &connection->deadline, loop->now_ns);
    connection->answering = true;
    collect(&e->head, mhd, method, version);
    response_init(&refusal);
    e->admitted = loop->http->options.handler.admit(loop->worker, &e->head, &refusal);
    if (e->admitted)
        return MHD_YES;
    if (!e->head.too_large)
        return queue(connection, mhd, &refusal);
    send_raw(connection, &refusal);
    return MHD_NO;
}

/* ---- parking ---- */

void http_connection_resume(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    if (!connection->parked)
        return;
    connection->parked = false;
    deadline_begin(&loop->answers, &connection->deadline, loop->now_ns);
    connection->port->resumed = true;
    MHD_resume_connection(connection->mhd);
}

static void end_parked(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    connection->gone = true;
    loop->http->options.handler.forget(loop->worker, connection->exchange->call);
    http_connection_resume(connection);
}

/* Our set tells of it again and again. An answer that is under way is finished first: its end watches again. */
void http_connection_hangup(struct http_connection *connection)
{
    char byte;
    if (connection->parked)
        end_parked(connection);
    else if (connection->answering)
        unwatch(connection);
    else if (recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        http_connection_shutdown(connection); /* the library has had all that came, and it is no request */
}

/* Suspend first, so that whoever wakes it finds it suspended; then make it visible. The second check follows behind the
 * turn. While it is suspended the library notices neither hang-up nor deadline: our epoll set (of a client that has
 * hung up already, too) and the handler do. */
static enum MHD_Result park(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    if (!watch(connection))
        return MHD_NO;
    MHD_suspend_connection(connection->mhd);
    connection->parked = true;
    deadline_end(&connection->deadline);
    if (!loop->http->options.handler.park(loop->worker, connection->exchange->call))
        end_parked(connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **context)
{
    struct http_connection *connection = *context;
    struct http_port *port = cls;
    struct response response;
    (void)url;
    (void)upload;
    if (connection == NULL || connection->exchange == NULL)
        return MHD_NO;
    if (!connection->exchange->admitted)
        return begin(connection, mhd, method, version);
    if (*upload_bytes > 0)
        return MHD_NO; /* cannot be: requests with a body were refused */
    if (connection->gone)
        return MHD_NO; /* its client hung up while it was parked */
    response_init(&response);
    struct exchange *e = connection->exchange;
    enum http_outcome outcome =
        port->loop->http->options.handler.handle(port->loop->worker, &e->head, e->call, &response);
    if (outcome == HTTP_ANSWER)
        return queue(connection, mhd, &response);
    response_free(&response);
    return park(connection);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct http_connection *connection = connection_of(mhd);
    (void)cls;
    (void)code;
    *context = NULL;
    if (connection == NULL)
        return;
    exchange_end(connection);
    connection->answering = false;
    (void)watch(connection);
    deadline_begin(&connection->port->loop->heads, &connection->deadline, connection->port->loop->now_ns);
}

/* The library must not decode: `%2F` would then split ids. */
static size_t no_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* ---- ports ---- */

enum sg_status http_port_open(struct http_port *port, int listen_fd, unsigned connections_max, struct sg_error *err)
{
    size_t memory = HTTP_HEAD_COST_MAX + HEAD_READ_AHEAD_BYTES + HEAD_ANSWER_BYTES +
                    port->loop->http->options.position_bytes_max;
    port->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_THREAD_SAFETY | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, port,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, port, MHD_OPTION_CONNECTION_LIMIT, connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_END);
    if (port->daemon == NULL) {
        (void)close(listen_fd);
        return sg_fail(err, SG_UNAVAILABLE, "the HTTP library cannot be started");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(port->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    port->epoll_fd = info != NULL ? info->epoll_fd : -1;
    return SG_OK;
}

void http_port_close(struct http_port *port)
{
    if (port->daemon != NULL)
        MHD_stop_daemon(port->daemon);
    port->daemon = NULL;
}
