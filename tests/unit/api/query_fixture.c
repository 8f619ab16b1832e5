/* Queries of tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "query_fixture.h"

static const struct {
    const char *name, *at;
    enum field_type type;
} fields[] = {
    {"status", "/status", FIELD_STRING}, {"total", "/total", FIELD_NUMBER}, {"placed", "/placedAt", FIELD_TIME},
    {"items", "/items", FIELD_INTEGER},  {"paid", "/paid", FIELD_BOOLEAN},  {"tag", "/tags/*", FIELD_STRING},
    {"code", "/codes/*", FIELD_INTEGER}, {"note", "/note", FIELD_STRING},
};

static const char *const indexes[] = {
    "status,placed.desc", "total", "tag", "items.desc.nullsfirst,total", "paid,status,total", "code",
};

int query_fixture_setup(void **state)
{
    struct query_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *state = f;
    f->collection = SLICE_LITERAL("orders");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        assert_int_equal(
            fields_add(&f->fields, slice_of(fields[i].name), slice_of(fields[i].at), fields[i].type, &f->err), SG_OK);
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++)
        assert_int_equal(fields_add_index(&f->fields, slice_of(indexes[i]), &f->err), SG_OK);
    assert_int_equal(fields_hash_of(&f->fields, &f->hash, &f->err), SG_OK);
    buffer_init(&f->fault.members, 1u << 16);
    return 0;
}

int query_fixture_teardown(void **state)
{
    struct query_fixture *f = *state;
    fields_free(&f->fields);
    free(f->text);
    free(f->query);
    buffer_free(&f->fault.members);
    free(f);
    return 0;
}

enum sg_status query_ask(struct query_fixture *f, const char *text)
{
    size_t bytes = strlen(text);
    free(f->query);
    free(f->text);
    f->query = NULL;
    f->text = malloc(bytes > 0 ? bytes : 1); /* of exactly this size: reading beyond it is noticed */
    assert_non_null(f->text);
    memcpy(f->text, text, bytes);
    f->fault.problem = PROBLEM_BAD_REQUEST;
    buffer_reset(&f->fault.members);
    f->err = (struct sg_error){0};
    if (target_parse_params(f->text, bytes, &f->target, &f->err) != SG_OK)
        fail_msg("%s: %s", text, f->err.message);
    const struct query_source source = {.fields = &f->fields,
                                        .hash = &f->hash,
                                        .collection = f->collection,
                                        .params = f->target.params,
                                        .params_count = f->target.params_count,
                                        .limit = 100,
                                        .count = f->count,
                                        .ids = f->ids,
                                        .ids_count = f->ids_count};
    return query_make(&source, &f->query, &f->fault, &f->err);
}

struct query_end query_fixture_end(const struct query_fixture *f, const struct field_value *keys, const char *id,
                                   const struct epoch *epoch)
{
    return (struct query_end){.keys = keys,
                              .id = slice_of(id),
                              .collection = f->collection,
                              .epoch = epoch,
                              .hash = &f->hash,
                              .first = {.sequence = 42, .rows = {"r0a1b2c3d"}, .settled = "s7"}};
}

char *query_fixture_cursor(const struct query_fixture *f, const struct field_value *keys, const char *id)
{
    static const struct epoch epoch = {"k3fq1z"};
    struct query_end end = query_fixture_end(f, keys, id, &epoch);
    struct buffer text;
    size_t bytes;
    buffer_init(&text, CURSOR_LIST_TEXT_BYTES + 1);
    query_append_cursor(f->query, &end, &text);
    buffer_append(&text, "", 1);
    assert_false(text.failed);
    return buffer_take(&text, &bytes);
}
