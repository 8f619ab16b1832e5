/* From parameters, and a cursor, to a query. */
#include "api/request/query.h"

#include <stdlib.h>
#include <string.h>

#define CLIP_BYTES 64u /* of the client's text, in a sentence */
_Static_assert(sizeof "/v1/state/?limit=1000&cursor=" + 3 * EVENT_COLLECTION_BYTES_MAX + CURSOR_LIST_TEXT_BYTES <=
                   TARGET_BYTES_MAX,
               "every cursor can be sent back");
/* Tests have one value at most, but lists. */
#define VALUES_MAX (QUERY_TERMS_MAX + QUERY_VALUES_MAX)

/* A query that is being read. */
struct making {
    const struct query_source *source;
    struct query_fault *fault;
    struct list_query *q;
    struct filter_reader reader;
    struct slice *ids;    /* room for those of a parameter */
    struct slice cursor;  /* each: without data = not given */
    struct slice order;
    struct slice select;
    struct slice count;
    struct slice batch;   /* the list of ids that is all that is asked for */
    size_t filters_count; /* parameters that filter */
    struct cursor_list after;
};

static int clipped(struct slice text)
{
    return (int)(text.bytes < CLIP_BYTES ? text.bytes : CLIP_BYTES);
}

bool query_filters(const struct field_set *fields, struct slice name)
{
    return filter_is_group(name) || query_field_find(fields, name) != QUERY_FIELDS_END;
}

bool query_knows(const struct field_set *fields, struct slice name)
{
    return slice_equal(name, SLICE_LITERAL("select")) || slice_equal(name, SLICE_LITERAL("order")) ||
           slice_equal(name, SLICE_LITERAL("count")) || query_filters(fields, name);
}

/* ---- what is there, and its memory ---- */

static bool is_id_list(struct param param)
{
    static const char begin[] = "in.(";
    return slice_equal(param.name, SLICE_LITERAL("id")) && param.value.bytes >= sizeof begin - 1 &&
           memcmp(param.value.data, begin, sizeof begin - 1) == 0;
}

static void look(struct making *m)
{
    const struct query_source *source = m->source;
    struct param filter = {0};
    for (size_t i = 0; i < source->params_count; i++) {
        struct param param = source->params[i];
        if (slice_equal(param.name, SLICE_LITERAL("cursor"))) {
            m->cursor = param.value;
        } else if (slice_equal(param.name, SLICE_LITERAL("order"))) {
            m->order = param.value;
        } else if (slice_equal(param.name, SLICE_LITERAL("select"))) {
            m->select = param.value;
        } else if (slice_equal(param.name, SLICE_LITERAL("count"))) {
            m->count = param.value;
        } else if (query_filters(source->fields, param.name)) {
            m->filters_count++;
            filter = param;
        }
    }
    if (source->ids == NULL && m->filters_count == 1 && m->cursor.data == NULL && m->order.data == NULL &&
        is_id_list(filter))
        m->batch = filter.value;
}

static size_t values_of(struct slice text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.bytes; i++)
        count += text.data[i] == ',';
    return count;
}

