/* The list of streams: each entry of the file becomes one struct stream_settings, or is refused. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/config_internal.h"

#define NAME_DEFAULT "STATE"
#define SUBJECT_DEFAULT "state.{collection}.{id}"
#define BUCKET_PREFIX "KV_"

/* One entry on its way. */
struct entry {
    const struct config_source *source;
    size_t index;
    struct config_raw_stream raw; /* borrowed texts: the file's, replaced by the overrides */
    bool in_file;
    struct stream_settings *out;  /* zeroed; owned by the settings, which free it whatever happens */
    struct sg_error *err;
};

static enum sg_status refuse(const struct entry *e, const char *key, const char *format, ...) SG_PRINTF(3, 4);
static enum sg_status refuse(const struct entry *e, const char *key, const char *format, ...)
{
    char path[64];
    char sentence[sizeof e->err->message];
    (void)snprintf(path, sizeof path, "streams[%zu].%s", e->index, key);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return config_refuse(e->source, path, e->err, "%s", sentence);
}

static enum sg_status copy_text(const struct entry *e, const char *text, char **out)
{
    *out = strdup(text);
    return *out != NULL ? SG_OK : sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
}

static enum sg_status apply_name(struct entry *e)
{
    if (e->raw.name == NULL)
        return refuse(e, "name", "is required");
    const char *wrong = config_check_stream_name(e->raw.name);
    if (wrong != NULL)
        return refuse(e, "name", "%s", wrong);
    return copy_text(e, e->raw.name, &e->out->name);
}

static enum sg_status apply_format(struct entry *e)
{
    static const char *const later[] = {"cloudevents", "debezium", "custom"};
    const char *format = e->raw.format != NULL ? e->raw.format : stream_format_name(FORMAT_ENVELOPE);
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        if (strcmp(format, later[i]) == 0)
            return refuse(e, "format", "%s is not supported by this version", format);
    }
    if (!stream_format_of(format, &e->out->format))
        return refuse(e, "format", "must be envelope or kv, not %s", config_clip(format).text);
    return SG_OK;
}

/* The subject as given; without one, a bucket's name gives it, and so does having no list of streams at all. */
static enum sg_status choose_subject(const struct entry *e, char out[CONFIG_TEXT_BYTES_MAX + 1])
{
    bool is_bucket = strncmp(e->out->name, BUCKET_PREFIX, sizeof BUCKET_PREFIX - 1) == 0;
    if (e->raw.subject != NULL)
        (void)snprintf(out, CONFIG_TEXT_BYTES_MAX + 1, "%s", e->raw.subject);
    else if (e->out->format == FORMAT_KV && is_bucket)
        (void)snprintf(out, CONFIG_TEXT_BYTES_MAX + 1, "$KV.%s.{id}", e->out->name + sizeof BUCKET_PREFIX - 1);
    else if (e->out->format == FORMAT_KV)
        return refuse(e, "subject", "is required: %s is not the stream of a bucket (KV_<bucket>)",
                      config_clip(e->out->name).text);
    else if (e->in_file)
        return refuse(e, "subject", "is required, for example " SUBJECT_DEFAULT);
    else
        (void)snprintf(out, CONFIG_TEXT_BYTES_MAX + 1, "%s", SUBJECT_DEFAULT);
    return SG_OK;
}

static enum sg_status apply_subject(struct entry *e)
{
    char subject[CONFIG_TEXT_BYTES_MAX + 1];
    struct sg_error why = {0};
    enum sg_status status = choose_subject(e, subject);
    if (status != SG_OK)
        return status;
    if (subject_template_parse(subject, &e->out->subject, &why) != SG_OK)
        return refuse(e, "subject", "%s", why.message);
    if (e->out->format == FORMAT_KV && !e->out->subject.has_id)
        return refuse(e, "subject", "must hold {id}: format kv takes it from the key");
    return SG_OK;
}

/* `collection: x`, for a template that does not tell. */
static enum sg_status apply_fixed(struct entry *e)
{
    const char *wrong = config_check_collection_name(e->raw.collection);
    if (wrong != NULL)
        return refuse(e, "collection", "%s", wrong);
    if (e->out->subject.has_collection)
        return refuse(e, "collection", "cannot stand beside a template with {collection}; collections: [...] would "
                                       "choose among them");
    e->out->collections = calloc(1, sizeof *e->out->collections);
    if (e->out->collections == NULL)
        return sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
    e->out->collections_count = 1;
    e->out->fixed_collection = true;
    return copy_text(e, e->raw.collection, &e->out->collections[0]);
}

