/* The state's text: as it came, or without the members that the rules of its collection drop. */
#include "projector/shape/minimise.h"

#include <stdlib.h>
#include <string.h>

#include "core/json/json.h"
#include "core/json/pointer.h"

struct drop_rules {
    size_t count;
    struct pointer *members[]; /* owned */
};

/* Keep a text that was written into scratch memory. */
static enum sg_status keep(struct event *event, struct arena *arena, const char *text, size_t bytes,
                           struct sg_error *err)
{
    if (text == NULL || !region_copy(&arena->kept, (struct slice){text, bytes}, &event->state))
        return sg_fail(err, SG_MEMORY, "no memory to write the state of a message");
    return SG_OK;
}

/* ---- a state that is written already ---- */

/* Bytes of a value's text without white space and escapes, its containers' members not counted. */
static size_t own_bytes(yyjson_val *value)
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

static size_t compact_bytes(yyjson_val *value)
{
    const yyjson_val *end = unsafe_yyjson_get_next(value);
    size_t bytes = 0;
    for (yyjson_val *v = value; v != end; v++)
        bytes += own_bytes(v);
    return bytes;
}

/* The payload's own bytes of a value, if they are what writing it would give; else bytes 0. A text is never shorter
 * than its value needs, and longer by each white space and escape: so it has none if it is as long as it would be
 * without. Where it begins and ends follows from the strings around it, which the parser leaves in their places in its
 * copy of the payload. */
static struct slice written(const struct json_value *state)
{
    struct slice payload = state->text;
    yyjson_val *value = state->value;
    yyjson_val *root = yyjson_doc_get_root(state->document);
    size_t bytes = compact_bytes(value);
    if (value == root)
        return bytes == payload.bytes ? payload : (struct slice){0};
    const char *copy = state->document->str_pool;
    struct slice key = json_key(value - 1);
    yyjson_val *next = unsafe_yyjson_get_next(value);
    bool last = next == unsafe_yyjson_get_next(root);
    size_t start = (size_t)(key.data - copy) + key.bytes + 2; /* after a quote and a colon */
    size_t end = last ? payload.bytes - 1 : (size_t)(json_key(next).data - copy) - 2;
    if (start > payload.bytes || end >= payload.bytes || end < start || end - start != bytes)
        return (struct slice){0};
    const char *text = payload.data + start;
    bool framed = memcmp(text - 2 - key.bytes, key.data, key.bytes) == 0 && text[-2] == '"' && text[-1] == ':' &&
                  text[bytes] == (last ? '}' : ',');
    return framed ? (struct slice){text, bytes} : (struct slice){0};
}

/* ---- dropping members ---- */

enum sg_status drop_rules_create(const struct collection_settings *collection, struct drop_rules **out,
                                 struct sg_error *err)
{
    enum sg_status status = SG_OK;
    *out = NULL;
    if (collection->drop_count == 0)
        return SG_OK;
    struct drop_rules *rules = calloc(1, sizeof *rules + collection->drop_count * sizeof rules->members[0]);
    if (rules == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for what collection %s drops", collection->name);
    for (size_t i = 0; i < collection->drop_count && status == SG_OK; i++) {
        status = pointer_compile(slice_of(collection->drop[i]), &rules->members[i], err);
        rules->count += status == SG_OK;
    }
    if (status != SG_OK)
        drop_rules_destroy(rules);
    else
        *out = rules;
    return status;
}

void drop_rules_destroy(struct drop_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++)
        free(rules->members[i]);
    free(rules);
}

struct dropped_member {
    yyjson_val *value;
    const char *pointer;
};

/* Last in the text first: then removing one moves no other that is still to be removed, neither the later elements of
 * an array nor what lies within an object that goes as well. */
static int compare_dropped(const void *a, const void *b)
{
    const yyjson_val *left = ((const struct dropped_member *)a)->value;
    const yyjson_val *right = ((const struct dropped_member *)b)->value;
    return left == right ? 0 : (left < right ? 1 : -1);
}

/* Find what the rules name in the state as it came, all of it before anything is removed. */
static enum sg_status find_dropped(const struct drop_rules *rules, yyjson_val *value, struct region *memory,
                                   struct dropped_member **out, size_t *count, struct sg_error *err)
{
    size_t found = 0;
    struct dropped_member *dropped = region_take(memory, rules->count * sizeof *dropped, JSON_ALIGN);
    if (dropped == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to drop members of a message");
    for (size_t i = 0; i < rules->count; i++) {
        yyjson_val *hit = pointer_get(rules->members[i], value);
        if (hit != NULL)
            dropped[found++] = (struct dropped_member){hit, rules->members[i]->text};
    }
    qsort(dropped, found, sizeof *dropped, compare_dropped);
    *out = dropped;
    *count = found;
    return SG_OK;
}

/* The slower way: a copy that can be changed. */
static enum sg_status write_without(struct event *event, const struct dropped_member *dropped, size_t count,
                                    struct arena *arena, struct sg_error *err)
{
    yyjson_alc allocator = json_allocator(&arena->scratch);
    size_t bytes = 0;
    yyjson_mut_doc *document = yyjson_mut_doc_new(&allocator);
    yyjson_mut_val *copy = document != NULL ? yyjson_val_mut_copy(document, event->document->value) : NULL;
    if (copy == NULL)
        return sg_fail(err, SG_MEMORY, "no memory to drop members of a message");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && dropped[i].value == dropped[i - 1].value)
            continue; /* named by two rules */
        if (yyjson_mut_ptr_remove(copy, dropped[i].pointer) == NULL) /* never write what should have gone */
            return sg_fail(err, SG_MEMORY, "no memory to drop members of a message");
    }
    const char *text = yyjson_mut_val_write_opts(copy, YYJSON_WRITE_NOFLAG, &allocator, &bytes, NULL);
    return keep(event, arena, text, bytes, err);
}

enum sg_status minimise_drop(const void *rules, struct event *event, struct arena *arena, struct sg_error *err)
{
    struct dropped_member *dropped = NULL;
    size_t count = 0;
    enum sg_status status = find_dropped(rules, event->document->value, &arena->scratch, &dropped, &count, err);
    if (status != SG_OK || count == 0)
        return status;
    return write_without(event, dropped, count, arena, err);
}

/* ---- the whole state ---- */

enum sg_status minimise_whole(struct event *event, struct arena *arena, struct sg_error *err)
{
    event->state = written(event->document);
    if (event->state.bytes > 0)
        return SG_OK;
    yyjson_alc allocator = json_allocator(&arena->scratch);
    size_t bytes = 0;
    const char *text =
        yyjson_val_write_opts(event->document->value, YYJSON_WRITE_NOFLAG, &allocator, &bytes, NULL);
    return keep(event, arena, text, bytes, err);
}
