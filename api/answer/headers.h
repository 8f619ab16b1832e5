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

/* `"<epoch>.b<build>.<number>"`, with its quotes, and `.<settled>` at its end unless that is 0. Returns NULL while the
 * epoch is unknown. */
#define HEADERS_ETAG_BYTES 96
const char *headers_etag(const struct stream *row, uint64_t number, uint64_t settled, char out[HEADERS_ETAG_BYTES]);

/* Last-Modified from an RFC 3339 time; left out if it cannot be read or lies beyond `now_s`. */
void headers_last_modified(struct response *r, struct slice occurred_at, int64_t now_s);

/* Answer 503 `storage` and report it to the snapshot. */
void headers_storage(struct response *r, struct snapshot *snapshot, const struct sg_error *err);

#endif