static enum sg_status allocate(struct making *m, struct sg_error *err)
{
    size_t values = m->cursor.data != NULL ? FILTER_BYTES_MAX / 2 : 0; /* each with something before it */
    size_t ids = values_of(m->batch);
    size_t text = m->cursor.data != NULL ? FILTER_BYTES_MAX : 0; /* and what its filter has in quotes */
    for (size_t i = 0; i < m->source->params_count; i++) {
        values += values_of(m->source->params[i].value);
        text += m->source->params[i].value.bytes;
    }
    values = values < VALUES_MAX ? values : VALUES_MAX;
    ids = ids < QUERY_IDS_MAX ? ids : QUERY_IDS_MAX;
    struct list_query *q =
        malloc(sizeof *q + values * sizeof(struct field_value) + ids * sizeof(struct slice) + text);
    if (q == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a query");
    memset(q, 0, sizeof *q);
    q->query.fields = m->source->fields;
    m->q = q;
    m->reader = (struct filter_reader){.query = &q->query, .values = (struct field_value *)(void *)(q + 1)};
    m->ids = (struct slice *)(void *)(m->reader.values + values);
    m->reader.text = (char *)(m->ids + ids);
    return SG_OK;
}

/* ---- order ---- */

/* The next of `rest` up to `end`, which is taken off with it; `*more`: there was one. */
static struct slice take_piece(struct slice *rest, char end, bool *more)
{
    const char *at = rest->bytes > 0 ? memchr(rest->data, end, rest->bytes) : NULL;
    struct slice piece = {rest->data, at != NULL ? (size_t)(at - rest->data) : rest->bytes};
    size_t taken = piece.bytes + (at != NULL);
    *rest = (struct slice){rest->data + taken, rest->bytes - taken};
    *more = at != NULL;
    return piece;
}

/* After the name: ".asc" or ".desc", then ".nullsfirst" or ".nullslast". */
static bool read_direction(struct slice rest, struct query_key *key)
{
    bool more = true;
    struct slice word = take_piece(&rest, '.', &more);
    key->descending = slice_equal(word, SLICE_LITERAL("desc"));
    key->nulls_last = key->descending; /* SQLite's own side */
    if (key->descending || slice_equal(word, SLICE_LITERAL("asc"))) {
        if (!more)
            return true;
        word = take_piece(&rest, '.', &more);
    }
    key->nulls_last = slice_equal(word, SLICE_LITERAL("nullslast"));
    return !more && (key->nulls_last || slice_equal(word, SLICE_LITERAL("nullsfirst")));
}

static enum sg_status read_key(const struct query *query, struct slice text, struct query_key *key,
                               struct sg_error *err)
{
    char names[FILTER_NAMES_BYTES];
    struct slice rest = text;
    bool more = false;
    struct slice name = take_piece(&rest, '.', &more);
    *key = (struct query_key){.field = query_field_find(query->fields, name)};
    if (key->field == QUERY_FIELDS_END)
        return sg_fail(err, SG_INVALID, "'order': there is no field '%.*s'; there are %s", clipped(name), name.data,
                       filter_names(query->fields, names));
    if (query_field_many(query->fields, key->field))
        return sg_fail(err, SG_INVALID, "'order': '%.*s' has many values, so that rows have no order by it",
                       SLICE_ARGS(name));
    if (more && !read_direction(rest, key))
        return sg_fail(err, SG_INVALID,
                       "'order': after '%.*s' may stand .asc or .desc, then .nullsfirst or .nullslast, not '.%.*s'",
                       SLICE_ARGS(name), clipped(rest), rest.data);
    for (size_t i = 0; i < query->order_count; i++) {
        if (query->order[i].field == key->field)
            return sg_fail(err, SG_INVALID, "'order': '%.*s' is repeated", SLICE_ARGS(name));
    }
    return SG_OK;
}

static enum sg_status read_order(struct query *query, struct slice text, struct sg_error *err)
{
    query->ordered = true;
    query->order_count = 0;
    for (bool more = true; more;) {
        struct query_key key;
        enum sg_status status = read_key(query, take_piece(&text, ',', &more), &key, err);
        if (status != SG_OK)
            return status;
        if (!more && key.field == QUERY_ID && !key.descending)
            return SG_OK; /* it is the last key anyhow */
        if (query->order_count == QUERY_ORDER_MAX)
            return sg_fail(err, SG_INVALID, "'order' has more than %d keys: no index has more", QUERY_ORDER_MAX);
        query->order[query->order_count++] = key;
    }
    return SG_OK;
}

static void append(struct list_query *q, struct slice text)
{
    memcpy(q->order + q->order_bytes, text.data, text.bytes);
    q->order_bytes += text.bytes;
}

static void write_order(struct list_query *q)
{
    q->order_bytes = 0;
    if (q->query.ordered && q->query.order_count == 0)
        append(q, SLICE_LITERAL("id"));
    for (size_t i = 0; i < q->query.order_count; i++) {
        const struct query_key *key = &q->query.order[i];
        if (i > 0)
            append(q, SLICE_LITERAL(","));
        append(q, query_field_name(q->query.fields, key->field));
        if (key->descending)
            append(q, SLICE_LITERAL(".desc"));
        if (key->nulls_last != key->descending)
            append(q, key->nulls_last ? SLICE_LITERAL(".nullslast") : SLICE_LITERAL(".nullsfirst"));
    }
}

/* ---- selection ---- */

/* Of a member of JSON that people name: a field's, and capitals. */
static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.data[i];
        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return text.bytes > 0 && text.bytes <= FIELDS_NAME_BYTES_MAX;
}

