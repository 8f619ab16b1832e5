/* Whether an answer meets what its request demands: looked at in the snapshot that answers, every time. Only looks: it
 * reads no rows, parks nothing and answers nothing but what cannot be answered. */
#ifndef STATEGATE_API_ANSWER_CHECK_H
#define STATEGATE_API_ANSWER_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "api/answer/headers.h"
#include "api/answer/snapshot.h"
#include "api/http/problem.h"
#include "api/http/response.h"
#include "api/request/plan.h"
#include "core/progress/wants.h"

/* What an answer would rest on, as its route found it in the snapshot. */
struct basis {
    bool found;            /* the entity (a tombstone counts), or the collection */
    bool cached;           /* the entity comes from the row cache: none of its events is recorded as rejected */
    bool version_rejected; /* the minimum version itself is, and no higher one is here */
    bool tagged;           /* the answer is one that conditions are about, and has an ETag of `revision` */
    const char *etag;      /* which the pipeline makes in the answer before that is made; NULL = none */
    bool unchanged;        /* the conditions make the answer a 304 */
    struct revision revision;
    struct entity entity;  /* of a read by id, or of one of a batch that is short of a version. Version 0 = never seen.
                            * What it points at is valid until the next read */
};

enum verdict {
    VERDICT_MET,
    VERDICT_SHORT,     /* of something that may come */
    VERDICT_IMPOSSIBLE /* to meet, however long it waits */
};

/* What is not met. */
struct shortfall {
    unsigned kinds;            /* a bit for each enum wait_kind that is short */
    enum stream_status worst;  /* of the streams that a demand waits for */
    size_t position;           /* the first position that is short or impossible, as an index in the demands */
    enum problem problem;      /* where the verdict is VERDICT_IMPOSSIBLE */
    size_t stream;             /* and the problem PROBLEM_TOO_STALE: the one that cannot be fresh enough */
    struct wants wants;        /* what would help, but for the entity's name */
};

/* Of several kinds, the one that answers and metrics name. */
enum wait_kind shortfall_kind(const struct shortfall *s);

/* `arrived_ns`: when the request did, boot clock. `out`: what is short; nothing where all demands are met. */
enum verdict demands_check(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                           int64_t arrived_ns, struct shortfall *out);

/* What an answer to this plan says of its streams: those that it rests on, and those that its positions name. Valid
 * until the next call for this snapshot. */
const struct stream_facts *check_facts(const struct plan *plan, struct snapshot *snapshot);

/* Answer that the demands cannot be met (VERDICT_IMPOSSIBLE), or were not within `waited_ns`: then as `problem`. */
void check_answer_impossible(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                             const struct shortfall *shortfall, int64_t waited_ns, struct response *out);
void check_answer_short(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                        const struct shortfall *shortfall, enum problem problem, int64_t waited_ns,
                        struct response *out);
/* Answer that a condition of the request does not hold: 412. */
void check_answer_condition(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                            struct response *out);
/* What a demand becomes that is still short at its deadline, by the worst stream that it waits for. */
enum problem shortfall_problem(const struct shortfall *s);

#endif
