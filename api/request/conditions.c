/* If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since. */
#include "api/request/conditions.h"

#include <string.h>

#include "api/http/http_date.h"

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

static bool is_any(const struct http_lines *lines)
{
    return lines->count == 1 && slice_equal(lines->values[0], SLICE_LITERAL("*"));
}

static enum sg_status parse_tags(const struct http_lines *lines, const char *name, const struct http_lines **out,
                                 struct sg_error *err)
{
    if (lines->count == 0)
        return SG_OK;
    if (lines->count > HTTP_LINES_MAX)
        return sg_fail(err, SG_INVALID, "the header '%s' stands on more than %d lines", name, HTTP_LINES_MAX);
    for (size_t i = 0; i < lines->count && !is_any(lines); i++) {
        if (!list_valid(lines->values[i]))
            return sg_fail(err, SG_INVALID, "the header '%s' is not a list of entity-tags", name);
    }
    *out = lines;
    return SG_OK;
}

static enum sg_status parse_date(const struct http_line *line, const char *name, const struct slice **out,
                                 struct sg_error *err)
{
    if (line->count > 1)
        return sg_fail(err, SG_INVALID, "the header '%s' is repeated", name);
    if (line->count == 1)
        *out = &line->value;
    return SG_OK;
}

enum sg_status conditions_parse(const struct http_fields *fields, struct conditions *out, struct sg_error *err)
{
    *out = (struct conditions){0};
    if (fields->if_match.count + fields->if_none_match.count + fields->if_modified_since.count +
            fields->if_unmodified_since.count == 0)
        return SG_OK;
    out->given = true;
    enum sg_status status = parse_tags(&fields->if_match, "If-Match", &out->if_match, err);
    if (status == SG_OK)
        status = parse_tags(&fields->if_none_match, "If-None-Match", &out->if_none_match, err);
    if (status == SG_OK)
        status = parse_date(&fields->if_modified_since, "If-Modified-Since", &out->modified_since, err);
    if (status == SG_OK)
        status = parse_date(&fields->if_unmodified_since, "If-Unmodified-Since", &out->unmodified_since, err);
    out->dated = out->modified_since != NULL || out->unmodified_since != NULL;
    return status;
}

/* In a list that is well-formed, a tag's text with its quotes stands nowhere but where that tag does: between two tags
 * there is neither a digit nor a lower-case letter, and within one there is no quote. `strong`: not after a W/. */
static bool list_has(struct slice list, struct slice quoted, bool strong)
{
    const char *from = list.data;
    const char *end = list.data + list.bytes;
    const char *at;
    while (from < end && (at = memmem(from, (size_t)(end - from), quoted.data, quoted.bytes)) != NULL) {
        if (!strong || at == list.data || at[-1] != '/')
            return true;
        from = at + quoted.bytes;
    }
    return false;
}

/* Does the field name this tag, or is it `*`? */
static bool tags_match(const struct http_lines *lines, const char *etag, bool strong)
{
    if (is_any(lines))
        return true;
    if (etag == NULL || (strong && etag[0] == 'W'))
        return false;
    struct slice quoted = slice_of(etag[0] == 'W' ? etag + 2 : etag);
    for (size_t i = 0; i < lines->count; i++) {
        if (list_has(lines->values[i], quoted, strong))
            return true;
    }
    return false;
}

/* A date that is none, or one of what has none itself, is as if it were not there. */
static bool date_known(const struct slice *date, const int64_t *modified_s, int64_t now_s, int64_t *date_s)
{
    return date != NULL && modified_s != NULL && http_date_parse(*date, now_s, date_s);
}

enum condition_result conditions_check(const struct conditions *conditions, const char *etag,
                                       const int64_t *modified_s, int64_t now_s)
{
    int64_t date_s = 0;
    if (conditions->if_match != NULL) {
        if (!tags_match(conditions->if_match, etag, true))
            return CONDITIONS_FAILED;
    } else if (date_known(conditions->unmodified_since, modified_s, now_s, &date_s) && *modified_s > date_s) {
        return CONDITIONS_FAILED;
    }
    if (conditions->if_none_match != NULL)
        return tags_match(conditions->if_none_match, etag, false) ? CONDITIONS_UNCHANGED : CONDITIONS_MET;
    if (date_known(conditions->modified_since, modified_s, now_s, &date_s) && *modified_s <= date_s)
        return CONDITIONS_UNCHANGED;
    return CONDITIONS_MET;
}
