/* The source's insides, shared by source.c (life, sessions), source_identify.c (which life of the stream is this) and
 * source_watch.c (probes, proofs, gaps, nothing more to come). All of it runs on the source's own thread. */
#ifndef STATEGATE_PROJECTOR_SOURCE_SESSION_H
#define STATEGATE_PROJECTOR_SOURCE_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "projector/nats/jetstream.h"
#include "projector/source/source.h"

struct source {
    /* Set by source_start(), then read-only: any thread. */
    struct source_context context;
    size_t stream;
    const struct stream_settings *settings;
    struct queue *queue; /* borrowed from the projector */
    struct notifier *notifier;    /* owned; notified by the link's alarm and by source_stop */
    struct nats_connection *link; /* owned */
    pthread_t thread;
    bool thread_started;
    /* Any thread. */
    atomic_bool stopping;

    /* Source thread only. */
    const struct tunables *tunables; /* of this iteration of source_watch() */
    struct jetstream js;
    uint64_t generation;     /* of the present consumer */
    struct build row;        /* what is written, as stored when the session began */
    bool target_set;         /* H0 is known */
    bool unanswered;         /* the last question to the broker: silence, which may pass */
    bool error_shown;        /* in /v1/status, by us */
    char error_logged[256];
    struct epoch published_epoch; /* the life that waiting reads were last told of */
    int64_t proved_ns;       /* when the newest proof-grade probe was sent; 0 = none yet */
    /* Which answers are proof-grade. */
    int64_t answered_ns;           /* the last answered probe; 0 = none yet */
    int64_t silence_answered_ns;   /* the first answer after a silence; 0 = that is over */
    /* Whether the consumer is alive. */
    uint64_t activity;
    int64_t heard_ns;
    uint64_t
        explained_up_to; /* what is missing up to here, in this build, is recorded as lost or proved to match nothing */
    /* A message that is in the stream and does not arrive. */
    uint64_t stalled_sequence; /* 0 = none */
    int64_t stalled_since_ns;
};

/* What the stream's information said, and when. */
struct probe {
    struct stream_info info;
    int64_t t0_ns;
    int64_t answered_ns;
    bool proof_grade;
};

/* Show an error in /v1/status, and log it unless it is the one that was logged last. */
void source_show_error(struct source *s, const char *message, const char *kind);

/* Ask for the stream's information and decide whether the answer is proof-grade; counts it. */
SG_MUST_CHECK enum sg_status source_probe(struct source *s, struct probe *out, struct sg_error *err);

/* Wait, but not past a stop. False when the source is stopping. */
bool source_sleep(struct source *s, int64_t duration_ns);

/* Find out whether the stream is the one that the stored row belongs to; begin a new build where it is not. On success
 * s->row is up to date, and a consumer may be made from its position. */
SG_MUST_CHECK enum sg_status source_identify(struct source *s, struct sg_error *err);

/* The highest sequence that the stream had, as far as a build tells: its position, or the head when it began, which
 * rows that are served beside it may be proved by. */
static inline uint64_t source_seen(const struct build *row)
{
    return row->target != TARGET_UNKNOWN && row->target > row->position ? row->target : row->position;
}

/* Events before `first` may be lost to us (not only superseded by later ones of the same entity). */
bool source_may_drop(const struct source *s, const struct stream_info *info);
/* Begin the stream's rows again from nothing. No message of a present consumer is applied to them: whoever goes on
 * makes another from position 0. */
SG_MUST_CHECK enum sg_status source_begin_build(struct source *s, int64_t created_ns, const struct epoch *epoch,
                                                uint64_t target, struct sg_error *err);
/* The events first..last are lost, but for those that are accounted for: record a gap, or begin again, as the settings
 * say. SG_UNAVAILABLE when it began again: the session must end. */
SG_MUST_CHECK enum sg_status source_gap(struct source *s, uint64_t first, uint64_t last, const struct stream_info *info,
                                        struct sg_error *err);

/* Probe and watch until the session must end; says why in `err`. */
SG_MUST_CHECK enum sg_status source_watch(struct source *s, struct sg_error *err);

#endif
