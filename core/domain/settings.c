/* Which stream a collection belongs to; the names of formats. */
#include "core/domain/settings.h"

#include <assert.h>

static const char *const format_names[] = {
#define STREAM_FORMAT_WORD(name, word) word,
    STREAM_FORMATS(STREAM_FORMAT_WORD)
#undef STREAM_FORMAT_WORD
};

const char *stream_format_name(enum stream_format format)
{
    assert((unsigned)format < STREAM_FORMATS_COUNT);
    return format_names[format];
}

int settings_owner(const struct settings *settings, struct slice collection)
{
    int open_stream = OWNER_NONE;
    if (collection.bytes == 0 || memchr(collection.data, '.', collection.bytes) != NULL)
        return OWNER_NONE; /* {collection} is one token of a subject, and a name in the settings obeys the same form */
    for (size_t i = 0; i < settings->streams_count; i++) {
        const struct stream_settings *stream = &settings->streams[i];
        if (stream->collections_count == 0)
            open_stream = (int)i;
        for (size_t k = 0; k < stream->collections_count; k++) {
            if (slice_equal(slice_of(stream->collections[k]), collection))
                return (int)i;
        }
    }
    return open_stream;
}

const struct collection_settings *settings_collection(const struct settings *settings, struct slice collection)
{
    for (size_t i = 0; i < settings->collections_count; i++) {
        if (slice_equal(slice_of(settings->collections[i].name), collection))
            return &settings->collections[i];
    }
    return NULL;
}
