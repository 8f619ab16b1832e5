/* Everything in the settings that shapes a stream's rows, as one text. */
#include "projector/ingest/fingerprint.h"

enum sg_status fingerprint_make(const struct settings *settings, const struct stream_settings *stream,
                                struct buffer *out, struct sg_error *err)
{
    buffer_append_format(out, "%s %s", stream->subject.text, stream_format_name(stream->format));
    for (size_t i = 0; i < stream->collections_count; i++)
        buffer_append_format(out, " %s", stream->collections[i]);
    /* A stream without a list has what no other one lists. */
    for (size_t i = 0; stream->collections_count == 0 && i < settings->streams_count; i++) {
        for (size_t k = 0; k < settings->streams[i].collections_count; k++)
            buffer_append_format(out, " !%s", settings->streams[i].collections[k]);
    }
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        if (settings_owner(settings, slice_of(collection->name)) != (int)(stream - settings->streams))
            continue;
        for (size_t k = 0; k < collection->drop_count; k++)
            buffer_append_format(out, " %s-%s", collection->name, collection->drop[k]);
    }
    buffer_append(out, "", 1);
    return out->failed ? sg_fail(err, SG_MEMORY, "the settings of stream %s are too long", stream->name) : SG_OK;
}
