/* What is refused before any route is looked at: framing and forms that the HTTP library lets through, and that two
 * servers in a row could understand differently. Pure but for decoding the target in place. */
#ifndef STATEGATE_API_ADMISSION_H
#define STATEGATE_API_ADMISSION_H

#include "api/request.h"
#include "api/response.h"

#define ADMISSION_ALLOW "GET, HEAD, OPTIONS"

/* True: `request->target` is parsed, go on. False: `out` is the refusal. */
bool admission_check(struct request *request, struct response *out);

#endif
