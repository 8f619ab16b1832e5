/* What is made of the table of keys for people: the settings in --help, deploy/stategate.yaml, and the table of
 * docs/settings.md. A test holds the two files equal to this. */
#include <string.h>

#include "server/config/config_internal.h"

#define WIDTH 118 /* of a line of the example */

/* What follows a key's sentence where its values are words. */
static void write_values(const struct config_key *key, char out[CONFIG_RANGE_BYTES + 16])
{
    char range[CONFIG_RANGE_BYTES];
    config_key_range(key, range);
    out[0] = '\0';
    if (key->words != NULL)
        (void)snprintf(out, CONFIG_RANGE_BYTES + 16, " Values: %s.", range);
}

/* ---- --help ---- */

static void append_names(const struct config_key *key, struct buffer *out)
{
    char values[CONFIG_RANGE_BYTES + 16];
    write_values(key, values);
    if (key->flag != NULL)
        buffer_append_format(out, "  %s %s, %s\n      %s%s\n", key->flag, key->value, key->variable, key->what, values);
    else
        buffer_append_format(out, "  %s\n      %s%s\n", key->variable, key->what, values);
}

void config_append_usage(struct buffer *out)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        if (config_key_at(i)->flag != NULL)
            append_names(config_key_at(i), out);
    }
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        if (config_key_at(i)->flag == NULL && config_key_at(i)->variable != NULL)
            append_names(config_key_at(i), out);
    }
}

/* ---- deploy/stategate.yaml ---- */

/* Append `text` as a comment, broken between words; `column` is where the line stands, 0 = a new one begins. */
static void append_comment(struct buffer *out, size_t indent, size_t *column, const char *text)
{
    while (*text != '\0') {
        size_t bytes = strcspn(text, " ");
        if (*column > 0 && *column + 1 + bytes > WIDTH) {
            buffer_append_text(out, "\n");
            *column = 0;
        }
        if (*column == 0)
            buffer_append_format(out, "%*s#", (int)indent, "");
        *column = (*column == 0 ? indent + 1 : *column) + 1 + bytes;
        buffer_append_format(out, " %.*s", (int)bytes, text);
        text += bytes;
        text += *text == ' ' ? 1 : 0;
    }
}

/* The range as a sentence. */
static void write_range(const struct config_key *key, char out[CONFIG_RANGE_BYTES + 16])
{
    char range[CONFIG_RANGE_BYTES];
    write_values(key, out);
    config_key_range(key, range);
    if (out[0] != '\0' || range[0] == '\0')
        return;
    (void)snprintf(out, CONFIG_RANGE_BYTES + 16, "%s.", range);
    if (out[0] >= 'a' && out[0] <= 'z')
        out[0] = (char)(out[0] - 'a' + 'A');
}

/* Everything that is to be known of a key, above it. */
static void append_comments(const struct config_key *key, size_t indent, struct buffer *out)
{
    char range[CONFIG_RANGE_BYTES + 16];
    char names[128] = "";
    size_t column = 0;
    write_range(key, range);
    if (key->variable != NULL)
        (void)snprintf(names, sizeof names, "%s%s%s.", key->variable, key->flag != NULL ? ", " : "",
                       key->flag != NULL ? key->flag : "");
    append_comment(out, indent, &column, key->what);
    append_comment(out, indent, &column, key->more != NULL ? key->more : "");
    append_comment(out, indent, &column, range[0] == ' ' ? range + 1 : range);
    append_comment(out, indent, &column, names);
    buffer_append_text(out, "\n");
}

/* Where the example stands. */
struct example {
    struct buffer *out;
    const char *before; /* the path of the key before */
};

/* Append the heads of the mappings around a key that the key before did not share: "nats:", "  tls:". Returns the key's
 * own name. A list is a key by itself, and its entries stand two columns further in. */
