/* The file's tree beside the table of keys: what is not known, and what has the wrong form. Values are looked at in
 * keys.c, streams.c and collections.c. A place is compared by its pattern, the path without indexes: streams[].name. */
#include <string.h>
#include <strings.h>

#include "server/config/config_internal.h"

#define PATTERN_BYTES 128  /* the table's longest has less than 40 */
#define KNOWN_BYTES 256    /* of a list of known keys in a message */
#define NEAR_BYTES_MAX 32  /* of a key that is compared for a typing error; the table's longest part has 21 */
#define NEAR_DISTANCE_MAX 2 /* typing errors in one key: more is another word */

struct place {
    char path[CONFIG_PATH_BYTES]; /* streams[1].name */
    char pattern[PATTERN_BYTES];  /* streams[].name */
};

struct match {
    const struct config_source *source;
    struct sg_error *err;
};

/* ---- what the table knows ---- */

/* What follows `pattern` in the path of the row; NULL = the row lies elsewhere. */
static const char *after(const struct config_key *key, const char *pattern)
{
    size_t bytes = strlen(pattern);
    return strncmp(key->path, pattern, bytes) == 0 ? key->path + bytes : NULL;
}

/* The next name below `pattern` in the row's path; bytes 0 = there is none. */
static struct slice name_below(const struct config_key *key, const char *pattern)
{
    const char *rest = after(key, pattern);
    if (rest == NULL || (pattern[0] != '\0' && rest[0] != '.'))
        return (struct slice){0};
    rest += pattern[0] != '\0' ? 1 : 0;
    return (struct slice){rest, strcspn(rest, ".[")};
}

static bool is_mapping(const char *pattern)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        if (name_below(config_key_at(i), pattern).bytes > 0)
            return true;
    }
    return false;
}

/* ---- unknown keys ---- */

/* How many letters must be put in, left out, changed, or swapped with their neighbour; beyond `max`: max + 1. */
static size_t distance(struct slice a, struct slice b, size_t max)
{
    size_t rows[3][NEAR_BYTES_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    if (a.bytes > NEAR_BYTES_MAX || b.bytes > NEAR_BYTES_MAX)
        return max + 1;
    for (size_t k = 0; k <= b.bytes; k++)
        last[k] = k;
    for (size_t i = 1; i <= a.bytes; i++) {
        row[0] = i;
        for (size_t k = 1; k <= b.bytes; k++) {
            size_t least = last[k - 1] + (a.data[i - 1] != b.data[k - 1]);
            least = last[k] + 1 < least ? last[k] + 1 : least;
            least = row[k - 1] + 1 < least ? row[k - 1] + 1 : least;
            if (i > 1 && k > 1 && a.data[i - 1] == b.data[k - 2] && a.data[i - 2] == b.data[k - 1] &&
                before[k - 2] + 1 < least)
                least = before[k - 2] + 1;
            row[k] = least;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b.bytes] <= max ? last[b.bytes] : max + 1;
}

/* The known name that `key` is most likely meant to be; bytes 0 = none is near. */
static struct slice nearest_name(const char *pattern, struct slice key)
{
    struct slice best = {0};
    size_t least = key.bytes > 2 * NEAR_DISTANCE_MAX ? NEAR_DISTANCE_MAX + 1 : key.bytes / 2;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        struct slice name = name_below(config_key_at(i), pattern);
        size_t apart = name.bytes > 0 ? distance(key, name, NEAR_DISTANCE_MAX) : NEAR_DISTANCE_MAX + 1;
        if (apart < least) {
            least = apart;
            best = name;
        }
    }
    return best;
}

/* The names below `pattern`, in the order of the table, as many as have room. */
static void list_names(const char *pattern, char out[KNOWN_BYTES])
{
    struct slice last = {0};
    size_t used = 0;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        struct slice name = name_below(config_key_at(i), pattern);
        if (name.bytes == 0 || slice_equal(name, last))
            continue; /* rows of one mapping or list stand together */
        int added = snprintf(out + used, KNOWN_BYTES - used, "%s%.*s", used > 0 ? ", " : "", SLICE_ARGS(name));
        if (added < 0 || (size_t)added >= KNOWN_BYTES - used)
            break;
        used += (size_t)added;
        last = name;
    }
    out[used] = '\0';
}

static enum sg_status refuse_unknown(const struct match *m, const struct place *around, const char *path,
                                     const struct config_node *child)
{
    char known[KNOWN_BYTES];
    struct slice near = {0};
    if (strlen(child->key) == child->key_bytes)
        near = nearest_name(around->pattern, slice_of(child->key));
    list_names(around->pattern, known);
    return config_refuse_line(m->source, child->key_line, path, m->err, "unknown key%s%.*s%s (known here: %s)",
                              near.bytes > 0 ? "; did you mean " : "", SLICE_ARGS(near), near.bytes > 0 ? "?" : "",
                              known);
}

/* ---- forms ---- */

