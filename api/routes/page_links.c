/* Links of lists. */
#include "api/routes/page_links.h"

#include "api/request/query.h"
#include "api/request/target.h"
#include "core/base/buffer.h"
#include "core/base/decimal.h"

static void append_seconds(struct buffer *out, const char *name, int64_t ns)
{
    char digits[DECIMAL_SECONDS_BYTES];
    buffer_append_text(out, name);
    buffer_append(out, digits, decimal_seconds_up(ns, digits));
}

/* Whoever follows the link has them still. */
static void append_demands(struct buffer *link, const struct demands *demands, const struct settings *settings)
{
    struct buffer position;
    buffer_init(&position, PAGE_LINK_BYTES_MAX);
    for (size_t i = 0; i < demands->positions_count; i++) {
        const struct demand_position *p = &demands->positions[i];
        if (i > 0)
            buffer_append_text(&position, ",");
        position_append(&position, settings->streams[p->stream].name, p->sequence, &p->epoch);
    }
    if (demands->positions_count > 0) {
        buffer_append_text(link, "&min_position=");
        target_append(link, (struct slice){position.data, position.bytes});
    }
    link->failed |= position.failed;
    buffer_free(&position);
    if (demands->has_max_staleness)
        append_seconds(link, "&max_staleness=", demands->max_staleness_ns);
    if (demands->wait_given)
        append_seconds(link, "&wait=", demands->wait_ns);
}

static void add_link(struct buffer *link, const char *relation, struct response *out)
{
    buffer_append_text(link, relation);
    if (!link->failed)
        response_header_bytes(out, "Link", link->data, link->bytes);
    buffer_free(link);
}

void page_link_next(const struct call *call, struct slice cursor, struct response *out)
{
    const struct plan *plan = &call->plan;
    struct buffer link;
    buffer_init(&link, PAGE_LINK_BYTES_MAX);
    buffer_append_text(&link, "<?limit=");
    buffer_append_uint(&link, plan->limit);
    buffer_append_text(&link, "&cursor=");
    buffer_append_slice(&link, cursor);
    if (plan->query != NULL)
        query_append_params(plan->query, QUERY_PART_SELECT | QUERY_PART_COUNT, &link);
    append_demands(&link, &plan->demands, call->api->settings);
    add_link(&link, ">; rel=\"next\"", out);
}

/* With what shows whether rows may have changed without a sequence. */
static void append_bookmark(struct buffer *out, const char *stream, const struct cursor_bookmark *first,
                            const struct epoch *epoch)
{
    position_append(out, stream, first->sequence, epoch);
    if (first->rows.text[0] != '\0')
        buffer_append_format(out, ";rows=%s", first->rows.text);
    if (first->settled[0] != '\0')
        buffer_append_format(out, ";settled=%s", first->settled);
}

void page_link_changes(const struct call *call, const struct cursor_bookmark *first, const struct epoch *epoch,
                       struct response *out)
{
    const struct plan *plan = &call->plan;
    struct buffer link;
    struct buffer since;
    buffer_init(&link, PAGE_LINK_BYTES_MAX);
    buffer_init(&since, PAGE_LINK_BYTES_MAX);
    append_bookmark(&since, call->api->settings->streams[plan->owner].name, first, epoch);
    buffer_append_text(&link, "</v1/changes/");
    target_append(&link, plan->collection);
    buffer_append_text(&link, "?since=");
    target_append(&link, (struct slice){since.data, since.bytes});
    link.failed |= since.failed;
    buffer_free(&since);
    if (plan->query != NULL)
        query_append_params(plan->query, QUERY_PART_FILTER | QUERY_PART_SELECT, &link);
    add_link(&link, ">; rel=\"changes\"", out);
}
