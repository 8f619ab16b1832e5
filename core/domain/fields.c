/* Declared fields and indexes: making a set of them, and writing it. */
#include "core/domain/fields.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"

/* ---- names ---- */

#define NAME_ENTRY(name) name,
#define NAME_SPACED(name) " " name

static const char *const built_in[] = {FIELDS_BUILT_IN(NAME_ENTRY) NULL};
static const char *const reserved[] = {FIELDS_RESERVED(NAME_ENTRY) NULL};

static bool is_listed(struct slice name, const char *const *names)
{
    while (*names != NULL && !slice_equal(name, slice_of(*names)))
        names++;
    return *names != NULL;
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return text.bytes > 0 && text.bytes <= FIELDS_NAME_BYTES_MAX;
}

const char *fields_name_fault(struct slice name)
{
    if (!is_name(name))
        return "must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit";
    if (is_listed(name, built_in))
        return "must not be a field that every collection has:" FIELDS_BUILT_IN(NAME_SPACED);
    if (is_listed(name, reserved))
        return "must not be a word that requests use:" FIELDS_RESERVED(NAME_SPACED);
    return NULL;
}
_Static_assert(FIELDS_NAME_BYTES_MAX == 63, "the sentence above names it");

static const char *const type_names[] = {
#define FIELD_TYPE_WORD(name, word) word,
    FIELD_TYPES(FIELD_TYPE_WORD)
#undef FIELD_TYPE_WORD
};

const char *field_type_name(enum field_type type)
{
    assert((unsigned)type < FIELD_TYPES_COUNT);
    return type_names[type];
}

unsigned fields_find(const struct field_set *set, struct slice name)
{
    for (size_t i = 0; i < set->fields_count; i++) {
        if (slice_equal(slice_of(set->fields[i].name), name))
            return (unsigned)i;
    }
    return FIELDS_NONE;
}

/* ---- fields ---- */

static enum sg_status no_memory(struct sg_error *err)
{
    return sg_fail(err, SG_MEMORY, "out of memory for declared fields");
}

enum sg_status fields_add(struct field_set *set, struct slice name, struct slice at, enum field_type type,
                          struct sg_error *err)
{
    const char *fault = fields_name_fault(name);
    bool many = at.bytes >= 2 && memcmp(at.data + at.bytes - 2, "/*", 2) == 0;
    if (fault != NULL)
        return sg_fail(err, SG_INVALID, "%s", fault);
    if (fields_find(set, name) != FIELDS_NONE)
        return sg_fail(err, SG_INVALID, "%.*s is declared twice", SLICE_ARGS(name));
    if (set->fields_count == FIELDS_MAX)
        return sg_fail(err, SG_INVALID, "must be at most %d fields", FIELDS_MAX);
    if (set->fields == NULL)
        set->fields = calloc(FIELDS_MAX, sizeof *set->fields);
    struct field field = {
        .name = strndup(name.data, name.bytes),
        .at = strndup(at.bytes > 0 ? at.data : "", at.bytes - (many ? 2 : 0)),
        .type = type,
        .many = many,
    };
    if (set->fields == NULL || field.name == NULL || field.at == NULL) {
        free(field.name);
        free(field.at);
        return no_memory(err);
    }
    set->fields[set->fields_count++] = field;
    return SG_OK;
}

/* ---- indexes ---- */

#define NAMES_BYTES 160 /* of a list of declared names in a sentence */

