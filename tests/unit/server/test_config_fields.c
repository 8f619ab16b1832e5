/* Declared fields and indexes in the settings: what arrives, and that every refusal names the place and what is
 * possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/config/config.h"

#define FIELD_LINES 3 /* the first line below its head */

/* A collection with these lines in it. */
static enum sg_status load(const char *lines, struct config *out, struct sg_error *err)
{
    char *text = NULL;
    *err = (struct sg_error){0};
    assert_true(asprintf(&text, "collections:\n  - name: c\n%s", lines) > 0);
    enum sg_status status = config_load_text("c.yaml", text, strlen(text), out, err);
    free(text);
    return status;
}

static struct config load_good(const char *lines)
{
    struct config config;
    struct sg_error err;
    if (load(lines, &config, &err) != SG_OK)
        fail_msg("%s: %s", lines, err.message);
    return config;
}

/* `message` without the file. */
static void expect_refused(const char *lines, const char *message)
{
    struct config config;
    struct sg_error err;
    if (load(lines, &config, &err) == SG_OK)
        fail_msg("accepted: %s", lines);
    assert_int_equal(err.status, SG_INVALID);
    assert_string_equal(err.message + strlen("c.yaml:"), message);
}

/* A refusal of one field: its flow mapping, the key that is named and the sentence. */
static void expect_field_refused(const char *field, const char *key, const char *sentence)
{
    char lines[1024];
    char message[512];
    (void)snprintf(lines, sizeof lines, "    fields: [%s]\n", field);
    (void)snprintf(message, sizeof message, "%d: collections[0].fields[0].%s: %s", FIELD_LINES, key, sentence);
    expect_refused(lines, message);
}

#define FIELDS                                                                                                         \
    "    fields:\n"                                                                                                    \
    "      - {name: status, at: /status, type: string}\n"                                                              \
    "      - {name: total, at: /total, type: number}\n"                                                                \
    "      - {name: placed, at: /placedAt, type: time}\n"                                                              \
    "      - {name: tag, at: /tags/*, type: string}\n"                                                                 \
    "      - {name: d, at: /d, type: integer}\n"                                                                       \
    "      - {name: e, at: '', type: boolean}\n"
#define INDEX_LINE (FIELD_LINES + 7)

/* A refusal of one index over the fields above. */
static void expect_index_refused(const char *index, const char *sentence)
{
    char lines[1024];
    char message[512];
    (void)snprintf(lines, sizeof lines, FIELDS "    indexes: ['%s']\n", index);
    (void)snprintf(message, sizeof message, "%d: collections[0].indexes[0]: %s", INDEX_LINE, sentence);
    expect_refused(lines, message);
}

static void fields_and_indexes_arrive_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct config config = load_good(FIELDS "    indexes: [\"status,placed.desc\", total.nullslast, tag, "
                                            "\"d.desc.nullsfirst, e.desc.nullslast,placed.nullsfirst\"]\n"
                                            "    scan: true\n");
    const struct field_set *set = &config.settings.collections[0].fields;
    assert_int_equal(set->fields_count, 6);
    assert_string_equal(set->fields[0].name, "status");
    assert_string_equal(set->fields[2].at, "/placedAt");
    assert_int_equal(set->fields[2].type, FIELD_TIME);
    assert_false(set->fields[2].many);
    assert_string_equal(set->fields[3].at, "/tags");
    assert_true(set->fields[3].many);
    assert_string_equal(set->fields[5].at, "");
    assert_int_equal(set->indexes_count, 4);
    assert_string_equal(set->indexes[0].text, "status,placed.desc");
    assert_int_equal(set->indexes[0].columns_count, 2);
    assert_int_equal(set->indexes[0].columns[1].field, 2);
    assert_true(set->indexes[0].columns[1].descending);
    assert_true(set->indexes[0].columns[1].nulls_last);
    assert_false(set->indexes[0].columns[0].descending || set->indexes[0].columns[0].nulls_last);
    assert_string_equal(set->indexes[1].text, "total.nullslast");
    assert_true(set->indexes[1].columns[0].nulls_last);
    assert_string_equal(set->indexes[3].text, "d.desc.nullsfirst,e.desc,placed");
    assert_true(set->indexes[3].columns[0].descending);
    assert_false(set->indexes[3].columns[0].nulls_last);
    assert_true(set->scan);
    config_free(&config);
}

