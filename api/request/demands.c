/* Demands as a request spells them: the headers and parameters that carry them. */
#include <stdlib.h>
#include <string.h>

#include "api/request/demands.h"
#include "api/request/position_list.h"
#include "api/request/prefer.h"
#include "core/base/decimal.h"
#include "core/base/time.h"

/* More of them name a stream twice, or one that is not configured. */
#define MEMBERS_MAX SETTINGS_STREAMS_MAX
/* Several lines joined are shorter than they came, with name and line end, in a request that was not refused. */
#define POSITION_TEXT_BYTES_MAX HTTP_HEAD_COST_MAX

/* Where one demand stands. A parameter wins over its header: what the header says is not read then. */
struct demand_source {
    bool given;
    const char *what; /* the name of the header or parameter; static storage */
    struct slice text;
};

static enum sg_status find_source(const struct http_lines *line, const char *header, const struct target *target,
                                  const char *param, struct demand_source *out, struct sg_error *err)
{
    *out = (struct demand_source){.given = true, .what = param};
    if (line->count > 1)
        return sg_fail(err, SG_INVALID, "the header '%s' is repeated", header);
    if (target_param(target, param, &out->text))
        return SG_OK;
    out->given = line->count == 1;
    out->what = header;
    if (out->given)
        out->text = line->values[0];
    return SG_OK;
}

static enum sg_status parse_min_version(const struct http_fields *fields, const struct target *target,
                                        bool entity_route, struct demands *out, struct sg_error *err)
{
    struct demand_source source;
    uint64_t version = 0;
    enum sg_status status = find_source(&fields->min_version, "Min-Version", target, "min_version", &source, err);
    if (status != SG_OK || !source.given)
        return status;
    if (!entity_route)
        return sg_fail(err, SG_INVALID, "'%s' has no meaning here: only a single entity has a version", source.what);
    if (!decimal_parse_canonical(source.text, INT64_MAX, &version) || version == 0)
        return sg_fail(err, SG_INVALID, "'%s' is not a version, a number from 1 to 2^63-1 without leading zeros",
                       source.what);
    out->min_version = (int64_t)version;
    return SG_OK;
}

static enum sg_status parse_max_staleness(const struct http_fields *fields, const struct target *target,
                                          struct demands *out, struct sg_error *err)
{
    struct demand_source source;
    enum sg_status status = find_source(&fields->max_staleness, "Max-Staleness", target, "max_staleness", &source, err);
    if (status != SG_OK || !source.given)
        return status;
    out->has_max_staleness = true;
    return param_seconds(source.text, source.what, &out->max_staleness_ns, err);
}

/* ---- Min-Position ---- */

/* A list as it was read; too large to be copied about. */
struct position_list {
    const char *what;
    size_t count;
    struct position_member members[MEMBERS_MAX]; /* the names point into `text` */
    size_t text_bytes;
    char text[POSITION_TEXT_BYTES_MAX];
};

/* false = beyond POSITION_TEXT_BYTES_MAX */
static bool list_append(struct position_list *list, struct slice text)
{
    if (text.bytes > sizeof list->text - list->text_bytes)
        return false;
    if (text.bytes > 0)
        memcpy(list->text + list->text_bytes, text.data, text.bytes);
    list->text_bytes += text.bytes;
    return true;
}

/* The parameter, or all lines of the header, as one list (RFC 9651, section 4.2). */
static enum sg_status collect_list(const struct http_lines *line, const struct target *target,
                                   struct position_list *list, struct sg_error *err)
{
    struct slice param = {0};
    bool fits = true;
    if (line->count > HTTP_LINES_MAX)
        return sg_fail(err, SG_INVALID, "the header 'Min-Position' has more than %d lines", HTTP_LINES_MAX);
    if (target_param(target, "min_position", &param)) {
        list->what = "min_position";
        fits = list_append(list, param);
    } else if (line->count > 0) {
        list->what = "Min-Position";
        for (size_t i = 0; i < line->count && fits; i++)
            fits = (i == 0 || list_append(list, SLICE_LITERAL(", "))) && list_append(list, line->values[i]);
    }
    if (!fits)
        return sg_fail(err, SG_INVALID, "'%s' is longer than %zu bytes", list->what, sizeof list->text);
    return SG_OK;
}

