/* JSON of decode: reading into scratch memory, checks that a parser leaves out, and writing the state's text.
 *
 * Numbers stay the text that they are, so nothing is lost that a double cannot hold. All walks are loops: what a stream
 * sends must not decide how deep the stack grows. */
#include "projector/decode/decoder.h"

#include <stdlib.h>

#define JSON_ALIGN 16u
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
    (void)context; /* all at once, when the next message is decoded */
    (void)memory;
}

static yyjson_alc json_allocator(struct decoder *d)
{
    return (yyjson_alc){json_malloc, json_realloc, json_free, &d->arena->scratch};
}

static struct slice json_key(yyjson_val *key)
{
    return (struct slice){unsafe_yyjson_get_str(key), unsafe_yyjson_get_len(key)};
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

static enum sg_status json_many_have_duplicate(struct decoder *d, yyjson_val *first, size_t count, bool *found,
                                               struct sg_error *err)
{
    struct slice *names = region_take(&d->arena->scratch, count * sizeof *names, JSON_ALIGN);
    if (names == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to check a message of %zu members", count);
    yyjson_val *key = first;
    for (size_t i = 0; i < count; i++, key = json_next_key(key))
        names[i] = json_key(key);
    qsort(names, count, sizeof *names, json_compare_keys);
    *found = false;
    for (size_t i = 1; i < count && !*found; i++)
        *found = slice_equal(names[i - 1], names[i]);
    return SG_OK;
}

static enum sg_status json_check_members(struct decoder *d, yyjson_val *object, struct sg_error *err)
{
    size_t count = unsafe_yyjson_get_len(object);
    yyjson_val *first = unsafe_yyjson_get_first(object);
    bool found = false;
    enum sg_status status = SG_OK;
    if (count > JSON_MEMBERS_COMPARED_MAX)
        status = json_many_have_duplicate(d, first, count, &found, err);
    else if (count > 1)
        found = json_few_have_duplicate(first, count);
    if (status == SG_OK && found)
        decode_reject(d, REASON_DUPLICATE_MEMBER, "an object has a member twice");
    return status;
}

/* A document's values lie in memory in the order of the text, each container before what it holds, so one pass over
 * them sees all; `ends` is where each open container ends. */
static enum sg_status json_check(struct decoder *d, yyjson_val *root, struct sg_error *err)
{
    const yyjson_val *ends[EVENT_DEPTH_MAX];
    const yyjson_val *end = unsafe_yyjson_get_next(root);
    size_t depth = 0;
    for (yyjson_val *value = root; value != end; value++) {
        while (depth > 0 && value >= ends[depth - 1])
            depth--;
        if (!unsafe_yyjson_is_ctn(value))
            continue;
        if (depth == EVENT_DEPTH_MAX) {
            decode_reject(d, REASON_TOO_DEEP, "arrays and objects are nested deeper than %d", EVENT_DEPTH_MAX);
            return SG_OK;
        }
        ends[depth++] = unsafe_yyjson_get_next(value);
        if (unsafe_yyjson_is_obj(value)) {
            enum sg_status status = json_check_members(d, value, err);
            if (status != SG_OK || decode_is_rejected(d))
                return status;
        }
    }
    return SG_OK;
}

enum sg_status decode_json_read(struct decoder *d, yyjson_val **root, struct sg_error *err)
{
    yyjson_alc allocator = json_allocator(d);
    yyjson_read_err fault;
    struct slice payload = d->message->payload;
    *root = NULL;
    if (payload.bytes > EVENT_PAYLOAD_BYTES_MAX) {
        decode_reject(d, REASON_TOO_LARGE, "the payload is larger than %u bytes", EVENT_PAYLOAD_BYTES_MAX);
        return SG_OK;
    }
    if (payload.bytes == 0) {
        decode_reject(d, REASON_BAD_JSON, "not JSON: the payload is empty");
        return SG_OK;
    }
    /* Without the in-situ flag the bytes are only read, although the parameter is not const. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)payload.data, payload.bytes, YYJSON_READ_NUMBER_AS_RAW,
                                            &allocator, &fault);
    if (document == NULL && fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return sg_fail(err, SG_MEMORY, "no memory to read a message of %zu bytes", payload.bytes);
    if (document == NULL) { /* the library's sentences are fixed ones and quote nothing of the input */
        decode_reject(d, REASON_BAD_JSON, "not JSON: %s at byte %zu", fault.msg, fault.pos);
        return SG_OK;
    }
    d->document = document;
    *root = yyjson_doc_get_root(document);
    return json_check(d, *root, err);
}

/* Keep a text that was written into scratch memory. */
static enum sg_status json_keep(struct decoder *d, const char *text, size_t bytes, struct sg_error *err)
{
    if (text == NULL || !region_copy(&d->arena->kept, (struct slice){text, bytes}, &d->event->state))
        return sg_fail(err, SG_MEMORY, "no memory to write the state of a message");
    return SG_OK;
}

/* ---- a state that is written already ---- */

/* Bytes of a value's text without white space and escapes, its containers' members not counted. */
static size_t json_own_bytes(yyjson_val *value)
{
    size_t count = unsafe_yyjson_get_len(value);
    switch (unsafe_yyjson_get_type(value)) {
    case YYJSON_TYPE_OBJ: return count > 0 ? 2 * count + 1 : 2; /* braces, colons, commas */
    case YYJSON_TYPE_ARR: return count > 0 ? count + 1 : 2;
    case YYJSON_TYPE_STR: return count + 2;
    case YYJSON_TYPE_BOOL: return unsafe_yyjson_is_true(value) ? 4 : 5;
    case YYJSON_TYPE_NULL: return 4;
    default: return count; /* numbers are raw text */
    }
}

static size_t json_compact_bytes(yyjson_val *value)
{
    const yyjson_val *end = unsafe_yyjson_get_next(value);
    size_t bytes = 0;
    for (yyjson_val *v = value; v != end; v++)
        bytes += json_own_bytes(v);
    return bytes;
}

/* The payload's own bytes of a value, if they are what writing it would give; else bytes 0. A text is never shorter
 * than its value needs, and longer by each white space and escape: so it has none if it is as long as it would be
 * without. Where it begins and ends tell the strings around it, which the parser leaves where they
 * stand in its copy of the payload. */
static struct slice json_written(const struct decoder *d, yyjson_val *value)
{
    struct slice payload = d->message->payload;
    yyjson_val *root = yyjson_doc_get_root((yyjson_doc *)(uintptr_t)d->document); /* only read */
    size_t bytes = json_compact_bytes(value);
    if (value == root)
        return bytes == payload.bytes ? payload : (struct slice){0};
    const char *copy = d->document->str_pool;
    struct slice key = json_key(value - 1);
    yyjson_val *next = unsafe_yyjson_get_next(value);
    bool last = next == unsafe_yyjson_get_next(root);
    size_t start = (size_t)(key.data - copy) + key.bytes + 2; /* behind a quote and a colon */
    size_t end = last ? payload.bytes - 1 : (size_t)(json_key(next).data - copy) - 2;
    if (start > payload.bytes || end >= payload.bytes || end < start || end - start != bytes)
        return (struct slice){0};
    const char *text = payload.data + start;
    bool framed = memcmp(text - 2 - key.bytes, key.data, key.bytes) == 0 && text[-2] == '"' && text[-1] == ':' &&
                  text[bytes] == (last ? '}' : ',');
    return framed ? (struct slice){text, bytes} : (struct slice){0};
}

/* ---- dropping members ---- */

struct json_dropped {
    yyjson_val *value;
    const char *pointer;
};

/* Last in the text first: then removing one moves no other that is still to be removed, neither the later elements of
 * an array nor what lies within an object that goes as well. */
static int json_compare_dropped(const void *a, const void *b)
{
    const yyjson_val *left = ((const struct json_dropped *)a)->value;
    const yyjson_val *right = ((const struct json_dropped *)b)->value;
    return left == right ? 0 : (left < right ? 1 : -1);
}

/* Find what the rules name in the state as it came, all of it before anything is removed. */
static enum sg_status json_find_dropped(struct decoder *d, yyjson_val *value, struct json_dropped **out, size_t *count,
                                        struct sg_error *err)
{
    size_t found = 0;
    struct json_dropped *dropped =
        region_take(&d->arena->scratch, d->rules->drop_count * sizeof *dropped, JSON_ALIGN);
    if (dropped == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to drop members of a message");
    for (size_t i = 0; i < d->rules->drop_count; i++) {
        const char *pointer = d->rules->drop[i];
        yyjson_val *hit = yyjson_ptr_get(value, pointer);
        if (hit != NULL)
            dropped[found++] = (struct json_dropped){hit, pointer};
    }
    qsort(dropped, found, sizeof *dropped, json_compare_dropped);
    *out = dropped;
    *count = found;
    return SG_OK;
}

/* The slower way: a copy that can be changed. */
static enum sg_status json_write_without(struct decoder *d, yyjson_val *value, const struct json_dropped *dropped,
                                         size_t count, struct sg_error *err)
{
    yyjson_alc allocator = json_allocator(d);
    size_t bytes = 0;
    yyjson_mut_doc *document = yyjson_mut_doc_new(&allocator);
    yyjson_mut_val *copy = document != NULL ? yyjson_val_mut_copy(document, value) : NULL;
    if (copy == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to drop members of a message");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && dropped[i].value == dropped[i - 1].value)
            continue; /* named by two rules */
        if (yyjson_mut_ptr_remove(copy, dropped[i].pointer) == NULL) /* never write what should have gone */
            return sg_fail(err, SG_MEMORY, "no memory to drop members of a message");
    }
    const char *text = yyjson_mut_val_write_opts(copy, YYJSON_WRITE_NOFLAG, &allocator, &bytes, NULL);
    return json_keep(d, text, bytes, err);
}

enum sg_status decode_json_write(struct decoder *d, yyjson_val *value, struct sg_error *err)
{
    yyjson_alc allocator = json_allocator(d);
    struct json_dropped *dropped = NULL;
    size_t dropped_count = 0;
    size_t bytes = 0;
    if (d->event->payload_private) {
        enum sg_status status = json_find_dropped(d, value, &dropped, &dropped_count, err);
        if (status != SG_OK)
            return status;
    }
    if (dropped_count > 0)
        return json_write_without(d, value, dropped, dropped_count, err);
    d->event->state = json_written(d, value);
    if (d->event->state.bytes > 0)
        return SG_OK;
    const char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &allocator, &bytes, NULL);
    return json_keep(d, text, bytes, err);
}

struct slice decode_json_text(yyjson_val *value)
{
    if (unsafe_yyjson_is_str(value) || unsafe_yyjson_is_raw(value))
        return (struct slice){unsafe_yyjson_get_raw(value), unsafe_yyjson_get_len(value)};
    return (struct slice){0};
}

bool decode_json_is_integer(yyjson_val *value)
{
    if (!unsafe_yyjson_is_raw(value))
        return false;
    struct slice text = decode_json_text(value);
    size_t start = text.data[0] == '-' ? 1 : 0;
    for (size_t i = start; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return true; /* the parser made sure of at least one digit */
}

bool decode_json_integer(yyjson_val *value, int64_t *out)
{
    if (!decode_json_is_integer(value))
        return false;
    struct slice text = decode_json_text(value);
    bool negative = text.data[0] == '-';
    int64_t result = 0;
    for (size_t i = negative ? 1 : 0; i < text.bytes; i++) {
        int64_t digit = text.data[i] - '0';
        if (__builtin_mul_overflow(result, (int64_t)10, &result) ||
            __builtin_add_overflow(result, negative ? -digit : digit, &result))
            return false;
    }
    *out = result;
    return true;
}
