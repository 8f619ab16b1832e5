/* What is made of the table of keys: the example file and the reference are those of the program, and every key is
 * everywhere, and its range holds. `SG_UPDATE=1 ctest --preset dev -R config_reference` writes both anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/config/config_internal.h"

#define BEGIN "<!-- settings: made from server/config/table.c -->\n"
#define END "<!-- end of settings -->\n"

typedef void append_document(struct buffer *out);

/* The caller frees. */
static char *made(append_document *append)
{
    struct buffer out;
    size_t bytes = 0;
    buffer_init(&out, CONFIG_DOCUMENT_BYTES_MAX);
    append(&out);
    buffer_append(&out, "", 1);
    assert_false(out.failed);
    return buffer_take(&out, &bytes);
}

static void write_path(const char *name, char path[4096])
{
    const char *root = getenv("SG_SOURCE_DIR");
    (void)snprintf(path, 4096, "%s/%s", root != NULL ? root : ".", name);
}

/* The caller frees. */
static char *read_file(const char *name)
{
    char path[4096];
    write_path(name, path);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is not there", path);
    char *text = calloc(1, CONFIG_FILE_BYTES_MAX);
    assert_non_null(text);
    (void)fread(text, 1, CONFIG_FILE_BYTES_MAX - 1, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static bool is_update(void)
{
    return getenv("SG_UPDATE") != NULL;
}

static void write_file(const char *name, const char *before, const char *text, const char *after)
{
    char path[4096];
    write_path(name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "%s%s%s", before, text, after) > 0);
    assert_int_equal(fclose(file), 0);
}

static void the_example_file_is_that_of_the_table(void **state)
{
    (void)state;
    char *text = made(config_append_example);
    if (is_update())
        write_file("deploy/stategate.yaml", "", text, "");
    char *file = read_file("deploy/stategate.yaml");
    assert_string_equal(file, text);
    free(file);
    free(text);
}

static void the_reference_is_that_of_the_table(void **state)
{
    (void)state;
    char *text = made(config_append_reference);
    char *file = read_file("docs/settings.md");
    char *begin = strstr(file, BEGIN);
    char *end = strstr(file, END);
    if (begin == NULL || end == NULL || begin > end)
        fail_msg("docs/settings.md has no place for the table");
    begin += strlen(BEGIN);
    if (is_update()) {
        char *after = strdup(end);
        assert_non_null(after);
        *begin = '\0';
        write_file("docs/settings.md", file, text, after);
        free(after);
    } else {
        *end = '\0';
        assert_string_equal(begin, text);
    }
    free(file);
    free(text);
}

static void lines_of_the_example_have_at_most_120_columns(void **state)
{
    (void)state;
    char *text = made(config_append_example);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strlen(line) > 120)
            fail_msg("%s", line);
    }
    free(text);
}

/* ---- every row ---- */

static void expect_within(const char *what, const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s is not in %s:\n%s", part, what, text);
}

static void every_key_is_in_every_document(void **state)
{
    (void)state;
    char *usage = made(config_append_usage);
    char *example = made(config_append_example);
    char *reference = made(config_append_reference);
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        const char *dot = strrchr(key->path, '.');
        char part[256];
        (void)snprintf(part, sizeof part, "| `%s` |", key->path);
        expect_within("the reference", reference, part);
        (void)snprintf(part, sizeof part, "%s:", dot != NULL ? dot + 1 : key->path);
        expect_within("the example", example, part);
        if (key->variable == NULL)
            continue;
        (void)snprintf(part, sizeof part, "%s\n      %s", key->variable, key->what);
        expect_within("--help", usage, part);
        expect_within("the example", example, key->variable);
    }
    free(usage);
    free(example);
    free(reference);
}

