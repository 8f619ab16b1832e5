/* From text to values. What is malformed is said before a stream that is not known, and both before anything is waited
 * for. */
#include "api/request/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/request/prefer.h"
#include "core/base/decimal.h"
#include "core/domain/event.h"

#define CLIP_BYTES 64u /* of the client's text, in a sentence */

static enum sg_status check_segments(const struct plan *plan, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (plan->collection.data != NULL)
        status = segment_check(plan->collection, EVENT_COLLECTION_BYTES_MAX, "collection", err);
    if (status == SG_OK && plan->id.data != NULL)
        status = segment_check(plan->id, EVENT_ID_BYTES_MAX, "id", err);
    return status;
}

static int clipped(struct slice text)
{
    return (int)(text.bytes < CLIP_BYTES ? text.bytes : CLIP_BYTES);
}

static bool is_demand(struct slice name)
{
    static const char *const names[] = {DEMANDS_PARAMS};
    size_t i = 0;
    while (i < sizeof names / sizeof names[0] && !slice_equal(slice_of(names[i]), name))
        i++;
    return i < sizeof names / sizeof names[0];
}

static bool knows(const struct plan_rules *rules, struct slice name)
{
    size_t i = 0;
    while (i < PLAN_PARAMS_MAX && rules->params[i] != NULL && !slice_equal(slice_of(rules->params[i]), name))
        i++;
    return i < PLAN_PARAMS_MAX && rules->params[i] != NULL;
}

/* Says what there is, where a query may be meant. */
static enum sg_status fail_param(const struct plan_rules *rules, const struct field_set *fields, struct slice name,
                                 struct sg_error *err)
{
    char names[FILTER_NAMES_BYTES];
    char params[256] = "";
    size_t used = 0;
    if (!rules->query)
        return sg_fail(err, SG_INVALID, "the parameter '%.*s' is not known here", clipped(name), name.data);
    for (size_t i = 0; i < PLAN_PARAMS_MAX && rules->params[i] != NULL && used < sizeof params; i++)
        used += (size_t)snprintf(params + used, sizeof params - used, "%s%s", i > 0 ? ", " : "", rules->params[i]);
    return sg_fail(err, SG_INVALID,
                   "the parameter '%.*s' is not known here; the fields are %s, and other parameters %s",
                   clipped(name), name.data, filter_names(fields, names), params);
}

static enum sg_status check_params(const struct target *target, const struct plan_rules *rules,
                                   const struct field_set *fields, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < target->params_count && status == SG_OK; i++) {
        struct slice name = target->params[i].name;
        if (!knows(rules, name) && (!rules->query || !query_knows(fields, name)))
            status = fail_param(rules, fields, name, err);
    }
    return status;
}

/* What is set of a collection; nothing, where it is not mentioned. */
static const struct collection_settings *find_declared(const struct settings *settings, struct slice collection)
{
    static const struct collection_settings nothing;
    const struct collection_settings *found =
        collection.bytes > 0 ? settings_collection(settings, collection) : NULL;
    return found != NULL ? found : &nothing;
}

/* A Prefer alone demands nothing. */
static enum sg_status refuse_demands(const struct http_fields *f, struct sg_error *err)
{
    const char *header = f->min_version.count > 0     ? "Min-Version"
                         : f->min_position.count > 0  ? "Min-Position"
                         : f->max_staleness.count > 0 ? "Max-Staleness"
                                                      : NULL;
    return header == NULL ? SG_OK : sg_fail(err, SG_INVALID, "the demand '%s' has no meaning here", header);
}

#define NUMBER_MAX UINT64_C(999999999999999999) /* of a rejected event, by far */

/* The number that a page of rejected events ended with. */
static enum sg_status read_before(struct slice digits, int64_t *out, struct sg_error *err)
{
    uint64_t value = 0;
    if (digits.bytes > 0 && !decimal_parse(digits, NUMBER_MAX, &value))
        return sg_fail(err, SG_INVALID, "the parameter 'cursor' is not one that this page gave");
    *out = (int64_t)value;
    return SG_OK;
}

static enum sg_status read_cursor(const struct http_head *head, struct slice text, struct plan *out,
                                  struct sg_error *err)
{
    char *payload = head->target_text + (text.data - head->target_text);
    struct slice before = {payload, 0};
    enum sg_status status = cursor_decode(CURSOR_REJECTED, text, payload, &before.bytes, err);
    return status == SG_OK ? read_before(before, &out->before, err) : status;
}

static bool prefers_count(const struct http_lines *prefer)
{
    struct preference count;
    return prefer->count > 0 && prefer_find(prefer, "count", &count) && count.value_bytes == strlen("exact") &&
           memcmp(count.value, "exact", count.value_bytes) == 0;
}

const struct field_set *plan_fields(const struct settings *settings, struct slice collection)
{
    return &find_declared(settings, collection)->fields;
}