/* `collections: [x, y]`, for a template that tells. */
static enum sg_status apply_list(struct entry *e)
{
    if (!e->out->subject.has_collection)
        return refuse(e, "collections", "cannot be told apart by a template without {collection}; use collection");
    e->out->collections = calloc(e->raw.collections_count, sizeof *e->out->collections);
    if (e->out->collections == NULL)
        return sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
    e->out->collections_count = e->raw.collections_count;
    for (unsigned i = 0; i < e->raw.collections_count; i++) {
        const char *wrong = config_check_collection_name(e->raw.collections[i]);
        char key[32];
        (void)snprintf(key, sizeof key, "collections[%u]", i);
        if (wrong != NULL)
            return refuse(e, key, "%s", wrong);
        enum sg_status status = copy_text(e, e->raw.collections[i], &e->out->collections[i]);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

static enum sg_status apply_names(struct entry *e)
{
    if (e->raw.collection != NULL && e->raw.collections != NULL)
        return refuse(e, "collection", "cannot stand beside collections");
    if (e->raw.collection != NULL)
        return apply_fixed(e);
    if (e->raw.collections != NULL)
        return apply_list(e);
    if (!e->out->subject.has_collection)
        return refuse(e, "collection", "is required: the template %s has no {collection}",
                      config_clip(e->out->subject.text).text);
    return SG_OK;
}

static enum sg_status apply_policies(struct entry *e)
{
    const char *on_gap = e->raw.on_gap != NULL ? e->raw.on_gap : "continue";
    const char *expire = e->raw.expire != NULL ? e->raw.expire : "refuse";
    if (strcmp(on_gap, "continue") != 0 && strcmp(on_gap, "rebuild") != 0)
        return refuse(e, "on_gap", "must be continue or rebuild, not %s", config_clip(on_gap).text);
    if (strcmp(expire, "by-age") == 0)
        return refuse(e, "expire", "by-age is not supported by this version");
    if (strcmp(expire, "refuse") != 0)
        return refuse(e, "expire", "must be refuse, not %s", config_clip(expire).text);
    e->out->on_gap = strcmp(on_gap, "rebuild") == 0 ? ON_GAP_REBUILD : ON_GAP_CONTINUE;
    return SG_OK;
}

static enum sg_status apply_entry(struct entry *e)
{
    enum sg_status (*const steps[])(struct entry *) = {apply_name, apply_format, apply_subject, apply_names,
                                                       apply_policies};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum sg_status status = steps[i](e);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

/* ---- what the environment replaces ---- */

/* With several streams in the file it would be unclear which one is meant. */
static enum sg_status refuse_overrides(const struct config_source *source, unsigned streams_count,
                                       struct sg_error *err)
{
    for (size_t i = 0; i < source->overrides_count; i++) {
        if (strncmp(source->overrides[i].path, "streams[", 8) == 0)
            return config_refuse(source, source->overrides[i].path, err,
                                 "cannot be given beside a file with %u streams", streams_count);
    }
    return SG_OK;
}

/* The casts here take const away from texts that are only read. */
static void replace(const struct config_source *source, const char *path, char **text)
{
    const struct config_override *override = config_find_override(source, path);
    if (override != NULL)
        *text = (char *)override->text;
}

/* The texts of the only stream, or of the default one. */
static struct config_raw_stream only_stream(const struct config_source *source, const struct config_raw_stream *in_file)
{
    struct config_raw_stream raw = {.name = (char *)NAME_DEFAULT};
    if (in_file != NULL)
        raw = *in_file;
    replace(source, "streams[0].name", &raw.name);
    replace(source, "streams[0].subject", &raw.subject);
    replace(source, "streams[0].format", &raw.format);
    return raw;
}

enum sg_status config_apply_streams(const struct config_source *source, const struct config_raw *raw,
                                    struct settings *out, struct sg_error *err)
{
    unsigned in_file = raw != NULL ? raw->streams_count : 0;
    unsigned count = in_file > 0 ? in_file : 1;
    if (count > 1 && refuse_overrides(source, count, err) != SG_OK)
        return SG_INVALID;
    out->streams = calloc(count, sizeof *out->streams);
    if (out->streams == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory while reading the configuration");
    out->streams_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct entry e = {.source = source, .index = i, .in_file = in_file > 0, .out = &out->streams[i], .err = err};
        e.raw = count > 1 ? raw->streams[i] : only_stream(source, in_file > 0 ? &raw->streams[0] : NULL);
        enum sg_status status = apply_entry(&e);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}
