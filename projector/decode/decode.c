/* What all formats share: the subject's part of an event, ownership of collections, ids, rejection. */
#include "projector/decode/decode.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/utf8.h"
#include "projector/decode/decoder.h"

#define DECODE_DETAIL_BYTES 160

void decode_reject(struct decoder *d, enum event_reason reason, const char *format, ...)
{
    char text[DECODE_DETAIL_BYTES];
    va_list args;
    if (decode_is_rejected(d))
        return;
    d->event->kind = EVENT_REJECTED;
    d->event->reason = reason;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (bytes < 0)
        bytes = 0;
    if ((size_t)bytes >= sizeof text)
        bytes = (int)sizeof text - 1;
    if (!region_copy(&d->arena->kept, (struct slice){text, (size_t)bytes}, &d->event->detail))
        d->event->detail = SLICE_LITERAL("no memory for the detail"); /* the reason must do */
}

bool decode_is_rejected(const struct decoder *d)
{
    return d->event->kind == EVENT_REJECTED;
}

bool decode_id_is_valid(struct slice id)
{
    return id.bytes > 0 && id.bytes <= EVENT_ID_BYTES_MAX && memchr(id.data, '\0', id.bytes) == NULL &&
           !slice_equal(id, SLICE_LITERAL(".")) && !slice_equal(id, SLICE_LITERAL("..")) && utf8_valid(id);
}

void decode_use_message_id_header(struct decoder *d)
{
    struct slice header = d->message->message_id;
    if (header.bytes <= EVENT_TEXT_BYTES_MAX && utf8_valid(header))
        d->event->message_id = header;
}

static bool decode_lists(const struct stream_settings *stream, struct slice collection)
{
    for (size_t i = 0; i < stream->collections_count; i++) {
        if (slice_equal(slice_of(stream->collections[i]), collection))
            return true;
    }
    return false;
}

/* Does this stream own the collection? One without a list owns what no other stream lists. */
static bool decode_owns(const struct decoder *d, struct slice collection)
{
    if (d->stream->collections_count > 0)
        return decode_lists(d->stream, collection);
    return d->settings->streams_count == 1 || settings_owner(d->settings, collection) == (int)d->stream_index;
}

/* Collection and id, as far as the subject has them. False: the subject fits no collection of this stream. */
static bool decode_subject(struct decoder *d)
{
    struct slice collection;
    struct slice id;
    if (!subject_template_match(&d->stream->subject, d->message->subject, &collection, &id))
        return false;
    if (d->stream->fixed_collection)
        collection = slice_of(d->stream->collections[0]);
    if (collection.bytes == 0 || !decode_owns(d, collection))
        return false;
    if (collection.bytes > EVENT_COLLECTION_BYTES_MAX)
        decode_reject(d, REASON_BAD_COLLECTION, "the collection's name is longer than %d bytes",
                      EVENT_COLLECTION_BYTES_MAX);
    else if (!utf8_valid(collection) || slice_equal(collection, SLICE_LITERAL(".")) ||
             slice_equal(collection, SLICE_LITERAL("..")))
        decode_reject(d, REASON_BAD_COLLECTION, "the collection's name is not UTF-8, or is . or ..");
    else
        d->event->collection = collection;
    if (d->stream->subject.has_id && decode_id_is_valid(id))
        d->event->id = id;
    else if (d->stream->subject.has_id)
        decode_reject(d, REASON_BAD_ID, "the subject's id is longer than %d bytes, or not UTF-8", EVENT_ID_BYTES_MAX);
    return true;
}

static enum sg_status decode_format(struct decoder *d, struct sg_error *err)
{
    switch (d->stream->format) {
    case FORMAT_ENVELOPE: return decode_envelope(d, err);
    case FORMAT_KV: return decode_kv(d, err);
    }
    decode_reject(d, REASON_UNSUPPORTED, "the stream's format is unknown");
    return SG_OK;
}

/* A rejected event keeps what identifies it and nothing else. */
static void decode_strip(struct event *event)
{
    event->state = (struct slice){0};
    event->occurred_at = (struct slice){0};
    event->type = (struct slice){0};
    event->has_schema_version = false;
    event->schema_version = 0;
    event->message_id = (struct slice){0};
    event->correlation_id = (struct slice){0};
    event->causation_id = (struct slice){0};
}

enum sg_status decode(const struct settings *settings, size_t stream_index, const struct message *message,
                      struct decode_arena *arena, struct event *out, struct sg_error *err)
{
    struct event event = {
        .kind = EVENT_STATE,
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .subject = message->subject,
        .payload = message->payload,
    };
    struct decoder d = {
        .settings = settings,
        .stream = &settings->streams[stream_index],
        .stream_index = stream_index,
        .message = message,
        .arena = arena,
        .event = &event,
    };
    region_reset(&arena->scratch, DECODE_ARENA_KEPT_BYTES / 2);
    if (!decode_subject(&d)) {
        event.kind = EVENT_IGNORED;
        *out = event;
        return SG_OK;
    }
    if (settings->collections_count > 0)
        d.rules = settings_collection(settings, event.collection);
    /* What a collection must not keep must not be kept by way of its rejected events either. */
    event.payload_private = d.rules != NULL && d.rules->drop_count > 0;
    enum sg_status status = decode_format(&d, err);
    if (status != SG_OK)
        return status;
    if (decode_is_rejected(&d))
        decode_strip(&event);
    *out = event;
    return SG_OK;
}
