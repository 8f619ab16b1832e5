/* The event's way through the projector: take -> decode -> shape -> apply -> publish. */
#include "projector/ingest/batch.h"

#include "core/base/time.h"
#include "projector/ingest/keys.h"
#include "projector/ingest/publish.h"
#include "projector/ingest/tombstones.h"
#include "projector/shape/shape.h"

/* What became of one event. */
static void count_event(struct stream_metrics *m, struct ingest *ingest, const struct event *e,
                        enum event_result result, enum event_reason reason, int64_t now_ns)
{
    int64_t age_ns = now_ns - e->time_ns;
    if (result == RESULT_REJECTED)
        atomic_fetch_add_explicit(&m->rejected[reason], 1, memory_order_relaxed);
    if (result == RESULT_APPLIED && (e->kind == EVENT_TOMBSTONE || e->kind == EVENT_ERASE)) {
        metrics_tombstone(ingest->context.metrics, e->collection);
        tombstones_came(ingest->tombstones);
    }
    if (result == RESULT_APPLIED && e->mismatches != 0)
        metrics_mismatches(ingest->context.metrics, e->collection, e->mismatches);
    if (result == RESULT_REDELIVERED)
        return;
    if (age_ns < 0) {
        atomic_fetch_add_explicit(&m->clock_skew, 1, memory_order_relaxed);
        age_ns = 0;
    }
    metrics_histogram_add(&m->visible_seconds, (double)age_ns / (double)NS_PER_S);
}

static void batch_count(struct ingest *ingest, size_t stream, size_t count, int64_t apply_ns)
{
    struct stream_metrics *m = metrics_stream(ingest->context.metrics, stream);
    uint64_t by_result[EVENT_RESULTS_COUNT] = {0};
    int64_t now_ns = time_wall_ns();
    for (size_t i = 0; i < count; i++) {
        by_result[ingest->results[i]]++;
        count_event(m, ingest, &ingest->events[i], ingest->results[i], ingest->reasons[i], now_ns);
    }
    for (size_t r = 0; r < EVENT_RESULTS_COUNT; r++) {
        if (by_result[r] > 0)
            atomic_fetch_add_explicit(&m->events[r], by_result[r], memory_order_relaxed);
    }
    metrics_histogram_add(&m->batch_events, (double)count);
    metrics_histogram_add(&m->apply_seconds, (double)apply_ns / (double)NS_PER_S);
}

/* Of a bucket, whose markers expire without a word; one that is superseded does not. */
static void batch_note_markers(struct ingest *ingest, size_t stream, size_t count)
{
    if (ingest->context.settings->streams[stream].format != FORMAT_KV)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &ingest->events[i];
        if (ingest->results[i] != RESULT_APPLIED)
            continue;
        if (e->kind == EVENT_TOMBSTONE)
            markers_add(&ingest->writers[stream].markers, e->collection, e->id, e->time_ns, e->expires_ns);
        else
            markers_remove(&ingest->writers[stream].markers, e->collection, e->id);
    }
}

/* One message, decoded and shaped. */
static enum sg_status batch_decode_one(struct ingest *ingest, size_t stream, size_t at, struct sg_error *err)
{
    const struct stream_writer *writer = &ingest->writers[stream];
    struct event *event = &ingest->events[at];
    enum sg_status status = decode_message(&writer->decode, &writer->items[at].message, ingest->arena, event, err);
    return status == SG_OK ? shape_event(writer->shaper, event, ingest->arena, err) : status;
}

/* Decode and shape as many of the batch's messages as memory allows; 0 = none. */
static size_t batch_decode(struct ingest *ingest, size_t stream, struct sg_error *err)
{
    size_t count = 0;
    size_t items_count = count_keys_before(ingest, stream);
    arena_reset(ingest->arena);
    while (count < items_count && batch_decode_one(ingest, stream, count, err) == SG_OK)
        count++;
    return count;
}

/* Commit the first `count` events, count and publish the result: who sees the position finds its events counted. */
static enum sg_status batch_commit(struct ingest *ingest, size_t stream, size_t count, struct sg_error *err)
{
    uint64_t position = 0;
    int64_t began_ns = time_boot_ns();
#ifdef SG_PLANT_WAKE_BEFORE_COMMIT
    for (size_t i = 0; i < count; i++)
        ingest->results[i] = RESULT_APPLIED; /* probably */
    publish_entities(ingest, count);
    publish_wake(ingest, stream, ingest->events[count - 1].sequence);
#endif
    enum sg_status status = store_apply(ingest->context.store, ingest->writers[stream].id, ingest->events, count, NULL,
                                        ingest->results, ingest->reasons, &position, err);
    if (status != SG_OK)
        return status;
    batch_count(ingest, stream, count, time_boot_ns() - began_ns);
    batch_note_markers(ingest, stream, count);
    ingest_succeeded(ingest, stream); /* before it is published: who is woken by it would still read `halted` */
#ifndef SG_PLANT_WAKE_BEFORE_COMMIT
    publish_entities(ingest, count);
#endif
    const struct event *last = &ingest->events[count - 1];
    return publish_position(ingest, stream, position, last->sequence == position ? last->time_ns : 0,
                            store_applied_hole(ingest->context.store), err);
}

/* Messages that memory did not suffice for stay for the next iteration. */
static size_t batch_apply(struct ingest *ingest, size_t stream)
{
    struct sg_error err = {0};
    size_t count = batch_decode(ingest, stream, &err);
    enum sg_status status = count > 0 ? batch_commit(ingest, stream, count, &err) : err.status;
    if (status != SG_OK) {
        ingest_halted(ingest, stream, &err);
        return count > 0 ? count : 1;
    }
    stream_writer_drop(&ingest->writers[stream], count);
    return count;
}

size_t batch_run(struct ingest *ingest, size_t stream)
{
    struct stream_writer *writer = &ingest->writers[stream];
    stream_writer_drop_void(writer);
    if (writer->items_count == 0)
        writer->items_count =
            queue_take(writer->queue, writer->items, INGEST_BATCH_EVENTS_MAX, INGEST_BATCH_BYTES_MAX);
    if (writer->items_count == 0 || time_boot_ns() < writer->retry_at_ns)
        return 0;
    store_set_rejected_max(ingest->context.store, tunables_take(ingest->context.tunables)->rejected_max);
    return batch_apply(ingest, stream);
}