/* What check-config prints; the caller frees. */
static char *summary_of(const char *lines)
{
    struct config config = load_good(lines);
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    config_summarise(&config.settings, to);
    assert_int_equal(fclose(to), 0);
    config_free(&config);
    return text;
}

static void expect_summary(const char *lines, const char *expected)
{
    char *text = summary_of(lines);
    const char *found = strstr(text, "collection   c: ");
    assert_non_null(found);
    assert_string_equal(found, expected);
    free(text);
}

static void the_summary_says_what_each_index_serves(void **state)
{
    (void)state;
    expect_summary(FIELDS "    indexes: [total, \"status,placed.desc\", tag, \"d.nullslast,e,total.desc.nullsfirst\"]\n",
                   "collection   c: drops nothing\n"
                   "  field      status: string at \"/status\"\n"
                   "  field      total: number at \"/total\"\n"
                   "  field      placed: time at \"/placedAt\"\n"
                   "  field      tag: string at \"/tags/*\"\n"
                   "  field      d: integer at \"/d\"\n"
                   "  field      e: boolean at \"\"\n"
                   "  index      total: equality, range or order of total; then id\n"
                   "  index      status,placed.desc: equality, range or order of status; after equality on status, of "
                   "placed.desc; then id\n"
                   "  index      tag: a test on an element of tag; then id\n"
                   "  index      d.nullslast,e,total.desc.nullsfirst: equality, range or order of d.nullslast; after "
                   "equality on d, of e; after equality on d and e, of total.desc.nullsfirst; then id\n"
                   "  otherwise  refused (not-indexed)\n");
    expect_summary("    drop: [/a]\n    scan: true\n",
                   "collection   c: drops /a\n"
                   "  otherwise  rows are scanned, within query.rows_max and query.time_max\n");
    expect_summary("    drop: [/a]\n", "collection   c: drops /a\n");
}

static void nothing_declared_is_nothing(void **state)
{
    (void)state;
    struct config config = load_good("    drop: [/a]\n");
    const struct field_set *set = &config.settings.collections[0].fields;
    assert_int_equal(set->fields_count + set->indexes_count, 0);
    assert_false(set->scan);
    assert_int_equal(config.settings.query_threads, 1);
    assert_int_equal(config.tunables.query_rows_max, 10000);
    assert_int_equal(config.tunables.query_time_max_ms, 50);
    assert_int_equal(config.tunables.query_queued_max, 1000);
    assert_int_equal(config.tunables.query_queue_ms, 1000);
    config_free(&config);
}

static void a_field_needs_name_place_and_type(void **state)
{
    (void)state;
    expect_field_refused("{at: /a, type: time}", "name", "is required");
    expect_field_refused("{name: a, type: time}", "at", "is required");
    expect_field_refused("{name: a, at: /a}", "type", "is required");
    expect_field_refused("{name: a, at: /a, type: time, many: true}", "many",
                         "unknown key (known here: name, at, type)");
    expect_field_refused("{name: a, at: /a, type: text}", "type",
                         "must be string, integer, number, boolean or time, not text");
    expect_refused("    fields: []\n", "3: collections[0].fields: must have at least 1 entry");
    expect_refused("    indexes: []\n", "3: collections[0].indexes: must have at least 1 entry");
    expect_refused("    scan: yes\n", "3: collections[0].scan: must be false or true, not yes");
}