static bool is_pointer(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == '~' && (i + 1 == text.bytes || (text.data[i + 1] != '0' && text.data[i + 1] != '1')))
            return false;
    }
    return text.bytes > 0 && text.data[0] == '/';
}

/* After the name and its colon. */
static enum sg_status read_pointer(struct making *m, struct slice *rest, struct query_selected *out,
                                   struct sg_error *err)
{
    struct sg_error why;
    bool quoted = rest->bytes > 0 && rest->data[0] == '"';
    if (!is_name(out->name))
        return sg_fail(err, SG_INVALID, "'select': '%.*s' is no name: letters, digits and '_', at most %d",
                       clipped(out->name), out->name.data, FIELDS_NAME_BYTES_MAX);
    if (filter_take_value(rest, ",", m->reader.text + m->reader.text_bytes, &out->pointer, &why) != SG_OK)
        return sg_fail(err, SG_INVALID, "'select': %s", why.message);
    if (quoted)
        m->reader.text_bytes += out->pointer.bytes;
    if (!is_pointer(out->pointer))
        return sg_fail(err, SG_INVALID, "'select': '%.*s' is no JSON pointer such as /customer/name",
                       clipped(out->pointer), out->pointer.data);
    return SG_OK;
}

static enum sg_status read_selected(struct making *m, struct slice *rest, struct query_selected *out,
                                    struct sg_error *err)
{
    char names[FILTER_NAMES_BYTES];
    *out = (struct query_selected){.name = {rest->data, 0}, .field = QUERY_FIELDS_END};
    while (out->name.bytes < rest->bytes && rest->data[out->name.bytes] != ',' && rest->data[out->name.bytes] != ':')
        out->name.bytes++;
    *rest = (struct slice){rest->data + out->name.bytes, rest->bytes - out->name.bytes};
    if (rest->bytes > 0 && rest->data[0] == ':') {
        *rest = (struct slice){rest->data + 1, rest->bytes - 1};
        return read_pointer(m, rest, out, err);
    }
    out->field = query_field_find(m->source->fields, out->name);
    return out->field != QUERY_FIELDS_END
               ? SG_OK
               : sg_fail(err, SG_INVALID, "'select': there is no field '%.*s'; there are %s, and name:/pointer",
                         clipped(out->name), out->name.data, filter_names(m->source->fields, names));
}

static bool is_selected(const struct list_query *q, struct slice name)
{
    for (size_t i = 0; i < q->select_count; i++) {
        if (slice_equal(q->select[i].name, name))
            return true;
    }
    return false;
}

static enum sg_status read_select(struct making *m, struct sg_error *err)
{
    struct list_query *q = m->q;
    struct slice rest = m->select;
    if (m->select.bytes > QUERY_SELECT_BYTES_MAX)
        return sg_fail(err, SG_INVALID, "'select' is longer than %d bytes", QUERY_SELECT_BYTES_MAX);
    if (slice_equal(rest, SLICE_LITERAL("*")))
        return SG_OK; /* as clients of PostgREST ask for the whole */
    for (;;) {
        struct query_selected selected;
        enum sg_status status = read_selected(m, &rest, &selected, err);
        if (status != SG_OK)
            return status;
        if (is_selected(q, selected.name))
            return sg_fail(err, SG_INVALID, "'select': '%.*s' is repeated", SLICE_ARGS(selected.name));
        if (q->select_count == QUERY_SELECT_MAX)
            return sg_fail(err, SG_INVALID, "'select' has more than %d members", QUERY_SELECT_MAX);
        q->select[q->select_count++] = selected;
        if (rest.bytes == 0)
            break;
        if (rest.data[0] != ',')
            return sg_fail(err, SG_INVALID, "'select': ',' must stand after '%.*s'", SLICE_ARGS(selected.name));
        rest = (struct slice){rest.data + 1, rest.bytes - 1};
    }
    q->select_text = m->select;
    return SG_OK;
}

/* ---- a batch ---- */