static enum sg_status match_scalar(const struct match *m, const struct place *place, const struct config_node *node)
{
    const char *text = node->text;
    if (node->plain && (node->text_bytes == 0 || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0))
        return config_refuse_line(m->source, node->line, place->path, m->err,
                                  "has no value (an empty one is written \"\")");
    if (node->text_bytes > CONFIG_TEXT_BYTES_MAX)
        return config_refuse_line(m->source, node->line, place->path, m->err, "must have at most %d bytes",
                                  CONFIG_TEXT_BYTES_MAX);
    for (size_t i = 0; i < node->text_bytes; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return config_refuse_line(m->source, node->line, place->path, m->err, "must not hold control characters");
    }
    return SG_OK;
}

/* Append as much of `text` as there is room for. Cut, it is a place that the table does not know. */
static void append(char *to, size_t to_bytes, const char *text)
{
    size_t used = strlen(to);
    size_t bytes = strlen(text);
    size_t room = to_bytes - 1 - used;
    memcpy(to + used, text, bytes < room ? bytes : room);
    to[used + (bytes < room ? bytes : room)] = '\0';
}

static void extend(struct place *place, const char *path, const char *pattern)
{
    append(place->path, sizeof place->path, path);
    append(place->pattern, sizeof place->pattern, pattern);
}

static enum sg_status match_value(const struct match *m, const struct place *place, const struct config_node *node);

static enum sg_status match_mapping(const struct match *m, const struct place *place, const struct config_node *node)
{
    enum sg_status status = SG_OK;
    for (const struct config_node *child = node->first; child != NULL && status == SG_OK; child = child->next) {
        struct place inner = *place;
        if (inner.pattern[0] != '\0')
            extend(&inner, ".", ".");
        extend(&inner, config_clip(child->key).text, child->key);
        bool is_name = child->key_bytes > 0 && strcspn(child->key, ".[") == child->key_bytes;
        bool known = is_name && (config_key_find(inner.pattern) != NULL || is_mapping(inner.pattern));
        status = known ? match_value(m, &inner, child) : refuse_unknown(m, place, inner.path, child);
    }
    return status;
}

static enum sg_status match_list(const struct match *m, const struct place *place, const struct config_key *key,
                                 const struct config_node *node)
{
    size_t index = 0;
    enum sg_status status = SG_OK;
    if ((int64_t)node->count < key->min)
        return config_refuse_line(m->source, node->line, place->path, m->err, "must have at least %d entry",
                                  (int)key->min);
    for (const struct config_node *child = node->first; child != NULL && status == SG_OK; child = child->next) {
        if ((int64_t)index == key->max)
            return config_refuse_line(m->source, child->line, place->path, m->err, "must have at most %d entries",
                                      (int)key->max);
        struct place inner = *place;
        char step[24];
        (void)snprintf(step, sizeof step, "[%zu]", index++);
        extend(&inner, step, "[]");
        if (key->kind == KIND_LIST)
            status = match_value(m, &inner, child);
        else if (child->form != CONFIG_SCALAR)
            status = config_refuse_line(m->source, child->line, inner.path, m->err, "must be a single value");
        else
            status = match_scalar(m, &inner, child);
    }
    return status;
}

/* A list in the place of a text. */
static enum sg_status match_texts(const struct match *m, const struct place *place, const struct config_key *key,
                                  const struct config_node *node)
{
    const struct config_key texts = {.kind = KIND_TEXTS, .max = (int64_t)key->list_max};
    return match_list(m, place, &texts, node);
}

/* No deeper than the table: a place that it does not know is refused before it is entered. */
static enum sg_status match_value(const struct match *m, const struct place *place, const struct config_node *node)
{
    const struct config_key *key = config_key_find(place->pattern);
    bool is_list = key != NULL && (key->kind == KIND_LIST || key->kind == KIND_TEXTS);
    enum config_form form = is_list ? CONFIG_SEQUENCE : key != NULL ? CONFIG_SCALAR : CONFIG_MAPPING;
    const char *const words[] = {
        [CONFIG_SCALAR] = "a single value",
        [CONFIG_SEQUENCE] = "a list",
        [CONFIG_MAPPING] = "a mapping of keys to values",
    };
    if (key != NULL && key->list_max > 0 && node->form == CONFIG_SEQUENCE)
        return match_texts(m, place, key, node);
    if (node->form != form)
        return config_refuse_line(m->source, node->line, place->path, m->err, "must be %s%s", words[form],
                                  key != NULL && key->list_max > 0 ? " or a list of them" : "");
    return form == CONFIG_SCALAR     ? match_scalar(m, place, node)
           : form == CONFIG_SEQUENCE ? match_list(m, place, key, node)
                                     : match_mapping(m, place, node);
}

enum sg_status config_match(const struct config_source *source, struct sg_error *err)
{
    struct match m = {.source = source, .err = err};
    struct place top = {0};
    return source->root != NULL ? match_value(&m, &top, source->root) : SG_OK;
}
