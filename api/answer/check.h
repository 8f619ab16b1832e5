/* The seam between the handlers and the demands of their requests. */
#ifndef STATEGATE_API_ANSWER_CHECK_H
#define STATEGATE_API_ANSWER_CHECK_H

#include "api/http/response.h"
#include "api/answer/snapshot.h"

struct call;

/* What an answer from the present snapshot would rest on. */
struct basis {
    int owner;       /* index of the stream, or OWNER_ALL */
    int64_t version; /* the entity's, a tombstone's too; 0 = never seen, or no entity is meant */
    uint64_t sequence; /* of the event that wrote it */
};

/* True if all demands of the request hold in the turn's snapshot. Says nothing of those that do not. */
bool demands_met(const struct call *call, const struct basis *subject, struct response *out);

/* True if all demands of the request hold in the turn's snapshot: go on and answer. False: `out` is the answer (409,
 * 422, 503, 504), or `out->park` is set and the request's wants are filled in: nothing else of `out` counts then, and
 * the handler is called again. */
bool demands_hold(struct call *call, const struct basis *subject, struct response *out);

/* The claim of an answer that rests on `owner`, with the streams that the request's positions name. */
const struct stream_facts *demands_facts(const struct call *call, int owner);

#endif
