/* Streams and collections of the configuration: what arrives, and what cannot stand together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/config/config.h"

struct refusal {
    const char *text;
    const char *message;
};

static struct config load_good(const char *text)
{
    struct config config = {0};
    struct sg_error err = {0};
    if (config_load_text("c.yaml", text, strlen(text), &config, &err) != SG_OK)
        fail_msg("%s: %s", text, err.message);
    return config;
}

static void expect_refused(const char *text, const char *message)
{
    struct config config;
    struct sg_error err = {0};
    if (config_load_text("c.yaml", text, strlen(text), &config, &err) == SG_OK)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.status, SG_INVALID);
    assert_string_equal(err.message, message);
}

#define EXPECT_REFUSALS(...)                                                                                           \
    do {                                                                                                               \
        static const struct refusal refusals[] = {__VA_ARGS__};                                                        \
        for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)                                              \
            expect_refused(refusals[i].text, refusals[i].message);                                                     \
    } while (0)

/* `entry` for 0 .. count - 1, each '#' of it replaced by the number. The caller frees. */
static char *repeated(const char *before, unsigned count, const char *entry, const char *after)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    (void)fputs(before, to);
    for (unsigned i = 0; i < count; i++) {
        for (const char *c = entry; *c != '\0'; c++) {
            if (*c == '#')
                (void)fprintf(to, "%u", i);
            else
                (void)fputc(*c, to);
        }
    }
    (void)fputs(after, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

/* ---- what arrives ---- */

static void streams_arrive_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct config s = load_good("streams:\n"
                                  "  - name: ORDERS\n    subject: o.{collection}.{id}\n"
                                  "    collections: [orders, lines]\n"
                                  "    on_gap: rebuild\n"
                                  "  - name: KV_settings\n    format: kv\n    collection: settings\n"
                                  "    expire: refuse\n"
                                  "  - name: ANY\n    subject: a.{collection}\n    format: envelope\n"
                                  "    on_gap: continue\n"
                                  "collections:\n  - name: lines\n    drop: [/a, '/b/0', '/c~1d~0', '/']\n"
                                  "  - name: settings\n");
    assert_int_equal(s.settings.streams_count, 3);
    assert_string_equal(s.settings.streams[0].name, "ORDERS");
    assert_string_equal(s.settings.streams[0].subject.filter, "o.*.>");
    assert_int_equal(s.settings.streams[0].collections_count, 2);
    assert_string_equal(s.settings.streams[0].collections[1], "lines");
    assert_false(s.settings.streams[0].fixed_collection);
    assert_int_equal(s.settings.streams[0].on_gap, ON_GAP_REBUILD);
    assert_int_equal(s.settings.streams[1].format, FORMAT_KV);
    assert_string_equal(s.settings.streams[1].subject.text, "$KV.settings.{id}");
    assert_true(s.settings.streams[1].fixed_collection);
    assert_string_equal(s.settings.streams[1].collections[0], "settings");
    assert_int_equal(s.settings.streams[2].collections_count, 0);
    assert_int_equal(s.settings.streams[2].on_gap, ON_GAP_CONTINUE);
    assert_int_equal(settings_owner(&s.settings, SLICE_LITERAL("settings")), 1);
    assert_int_equal(settings_owner(&s.settings, SLICE_LITERAL("others")), 2);
    assert_int_equal(s.settings.collections_count, 2);
    assert_int_equal(s.settings.collections[0].drop_count, 4);
    assert_string_equal(s.settings.collections[0].drop[2], "/c~1d~0");
    assert_int_equal(s.settings.collections[1].drop_count, 0);
    config_free(&s);
}

static void the_summary_shows_what_would_be_served(void **state)
{
    (void)state;
    struct config s = load_good("listen: unix:/run/s.sock\nstreams: [{name: KV_b, format: kv, collection: c}]\n"
                                  "collections: [{name: c, drop: [/ssn], tombstones: {keep: 7d, max: 9}}]\n");
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    assert_non_null(to);
    config_summarise(&s.settings, to);
    assert_int_equal(fclose(to), 0);
    static const char *const parts[] = {"unix:/run/s.sock", "listen_ops   none", "stategate.db", "KV_b: kv",
                                        "$KV.b.{id}", "filter $KV.b.>", "collections: c\n", "c: drops /ssn; keeps tombstones for 7d; keeps at most 9 tombstones\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(text, parts[i]) == NULL)
            fail_msg("%s is not in:\n%s", parts[i], text);
    }
    free(text);
    config_free(&s);
}

