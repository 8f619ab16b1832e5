/* A session with the broker: what the source's thread keeps of a stream, in one session and from one to the next. What
 * is done in a session stands beside: identify, watch, probe, gaps. All of it runs on the source's own thread. */
#ifndef STATEGATE_PROJECTOR_SOURCE_SESSION_H
#define STATEGATE_PROJECTOR_SOURCE_SESSION_H

#include <stdatomic.h>

#include "projector/nats/jetstream.h"
#include "projector/source/context.h"

#define SOURCE_BACKOFF_MIN_MS 50
#define SOURCE_BACKOFF_MAX_MS 2000                 /* an outage of seconds is not made longer by it */
#define SOURCE_TICK_NS (1 * NS_PER_S)              /* at least so often heartbeats and progress are looked at */
#define SOURCE_SILENCE_NS (3500 * NS_PER_MS)       /* three heartbeats and a little: the consumer is gone */
#define SOURCE_STALL_NS (3 * NS_PER_S)             /* a message that is there and does not arrive for so long: lost */
#define SOURCE_NEXT_PAUSE_NS (3 * NS_PER_S)        /* after the next message could not be had */
#define SOURCE_ROLLBACK_CONFIRM_NS (2 * NS_PER_S)  /* between the two answers that show a rollback */
#define SOURCE_PROOF_SILENCE_NS (2 * NS_PER_S)     /* after so long a silence, the first answer proves nothing ... */
#define SOURCE_PROOF_SECOND_NS (1 * NS_PER_S)      /* ... but one that was asked for so long after it */
#define SOURCE_VAIN_INTERVAL_NS (100 * NS_PER_MS)  /* between probes that reads want, while they prove nothing */
#define SOURCE_ARRIVING_BYTES_MIN 4096             /* more than these since the last whole message: one is arriving */
#define SOURCE_PROBES_FAILED_MAX 2                 /* in a row: the connection is given up */

/* What the stream's information said, and when. */
struct probe {
    struct stream_info info;
    int64_t t0_ns;       /* when it was asked for */
    int64_t answered_ns;
    bool proof_grade;
};

/* Where an answer shows the stream's end. */
struct stream_head {
    uint64_t sequence;
    int64_t time_ns;
};

struct session {
    /* Set by source_start(), then read-only: any thread. */
    struct source_context context;
    size_t stream;
    const struct stream_settings *settings;
    const struct collection_settings *shortest_kept; /* whose tombstones are kept for the shortest time; NULL = none */
    struct queue *queue;                /* borrowed from the projector */
    struct notifier *notifier;          /* owned; notified by the connection's alarm and by source_stop */
    struct nats_connection *connection; /* owned; for messages */
    struct nats_connection *questions;  /* owned */
    /* Any thread. */
    atomic_bool stopping;

    /* Source thread only. */
    const struct tunables *tunables; /* of this iteration of session_watch() */
    struct jetstream js;
    uint64_t generation;     /* of the present consumer */
    struct build row;        /* what is written, as stored when the session began */
    int64_t inactive_threshold_ns; /* of the stream; 0 = any */
    bool looked;             /* a consumer was made for a look at a message */
    struct stream_info identified; /* the answer that it was identified by */
    struct stream_head head_seen;  /* looked into: its time is not the position's, and rightly so */
    uint64_t pending;        /* how many messages there were for the consumer when it was made */
    bool target_set;         /* H0 is known */
    bool unanswered;         /* the last question to the broker: silence, which may pass */
    bool error_shown;        /* in /v1/status, by us */
    char error_logged[256];
    struct epoch published_epoch; /* of the incarnation that waiting reads last learned of */
    /* Nothing of the stream matches the template: shown until a message comes. */
    bool unmatched;
    uint64_t unmatched_received; /* nats_received() when it was found so */
    int64_t proved_ns;       /* the newest instant that was proved; 0 = none yet */
    /* Which answers are proof-grade. */
    int64_t answered_ns;         /* the last answered probe; 0 = none yet */
    int64_t silence_answered_ns; /* the first answer after a silence; 0 = that is over */
    /* Whether the consumer is alive. */
    uint64_t activity;
    uint64_t activity_began; /* when the watch did */
    int64_t heard_ns;
    bool unheard; /* the last consumer never was: nothing is proved until this one is */
    /* Whether a message is on its way that takes long to arrive. */
    uint64_t bytes;       /* that the connection had received at the last look ... */
    uint64_t bytes_whole; /* ... and when the last whole message was noticed */
    bool arriving;
    int64_t next_at_ns; /* the next message is asked for no earlier */
    /* Of the first answer of this session since which no message was removed from the stream. */
    bool removed_known;
    uint64_t removed;      /* how many had been removed by then, since it was created */
    uint64_t removed_last; /* the last sequence then */
    /* The answer whose keys are being counted (holes.h). */
    bool counting;
    struct probe counting_probe;
    struct hole counting_hole;
    /* What the last listing of this session came to. */
    bool listed;
    uint64_t listed_unknown; /* subjects of which there is no row */
    uint64_t listed_odd;     /* events without a row, by then */
    uint64_t listed_forgotten; /* ingest_forgotten(), by then */
    uint64_t listed_removed; /* messages that had been removed, by then */
    int64_t agreed_ns;       /* when subjects and keys were the same at last, or were listed */
    int64_t listing_at_ns;   /* not before */
    bool hole_tried;         /* there was a hole when the last probe was sent, and there still is */
    /* A message that is in the stream and does not arrive. */
    uint64_t stalled_sequence; /* 0 = none */
    int64_t stalled_since_ns;
};

/* Show an error in /v1/status, and log it unless it is the one that was logged last. */
void session_show_error(struct session *s, const char *message, const char *kind);

/* For names and jitter alone. */
uint64_t session_random(void);
/* A name that no other consumer has. */
#define SESSION_CONSUMER_BYTES 32
void session_consumer_name(char out[SESSION_CONSUMER_BYTES]);

/* What the broker warned of lately, on either connection. */
bool session_warning(struct session *s, char warning[256]);

/* Wait, but not past a stop. False when the source is stopping. */
bool session_sleep(struct session *s, int64_t duration_ns);

/* Wake the reads that wait for what an answer proves; all of them where the stream shows another incarnation than
 * before. */
void session_wake_waiting(struct session *s);

/* Load s->row: what is written of the stream, as it is stored now. */
SG_MUST_CHECK enum sg_status session_load(struct session *s, struct sg_error *err);

/* The position of the build that is written, as of the last commit. */
uint64_t session_position(const struct session *s);

/* The highest sequence that the stream had, as far as a build tells: its position, or the head when it began, which
 * rows that are served beside it may be proved by. */
uint64_t session_seen(const struct session *s);

#endif
