/* What a fingerprint promises: the same rules give the same text however they are written down, others another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "projector/ingest/fingerprint.h"

/* Settings own their text. */
static char state[] = "STATE";
static char other[] = "OTHER";
static char orders[] = "orders";
static char customers[] = "customers";
static char invoices[] = "invoices";
static char member_a[] = "/a\"b";
static char member_b[] = "/b";
static char *orders_first[] = {orders, customers};
static char *customers_first[] = {customers, orders, orders};
static char *other_list[] = {invoices};
static char *drop[] = {member_b, member_a};
static char *drop_turned[] = {member_a, member_b};
static char *drop_less[] = {member_b};

struct world {
    struct stream_settings streams[2];
    struct collection_settings collections[2];
    struct settings settings;
};

static void world_make(struct world *w)
{
    *w = (struct world){0};
    w->streams[0].name = state;
    assert_int_equal(subject_template_parse("state.{collection}.{id}", &w->streams[0].subject, NULL), SG_OK);
    w->streams[0].collections = orders_first;
    w->streams[0].collections_count = 2;
    w->streams[1].name = other;
    assert_int_equal(subject_template_parse("other.{collection}.{id}", &w->streams[1].subject, NULL), SG_OK);
    w->collections[0] = (struct collection_settings){.name = orders, .drop = drop, .drop_count = 2};
    w->collections[1] = (struct collection_settings){.name = customers, .drop = drop_less, .drop_count = 1};
    w->settings.streams = w->streams;
    w->settings.streams_count = 2;
    w->settings.collections = w->collections;
    w->settings.collections_count = 2;
}

typedef enum sg_status make(const struct settings *, const struct stream_settings *, struct buffer *,
                            struct sg_error *);

/* The caller frees it. */
static char *text(make *function, const struct world *w, size_t stream)
{
    struct buffer out;
    size_t bytes = 0;
    buffer_init(&out, FINGERPRINT_BYTES_MAX);
    assert_int_equal(function(&w->settings, &w->streams[stream], &out, NULL), SG_OK);
    char *taken = buffer_take(&out, &bytes);
    assert_non_null(taken);
    assert_int_equal(strlen(taken) + 1, bytes);
    return taken;
}

static void assert_text(make *function, const struct world *w, size_t stream, const char *wanted)
{
    char *found = text(function, w, stream);
    assert_string_equal(found, wanted);
    free(found);
}

static void rules_are_canonical_json(void **unused)
{
    (void)unused;
    struct world w;
    world_make(&w);
    assert_text(fingerprint_rows, &w, 0,
                "{\"format\":\"envelope\",\"decoder\":1,\"subject\":\"state.{collection}.{id}\","
                "\"collections\":[\"customers\",\"orders\"],\"not\":[],"
                "\"drop\":{\"customers\":[\"/b\"],\"orders\":[\"/a\\\"b\",\"/b\"]}}");
    w.streams[1].format = FORMAT_KV;
    assert_text(fingerprint_rows, &w, 1,
                "{\"format\":\"kv\",\"decoder\":1,\"subject\":\"other.{collection}.{id}\",\"collections\":[],"
                "\"not\":[\"customers\",\"orders\"],\"drop\":{}}");
}

/* What is made from rows costs no rebuild from the stream. */
static void declared_fields_change_nothing(void **unused)
{
    (void)unused;
    struct world w;
    struct field_set *set = &w.collections[0].fields;
    world_make(&w);
    char *before = text(fingerprint_rows, &w, 0);
    assert_int_equal(fields_add(set, slice_of("x"), slice_of("/x"), FIELD_STRING, NULL), SG_OK);
    assert_int_equal(fields_add_index(set, slice_of("x"), NULL), SG_OK);
    set->scan = true;
    assert_text(fingerprint_rows, &w, 0, before);
    fields_free(set);
    free(before);
}

static void order_of_the_settings_changes_nothing(void **unused)
{
    (void)unused;
    struct world w;
    world_make(&w);
    char *before = text(fingerprint_rows, &w, 0);
    char *not_before = text(fingerprint_rows, &w, 1);
    struct collection_settings first = w.collections[0];
    w.collections[0] = w.collections[1];
    w.collections[1] = first;
    w.collections[1].drop = drop_turned;
    w.streams[0].collections = customers_first;
    w.streams[0].collections_count = 3;
    assert_text(fingerprint_rows, &w, 0, before);
    assert_text(fingerprint_rows, &w, 1, not_before);
    free(before);
    free(not_before);
}

