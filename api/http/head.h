/* What came: the head of one request as plain values, before anybody has judged it or taken it apart. */
#ifndef STATEGATE_API_HTTP_HEAD_H
#define STATEGATE_API_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/slice.h"

/* Text of the request line and fields, and what the HTTP library keeps beside each field. It holds the longest target,
 * with the cursor of a list, and a kilobyte of other fields. */
#define HTTP_HEAD_COST_MAX 7168
/* Header fields and parameters of a request. Each takes room from the answer's head, and all of the connection's memory
 * is cleared for each request: a browser behind two proxies sends 30. */
#define HTTP_FIELDS_MAX 32
#define HTTP_LINES_MAX 4 /* that are kept of one header field: several lines are one list */

/* The body of a request: 1,000 ids of the usual length, and a filter. */
#define HTTP_BODY_BYTES_MAX (64u << 10)

/* Those up to OPTIONS have no body anywhere. */
enum http_method { METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_QUERY, METHOD_POST, METHOD_OTHER };
#define HTTP_METHODS_COUNT 6

/* An address without its port, of IPv6 the network (/64); all clients of a unix socket are one. */
struct client_address {
    unsigned char bytes[9]; /* family (0 = none known), then the address, then zeros */
};

/* The lines of one header field; `count` may exceed the array. */
struct http_lines {
    size_t count;
    struct slice values[HTTP_LINES_MAX];
};

/* The line of a header field that may stand on one only; of several the last. */
struct http_line {
    size_t count;
    struct slice value;
};

/* The fields that are kept as they came. */
struct http_fields {
    struct http_lines min_version;
    struct http_lines min_position;
    struct http_lines max_staleness;
    struct http_lines prefer;
    struct http_lines if_match;
    struct http_lines if_none_match;
    struct http_line if_modified_since;
    struct http_line if_unmodified_since;
    struct http_line accept_encoding; /* of several lines nothing is made */
};

/* What the head says of the body: lines are counted, of which there are no more than HTTP_FIELDS_MAX, and the last one
 * is kept. */
struct http_content {
    struct slice type;
    uint32_t length; /* a larger one than fits, or one that is no number: UINT32_MAX */
    unsigned char types_count;
    unsigned char encodings_count; /* lines of Content-Encoding that name another coding than `identity` */
    unsigned char lengths_count;
    unsigned char transfers_count; /* lines of Transfer-Encoding */
};

/* Why a body that was admitted is not taken. */
enum http_body_fault {
    BODY_FINE = 0,
    BODY_TOO_LARGE, /* beyond HTTP_BODY_BYTES_MAX, in chunks */
    BODY_NO_ROOM,   /* bodies of other requests fill HTTP_BODIES_BYTES_MAX */
    BODY_TRAILED,   /* fields follow it */
};

struct http_connection;

/* All that it points at is valid as long as the request. */
struct http_head {
    enum http_method method;
    bool ops_only;       /* it came to the second address */
    bool host_checked;   /* to one whose Host is checked, see api/request/admission.h */
    bool host_free;      /* to a unix socket, where Host means nothing */
    bool version_known;  /* HTTP/1.0 or HTTP/1.1 */
    bool version_1_1;
    bool too_large;      /* beyond HTTP_HEAD_COST_MAX, or HTTP_FIELDS_MAX */
    bool has_body;       /* a Content-Length other than 0, or any Transfer-Encoding */
    bool expect_unknown; /* an Expect that is not 100-continue */
    unsigned char body_fault; /* enum http_body_fault */
    struct http_content content;
    struct slice body;   /* when the request is handled; until then, and without one, empty */
    bool asks_close;     /* Connection: close */
    bool asks_keep;      /* Connection: keep-alive */
    size_t hosts_count;
    struct slice host;   /* the last one */
    char *target_text;   /* the request target as it came; whoever parses it may do so in place */
    size_t target_bytes;
    const struct client_address *client;
    struct http_connection *connection; /* that it came on, for http_resume */
    struct http_fields fields;          /* last: http_head_begin() */
};

/* Nothing is known yet. Of the fields only the counts are set: most requests have none of them, and to clear the room
 * for their lines would take as long as to read all others. */
static inline void http_head_begin(struct http_head *head)
{
    memset(head, 0, offsetof(struct http_head, fields));
    head->fields.min_version.count = head->fields.min_position.count = head->fields.max_staleness.count = 0;
    head->fields.prefer.count = head->fields.if_match.count = head->fields.if_none_match.count = 0;
    head->fields.if_modified_since.count = head->fields.if_unmodified_since.count = 0;
    head->fields.accept_encoding.count = 0;
    _Static_assert(sizeof(struct http_fields) == 6 * sizeof(struct http_lines) + 3 * sizeof(struct http_line),
                   "the count of each is set above");
}

#endif
