/* Reading the body of a batch. */
#include "api/request/batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/domain/event.h"
#include "core/json/json.h"

#define CLIP_BYTES 64u /* of the client's text, in a sentence */
/* A member with a comma after it, each of its bytes behind a backslash. */
#define SELECT_TEXT_BYTES_MAX (2u * QUERY_SELECT_BYTES_MAX)

static int clipped(struct slice text)
{
    return (int)(text.bytes < CLIP_BYTES ? text.bytes : CLIP_BYTES);
}

/* ---- ids ---- */

static enum sg_status read_min_version(yyjson_val *value, int64_t *out, struct sg_error *err)
{
    if (!json_integer(value, out) || *out < 1)
        return sg_fail(err, SG_INVALID, "'minVersion' must be an integer of 1 or more");
    return SG_OK;
}

/* {"id": ..., "minVersion": ...} */
static enum sg_status read_demand(yyjson_val *object, struct slice *id, int64_t *min_version, struct sg_error *err)
{
    size_t i, count;
    yyjson_val *key, *value;
    enum sg_status status = SG_OK;
    *id = (struct slice){0};
    yyjson_obj_foreach(object, i, count, key, value) {
        struct slice name = json_key(key);
        if (slice_equal(name, SLICE_LITERAL("id")) && yyjson_is_str(value))
            *id = json_text(value);
        else if (slice_equal(name, SLICE_LITERAL("minVersion")))
            status = read_min_version(value, min_version, err);
        else if (!slice_equal(name, SLICE_LITERAL("id")))
            status = sg_fail(err, SG_INVALID, "in 'ids': the member '%.*s' is not known; there are id and minVersion",
                             clipped(name), name.data);
        if (status != SG_OK)
            return status;
    }
    return id->data != NULL ? SG_OK : sg_fail(err, SG_INVALID, "in 'ids': a member 'id' that is a string is missing");
}

static enum sg_status read_id(struct batch *b, yyjson_val *value, struct sg_error *err)
{
    struct slice id = {0};
    int64_t min_version = 0;
    enum sg_status status = SG_OK;
    if (yyjson_is_str(value))
        id = json_text(value);
    else if (yyjson_is_obj(value))
        status = read_demand(value, &id, &min_version, err);
    else
        status = sg_fail(err, SG_INVALID, "in 'ids' there are strings and objects {\"id\", \"minVersion\"} only");
    if (status == SG_OK)
        status = segment_check(id, EVENT_ID_BYTES_MAX, "id", err);
    if (status != SG_OK)
        return status;
    b->demands |= min_version != 0;
    b->ids[b->ids_count] = id;
    b->min_versions[b->ids_count++] = min_version;
    return SG_OK;
}

/* The places of the ids, by their bytes, and those of one id in their order. */
struct place {
    struct slice id;
    size_t at;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    size_t shorter = left->id.bytes < right->id.bytes ? left->id.bytes : right->id.bytes;
    int order = memcmp(left->id.data, right->id.data, shorter);
    if (order == 0 && left->id.bytes != right->id.bytes)
        order = left->id.bytes < right->id.bytes ? -1 : 1;
    if (order == 0 && left->at != right->at)
        order = left->at < right->at ? -1 : 1;
    return order;
}

