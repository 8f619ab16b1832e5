/* The tables of declared fields, kept as they are declared: what streams' collections declare, and the steps of the
 * store that fill, index and remove. */
#ifndef STATEGATE_PROJECTOR_INGEST_FIELD_SETS_H
#define STATEGATE_PROJECTOR_INGEST_FIELD_SETS_H

#include "projector/ingest/ingest.h"

#define FIELD_SETS_ROWS_MAX 1000 /* taken into a set in one transaction, which its time cuts as well */

/* Only for the thread that holds `writing`; those that take NULL do nothing then. */

/* What takes values from stored states. SG_INVALID, SG_MEMORY. */
SG_MUST_CHECK enum sg_status field_sets_create(const struct settings *settings, struct field_sets **out,
                                               struct sg_error *err);
void field_sets_destroy(struct field_sets *sets);

/* Tell the store what the collections of a stream declare, once it is attached. */
SG_MUST_CHECK enum sg_status field_sets_declare(struct ingest *ingest, size_t stream, struct sg_error *err);
/* When the next step is due, on the boot clock; INT64_MAX = never. */
int64_t field_sets_at(const struct ingest *ingest);
/* A step, if one is due; a build that it makes whole is published. `*worked`: there may be more to do at once. On
 * failure it is tried again later. */
SG_MUST_CHECK enum sg_status field_sets_run(struct ingest *ingest, bool *worked, struct sg_error *err);

#endif
