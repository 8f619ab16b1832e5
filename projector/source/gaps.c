/* Beginning a build. */
#include "projector/source/gaps.h"

enum sg_status session_begin_build(struct session *s, int64_t created_ns, const struct epoch *epoch, uint64_t target,
                                   struct sg_error *err)
{
    s->target_set = false; /* should this fail, the next proof sets it */
    s->generation = queue_next_generation(s->queue);
    enum sg_status status =
        ingest_begin_build(s->context.ingest, s->stream, created_ns, epoch, target, err);
    if (status != SG_OK)
        return status;
    s->target_set = true;
    return SG_OK;
}
