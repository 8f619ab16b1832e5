/* If-None-Match. */
#include "api/request/conditions.h"

#include <string.h>

static size_t skip_space(struct slice list, size_t at)
{
    while (at < list.bytes && (list.data[at] == ' ' || list.data[at] == '\t'))
        at++;
    return at;
}

/* Where the entity-tag that begins at `at` ends; 0 if there is none. */
static size_t skip_tag(struct slice list, size_t at)
{
    if (list.bytes - at >= 2 && list.data[at] == 'W' && list.data[at + 1] == '/')
        at += 2;
    if (at == list.bytes || list.data[at] != '"')
        return 0;
    for (at++; at < list.bytes && list.data[at] != '"'; at++) {
        unsigned char c = (unsigned char)list.data[at];
        if (c < 0x21 || c == 0x7F)
            return 0;
    }
    return at == list.bytes ? 0 : at + 1;
}

/* A list of entity-tags; empty elements are allowed, as RFC 9110 asks. */
static bool list_valid(struct slice list)
{
    size_t tags = 0;
    for (size_t at = skip_space(list, 0); at < list.bytes; at = skip_space(list, at)) {
        if (list.data[at] == ',') {
            at++;
            continue;
        }
        at = skip_tag(list, at);
        if (at == 0)
            return false;
        tags++;
        at = skip_space(list, at);
        if (at < list.bytes && list.data[at] != ',')
            return false;
    }
    return tags > 0;
}

enum sg_status conditions_parse(const struct http_lines *lines, struct conditions *out, struct sg_error *err)
{
    *out = (struct conditions){0};
    if (lines->count == 0)
        return SG_OK;
    if (lines->count > HTTP_LINES_MAX)
        return sg_fail(err, SG_INVALID, "the header 'If-None-Match' stands on more than %d lines", HTTP_LINES_MAX);
    if (lines->count == 1 && slice_equal(lines->values[0], SLICE_LITERAL("*"))) {
        out->any = true;
        return SG_OK;
    }
    for (size_t i = 0; i < lines->count; i++) {
        if (!list_valid(lines->values[i]))
            return sg_fail(err, SG_INVALID, "the header 'If-None-Match' is not a list of entity-tags");
    }
    out->if_none_match = lines;
    return SG_OK;
}

/* In a list that is well-formed, a tag's text with its quotes stands nowhere but where that tag does: between two tags
 * there is neither a digit nor a lower-case letter, and within one there is no quote. */
bool conditions_unchanged(const struct conditions *conditions, const char *etag)
{
    struct slice tag = slice_of(etag);
    if (conditions->any || conditions->if_none_match == NULL || etag == NULL)
        return conditions->any;
    for (size_t i = 0; i < conditions->if_none_match->count; i++) {
        struct slice list = conditions->if_none_match->values[i];
        if (slice_equal(list, tag) || (list.bytes > tag.bytes && memmem(list.data, list.bytes, tag.data, tag.bytes)))
            return true;
    }
    return false;
}
