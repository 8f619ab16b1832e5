/* Who owns which collection, and the settings of single collections. */
#include <stdlib.h>
#include <string.h>

#include "server/config/config_internal.h"

#define PATH_BYTES 64

/* ---- no collection twice ---- */

/* A name in the list of a stream. */
struct claim {
    const char *name;
    size_t stream;
    size_t index; /* in the stream's list */
};

/* By name, then in the order of the file. */
static int compare_claims(const void *left, const void *right)
{
    const struct claim *a = left;
    const struct claim *b = right;
    int order = strcmp(a->name, b->name);
    if (order == 0)
        order = (a->stream > b->stream) - (a->stream < b->stream);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static void claim_path(const struct settings *settings, const struct claim *claim, char out[PATH_BYTES])
{
    if (settings->streams[claim->stream].fixed_collection)
        (void)snprintf(out, PATH_BYTES, "streams[%zu].collection", claim->stream);
    else
        (void)snprintf(out, PATH_BYTES, "streams[%zu].collections[%zu]", claim->stream, claim->index);
}

static enum sg_status refuse_claim(const struct config_source *source, const struct settings *settings,
                                   const struct claim *first, const struct claim *second, struct sg_error *err)
{
    char path[PATH_BYTES];
    claim_path(settings, second, path);
    if (first->stream == second->stream)
        return config_refuse(source, path, err, "%s is listed twice", config_clip(second->name).text);
    return config_refuse(source, path, err, "%s belongs to stream %s already", config_clip(second->name).text,
                         config_clip(settings->streams[first->stream].name).text);
}

/* Fills `claims`, which has room for all of them. */
static void gather_claims(const struct settings *settings, struct claim *claims)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->streams_count; i++) {
        for (size_t k = 0; k < settings->streams[i].collections_count; k++)
            claims[count++] = (struct claim){settings->streams[i].collections[k], i, k};
    }
}

static size_t count_claims(const struct settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->streams_count; i++)
        count += settings->streams[i].collections_count;
    return count;
}

static enum sg_status check_claims(const struct config_source *source, const struct settings *settings,
                                   struct sg_error *err)
{
    size_t count = count_claims(settings);
    if (count > settings->collections_max)
        return config_refuse(source, "collections_max", err, "must be at least %zu: the streams name so many", count);
    if (count == 0)
        return SG_OK;
    struct claim *claims = calloc(count, sizeof *claims);
    if (claims == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory while reading the configuration");
    gather_claims(settings, claims);
    qsort(claims, count, sizeof *claims, compare_claims);
    enum sg_status status = SG_OK;
    for (size_t i = 1; i < count && status == SG_OK; i++) {
        if (strcmp(claims[i - 1].name, claims[i].name) == 0)
            status = refuse_claim(source, settings, &claims[i - 1], &claims[i], err);
    }
    free(claims);
    return status;
}

/* ---- no stream twice, one open template ---- */

static enum sg_status check_stream_pair(const struct config_source *source, const struct settings *settings,
                                        size_t first, size_t second, struct sg_error *err)
{
    const struct stream_settings *a = &settings->streams[first];
    const struct stream_settings *b = &settings->streams[second];
    char path[PATH_BYTES];
    if (strcmp(a->name, b->name) == 0) {
        (void)snprintf(path, sizeof path, "streams[%zu].name", second);
        return config_refuse(source, path, err, "%s is named twice", config_clip(b->name).text);
    }
    if (a->collections_count == 0 && b->collections_count == 0) {
        (void)snprintf(path, sizeof path, "streams[%zu].subject", second);
        return config_refuse(source, path, err,
                             "{collection} without a list of collections can stand on one stream only, and stands on "
                             "%s already",
                             config_clip(a->name).text);
    }
    return SG_OK;
}

enum sg_status config_check_owners(const struct config_source *source, const struct settings *settings,
                                   struct sg_error *err)
{
    for (size_t second = 1; second < settings->streams_count; second++) {
        for (size_t first = 0; first < second; first++) {
            enum sg_status status = check_stream_pair(source, settings, first, second, err);
            if (status != SG_OK)
                return status;
        }
    }
    return check_claims(source, settings, err);
}

/* ---- settings of single collections ---- */

/* One entry of `collections` on its way; `out` is zeroed, and freed with the settings whatever happens. */
struct entry {
    const struct config_source *source;
    size_t index;
    const struct config_node *node;
    struct collection_settings *out;
    struct sg_error *err;
};

static enum sg_status apply_name(struct entry *e, const struct settings *settings)
{
    const struct config_node *node = config_tree_find(e->node, "name");
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "collections[%zu].name", e->index);
    if (node == NULL)
        return config_refuse(e->source, path, e->err, "is required");
    if (settings_collection(settings, slice_of(node->text)) != NULL)
        return config_refuse(e->source, path, e->err, "%s stands in this list twice", config_clip(node->text).text);
    enum sg_status status =
        config_store(e->source, config_key_find("collections[].name"), path, node->text, e->out, e->err);
    /* A typing error here would keep what is to be dropped. */
    if (status == SG_OK && settings_owner(settings, slice_of(node->text)) == OWNER_NONE)
        return config_refuse(e->source, path, e->err, "%s belongs to no stream", config_clip(node->text).text);
    return status;
}

