/* What check-config prints of a good configuration: what would be served, or where each value came from. */
#include <inttypes.h>
#include <string.h>

#include "server/config/config_internal.h"

static const char *or_none(const char *text)
{
    return text[0] != '\0' ? text : "none";
}

static void write_stream(const struct stream_settings *stream, FILE *to)
{
    (void)fprintf(to, "stream       %s: %s, subject %s, filter %s, on gap %s\n", stream->name,
                  stream_format_name(stream->format), stream->subject.text, stream->subject.filter,
                  stream->on_gap == ON_GAP_REBUILD ? "rebuild" : "continue");
    (void)fprintf(to, "             collections:");
    for (size_t i = 0; i < stream->collections_count; i++)
        (void)fprintf(to, " %s", stream->collections[i]);
    (void)fprintf(to, "%s\n", stream->collections_count == 0 ? " any that the subject gives" : "");
}

static const char *credentials(const struct nats_settings *nats)
{
    return nats->credentials_file[0] != '\0' ? "credentials file"
           : nats->nkey_file[0] != '\0'      ? "nkey file"
           : nats->token_file[0] != '\0'     ? "token file"
           : nats->user[0] != '\0'           ? "user and password file"
                                             : "no credentials";
}

static void write_tombstones(const struct tombstone_settings *tombstones, FILE *to)
{
    char keep[CONFIG_NUMBER_BYTES];
    config_format_duration_ms(tombstones->keep_ms, keep);
    if (tombstones->keep_ms != 0)
        (void)fprintf(to, "; keeps tombstones for %s", keep);
    if (tombstones->max != 0)
        (void)fprintf(to, "; keeps at most %zu tombstones", tombstones->max);
    (void)fprintf(to, "\n");
}

/* What an index serves: of each column, once those before it are fixed. */
static void write_index(const struct field_set *set, const struct field_index *index, FILE *to)
{
    const char *column = index->text; /* as it stands there */
    (void)fprintf(to, "  index      %s: ", index->text);
    if (set->fields[index->columns[0].field].many) {
        (void)fprintf(to, "a test on an element of %s; then id\n", set->fields[index->columns[0].field].name);
        return;
    }
    for (size_t i = 0; i < index->columns_count; i++) {
        for (size_t k = 0; k < i; k++)
            (void)fprintf(to, "%s%s", k == 0 ? "after equality on " : " and ",
                          set->fields[index->columns[k].field].name);
        int bytes = (int)strcspn(column, ",");
        (void)fprintf(to, "%s%.*s; ", i == 0 ? "equality, range or order of " : ", of ", bytes, column);
        column += bytes + 1;
    }
    (void)fprintf(to, "then id\n");
}

/* How a collection can be asked. */
static void write_fields(const struct field_set *set, FILE *to)
{
    for (size_t i = 0; i < set->fields_count; i++) {
        const struct field *field = &set->fields[i];
        (void)fprintf(to, "  field      %s: %s at \"%s%s\"\n", field->name, field_type_name(field->type), field->at,
                      field->many ? "/*" : "");
    }
    for (size_t i = 0; i < set->indexes_count; i++)
        write_index(set, &set->indexes[i], to);
    if (set->fields_count > 0 || set->scan)
        (void)fprintf(to, "  otherwise  %s\n",
                      set->scan ? "rows are scanned, within query.rows_max and query.time_max"
                                : "refused (not-indexed)");
}

static void write_collection(const struct collection_settings *collection, FILE *to)
{
    (void)fprintf(to, "collection   %s: drops", collection->name);
    for (size_t i = 0; i < collection->drop_count; i++)
        (void)fprintf(to, " %s", collection->drop[i]);
    (void)fprintf(to, "%s", collection->drop_count == 0 ? " nothing" : "");
    write_tombstones(&collection->tombstones, to);
    write_fields(&collection->fields, to);
}

void config_summarise(const struct settings *settings, FILE *to)
{
    char size[CONFIG_NUMBER_BYTES];
    config_format_bytes(settings->database_bytes_max, size);
    (void)fprintf(to, "listen       %s\n", settings->listen);
    (void)fprintf(to, "hosts        %s\n", or_none(settings->hosts));
    (void)fprintf(to, "listen_ops   %s\n", or_none(settings->listen_ops));
    (void)fprintf(to, "database     %s, synchronous %s, limit %s\n", settings->database,
                  settings->synchronous_full ? "full" : "normal", settings->database_bytes_max == 0 ? "none" : size);
    (void)fprintf(to, "broker       %s, %s\n", settings->nats.url, credentials(&settings->nats));
    for (size_t i = 0; i < settings->streams_count; i++)
        write_stream(&settings->streams[i], to);
    for (size_t i = 0; i < settings->collections_count; i++)
        write_collection(&settings->collections[i], to);
}

/* ---- origins ---- */

struct origins {
    const struct config_source *source;
    struct buffer *out;
};

