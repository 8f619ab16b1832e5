/* The subject's part of an event, and which stream owns a collection; the rest is the format's. */
#include "projector/decode/decode.h"

#include <string.h>

#include "core/base/utf8.h"
#include "projector/decode/decoder.h"
#include "projector/decode/format.h"

static bool lists(const struct stream_settings *stream, struct slice collection)
{
    for (size_t i = 0; i < stream->collections_count; i++) {
        if (slice_equal(slice_of(stream->collections[i]), collection))
            return true;
    }
    return false;
}

/* Does this stream own the collection? One without a list owns what no other stream lists. */
static bool owns(const struct settings *settings, size_t stream, struct slice collection)
{
    if (settings->streams[stream].collections_count > 0)
        return lists(&settings->streams[stream], collection);
    return settings->streams_count == 1 || settings_owner(settings, collection) == (int)stream;
}

static void use_collection(struct decoder *d, struct slice collection)
{
    if (collection.bytes > EVENT_COLLECTION_BYTES_MAX)
        decode_reject(d, REASON_BAD_COLLECTION, "the collection's name is longer than %d bytes",
                      EVENT_COLLECTION_BYTES_MAX);
    else if (!utf8_valid(collection) || slice_equal(collection, SLICE_LITERAL(".")) ||
             slice_equal(collection, SLICE_LITERAL("..")))
        decode_reject(d, REASON_BAD_COLLECTION, "the collection's name is not UTF-8, or is . or ..");
    else
        d->event->collection = collection;
}

/* Collection and id, as far as the subject has them. False: the subject fits no collection of this stream. */
static bool use_subject(struct decoder *d, const struct settings *settings, size_t stream)
{
    struct slice collection;
    struct slice id;
    if (!subject_template_match(&d->stream->subject, d->message->subject, &collection, &id))
        return false;
    if (d->stream->fixed_collection)
        collection = slice_of(d->stream->collections[0]);
    if (collection.bytes == 0 || !owns(settings, stream, collection))
        return false;
    use_collection(d, collection);
    if (d->stream->subject.has_id && decode_id_is_valid(id))
        d->event->id = id;
    else if (d->stream->subject.has_id)
        decode_reject(d, REASON_BAD_ID, "the subject's id is longer than %d bytes, or not UTF-8", EVENT_ID_BYTES_MAX);
    return true;
}

enum sg_status decode_message(const struct settings *settings, size_t stream, const struct message *message,
                              struct arena *arena, struct event *out, struct sg_error *err)
{
    struct event event = {
        .kind = EVENT_STATE,
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .subject = message->subject,
        .payload = message->payload,
    };
    struct decoder d = {
        .stream = &settings->streams[stream],
        .message = message,
        .arena = arena,
        .event = &event,
    };
    arena_reset_scratch(arena);
    if (!use_subject(&d, settings, stream)) {
        event.kind = EVENT_IGNORED;
        *out = event;
        return SG_OK;
    }
    enum sg_status status = format_get(d.stream->format)->decode(&d, err);
    if (status != SG_OK)
        return status;
    if (decode_is_rejected(&d))
        event_strip(&event);
    *out = event;
    return SG_OK;
}