static void names_that_cannot_be_asked_for_stop_the_start(void **state)
{
    (void)state;
    static const char *const malformed[] = {"A", "1a", "a-b", "a.b", "ä", "'a b'", "'-'"};
    static const char *const built_in[] = {"id", "version", "sequence", "occurred_at"};
    static const char *const reserved[] = {
        "and",         "or",           "not",           "select",        "order", "limit",
        "cursor",      "since",        "wait",          "stream",        "count", "q",
        "facet",       "expand",       "at",            "as_of",         "min_version",
        "min_position", "max_staleness", "after_message", "after_correlation", "collection"};
    char field[128];
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        (void)snprintf(field, sizeof field, "{name: %s, at: /a, type: time}", malformed[i]);
        expect_field_refused(field, "name", "must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit");
    }
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
        (void)snprintf(field, sizeof field, "{name: %s, at: /a, type: time}", built_in[i]);
        expect_field_refused(field, "name",
                             "must not be a field that every collection has: id version sequence occurred_at");
    }
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        (void)snprintf(field, sizeof field, "{name: %s, at: /a, type: time}", reserved[i]);
        expect_field_refused(field, "name",
                             "must not be a word that requests use: and or not select order limit cursor since wait "
                             "stream count q facet expand at as_of min_version min_position max_staleness "
                             "after_message after_correlation collection");
    }
    expect_refused(FIELDS "      - {name: total, at: /x, type: time}\n",
                   "10: collections[0].fields[6].name: total is declared twice");
}

static void what_is_no_pointer_is_refused(void **state)
{
    (void)state;
    static const char star[] =
        "must have a '*' only as its last part, as in /tags/*: one value for each element of that array";
    expect_field_refused("{name: a, at: a, type: time}", "at", "must be a JSON pointer, which begins with '/'");
    expect_field_refused("{name: a, at: /a~2, type: time}", "at", "must be a JSON pointer, where '~' is written ~0");
    expect_field_refused("{name: a, at: '/*/b', type: time}", "at", star);
    expect_field_refused("{name: a, at: '/a*', type: time}", "at", star);
    expect_field_refused("{name: a, at: '/*a', type: time}", "at", star);
    expect_field_refused("{name: a, at: '/a/*/*', type: time}", "at", star);
    expect_field_refused("{name: a, at: '*', type: time}", "at", "must be a JSON pointer, which begins with '/'");
    struct config config = load_good("    fields: [{name: a, at: '/*', type: time}]\n");
    assert_string_equal(config.settings.collections[0].fields.fields[0].at, "");
    assert_true(config.settings.collections[0].fields.fields[0].many);
    config_free(&config);
}

static void an_index_that_cannot_be_is_refused(void **state)
{
    (void)state;
    expect_index_refused("totl", "totl is no declared field (declared: status, total, placed, tag, d, e)");
    expect_index_refused("status,Total", "Total is no declared field (declared: status, total, placed, tag, d, e)");
    expect_index_refused("status,version",
                         "must be made of declared fields (status, total, placed, tag, d, e), and version is built in");
    expect_index_refused("status,id", "must not hold id, which is the last key of every index by itself");
    expect_index_refused("status,total,status.desc", "must not hold status twice");
    expect_index_refused("status,total,placed,d,e", "must have at most 4 columns");
    expect_index_refused("tag,status", "tag has many values, so it must stand in an index alone");
    expect_index_refused("status,tag", "tag has many values, so it must stand in an index alone");
    expect_index_refused("tag.desc",
                         "tag has many values, so its index must be ascending, without a side for nulls");
    expect_index_refused("tag.nullslast",
                         "tag has many values, so its index must be ascending, without a side for nulls");
    static const char names[] = "must be names of fields with commas between, such as status,placed.desc";
    expect_index_refused("", names);
    expect_index_refused("status,", names);
    expect_index_refused(",status", names);
    expect_index_refused("status,,total", names);
    static const char *const suffixes[] = {"asc",       "desc.asc",  "desc.",           "",
                                           "nullslast.desc", "DESC", "nullsfirst.nullslast", "desc.nullslast.",
                                           "nulls last", "desc nullslast"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char index[64];
        (void)snprintf(index, sizeof index, "status.%s", suffixes[i]);
        expect_index_refused(index, "status may only be followed by .desc, and then by .nullsfirst or .nullslast");
    }
    expect_refused("    indexes: [a]\n", "3: collections[0].indexes[0]: a is no declared field (declared: none)");
    expect_refused(FIELDS "    indexes: [status, status.nullsfirst]\n",
                   "10: collections[0].indexes[1]: status is declared twice");
}

