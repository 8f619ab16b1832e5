/* What a collection can be asked by: its declared fields and indexes. */
#include <string.h>

#include "server/config/config_internal.h"

#define PATH_BYTES 64

/* A collection on its way. */
struct entry {
    const struct config_source *source;
    size_t index; /* of the collection */
    struct collection_settings *out;
    struct sg_error *err;
};

/* What the entry of a field says of a key, once it is checked; NULL = refused. The bytes are those of the file. */
static const char *field_text(const struct entry *e, const struct config_node *node, size_t index, const char *name)
{
    const struct config_node *value = config_tree_find(node, name);
    char path[PATH_BYTES];
    char pattern[PATH_BYTES];
    (void)snprintf(path, sizeof path, "collections[%zu].fields[%zu].%s", e->index, index, name);
    (void)snprintf(pattern, sizeof pattern, "collections[].fields[].%s", name);
    if (value == NULL) {
        (void)config_refuse(e->source, path, e->err, "is required");
        return NULL;
    }
    const struct config_key *key = config_key_find(pattern);
    return config_store(e->source, key, path, value->text, NULL, e->err) == SG_OK ? value->text : NULL;
}

static enum field_type type_of(const char *word)
{
    unsigned type = 0;
    while (type < FIELD_TYPES_COUNT && strcmp(field_type_name((enum field_type)type), word) != 0)
        type++;
    return (enum field_type)type;
}

/* The words of core/domain/fields.h say what is wrong. */
static enum sg_status refuse(const struct entry *e, const char *path, const struct sg_error *why)
{
    if (why->status != SG_INVALID)
        return sg_fail(e->err, why->status, "%s", why->message);
    return config_refuse(e->source, path, e->err, "%s", why->message);
}

/* The dropped member that a field would lie in, or NULL. Where an element of an array goes, another one takes its
 * place. */
static const char *dropped_around(const struct collection_settings *collection, const char *at)
{
    for (size_t i = 0; i < collection->drop_count; i++) {
        const char *dropped = collection->drop[i];
        const char *last = strrchr(dropped, '/') + 1;
        bool is_index = last[0] != '\0' && last[strspn(last, "0123456789")] == '\0';
        size_t bytes = strlen(dropped);
        if (!is_index && strncmp(at, dropped, bytes) == 0 &&
            (at[bytes] == '\0' || at[bytes] == '/'))
            return dropped;
    }
    return NULL;
}

static enum sg_status apply_field(const struct entry *e, const struct config_node *node, size_t index)
{
    const char *name = field_text(e, node, index, "name");
    const char *at = name != NULL ? field_text(e, node, index, "at") : NULL;
    const char *type = at != NULL ? field_text(e, node, index, "type") : NULL;
    struct sg_error why = {0};
    char path[PATH_BYTES];
    if (type == NULL)
        return e->err->status;
    (void)snprintf(path, sizeof path, "collections[%zu].fields[%zu].name", e->index, index);
    const char *dropped = dropped_around(e->out, at);
    if (dropped != NULL) {
        (void)snprintf(path, sizeof path, "collections[%zu].fields[%zu].at", e->index, index);
        return config_refuse(e->source, path, e->err, "lies in what is dropped: %s", config_clip(dropped).text);
    }
    if (fields_add(&e->out->fields, slice_of(name), slice_of(at), type_of(type), &why) != SG_OK)
        return refuse(e, path, &why);
    return SG_OK;
}

static enum sg_status apply_index(const struct entry *e, const char *text, size_t index)
{
    struct sg_error why = {0};
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "collections[%zu].indexes[%zu]", e->index, index);
    if (fields_add_index(&e->out->fields, slice_of(text), &why) != SG_OK)
        return refuse(e, path, &why);
    return SG_OK;
}

enum sg_status config_apply_fields(const struct config_source *source, size_t index, const struct config_node *node,
                                   struct collection_settings *out, struct sg_error *err)
{
    const struct entry e = {source, index, out, err};
    const struct config_node *fields = config_tree_find(node, "fields");
    const struct config_node *indexes = config_tree_find(node, "indexes");
    const struct config_node *scan = config_tree_find(node, "scan");
    enum sg_status status = SG_OK;
    size_t at = 0;
    for (node = fields != NULL ? fields->first : NULL; node != NULL && status == SG_OK; node = node->next)
        status = apply_field(&e, node, at++);
    at = 0;
    for (node = indexes != NULL ? indexes->first : NULL; node != NULL && status == SG_OK; node = node->next)
        status = apply_index(&e, node->text, at++);
    if (status == SG_OK && scan != NULL) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "collections[%zu].scan", index);
        status = config_store(source, config_key_find("collections[].scan"), path, scan->text, out, err);
    }
    return status == SG_OK ? fields_hash_of(&out->fields, &out->fields_hash, err) : status;
}