static enum sg_status apply_drop(struct entry *e, const char *pointer, size_t index)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "collections[%zu].drop[%zu]", e->index, index);
    const char *wrong = config_check_drop(pointer);
    if (wrong != NULL)
        return config_refuse(e->source, path, e->err, "%s", wrong);
    for (size_t i = 0; i < e->out->drop_count; i++) {
        if (strcmp(e->out->drop[i], pointer) == 0)
            return config_refuse(e->source, path, e->err, "%s is listed twice", config_clip(pointer).text);
    }
    char *copy = strdup(pointer);
    if (copy == NULL)
        return sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
    e->out->drop[e->out->drop_count++] = copy;
    return SG_OK;
}

static enum sg_status apply_drops(struct entry *e)
{
    const struct config_node *list = config_tree_find(e->node, "drop");
    enum sg_status status = SG_OK;
    if (list == NULL)
        return SG_OK;
    e->out->drop = calloc(list->count, sizeof *e->out->drop);
    if (e->out->drop == NULL)
        return sg_fail(e->err, SG_MEMORY, "out of memory while reading the configuration");
    size_t index = 0;
    for (const struct config_node *node = list->first; node != NULL && status == SG_OK; node = node->next)
        status = apply_drop(e, node->text, index++);
    return status;
}

/* What is not given stays 0: without a limit. */
static enum sg_status apply_tombstones(struct entry *e)
{
    static const char *const names[] = {"tombstones.keep", "tombstones.max"};
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < sizeof names / sizeof names[0]; i++) {
        const struct config_node *node = config_tree_find(e->node, names[i]);
        char key[PATH_BYTES];
        char path[PATH_BYTES];
        (void)snprintf(key, sizeof key, "collections[].%s", names[i]);
        (void)snprintf(path, sizeof path, "collections[%zu].%s", e->index, names[i]);
        if (node != NULL)
            status = config_store(e->source, config_key_find(key), path, node->text, e->out, e->err);
    }
    return status;
}

static enum sg_status apply_entry(struct entry *e, const struct settings *settings)
{
    enum sg_status status = apply_name(e, settings);
    if (status == SG_OK)
        status = apply_drops(e);
    if (status == SG_OK)
        status = apply_tombstones(e);
    return status == SG_OK ? config_apply_fields(e->source, e->index, e->node, e->out, e->err) : status;
}

enum sg_status config_apply_collections(const struct config_source *source, struct settings *out, struct sg_error *err)
{
    const struct config_node *list = config_tree_find(source->root, "collections");
    if (list == NULL || list->count == 0)
        return SG_OK;
    out->collections = calloc(list->count, sizeof *out->collections);
    if (out->collections == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory while reading the configuration");
    size_t index = 0;
    for (const struct config_node *node = list->first; node != NULL; node = node->next, index++) {
        struct entry e = {source, index, node, &out->collections[index], err};
        enum sg_status status = apply_entry(&e, out);
        out->collections_count = index + 1; /* also on failure, so that what the entry owns is freed */
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}
