/* Whether the consumer is alive: it must be heard every second. A full queue explains its silence, and so does a large
 * message, as long as bytes of it arrive. Source thread only; none blocks. */
#ifndef STATEGATE_PROJECTOR_SOURCE_ALIVE_H
#define STATEGATE_PROJECTOR_SOURCE_ALIVE_H

#include "projector/source/session.h"

/* Note what has arrived, and whether a message is on its way that takes longer to arrive than we look. */
void alive_look(struct session *s);
/* SG_UNAVAILABLE: nothing was heard of it for SOURCE_SILENCE_NS. */
SG_MUST_CHECK enum sg_status alive_check(struct session *s, struct sg_error *err);
/* The session ends with a consumer that was never heard. SG_UNAVAILABLE, with a sentence that says so. */
enum sg_status alive_fail_unheard(struct session *s, struct sg_error *err);

#endif
