/* One stream's batch, and whether the stream is halted. */
#include "projector/ingest/ingest.h"

#include <string.h>

#include "core/base/log.h"
#include "core/base/time.h"

void stream_writer_drop(struct stream_writer *writer, size_t count)
{
    queue_done(writer->queue, writer->items, count);
    writer->items_count -= count;
    memmove(&writer->items[0], &writer->items[count], writer->items_count * sizeof writer->items[0]);
}

void stream_writer_drop_void(struct stream_writer *writer)
{
    if (writer->items_count == 0 || queue_is_current(writer->queue, writer->items[0].generation))
        return;
    stream_writer_drop(writer, writer->items_count);
    writer->retry_at_ns = 0;
}

void ingest_succeeded(struct ingest *ingest, size_t stream)
{
    struct stream_writer *writer = &ingest->writers[stream];
    if (writer->retry_ms != 0 || writer->command_failed) {
        writer->command_failed = false;
        freshness_set_halted(ingest->context.freshness, stream, NULL);
        log_event(LOG_INFO, "ingest_resumed", LOG_STR("stream", ingest->context.settings->streams[stream].name));
    }
    writer->retry_ms = 0;
    writer->retry_at_ns = 0;
}

void ingest_command_failed(struct ingest *ingest, size_t stream, const struct sg_error *err)
{
    struct stream_writer *writer = &ingest->writers[stream];
    bool first = writer->retry_ms == 0 && !writer->command_failed;
    writer->command_failed = true;
    freshness_set_halted(ingest->context.freshness, stream, err->message);
    if (err->status == SG_CORRUPT)
        atomic_store(&ingest->failed, true);
    if (first)
        log_event(LOG_ERROR, "ingest_halted", LOG_STR("stream", ingest->context.settings->streams[stream].name),
                  LOG_STR("error", err->message));
}

void ingest_halted(struct ingest *ingest, size_t stream, const struct sg_error *err)
{
    struct stream_writer *writer = &ingest->writers[stream];
    bool first = writer->retry_ms == 0 && !writer->command_failed;
    writer->retry_ms = writer->retry_ms == 0 ? INGEST_RETRY_MIN_MS : writer->retry_ms * 2;
    if (writer->retry_ms > INGEST_RETRY_MAX_MS)
        writer->retry_ms = INGEST_RETRY_MAX_MS;
    writer->retry_at_ns = time_boot_ns() + writer->retry_ms * NS_PER_MS;
    freshness_set_halted(ingest->context.freshness, stream, err->message);
    if (err->status == SG_CORRUPT)
        atomic_store(&ingest->failed, true);
    if (first)
        log_event(LOG_ERROR, "ingest_halted", LOG_STR("stream", ingest->context.settings->streams[stream].name),
                  LOG_STR("error", err->message), LOG_INT("retrying_in_ms", writer->retry_ms));
}
