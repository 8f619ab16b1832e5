/* What the collections of histories declare, and the values of their events: from the text of a state alone, so that
 * stored ones give the same. */
#include "store_history.h"

#include <stdio.h>
#include <stdlib.h>

#define ELEMENTS 2
#define FIELDS 3

/* Indexes go, a type changes, all goes, all comes back. */
static const struct {
    const char *fields[FIELDS + 1][3]; /* name, place, type */
    const char *indexes[4];
} variants[] = {
    {{{"s", "/s", "string"}, {"n", "/n", "integer"}, {"l", "/l/*", "string"}}, {"s,n.desc", "n.nullslast", "l"}},
    {{{"s", "/s", "string"}, {"n", "/n", "integer"}, {"l", "/l/*", "string"}}, {"n.nullslast"}},
    {{{"n", "/n", "number"}, {"l", "/l/*", "string"}}, {"l", "n.desc.nullsfirst"}},
    {{{NULL}}, {NULL}},
};
#define VARIANTS (sizeof variants / sizeof variants[0])

static struct field_set sets[VARIANTS];

static enum field_type type_of(const char *name)
{
    int type = 0;
    while (strcmp(field_type_name((enum field_type)type), name) != 0)
        type++;
    return (enum field_type)type;
}

void history_fields_make(void)
{
    struct sg_error err = {0};
    for (size_t v = 0; v < VARIANTS; v++) {
        enum sg_status status = SG_OK;
        fields_free(&sets[v]);
        for (size_t i = 0; status == SG_OK && variants[v].fields[i][0] != NULL; i++)
            status = fields_add(&sets[v], slice_of(variants[v].fields[i][0]), slice_of(variants[v].fields[i][1]),
                                type_of(variants[v].fields[i][2]), &err);
        for (size_t i = 0; status == SG_OK && variants[v].indexes[i] != NULL; i++)
            status = fields_add_index(&sets[v], slice_of(variants[v].indexes[i]), &err);
        if (status != SG_OK) {
            (void)fprintf(stderr, "a declaration of the histories: %s\n", err.message);
            abort();
        }
    }
}

const struct field_set *history_declared(size_t stream, unsigned declared, size_t collection)
{
    const struct field_set *set = &sets[(declared + collection) % VARIANTS];
    return collection + stream < 2 && set->fields_count > 0 ? set : NULL;
}

/* ---- values ---- */

/* {"s":null,"n":12,"l":["a","b"],... or {"s":"k1","n":"x","l":["a","a"],... */
static void read_state(struct slice state, struct slice *s, int64_t *n, bool *has_n, struct slice l[ELEMENTS])
{
    const char *at = state.data + strlen("{\"s\":");
    *s = *at == '"' ? (struct slice){at + 1, 2} : (struct slice){NULL, 0};
    at += strlen(*at == '"' ? "\"k1\"" : "null") + strlen(",\"n\":");
    const char *end = strchr(at, ',');
    *has_n = *at != '"';
    if (*has_n && !field_integer_read((struct slice){at, (size_t)(end - at)}, n))
        abort();
    at = end + strlen(",\"l\":[\"");
    l[0] = (struct slice){at, 1};
    l[1] = (struct slice){at + strlen("a\",\""), 1};
}

static void set_elements(struct history_values *v, size_t at, struct slice l[ELEMENTS])
{
    size_t first = l[0].data[0] <= l[1].data[0] ? 0 : 1;
    v->elements[0] = (struct field_value){.state = FIELD_SET, .text = l[first]};
    v->elements[1] = (struct field_value){.state = FIELD_SET, .text = l[1 - first]};
    v->values[at] = (struct field_value){.state = FIELD_ELEMENTS};
    v->values[at].elements.values = v->elements;
    v->values[at].elements.count = l[0].data[0] == l[1].data[0] ? 1 : 2;
}

const struct field_value *history_values(const struct field_set *declared, struct slice state,
                                         struct history_values *out)
{
    struct slice s;
    struct slice l[ELEMENTS];
    int64_t n = 0;
    bool has_n = false;
    if (declared == NULL)
        return NULL;
    read_state(state, &s, &n, &has_n, l);
    for (size_t i = 0; i < declared->fields_count; i++) {
        const struct field *field = &declared->fields[i];
        struct field_value *value = &out->values[i];
        *value = (struct field_value){.state = FIELD_NULL};
        if (field->many)
            set_elements(out, i, l);
        else if (field->type == FIELD_STRING && s.bytes > 0)
            *value = (struct field_value){.state = FIELD_SET, .text = s};
        else if (field->type == FIELD_INTEGER && has_n)
            *value = (struct field_value){.state = FIELD_SET, .integer = n};
        else if (field->type == FIELD_NUMBER && has_n)
            *value = (struct field_value){.state = FIELD_SET, .number = (double)n};
    }
    return out->values;
}

/* ---- what the store calls ---- */

enum sg_status history_extract(void *context, struct slice collection, struct slice state,
                               const struct field_value **out, struct sg_error *err)
{
    static struct history_values values;
    const struct history *h = context;
    *out = NULL;
    (void)err;
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        for (size_t c = 0; c < HISTORY_COLLECTIONS; c++) {
            if (slice_equal(history_collection_name(i, c), collection))
                *out = history_values(history_declared(i, h->streams[i].declared, c), state, &values);
        }
    }
    return SG_OK;
}
