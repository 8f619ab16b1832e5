/* Who is it? The gateway asks for no credentials: whoever reaches the address may read everything. */
#ifndef STATEGATE_API_ACCESS_ACCESS_H
#define STATEGATE_API_ACCESS_ACCESS_H

#include <stdbool.h>

#include "api/access/principal.h"
#include "api/http/head.h"
#include "api/http/response.h"

/* True: `out` is who asks. False: `refusal` is the answer. Any thread; does not block. */
bool access_authenticate(const struct http_head *head, struct principal *out, struct response *refusal);

#endif