static void what_is_dropped_is_no_field(void **state)
{
    (void)state;
#define DROPS "    drop: [/a, /b/c, /list/0, /]\n    fields: [{name: x, type: time, at: %s}]\n"
    static const struct {
        const char *at;
        const char *dropped; /* NULL = it is good */
    } cases[] = {{"/a", "/a"},   {"/a/x", "/a"}, {"/a/*", "/a"},   {"/b/c/d", "/b/c"}, {"//x", "/"},    {"/", "/"},
                 {"/b", NULL},   {"/ab", NULL},  {"/b/cd", NULL},  {"/b/*", NULL},     {"/a~1x", NULL}, {"''", NULL},
                 {"/list/0", NULL}, {"/list/1", NULL}, {"/list/*", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char lines[256];
        char message[256];
        struct config config;
        (void)snprintf(lines, sizeof lines, DROPS, cases[i].at);
        (void)snprintf(message, sizeof message, "4: collections[0].fields[0].at: lies in what is dropped: %s",
                       cases[i].dropped);
        if (cases[i].dropped != NULL) {
            expect_refused(lines, message);
        } else {
            config = load_good(lines);
            config_free(&config);
        }
    }
}

/* `entry` for 0 .. count - 1, each '#' of it replaced by the number. The caller frees. */
static char *repeated(const char *before, unsigned count, const char *entry, const char *after)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    (void)fputs(before, to);
    for (unsigned i = 0; i < count; i++) {
        for (const char *c = entry; *c != '\0'; c++)
            (void)(*c == '#' ? fprintf(to, "%u", i) : fputc(*c, to));
    }
    (void)fputs(after, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void lists_hold_at_their_limit_and_not_beyond(void **state)
{
    (void)state;
    static const char field[] = "{name: f#, at: /f, type: time},";
    char *good = repeated("    fields: [", FIELDS_MAX, field, "]\n");
    char *text = repeated(good, 0, "", "    indexes: ['f0,f1,f2,f3', f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, "
                                       "f12, f13, f31]\n");
    struct config config = load_good(text);
    assert_int_equal(config.settings.collections[0].fields.fields_count, FIELDS_MAX);
    assert_int_equal(config.settings.collections[0].fields.indexes_count, FIELDS_INDEXES_MAX);
    config_free(&config);
    free(text);
    text = repeated(good, 0, "", "    indexes: [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, "
                                 "f16]\n");
    expect_refused(text, "4: collections[0].indexes: must have at most 16 entries");
    free(text);
    free(good);
    text = repeated("    fields: [", FIELDS_MAX + 1, field, "]\n");
    expect_refused(text, "3: collections[0].fields: must have at most 32 entries");
    free(text);
}

/* A long list of names is cut, whole names of it, so that the sentence has room. */
static void a_refusal_names_as_many_fields_as_have_room(void **state)
{
    (void)state;
    struct config config;
    struct sg_error err;
    char *text = repeated("    fields: [", 20, "{name: a_rather_long_name_#, at: /f, type: time},",
                          "]\n    indexes: [x]\n");
    assert_int_equal(load(text, &config, &err), SG_INVALID);
    assert_non_null(strstr(err.message, "a_rather_long_name_0, a_rather_long_name_1"));
    assert_string_equal(err.message + strlen(err.message) - strlen(", ...)"), ", ...)");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_indexes_arrive_in_the_order_of_the_file),
        cmocka_unit_test(the_summary_says_what_each_index_serves),
        cmocka_unit_test(nothing_declared_is_nothing),
        cmocka_unit_test(a_field_needs_name_place_and_type),
        cmocka_unit_test(names_that_cannot_be_asked_for_stop_the_start),
        cmocka_unit_test(what_is_no_pointer_is_refused),
        cmocka_unit_test(an_index_that_cannot_be_is_refused),
        cmocka_unit_test(what_is_dropped_is_no_field),
        cmocka_unit_test(lists_hold_at_their_limit_and_not_beyond),
        cmocka_unit_test(a_refusal_names_as_many_fields_as_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
