/* After a commit: what the reading side must know of it. */
#include "projector/ingest/publish.h"

#include "core/base/log.h"
#include "projector/ingest/keys.h"

void publish_wake(struct ingest *ingest, size_t stream, uint64_t position)
{
    int64_t proof_ns;
    int64_t probe_ns;
    progress_committed(ingest->context.progress, stream, position);
    freshness_newest(ingest->context.freshness, stream, &proof_ns, &probe_ns);
    progress_proved(ingest->context.progress, stream, proof_ns, probe_ns);
}

void publish_entities(struct ingest *ingest, size_t count)
{
    struct progress *progress = ingest->context.progress;
    if (!progress_entities_wanted(progress))
        return;
    for (size_t i = 0; i < count; i++) {
        const struct event *e = &ingest->events[i];
        bool matters = ingest->results[i] == RESULT_APPLIED || ingest->results[i] == RESULT_REJECTED;
        if (matters && e->collection.bytes > 0 && e->id.bytes > 0)
            progress_entity_changed(progress, progress_entity(progress, e->collection, e->id));
    }
}

/* Another build is served. */
static void publish_build(struct ingest *ingest, size_t stream, const struct stream *served)
{
    ingest->writers[stream].served_build = served->build;
    ingest->sweep_needed = true;
    freshness_swapped(ingest->context.freshness, stream);
    progress_changed(ingest->context.progress);
    log_event(LOG_INFO, "build_served", LOG_STR("stream", served->name), LOG_INT("build", served->build),
              LOG_STR("epoch", served->epoch.text), LOG_UINT("position", served->position));
}

/* For the source, which reads the position first: it then finds at least the hole of that commit. What waits already
 * waits for the hole to be settled, too. */
static void writer_publish(struct ingest *ingest, size_t stream, uint64_t position, int64_t time_ns, struct hole hole)
{
    struct stream_writer *writer = &ingest->writers[stream];
    bool appeared = hole.first != 0 && atomic_load_explicit(&writer->hole_first, memory_order_relaxed) == 0;
    atomic_store(&writer->hole_first, hole.first);
    atomic_store(&writer->hole_last, hole.last);
    atomic_store_explicit(&writer->position_time_ns, 0, memory_order_relaxed);
    atomic_store(&writer->position, position);
    atomic_store_explicit(&writer->position_time_ns, time_ns, memory_order_release);
    count_keys_due(ingest, stream, position);
    if (appeared && progress_waited(ingest->context.progress, stream))
        progress_want_probe(ingest->context.progress, stream);
}

enum sg_status publish_row(struct ingest *ingest, size_t stream, struct sg_error *err)
{
    struct stream_writer *writer = &ingest->writers[stream];
    struct stream served;
    struct build written;
    enum sg_status status = store_stream_load(ingest->context.store, writer->id, &served, err);
    if (status == SG_OK)
        status = store_build_load(ingest->context.store, writer->id, &written, err);
    if (status != SG_OK)
        return status;
    writer->epoch = written.epoch;
    writer->is_next = written.is_next;
    writer_publish(ingest, stream, written.position, written.position_time_ns, written.hole);
    if (served.build != writer->served_build)
        publish_build(ingest, stream, &served);
    freshness_applied(ingest->context.freshness, stream, served.settled, &served.epoch);
    if (!epoch_equal(&writer->served_epoch, &served.epoch)) {
        /* Also when it becomes known: a read that demands this epoch waits for nothing else that would wake it. */
        writer->served_epoch = served.epoch;
        progress_changed(ingest->context.progress);
    }
    publish_wake(ingest, stream, freshness_met(ingest->context.freshness, stream, served.position, served.settled));
    return SG_OK;
}

enum sg_status publish_position(struct ingest *ingest, size_t stream, uint64_t position, int64_t time_ns,
                                struct hole hole, struct sg_error *err)
{
    struct stream_writer *writer = &ingest->writers[stream];
    if (writer->is_next)
        return publish_row(ingest, stream, err);
    writer_publish(ingest, stream, position, time_ns, hole);
    uint64_t settled = position_settled(position, &hole);
    freshness_applied(ingest->context.freshness, stream, settled, &writer->epoch);
    publish_wake(ingest, stream, freshness_met(ingest->context.freshness, stream, position, settled));
    return SG_OK;
}
