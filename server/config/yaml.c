/* The file's YAML as a tree of nodes, by libyaml's events. What the keys mean is not known here.
 *
 *   in a mapping   scalar -> a node with this key, pending    value -> the pending node's
 *   in a list      value -> a node
 *   value          a scalar is done; a mapping or list is open until its end event */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "server/config/config_internal.h"

struct parse {
    const struct config_source *source;
    struct sg_error *err;
    struct config_node *root;   /* owned, with all the others: it is the first that is made */
    struct config_node *newest;
    size_t nodes_count;
    struct config_node *open[CONFIG_DEPTH_MAX];
    size_t depth;
    struct config_node *pending; /* a key of the innermost mapping that waits for its value; else NULL */
};

/* ---- refusals ---- */

/* Append one step to a path: ".key", or "[index]". */
static void write_step(const struct config_node *around, const struct config_node *node, char *path, size_t path_bytes)
{
    size_t used = strlen(path);
    if (node->key != NULL)
        (void)snprintf(path + used, path_bytes - used, "%s%s", used > 0 ? "." : "", config_clip(node->key).text);
    else if (around != NULL)
        (void)snprintf(path + used, path_bytes - used, "[%zu]", around->count - 1);
}

/* Where the parser is: the nodes that are open, and the key that waits for its value. */
static void write_path(const struct parse *p, char path[CONFIG_PATH_BYTES])
{
    path[0] = '\0';
    for (size_t i = 0; i < p->depth; i++)
        write_step(i > 0 ? p->open[i - 1] : NULL, p->open[i], path, CONFIG_PATH_BYTES);
    if (p->pending != NULL)
        write_step(p->open[p->depth - 1], p->pending, path, CONFIG_PATH_BYTES);
}

static enum sg_status refuse(const struct parse *p, unsigned line, const char *sentence)
{
    char path[CONFIG_PATH_BYTES];
    write_path(p, path);
    return config_refuse_line(p->source, line, path, p->err, "%s", sentence);
}

static enum sg_status fail_memory(const struct parse *p)
{
    return sg_fail(p->err, SG_MEMORY, "out of memory while reading the configuration");
}

/* The line of a byte of the text: libyaml gives no line for what is not even UTF-8. */
static unsigned line_of_offset(const struct config_source *source, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < source->bytes; i++)
        line += source->text[i] == '\n' ? 1 : 0;
    return line;
}

static enum sg_status refuse_syntax(const struct parse *p, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return fail_memory(p);
    bool has_mark = parser->error != YAML_READER_ERROR;
    unsigned line = has_mark ? (unsigned)parser->problem_mark.line + 1
                             : line_of_offset(p->source, parser->problem_offset);
    return config_refuse_line(p->source, line, "", p->err, "not valid YAML: %s",
                              parser->problem != NULL ? parser->problem : "cannot be parsed");
}

/* ---- nodes ---- */

/* A node with a copy of `text` (NULL = none), the last in `around` (NULL = the top). */
static enum sg_status make_node(struct parse *p, const void *text, size_t bytes, unsigned line,
                                struct config_node *around, struct config_node **out)
{
    if (p->nodes_count == CONFIG_NODES_MAX)
        return config_refuse_line(p->source, line, "", p->err, "must hold at most %d values", CONFIG_NODES_MAX);
    struct config_node *node = calloc(1, sizeof *node + (text != NULL ? bytes + 1 : 0));
    if (node == NULL)
        return fail_memory(p);
    char *copy = (char *)(node + 1);
    if (text != NULL)
        memcpy(copy, text, bytes);
    node->key = text != NULL ? copy : NULL;
    node->key_bytes = bytes;
    node->line = line;
    node->key_line = line;
    if (p->newest != NULL)
        p->newest->made_next = node;
    p->newest = node;
    p->nodes_count++;
    *out = node;
    if (around == NULL) {
        p->root = node;
        return SG_OK;
    }
    if (around->last == NULL)
        around->first = node;
    else
        around->last->next = node;
    around->last = node;
    around->count++;
    return SG_OK;
}

static enum sg_status take_key(struct parse *p, struct config_node *mapping, const yaml_event_t *event, unsigned line)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(p, line, "a key must be a word");
    const void *key = event->data.scalar.value;
    size_t bytes = event->data.scalar.length;
    const struct config_node *same = mapping->first;
    while (same != NULL && !(same->key_bytes == bytes && memcmp(same->key, key, bytes) == 0))
        same = same->next;
    if (mapping->count == CONFIG_MAPPING_KEYS_MAX) {
        char path[CONFIG_PATH_BYTES];
        write_path(p, path);
        return config_refuse_line(p->source, line, path, p->err, "must have at most %d keys", CONFIG_MAPPING_KEYS_MAX);
    }
    enum sg_status status = make_node(p, key, bytes, line, mapping, &p->pending);
    if (status != SG_OK || same == NULL)
        return status;
    char path[CONFIG_PATH_BYTES];
    write_path(p, path);
    return config_refuse_line(p->source, line, path, p->err, "stands here a second time, after line %u",
                              same->key_line);
}