/* What a row must have, for what is made of it. */
static void every_row_is_whole(void **state)
{
    (void)state;
    size_t names = 0;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        bool words = key->kind == KIND_BOOL || key->kind == KIND_WORD;
        assert_ptr_equal(config_key_find(key->path), key);
        assert_non_null(key->what);
        assert_int_equal(key->what[strlen(key->what) - 1], '.');
        assert_null(strchr(key->what, '|'));
        assert_true(words == (key->words != NULL));
        assert_true(key->flag == NULL || (key->variable != NULL && key->value != NULL));
        assert_true(key->kind == KIND_LIST || key->fallback != NULL || key->example != NULL);
        assert_true(strchr(key->path, '[') != NULL || key->home != HOME_NONE || key->kind == KIND_LIST);
        assert_true(words || key->min <= key->max);
        names += key->variable != NULL ? 1 : 0;
    }
    assert_true(names <= CONFIG_NAMES_MAX);
    assert_null(config_key_find("nats"));
    assert_null(config_key_find(""));
}

/* ---- every range: at its ends, and one beyond ---- */

/* Where a value of any key has its place. */
struct homes {
    struct config config;
    struct stream_settings stream;
    struct collection_settings collection;
};

static void *home_of(const struct config_key *key, struct homes *homes)
{
    return key->home == HOME_STREAM       ? (void *)&homes->stream
           : key->home == HOME_COLLECTION ? (void *)&homes->collection
                                          : config_home(&homes->config, key->home);
}

/* A copy of one value, in a home of its own. */
static enum sg_status store(const struct config_key *key, const char *text, struct homes *homes)
{
    struct config_source source = {0};
    struct sg_error err = {0};
    enum sg_status status = config_store(&source, key, key->path, text, home_of(key, homes), &err);
    assert_true(status == SG_OK || (status == SG_INVALID && strncmp(err.message, key->path, strlen(key->path)) == 0));
    return status;
}

static void expect_stored(const struct config_key *key, const char *text, bool good)
{
    struct homes homes = {0};
    if ((store(key, text, &homes) == SG_OK) != good)
        fail_msg("%s: %s is %s", key->path, text, good ? "refused" : "accepted");
    if (good) {
        struct buffer value;
        buffer_init(&value, CONFIG_DOCUMENT_BYTES_MAX);
        config_append_value(key, home_of(key, &homes), &value);
        buffer_append(&value, "", 1);
        assert_string_equal(value.data, text);
        buffer_free(&value);
    }
    config_free(&homes.config);
}

static void expect_number(const struct config_key *key, int64_t number, bool good)
{
    char text[CONFIG_NUMBER_BYTES];
    config_format_number(key->kind, number, text);
    expect_stored(key, text, good);
}

static void expect_text(const struct config_key *key, int64_t bytes, bool good)
{
    char *text = calloc(1, (size_t)bytes + 1);
    assert_non_null(text);
    memset(text, 'x', (size_t)bytes);
    expect_stored(key, text, good);
    free(text);
}

static void every_range_ends_where_the_table_says(void **state)
{
    (void)state;
    size_t checked = 0;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        bool number = key->kind == KIND_DURATION || key->kind == KIND_BYTES || key->kind == KIND_COUNT ||
                      key->kind == KIND_UNSIGNED;
        if (number) {
            expect_number(key, key->min, true);
            expect_number(key, key->max, true);
            expect_number(key, key->max + 1, false);
            if (key->min > 0)
                expect_number(key, key->min - 1, key->zero && key->min == 1);
            if (key->zero)
                expect_number(key, 0, true);
        } else if (key->kind == KIND_TEXT && key->check == NULL && strchr(key->path, '[') == NULL) {
            expect_text(key, key->max, true);
            expect_text(key, key->max + 1, false);
        } else if (key->words != NULL && strchr(key->path, '[') == NULL) {
            for (size_t k = 0; key->words[k] != NULL; k++)
                expect_stored(key, key->words[k], true);
            expect_stored(key, "no such word", false);
        } else {
            continue;
        }
        checked++;
    }
    assert_true(checked > 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_file_is_that_of_the_table),
        cmocka_unit_test(the_reference_is_that_of_the_table),
        cmocka_unit_test(lines_of_the_example_have_at_most_120_columns),
        cmocka_unit_test(every_key_is_in_every_document),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_range_ends_where_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
