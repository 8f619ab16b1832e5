/* Fingerprints: canonical JSON, and the joined words of schema version 2. */
#include "projector/ingest/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "projector/decode/format.h"

static enum sg_status finish(const struct stream_settings *stream, struct buffer *out, struct sg_error *err)
{
    buffer_append(out, "", 1);
    return out->failed ? sg_fail(err, SG_MEMORY, "the settings of stream %s are too long", stream->name) : SG_OK;
}

static bool owns(const struct settings *settings, const struct stream_settings *stream,
                 const struct collection_settings *collection)
{
    return settings_owner(settings, slice_of(collection->name)) == (int)(stream - settings->streams);
}

/* ---- canonical JSON ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void append_sorted(struct buffer *out, const char **names, size_t count)
{
    qsort(names, count, sizeof *names, compare_names);
    buffer_append_text(out, "[");
    for (size_t i = 0, written = 0; i < count; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        if (written++ > 0)
            buffer_append_text(out, ",");
        buffer_append_json_string(out, slice_of(names[i]));
    }
    buffer_append_text(out, "]");
}

static size_t names_most(const struct settings *settings)
{
    size_t count = settings->collections_count;
    for (size_t i = 0; i < settings->streams_count; i++)
        count += settings->streams[i].collections_count;
    for (size_t i = 0; i < settings->collections_count; i++)
        count += settings->collections[i].drop_count;
    return count;
}

static void append_collections(struct buffer *out, const struct settings *settings,
                               const struct stream_settings *stream, const char **names)
{
    size_t count = 0;
    for (; count < stream->collections_count; count++)
        names[count] = stream->collections[count];
    buffer_append_text(out, ",\"collections\":");
    append_sorted(out, names, count);
    count = 0;
    /* A stream without a list has what no other one lists. */
    for (size_t i = 0; stream->collections_count == 0 && i < settings->streams_count; i++) {
        for (size_t k = 0; k < settings->streams[i].collections_count; k++)
            names[count++] = settings->streams[i].collections[k];
    }
    buffer_append_text(out, ",\"not\":");
    append_sorted(out, names, count);
}

static int compare_collections(const void *a, const void *b)
{
    const struct collection_settings *const *left = a;
    const struct collection_settings *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static void append_drop(struct buffer *out, const struct settings *settings, const struct stream_settings *stream,
                        const struct collection_settings **collections, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        if (collection->drop_count > 0 && owns(settings, stream, collection))
            collections[count++] = collection;
    }
    qsort(collections, count, sizeof *collections, compare_collections);
    buffer_append_text(out, ",\"drop\":{");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(out, ",");
        buffer_append_json_string(out, slice_of(collections[i]->name));
        buffer_append_text(out, ":");
        for (size_t k = 0; k < collections[i]->drop_count; k++)
            names[k] = collections[i]->drop[k];
        append_sorted(out, names, collections[i]->drop_count);
    }
    buffer_append_text(out, "}");
}

enum sg_status fingerprint_rows(const struct settings *settings, const struct stream_settings *stream,
                                struct buffer *out, struct sg_error *err)
{
    const char **names = calloc(names_most(settings) + 1, sizeof *names);
    const struct collection_settings **collections = calloc(settings->collections_count + 1, sizeof *collections);
    if (names != NULL && collections != NULL) {
        buffer_append_format(out, "{\"format\":\"%s\",\"decoder\":%u,\"subject\":",
                             stream_format_name(stream->format), format_get(stream->format)->revision);
        buffer_append_json_string(out, slice_of(stream->subject.text));
        append_collections(out, settings, stream, names);
        append_drop(out, settings, stream, collections, names);
        buffer_append_text(out, "}");
    } else {
        out->failed = true;
    }
    free(names);
    free(collections);
    return finish(stream, out, err);
}

enum sg_status fingerprint_hash(const struct settings *settings, const struct stream_settings *stream,
                                struct rows_hash *out, struct sg_error *err)
{
    struct buffer rows;
    unsigned char digest[DIGEST_BYTES];
    buffer_init(&rows, FINGERPRINT_BYTES_MAX);
    enum sg_status status = fingerprint_rows(settings, stream, &rows, err);
    if (status == SG_OK)
        status = digest_sha256((struct slice){rows.data, rows.bytes - 1}, digest, err);
    if (status == SG_OK)
        (void)snprintf(out->text, sizeof out->text, "r%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
    buffer_free(&rows);
    return status;
}

/* ---- schema version 2 ---- */

enum sg_status fingerprint_before(const struct settings *settings, const struct stream_settings *stream,
                                  unsigned revision, struct buffer *out, struct sg_error *err)
{
    if (revision != FINGERPRINT_BEFORE_REVISION)
        return sg_fail(err, SG_NOT_FOUND, "schema version 2 knew no decoder of revision %u", revision);
    buffer_append_format(out, "%s %s", stream->subject.text, stream->format == FORMAT_KV ? "kv" : "envelope");
    for (size_t i = 0; i < stream->collections_count; i++)
        buffer_append_format(out, " %s", stream->collections[i]);
    for (size_t i = 0; stream->collections_count == 0 && i < settings->streams_count; i++) {
        for (size_t k = 0; k < settings->streams[i].collections_count; k++)
            buffer_append_format(out, " !%s", settings->streams[i].collections[k]);
    }
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        if (!owns(settings, stream, collection))
            continue;
        for (size_t k = 0; k < collection->drop_count; k++)
            buffer_append_format(out, " %s-%s", collection->name, collection->drop[k]);
    }
    return finish(stream, out, err);
}