static void what_is_kept_of_the_deleted_is_not_in_it(void **unused)
{
    (void)unused;
    struct world w;
    world_make(&w);
    char *before = text(fingerprint_rows, &w, 0);
    w.collections[0].tombstones = (struct tombstone_settings){.keep_ms = 1000, .max = 7};
    assert_text(fingerprint_rows, &w, 0, before); /* or a change of it would build all rows anew */
    w.collections[1].drop_count = 0;
    char *without = text(fingerprint_rows, &w, 0);
    w.collections[1].tombstones = (struct tombstone_settings){.max = 7};
    assert_text(fingerprint_rows, &w, 0, without);
    free(before);
    free(without);
}

static void each_rule_is_in_it(void **unused)
{
    (void)unused;
    struct world w;
    world_make(&w);
    char *seen[6];
    size_t count = 0;
    seen[count++] = text(fingerprint_rows, &w, 0);
    w.streams[0].format = FORMAT_KV;
    seen[count++] = text(fingerprint_rows, &w, 0);
    assert_int_equal(subject_template_parse("status.{collection}.{id}", &w.streams[0].subject, NULL), SG_OK);
    seen[count++] = text(fingerprint_rows, &w, 0);
    w.collections[0].drop_count = 1;
    seen[count++] = text(fingerprint_rows, &w, 0);
    w.collections[1].drop_count = 0;
    seen[count++] = text(fingerprint_rows, &w, 0);
    w.streams[0].collections_count = 1;
    seen[count++] = text(fingerprint_rows, &w, 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
    }
    for (size_t i = 0; i < count; i++)
        free(seen[i]);
    char *not_before = text(fingerprint_rows, &w, 1);
    w.streams[0].collections = other_list;
    char *not_after = text(fingerprint_rows, &w, 1);
    assert_string_not_equal(not_before, not_after);
    free(not_before);
    free(not_after);
}

static enum sg_status before_at_first(const struct settings *settings, const struct stream_settings *stream,
                                      struct buffer *out, struct sg_error *err)
{
    return fingerprint_before(settings, stream, 1, out, err);
}

static void version_2_is_made_as_it_was(void **unused)
{
    (void)unused;
    struct world w;
    world_make(&w);
    assert_text(before_at_first, &w, 0,
                "state.{collection}.{id} envelope orders customers orders-/b orders-/a\"b customers-/b");
    w.streams[1].format = FORMAT_KV;
    assert_text(before_at_first, &w, 1, "other.{collection}.{id} kv !orders !customers");
}

/* It names no revision: of a later one it would be the same, and rows that are read otherwise taken for equal. */
static void a_later_revision_has_none_before_it(void **unused)
{
    (void)unused;
    struct world w;
    struct buffer out;
    world_make(&w);
    buffer_init(&out, FINGERPRINT_BYTES_MAX);
    for (unsigned revision = 0; revision < 4; revision++) {
        if (revision != 1)
            assert_int_equal(fingerprint_before(&w.settings, &w.streams[0], revision, &out, NULL), SG_NOT_FOUND);
    }
    assert_int_equal(out.bytes, 0);
    buffer_free(&out);
}

static void what_does_not_fit_is_an_error(void **unused)
{
    (void)unused;
    struct world w;
    struct buffer out;
    world_make(&w);
    buffer_init(&out, 40);
    assert_int_equal(fingerprint_rows(&w.settings, &w.streams[0], &out, NULL), SG_MEMORY);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_canonical_json),    cmocka_unit_test(order_of_the_settings_changes_nothing),
        cmocka_unit_test(declared_fields_change_nothing),
        cmocka_unit_test(what_is_kept_of_the_deleted_is_not_in_it),
        cmocka_unit_test(each_rule_is_in_it),          cmocka_unit_test(version_2_is_made_as_it_was),
        cmocka_unit_test(a_later_revision_has_none_before_it),
        cmocka_unit_test(what_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
