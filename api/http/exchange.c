/* Exchanges: what the HTTP library parsed becomes a struct http_head. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/http/http_internal.h"
#include "core/base/decimal.h"

#define EXCHANGES_KEPT_MAX 1024 /* on the free list of a loop */

/* ---- memory ---- */

static struct exchange *exchange_take(struct http_loop *loop)
{
    struct exchange *e = loop->free_exchanges;
    if (e == NULL)
        return calloc(1, sizeof *e + http_handler_of(loop)->call_bytes);
    loop->free_exchanges = e->next_free;
    loop->free_exchanges_count--;
    return e;
}

/* The loop's thread alone writes its count, so a load and a store do. */
static void body_count(struct http_loop *loop, size_t before, size_t now)
{
    size_t bytes = atomic_load_explicit(&loop->body_bytes, memory_order_relaxed);
    atomic_store_explicit(&loop->body_bytes, bytes - before + now, memory_order_relaxed);
}

static void body_free(struct http_loop *loop, struct exchange *e)
{
    body_count(loop, e->body.capacity, 0);
    buffer_free(&e->body);
}

void http_exchange_end(struct http_connection *connection)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    connection->exchange = NULL;
    if (e == NULL)
        return;
    if (e->producer != NULL)
        e->producer->stop(e->producer_self);
    e->producer = NULL;
    http_answer_give(loop, e);
    http_handler_of(loop)->forget(loop->worker, e->call);
    if (e->body.capacity > 0)
        body_free(loop, e);
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

bool http_exchange_begin(struct http_connection *connection, const char *target)
{
    struct http_loop *loop = connection->port->loop;
    const struct http_handler *handler = http_handler_of(loop);
    if (connection->exchange == NULL)
        connection->exchange = exchange_take(loop);
    struct exchange *e = connection->exchange;
    if (e == NULL)
        return false;
    size_t bytes = strlen(target);
    memset(e->call, 0, handler->call_bytes);
    http_head_begin(&e->head);
    e->head.ops_only = connection->port->ops_only;
    e->head.host_checked = connection->port->reach == LISTEN_LOOPBACK;
    e->head.host_free = connection->port->reach == LISTEN_UNIX;
    e->head.target_text = e->target;
    e->head.client = &connection->client;
    e->head.connection = connection;
    e->admitted = false;
    if (bytes >= sizeof e->target) {
        free(e->long_target);
        e->long_target = malloc(bytes + 1);
        e->head.target_text = e->long_target;
    }
    if (e->head.target_text == NULL)
        return false;
    memcpy(e->head.target_text, target, bytes + 1);
    e->head.target_bytes = bytes;
    handler->expect(loop->worker, &e->head);
    return true;
}

/* ---- the fields ---- */

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

