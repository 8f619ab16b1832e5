/* /v1/rejected: events that could not be applied, newest first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/request/cursor.h"
#include "api/answer/check.h"
#include "api/routes/router.h"
#include "api/http/problem.h"
#include "api/answer/headers.h"
#include "api/worker.h"
#include "core/base/time.h"

/* A page that is nearly full, and one more payload of the largest size in base64. */
#define REJECTED_BUFFER_BYTES_MAX (STORE_PAGE_BYTES_MAX + 2u * EVENT_PAYLOAD_BYTES_MAX)
#define REJECTED_ITEM_BYTES 8192u /* what an item takes besides its payload */

struct rejected {
    struct buffer body;
    size_t limit;
    size_t items_count;
    bool more;
    int64_t last;                 /* number of the last item */
    char stream[256];             /* filter; "" = all */
    struct slice collection;      /* filter; empty = all */
    int64_t before;
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
    char time[CLOCK_RFC3339_BYTES];
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
    if (page->items_count > 0)
        buffer_append_text(&page->body, ",");
    append_item(&page->body, row);
    page->items_count++;
    page->last = row->number;
    return !page->body.failed;
}

static enum sg_status read_cursor(const struct target *target, int64_t *before, struct sg_error *err)
{
    struct slice text;
    char number[CURSOR_PAYLOAD_BYTES_MAX];
    size_t bytes = 0;
    int64_t value = 0;
    *before = 0;
    if (!target_param(target, "cursor", &text))
        return SG_OK;
    enum sg_status status = cursor_decode(CURSOR_REJECTED, text, number, &bytes, err);
    for (size_t i = 0; status == SG_OK && i < bytes; i++) {
        if (number[i] < '0' || number[i] > '9' || bytes > 18)
            return sg_fail(err, SG_INVALID, "the parameter 'cursor' is not one that this page gave");
        value = value * 10 + (number[i] - '0');
    }
    *before = value;
    return status;
}

static enum sg_status read_params(const struct target *target, struct rejected *page, struct sg_error *err)
{
    struct slice stream = {0};
    enum sg_status status = param_limit(target, &page->limit, err);
    if (status == SG_OK)
        status = read_cursor(target, &page->before, err);
    if (status != SG_OK)
        return status;
    if (target_param(target, "stream", &stream)) {
        if (stream.bytes == 0 || stream.bytes >= sizeof page->stream)
            return sg_fail(err, SG_INVALID, "the parameter 'stream' is empty or longer than %zu bytes",
                           sizeof page->stream - 1);
        memcpy(page->stream, stream.data, stream.bytes);
    }
    if (target_param(target, "collection", &page->collection))
        return segment_check(page->collection, EVENT_COLLECTION_BYTES_MAX, "parameter 'collection'", err);
    return SG_OK;
}

enum sg_status rejected_check(const struct call *call, struct sg_error *err)
{
    struct rejected ignored = {0};
    return read_params(&call->request->target, &ignored, err);
}

/* The stream that the filters leave, or OWNER_ALL. */
static int stream_meant(const struct settings *settings, const struct rejected *page)
{
    for (size_t i = 0; i < settings->streams_count; i++) {
        if (strcmp(settings->streams[i].name, page->stream) == 0)
            return (int)i;
    }
    int owner = page->stream[0] == '\0' && page->collection.bytes > 0 ? settings_owner(settings, page->collection) : -1;
    return owner >= 0 ? owner : OWNER_ALL;
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

void rejected_page(struct call *call, struct response *out)
{
    struct snapshot *snapshot = call->worker->snapshot;
    const struct settings *settings = call->worker->api->context.settings;
    struct rejected page = {0};
    struct sg_error err;
    if (read_params(&call->request->target, &page, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return;
    }
    int owner = stream_meant(settings, &page);
    enum sg_status status = snapshot_begin(snapshot, &err);
    if (status == SG_OK && !demands_hold(call, &(struct basis){.owner = owner}, out))
        return;
    buffer_init(&page.body, REJECTED_BUFFER_BYTES_MAX);
    buffer_append_text(&page.body, "{\"items\":[");
    if (status == SG_OK)
        status = store_read_rejected(snapshot_reader(snapshot), page.stream[0] != '\0' ? page.stream : NULL,
                                     page.collection, page.before, visit_rejected, &page, &err);
    if (status == SG_OK && page.body.failed)
        status = sg_fail(&err, SG_MEMORY, "out of memory for a page");
    if (status != SG_OK) {
        buffer_free(&page.body);
        headers_storage(out, snapshot, &err);
        return;
    }
    buffer_append_text(&page.body, "]");
    if (page.more)
        add_next(&page);
    buffer_append_text(&page.body, "}\n");
    response_body_take(out, &page.body);
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    headers_facts(out, demands_facts(call, owner), time_boot_ns());
}
