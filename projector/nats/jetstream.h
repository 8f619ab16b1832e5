/* The requests of the JetStream API that the gateway makes, and their answers as plain values. Written against the API
 * itself (ADR-31 and its kin) rather than a client library's view of it: what proves freshness must be seen as it
 * was sent. */
#ifndef STATEGATE_PROJECTOR_NATS_JETSTREAM_H
#define STATEGATE_PROJECTOR_NATS_JETSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/time.h"
#include "core/base/status.h"
#include "core/domain/stream.h"
#include "projector/nats/connection.h"

#define JETSTREAM_HEARTBEAT_NS (1 * NS_PER_S)
#define JETSTREAM_INACTIVE_NS (10 * NS_PER_S)      /* the server deletes a consumer that nobody listens to after this */
#define JETSTREAM_LOOK_INACTIVE_NS (1 * NS_PER_S)
#define JETSTREAM_MESSAGE_BYTES_MAX (1u << 20) /* of an answer that is read for a message's sequence and time */
#define JETSTREAM_REPLICA_ACTIVE_NS (3 * NS_PER_S) /* a replica heard of by the leader within this counts as active */
#define JETSTREAM_SUBJECT_BYTES 1200
#define JETSTREAM_SUBJECTS_SHOWN_BYTES 128

enum stream_retention { RETENTION_LIMITS, RETENTION_OTHER };

struct stream_info {
    int64_t created_ns;  /* 0 = not shown */
    uint64_t first;
    uint64_t last;
    int64_t last_time_ns; /* of the last message; 0 = not shown */
    int64_t now_ns;       /* the broker's wall clock; ours where it is not shown */
    uint64_t messages;   /* that are there */
    uint64_t subjects_count; /* of the messages that are there */
    /* Settings of the stream that matter here. */
    enum stream_retention retention;
    int64_t max_messages_per_subject; /* -1 = no limit */
    int64_t max_age_ns;   /* 0 = none */
    int64_t duplicate_window_ns; /* in which the broker drops a message with an id that it has; 0 = not shown */
    bool message_ttl;     /* single messages may expire */
    bool delete_markers;  /* expiry of a subject's last message leaves a marker */
    int64_t inactive_threshold_ns; /* the most that a consumer may ask for; 0 = any */
    bool takes_filter;    /* a message that the filter matches may come to it; true where that cannot be known ... */
    bool subjects_known;  /* ... as it takes messages of other streams, or renames them */
    char subjects[JETSTREAM_SUBJECTS_SHOWN_BYTES]; /* those it takes, as far as they fit; for people */
    /* It holds what others hold: a mirror, or one with sources. */
    bool mirrored;
    bool mirror_current;        /* it has heard of each of them, and had all of it then */
    int64_t mirror_heard_ns;    /* how long ago; of several, the longest */
    bool filter_is_all;   /* every message of the stream matches the filter */
    char rest[JETSTREAM_SUBJECTS_SHOWN_BYTES]; /* else, what those have that do not, if that can be said; "" */
    /* Replicated, and the answer does not come from a leader with a majority: worth nothing as a proof. */
    bool replicated;
    bool leader_proved;   /* true where not replicated */
};

/* All block up to NATS_REQUEST_TIMEOUT_MS, a look twice as long. Errors as nats_request; SG_NOT_FOUND: the
 * stream (or, for jetstream_next, a message) does not exist;
 * SG_INVALID: the answer is not understood or the request was refused. */
struct jetstream {
    struct nats_connection *connection; /* borrowed; for questions */
    const char *domain;    /* borrowed; "" = none */
    const char *stream;    /* borrowed */
    const char *filter;    /* borrowed; of the messages that matter */
};

/* Read an answer to STREAM.INFO of a stream that is followed by `filter`. SG_INVALID: no JSON object, or without
 * sequences; SG_NOT_FOUND, SG_INVALID: it is an error. */
SG_MUST_CHECK enum sg_status jetstream_info_read(struct slice answer, const char *stream, const char *filter,
                                                 struct stream_info *out, struct sg_error *err);

SG_MUST_CHECK enum sg_status jetstream_info(const struct jetstream *js, struct stream_info *out, struct sg_error *err);

/* The same; the subjects that match info->rest are not among its subjects_count. Of them there are few. */
SG_MUST_CHECK enum sg_status jetstream_info_without(const struct jetstream *js, const char *rest,
                                                    struct stream_info *out, struct sg_error *err);

/* An ephemeral push consumer without acknowledgements, from `start` (1 = from the first there is), with flow control
 * and heartbeats, kept in the server's memory. Asked on `connection`, which listens at `inbox`: so the broker knows of
 * the one before the other. `limit_ns` is the stream's inactive_threshold_ns. `*pending`:
 * how many messages there are for it. */
SG_MUST_CHECK enum sg_status jetstream_create_consumer(const struct jetstream *js, struct nats_connection *connection,
                                                       const char *name, const char *inbox, uint64_t start,
                                                       int64_t limit_ns, uint64_t *pending, struct sg_error *err);

/* The same for questions, which sends the last message of each subject, without its body, and then what is
 * published. */
SG_MUST_CHECK enum sg_status jetstream_create_listing(const struct jetstream *js, const char *name, const char *inbox,
                                                      int64_t limit_ns, uint64_t *pending, struct sg_error *err);

/* Of the sequences `within`, those whose message was deleted, as ascending ranges; the last one also spans what there
 * is no room for. The stream's first sequence lies below. Deletions that came meanwhile may be among them. */
SG_MUST_CHECK enum sg_status jetstream_deleted(const struct jetstream *js, struct gap within, struct gap *ranges,
                                               size_t ranges_max, size_t *ranges_count, struct sg_error *err);
/* How many of the sequences up to `last` have no message, as it was deleted or lies below the stream's first one. */
SG_MUST_CHECK enum sg_status jetstream_removed(const struct jetstream *js, uint64_t last, uint64_t *count,
                                               struct sg_error *err);

struct stream_message {
    uint64_t sequence;
    int64_t time_ns;
    char subject[1024]; /* "" where it is longer */
};
/* The first message at or after `from` that the filter matches, without its body: by a consumer `name` of its own,
 * which delivers one message and ends JETSTREAM_LOOK_INACTIVE_NS later. Its server may be a follower that lags:
 * SG_NOT_FOUND is no proof, a message that is later than `from` is, as the messages before it were there before it.
 * The subject is as it was published. */
SG_MUST_CHECK enum sg_status jetstream_look(const struct jetstream *js, const char *name, uint64_t from,
                                            int64_t limit_ns, struct stream_message *out, struct sg_error *err);
/* The first of them that is not older than that millisecond; otherwise as jetstream_look. */
SG_MUST_CHECK enum sg_status jetstream_look_since(const struct jetstream *js, const char *name, int64_t time_ns,
                                                  int64_t limit_ns, struct stream_message *out, struct sg_error *err);
/* The message at `sequence`, asked of the stream itself: followers answer the direct API. Its body comes with it; where
 * that is too large, all of `out` is 0. In the subject U+FFFD stands for each byte that is not UTF-8. */
SG_MUST_CHECK enum sg_status jetstream_message(const struct jetstream *js, uint64_t sequence,
                                               struct stream_message *out, struct sg_error *err);
/* The first message at or after `from` whose subject matches the filter; likewise. */
SG_MUST_CHECK enum sg_status jetstream_next(const struct jetstream *js, uint64_t from, struct stream_message *out,
                                            struct sg_error *err);

#endif