/* All that is asked for are these ids: in the order of the request. */
static enum sg_status read_batch(struct making *m, struct sg_error *err)
{
    struct list_query *q = m->q;
    struct slice rest = {m->batch.data + strlen("in."), m->batch.bytes - strlen("in.")};
    if (rest.bytes > 1 && rest.data[1] == ')')
        return sg_fail(err, SG_INVALID, "'id': 'in' wants values in parentheses, at least one: in.(a,b)");
    do {
        struct slice id;
        struct field_value value;
        struct sg_error why;
        bool quoted = rest.bytes > 1 && rest.data[1] == '"';
        rest = (struct slice){rest.data + 1, rest.bytes - 1};
        enum sg_status status =
            filter_take_value(&rest, ",)", m->reader.text + m->reader.text_bytes, &id, &why);
        if (status != SG_OK)
            return sg_fail(err, status, "'id': %s", why.message);
        if (field_value_parse(FIELD_STRING, id, &value, &why) != SG_OK)
            return sg_fail(err, SG_INVALID, "'id' %s", why.message);
        if (quoted)
            m->reader.text_bytes += id.bytes;
        if (q->ids_count == QUERY_IDS_MAX)
            return sg_fail(err, SG_INVALID, "'id' has more than %d values", QUERY_IDS_MAX);
        m->ids[q->ids_count++] = id;
    } while (rest.bytes > 0 && rest.data[0] == ',');
    if (rest.bytes != 1 || rest.data[0] != ')')
        return sg_fail(err, SG_INVALID, "'id': a list of 'in' has a value and then neither ',' nor the ')' that ends it");
    q->ids = m->ids;
    return SG_OK;
}

/* ---- a cursor ---- */

static enum sg_status mismatch(struct making *m, struct sg_error *err, const char *why)
{
    m->fault->problem = PROBLEM_CURSOR_MISMATCH;
    return sg_fail(err, SG_INVALID, "the parameter 'cursor' %s", why);
}

static enum sg_status expired(struct making *m, struct sg_error *err)
{
    struct list_query *q = m->q;
    struct buffer restart;
    memcpy(q->filter, m->after.filter.data, m->after.filter.bytes);
    memcpy(q->order, m->after.order.data, m->after.order.bytes);
    q->filter_bytes = m->after.filter.bytes;
    q->order_bytes = m->after.order.bytes;
    buffer_init(&restart, m->fault->members.bytes_max);
    query_append_restart(q, m->source->limit, &restart);
    buffer_append_text(&m->fault->members, ",\"restart\":");
    buffer_append_json_string(&m->fault->members, (struct slice){restart.data, restart.bytes});
    m->fault->members.failed |= restart.failed;
    buffer_free(&restart);
    m->fault->problem = PROBLEM_CURSOR_EXPIRED;
    return sg_fail(err, SG_INVALID, "the fields or indexes of this collection are not those of the cursor any more");
}

/* Before what the request repeats is compared with it. */
static enum sg_status read_cursor(struct making *m, struct sg_error *err)
{
    char *room = m->reader.text + m->reader.text_bytes;
    if (!cursor_list_read(m->cursor, room, &m->after))
        return mismatch(m, err, "is not one that this list gave");
    m->reader.text_bytes += m->cursor.bytes;
    if (!slice_equal(m->after.collection, m->source->collection))
        return mismatch(m, err, "belongs to another collection");
    if (strcmp(m->after.fields.text, m->source->hash->text) != 0)
        return expired(m, err);
    m->q->continued = true;
    m->q->epoch = m->after.epoch;
    m->q->first = m->after.first;
    return SG_OK;
}

/* What the request does not repeat. */
static enum sg_status take_over(struct making *m, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (m->filters_count == 0 && m->after.filter.bytes > 0)
        status = filter_read_terms(&m->reader, m->after.filter, err);
    if (status == SG_OK && m->order.data == NULL && m->after.order.bytes > 0)
        status = read_order(&m->q->query, m->after.order, err);
    return status == SG_INVALID ? mismatch(m, err, "is not one that this list gave") : status;
}

/* What it was made of is what is asked. */
static enum sg_status check_same(struct making *m, struct sg_error *err)
{
    const struct list_query *q = m->q;
    if (!slice_equal((struct slice){q->filter, q->filter_bytes}, m->after.filter))
        return mismatch(m, err, "belongs to another filter");
    if (!slice_equal((struct slice){q->order, q->order_bytes}, m->after.order))
        return mismatch(m, err, "belongs to another order");
    return SG_OK;
}

static enum sg_status read_place(struct making *m, struct sg_error *err)
{
    struct query *query = &m->q->query;
    if (m->after.keys_count != m->q->access.keys_count)
        return mismatch(m, err, "is not one that this list gave");
    for (size_t i = 0; i < m->after.keys_count; i++) {
        const struct cursor_key *key = &m->after.keys[i];
        enum field_type type = query_field_type(query->fields, m->q->access.keys[i].field);
        query->after[i] = (struct field_value){.state = FIELD_NULL};
        if (!key->null && field_value_parse(type, key->text, &query->after[i], NULL) != SG_OK)
            return mismatch(m, err, "is not one that this list gave");
    }
    query->after_id = m->after.id;
    return SG_OK;
}

