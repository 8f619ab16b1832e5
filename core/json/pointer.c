/* JSON pointers: their form, compiling, following. */
#include "core/json/pointer.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_DIGITS_MAX 18 /* so many never overflow; no array is as long */

const char *pointer_fault(struct slice text)
{
    if (text.bytes > 0 && text.data[0] != '/')
        return "must be a JSON pointer, which begins with '/'";
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.data[i] == '~' && (i + 1 == text.bytes || (text.data[i + 1] != '0' && text.data[i + 1] != '1')))
            return "must be a JSON pointer, where '~' is written ~0";
    }
    return NULL;
}

/* "0", or digits that do not begin with one. */
static size_t index_of(struct slice name)
{
    size_t index = 0;
    if (name.bytes == 0 || name.bytes > INDEX_DIGITS_MAX || (name.bytes > 1 && name.data[0] == '0'))
        return POINTER_NO_INDEX;
    for (size_t i = 0; i < name.bytes; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return POINTER_NO_INDEX;
        index = index * 10 + (size_t)(name.data[i] - '0');
    }
    return index;
}

/* Copy up to the next '/', or the end, without escapes. Returns how many bytes of `text` that took. */
static size_t copy_name(struct slice text, char *to, struct slice *out)
{
    size_t at = 0;
    *out = (struct slice){to, 0};
    while (at < text.bytes && text.data[at] != '/') {
        char c = text.data[at++];
        if (c == '~')
            c = text.data[at++] == '0' ? '~' : '/';
        to[out->bytes++] = c;
    }
    return at;
}

enum sg_status pointer_compile(struct slice text, struct pointer **out, struct sg_error *err)
{
    const char *fault = pointer_fault(text);
    size_t count = 0;
    if (fault != NULL)
        return sg_fail(err, SG_INVALID, "%s", fault);
    for (size_t i = 0; i < text.bytes; i++)
        count += text.data[i] == '/';
    /* The text, and the names, which are shorter than that. */
    size_t head = sizeof(struct pointer) + count * sizeof(struct pointer_step);
    struct pointer *pointer = calloc(1, head + 2 * (text.bytes + 1));
    if (pointer == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a JSON pointer");
    char *copy = (char *)pointer + head;
    char *names = copy + text.bytes + 1;
    if (text.bytes > 0)
        memcpy(copy, text.data, text.bytes);
    pointer->text = copy;
    pointer->steps_count = count;
    for (size_t i = 0, at = 0; i < count; i++) {
        struct pointer_step *step = &pointer->steps[i];
        at += 1 + copy_name((struct slice){copy + at + 1, text.bytes - at - 1}, names, &step->name);
        step->index = index_of(step->name);
        names += step->name.bytes;
    }
    *out = pointer;
    return SG_OK;
}

yyjson_val *pointer_get(const struct pointer *pointer, yyjson_val *root)
{
    yyjson_val *value = root;
    for (size_t i = 0; i < pointer->steps_count && value != NULL; i++) {
        const struct pointer_step *step = &pointer->steps[i];
        if (unsafe_yyjson_is_obj(value))
            value = yyjson_obj_getn(value, step->name.data, step->name.bytes);
        else
            value = yyjson_arr_get(value, step->index); /* NULL unless it is an array that has it */
    }
    return value;
}

static bool begins_with(const struct pointer *pointer, const struct pointer *outer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i >= pointer->steps_count || !slice_equal(pointer->steps[i].name, outer->steps[i].name))
            return false;
    }
    return true;
}

bool pointer_is_within(const struct pointer *pointer, const struct pointer *outer)
{
    return begins_with(pointer, outer, outer->steps_count);
}

bool pointer_is_moved(const struct pointer *pointer, const struct pointer *removed)
{
    size_t last = removed->steps_count - 1;
    if (removed->steps_count == 0 || removed->steps[last].index == POINTER_NO_INDEX ||
        !begins_with(pointer, removed, last))
        return false;
    return pointer->steps_count == last || pointer->steps[last].index != POINTER_NO_INDEX;
}