/* ---- one stream ---- */

static void a_stream_needs_a_name_and_a_subject(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"listen: h:1\nstreams:\n  - subject: a.{id}\n    collection: a\n", "c.yaml:3: streams[0].name: is required"},
        {"streams:\n  - name: A\n", "c.yaml:2: streams[0].subject: is required, for example state.{collection}.{id}"},
        {"streams:\n  - name: A\n    format: kv\n",
         "c.yaml:2: streams[0].subject: is required: A is not the stream of a bucket (KV_<bucket>)"},
        {"streams:\n  - name: a b\n",
         "c.yaml:2: streams[0].name: must have 1 to 255 bytes, without '.', '*', '>' and white space"},
        {"streams:\n  - name: ''\n",
         "c.yaml:2: streams[0].name: must have 1 to 255 bytes, without '.', '*', '>' and white space"});
}

static void a_wrong_template_is_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"streams:\n  - name: A\n    subject: a..{id}\n",
         "c.yaml:3: streams[0].subject: subject 'a..{id}' has an empty token"},
        {"streams:\n  - name: KV_a\n    subject: $KV.a.*\n    format: kv\n    collection: a\n",
         "c.yaml:3: streams[0].subject: must hold {id}: format kv takes it from the key"});
}

static void each_format_is_known_by_its_name_and_no_other(void **state)
{
    (void)state;
    static const char *const others[] = {"KV", "'kv '", "''"};
    char text[256];
    for (unsigned i = 0; i < STREAM_FORMATS_COUNT; i++) {
        (void)snprintf(text, sizeof text, "streams: [{name: A, subject: 'a.{id}', collection: a, format: %s}]",
                       stream_format_name((enum stream_format)i));
        struct config s = load_good(text);
        assert_int_equal(s.settings.streams[0].format, i);
        config_free(&s);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct config config;
        struct sg_error err;
        (void)snprintf(text, sizeof text, "streams: [{name: A, subject: 'a.{id}', collection: a, format: %s}]",
                       others[i]);
        assert_int_equal(config_load_text("c.yaml", text, strlen(text), &config, &err), SG_INVALID);
        assert_non_null(strstr(err.message, "streams[0].format: must be envelope or kv, not "));
    }
}

static void formats_of_later_versions_are_refused_by_name(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"streams:\n  - name: A\n    format: cloudevents\n",
         "c.yaml:3: streams[0].format: cloudevents is not supported by this version"},
        {"streams:\n  - name: A\n    format: debezium\n",
         "c.yaml:3: streams[0].format: debezium is not supported by this version"},
        {"streams:\n  - name: A\n    format: custom\n",
         "c.yaml:3: streams[0].format: custom is not supported by this version"},
        {"streams:\n  - name: A\n    format: xml\n", "c.yaml:3: streams[0].format: must be envelope or kv, not xml"},
        {"streams:\n  - name: KV_a\n    format: kv\n    collection: a\n    expire: by-age\n",
         "c.yaml:5: streams[0].expire: by-age is not supported by this version"},
        {"streams:\n  - name: KV_a\n    format: kv\n    collection: a\n    expire: never\n",
         "c.yaml:5: streams[0].expire: must be refuse, not never"},
        {"streams:\n  - {name: KV_a, format: kv, collection: a, on_gap: stop}\n",
         "c.yaml:2: streams[0].on_gap: must be continue or rebuild, not stop"});
}

static void a_collection_is_named_exactly_where_the_template_does_not(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"streams:\n  - name: A\n    subject: a.{id}\n",
         "c.yaml:2: streams[0].collection: is required: the template a.{id} has no {collection}"},
        {"streams:\n  - name: A\n    subject: a.{collection}.{id}\n    collection: a\n",
         "c.yaml:4: streams[0].collection: cannot stand beside a template with {collection}; collections: [...] would "
         "choose among them"},
        {"streams:\n  - name: A\n    subject: a.{id}\n    collections: [a, b]\n",
         "c.yaml:4: streams[0].collections: cannot be told apart by a template without {collection}; use collection"},
        {"streams:\n  - name: A\n    subject: a.{id}\n    collections: [a]\n    collection: a\n",
         "c.yaml:5: streams[0].collection: cannot stand beside collections"},
        {"streams:\n  - name: A\n    subject: a.{collection}\n    collections: []\n",
         "c.yaml:4: streams[0].collections: must have at least 1 entry"});
}

