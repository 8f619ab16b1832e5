/* A reading side without sockets for the fuzz targets: a real read model with a few entities, whose ids are those that
 * are easily spoilt on the way through a request target. One thread. */
#ifndef STATEGATE_TESTS_FUZZ_READER_RIG_H
#define STATEGATE_TESTS_FUZZ_READER_RIG_H

#include "api/http/response.h"
#include "api/routes/route.h"

/* Makes it; its files are gone from the disk when this returns, so that nothing is left behind by a crash. */
void reader_rig_open(void);

/* Answers a request as a loop would, in an iteration of its own; the stream's rows are proved to be all there is.
 * `call` and `out` are initialised here; free the latter with response_free(). False: the request is to wait, and is
 * forgotten. */
bool reader_rig_ask(struct http_head *head, struct call *call, struct response *out);

#endif
