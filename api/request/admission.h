/* What is refused, and the connection closed, before the target is looked at: framing and forms that the HTTP library
 * lets through, and that two servers in a row could understand differently. Pure functions. */
#ifndef STATEGATE_API_REQUEST_ADMISSION_H
#define STATEGATE_API_REQUEST_ADMISSION_H

#include "api/http/head.h"
#include "api/http/response.h"

#define ADMISSION_ALLOW "GET, HEAD, OPTIONS"

/* True: go on. False: `out` is the refusal. */
bool admission_check(const struct http_head *head, struct response *out);

#endif
