/* Holes: sequences that the consumer passed over, stored with the position (core/domain/stream.h). What they were is
 * settled here, by asking the stream: messages of other subjects, messages that newer ones superseded, or events that
 * are lost to this replica. Until then no proof beyond them counts, nor, where the filter passes no messages of
 * others over, a demanded position.
 *
 * A bucket is watched without holes as well: what it no longer has is deleted here, however it went. An answer proves
 * something of it once the bucket is shown to have as many keys as are known. */
#ifndef STATEGATE_PROJECTOR_SOURCE_HOLES_H
#define STATEGATE_PROJECTOR_SOURCE_HOLES_H

#include "projector/source/probe.h"

/* Of a stream with more deleted messages, all that lies in a hole counts as lost: a list of them is some bytes each. */
#define HOLES_DELETED_MAX 100000
/* Listings of subjects: so far apart at least, and a tenth of the time at most. */
#define HOLES_LISTING_INTERVAL_MS 1000
#define HOLES_LISTING_PART 10
/* While the difference is one of delete markers that are due, a key that went otherwise is hidden among them: it is
 * looked for so often. */
#define HOLES_DUE_LISTING_NS (10 * NS_PER_S)
#define HOLES_REVIEW_ROWS 4096 /* looked at between two batches: some milliseconds */

/* Was no message removed from `first` on, as the answer shows? Then what was not delivered from there on has subjects
 * that do not match. */
bool holes_nothing_removed(const struct session *s, const struct stream_info *info, uint64_t first);

/* A session begins: nothing is counted or compared yet. */
void holes_begin(struct session *s);

/* Does an answer prove something as it is, as there is nothing to settle before? */
bool holes_prove_at_once(const struct session *s, struct hole hole);

/* A proof-grade answer came, asked for when `hole` was there already: settle what can be settled by it. `*proved` is
 * set, with *proof, when something is proved: by this answer, or by a later one that a listing took. SG_UNAVAILABLE
 * also where a build begins again instead of a gap: the session must end. */
SG_MUST_CHECK enum sg_status holes_answered(struct session *s, struct hole hole, const struct probe *probe,
                                            struct probe *proof, bool *proved, struct sg_error *err);
/* The same when the keys of an earlier answer may have been counted by now. */
SG_MUST_CHECK enum sg_status holes_counted(struct session *s, struct probe *proof, bool *proved, struct sg_error *err);

/* What the position was just moved over, without an event: up to `last`. `after` was asked for when it had been found
 * empty. */
SG_MUST_CHECK enum sg_status holes_passed(struct session *s, uint64_t last, const struct probe *after,
                                          struct sg_error *err);

#endif
