/* Bodies in the coding that a client prefers: gzip or zstd. Nothing else knows zlib and libzstd. */
#ifndef STATEGATE_API_HTTP_ENCODE_H
#define STATEGATE_API_HTTP_ENCODE_H

#include <stdbool.h>

#include "api/http/head.h"
#include "api/http/response.h"
#include "core/base/status.h"

#define ENCODE_BYTES_MIN 1024 /* below it a coding saves no packet */
/* What is compressed on a loop, at most: about a millisecond of gzip. */
#define ENCODE_LOOP_BYTES_MAX (64u << 10)

enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD };

/* By RFC 9110, section 12.5.3: the coding that we have with the highest q, of equal ones zstd. `identity_refused`: a
 * client wants no body without one. What is malformed in it, or stands on several lines, asks for nothing. Pure. */
struct encoding_choice {
    enum encoding encoding;
    bool identity_refused;
};
struct encoding_choice encode_choose(const struct http_line *accept_encoding);

/* Of an answer that is not one entity: say that it depends on Accept-Encoding, and compress its body where that is
 * asked for and makes it smaller. It stays as it is where there is no memory: one compression takes a copy of the body,
 * and 300 KB (gzip) or 2 MB (zstd) of work. SG_STOPPED: it is too much for a loop (`on_loop`), and `r` is to be made in
 * a job; nothing else is ever returned but SG_OK. Any thread; blocks for as long as compressing takes. */
SG_MUST_CHECK enum sg_status encode_answer(struct response *r, const struct http_line *accept_encoding, bool on_loop);

#endif