/* An id that is there twice has one minimum version, whichever of its places names it. */
static enum sg_status join_demands(struct batch *b, struct sg_error *err)
{
    struct place *places = region_take(&b->memory, b->ids_count * sizeof *places, JSON_ALIGN);
    if (places == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a batch");
    for (size_t i = 0; i < b->ids_count; i++)
        places[i] = (struct place){b->ids[i], i};
    qsort(places, b->ids_count, sizeof *places, compare_places);
    for (size_t first = 0, end; first < b->ids_count; first = end) {
        int64_t wanted = 0;
        for (end = first; end < b->ids_count && slice_equal(places[end].id, places[first].id); end++) {
            int64_t version = b->min_versions[places[end].at];
            if (wanted != 0 && version != 0 && version != wanted)
                return sg_fail(err, SG_INVALID, "the id '%.*s' has two minimum versions, %" PRId64 " and %" PRId64,
                               clipped(places[first].id), places[first].id.data, wanted, version);
            wanted = version != 0 ? version : wanted;
        }
        for (size_t i = first; i < end; i++)
            b->min_versions[places[i].at] = wanted;
    }
    return SG_OK;
}

static enum sg_status read_ids(struct batch *b, yyjson_val *ids, struct sg_error *err)
{
    size_t i, count;
    yyjson_val *value;
    enum sg_status status = SG_OK;
    if (!yyjson_is_arr(ids) || yyjson_arr_size(ids) == 0)
        return sg_fail(err, SG_INVALID, "'ids' must be an array of at least one id");
    if (yyjson_arr_size(ids) > QUERY_IDS_MAX)
        return sg_fail(err, SG_INVALID, "'ids' has %zu ids: at most %d may be asked for at once", yyjson_arr_size(ids),
                       QUERY_IDS_MAX);
    yyjson_arr_foreach(ids, i, count, value) {
        status = read_id(b, value, err);
        if (status != SG_OK)
            return status;
    }
    return b->demands ? join_demands(b, err) : SG_OK;
}

/* ---- select and filter, as parameters ---- */

/* A pointer after a name is quoted, as it may hold anything. */
static void append_member(struct buffer *out, struct slice member)
{
    const char *colon = memchr(member.data, ':', member.bytes);
    size_t name_bytes = colon != NULL ? (size_t)(colon - member.data) + 1 : member.bytes;
    if (out->bytes > 0)
        buffer_append_text(out, ",");
    buffer_append(out, member.data, name_bytes);
    if (colon == NULL)
        return;
    buffer_append_text(out, "\"");
    for (size_t i = name_bytes; i < member.bytes; i++) {
        if (member.data[i] == '"' || member.data[i] == '\\')
            buffer_append_text(out, "\\");
        buffer_append(out, &member.data[i], 1);
    }
    buffer_append_text(out, "\"");
}

static enum sg_status join_select(struct batch *b, yyjson_val *select, struct buffer *out, struct sg_error *err)
{
    size_t i, count;
    yyjson_val *value;
    if (!yyjson_is_arr(select) || yyjson_arr_size(select) == 0)
        return sg_fail(err, SG_INVALID, "'select' must be an array of at least one member");
    yyjson_arr_foreach(select, i, count, value) {
        struct slice member = yyjson_is_str(value) ? json_text(value) : (struct slice){0};
        const char *colon = member.data != NULL ? memchr(member.data, ':', member.bytes) : NULL;
        size_t name_bytes = colon != NULL ? (size_t)(colon - member.data) : member.bytes;
        if (member.bytes == 0 || memchr(member.data, ',', name_bytes) != NULL)
            return sg_fail(err, SG_INVALID, "in 'select' there are fields and name:/pointer only, each a string");
        append_member(out, member);
    }
    struct param *param = &b->params.params[b->params.params_count++];
    param->name = SLICE_LITERAL("select");
    if (out->failed)
        return sg_fail(err, SG_INVALID, "'select' is longer than %d bytes", QUERY_SELECT_BYTES_MAX);
    return region_copy(&b->memory, (struct slice){out->data, out->bytes}, &param->value)
               ? SG_OK
               : sg_fail(err, SG_MEMORY, "out of memory for a batch");
}

static enum sg_status read_select(struct batch *b, yyjson_val *select, struct sg_error *err)
{
    struct buffer text;
    buffer_init(&text, SELECT_TEXT_BYTES_MAX);
    enum sg_status status = join_select(b, select, &text, err);
    buffer_free(&text);
    return status;
}

/* As after the "?" of a URL. */
static enum sg_status read_filter(struct batch *b, yyjson_val *filter, struct sg_error *err)
{
    if (!yyjson_is_str(filter) || yyjson_get_len(filter) == 0)
        return sg_fail(err, SG_INVALID, "'filter' must be a string such as \"status=eq.open\"");
    struct slice text = json_text(filter);
    char *copy = region_take(&b->memory, text.bytes + 1, 1);
    if (copy == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a batch");
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    struct sg_error why;
    if (target_parse_params(copy, text.bytes, &b->params, &why) != SG_OK)
        return sg_fail(err, SG_INVALID, "'filter': %s", why.message);
    if (b->params.params_count == TARGET_PARAMS_MAX) /* `select` is one more */
        return sg_fail(err, SG_INVALID, "'filter' has more than %d parameters", TARGET_PARAMS_MAX - 1);
    return SG_OK;
}

/* ---- the whole ---- */

struct members {
    yyjson_val *ids;
    yyjson_val *select;
    yyjson_val *filter;
};

static enum sg_status find_members(yyjson_val *body, struct members *out, struct sg_error *err)
{
    size_t i, count;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(body))
        return sg_fail(err, SG_INVALID, "the body must be an object {\"ids\", \"select\", \"filter\"}");
    yyjson_obj_foreach(body, i, count, key, value) {
        struct slice name = json_key(key);
        if (slice_equal(name, SLICE_LITERAL("ids")))
            out->ids = value;
        else if (slice_equal(name, SLICE_LITERAL("select")))
            out->select = value;
        else if (slice_equal(name, SLICE_LITERAL("filter")))
            out->filter = value;
        else
            return sg_fail(err, SG_INVALID, "the body's member '%.*s' is not known; there are ids, select and filter",
                           clipped(name), name.data);
    }
    return out->ids != NULL ? SG_OK : sg_fail(err, SG_INVALID, "the body's member 'ids' is missing");
}

static enum sg_status parse(struct batch *b, struct slice body, struct json_value *out, struct sg_error *err)
{
    const struct json_limits limits = {.bytes_max = body.bytes, .depth_max = BATCH_DEPTH_MAX};
    struct json_fault fault;
    enum sg_status status = json_read(body, &limits, &b->memory, out, &fault, err);
    if (status != SG_OK)
        return status;
    switch (fault.kind) {
    case JSON_SOUND: return SG_OK;
    case JSON_DUPLICATE_MEMBER: return sg_fail(err, SG_INVALID, "a member of the body is repeated");
    case JSON_TOO_DEEP: return sg_fail(err, SG_INVALID, "the body is nested more than %d deep", BATCH_DEPTH_MAX);
    default:
        return sg_fail(err, SG_INVALID, "the body is no JSON: %s at byte %zu",
                       fault.message != NULL ? fault.message : "too large", fault.at);
    }
}

enum sg_status batch_read(struct slice body, struct batch **out, struct sg_error *err)
{
    struct json_value document;
    struct members members = {0};
    struct batch *b = calloc(1, sizeof *b);
    *out = NULL;
    if (b == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a batch");
    buffer_init(&b->unmet, BATCH_UNMET_BYTES_MAX);
    enum sg_status status = body.bytes > 0 ? parse(b, body, &document, err)
                                           : sg_fail(err, SG_INVALID, "the body is empty: it must be JSON");
    if (status == SG_OK)
        status = find_members(document.value, &members, err);
    if (status == SG_OK && members.filter != NULL)
        status = read_filter(b, members.filter, err);
    if (status == SG_OK && members.select != NULL)
        status = read_select(b, members.select, err);
    if (status == SG_OK)
        status = read_ids(b, members.ids, err);
    if (status == SG_OK)
        *out = b;
    else
        batch_free(b);
    return status;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    buffer_free(&batch->unmet);
    region_free(&batch->memory);
    free(batch);
}
