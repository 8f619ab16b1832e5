/* Errors as application/problem+json (RFC 9457). */
#ifndef STATEGATE_API_HTTP_PROBLEM_H
#define STATEGATE_API_HTTP_PROBLEM_H

#include "api/http/response.h"
#include "core/base/slice.h"
#include "core/base/status.h"

/* Every kind of problem: status, the end of its type, and its title. openapi.yaml lists the same. */
#define PROBLEMS(X)                                                                                                    \
    X(PROBLEM_BAD_REQUEST, 400, "bad-request", "The request is malformed")                                             \
    X(PROBLEM_NOT_INDEXED, 400, "not-indexed", "No index serves the query")                                            \
    X(PROBLEM_CURSOR_MISMATCH, 400, "cursor-mismatch", "The cursor does not belong to this list")                      \
    X(PROBLEM_NOT_FOUND, 404, "not-found", "Nothing was found")                                                        \
    X(PROBLEM_METHOD, 405, "method-not-allowed", "The method is not allowed")                                          \
    X(PROBLEM_EPOCH_MISMATCH, 409, "epoch-mismatch", "The position belongs to another incarnation of the stream")      \
    X(PROBLEM_UNKNOWN_STREAM, 409, "unknown-stream", "The stream is not followed by this gateway")                     \
    X(PROBLEM_BEYOND_HEAD, 409, "position-beyond-head", "The position lies beyond the end of the stream")              \
    X(PROBLEM_DELETED, 410, "deleted", "The entity is deleted")                                                        \
    X(PROBLEM_CURSOR_EXPIRED, 410, "cursor-expired", "The list that the cursor belongs to is gone")                    \
    X(PROBLEM_PRECONDITION, 412, "precondition-failed", "A condition of the request does not hold")                    \
    X(PROBLEM_BODY, 413, "content-too-large", "The request's body is too large, or must not be there")                 \
    X(PROBLEM_TARGET, 414, "uri-too-long", "The request target is too long")                                           \
    X(PROBLEM_MEDIA_TYPE, 415, "unsupported-media-type", "The form of the request's body is not understood")           \
    X(PROBLEM_EXPECT, 417, "expectation-failed", "The expectation cannot be met")                                      \
    X(PROBLEM_MISDIRECTED, 421, "misdirected", "The name in Host is not served here")                                  \
    X(PROBLEM_VERSION_REJECTED, 422, "version-rejected", "The version asked for was rejected")                         \
    X(PROBLEM_HEADERS, 431, "headers-too-large", "The header fields are too large")                                    \
    X(PROBLEM_NOT_IMPLEMENTED, 501, "not-implemented", "The request cannot be served")                                 \
    X(PROBLEM_STARTING, 503, "starting", "The demand was not met: nothing is proved yet")                              \
    X(PROBLEM_REBUILDING, 503, "rebuilding", "The demand was not met: the rows are being rebuilt")                     \
    X(PROBLEM_DISCONNECTED, 503, "replica-disconnected", "The demand was not met: the broker cannot be reached")       \
    X(PROBLEM_HALTED, 503, "halted", "The demand was not met: ingest is halted")                                       \
    X(PROBLEM_INDEX_BUILDING, 503, "index-building", "The index that the query needs is being made")                   \
    X(PROBLEM_TOO_MANY_WAITS, 503, "too-many-waits", "Too many reads are waiting")                                     \
    X(PROBLEM_TOO_MANY_QUERIES, 503, "too-many-queries", "Too many queries are waiting")                               \
    X(PROBLEM_TOO_MANY_ANSWERS, 503, "too-many-answers", "Too many bytes of answers are on their way")                 \
    X(PROBLEM_STOPPING, 503, "stopping", "The demand was not met: the gateway is stopping")                            \
    X(PROBLEM_STORAGE, 503, "storage", "The database cannot be read")                                                  \
    X(PROBLEM_VERSION_NOT_REACHED, 504, "version-not-reached", "The version was not reached in time")                  \
    X(PROBLEM_POSITION_NOT_REACHED, 504, "position-not-reached", "The position was not reached in time")               \
    X(PROBLEM_TOO_STALE, 504, "too-stale", "The rows could not be proved fresh enough in time")                        \
    X(PROBLEM_VERSION, 505, "version-not-supported", "The HTTP version is not supported")

enum problem {
#define PROBLEM_ENUM(name, status, type, title) name,
    PROBLEMS(PROBLEM_ENUM)
#undef PROBLEM_ENUM
    PROBLEMS_COUNT
};

#define PROBLEM_TYPE_PREFIX "urn:stategate:problem:"

/* The first kind with this status: the one of requests that are malformed or too large. False: there is none. */
bool problem_of_status(unsigned status, enum problem *out);

/* Make `r` this problem's answer: status, body, Content-Type, Cache-Control: no-store, and Retry-After: 1 for a 503 or
 * 504. The headers that are there stay. */
void problem_answer(struct response *r, enum problem problem, const char *detail_format, ...) SG_PRINTF(3, 4);

/* A bad request: the error's sentence is the detail. */
void problem_bad_request(struct response *r, const struct sg_error *err);
/* The same of another kind, with more members as JSON, each with a comma before it. */
void problem_refuse(struct response *r, enum problem problem, struct slice more, const struct sg_error *err);

/* The members that an answer about demands has besides; each NULL or empty is left out. */
struct problem_members {
    const char *required; /* JSON text; so is the next one */
    const char *current;
    const char *position;
    int64_t waited_ns;    /* < 0 = left out */
    struct slice more;    /* others, each with a comma before it */
};
void problem_answer_with(struct response *r, enum problem problem, const struct problem_members *members,
                         const char *detail_format, ...) SG_PRINTF(4, 5);

/* problem_answer with the members `position` (NULL = left out) and `current`, a version (0 = left out). */
void problem_answer_at(struct response *r, enum problem problem, const char *position, int64_t current,
                       const char *detail_format, ...) SG_PRINTF(5, 6);

#endif