static void set_line(struct http_line *line, struct slice value)
{
    line->value = value;
    line->count++;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Its options: is the connection to end, or, with HTTP/1.0, to stay? Only commas separate them, as in the library,
 * which decides whether the connection ends. */
static void take_connection(struct http_head *head, struct slice value)
{
    const char *end = value.data + value.bytes;
    for (const char *at = value.data; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *last = comma != NULL ? comma : end;
        const char *next = comma != NULL ? comma + 1 : end;
        while (at < last && is_space(*at))
            at++;
        while (last > at && is_space(last[-1]))
            last--;
        struct slice option = {at, (size_t)(last - at)};
        head->asks_close |= NAME_IS(option, "close");
        head->asks_keep |= NAME_IS(option, "keep-alive");
        at = next;
    }
}

static void take_type(struct http_content *content, struct slice value)
{
    content->type = value;
    content->types_count++;
}

/* Whether it is a number at all is checked by the library. */
static void take_length(struct http_content *content, struct slice value)
{
    uint64_t bytes = UINT32_MAX;
    (void)!decimal_parse(value, UINT32_MAX, &bytes);
    content->length = (uint32_t)bytes;
    content->lengths_count++;
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
    case 8:
        if (NAME_IS(name, "If-Match"))
            add_line(&head->fields.if_match, value);
        break;
    case 10:
        if (NAME_IS(name, "Connection"))
            take_connection(head, value);
        break;
    case 11:
        if (NAME_IS(name, "Min-Version"))
            add_line(&head->fields.min_version, value);
        break;
    case 12:
        if (NAME_IS(name, "Min-Position"))
            add_line(&head->fields.min_position, value);
        else if (NAME_IS(name, "Content-Type"))
            take_type(&head->content, value);
        break;
    case 13:
        if (NAME_IS(name, "If-None-Match"))
            add_line(&head->fields.if_none_match, value);
        else if (NAME_IS(name, "Max-Staleness"))
            add_line(&head->fields.max_staleness, value);
        break;
    case 14:
        if (NAME_IS(name, "Content-Length")) {
            take_length(&head->content, value);
            head->has_body |= strspn(value.data, "0") != value.bytes;
        }
        break;
    case 15:
        if (NAME_IS(name, "Accept-Encoding"))
            set_line(&head->fields.accept_encoding, value);
        break;
    case 16:
        if (NAME_IS(name, "Content-Encoding") && !NAME_IS(value, "identity"))
            head->content.encodings_count++;
        break;
    case 17:
        if (NAME_IS(name, "Transfer-Encoding")) {
            head->content.transfers_count++;
            head->has_body = true;
        } else if (NAME_IS(name, "If-Modified-Since")) {
            set_line(&head->fields.if_modified_since, value);
        }
        break;
    case 19:
        if (NAME_IS(name, "If-Unmodified-Since"))
            set_line(&head->fields.if_unmodified_since, value);
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
    if (strcmp(method, "QUERY") == 0)
        return METHOD_QUERY;
    if (strcmp(method, "POST") == 0)
        return METHOD_POST;
    return METHOD_OTHER;
}

void http_exchange_collect(struct http_connection *connection, const char *method, const char *version)
{
    struct http_head *head = &connection->exchange->head;
    struct fields fields = {.head = head};
    head->method = method_of(method);
    head->version_1_1 = strcmp(version, "HTTP/1.1") == 0;
    head->version_known = head->version_1_1 || strcmp(version, "HTTP/1.0") == 0;
    (void)MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, on_field, &fields);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t head_bytes = info != NULL ? info->header_size : 0;
    head->too_large =
        head_bytes + fields.count * EXCHANGE_FIELD_BYTES > HTTP_HEAD_COST_MAX || fields.count > HTTP_FIELDS_MAX;
}

/* ---- the body ---- */

size_t http_body_bytes(const struct http *http)
{
    size_t sum = 0;
    for (unsigned i = 0; i < http->loops_count; i++)
        sum += atomic_load(&http->loops[i].body_bytes);
    return sum;
}

bool http_body_add(struct http_connection *connection, const char *data, size_t bytes)
{
    struct http_loop *loop = connection->port->loop;
    struct exchange *e = connection->exchange;
    size_t before = e->body.capacity;
    if (before == 0)
        buffer_init(&e->body, HTTP_BODY_BYTES_MAX);
    if (bytes > HTTP_BODY_BYTES_MAX - e->body.bytes) {
        e->head.body_fault = BODY_TOO_LARGE;
        return true;
    }
    buffer_append(&e->body, data, bytes);
    body_count(loop, before, e->body.capacity);
    /* Counted first, which the addition makes visible, and looked at afterwards, as bytes of answers are. */
    (void)atomic_fetch_add(&loop->body_bytes, 0);
    if (http_body_bytes(loop->http) > HTTP_BODIES_BYTES_MAX)
        e->head.body_fault = BODY_NO_ROOM;
    return !e->body.failed;
}

void http_body_complete(struct http_connection *connection)
{
    struct exchange *e = connection->exchange;
    e->head.body = (struct slice){e->body.data, e->body.bytes};
    if (MHD_get_connection_values_n(connection->mhd, MHD_FOOTER_KIND, NULL, NULL) > 0)
        e->head.body_fault = BODY_TRAILED;
}
