/* A query as text again: parameters of a URL, cursors, a hash. */
#include <assert.h>
#include <string.h>

#include "api/request/query.h"
#include "core/base/decimal.h"

static void append_param(struct buffer *out, struct slice name, struct slice value)
{
    buffer_append_text(out, "&");
    target_append(out, name);
    buffer_append_text(out, "=");
    target_append(out, value);
}

/* `or(a.eq.1,b.eq.2)` is or=(a.eq.1,b.eq.2), and `a.eq.1` is a=eq.1. */
static void append_filter(struct slice terms, struct buffer *out)
{
    while (terms.bytes > 0) {
        struct slice term = filter_take_term(&terms);
        const char *group = memchr(term.data, '(', term.bytes);
        const char *test = memchr(term.data, '.', term.bytes);
        if (group != NULL && filter_is_group((struct slice){term.data, (size_t)(group - term.data)}))
            append_param(out, (struct slice){term.data, (size_t)(group - term.data)},
                         (struct slice){group, (size_t)(term.data + term.bytes - group)});
        else if (test != NULL)
            append_param(out, (struct slice){term.data, (size_t)(test - term.data)},
                         (struct slice){test + 1, (size_t)(term.data + term.bytes - test - 1)});
    }
}

void query_append_params(const struct list_query *q, unsigned parts, struct buffer *out)
{
    if (parts & QUERY_PART_FILTER)
        append_filter((struct slice){q->filter, q->filter_bytes}, out);
    if ((parts & QUERY_PART_ORDER) && q->order_bytes > 0)
        append_param(out, SLICE_LITERAL("order"), (struct slice){q->order, q->order_bytes});
    if ((parts & QUERY_PART_SELECT) && q->select_count > 0)
        append_param(out, SLICE_LITERAL("select"), q->select_text);
    if ((parts & QUERY_PART_COUNT) && q->count)
        append_param(out, SLICE_LITERAL("count"), SLICE_LITERAL("exact"));
}

void query_append_restart(const struct list_query *q, size_t limit, struct buffer *out)
{
    buffer_append_text(out, "?limit=");
    buffer_append_uint(out, limit);
    query_append_params(q, QUERY_PART_FILTER | QUERY_PART_ORDER | QUERY_PART_SELECT | QUERY_PART_COUNT, out);
}

void query_append_cursor(const struct list_query *q, const struct query_end *end, struct buffer *out)
{
    struct buffer texts;
    size_t begins[QUERY_ORDER_MAX + 1] = {0};
    struct cursor_list cursor = {.collection = end->collection,
                                 .epoch = *end->epoch,
                                 .fields = *end->hash,
                                 .first = end->first,
                                 .id = end->id};
    buffer_init(&texts, QUERY_ORDER_MAX * FIELDS_TEXT_BYTES_MAX);
    if (q != NULL) {
        assert(!q->batch);
        cursor.filter = (struct slice){q->filter, q->filter_bytes};
        cursor.order = (struct slice){q->order, q->order_bytes};
        cursor.keys_count = q->access.keys_count;
    }
    for (size_t i = 0; i < cursor.keys_count; i++) {
        cursor.keys[i].null = end->keys[i].state == FIELD_NULL;
        if (!cursor.keys[i].null)
            field_value_append(query_field_type(q->query.fields, q->access.keys[i].field), &end->keys[i], &texts);
        begins[i + 1] = texts.bytes;
    }
    for (size_t i = 0; i < cursor.keys_count && texts.bytes > 0; i++)
        cursor.keys[i].text = (struct slice){texts.data + begins[i], begins[i + 1] - begins[i]};
    out->failed |= texts.failed;
    cursor_list_append(&cursor, out);
    buffer_free(&texts);
}

/* ---- hash ---- */

static void hash_bytes_of(uint32_t *hash, struct slice bytes)
{
    for (size_t i = 0; i < bytes.bytes; i++) {
        *hash ^= (unsigned char)bytes.data[i];
        *hash *= UINT32_C(16777619);
    }
}

/* With an end that no text has. */
static void hash_part(uint32_t *hash, struct slice part)
{
    hash_bytes_of(hash, part);
    hash_bytes_of(hash, SLICE_LITERAL("\xff"));
}

static void hash_key(uint32_t *hash, enum field_type type, const struct field_value *key)
{
    char digits[DECIMAL_UINT_BYTES];
    uint64_t bits = 0;
    hash_bytes_of(hash, key->state == FIELD_SET ? SLICE_LITERAL("=") : SLICE_LITERAL("-"));
    if (key->state != FIELD_SET)
        return;
    if (type == FIELD_STRING) {
        hash_part(hash, key->text);
        return;
    }
    memcpy(&bits, type == FIELD_NUMBER ? (const void *)&key->number : (const void *)&key->integer, sizeof bits);
    hash_part(hash, (struct slice){digits, decimal_uint(bits, digits)});
}

uint32_t query_tag(const struct list_query *q, size_t limit)
{
    char digits[DECIMAL_UINT_BYTES];
    uint32_t hash = UINT32_C(2166136261);
    hash_bytes_of(&hash, (struct slice){digits, decimal_uint(limit, digits)});
    hash_bytes_of(&hash, SLICE_LITERAL(" "));
    if (q == NULL)
        return hash;
    hash_bytes_of(&hash, q->query.after_id);
    for (size_t i = 0; i < q->access.keys_count && q->query.after_id.bytes > 0; i++)
        hash_key(&hash, query_field_type(q->query.fields, q->access.keys[i].field), &q->query.after[i]);
    if (q->query.nodes_count == 0 && !q->query.ordered && q->select_count == 0 && !q->count && !q->batch)
        return hash; /* all rows by their ids */
    hash_bytes_of(&hash, q->count ? SLICE_LITERAL("#") : SLICE_LITERAL("\xff"));
    hash_part(&hash, (struct slice){q->filter, q->filter_bytes});
    hash_part(&hash, (struct slice){q->order, q->order_bytes});
    hash_part(&hash, q->select_text);
    for (size_t i = 0; i < q->ids_count; i++)
        hash_part(&hash, q->ids[i]);
    return hash;
}