/* The text of a scalar whose node has a key already stands in a block of its own. */
static enum sg_status keep_text(struct parse *p, struct config_node *node, const yaml_event_t *event)
{
    size_t bytes = event->data.scalar.length;
    char *text = malloc(bytes + 1);
    if (text == NULL)
        return fail_memory(p);
    memcpy(text, event->data.scalar.value, bytes);
    text[bytes] = '\0';
    node->text = text;
    node->text_bytes = bytes;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return SG_OK;
}

static enum sg_status take_value(struct parse *p, const yaml_event_t *event, unsigned line)
{
    struct config_node *around = p->depth > 0 ? p->open[p->depth - 1] : NULL;
    struct config_node *node = p->pending;
    enum sg_status status = node == NULL ? make_node(p, NULL, 0, line, around, &node) : SG_OK;
    if (status != SG_OK)
        return status;
    node->line = line;
    if (event->type == YAML_SCALAR_EVENT) {
        p->pending = NULL;
        return keep_text(p, node, event);
    }
    if (p->depth == CONFIG_DEPTH_MAX)
        return config_refuse_line(p->source, line, "", p->err, "must have at most %d mappings and lists in each other",
                                  CONFIG_DEPTH_MAX);
    node->form = event->type == YAML_MAPPING_START_EVENT ? CONFIG_MAPPING : CONFIG_SEQUENCE;
    p->pending = NULL;
    p->open[p->depth++] = node;
    return SG_OK;
}

/* ---- events ---- */

static enum sg_status take_event(struct parse *p, const yaml_event_t *event, unsigned *documents)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    struct config_node *around = p->depth > 0 ? p->open[p->depth - 1] : NULL;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++*documents > 1 ? refuse(p, line, "must hold one YAML document only") : SG_OK;
    case YAML_ALIAS_EVENT:
        return refuse(p, line, "aliases (*name) are not supported");
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return around != NULL && around->form == CONFIG_MAPPING && p->pending == NULL
                   ? take_key(p, around, event, line)
                   : take_value(p, event, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        p->depth--;
        return SG_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return SG_OK;
    }
    return SG_OK;
}

static enum sg_status take_events(struct parse *p, yaml_parser_t *parser)
{
    unsigned documents = 0;
    bool ended = false;
    while (!ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return refuse_syntax(p, parser);
        ended = event.type == YAML_STREAM_END_EVENT;
        enum sg_status status = take_event(p, &event, &documents);
        yaml_event_delete(&event);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

enum sg_status config_tree_parse(const struct config_source *source, struct config_node **out, struct sg_error *err)
{
    struct parse p = {.source = source, .err = err};
    yaml_parser_t parser;
    const char *dots = "";
    const char *file = config_file_tail(source->file, &dots);
    if (source->bytes > CONFIG_FILE_BYTES_MAX)
        return sg_fail(err, SG_INVALID, "%s%s: is larger than %u bytes", dots, file, CONFIG_FILE_BYTES_MAX);
    if (!yaml_parser_initialize(&parser))
        return fail_memory(&p);
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->bytes);
    enum sg_status status = take_events(&p, &parser);
    yaml_parser_delete(&parser);
    if (status == SG_OK)
        *out = p.root;
    else
        config_tree_free(p.root);
    return status;
}

void config_tree_free(struct config_node *root)
{
    while (root != NULL) {
        struct config_node *next = root->made_next;
        free((char *)root->text); /* takes const away from a text of our own */
        free(root);
        root = next;
    }
}

/* ---- finding ---- */

/* The entry or key with which `*path` begins, and the path after it; NULL = it is not there. */
static const struct config_node *step(const struct config_node *node, const char **path)
{
    const struct config_node *at = node->first;
    if (**path == '[') {
        char *end = NULL;
        unsigned long long index = strtoull(*path + 1, &end, 10);
        for (; at != NULL && index > 0; index--)
            at = at->next;
        *path = *end == ']' ? end + 1 : end;
    } else {
        size_t bytes = strcspn(*path, ".[");
        while (at != NULL && !(at->key_bytes == bytes && at->key != NULL && memcmp(at->key, *path, bytes) == 0))
            at = at->next;
        *path += bytes;
    }
    *path += **path == '.' ? 1 : 0;
    return at;
}

const struct config_node *config_tree_nearest(const struct config_node *node, const char *path)
{
    while (node != NULL && *path != '\0') {
        const struct config_node *next = step(node, &path);
        if (next == NULL)
            break;
        node = next;
    }
    return node;
}

const struct config_node *config_tree_find(const struct config_node *node, const char *path)
{
    while (node != NULL && *path != '\0')
        node = step(node, &path);
    return node;
}