/* The names that are declared, as many as have room. */
static void list_names(const struct field_set *set, char out[NAMES_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < set->fields_count; i++) {
        const char *name = set->fields[i].name;
        if (used + strlen(name) + sizeof ", ..." >= NAMES_BYTES) {
            (void)snprintf(out + used, NAMES_BYTES - used, ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, NAMES_BYTES - used, "%s%s", i > 0 ? ", " : "", name);
    }
}

static enum sg_status refuse_name(const struct field_set *set, struct slice name, struct sg_error *err)
{
    char names[NAMES_BYTES];
    list_names(set, names);
    if (slice_equal(name, SLICE_LITERAL("id")))
        return sg_fail(err, SG_INVALID, "must not hold id, which is the last key of every index by itself");
    if (is_listed(name, built_in))
        return sg_fail(err, SG_INVALID, "must be made of declared fields (%s), and %.*s is built in",
                       names[0] != '\0' ? names : "there are none", SLICE_ARGS(name));
    return sg_fail(err, SG_INVALID, "%.*s%s is no declared field (declared: %s)",
                   (int)(name.bytes > FIELDS_NAME_BYTES_MAX ? FIELDS_NAME_BYTES_MAX : name.bytes), name.data,
                   name.bytes > FIELDS_NAME_BYTES_MAX ? "..." : "", names[0] != '\0' ? names : "none");
}

static struct slice trimmed(struct slice text)
{
    while (text.bytes > 0 && text.data[0] == ' ')
        text = (struct slice){text.data + 1, text.bytes - 1};
    while (text.bytes > 0 && text.data[text.bytes - 1] == ' ')
        text.bytes--;
    return text;
}

static bool take(struct slice *rest, struct slice word)
{
    if (rest->bytes < word.bytes || memcmp(rest->data, word.data, word.bytes) != 0)
        return false;
    *rest = (struct slice){rest->data + word.bytes, rest->bytes - word.bytes};
    return true;
}

/* What follows a name: ".desc", then ".nullsfirst" or ".nullslast". False for anything else. */
static bool parse_suffixes(struct slice rest, struct field_index_column *out)
{
    out->descending = take(&rest, SLICE_LITERAL(".desc"));
    out->nulls_last = out->descending;
    if (take(&rest, SLICE_LITERAL(".nullslast")))
        out->nulls_last = true;
    else if (take(&rest, SLICE_LITERAL(".nullsfirst")))
        out->nulls_last = false;
    return rest.bytes == 0;
}

static enum sg_status parse_column(const struct field_set *set, struct slice text, struct field_index_column *out,
                                   struct sg_error *err)
{
    const char *dot = memchr(text.data, '.', text.bytes);
    struct slice name = {text.data, dot != NULL ? (size_t)(dot - text.data) : text.bytes};
    struct slice rest = {text.data + name.bytes, text.bytes - name.bytes};
    *out = (struct field_index_column){.field = fields_find(set, name)};
    if (name.bytes == 0)
        return sg_fail(err, SG_INVALID, "must be names of fields with commas between, such as status,placed.desc");
    if (out->field == FIELDS_NONE)
        return refuse_name(set, name, err);
    if (!parse_suffixes(rest, out))
        return sg_fail(err, SG_INVALID,
                       "%.*s may only be followed by .desc, and then by .nullsfirst or .nullslast", SLICE_ARGS(name));
    return SG_OK;
}

/* A column beside those before it. */
static enum sg_status check_column(const struct field_set *set, const struct field_index *index,
                                   const struct field_index_column *column, struct sg_error *err)
{
    const struct field *field = &set->fields[column->field];
    if (index->columns_count == FIELDS_INDEX_COLUMNS_MAX)
        return sg_fail(err, SG_INVALID, "must have at most %d columns", FIELDS_INDEX_COLUMNS_MAX);
    for (size_t i = 0; i < index->columns_count; i++) {
        const struct field *other = &set->fields[index->columns[i].field];
        if (field == other)
            return sg_fail(err, SG_INVALID, "must not hold %s twice", field->name);
        if (field->many || other->many)
            return sg_fail(err, SG_INVALID, "%s has many values, so it must stand in an index alone",
                           field->many ? field->name : other->name);
    }
    if (field->many && (column->descending || column->nulls_last))
        return sg_fail(err, SG_INVALID, "%s has many values, so its index must be ascending, without a side for nulls",
                       field->name);
    return SG_OK;
}

static void append_column(const struct field_set *set, const struct field_index_column *column, struct buffer *out)
{
    buffer_append_text(out, set->fields[column->field].name);
    if (column->descending)
        buffer_append_text(out, ".desc");
    if (column->nulls_last != column->descending)
        buffer_append_text(out, column->nulls_last ? ".nullslast" : ".nullsfirst");
}

/* Its canonical text; the caller frees. NULL = no memory. */
static char *index_text(const struct field_set *set, const struct field_index *index)
{
    struct buffer text;
    size_t bytes = 0;
    buffer_init(&text, FIELDS_INDEX_COLUMNS_MAX * (FIELDS_NAME_BYTES_MAX + sizeof ",.desc.nullsfirst"));
    for (size_t i = 0; i < index->columns_count; i++) {
        if (i > 0)
            buffer_append_text(&text, ",");
        append_column(set, &index->columns[i], &text);
    }
    buffer_append(&text, "", 1);
    if (text.failed) {
        buffer_free(&text);
        return NULL;
    }
    return buffer_take(&text, &bytes);
}

static bool has_index(const struct field_set *set, const char *text)
{
    for (size_t i = 0; i < set->indexes_count; i++) {
        if (strcmp(set->indexes[i].text, text) == 0)
            return true;
    }
    return false;
}

/* Its columns; an empty text is one column without a name. */
static enum sg_status parse_columns(const struct field_set *set, struct slice text, struct field_index *out,
                                    struct sg_error *err)
{
    for (const char *comma = text.data; comma != NULL;) {
        struct field_index_column column;
        comma = memchr(text.data, ',', text.bytes);
        struct slice one = {text.data, comma != NULL ? (size_t)(comma - text.data) : text.bytes};
        enum sg_status status = parse_column(set, trimmed(one), &column, err);
        if (status == SG_OK)
            status = check_column(set, out, &column, err);
        if (status != SG_OK)
            return status;
        out->columns[out->columns_count++] = column;
        if (comma != NULL)
            text = (struct slice){comma + 1, text.bytes - one.bytes - 1};
    }
    return SG_OK;
}

enum sg_status fields_add_index(struct field_set *set, struct slice text, struct sg_error *err)
{
    struct field_index index = {0};
    enum sg_status status = parse_columns(set, text.bytes > 0 ? text : SLICE_LITERAL(""), &index, err);
    if (status != SG_OK)
        return status;
    if (set->indexes_count == FIELDS_INDEXES_MAX)
        return sg_fail(err, SG_INVALID, "must be at most %d indexes", FIELDS_INDEXES_MAX);
    if (set->indexes == NULL)
        set->indexes = calloc(FIELDS_INDEXES_MAX, sizeof *set->indexes);
    index.text = index_text(set, &index);
    if (set->indexes == NULL || index.text == NULL)
        status = no_memory(err);
    else if (has_index(set, index.text))
        status = sg_fail(err, SG_INVALID, "%s is declared twice", index.text);
    if (status == SG_OK)
        set->indexes[set->indexes_count++] = index;
    else
        free(index.text);
    return status;
}

void fields_free(struct field_set *set)
{
    for (size_t i = 0; i < set->fields_count; i++) {
        free(set->fields[i].name);
        free(set->fields[i].at);
    }
    for (size_t i = 0; i < set->indexes_count; i++)
        free(set->indexes[i].text);
    free(set->fields);
    free(set->indexes);
    *set = (struct field_set){0};
}

/* ---- the declaration ---- */

static void append_field(const struct field *field, struct buffer *out)
{
    buffer_append_format(out, "{\"name\":\"%s\",\"at\":\"", field->name);
    buffer_append_json_text(out, slice_of(field->at));
    buffer_append_format(out, "%s\",\"type\":\"%s\"}", field->many ? "/*" : "", field_type_name(field->type));
}

enum sg_status fields_write(const struct field_set *set, struct buffer *out, struct sg_error *err)
{
    buffer_append_text(out, "{\"fields\":[");
    for (size_t i = 0; i < set->fields_count; i++) {
        if (i > 0)
            buffer_append_text(out, ",");
        append_field(&set->fields[i], out);
    }
    buffer_append_text(out, "],\"indexes\":[");
    for (size_t i = 0; i < set->indexes_count; i++)
        buffer_append_format(out, "%s\"%s\"", i > 0 ? "," : "", set->indexes[i].text);
    buffer_append_format(out, "],\"scan\":%s}", set->scan ? "true" : "false");
    buffer_append(out, "", 1);
    return out->failed ? no_memory(err) : SG_OK;
}

enum sg_status fields_hash_of(const struct field_set *set, struct fields_hash *out, struct sg_error *err)
{
    struct buffer text;
    unsigned char digest[DIGEST_BYTES];
    if (set->fields_count == 0 && !set->scan) {
        out->text[0] = '\0';
        return SG_OK;
    }
    buffer_init(&text, FIELDS_TEXT_MAX);
    enum sg_status status = fields_write(set, &text, err);
    if (status == SG_OK)
        status = digest_sha256((struct slice){text.data, text.bytes - 1}, digest, err);
    if (status == SG_OK)
        (void)snprintf(out->text, sizeof out->text, "f%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
    buffer_free(&text);
    return status;
}
