/* Connections: their states, and where the HTTP library calls us. Everything runs on the loop's own thread. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http/http_internal.h"

/* ---- hang-ups ---- */

bool http_connection_idle(const struct http_connection *connection)
{
    char byte;
    if (connection->exchange != NULL)
        return false;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* The library itself cannot be relied on to notice a hang-up: its edge-triggered set reports bytes and the end after
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

/* Our set reports it again and again. An answer that is under way is finished first: its end watches again. */
void http_connection_hangup(struct http_connection *connection)
{
    char byte;
    if (connection->state == CONNECTION_LINGERING)
        http_linger_read(connection);
    else if (connection->suspended && connection->state != CONNECTION_CLOSING)
        http_connection_close(connection);
    else if (connection->state != CONNECTION_READING)
        unwatch(connection);
    else if (recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        http_connection_close(connection); /* the library has had all that came, and it is no request */
}

/* ---- states ---- */

void http_connection_enter(struct http_connection *connection, enum connection_state state)
{
    struct http_loop *loop = connection->port->loop;
    connection_move(&connection->state, state);
    deadline_begin(&loop->lists[state], &connection->deadline, loop->now_ns);
}

static void suspend(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    MHD_suspend_connection(connection->mhd);
    connection->suspended = true;
    deadline_begin(&loop->held, &connection->deadline, loop->now_ns);
}

bool http_connection_hold(struct http_connection *connection)
{
    if (!watch(connection))
        return false;
    suspend(connection);
    return true;
}

void http_connection_resume(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    if (!connection->suspended)
        return; /* the library would skip its next suspension */
    if (connection->state == CONNECTION_PARKED || connection->state == CONNECTION_WORKING)
        http_connection_enter(connection, CONNECTION_ANSWERING);
    else
        deadline_begin(&loop->lists[connection->state], &connection->deadline, loop->now_ns);
    connection->suspended = false;
    connection->port->resumed = true;
    MHD_resume_connection(connection->mhd);
}

static void shut(struct http_connection *connection)
{
    connection->shut = true;
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* The library sees the end of the connection, or learns it when it asks what to answer, and closes it, which frees
 * `connection`. */
void http_connection_close(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    enum connection_state before = connection->state;
    bool at_work = false;
    if (before == CONNECTION_PARKED)
        http_handler_of(loop)->forget(loop->worker, connection->exchange->call);
    else if (before == CONNECTION_WORKING)
        at_work = !http_handler_of(loop)->withdraw(loop->worker, connection->exchange->call, true);
    http_connection_enter(connection, CONNECTION_CLOSING);
    if (at_work) {
        deadline_begin(&loop->held, &connection->deadline, loop->now_ns);
        unwatch(connection);
        return;
    }
    http_connection_resume(connection);
    shut(connection);
}

void http_connection_overdue(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    if (connection->state == CONNECTION_LINGERING) {
        http_linger_end(connection);
    } else if (connection->state == CONNECTION_CLOSING) {
        deadline_begin(&loop->lists[CONNECTION_CLOSING], &connection->deadline, loop->now_ns);
        shut(connection);
    } else if (connection->state != CONNECTION_WORKING) {
        http_connection_close(connection);
    } else {
        deadline_begin(&loop->held, &connection->deadline, loop->now_ns);
        if (http_handler_of(loop)->withdraw(loop->worker, connection->exchange->call, false))
            http_connection_resume(connection);
    }
}

/* ---- connections ---- */

static void client_of(struct MHD_Connection *mhd, struct client_address *out)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    client_address_set(info != NULL ? info->client_addr : NULL, out);
}

/* Is there room for one more of its client? The second address is for probes. */
static bool client_take(struct http_connection *connection)
{
    struct http_port *port = connection->port;
    size_t max = (size_t)tunables_take(port->loop->http->options.tunables)->http_connections_max_per_client;
    if (max == 0 || port->ops_only)
        return true;
    connection->counted = clients_take(port->loop->http->clients, &connection->client, max);
    return connection->counted;
}

static void connection_opened(struct http_port *port, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *connection = info != NULL ? calloc(1, sizeof *connection) : NULL;
    *context = connection;
    if (connection == NULL) {
        /* Nobody would watch it, nor end it: the library sees its end at once, and closes it. */
        if (info != NULL)
            (void)shutdown(info->connect_fd, SHUT_RDWR);
        return;
    }
    connection->port = port;
    connection->fd = info->connect_fd;
    connection->mhd = mhd;
    client_of(mhd, &connection->client);
    if (!client_take(connection)) {
        (void)shutdown(connection->fd, SHUT_RDWR);
        free(connection);
        *context = NULL;
        return;
    }
    (void)watch(connection); /* without it a hang-up is noticed at the deadline */
    atomic_fetch_add_explicit(&port->connections, 1, memory_order_relaxed);
    http_linger_make_room(port->loop);
    connection->state = CONNECTION_READING;
    deadline_begin(&port->loop->lists[CONNECTION_READING], &connection->deadline, port->loop->now_ns);
}

void http_connection_uncount(struct http_connection *connection)
{
    if (connection->counted)
        clients_give(connection->port->loop->http->clients, &connection->client);
    connection->counted = false;
}

void http_connection_free(struct http_connection *connection)
{
    deadline_end(&connection->deadline);
    http_connection_uncount(connection);
    free(connection);
}

static void connection_closed(struct http_port *port, struct http_connection *connection)
{
    port->freed = true;
    if (connection == NULL)
        return;
    atomic_fetch_sub_explicit(&port->connections, 1, memory_order_relaxed);
    http_exchange_end(connection);
    if (!http_linger(connection))
        http_connection_free(connection);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_opened(cls, mhd, context);
    else
        connection_closed(cls, *context);
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* ---- requests ---- */

/* The request line is there, and the library has not taken the target apart yet. NULL = out of memory. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_connection *connection = connection_of(mhd);
    (void)cls;
    return connection != NULL && http_exchange_begin(connection, target) ? connection : NULL;
}

/* MHD_NO has the library close the connection. */
static enum MHD_Result refuse(struct http_connection *connection)
{
    http_connection_enter(connection, CONNECTION_CLOSING);
    return MHD_NO;
}

/* The head is complete: go on, or refuse. An answer that is queued now, before the library has asked for a body, makes
 * it close the connection, which is what a request with a doubtful frame needs. A body has as long to come as a
 * head. */
static enum MHD_Result begin(struct http_connection *connection, const char *method, const char *version)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    struct response refusal;
    http_connection_enter(connection, CONNECTION_ANSWERING);
    http_exchange_collect(connection, method, version);
    response_init(&refusal);
    e->admitted = http_handler_of(loop)->admit(loop->worker, &e->head, &refusal);
    if (e->admitted && e->head.has_body)
        http_connection_enter(connection, CONNECTION_READING);
    if (e->admitted)
        return MHD_YES;
    if (!e->head.too_large)
        return http_send(connection, &refusal);
    http_send_raw(connection, &refusal);
    return refuse(connection);
}

/* The library takes no answer while a body comes in. */
static enum MHD_Result refuse_body(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    struct response refusal;
    response_init(&refusal);
    e->admitted = http_handler_of(loop)->admit(loop->worker, &e->head, &refusal);
    assert(!e->admitted);
    http_send_raw(connection, &refusal);
    return refuse(connection);
}

static enum MHD_Result take_body(struct http_connection *connection, const char *data, size_t *bytes)
{
    if (!http_body_add(connection, data, *bytes))
        return refuse(connection);
    *bytes = 0;
    return connection->exchange->head.body_fault == BODY_FINE ? MHD_YES : refuse_body(connection);
}

/* Suspend first, so that whoever wakes it finds it suspended; then make it visible. The second check follows after the
 * iteration. While it is suspended the library notices neither hang-up nor deadline: our epoll set (of a client that
 * has hung up already, too) and the handler do. */
static enum MHD_Result park(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    if (!watch(connection))
        return refuse(connection);
    http_connection_enter(connection, CONNECTION_PARKED);
    suspend(connection);
    if (!http_handler_of(loop)->park(loop->worker, connection->exchange->call))
        http_connection_close(connection);
    return MHD_YES;
}

/* Another thread has the request in hand, so it is suspended in any case; unwatched, a hang-up shows at the end. */
static enum MHD_Result work(struct http_connection *connection)
{
    (void)watch(connection);
    suspend(connection);
    http_connection_enter(connection, CONNECTION_WORKING);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_bytes, void **context)
{
    struct http_connection *connection = *context;
    struct http_port *port = cls;
    struct response response;
    (void)mhd;
    (void)url;
    if (connection == NULL || connection->exchange == NULL || connection->state == CONNECTION_CLOSING)
        return MHD_NO;
    struct exchange *e = connection->exchange;
    if (!e->admitted)
        return begin(connection, method, version);
    if (*upload_bytes > 0)
        return take_body(connection, upload, upload_bytes);
    if (connection->state == CONNECTION_READING) {
        http_body_complete(connection);
        if (e->head.body_fault != BODY_FINE)
            return refuse_body(connection);
        http_connection_enter(connection, CONNECTION_ANSWERING);
    }
    response_init(&response);
    enum http_outcome outcome = http_handler_of(port->loop)->handle(port->loop->worker, &e->head, e->call, &response);
    if (outcome == HTTP_ANSWER) {
        http_answer_take(connection, &response);
        http_handler_of(port->loop)->answered(port->loop->worker, e->call, &response);
        return http_send(connection, &response);
    }
    response_free(&response);
    return outcome == HTTP_PARK ? park(connection) : work(connection);
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
    http_exchange_end(connection);
    if (connection->state == CONNECTION_CLOSING)
        return;
    (void)watch(connection);
    if (connection->state == CONNECTION_READING) /* the library refused the request itself */
        deadline_begin(&connection->port->loop->lists[CONNECTION_READING], &connection->deadline,
                       connection->port->loop->now_ns);
    else
        http_connection_enter(connection, CONNECTION_READING);
}

/* The library must not decode: `%2F` would then split ids. */
static size_t no_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* ---- ports ---- */

/* What a connection's memory has to hold: the longest head, whose entries are a little larger than HTTP_HEAD_COST_MAX
 * counts them, and the head of the answer, whose State-Position comes on top. Without that room the library closes the
 * connection without an answer (build_header_response in its connection.c). It reads into the first half, and pipelined
 * requests can fill that half after a head that is short in bytes but has many fields: then the other half must hold an
 * entry for each field, and the head of the answer. A head longer than half makes the first part grow, and leaves less
 * for entries. Only what it cannot read into this at all does it refuse itself. */
#define FIELD_ENTRY_BYTES 64 /* EXCHANGE_FIELD_BYTES, in the library's steps of 16 */
/* Of any answer but a page's whose cursor and gaps are near their limits both, which finds room unless a client sends
 * the most fields and pipelines more than fits at once. */
#define HEAD_ANSWER_BYTES 1856

size_t http_connection_bytes(size_t position_bytes_max)
{
    size_t answer = HEAD_ANSWER_BYTES + position_bytes_max;
    size_t halves = 2 * (HTTP_FIELDS_MAX * FIELD_ENTRY_BYTES + answer);
    size_t longest = HTTP_HEAD_COST_MAX + HTTP_FIELDS_MAX * (FIELD_ENTRY_BYTES - EXCHANGE_FIELD_BYTES) + answer;
    return halves > longest ? halves : longest;
}

enum sg_status http_port_open(struct http_port *port, int listen_fd, unsigned connections_max, struct sg_error *err)
{
    size_t memory = http_connection_bytes(port->loop->http->options.position_bytes_max);
    port->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_THREAD_SAFETY | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, port, MHD_OPTION_EXTERNAL_LOGGER, http_refusal_log, NULL, MHD_OPTION_LISTEN_SOCKET,
        listen_fd, MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL,
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