static enum sg_status parse_list(const struct http_fields *fields, const struct target *target,
                                 struct position_list *list, struct sg_error *err)
{
    list->what = NULL;
    list->count = 0;
    list->text_bytes = 0;
    enum sg_status status = collect_list(&fields->min_position, target, list, err);
    if (status != SG_OK || list->what == NULL)
        return status;
    return position_list_parse(list->text, list->text_bytes, list->what, list->members, MEMBERS_MAX, &list->count, err);
}

/* The index of a stream; streams_count if there is none of this name. */
static size_t find_stream(const struct settings *settings, struct slice name)
{
    size_t i = 0;
    while (i < settings->streams_count && !slice_equal(slice_of(settings->streams[i].name), name))
        i++;
    return i;
}

/* Names to streams: the only step that fails with anything but 400 or out of memory, so it comes last. */
static enum sg_status resolve_positions(const struct position_list *list, const struct settings *settings,
                                        struct demands *out, struct sg_error *err)
{
    struct demand_position *positions = NULL;
    if (list->count == 0)
        return SG_OK;
    positions = calloc(list->count, sizeof *positions);
    if (positions == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    for (size_t i = 0; i < list->count; i++) {
        const struct position_member *member = &list->members[i];
        positions[i] = (struct demand_position){find_stream(settings, member->name), member->sequence, member->epoch};
        if (positions[i].stream == settings->streams_count) {
            free(positions);
            return sg_fail(err, SG_NOT_FOUND, "%s: the stream '%.*s' is not configured", list->what,
                           SLICE_ARGS(member->name));
        }
    }
    out->positions = positions;
    out->positions_count = list->count;
    return SG_OK;
}

/* ---- wait ---- */

/* Of several, only the first is looked at (RFC 7240, section 2), understood or not. */
static bool parse_prefer(const struct http_lines *lines, int64_t *wait_ns)
{
    struct preference wait;
    return prefer_find(lines, "wait", &wait) && wait.value_bytes <= sizeof wait.value &&
           param_seconds((struct slice){wait.value, wait.value_bytes}, "wait", wait_ns, NULL) == SG_OK;
}

static enum sg_status parse_wait(const struct http_fields *fields, const struct target *target,
                                 const struct tunables *tunables, struct demands *out, struct sg_error *err)
{
    struct slice param;
    int64_t wait_ns = out->wait_ns;
    const int64_t wait_max_ns = tunables->wait_max_ms * NS_PER_MS;
    if (fields->prefer.count > HTTP_LINES_MAX)
        return sg_fail(err, SG_INVALID, "the header 'Prefer' has more than %d lines", HTTP_LINES_MAX);
    if (target_param(target, "wait", &param)) {
        enum sg_status status = param_seconds(param, "wait", &wait_ns, err);
        if (status != SG_OK)
            return status;
        out->wait_given = true;
    } else {
        out->wait_given = parse_prefer(&fields->prefer, &wait_ns);
    }
    out->wait_ns = wait_ns < wait_max_ns ? wait_ns : wait_max_ns;
    return SG_OK;
}

enum sg_status demands_parse(const struct http_fields *fields, const struct target *target, bool entity_route,
                             const struct settings *settings, const struct tunables *tunables, struct demands *out,
                             struct sg_error *err)
{
    int64_t wait_ms =
        tunables->wait_default_ms < tunables->wait_max_ms ? tunables->wait_default_ms : tunables->wait_max_ms;
    struct demands demands = {.wait_ns = wait_ms * NS_PER_MS};
    struct position_list list;
    if (target->params_count == 0 && fields->min_version.count + fields->min_position.count +
                                             fields->max_staleness.count + fields->prefer.count == 0) {
        *out = demands; /* nothing is demanded, and nothing waits */
        return SG_OK;
    }
    enum sg_status status = parse_min_version(fields, target, entity_route, &demands, err);
    if (status == SG_OK)
        status = parse_list(fields, target, &list, err);
    if (status == SG_OK)
        status = parse_max_staleness(fields, target, &demands, err);
    if (status == SG_OK)
        status = parse_wait(fields, target, tunables, &demands, err);
    if (status == SG_OK)
        status = resolve_positions(&list, settings, &demands, err);
    if (status == SG_OK)
        *out = demands;
    return status;
}

void demands_free(struct demands *d)
{
    free(d->positions);
    *d = (struct demands){0};
}
