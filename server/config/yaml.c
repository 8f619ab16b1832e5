/* Walks the file's YAML beside the schema, by libyaml's events: finds what does not fit, and the line of a key.
 *
 *   at a mapping   key -> remember its field    value -> compare with the field's schema
 *   at a list      value -> compare with the entry's schema
 *   compare        a scalar is done; a mapping or list is entered, and left at its end event
 *
 * The schema has no recursion, so nothing in the text can make the walk go deeper than it. */
#include <string.h>
#include <yaml.h>

#include "server/config/file.h"

#define WALK_DEPTH_MAX 8   /* the schema needs 4: file, streams, stream, collections */
#define WALK_PATH_BYTES 256 /* the longest path of the schema, with indexes, has less than 64 */

/* A mapping or list that the walk is in. */
struct level {
    const cyaml_schema_value_t *schema;
    const cyaml_schema_field_t *field; /* of a mapping: the key whose value comes next; NULL = a key comes next */
    uint64_t seen;                     /* of a mapping: a bit for each field */
    unsigned entries;                  /* of a list */
    size_t path_bytes;                 /* the path of the mapping or list itself */
    unsigned line;
};

struct walk {
    const struct config_source *source;
    const char *target;   /* the path whose line is wanted; NULL = check only */
    unsigned target_line;
    char path[WALK_PATH_BYTES];
    struct level levels[WALK_DEPTH_MAX];
    size_t depth;
    struct sg_error *err;
};

/* ---- refusals ---- */

/* The file and line are known here, so config_refuse(), which walks to find them, is not used. */
static enum sg_status refuse(struct walk *walk, unsigned line, const char *format, ...) SG_PRINTF(3, 4);
static enum sg_status refuse(struct walk *walk, unsigned line, const char *format, ...)
{
    char sentence[sizeof walk->err->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    const char *dots = "";
    const char *file = config_file_tail(walk->source->file, &dots);
    return sg_fail(walk->err, SG_INVALID, "%s%s:%u: %s%s%s", dots, file, line, walk->path,
                   walk->path[0] != '\0' ? ": " : "", sentence);
}

static enum sg_status refuse_unknown_key(struct walk *walk, const struct level *level, const char *key, unsigned line)
{
    char known[256] = "";
    size_t bytes = 0;
    for (const cyaml_schema_field_t *field = level->schema->mapping.fields; field->key != NULL; field++) {
        int added = snprintf(known + bytes, sizeof known - bytes, "%s%s", bytes > 0 ? ", " : "", field->key);
        if (added < 0 || (size_t)added >= sizeof known - bytes)
            break;
        bytes += (size_t)added;
    }
    known[bytes] = '\0';
    size_t path_bytes = strlen(walk->path);
    (void)snprintf(walk->path + path_bytes, sizeof walk->path - path_bytes, "%s%s", path_bytes > 0 ? "." : "",
                   config_clip(key).text);
    return refuse(walk, line, "unknown key (known here: %s)", known);
}

/* The line of a byte of the text: libyaml gives no line for what is not even UTF-8. */
static unsigned line_of_offset(const struct config_source *source, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < source->bytes; i++)
        line += source->text[i] == '\n' ? 1 : 0;
    return line;
}

static enum sg_status refuse_syntax(struct walk *walk, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return sg_fail(walk->err, SG_MEMORY, "out of memory while reading the configuration");
    bool has_mark = parser->error != YAML_READER_ERROR;
    unsigned line = has_mark ? (unsigned)parser->problem_mark.line + 1
                             : line_of_offset(walk->source, parser->problem_offset);
    walk->path[0] = '\0';
    return refuse(walk, line, "not valid YAML: %s", parser->problem != NULL ? parser->problem : "cannot be parsed");
}

/* ---- the walk ---- */

static struct level *top(struct walk *walk)
{
    return walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
}

static void note_line(struct walk *walk, unsigned line)
{
    if (walk->target != NULL && walk->target_line == 0 && strcmp(walk->target, walk->path) == 0)
        walk->target_line = line;
}

static enum sg_status enter_key(struct walk *walk, struct level *level, const yaml_event_t *event, unsigned line)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(walk, line, "a key must be a word");
    const char *key = (const char *)event->data.scalar.value;
    const cyaml_schema_field_t *field = level->schema->mapping.fields;
    while (field->key != NULL && strcmp(field->key, key) != 0)
        field++;
    if (field->key == NULL || strlen(key) != event->data.scalar.length)
        return refuse_unknown_key(walk, level, key, line);
    size_t bytes = level->path_bytes;
    (void)snprintf(walk->path + bytes, sizeof walk->path - bytes, "%s%s", bytes > 0 ? "." : "", key);
    uint64_t bit = UINT64_C(1) << (field - level->schema->mapping.fields);
    if (level->seen & bit)
        return refuse(walk, line, "stands here a second time");
    level->seen |= bit;
    level->field = field;
    note_line(walk, line);
    return SG_OK;
}

