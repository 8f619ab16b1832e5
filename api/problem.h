/* Errors as application/problem+json (RFC 9457). */
#ifndef STATEGATE_API_PROBLEM_H
#define STATEGATE_API_PROBLEM_H

#include "api/response.h"
#include "core/status.h"

/* Every kind of problem: status, the end of its type, and its title. openapi.yaml lists the same. */
#define PROBLEMS(X)                                                                                                    \
    X(PROBLEM_BAD_REQUEST, 400, "bad-request", "The request is malformed")                                             \
    X(PROBLEM_NOT_FOUND, 404, "not-found", "There is nothing here")                                                    \
    X(PROBLEM_METHOD, 405, "method-not-allowed", "The method is not allowed")                                          \
    X(PROBLEM_DELETED, 410, "deleted", "The entity is deleted")                                                        \
    X(PROBLEM_BODY, 413, "content-too-large", "A request has no body here")                                            \
    X(PROBLEM_TARGET, 414, "uri-too-long", "The request target is too long")                                           \
    X(PROBLEM_EXPECT, 417, "expectation-failed", "The expectation cannot be met")                                      \
    X(PROBLEM_HEADERS, 431, "headers-too-large", "The header fields are too large")                                    \
    X(PROBLEM_NOT_IMPLEMENTED, 501, "not-implemented", "This demand is not implemented")                               \
    X(PROBLEM_STORAGE, 503, "storage", "The read model cannot be read")                                                \
    X(PROBLEM_VERSION, 505, "version-not-supported", "The HTTP version is not supported")

enum problem {
#define PROBLEM_ENUM(name, status, type, title) name,
    PROBLEMS(PROBLEM_ENUM)
#undef PROBLEM_ENUM
    PROBLEMS_COUNT
};

#define PROBLEM_TYPE_PREFIX "urn:stategate:problem:"

/* Make `r` this problem's answer: status, body, Content-Type, Cache-Control: no-store, and Retry-After: 1 for a 503.
 * The headers that are there stay. */
void problem_answer(struct response *r, enum problem problem, const char *detail_format, ...) SG_PRINTF(3, 4);

/* A bad request: the error's sentence is the detail. */
void problem_bad_request(struct response *r, const struct sg_error *err);

/* problem_answer with the members `position` (NULL = left out) and `current`, a version (0 = left out). */
void problem_answer_at(struct response *r, enum problem problem, const char *position, int64_t current,
                       const char *detail_format, ...) SG_PRINTF(5, 6);

#endif
