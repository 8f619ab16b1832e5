/* The file as a tree: lines, the finding of paths, and what a text may make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/config/config_internal.h"

static enum sg_status parse(const char *text, size_t bytes, struct config_node **out, struct sg_error *err)
{
    struct config_source source = {.file = "c.yaml", .text = text, .bytes = bytes};
    *err = (struct sg_error){0};
    *out = NULL;
    return config_tree_parse(&source, out, err);
}

static struct config_node *parse_good(const char *text)
{
    struct config_node *root;
    struct sg_error err;
    if (parse(text, strlen(text), &root, &err) != SG_OK)
        fail_msg("%s", err.message);
    return root;
}

/* Takes the text. */
static void expect_parsed(char *text)
{
    config_tree_free(parse_good(text));
    free(text);
}

static void expect_refused(char *text, const char *message)
{
    struct config_node *root;
    struct sg_error err;
    assert_int_equal(parse(text, strlen(text), &root, &err), SG_INVALID);
    assert_null(root);
    assert_string_equal(err.message, message);
    free(text);
}

/* `count` times `part`, each '#' of it replaced by the number, between `before` and `after`. */
static char *repeated(const char *before, size_t count, const char *part, const char *after)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    (void)fputs(before, to);
    for (size_t i = 0; i < count; i++) {
        for (const char *c = part; *c != '\0'; c++) {
            if (*c == '#')
                (void)fprintf(to, "%zu", i);
            else
                (void)fputc(*c, to);
        }
    }
    (void)fputs(after, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void values_keep_their_form_and_lines(void **state)
{
    (void)state;
    struct config_node *root = parse_good("a: 1\n\nb:\n  c: 'x'\n  d:\n    - e\n    - {f: g}\nh: |\n  i\n");
    static const struct {
        const char *path;
        enum config_form form;
        unsigned key_line, line;
        size_t count;
        const char *text;
    } cases[] = {
        {"", CONFIG_MAPPING, 1, 1, 3, NULL},        {"a", CONFIG_SCALAR, 1, 1, 0, "1"},
        {"b", CONFIG_MAPPING, 3, 4, 2, NULL},       {"b.c", CONFIG_SCALAR, 4, 4, 0, "x"},
        {"b.d", CONFIG_SEQUENCE, 5, 6, 2, NULL},    {"b.d[0]", CONFIG_SCALAR, 6, 6, 0, "e"},
        {"b.d[1]", CONFIG_MAPPING, 7, 7, 1, NULL},  {"b.d[1].f", CONFIG_SCALAR, 7, 7, 0, "g"},
        {"h", CONFIG_SCALAR, 8, 8, 0, "i\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct config_node *node = config_tree_find(root, cases[i].path);
        assert_non_null(node);
        assert_int_equal(node->form, cases[i].form);
        assert_int_equal(node->key_line, cases[i].key_line);
        assert_int_equal(node->line, cases[i].line);
        assert_int_equal(node->count, cases[i].count);
        if (cases[i].text != NULL)
            assert_string_equal(node->text, cases[i].text);
        else
            assert_null(node->text);
    }
    assert_true(config_tree_find(root, "a")->plain);
    assert_false(config_tree_find(root, "b.c")->plain);
    config_tree_free(root);
}

static void what_is_not_there_has_the_line_of_what_is_around_it(void **state)
{
    (void)state;
    struct config_node *root = parse_good("a:\n  - b: 1\n  - b: 2\n");
    static const struct {
        const char *path;
        unsigned line;
    } cases[] = {{"a[1].c", 3}, {"a[1].b.d", 3}, {"a[2]", 1}, {"a.b", 1}, {"c.d", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(config_tree_find(root, cases[i].path));
        assert_int_equal(config_tree_nearest(root, cases[i].path)->key_line, cases[i].line);
    }
    assert_ptr_equal(config_tree_nearest(root, "c"), root);
    assert_null(config_tree_find(NULL, "a"));
    assert_null(config_tree_nearest(NULL, "a"));
    config_tree_free(root);
    config_tree_free(NULL);
}

static void an_empty_text_has_no_tree(void **state)
{
    (void)state;
    assert_null(parse_good(""));
    assert_null(parse_good("# nothing\n"));
}

static void anchors_are_let_be_and_aliases_refused(void **state)
{
    (void)state;
    config_tree_free(parse_good("a: &x 1\n"));
    expect_refused(repeated("a: &x 1\nb:\n", 1, "  - *x\n", ""), "c.yaml:3: b: aliases (*name) are not supported");
    expect_refused(repeated("a: &x 1\n", 1, "*x : 2\n", ""), "c.yaml:2: aliases (*name) are not supported");
}

static void a_key_twice_is_refused_with_both_lines(void **state)
{
    (void)state;
    expect_refused(repeated("a:\n  b: 1\n  c: 2\n", 1, "  b: 3\n", ""),
                   "c.yaml:4: a.b: stands here a second time, after line 2");
    expect_refused(repeated("a: 1\n", 1, "\"a\": 2\n", ""), "c.yaml:2: a: stands here a second time, after line 1");
    config_tree_free(parse_good("a: {b: 1}\nb: {a: 1}\nc: [{a: 1}, {a: 1}]\n"));
}

/* ---- limits: at them, and one beyond ---- */

static void depth_is_limited(void **state)
{
    (void)state;
    expect_parsed(repeated("", CONFIG_DEPTH_MAX, "[", "]]]]]]]]]]]]]]]]"));
    expect_refused(repeated("", CONFIG_DEPTH_MAX + 1, "[", "]]]]]]]]]]]]]]]]]"),
                   "c.yaml:1: must have at most 16 mappings and lists in each other");
    expect_refused(repeated("\n", 100000, "{a: ", ""),
                   "c.yaml:2: must have at most 16 mappings and lists in each other");
}

static void values_are_limited(void **state)
{
    (void)state;
    expect_parsed(repeated("[", CONFIG_NODES_MAX - 1, "a,", "]"));
    expect_refused(repeated("[", CONFIG_NODES_MAX, "a,", "]"), "c.yaml:1: must hold at most 300000 values");
}

static void keys_of_one_mapping_are_limited(void **state)
{
    (void)state;
    expect_parsed(repeated("", CONFIG_MAPPING_KEYS_MAX, "k#: 1\n", ""));
    expect_refused(repeated("a:\n", CONFIG_MAPPING_KEYS_MAX + 1, " k#: 1\n", ""),
                   "c.yaml:66: a: must have at most 64 keys");
}

static void bytes_are_limited(void **state)
{
    (void)state;
    expect_parsed(repeated("", CONFIG_FILE_BYTES_MAX, "\n", ""));
    expect_refused(repeated("", CONFIG_FILE_BYTES_MAX + 1, "\n", ""), "c.yaml: is larger than 1048576 bytes");
}

/* The lists of the largest configuration that the limits of the settings allow have room in a tree. */
static void the_largest_lists_have_room(void **state)
{
    (void)state;
    size_t streams = SETTINGS_STREAMS_MAX * (CONFIG_STREAM_COLLECTIONS_MAX + 8);
    size_t fields = FIELDS_MAX * (3 + 1) + FIELDS_INDEXES_MAX + 3; /* with both lists, and scan */
    size_t collections = CONFIG_COLLECTIONS_MAX * (CONFIG_DROPS_MAX + 3 + fields);
    assert_true(streams + collections + 100 < CONFIG_NODES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_keep_their_form_and_lines),
        cmocka_unit_test(what_is_not_there_has_the_line_of_what_is_around_it),
        cmocka_unit_test(an_empty_text_has_no_tree),
        cmocka_unit_test(anchors_are_let_be_and_aliases_refused),
        cmocka_unit_test(a_key_twice_is_refused_with_both_lines),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(values_are_limited),
        cmocka_unit_test(keys_of_one_mapping_are_limited),
        cmocka_unit_test(bytes_are_limited),
        cmocka_unit_test(the_largest_lists_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