/* Begin the next entry of a list. */
static enum sg_status enter_entry(struct walk *walk, struct level *level, unsigned line)
{
    if (level->entries == level->schema->sequence.max)
        return refuse(walk, line, "must have at most %u entries", level->schema->sequence.max);
    size_t bytes = level->path_bytes;
    (void)snprintf(walk->path + bytes, sizeof walk->path - bytes, "[%u]", level->entries);
    level->entries++;
    note_line(walk, line);
    return SG_OK;
}

/* A value is complete: the path is again that of the mapping or list around it. */
static void leave_value(struct walk *walk)
{
    struct level *level = top(walk);
    walk->path[level != NULL ? level->path_bytes : 0] = '\0';
    if (level != NULL)
        level->field = NULL;
}

static enum sg_status check_scalar(struct walk *walk, const cyaml_schema_value_t *schema, const yaml_event_t *event,
                                   unsigned line)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t bytes = event->data.scalar.length;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (bytes == 0 || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0))
        return refuse(walk, line, "has no value (an empty one is written \"\")");
    if (bytes > schema->string.max)
        return refuse(walk, line, "must have at most %u bytes", schema->string.max);
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return refuse(walk, line, "must not hold control characters");
    }
    leave_value(walk);
    return SG_OK;
}

static enum sg_status check_value(struct walk *walk, const cyaml_schema_value_t *schema, const yaml_event_t *event,
                                  unsigned line)
{
    static const struct {
        cyaml_type_e type;
        yaml_event_type_t event;
        const char *word;
    } forms[] = {
        {CYAML_STRING, YAML_SCALAR_EVENT, "a single value"},
        {CYAML_SEQUENCE, YAML_SEQUENCE_START_EVENT, "a list"},
        {CYAML_MAPPING, YAML_MAPPING_START_EVENT, "a mapping of keys to values"},
    };
    size_t form = 0;
    while (forms[form].type != schema->type)
        form++;
    if (event->type != forms[form].event)
        return refuse(walk, line, "must be %s", forms[form].word);
    if (schema->type == CYAML_STRING)
        return check_scalar(walk, schema, event, line);
    walk->levels[walk->depth++] =
        (struct level){.schema = schema, .path_bytes = strlen(walk->path), .line = line};
    return SG_OK;
}

/* A scalar, or the start of a mapping or list. */
static enum sg_status take_node(struct walk *walk, const yaml_event_t *event, unsigned line)
{
    struct level *level = top(walk);
    if (level == NULL)
        return check_value(walk, config_schema(), event, line);
    if (level->schema->type == CYAML_SEQUENCE) {
        enum sg_status status = enter_entry(walk, level, line);
        return status == SG_OK ? check_value(walk, level->schema->sequence.entry, event, line) : status;
    }
    if (level->field == NULL)
        return enter_key(walk, level, event, line);
    return check_value(walk, &level->field->value, event, line);
}

static enum sg_status take_end(struct walk *walk)
{
    const struct level *level = top(walk);
    if (level->schema->type == CYAML_SEQUENCE && level->entries < level->schema->sequence.min)
        return refuse(walk, level->line, "must have at least %u entry", level->schema->sequence.min);
    walk->depth--;
    leave_value(walk);
    return SG_OK;
}

static enum sg_status take_event(struct walk *walk, const yaml_event_t *event, unsigned *documents)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++*documents > 1 ? refuse(walk, line, "must hold one YAML document only") : SG_OK;
    case YAML_ALIAS_EVENT:
        return refuse(walk, line, "aliases (*name) are not supported");
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_node(walk, event, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return take_end(walk);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return SG_OK;
    }
    return SG_OK;
}

static enum sg_status walk_events(struct walk *walk, yaml_parser_t *parser)
{
    unsigned documents = 0;
    bool ended = false;
    while (!ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return refuse_syntax(walk, parser);
        ended = event.type == YAML_STREAM_END_EVENT;
        enum sg_status status = take_event(walk, &event, &documents);
        yaml_event_delete(&event);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}

static enum sg_status walk_text(struct walk *walk)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return sg_fail(walk->err, SG_MEMORY, "out of memory while reading the configuration");
    yaml_parser_set_input_string(&parser, (const unsigned char *)walk->source->text, walk->source->bytes);
    enum sg_status status = walk_events(walk, &parser);
    yaml_parser_delete(&parser);
    return status;
}

enum sg_status config_yaml_check(const struct config_source *source, struct sg_error *err)
{
    struct walk walk = {.source = source, .err = err};
    return walk_text(&walk);
}

unsigned config_file_line(const struct config_source *source, const char *path)
{
    struct walk walk = {.source = source, .target = path};
    if (source->text == NULL || path[0] == '\0' || walk_text(&walk) != SG_OK)
        return 0; /* the file was walked before without a refusal: here it is memory, and the message has no line */
    return walk.target_line;
}
