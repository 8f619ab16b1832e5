/* Answers on their way: a struct response becomes the HTTP library's. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http/http_internal.h"
#include "api/http/problem.h"
#include "core/base/buffer.h"
#include "core/base/decimal.h"

#define RAW_ANSWER_BYTES 2048
/* Of a chunk to an HTTP/1.0 client, which knows no chunks. To any other the library has the producer write into what
 * is free of the connection's memory, and this many bytes would be kept for nothing. */
#define BLOCK_BYTES 4096
#define BLOCK_BYTES_NONE 1
#define FIELDS_BYTES_USUAL 512          /* of a read by id */
#define FIELDS_BYTES_MAX (1024u * 1024) /* three texts of a snapshot, and all that is made for an answer */

/* ---- bodies that are produced ---- */

/* The connection ends without its last chunk. An HTTP/1.0 client has no chunks to miss one of: it sees a reset. */
static ssize_t cut_off(struct http_connection *connection)
{
    const struct sockaddr reset = {.sa_family = AF_UNSPEC};
    if (!connection->exchange->head.version_1_1)
        (void)connect(connection->fd, &reset, sizeof reset);
    if (connection->state != CONNECTION_CLOSING)
        http_connection_enter(connection, CONNECTION_CLOSING);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The library asks for more when all before it was sent, so nobody holds more than one chunk. */
static ssize_t next_chunk(void *cls, uint64_t position, char *data, size_t room)
{
    struct http_connection *connection = cls;
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    struct chunk chunk = {.data = data, .room = room};
    (void)position;
    if (connection->state == CONNECTION_CLOSING)
        return cut_off(connection);
    switch (e->producer->next(e->producer_self, &chunk)) {
    case PRODUCED_CHUNK:
        assert(chunk.bytes > 0 && chunk.bytes <= room);
        deadline_begin(&loop->lists[CONNECTION_STREAMING], &connection->deadline, loop->now_ns);
        return (ssize_t)chunk.bytes;
    case PRODUCED_LATER:
        return http_connection_hold(connection) ? 0 : cut_off(connection);
    case PRODUCED_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case PRODUCED_FAILED:
        break;
    }
    return cut_off(connection);
}

static struct MHD_Response *produced(struct http_connection *connection, struct response *r)
{
    struct exchange *e = connection->exchange;
    size_t block_bytes = e->head.version_1_1 ? BLOCK_BYTES_NONE : BLOCK_BYTES;
    struct MHD_Response *converted =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block_bytes, next_chunk, connection, NULL);
    if (converted == NULL)
        return NULL;
    e->producer = r->producer; /* the exchange's end stops it */
    e->producer_self = r->producer_self;
    r->producer = NULL;
    return converted;
}

/* ---- bytes on their way ---- */

/* What is static is there anyhow; what is produced is not there yet, but for a chunk. */
static size_t held_bytes(const struct response *r)
{
    return r->body_end != NULL ? r->body_bytes : 0;
}

/* The loop's thread alone writes its count, so a load and a store do. */
static void count(struct http_loop *loop, struct exchange *e, size_t bytes)
{
    size_t before = atomic_load_explicit(&loop->answer_bytes, memory_order_relaxed);
    atomic_store_explicit(&loop->answer_bytes, before - e->answer_bytes + bytes, memory_order_relaxed);
    e->answer_bytes = bytes;
}

/* Counted first, which the addition makes visible, and looked at afterwards: of loops that come to the limit together
 * one at least sees the others. */
static bool has_room(struct http_loop *loop)
{
    (void)atomic_fetch_add(&loop->answer_bytes, 0);
    return http_answer_bytes(loop->http) <= (size_t)loop->tunables->http_answers_bytes_max;
}

void http_answer_take(struct http_connection *connection, struct response *r)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    size_t bytes = held_bytes(r);
    if (bytes == 0)
        return;
    count(loop, e, bytes);
    if (bytes <= HTTP_SMALL_ANSWER_BYTES || has_room(loop))
        return;
    r->headers_count = 0;
    problem_answer(r, PROBLEM_TOO_MANY_ANSWERS,
                   "Answers that their clients have not taken yet fill http.answers_bytes_max.");
    count(loop, e, held_bytes(r));
}

void http_answer_give(struct http_loop *loop, struct exchange *e)
{
    if (e->answer_bytes > 0)
        count(loop, e, 0);
}

/* ---- header fields ---- */

/* Of the library, but not in its header. If it returns true it has taken over both strings, which are terminated.
 * scripts/setup makes sure that the library declares it like this. */
bool MHD_add_response_entry_no_alloc_(struct MHD_Response *response, enum MHD_ValueKind kind, char *name,
                                      size_t name_bytes, char *value, size_t value_bytes);

/* Does it have what would make the rest of it a field of its own? */
static bool ends_line(const char *text, size_t bytes)
{
    return memchr(text, '\n', bytes) != NULL || memchr(text, '\r', bytes) != NULL;
}

