/* What one HTTP request says, as plain values: collected by the loop, judged by admission, read by the handlers. */
#ifndef STATEGATE_API_REQUEST_REQUEST_H
#define STATEGATE_API_REQUEST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "api/answer/demands.h"
#include "api/request/target.h"
#include "api/wait/parked_reads.h"
#include "api/wait/limits.h"
#include "core/base/slice.h"

/* Text of the request line and fields, and what the HTTP library keeps beside each field. It holds the longest id and
 * collection, percent-encoded, and a kilobyte of other fields. */
#define REQUEST_HEAD_COST_MAX 4096
#define REQUEST_IF_NONE_MATCH_LINES_MAX 4

enum request_method { METHOD_GET, METHOD_HEAD, METHOD_OPTIONS, METHOD_OTHER };
#define REQUEST_METHODS_COUNT 4

/* All slices live as long as the request. */
struct request {
    enum request_method method;
    bool version_known;   /* HTTP/1.0 or HTTP/1.1 */
    bool version_1_1;
    bool head_too_large;  /* beyond REQUEST_HEAD_COST_MAX */
    bool has_body;        /* a Content-Length other than 0, or any Transfer-Encoding */
    bool expect_unknown;  /* an Expect that is not 100-continue */
    size_t hosts_count;
    struct slice host;    /* the last one */
    struct demand_fields demand_fields;
    const struct client_address *client; /* borrowed from the connection */

    /* Filled in when it is handled first; a request that waits is handled several times. */
    bool parsed;          /* target, route, collection, id, demands are read */
    int route;            /* enum route_id */
    struct slice collection;
    struct slice id;
    struct demands demands; /* its positions are owned: demands_free() */
    int64_t arrived_ns;   /* boot clock; not before the head was complete */
    bool waiting;         /* holds a place among the waiting reads */
    bool parked_once;
    enum wait_kind kind;  /* what it waited for first */
    enum wait_outcome outcome; /* of its wait; WAIT_MET unless an answer says otherwise */
    struct parked_read parked;

    char *target_text;    /* the raw request target; target_parse() decodes it in place */
    size_t target_bytes;
    struct target target; /* valid once the target is parsed */
    size_t if_none_match_count; /* may exceed the array: the rest was not kept */
    struct slice if_none_match[REQUEST_IF_NONE_MATCH_LINES_MAX];
};

#endif