/* "  # stategate.yaml:14", or the variable, or the flag, or default. */
static void append_origin(const struct origins *o, const struct config_key *key, const char *path, bool is_default)
{
    const struct config_override *override = config_find_override(o->source, key);
    const struct config_node *node = config_tree_find(o->source->root, path);
    const char *dots = "";
    if (override != NULL) {
        buffer_append_format(o->out, "  # %s\n", override->origin);
    } else if (node != NULL) {
        const char *file = config_file_tail(o->source->file, &dots);
        buffer_append_format(o->out, "  # %s%s:%u\n", dots, file, node->key_line);
    } else {
        buffer_append_text(o->out, is_default ? "  # default\n" : "  # from other settings\n");
    }
}

static void append_texts(char *const *texts, size_t count, struct buffer *out)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_format(out, "%s%s", i == 0 ? "[" : ", ", texts[i]);
    buffer_append_text(out, "]");
}

/* A key that streams.c keeps by itself: its value; false where it does not apply to the stream. */
static bool append_of_stream(const struct config_key *key, const struct stream_settings *stream, struct buffer *out)
{
    bool any = stream->collections_count == 0;
    const char *name = key->path + sizeof "streams[]." - 1;
    if (strcmp(name, "subject") == 0)
        buffer_append_text(out, stream->subject.text);
    else if (strcmp(name, "collection") == 0 && stream->fixed_collection)
        buffer_append_text(out, stream->collections[0]);
    else if (strcmp(name, "collections") == 0 && !any && !stream->fixed_collection)
        append_texts(stream->collections, stream->collections_count, out);
    else if (key->words != NULL)
        buffer_append_text(out, key->words[0]); /* there is but one */
    else
        return false;
    return true;
}

static void append_fields(const struct field_set *set, struct buffer *out)
{
    for (size_t i = 0; i < set->fields_count; i++) {
        const struct field *field = &set->fields[i];
        buffer_append_format(out, "%s{name: %s, at: \"%s%s\", type: %s}", i == 0 ? "[" : ", ", field->name, field->at,
                             field->many ? "/*" : "", field_type_name(field->type));
    }
    buffer_append_text(out, "]");
}

static void append_indexes(const struct field_set *set, struct buffer *out)
{
    for (size_t i = 0; i < set->indexes_count; i++)
        buffer_append_format(out, "%s\"%s\"", i == 0 ? "[" : ", ", set->indexes[i].text);
    buffer_append_text(out, "]");
}

/* The same of an entry of `collections`. */
static bool append_of_collection(const struct config_key *key, const struct collection_settings *collection,
                                 struct buffer *out)
{
    const char *name = key->path + sizeof "collections[]." - 1;
    if (strcmp(name, "drop") == 0 && collection->drop_count > 0)
        append_texts(collection->drop, collection->drop_count, out);
    else if (strcmp(name, "fields") == 0 && collection->fields.fields_count > 0)
        append_fields(&collection->fields, out);
    else if (strcmp(name, "indexes") == 0 && collection->fields.indexes_count > 0)
        append_indexes(&collection->fields, out);
    else
        return false; /* also the keys of a field, which stands on one line */
    return true;
}

/* One line, unless the key does not apply: for an entry of a list, or (HOME_SETTINGS) for itself. */
static void append_line(const struct origins *o, const struct config_key *key, const char *path, const void *home,
                        bool is_stream)
{
    size_t begin = o->out->bytes;
    buffer_append_format(o->out, "%s = ", path);
    size_t value_begin = o->out->bytes;
    bool applies = true;
    if (key->home != HOME_NONE)
        config_append_value(key, home, o->out);
    else
        applies = is_stream ? append_of_stream(key, home, o->out) : append_of_collection(key, home, o->out);
    if (o->out->failed)
        return;
    if (!applies) {
        o->out->bytes = begin;
        return;
    }
    struct slice value = {o->out->data + value_begin, o->out->bytes - value_begin};
    const char *fallback = key->fallback == NULL || key->fallback[0] == '\0' ? "\"\"" : key->fallback;
    append_origin(o, key, path, slice_equal(value, slice_of(fallback)));
}

/* All keys of one entry of a list. */
static void append_entry(const struct origins *o, const struct config_key *list, size_t index, const void *home)
{
    size_t bytes = strlen(list->path);
    bool is_stream = strcmp(list->path, "streams") == 0;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        char path[CONFIG_PATH_BYTES];
        if (strncmp(key->path, list->path, bytes) != 0 || key->path[bytes] != '[')
            continue;
        (void)snprintf(path, sizeof path, "%s[%zu]%s", list->path, index, key->path + bytes + 2);
        append_line(o, key, path, home, is_stream);
    }
}

void config_append_origins(const struct config_source *source, struct config *config, struct buffer *out)
{
    struct origins o = {source, out};
    const struct settings *settings = &config->settings;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        if (strcmp(key->path, "streams") == 0) {
            for (size_t k = 0; k < settings->streams_count; k++)
                append_entry(&o, key, k, &settings->streams[k]);
        } else if (strcmp(key->path, "collections") == 0) {
            for (size_t k = 0; k < settings->collections_count; k++)
                append_entry(&o, key, k, &settings->collections[k]);
        } else if (strchr(key->path, '[') == NULL) {
            append_line(&o, key, key->path, config_home(config, key->home), false);
        }
    }
}