/* MHD_add_response_header() allocates three times for each field, and searches it six times: for a cached read that was
 * a third of all instructions. The library copies the name and the value of an entry into the head as they are
 * (add_user_headers in its connection.c). So all fields are one entry, whose value has the lines of the others. */
bool http_add_fields(struct MHD_Response *converted, struct response *r)
{
    struct buffer lines;
    size_t bytes = 0;
    response_header(r, "X-Content-Type-Options", "nosniff");
    buffer_init(&lines, FIELDS_BYTES_MAX);
    buffer_reserve(&lines, FIELDS_BYTES_USUAL);
    for (size_t i = 0; i < r->headers_count; i++) {
        const char *value = r->headers[i].value;
        size_t value_bytes = strlen(value);
        if (ends_line(value, value_bytes))
            lines.failed = true;
        if (i > 0) {
            buffer_append(&lines, "\r\n", 2);
            buffer_append_text(&lines, r->headers[i].name);
            buffer_append(&lines, ": ", 2);
        }
        buffer_append(&lines, value, value_bytes);
    }
    buffer_append(&lines, "", 1);
    char *name = r->failed ? NULL : strdup(r->headers[0].name);
    char *value = buffer_take(&lines, &bytes);
    if (name != NULL && value != NULL &&
        MHD_add_response_entry_no_alloc_(converted, MHD_HEADER_KIND, name, strlen(name), value, bytes - 1))
        return true;
    free(name);
    free(value);
    return false;
}

/* ---- all bodies ---- */

static struct MHD_Response *buffered(struct response *r)
{
    struct MHD_Response *converted =
        MHD_create_response_from_buffer_with_free_callback_cls(r->body_bytes, r->body, r->body_end, r->body_owner);
    if (converted != NULL)
        r->body_end = NULL; /* the library calls it */
    return converted;
}

/* Has the client asked to end the connection, or, with HTTP/1.0, not asked to keep it? As the library decides it. */
static bool client_ends(const struct exchange *e)
{
    return e->head.asks_close || !(e->head.version_1_1 || (e->head.asks_keep && e->producer == NULL));
}

/* Will the connection serve another request? */
static bool stays_open(const struct http_connection *connection, const struct response *r)
{
    const struct exchange *e = connection->exchange;
    return !r->close && !connection->port->loop->draining && e->admitted && !client_ends(e);
}

/* How long the connection may be idle, in whole seconds. */
static void add_keep_alive(const struct http_loop *loop, struct response *r)
{
    char value[sizeof "timeout=" + DECIMAL_UINT_BYTES] = "timeout=";
    size_t used = sizeof "timeout=" - 1;
    used += decimal_uint((uint64_t)loop->tunables->http_head_timeout_ms / 1000, value + used);
    response_header_bytes(r, "Keep-Alive", value, used);
}

static struct MHD_Response *convert(struct http_connection *connection, struct response *r)
{
    const struct http_loop *loop = connection->port->loop;
    struct MHD_Response *converted = r->producer != NULL ? produced(connection, r) : buffered(r);
    if (converted == NULL)
        return NULL;
    bool stays = stays_open(connection, r);
    /* Without the first a 304 would say that the entity has no bytes; the second names Keep-Alive in Connection, as
     * RFC 9110, section 7.6.1, wants. */
    (void)MHD_set_response_options(converted,
                                   (r->status == 304 ? MHD_RF_HEAD_ONLY_RESPONSE : MHD_RF_NONE) |
                                       (stays ? MHD_RF_SEND_KEEP_ALIVE_HEADER : MHD_RF_NONE),
                                   MHD_RO_END);
    if (stays)
        add_keep_alive(loop, r);
    bool added = http_add_fields(converted, r);
    /* In the library's own way, since it has to know of it. */
    if (added && (r->close || loop->draining))
        added = MHD_add_response_header(converted, "Connection", "close") == MHD_YES;
    if (added)
        return converted;
    MHD_destroy_response(converted);
    return NULL;
}

enum MHD_Result http_send(struct http_connection *connection, struct response *r)
{
    struct MHD_Response *converted = r->failed ? NULL : convert(connection, r);
    connection->last = connection->exchange->admitted && client_ends(connection->exchange);
    enum MHD_Result result = converted != NULL ? MHD_queue_response(connection->mhd, r->status, converted) : MHD_NO;
    if (converted != NULL)
        MHD_destroy_response(converted); /* drops our reference; the library has its own */
    response_free(r);
    if (result == MHD_NO)
        http_connection_enter(connection, CONNECTION_CLOSING);
    else if (connection->exchange->producer != NULL)
        http_connection_enter(connection, CONNECTION_STREAMING);
    return result;
}

void http_send_raw(struct http_connection *connection, struct response *r)
{
    char text[RAW_ANSWER_BYTES];
    size_t body_bytes = connection->exchange->head.method == METHOD_HEAD ? 0 : r->body_bytes;
    size_t used = (size_t)snprintf(text, sizeof text,
                                   "HTTP/1.1 %u %s\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n"
                                   "Content-Length: %zu\r\n",
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
