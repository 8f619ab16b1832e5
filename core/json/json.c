/* JSON is read into memory that the caller gives, and checked for what a parser lets through. */
#include "core/json/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/decimal.h"

/* Up to here members are compared one by one; larger objects are sorted, so that no payload costs quadratic time. */
#define JSON_MEMBERS_COMPARED_MAX 32u

static void *json_malloc(void *context, size_t bytes)
{
    return region_take(context, bytes, JSON_ALIGN);
}

static void *json_realloc(void *context, void *old, size_t old_bytes, size_t bytes)
{
    if (bytes <= old_bytes)
        return old;
    void *grown = region_take(context, bytes, JSON_ALIGN);
    if (grown != NULL)
        memcpy(grown, old, old_bytes);
    return grown;
}

static void json_free(void *context, void *memory)
{
    (void)context; /* all at once, with the region */
    (void)memory;
}

yyjson_alc json_allocator(struct region *memory)
{
    return (yyjson_alc){json_malloc, json_realloc, json_free, memory};
}

static yyjson_val *json_next_key(yyjson_val *key)
{
    return unsafe_yyjson_get_next(key + 1);
}

/* One bit of 64 for a key, by its length and two of its bytes. */
static uint64_t json_key_bit(struct slice key)
{
    uint64_t mix = key.bytes;
    if (key.bytes > 0)
        mix += (uint64_t)(unsigned char)key.data[0] << 8 | (uint64_t)(unsigned char)key.data[key.bytes - 1] << 16;
    return UINT64_C(1) << (mix * UINT64_C(0x9E3779B97F4A7C15) >> 58);
}

/* Most keys set a bit of their own and are compared with none. */
static bool json_few_have_duplicate(yyjson_val *first, size_t count)
{
    uint64_t seen = 0;
    yyjson_val *key = first;
    for (size_t i = 0; i < count; i++, key = json_next_key(key)) {
        struct slice name = json_key(key);
        uint64_t bit = json_key_bit(name);
        if (seen & bit) {
            for (yyjson_val *other = first; other != key; other = json_next_key(other)) {
                if (slice_equal(json_key(other), name))
                    return true;
            }
        }
        seen |= bit;
    }
    return false;
}

static int json_compare_keys(const void *a, const void *b)
{
    const struct slice *left = a;
    const struct slice *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? -1 : 1;
    return memcmp(left->data, right->data, left->bytes);
}

static enum sg_status json_many_have_duplicate(struct region *memory, yyjson_val *first, size_t count, bool *found,
                                               struct sg_error *err)
{
    struct slice *names = region_take(memory, count * sizeof *names, JSON_ALIGN);
    if (names == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to check an object of %zu members", count);
    yyjson_val *key = first;
    for (size_t i = 0; i < count; i++, key = json_next_key(key))
        names[i] = json_key(key);
    qsort(names, count, sizeof *names, json_compare_keys);
    *found = false;
    for (size_t i = 1; i < count && !*found; i++)
        *found = slice_equal(names[i - 1], names[i]);
    return SG_OK;
}

static enum sg_status json_check_members(struct region *memory, yyjson_val *object, bool *duplicate,
                                         struct sg_error *err)
{
    size_t count = unsafe_yyjson_get_len(object);
    yyjson_val *first = unsafe_yyjson_get_first(object);
    *duplicate = false;
    if (count > JSON_MEMBERS_COMPARED_MAX)
        return json_many_have_duplicate(memory, first, count, duplicate, err);
    if (count > 1)
        *duplicate = json_few_have_duplicate(first, count);
    return SG_OK;
}

/* A document's values lie in memory in the order of the text, each container before what it holds, so one pass over
 * them sees all; `ends` is where each open container ends. */
static enum sg_status json_check(yyjson_val *root, size_t depth_max, struct region *memory, struct json_fault *fault,
                                 struct sg_error *err)
{
    const yyjson_val *ends[JSON_DEPTH_MAX];
    const yyjson_val *end = unsafe_yyjson_get_next(root);
    size_t depth = 0;
    for (yyjson_val *value = root; value != end; value++) {
        while (depth > 0 && value >= ends[depth - 1])
            depth--;
        if (!unsafe_yyjson_is_ctn(value))
            continue;
        if (depth == depth_max) {
            fault->kind = JSON_TOO_DEEP;
            return SG_OK;
        }
        ends[depth++] = unsafe_yyjson_get_next(value);
        if (unsafe_yyjson_is_obj(value)) {
            bool duplicate = false;
            enum sg_status status = json_check_members(memory, value, &duplicate, err);
            if (duplicate)
                fault->kind = JSON_DUPLICATE_MEMBER;
            if (status != SG_OK || duplicate)
                return status;
        }
    }
    return SG_OK;
}

enum sg_status json_read(struct slice text, const struct json_limits *limits, struct region *memory,
                         struct json_value *out, struct json_fault *fault, struct sg_error *err)
{
    yyjson_alc allocator = json_allocator(memory);
    yyjson_read_err error;
    assert(limits->depth_max <= JSON_DEPTH_MAX);
    *fault = (struct json_fault){.kind = JSON_SOUND};
    if (text.bytes > limits->bytes_max) {
        fault->kind = JSON_TOO_LARGE;
        return SG_OK;
    }
    /* Without the in-situ flag the bytes are only read, although the parameter is not const. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text.data, text.bytes, YYJSON_READ_NUMBER_AS_RAW,
                                            &allocator, &error);
    if (document == NULL && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return sg_fail(err, SG_MEMORY, "no memory to read JSON of %zu bytes", text.bytes);
    if (document == NULL) {
        *fault = (struct json_fault){JSON_MALFORMED, error.msg, error.pos};
        return SG_OK;
    }
    *out = (struct json_value){text, document, yyjson_doc_get_root(document)};
    return json_check(out->value, limits->depth_max, memory, fault, err);
}

struct slice json_text(yyjson_val *value)
{
    if (unsafe_yyjson_is_str(value) || unsafe_yyjson_is_raw(value))
        return (struct slice){unsafe_yyjson_get_raw(value), unsafe_yyjson_get_len(value)};
    return (struct slice){0};
}

bool json_is_integer(yyjson_val *value)
{
    if (!unsafe_yyjson_is_raw(value))
        return false;
    struct slice text = json_text(value);
    size_t start = text.data[0] == '-' ? 1 : 0;
    for (size_t i = start; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return true; /* the parser made sure of at least one digit */
}

bool json_integer(yyjson_val *value, int64_t *out)
{
    return json_is_integer(value) && decimal_parse_int(json_text(value), out);
}