/* ---- all together ---- */

static enum sg_status not_indexed(struct making *m, const char *needed, struct sg_error *err)
{
    const struct field_set *fields = m->source->fields;
    struct buffer *members = &m->fault->members;
    m->fault->problem = PROBLEM_NOT_INDEXED;
    buffer_append_text(members, ",\"available\":[");
    for (size_t i = 0; i < fields->indexes_count; i++) {
        buffer_append_text(members, i > 0 ? "," : "");
        buffer_append_json_string(members, slice_of(fields->indexes[i].text));
    }
    buffer_append_text(members, "],\"needed\":");
    if (needed[0] == '\0') {
        buffer_append_text(members, "null");
        return sg_fail(err, SG_INVALID, "no index serves this query, and none could");
    }
    buffer_append_json_string(members, slice_of(needed));
    return sg_fail(err, SG_INVALID, "no index serves this query; one on %s would", needed);
}

static enum sg_status read_filters(struct making *m, struct sg_error *err)
{
    const struct query_source *source = m->source;
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < source->params_count && status == SG_OK; i++) {
        if (query_filters(source->fields, source->params[i].name))
            status = filter_read_param(&m->reader, source->params[i].name, source->params[i].value, err);
    }
    return status;
}

static enum sg_status read_asked(struct making *m, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    m->q->count = m->source->count;
    if (m->count.data != NULL) {
        m->q->count = true;
        if (!slice_equal(m->count, SLICE_LITERAL("exact")))
            return sg_fail(err, SG_INVALID, "the parameter 'count' is not 'exact', the only kind of count");
    }
    if (m->select.data != NULL)
        status = read_select(m, err);
    if (status == SG_OK && m->batch.data != NULL)
        return read_batch(m, err);
    if (status == SG_OK)
        status = read_filters(m, err);
    if (status == SG_OK && m->order.data != NULL)
        status = read_order(&m->q->query, m->order, err);
    return status;
}

/* What follows from it. */
static enum sg_status finish(struct making *m, struct sg_error *err)
{
    struct list_query *q = m->q;
    char needed[QUERY_NEEDED_BYTES];
    enum sg_status status = filter_write(&q->query, q->filter, &q->filter_bytes, err);
    if (status != SG_OK || q->batch)
        return status;
    write_order(q);
    if (q->continued)
        status = check_same(m, err);
    if (status == SG_OK && query_access(&q->query, &q->access, needed) == QUERY_NOT_INDEXED)
        status = not_indexed(m, needed, err);
    return status == SG_OK && q->continued ? read_place(m, err) : status;
}

/* A body names the ids; its filter has nothing else of a page. */
static enum sg_status check_body(struct making *m, struct sg_error *err)
{
    const char *name = m->cursor.data != NULL ? "cursor" : m->order.data != NULL ? "order" : NULL;
    if (m->source->ids == NULL)
        return SG_OK;
    m->q->ids = m->source->ids;
    m->q->ids_count = m->source->ids_count;
    return name == NULL ? SG_OK : sg_fail(err, SG_INVALID, "'%s' has no meaning in a batch", name);
}

enum sg_status query_make(const struct query_source *source, struct list_query **out, struct query_fault *fault,
                          struct sg_error *err)
{
    struct making m = {.source = source, .fault = fault};
    *out = NULL;
    look(&m);
    if (m.filters_count == 0 && m.cursor.data == NULL && m.order.data == NULL && m.select.data == NULL &&
        m.count.data == NULL && !source->count && source->ids == NULL)
        return SG_OK;
    enum sg_status status = allocate(&m, err);
    if (status != SG_OK)
        return status;
    m.q->batch = source->ids != NULL || m.batch.data != NULL;
    status = check_body(&m, err);
    if (status == SG_OK)
        status = read_asked(&m, err);
    if (status == SG_OK && m.cursor.data != NULL)
        status = read_cursor(&m, err);
    if (status == SG_OK && m.q->continued)
        status = take_over(&m, err);
    if (status == SG_OK)
        status = finish(&m, err);
    if (status == SG_OK)
        *out = m.q;
    else
        free(m.q);
    return status;
}
