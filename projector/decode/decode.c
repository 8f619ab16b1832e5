/* The subject's part of an event, and which stream owns a collection; the rest is the format's. */
#include "projector/decode/decode.h"

#include <string.h>

#include "core/base/utf8.h"
#include "projector/decode/decoder.h"
#include "projector/decode/format.h"

/* All names that streams list. Of one that two of them list, the first is the owner, as everywhere. */
static enum sg_status list_names(const struct settings *settings, size_t names_count, struct names **out,
                                 struct sg_error *err)
{
    enum sg_status status = names_create(names_count, out, err);
    for (size_t i = 0; i < settings->streams_count && status == SG_OK; i++) {
        for (size_t k = 0; k < settings->streams[i].collections_count; k++)
            names_add(*out, slice_of(settings->streams[i].collections[k]), (int)i);
    }
    return status;
}

enum sg_status decode_stream_open(const struct settings *settings, size_t stream, struct decode_stream *out,
                                  struct sg_error *err)
{
    size_t names_count = 0;
    size_t rest = settings->streams_count; /* the stream without a list; of several, the last */
    for (size_t i = 0; i < settings->streams_count; i++) {
        names_count += settings->streams[i].collections_count;
        rest = settings->streams[i].collections_count == 0 ? i : rest;
    }
    *out = (struct decode_stream){
        .settings = &settings->streams[stream], .index = (int)stream, .owns_rest = rest == stream};
    return names_count > 0 ? list_names(settings, names_count, &out->listed, err) : SG_OK;
}

void decode_stream_close(struct decode_stream *stream)
{
    names_destroy(stream->listed);
    stream->listed = NULL;
}

/* Does this stream own the collection? */
static bool owns(const struct decode_stream *stream, struct slice collection)
{
    int owner = stream->listed != NULL ? names_find(stream->listed, collection) : NAMES_NONE;
    return owner == NAMES_NONE ? stream->owns_rest : owner == stream->index;
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
static bool use_subject(struct decoder *d, const struct decode_stream *stream)
{
    struct slice collection;
    struct slice id;
    if (!subject_template_match(&d->stream->subject, d->message->subject, &collection, &id))
        return false;
    if (d->stream->fixed_collection)
        collection = slice_of(d->stream->collections[0]);
    if (collection.bytes == 0 || !owns(stream, collection))
        return false;
    use_collection(d, collection);
    if (d->stream->subject.has_id && decode_id_is_valid(id))
        d->event->id = id;
    else if (d->stream->subject.has_id)
        decode_reject(d, REASON_BAD_ID, "the subject's id is longer than %d bytes, or not UTF-8", EVENT_ID_BYTES_MAX);
    return true;
}

enum sg_status decode_message(const struct decode_stream *stream, const struct message *message, struct arena *arena,
                              struct event *out, struct sg_error *err)
{
    struct event event = {
        .kind = EVENT_STATE,
        .sequence = message->sequence,
        .time_ns = message->time_ns,
        .subject = message->subject,
        .payload = message->payload,
    };
    struct decoder d = {
        .stream = stream->settings,
        .message = message,
        .arena = arena,
        .event = &event,
    };
    arena_reset_scratch(arena);
    /* What the server publishes later, perhaps under another subject, is no state until then. */
    if (message->scheduled || !use_subject(&d, stream)) {
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
