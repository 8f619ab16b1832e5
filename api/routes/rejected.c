/* /v1/rejected: events that could not be applied, newest first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/answer/headers.h"
#include "api/request/cursor.h"
#include "api/routes/router.h"
#include "core/base/time.h"

/* A page that is nearly full, and one more payload of the largest size in base64. */
#define REJECTED_BUFFER_BYTES_MAX (STORE_PAGE_BYTES_MAX + 2u * EVENT_PAYLOAD_BYTES_MAX)
#define REJECTED_ITEM_BYTES 8192u /* what an item takes besides its payload */

#define STREAM_BYTES_MAX 255u          /* as long as the name of a stream may be */

struct rejected {
    const struct call *call;
    struct buffer body;
    bool stopped; /* it outgrows the loop */
    size_t limit;
    size_t items_count;
    bool more;
    int64_t last; /* number of the last item */
};

static void append_base64(struct buffer *out, struct slice data)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < data.bytes; i += 3) {
        char group[4] = {'=', '=', '=', '='};
        size_t count = data.bytes - i < 3 ? data.bytes - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = (bits << 8) | (k < count ? (unsigned char)data.data[i + k] : 0);
        for (size_t k = 0; k <= count; k++)
            group[k] = alphabet[(bits >> (18 - 6 * k)) & 63];
        buffer_append(out, group, sizeof group);
    }
}

static void append_text_member(struct buffer *body, const char *name, struct slice value)
{
    if (value.bytes == 0)
        return;
    buffer_append_text(body, ",\"");
    buffer_append_text(body, name);
    buffer_append_text(body, "\":");
    buffer_append_json_string(body, value);
}

static void append_item(struct buffer *body, const struct store_rejected *row)
{
    char time[TIME_RFC3339_BYTES];
    time_rfc3339(row->time_ns, time);
    buffer_append_text(body, "\n{\"stream\":");
    buffer_append_json_string(body, slice_of(row->stream));
    buffer_append_format(body, ",\"sequence\":%" PRIu64 ",\"time\":\"%s\"", row->sequence, time);
    append_text_member(body, "subject", row->subject);
    append_text_member(body, "collection", row->collection);
    append_text_member(body, "id", row->id);
    if (row->version > 0)
        buffer_append_format(body, ",\"version\":%" PRId64, row->version);
    append_text_member(body, "reason", slice_of(row->reason));
    append_text_member(body, "detail", row->detail);
    buffer_append_format(body, ",\"payloadBytes\":%" PRIu64, row->payload_bytes);
    append_text_member(body, "payloadSha256", slice_of(row->payload_sha256));
    if (row->payload.bytes > 0) {
        buffer_append_text(body, ",\"payload\":\"");
        append_base64(body, row->payload);
        buffer_append_text(body, "\"");
    }
    buffer_append_text(body, "}");
}

static bool visit_rejected(void *context, const struct store_rejected *row)
{
    struct rejected *page = context;
    size_t item_bytes = row->payload.bytes / 3 * 4 + REJECTED_ITEM_BYTES;
    if (page->items_count == page->limit ||
        (page->items_count > 0 && page->body.bytes + item_bytes > STORE_PAGE_BYTES_MAX)) {
        page->more = true;
        return false;
    }
    page->stopped = call_outgrows_loop(page->call, page->body.bytes + item_bytes);
    if (page->stopped)
        return false;
    if (page->items_count > 0)
        buffer_append_text(&page->body, ",");
    append_item(&page->body, row);
    page->items_count++;
    page->last = row->number;
    return !page->body.failed;
}

/* The stream that the filters leave, OWNER_ALL, or OWNER_NONE: one is named that is not followed. */
static int stream_meant(const struct settings *settings, const struct plan *plan)
{
    if (plan->stream.bytes == 0) {
        int owner = plan->collection.bytes > 0 ? settings_owner(settings, plan->collection) : OWNER_ALL;
        return owner == OWNER_NONE ? OWNER_ALL : owner;
    }
    for (size_t i = 0; i < settings->streams_count; i++) {
        if (slice_equal(slice_of(settings->streams[i].name), plan->stream))
            return (int)i;
    }
    return OWNER_NONE;
}

enum sg_status rejected_plan(const struct target *target, const struct settings *settings, struct plan *plan,
                             struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (target_param(target, "stream", &plan->stream) &&
        (plan->stream.bytes == 0 || plan->stream.bytes > STREAM_BYTES_MAX))
        return sg_fail(err, SG_INVALID, "the parameter 'stream' is empty or longer than %u bytes", STREAM_BYTES_MAX);
    if (target_param(target, "collection", &plan->collection))
        status = segment_check(plan->collection, EVENT_COLLECTION_BYTES_MAX, "parameter 'collection'", err);
    if (status != SG_OK)
        return status;
    plan->owner = stream_meant(settings, plan);
    return plan->owner != OWNER_NONE
               ? SG_OK
               : sg_fail(err, SG_NOT_FOUND, "stream: the stream '%.*s' is not configured", SLICE_ARGS(plan->stream));
}

enum sg_status rejected_find(struct call *call, struct basis *out, struct sg_error *err)
{
    (void)out;
    return snapshot_begin(call->snapshot, err);
}

/* The cursor stands in the body alone: a Link would have to repeat the filters. */
static void add_next(struct rejected *page)
{
    char number[24];
    char cursor[CURSOR_TEXT_BYTES];
    int bytes = snprintf(number, sizeof number, "%" PRId64, page->last);
    size_t cursor_bytes = cursor_encode(CURSOR_REJECTED, (struct slice){number, (size_t)bytes}, cursor);
    buffer_append_text(&page->body, ",\"next\":\"");
    buffer_append(&page->body, cursor, cursor_bytes);
    buffer_append_text(&page->body, "\"");
}

static enum sg_status render_page(const struct call *call, struct rejected *page, struct sg_error *err)
{
    const struct plan *plan = &call->plan;
    char stream[STREAM_BYTES_MAX + 1] = "";
    if (plan->stream.bytes > 0)
        memcpy(stream, plan->stream.data, plan->stream.bytes);
    buffer_init(&page->body, REJECTED_BUFFER_BYTES_MAX);
    buffer_append_text(&page->body, "{\"items\":[");
    enum sg_status status =
        store_read_rejected(snapshot_reader(call->snapshot), stream[0] != '\0' ? stream : NULL, plan->collection,
                            plan->before, visit_rejected, page, err);
    if (status == SG_OK && page->body.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory for a page");
    if (status == SG_OK && page->stopped)
        status = SG_STOPPED;
    if (status != SG_OK) {
        buffer_free(&page->body);
        return status;
    }
    buffer_append_text(&page->body, "]");
    if (page->more)
        add_next(page);
    buffer_append_text(&page->body, "}\n");
    return SG_OK;
}

enum sg_status rejected_answer(struct call *call, const struct basis *basis, struct response *out,
                               struct sg_error *err)
{
    struct rejected page = {.call = call, .limit = call->plan.limit};
    (void)basis;
    enum sg_status status = render_page(call, &page, err);
    if (status != SG_OK)
        return status;
    response_body_take(out, &page.body);
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    headers_facts(out, check_facts(&call->plan, call->snapshot), time_boot_ns());
    return call_encode(call, out);
}
