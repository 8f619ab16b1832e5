/* The values of declared fields of states that are stored already: for rows that were written before their collection
 * declared the fields that it declares now. */
#ifndef STATEGATE_PROJECTOR_SHAPE_EXTRACT_H
#define STATEGATE_PROJECTOR_SHAPE_EXTRACT_H

#include "core/base/status.h"
#include "core/domain/settings.h"
#include "store/writer.h"

/* Of all collections; one thread at a time. */
struct extractor;

/* The settings outlive it. SG_INVALID (what is no pointer), SG_MEMORY. */
SG_MUST_CHECK enum sg_status extractor_create(const struct settings *settings, struct extractor **out,
                                              struct sg_error *err);
/* NULL is allowed. */
void extractor_destroy(struct extractor *extractor);

/* What the store calls; valid as long as the extractor. */
struct store_extract extractor_callback(struct extractor *extractor);

#endif
