/* The headers that a read carries about itself. */
#ifndef STATEGATE_API_ANSWER_HEADERS_H
#define STATEGATE_API_ANSWER_HEADERS_H

#include "api/http/response.h"
#include "api/request/demands.h"
#include "api/answer/snapshot.h"
#include "core/domain/stream.h"

/* Preference-Applied, where the request said how long it would wait, and Server-Timing, where it did: `waited_ns`, or
 * below 0. */
void headers_wait(struct response *r, const struct demands *demands, int64_t waited_ns);

/* State-Position, State-Staleness and Age, State-Lag, State-Status: what holds at `now_ns`, when the answer is made. */
void headers_facts(struct response *r, const struct stream_facts *facts, int64_t now_ns);

/* The same, and State-Gap with all gaps: for an answer that rests on more than one event. */
void headers_facts_and_gaps(struct response *r, const struct stream_facts *facts, int64_t now_ns);

/* State-Gap with the gaps that lie after `sequence`, and `more` among them, which may overlap them (`first` 0 = no
 * more); none, no header. */
void headers_gaps_with(struct response *r, const struct stream *row, uint64_t sequence, struct gap more);

/* State-Rejected: the highest version, or "?" where one is not known; none, no header. */
void headers_rejections(struct response *r, const struct store_entity_rejections *rejections);

/* What an ETag stands for, within an epoch and the settings that shape the rows. */
struct revision {
    uint64_t sequence; /* of the event that made the entity; of a page the last one that changed its collection */
    bool page;         /* the rest is a page's */
    uint64_t entities; /* of the collection: builds of one epoch may differ in what was still in the stream */
    uint64_t settled;  /* what the stream was found to have no message of: it changes no sequence */
    uint32_t query;    /* a hash of what was asked for, but for the demands */
};

/* `"<epoch>.<rows>.<sequence>"`, with its quotes; of a page, since its position moves while its items stay,
 * `W/"<epoch>.<rows>.<sequence>.<entities>.<settled>.q<query>"`. Returns its length without the NUL; 0, and nothing is
 * written, while the epoch or the settings' hash is unknown. */
#define HEADERS_ETAG_BYTES 128
size_t headers_etag(const struct stream *row, const struct rows_hash *rows, const struct revision *revision,
                    char out[HEADERS_ETAG_BYTES]);

/* When an entity was last modified: its RFC 3339 time in seconds since 1970. False: it has none, or none that can be
 * shown, as it lies before 1970 or after `now_s`. */
bool headers_modified(struct slice occurred_at, int64_t now_s, int64_t *seconds);

/* Last-Modified, where headers_modified() knows it. */
void headers_last_modified(struct response *r, struct slice occurred_at, int64_t now_s);

/* Answer 503 `storage` and report it to the snapshot. */
void headers_storage(struct response *r, struct snapshot *snapshot, const struct sg_error *err);

#endif
