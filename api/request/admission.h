/* What is refused, and the connection closed, before the target is looked at: framing and forms that the HTTP library
 * lets through, and that two servers in a row could understand differently. Pure functions. */
#ifndef STATEGATE_API_REQUEST_ADMISSION_H
#define STATEGATE_API_REQUEST_ADMISSION_H

#include "api/http/head.h"
#include "api/http/response.h"

#define ADMISSION_ALLOW "GET, HEAD, OPTIONS"
#define ADMISSION_ALLOW_LIST ADMISSION_ALLOW ", QUERY, POST"
#define ADMISSION_TYPE "application/json" /* of a body */

/* What the route of a request takes. */
enum admission_body {
    ADMISSION_NO_BODY,   /* GET, HEAD and OPTIONS */
    ADMISSION_JSON_BODY, /* QUERY and POST too, with a body of JSON */
};

/* The value of Allow. */
const char *admission_allow(enum admission_body body);

/* The Host that was admitted last: most requests to a loop bear the same one, and it is not looked at again. Zeroed at
 * first; of one thread, and of one value of `hosts`. */
#define ADMISSION_HOST_BYTES 64
struct admission_host {
    size_t bytes; /* 0 = none, or a longer one */
    bool checked; /* its name as well */
    char text[ADMISSION_HOST_BYTES];
};

/* True: go on. False: `out` is the refusal.
 *
 * `hosts` are the names that Host may bear besides localhost and IP addresses, with commas between. A page in a browser
 * can have its own name lead to an address of the browser's host; its requests then name it:
 *
 *   address             Host is checked
 *   loopback            always
 *   any other           where `hosts` is not empty
 *   unix socket         never; it may be empty
 *   the second address  never */
bool admission_check(const struct http_head *head, enum admission_body body, const char *hosts,
                     struct admission_host *last, struct response *out);

#endif
