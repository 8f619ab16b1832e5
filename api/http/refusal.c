/* Refusals: those that the HTTP library makes itself, and connections that a refusal ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http/http_internal.h"
#include "api/http/problem.h"

/* ---- the library's own ----
 *
 * What it refuses before anything of a request reaches us: what is not HTTP, and a head beyond its memory. It answers
 * with a static HTML page, and has no option for another. So the linker has it make these answers here (--wrap in
 * api/CMakeLists.txt): a problem, whose detail is the page's sentence. Its status stands in the line that the library
 * logs before, in the same thread. Where it only closes the connection, as nothing of a request line can be made out,
 * there is no answer to make. */

#define SENTENCE_BYTES 512 /* the longest of the library's pages, without its tags */

struct MHD_Response *__real_MHD_create_response_from_buffer_static(size_t bytes, const void *page);
struct MHD_Response *__wrap_MHD_create_response_from_buffer_static(size_t bytes, const void *page);

/* Of the request that the library refuses now; 0 = none. */
static _Thread_local unsigned refused_status;

void http_refusal_log(void *cls, const char *format, va_list args)
{
    (void)cls;
    if (strstr(format, "(HTTP response code is %u (") != NULL)
        refused_status = va_arg(args, unsigned);
}

/* What the page says: without its head, its tags, and its way of writing a quotation mark. */
static void take_sentence(const char *page, size_t bytes, char out[SENTENCE_BYTES])
{
    static const char body[] = "<body>";
    static const char quote[] = "&quot;";
    const char *text = memmem(page, bytes, body, sizeof body - 1);
    const char *end = page + bytes;
    size_t used = 0;
    bool in_tag = false;
    for (const char *p = text != NULL ? text : page; p < end && used + 2 < SENTENCE_BYTES; p++) {
        bool quoted = (size_t)(end - p) >= sizeof quote - 1 && memcmp(p, quote, sizeof quote - 1) == 0;
        if (*p == '<' && used > 0 && out[used - 1] == '.')
            out[used++] = ' '; /* between two paragraphs */
        if (*p == '<' || *p == '>')
            in_tag = *p == '<';
        else if (!in_tag)
            out[used++] = quoted ? '\'' : *p;
        if (quoted)
            p += sizeof quote - 2;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

static struct MHD_Response *problem_make(enum problem problem, const char *sentence)
{
    struct response r;
    struct MHD_Response *made = NULL;
    response_init(&r);
    problem_answer(&r, problem, "%s", sentence);
    if (!r.failed)
        made = MHD_create_response_from_buffer_with_free_callback_cls(r.body_bytes, r.body, r.body_end, r.body_owner);
    if (made != NULL) {
        r.body_end = NULL; /* the library calls it */
        if (!http_add_fields(made, &r)) {
            MHD_destroy_response(made);
            made = NULL;
        }
    }
    response_free(&r);
    return made;
}

/* Called by the library alone. */
struct MHD_Response *__wrap_MHD_create_response_from_buffer_static(size_t bytes, const void *page)
{
    char sentence[SENTENCE_BYTES];
    enum problem problem;
    unsigned status = refused_status;
    struct MHD_Response *made = NULL;
    refused_status = 0;
    if (problem_of_status(status, &problem)) {
        take_sentence(page, bytes, sentence);
        made = problem_make(problem, sentence);
    }
    return made != NULL ? made : __real_MHD_create_response_from_buffer_static(bytes, page);
}

/* ---- connections that linger ----
 *
 * A refusal, most of all, ends the connection and leaves the rest of what came unread, while the client may still be
 * sending. Closed at once, such a connection is reset, and what the client has not taken of its answers is lost
 * (RFC 9112, section 9.6). The library has closed its sending side, and closes the descriptor. A copy keeps the
 * connection, whose input is thrown away until the client has closed it too, or a second is over. */

#define READ_BYTES 16384

static bool may_send_more(const struct http_connection *connection)
{
    char byte;
    ssize_t bytes = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return bytes > 0 || (bytes < 0 && errno == EAGAIN && !connection->last);
}

static bool has_room(const struct http_loop *loop)
{
    return http_loop_connections(loop) + loop->lingering + 1 < loop->connections_max;
}

bool http_linger(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = connection}};
    if (loop->ended || connection->shut || !has_room(loop) || !may_send_more(connection))
        return false;
    int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd);
        return false;
    }
    if (connection->watched)
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    http_connection_enter(connection, CONNECTION_LINGERING);
    http_connection_uncount(connection);
    connection->mhd = NULL;
    connection->fd = fd;
    loop->lingering++;
    return true;
}

void http_linger_read(struct http_connection *connection)
{
    static _Thread_local char nowhere[READ_BYTES];
    ssize_t bytes = recv(connection->fd, nowhere, sizeof nowhere, MSG_DONTWAIT);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    connection->discarded_bytes += bytes > 0 ? (size_t)bytes : 0;
    if (bytes <= 0 || connection->discarded_bytes >= HTTP_LINGER_BYTES_MAX)
        http_linger_end(connection);
}

void http_linger_end(struct http_connection *connection)
{
    connection->port->loop->lingering--;
    (void)close(connection->fd);
    http_connection_free(connection);
}

void http_linger_make_room(struct http_loop *loop)
{
    while (loop->lingering > 0 && http_loop_connections(loop) + loop->lingering >= loop->connections_max)
        http_linger_end(http_connection_of(loop->lists[CONNECTION_LINGERING].first));
}