/* Everything that a request is read from. */
struct sources {
    const struct http_head *head;
    const struct target *target;
    const struct plan_rules *rules;
    const struct settings *settings;
};

/* What a body asks with, the URL does not ask too; and a filter has nothing of a page. */
static enum sg_status check_batch(const struct sources *from, const struct plan *plan, struct sg_error *err)
{
    const struct target *params = &plan->batch->params;
    for (size_t i = 0; i < from->target->params_count; i++) {
        struct slice name = from->target->params[i].name;
        if (!is_demand(name))
            return sg_fail(err, SG_INVALID, "beside a body the parameter '%.*s' has no meaning", clipped(name),
                           name.data);
    }
    for (size_t i = 0; i < params->params_count; i++) {
        struct slice name = params->params[i].name;
        if (!query_filters(&plan->declared->fields, name) && !slice_equal(name, SLICE_LITERAL("select")))
            return sg_fail(err, SG_INVALID, "'filter': the parameter '%.*s' is not known here", clipped(name),
                           name.data);
    }
    return target_check_repeats(params, &plan->declared->fields, err);
}

static enum sg_status read_batch(const struct sources *from, struct plan *out, struct query_fault *fault,
                                 struct sg_error *err)
{
    enum sg_status status = batch_read(from->head->body, &out->batch, err);
    if (status == SG_OK)
        status = check_batch(from, out, err);
    if (status != SG_OK)
        return status;
    const struct query_source source = {.fields = &out->declared->fields,
                                        .hash = &out->declared->fields_hash,
                                        .collection = out->collection,
                                        .params = out->batch->params.params,
                                        .params_count = out->batch->params.params_count,
                                        .ids = out->batch->ids,
                                        .ids_count = out->batch->ids_count};
    return query_make(&source, &out->query, fault, err);
}

static enum sg_status read_query(const struct sources *from, struct plan *out, struct query_fault *fault,
                                 struct sg_error *err)
{
    if (from->head->method == METHOD_QUERY || from->head->method == METHOD_POST)
        return read_batch(from, out, fault, err);
    const struct query_source source = {.fields = &out->declared->fields,
                                        .hash = &out->declared->fields_hash,
                                        .collection = out->collection,
                                        .params = from->target->params,
                                        .params_count = from->target->params_count,
                                        .limit = out->limit,
                                        .count = prefers_count(&from->head->fields.prefer)};
    return query_make(&source, &out->query, fault, err);
}

static enum sg_status read_page(const struct sources *from, struct plan *out, struct query_fault *fault,
                                struct sg_error *err)
{
    struct slice cursor;
    enum sg_status status = param_limit(from->target, &out->limit, err);
    if (status == SG_OK && from->rules->query)
        return read_query(from, out, fault, err);
    if (status == SG_OK && target_param(from->target, "cursor", &cursor))
        status = read_cursor(from->head, cursor, out, err);
    return status;
}

/* All but the demands. */
static enum sg_status read_rest(const struct sources *from, struct plan *out, struct query_fault *fault,
                                struct sg_error *err)
{
    const struct plan_rules *rules = from->rules;
    enum sg_status status = SG_OK;
    if (rules->pages)
        status = read_page(from, out, fault, err);
    if (status == SG_OK && rules->more != NULL)
        status = rules->more(from->target, from->settings, out, err);
    if (status == SG_OK && rules->conditions)
        status = conditions_parse(&from->head->fields, &out->conditions, err);
    return status;
}

enum sg_status plan_make(const struct http_head *head, const struct target *target, const struct plan_rules *rules,
                         const struct settings *settings, const struct tunables *tunables, struct plan *out,
                         struct query_fault *fault, struct sg_error *err)
{
    struct sg_error malformed;
    struct sources from = {.head = head, .target = target, .rules = rules, .settings = settings};
    enum sg_status status = check_segments(out, err);
    if (status == SG_OK && rules->query)
        out->declared = find_declared(settings, out->collection);
    if (status == SG_OK && target->params_count > 0)
        status = check_params(target, rules, out->declared != NULL ? &out->declared->fields : NULL, err);
    if (status == SG_OK && rules->demands == DEMANDS_REFUSED)
        status = refuse_demands(&head->fields, err);
    if (status != SG_OK)
        return status;
    out->owner = out->collection.data != NULL ? settings_owner(settings, out->collection) : OWNER_ALL;
    if (rules->demands == DEMANDS_READ)
        status = demands_parse(&head->fields, target, rules->min_version, settings, tunables, &out->demands, err);
    if (status != SG_OK && status != SG_NOT_FOUND)
        return status;
    enum sg_status rest = read_rest(&from, out, fault, &malformed);
    if (rest == SG_OK)
        return status;
    plan_free(out);
    if (err != NULL)
        *err = malformed;
    return rest;
}

void plan_free_owned(struct plan *plan)
{
    demands_free(&plan->demands);
    free(plan->query);
    batch_free(plan->batch);
    plan->query = NULL;
    plan->batch = NULL;
}
