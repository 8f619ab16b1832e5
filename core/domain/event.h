/* One decoded message of a stream, as decode makes it for the store: plain values and borrowed bytes. */
#ifndef STATEGATE_CORE_DOMAIN_EVENT_H
#define STATEGATE_CORE_DOMAIN_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

/* Limits on what a stream can make us keep. Each is tested at and beyond. */
#define EVENT_ID_BYTES_MAX 512          /* percent-encoded (x3) it still fits the HTTP request head */
#define EVENT_COLLECTION_BYTES_MAX 128  /* a label of metrics and a path segment */
#define EVENT_TEXT_BYTES_MAX 512        /* type, messageId, correlationId, causationId, subject as stored */
#define EVENT_PAYLOAD_BYTES_MAX (8u << 20) /* nats-server's own advice for max_payload is at most 8 MiB */
#define EVENT_DEPTH_MAX 64              /* nesting of arrays and objects in the payload */

enum event_kind {
    EVENT_STATE,     /* id, version, state */
    EVENT_PATCH,     /* id, version: `state` is merged into the document of the version before; no format makes any */
    EVENT_TOMBSTONE, /* id, version: deleted at that version */
    EVENT_ERASE,     /* id: an empty message; deleted, keeps the stored version */
    EVENT_IGNORED,   /* a subject that fits no collection of this stream */
    EVENT_REJECTED   /* cannot be applied: reason and detail */
};

/* Why an event was rejected. The word in the third column is the contract: SQL, JSON, metrics and logs use it. */
#define EVENT_REASONS(X)                                                                                               \
    X(REASON_NONE, "none")                                                                                             \
    X(REASON_BAD_JSON, "bad-json")                 /* not JSON, not UTF-8, or a lone surrogate */                      \
    X(REASON_DUPLICATE_MEMBER, "duplicate-member") /* a member twice in one object, at any depth */                    \
    X(REASON_BAD_TYPE, "bad-type")                 /* a member of the wrong type, or not an object at the top */       \
    X(REASON_MISSING_ID, "missing-id")             /* neither subject nor event carries it */                          \
    X(REASON_BAD_ID, "bad-id")                     /* empty, ".", "..", too long, or holds a NUL */                    \
    X(REASON_ID_MISMATCH, "id-mismatch")           /* subject and event disagree */                                    \
    X(REASON_MISSING_VERSION, "missing-version")                                                                       \
    X(REASON_BAD_VERSION, "bad-version")           /* not an integer 1 .. 2^63-1 written as one */                     \
    X(REASON_MISSING_STATE, "missing-state")       /* neither state nor deleted */                                     \
    X(REASON_BAD_COLLECTION, "bad-collection")     /* longer than the limit, or not UTF-8 */                           \
    X(REASON_TOO_LARGE, "too-large")                                                                                   \
    X(REASON_TOO_DEEP, "too-deep")                                                                                     \
    X(REASON_TOO_MANY_COLLECTIONS, "too-many-collections")                                                             \
    X(REASON_UNSUPPORTED, "unsupported")           /* a form that this version cannot apply */                         \
    X(REASON_MISSING_BASE, "missing-base")         /* a patch without the version that it patches */                   \
    X(REASON_CONFLICT, "conflict")                 /* last: recorded, not rejected: the version again, other content */

enum event_reason {
#define EVENT_REASON_ENUM(name, word) name,
    EVENT_REASONS(EVENT_REASON_ENUM)
#undef EVENT_REASON_ENUM
    EVENT_REASONS_COUNT
};

/* What applying an event came to: the label `result` of stategate_events_total. */
#define EVENT_RESULTS(X)                                                                                               \
    X(RESULT_APPLIED, "applied")                                                                                       \
    X(RESULT_REDELIVERED, "redelivered")                                                                               \
    X(RESULT_DUPLICATE, "duplicate")                                                                                   \
    X(RESULT_CONFLICT, "conflict")                                                                                     \
    X(RESULT_STALE, "stale")                                                                                           \
    X(RESULT_REJECTED, "rejected")                                                                                     \
    X(RESULT_IGNORED, "ignored")

enum event_result {
#define EVENT_RESULT_ENUM(name, word) name,
    EVENT_RESULTS(EVENT_RESULT_ENUM)
#undef EVENT_RESULT_ENUM
    EVENT_RESULTS_COUNT
};

/* The words of the two lists above. Any thread; static storage. */
const char *event_reason_name(enum event_reason reason);
const char *event_result_name(enum event_result result);

struct field_value;
struct json_value;

struct event {
    enum event_kind kind;
    uint64_t sequence;     /* of the stream */
    int64_t time_ns;       /* the stream's timestamp, wall clock of the server */
    struct slice subject;  /* as received */
    int64_t expires_ns;    /* of a bucket's tombstone: when the stream drops it, by the same clock; 0 = not by itself */

    /* Set where known, also for a rejected event; `bytes` 0 = unknown. */
    struct slice collection;
    struct slice id;
    int64_t version;       /* 0 = unknown */

    const struct json_value *document; /* of the state, as it was read; NULL once the state is written */
    struct slice state;    /* JSON, white space removed, numbers and order as written */
    const struct field_value *fields; /* taken from the state, in the order of the declaration; NULL = none is
                                       * declared, or there is no state */
    uint32_t mismatches;   /* of them, a bit each: the state has another value there than one of the declared type */
    struct slice occurred_at; /* RFC 3339 as written */
    struct slice type;
    int64_t schema_version; /* valid if has_schema_version */
    bool has_schema_version;
    struct slice message_id;
    struct slice correlation_id;
    struct slice causation_id;

    enum event_reason reason; /* REASON_NONE unless rejected */
    struct slice detail;      /* one sentence; never holds payload bytes */
    struct slice payload;     /* as received: hashed, and kept only where the configuration asks for it */
    bool payload_private;     /* the collection has members to drop: hash the payload, never keep it */
};

/* Reject it, unless it is rejected already: the first reason stays. `detail` must live as long as the event. */
void event_reject(struct event *event, enum event_reason reason, struct slice detail);
/* A rejected event keeps what identifies it and nothing else. */
void event_strip(struct event *event);

#endif
