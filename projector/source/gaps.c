/* Events that are lost: recorded as gaps, or a reason to build again. */
#include "projector/source/gaps.h"

#include "core/base/log.h"

bool gaps_possible(const struct session *s, const struct stream_info *info)
{
    bool only_superseded = info->max_messages_per_subject >= 1 && info->max_messages < 0 && info->max_bytes < 0 &&
                           info->max_age_ns == 0 && !info->message_ttl && s->settings->subject.has_id;
    return !only_superseded;
}

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
    s->explained_up_to = 0;
    return SG_OK;
}

enum sg_status session_add_gap(struct session *s, uint64_t first, uint64_t last, const struct stream_info *info,
                               struct sg_error *err)
{
    bool rebuild = s->settings->on_gap == ON_GAP_REBUILD;
#ifdef SG_PLANT_GAP_UNTOLD
    s->explained_up_to = last;
#endif
    if (first <= s->explained_up_to)
        first = s->explained_up_to + 1;
    if (first > last)
        return SG_OK;
    enum sg_status status =
        rebuild ? session_begin_build(s, s->row.created_ns, &s->row.epoch, info->last, err)
                : ingest_add_gap(s->context.ingest, s->stream, first, last, err);
    if (status != SG_OK)
        return status;
    atomic_fetch_add_explicit(&metrics_stream(s->context.metrics, s->stream)->gaps, 1, memory_order_relaxed);
    log_event(LOG_WARN, "gap_found", LOG_STR("stream", s->settings->name), LOG_UINT("first", first),
              LOG_UINT("last", last), LOG_STR("action", rebuild ? "rebuild" : "continue"));
    if (!rebuild) {
        s->explained_up_to = last;
        return SG_OK;
    }
    return sg_fail(err, SG_UNAVAILABLE, "stream %s: building again after a gap", s->settings->name);
}

enum sg_status session_judge_skipped(struct session *s, const struct skipped_range *skipped, size_t count,
                                     const struct stream_info *info, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < count && status == SG_OK; i++) {
        uint64_t last = skipped[i].last < info->first ? skipped[i].last : info->first - 1;
        if (skipped[i].first < info->first && gaps_possible(s, info))
            status = session_add_gap(s, skipped[i].first, last, info, err);
        if (status == SG_OK)
            nats_forget_skipped(s->connection, skipped[i].last);
    }
    return status;
}
