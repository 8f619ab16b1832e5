/* Probes: the stream's information, and whether the answer is proof-grade. */
#ifndef STATEGATE_PROJECTOR_SOURCE_PROBE_H
#define STATEGATE_PROJECTOR_SOURCE_PROBE_H

#include "projector/source/session.h"

/* Can the stream be followed at all? SG_INVALID: no, with the reason. */
SG_MUST_CHECK enum sg_status probe_check_usable(const struct session *s, const struct stream_info *info,
                                                struct sg_error *err);

/* Ask for the stream's information and decide whether the answer is proof-grade; counts it. SG_INVALID: a proof-grade
 * answer shows that the stream cannot be followed, as it was edited. */
SG_MUST_CHECK enum sg_status session_probe(struct session *s, struct probe *out, struct sg_error *err);
/* Say of a proof-grade answer of s->row's incarnation what it shows; `proves`: that it proves something of the rows.
 * Gives the instant by which what was published ends where the answer shows; INT64_MIN = none is known. */
int64_t probe_publish(struct session *s, const struct probe *p, bool proves);
/* Ask until an answer is proof-grade. SG_UNAVAILABLE: several were not. */
SG_MUST_CHECK enum sg_status session_probe_proved(struct session *s, struct probe *out, struct sg_error *err);

#endif
