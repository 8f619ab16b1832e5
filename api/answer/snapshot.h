/* One turn of a loop: one read transaction for all its answers, and what is the same for all of them: where each stream
 * stands, how fresh it is, and the header text of that. One thread. */
#ifndef STATEGATE_API_ANSWER_SNAPSHOT_H
#define STATEGATE_API_ANSWER_SNAPSHOT_H

#include "core/base/buffer.h"
#include "core/progress/freshness.h"
#include "store/model.h"
#include "core/domain/settings.h"

/* A stream as this turn's answers show it; index as in the settings. */
struct turn_stream {
    const struct model_stream *row; /* never NULL: a stream without a row is one at position 0 without an epoch */
    struct freshness_view view;     /* as of turn->now_ns; the proof is the same for all of the turn */
    const char *position;           /* a member of State-Position */
    const char *lag;                /* State-Lag; NULL = unknown */
    const char *gaps;               /* State-Gap with all gaps; NULL = none */
};

/* Several streams as one: the largest staleness and lag, the worst status. */
struct turn_claim {
    const char *position;
    const char *lag;       /* NULL = unknown */
    const char *gaps;      /* NULL = none; for one stream only */
    enum stream_status status;
    bool staleness_known;
    int64_t proof_ns;      /* T */
};

struct turn;

/* Opens its own reader. The pointers are borrowed and outlive the turn; `shared` may be NULL. */
SG_MUST_CHECK enum sg_status turn_create(const struct settings *settings, struct freshness *freshness,
                                         struct model_shared *shared, struct turn **out, struct sg_error *err);
void turn_destroy(struct turn *turn);

/* Before anything is read for an answer. At the first read of a turn the transaction begins; later ones go on in it
 * while nothing was committed since. A failure is logged once, and once more when there was none for 10 s. */
SG_MUST_CHECK enum sg_status turn_begin(struct turn *turn, struct sg_error *err);
/* The same without a transaction, for rows that are cached: model_read_peek. False: not now. */
bool turn_peek(struct turn *turn);
/* Behind the last answer of a turn: nothing that the functions below returned is valid any longer. */
void turn_end(struct turn *turn);

/* Report that a read inside the turn failed, for the log. */
void turn_failed(struct turn *turn, const struct sg_error *err);

/* All below: between begin and end. */
struct model_reader *turn_reader(struct turn *turn);
int64_t turn_wall_s(const struct turn *turn);
const struct turn_stream *turn_stream(struct turn *turn, size_t stream);
/* What an answer may claim that rests on one stream, or, with TURN_ALL, on all of them. */
#define TURN_ALL (-1)
const struct turn_claim *turn_claim(struct turn *turn, int stream);
/* The same, whose State-Position also holds the `others_count` streams of `others` that the claim does not rest on;
 * valid until the next call. */
const struct turn_claim *turn_claim_naming(struct turn *turn, int stream, const size_t *others, size_t others_count);

/* The most bytes that State-Position takes with all streams, for the size of the answers' heads. 0 = out of memory. */
size_t turn_position_bytes_max(const struct settings *settings);

#endif