static void collection_names_are_single_tokens(void **state)
{
    (void)state;
    static const char *const names[] = {"''", "a.b", "'a b'", "'a*'", "'>'"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "streams:\n  - name: A\n    subject: a.{id}\n    collection: %s\n", names[i]);
        expect_refused(text, "c.yaml:4: streams[0].collection: must be one token of a subject: 1 to 128 bytes, without "
                             "'.', '*', '>' and white space");
    }
    expect_refused("streams:\n  - name: A\n    subject: a.{collection}\n    collections:\n      - a\n      - b.c\n",
                   "c.yaml:6: streams[0].collections[1]: must be one token of a subject: 1 to 128 bytes, without '.', "
                   "'*', '>' and white space");
}

/* ---- several streams ---- */

static void overlaps_stop_the_start(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"streams:\n  - {name: A, subject: 'a.{id}', collection: a}\n"
         "  - name: A\n    subject: b.{id}\n    collection: b\n",
         "c.yaml:3: streams[1].name: A is named twice"},
        {"streams:\n  - {name: A, subject: 'a.{id}', collection: a}\n"
         "  - name: B\n    subject: b.{id}\n    collection: a\n",
         "c.yaml:5: streams[1].collection: a belongs to stream A already"},
        {"streams:\n  - {name: A, subject: 'a.{id}', collection: c}\n"
         "  - name: B\n    subject: b.{collection}\n    collections:\n      - a\n      - c\n",
         "c.yaml:7: streams[1].collections[1]: c belongs to stream A already"},
        {"streams:\n  - name: B\n    subject: b.{collection}\n    collections:\n      - z\n      - c\n      - z\n",
         "c.yaml:7: streams[0].collections[2]: z is listed twice"},
        {"streams:\n  - {name: A, subject: 'a.{collection}'}\n  - name: B\n    subject: b.{collection}.{id}\n",
         "c.yaml:4: streams[1].subject: {collection} without a list of collections can stand on one stream only, and "
         "stands on A already"});
}

static void more_collections_than_the_maximum_cannot_be_named(void **state)
{
    (void)state;
    struct config s =
        load_good("collections_max: 2\nstreams: [{name: A, subject: 'a.{collection}', collections: [a, b]}]\n");
    config_free(&s);
    expect_refused("collections_max: 1\nstreams: [{name: A, subject: 'a.{collection}', collections: [a, b]}]\n",
                   "c.yaml:1: collections_max: must be at least 2: the streams name so many");
}

static void lists_hold_at_their_limit_and_not_beyond(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        unsigned count_max;
        const char *entry;
        const char *after;
        const char *message;
    } cases[] = {
        {"streams: [", SETTINGS_STREAMS_MAX, "{name: s#, subject: '{id}', collection: c#},", "]",
         "c.yaml:1: streams: must have at most 64 entries"},
        {"streams: [{name: s, subject: 's.{collection}', collections: [", CONFIG_STREAM_COLLECTIONS_MAX, "c#,", "]}]",
         "c.yaml:1: streams[0].collections: must have at most 1000 entries"},
        {"collections: [", CONFIG_COLLECTIONS_MAX, "{name: c#},", "]",
         "c.yaml:1: collections: must have at most 1000 entries"},
        {"collections: [{name: c, drop: [", CONFIG_DROPS_MAX, "/p#,", "]}]",
         "c.yaml:1: collections[0].drop: must have at most 64 entries"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = repeated(cases[i].before, cases[i].count_max, cases[i].entry, cases[i].after);
        struct config s = load_good(text);
        config_free(&s);
        free(text);
        text = repeated(cases[i].before, cases[i].count_max + 1, cases[i].entry, cases[i].after);
        expect_refused(text, cases[i].message);
        free(text);
    }
}

/* ---- collections ---- */

