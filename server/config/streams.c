/* The list of streams: each entry of the file becomes one struct stream_settings, or is refused. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/config_internal.h"

#define STREAM_PREFIX "streams[]."
#define BUCKET_PREFIX "KV_"

/* One entry on its way. */
struct entry {
    const struct config_source *source;
    const struct config_node *node; /* NULL = there is no list in the file */
    bool only;                      /* the only stream: overrides are meant for it */
    char path[CONFIG_PATH_BYTES];   /* streams[1] */
    struct stream_settings *out;    /* zeroed; owned by the settings, which free it whatever happens */
    struct sg_error *err;
};

static enum sg_status refuse(const struct entry *e, const char *key, const char *format, ...) SG_PRINTF(3, 4);
static enum sg_status refuse(const struct entry *e, const char *key, const char *format, ...)
{
    char path[CONFIG_PATH_BYTES + 32];
    char sentence[sizeof e->err->message];
    (void)snprintf(path, sizeof path, "%s.%s", e->path, key);
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

/* The text of a key of the entry, as the file or what replaces it has it; NULL = neither. */
static const char *given(const struct entry *e, const struct config_key *key)
{
    const struct config_override *override = e->only ? config_find_override(e->source, key) : NULL;
    const struct config_node *node = config_tree_find(e->node, key->path + sizeof STREAM_PREFIX - 1);
    return override != NULL ? override->text : node != NULL ? node->text : NULL;
}

/* What each key holds by itself. */
static enum sg_status apply_single_keys(struct entry *e)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; config_key_at(i) != NULL && status == SG_OK; i++) {
        const struct config_key *key = config_key_at(i);
        if (strncmp(key->path, STREAM_PREFIX, sizeof STREAM_PREFIX - 1) != 0 || key->kind == KIND_TEXTS)
            continue;
        const char *name = key->path + sizeof STREAM_PREFIX - 1;
        const char *text = given(e, key);
        if (text == NULL && e->node != NULL && key->home == HOME_STREAM && key->kind == KIND_TEXT)
            return refuse(e, name, "is required");
        char path[CONFIG_PATH_BYTES + 32];
        (void)snprintf(path, sizeof path, "%s.%s", e->path, name);
        text = text != NULL ? text : key->fallback;
        status = text != NULL ? config_store(e->source, key, path, text, e->out, e->err) : SG_OK;
    }
    return status;
}

/* The subject as given; without one, a bucket's name gives it, and so does having no list of streams at all. */
static enum sg_status choose_subject(const struct entry *e, char out[CONFIG_TEXT_BYTES_MAX + 1])
{
    const struct config_key *key = config_key_find(STREAM_PREFIX "subject");
    const char *subject = given(e, key);
    bool is_bucket = strncmp(e->out->name, BUCKET_PREFIX, sizeof BUCKET_PREFIX - 1) == 0;
    if (subject != NULL)
        (void)snprintf(out, CONFIG_TEXT_BYTES_MAX + 1, "%s", subject);
    else if (e->out->format == FORMAT_KV && is_bucket)
        (void)snprintf(out, CONFIG_TEXT_BYTES_MAX + 1, "$KV.%s.{id}", e->out->name + sizeof BUCKET_PREFIX - 1);
    else if (e->out->format == FORMAT_KV)
        return refuse(e, "subject", "is required: %s is not the stream of a bucket (KV_<bucket>)",
                      config_clip(e->out->name).text);
    else if (e->node != NULL)
        return refuse(e, "subject", "is required, for example %s", key->fallback);
    else
        (void)snprintf(out, CONFIG_TEXT_BYTES_MAX + 1, "%s", key->fallback);
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
static enum sg_status apply_fixed(struct entry *e, const char *name)
{
    if (e->out->subject.has_collection)
        return refuse(e, "collection", "cannot stand beside a template with {collection}; collections: [...] would "
                                       "choose among them");
    e->out->collections = calloc(1, sizeof *e->out->collections);
    if (e->out->collections == NULL)
        return sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
    e->out->collections_count = 1;
    e->out->fixed_collection = true;
    return copy_text(e, name, &e->out->collections[0]);
}

/* `collections: [x, y]`, for a template that tells. */
static enum sg_status apply_list(struct entry *e, const struct config_node *list)
{
    if (!e->out->subject.has_collection)
        return refuse(e, "collections", "cannot be told apart by a template without {collection}; use collection");
    e->out->collections = calloc(list->count, sizeof *e->out->collections);
    if (e->out->collections == NULL)
        return sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
    e->out->collections_count = list->count;
    size_t i = 0;
    for (const struct config_node *node = list->first; node != NULL; node = node->next, i++) {
        const char *wrong = config_check_collection_name(node->text);
        char key[32];
        (void)snprintf(key, sizeof key, "collections[%zu]", i);
        if (wrong != NULL)
            return refuse(e, key, "%s", wrong);
        enum sg_status status = copy_text(e, node->text, &e->out->collections[i]);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

static enum sg_status apply_names(struct entry *e)
{
    const struct config_node *fixed = config_tree_find(e->node, "collection");
    const struct config_node *list = config_tree_find(e->node, "collections");
    if (fixed != NULL && list != NULL)
        return refuse(e, "collection", "cannot stand beside collections");
    if (fixed != NULL)
        return apply_fixed(e, fixed->text);
    if (list != NULL)
        return apply_list(e, list);
    if (!e->out->subject.has_collection)
        return refuse(e, "collection", "is required: the template %s has no {collection}",
                      config_clip(e->out->subject.text).text);
    return SG_OK;
}

static enum sg_status apply_entry(struct entry *e)
{
    enum sg_status status = apply_single_keys(e);
    if (status == SG_OK)
        status = apply_subject(e);
    return status == SG_OK ? apply_names(e) : status;
}

/* With several streams in the file it would be unclear which one is meant. */
static enum sg_status refuse_overrides(const struct config_source *source, size_t streams_count, struct sg_error *err)
{
    for (size_t i = 0; i < source->overrides_count; i++) {
        const struct config_override *override = &source->overrides[i];
        if (strncmp(override->key->path, STREAM_PREFIX, sizeof STREAM_PREFIX - 1) == 0)
            return sg_fail(err, SG_INVALID, "%s: cannot be given beside a file with %zu streams", override->origin,
                           streams_count);
    }
    return SG_OK;
}

enum sg_status config_apply_streams(const struct config_source *source, struct settings *out, struct sg_error *err)
{
    const struct config_node *list = config_tree_find(source->root, "streams");
    const struct config_node *node = list != NULL ? list->first : NULL;
    size_t count = list != NULL ? list->count : 1;
    if (count > 1 && refuse_overrides(source, count, err) != SG_OK)
        return SG_INVALID;
    out->streams = calloc(count, sizeof *out->streams);
    if (out->streams == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory while reading the configuration");
    out->streams_count = count;
    for (size_t i = 0; i < count; i++) {
        struct entry e = {.source = source, .node = node, .only = count == 1, .out = &out->streams[i], .err = err};
        (void)snprintf(e.path, sizeof e.path, "streams[%zu]", i);
        enum sg_status status = apply_entry(&e);
        if (status != SG_OK)
            return status;
        node = node != NULL ? node->next : NULL;
    }
    return SG_OK;
}
