/* From text to values. What is malformed is said before a stream that is not known, and both before anything is waited
 * for. */
#include "api/request/plan.h"

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

static enum sg_status check_params(const struct target *target, const struct plan_rules *rules, struct sg_error *err)
{
    for (size_t i = 0; i < target->params_count; i++) {
        struct slice name = target->params[i].name;
        size_t k = 0;
        while (k < PLAN_PARAMS_MAX && rules->params[k] != NULL && !slice_equal(slice_of(rules->params[k]), name))
            k++;
        if (k == PLAN_PARAMS_MAX || rules->params[k] == NULL)
            return sg_fail(err, SG_INVALID, "the parameter '%.*s' is not known here",
                           (int)(name.bytes < CLIP_BYTES ? name.bytes : CLIP_BYTES), name.data);
    }
    return SG_OK;
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

static enum sg_status read_cursor(const struct http_head *head, struct slice text, enum cursor_kind kind,
                                  struct plan *out, struct sg_error *err)
{
    char *payload = head->target_text + (text.data - head->target_text);
    struct slice after = {payload, 0};
    enum sg_status status = cursor_decode(kind, text, payload, &after.bytes, err);
    if (status != SG_OK)
        return status;
    if (kind == CURSOR_REJECTED)
        return read_before(after, &out->before, err);
    out->after = after;
    return SG_OK;
}

static enum sg_status read_page(const struct http_head *head, const struct target *target,
                                const struct plan_rules *rules, struct plan *out, struct sg_error *err)
{
    struct slice cursor;
    enum sg_status status = param_limit(target, &out->limit, err);
    if (status == SG_OK && target_param(target, "cursor", &cursor))
        status = read_cursor(head, cursor, rules->cursor, out, err);
    return status;
}

/* All but the demands. */
static enum sg_status read_rest(const struct http_head *head, const struct target *target,
                                const struct plan_rules *rules, const struct settings *settings, struct plan *out,
                                struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (rules->pages)
        status = read_page(head, target, rules, out, err);
    if (status == SG_OK && rules->more != NULL)
        status = rules->more(target, settings, out, err);
    if (status == SG_OK && rules->conditions)
        status = conditions_parse(&head->fields, &out->conditions, err);
    return status;
}

enum sg_status plan_make(const struct http_head *head, const struct target *target, const struct plan_rules *rules,
                         const struct settings *settings, const struct tunables *tunables, struct plan *out,
                         struct sg_error *err)
{
    struct sg_error malformed;
    enum sg_status status = check_segments(out, err);
    if (status == SG_OK)
        status = check_params(target, rules, err);
    if (status == SG_OK && rules->demands == DEMANDS_REFUSED)
        status = refuse_demands(&head->fields, err);
    if (status != SG_OK)
        return status;
    out->owner = out->collection.data != NULL ? settings_owner(settings, out->collection) : OWNER_ALL;
    if (rules->demands == DEMANDS_READ)
        status = demands_parse(&head->fields, target, rules->min_version, settings, tunables, &out->demands, err);
    if (status != SG_OK && status != SG_NOT_FOUND)
        return status;
    enum sg_status rest = read_rest(head, target, rules, settings, out, &malformed);
    if (rest == SG_OK)
        return status;
    plan_free(out);
    if (err != NULL)
        *err = malformed;
    return rest;
}

void plan_free(struct plan *plan)
{
    demands_free(&plan->demands);
}