static void settings_of_collections_are_checked(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"collections:\n  - drop: [/a]\n", "c.yaml:2: collections[0].name: is required"},
        {"collections:\n  - name: a\n  - name: b\n  - name: a\n",
         "c.yaml:4: collections[2].name: a stands in this list twice"},
        {"collections:\n  - name: a.b\n",
         "c.yaml:2: collections[0].name: must be one token of a subject: 1 to 128 bytes, without '.', '*', '>' and "
         "white space"},
        {"streams: [{name: A, subject: 'a.{id}', collection: customers}]\ncollections:\n  - name: costumers\n",
         "c.yaml:3: collections[0].name: costumers belongs to no stream"},
        {"collections:\n  - name: a\n    drop:\n      - /a\n      - a\n",
         "c.yaml:5: collections[0].drop[1]: must be a JSON pointer, which begins with '/'"},
        {"collections:\n  - name: a\n    drop: ['']\n",
         "c.yaml:3: collections[0].drop[0]: must not be empty: that would drop the whole state"},
        {"collections:\n  - name: a\n    drop: [/a~2]\n",
         "c.yaml:3: collections[0].drop[0]: must be a JSON pointer, where '~' is written ~0"},
        {"collections:\n  - name: a\n    drop: [/a~]\n",
         "c.yaml:3: collections[0].drop[0]: must be a JSON pointer, where '~' is written ~0"},
        {"collections:\n  - name: a\n    drop:\n      - /a\n      - /b\n      - /a\n",
         "c.yaml:6: collections[0].drop[2]: /a is listed twice"},
        {"collections:\n  - name: a\n    drop: []\n", "c.yaml:3: collections[0].drop: must have at least 1 entry"});
}

#define OF_A(text) "collections:\n  - name: a\n    tombstones: " text "\n"

static void bounds_of_tombstones_hold_at_their_limits_and_not_beyond(void **state)
{
    (void)state;
    struct config s = load_good("collections:\n  - name: a\n    tombstones: { keep: 7d, max: 1000000 }\n  - name: b\n"
                                "  - name: c\n    tombstones: { keep: 1s }\n  - name: d\n    tombstones: { max: 1 }\n"
                                "  - name: e\n    tombstones: { keep: 3650d, max: 1000000000 }\n"
                                "  - name: f\n    tombstones: { keep: 0, max: 0 }\n");
    const int64_t keep[] = {604800000, 0, 1000, 0, INT64_C(315360000000), 0};
    const size_t max[] = {1000000, 0, 0, 1, 1000000000, 0};
    assert_int_equal(s.settings.collections_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(s.settings.collections[i].tombstones.keep_ms, keep[i]);
        assert_int_equal(s.settings.collections[i].tombstones.max, max[i]);
    }
    config_free(&s);
    EXPECT_REFUSALS(
        {OF_A("{ keep: 999ms }"),
         "c.yaml:3: collections[0].tombstones.keep: must be 0 or between 1s and 3650d, not 999ms"},
        {OF_A("{ keep: 3651d }"),
         "c.yaml:3: collections[0].tombstones.keep: must be 0 or between 1s and 3650d, not 3651d"},
        {OF_A("{ keep: 7 }"), "c.yaml:3: collections[0].tombstones.keep: must be a duration such as 500ms, 5s, 2m, 1h "
                              "or 7d, not 7"},
        {OF_A("{ max: 1000000001 }"),
         "c.yaml:3: collections[0].tombstones.max: must be 0 or between 1 and 1000000000, not 1000000001"},
        {OF_A("{ max: -1 }"), "c.yaml:3: collections[0].tombstones.max: must be a whole number, not -1"},
        {OF_A("{ keeps: 7d }"), "c.yaml:3: collections[0].tombstones.keeps: unknown key; did you mean keep? (known here: "
                                "keep, max)"},
        {OF_A("7d"), "c.yaml:3: collections[0].tombstones: must be a mapping of keys to values"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_arrive_in_the_order_of_the_file),
        cmocka_unit_test(the_summary_shows_what_would_be_served),
        cmocka_unit_test(a_stream_needs_a_name_and_a_subject),
        cmocka_unit_test(a_wrong_template_is_refused),
        cmocka_unit_test(each_format_is_known_by_its_name_and_no_other),
        cmocka_unit_test(formats_of_later_versions_are_refused_by_name),
        cmocka_unit_test(a_collection_is_named_exactly_where_the_template_does_not),
        cmocka_unit_test(collection_names_are_single_tokens),
        cmocka_unit_test(overlaps_stop_the_start),
        cmocka_unit_test(more_collections_than_the_maximum_cannot_be_named),
        cmocka_unit_test(lists_hold_at_their_limit_and_not_beyond),
        cmocka_unit_test(settings_of_collections_are_checked),
        cmocka_unit_test(bounds_of_tombstones_hold_at_their_limits_and_not_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