static const char *open_mappings(const struct example *e, const struct config_key *key, size_t *indent)
{
    const char *name = key->path;
    *indent = 0;
    for (const char *end = strchr(name, '.'); end != NULL; end = strchr(name, '.')) {
        bool is_entry = end[-1] == ']';
        bool is_open = strncmp(e->before, key->path, (size_t)(end + 1 - key->path)) == 0;
        if (!is_entry && !is_open)
            buffer_append_format(e->out, "%s%*s%.*s:\n", *indent == 0 ? "\n" : "", (int)*indent, "", (int)(end - name),
                                 name);
        *indent += is_entry ? 4 : 2;
        name = end + 1;
    }
    return name;
}

/* Is the key the first one of an entry of a list? */
static bool begins_entry(const char *path, const char *before)
{
    size_t bytes = 0; /* of what its entry's keys begin with: "collections[].fields[]." */
    for (const char *end = strstr(path, "[]."); end != NULL; end = strstr(end + 1, "[]."))
        bytes = (size_t)(end - path) + 3;
    return strncmp(path, before, bytes) != 0;
}

/* The key with its default, or with an example: what would take another one's place is commented out. */
static void append_value(const struct example *e, const struct config_key *key, const char *name, size_t indent)
{
    bool in_stream = strncmp(key->path, "streams[]", 9) == 0;
    bool begins = begins_entry(key->path, e->before);
    size_t column = begins ? indent - 2 : indent;
    append_comments(key, column, e->out);
    buffer_append_format(e->out, "%*s%s%s%s:", (int)column, "", begins ? "- " : "",
                         in_stream && key->example != NULL ? "# " : "", name);
    const char *value = key->example != NULL ? key->example : key->fallback;
    if (key->kind != KIND_LIST)
        buffer_append_format(e->out, " %s", value != NULL && value[0] != '\0' ? value : "\"\"");
    buffer_append_text(e->out, "\n");
}

static const char head[] =
    "# Every setting of stategate. What is neither commented out nor called an example is the default.\n"
    "#\n"
    "# Order: defaults < this file < environment < flags. Start with `stategate --config stategate.yaml`, or with\n"
    "# STATEGATE_CONFIG; `stategate check-config` says whether it is good and what would be served, or with --origins\n"
    "# where each value came from.\n"
    "#\n"
    "# Durations have a unit: 500ms, 5s, 2m, 1h, 7d (only 0 has none). Sizes may have one: 4096, 64MiB, 10GiB, 500MB.\n"
    "# An empty text is written \"\". Secrets never stand here: a *_file names the file that holds one.\n";

static const char bucket[] = "  # An example: a key-value bucket.\n"
                             "  - name: KV_settings\n"
                             "    subject: $KV.settings.{id}\n"
                             "    format: kv\n"
                             "    collection: settings\n"
                             "    on_gap: continue\n"
                             "    expire: refuse\n";

void config_append_example(struct buffer *out)
{
    struct example e = {out, ""};
    buffer_append_text(out, head);
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        size_t indent = 0;
        bool ends_streams = strncmp(e.before, "streams[]", 9) == 0 && strncmp(key->path, "streams[]", 9) != 0;
        if (ends_streams)
            buffer_append_text(out, bucket);
        const char *name = open_mappings(&e, key, &indent);
        if (indent == 0)
            buffer_append_text(out, "\n");
        append_value(&e, key, name, indent);
        e.before = key->path;
    }
}

/* ---- docs/settings.md ---- */

static void append_code(const char *text, struct buffer *out)
{
    if (text != NULL)
        buffer_append_format(out, " `%s`", text[0] != '\0' ? text : "\"\"");
    buffer_append_text(out, " |");
}

void config_append_reference(struct buffer *out)
{
    buffer_append_text(out, "| key | variable | flag | default | range | what it is |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        char range[CONFIG_RANGE_BYTES];
        config_key_range(key, range);
        buffer_append_text(out, "|");
        append_code(key->path, out);
        append_code(key->variable, out);
        append_code(key->flag, out);
        append_code(key->fallback, out);
        buffer_append_format(out, " %s | %s%s%s |\n", range, key->what, key->more != NULL ? " " : "",
                             key->more != NULL ? key->more : "");
    }
}
