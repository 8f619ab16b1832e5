/* If-None-Match. */
#include "api/request/conditions.h"

static size_t skip_space(struct slice list, size_t at)
{
    while (at < list.bytes && (list.data[at] == ' ' || list.data[at] == '\t'))
        at++;
    return at;
}

/* Where the entity-tag that begins at `at` ends; 0 if there is none. `*opaque` is it without W/. */
static size_t take_tag(struct slice list, size_t at, struct slice *opaque)
{
    if (list.bytes - at >= 2 && list.data[at] == 'W' && list.data[at + 1] == '/')
        at += 2;
    size_t begin = at;
    if (at == list.bytes || list.data[at] != '"')
        return 0;
    for (at++; at < list.bytes && list.data[at] != '"'; at++) {
        unsigned char c = (unsigned char)list.data[at];
        if (c < 0x21 || c == 0x7F)
            return 0;
    }
    if (at == list.bytes)
        return 0;
    *opaque = (struct slice){list.data + begin, at + 1 - begin};
    return at + 1;
}

/* One list of entity-tags; empty elements are allowed, as RFC 9110 asks. False if it is malformed. */
static bool list_matches(struct slice list, struct slice etag, bool *matches)
{
    size_t tags = 0;
    for (size_t at = skip_space(list, 0); at < list.bytes; at = skip_space(list, at)) {
        struct slice tag = {0};
        if (list.data[at] == ',') {
            at++;
            continue;
        }
        at = take_tag(list, at, &tag);
        if (at == 0)
            return false;
        tags++;
        if (etag.bytes > 0 && slice_equal(tag, etag))
            *matches = true;
        at = skip_space(list, at);
        if (at < list.bytes && list.data[at] != ',')
            return false;
    }
    return tags > 0;
}

enum sg_status conditions_unchanged(const struct http_lines *lines, const char *etag, bool *unchanged,
                                    struct sg_error *err)
{
    *unchanged = false;
    if (lines->count > HTTP_LINES_MAX)
        return sg_fail(err, SG_INVALID, "the header 'If-None-Match' stands on more than %d lines",
                       HTTP_LINES_MAX);
    if (lines->count == 1 && slice_equal(lines->values[0], SLICE_LITERAL("*"))) {
        *unchanged = true;
        return SG_OK;
    }
    for (size_t i = 0; i < lines->count; i++) {
        if (!list_matches(lines->values[i], slice_of(etag), unchanged))
            return sg_fail(err, SG_INVALID, "the header 'If-None-Match' is not a list of entity-tags");
    }
    return SG_OK;
}
