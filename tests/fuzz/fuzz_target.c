/* Any text as a request's target, Host and conditions: each is accepted or refused with a sentence, what is accepted
 * means what its bytes say, decoded once, and the answer is well-formed and about the entity that was asked for.
 *
 * Input: the target, then lines. Each one's first byte says what the rest is: h Host, n If-None-Match, m If-Match,
 * s If-Modified-Since, u If-Unmodified-Since, o the method OPTIONS. Other lines mean nothing. */
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <yyjson.h>

#include "api/request/admission.h"
#include "api/request/cursor.h"
#include "api/routes/router.h"
#include "api/http/problem.h"
#include "api/routes/router.h"
#include "core/base/time.h"
#include "core/domain/event.h"
#include "core/base/utf8.h"
#include "reader_rig.h"
#include "require.h"

static char *copy_of(const char *data, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1); /* of exactly this size: reading beyond it is noticed */
    REQUIRE(copy != NULL);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

/* ---- what the bytes of a target say, worked out in another way ---- */

static void require_decoded(struct slice raw, bool in_query, struct slice decoded)
{
    size_t at = 0;
    for (size_t i = 0; i < decoded.bytes; i++) {
        unsigned char expected = (unsigned char)raw.data[at];
        size_t step = 1;
        if (expected == '%') {
            char digits[3] = {0};
            REQUIRE(at + 2 < raw.bytes);
            memcpy(digits, raw.data + at + 1, 2);
            REQUIRE(strspn(digits, "0123456789abcdefABCDEF") == 2);
            expected = (unsigned char)strtoul(digits, NULL, 16);
            step = 3;
        } else if (in_query && expected == '+') {
            expected = ' ';
        } else {
            REQUIRE(expected > ' ' && expected < 0x7f && strchr("\"#<>[\\]^`{|}", expected) == NULL);
        }
        REQUIRE((unsigned char)decoded.data[i] == expected && expected != '\0');
        at += step;
    }
    REQUIRE(at == raw.bytes && utf8_valid(decoded));
}

/* What lies before the next `separator`, which is dropped; `*rest` is what follows, with no data at the end. */
static struct slice take_part(struct slice *rest, char separator)
{
    const char *end = memchr(rest->data, separator, rest->bytes);
    struct slice part = {rest->data, end != NULL ? (size_t)(end - rest->data) : rest->bytes};
    *rest = end != NULL ? (struct slice){end + 1, rest->bytes - part.bytes - 1} : (struct slice){0};
    return part;
}

static void require_path(struct slice path, const struct target *target)
{
    size_t count = 0;
    if (path.bytes > 0) {
        REQUIRE(path.data[0] == '/');
        (void)take_part(&path, '/');
    } else {
        path.data = NULL;
    }
    while (path.data != NULL) {
        struct slice part = take_part(&path, '/');
        if (count < TARGET_SEGMENTS_MAX)
            require_decoded(part, false, target->segments[count]);
        count++;
    }
    REQUIRE(count == target->segments_count);
}

static void require_query(struct slice query, const struct target *target)
{
    size_t count = 0;
    bool repeats = false;
    if (query.bytes == 0)
        query.data = NULL;
    REQUIRE(target->params_count <= TARGET_PARAMS_MAX);
    while (query.data != NULL) {
        struct slice value = take_part(&query, '&');
        REQUIRE(count < target->params_count && memchr(value.data, '=', value.bytes) != NULL);
        const struct param *param = &target->params[count];
        require_decoded(take_part(&value, '='), true, param->name);
        require_decoded(value, true, param->value);
        REQUIRE(param->name.bytes > 0);
        for (size_t i = 0; i < count; i++)
            repeats = repeats || slice_equal(target->params[i].name, param->name);
        count++;
    }
    REQUIRE(count == target->params_count && repeats == target->repeats);
    REQUIRE((target_check_repeats(target, NULL, NULL) == SG_OK) == !repeats);
}

static void require_meaning(struct slice raw, const struct target *target)
{
    REQUIRE(memchr(raw.data, '#', raw.bytes) == NULL);
    if (raw.data[0] != '/') {
        size_t scheme = raw.bytes > 8 && strncasecmp(raw.data, "https://", 8) == 0 ? 8 : 7;
        REQUIRE(raw.bytes > scheme && (scheme == 8 || strncasecmp(raw.data, "http://", 7) == 0));
        size_t end = scheme;
        while (end < raw.bytes && raw.data[end] != '/' && raw.data[end] != '?')
            REQUIRE(raw.data[end++] != '@');
        REQUIRE(end > scheme);
        raw = (struct slice){raw.data + end, raw.bytes - end};
    }
    struct slice query = raw;
    require_path(take_part(&query, '?'), target);
    require_query(query, target);
}

/* ---- what was parsed, written and parsed again ---- */

static void encode(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++)
        buffer_append_format(out, "%%%02X", (unsigned)(unsigned char)text.data[i]);
}

static void require_same_again(const struct target *target)
{
    struct target again;
    struct buffer text;
    if (target->segments_count > TARGET_SEGMENTS_MAX || target->segments_count == 0)
        return; /* not all were kept; or nothing that a path can say */
    buffer_init(&text, 1u << 24);
    for (size_t i = 0; i < target->segments_count; i++) {
        buffer_append_text(&text, "/");
        encode(&text, target->segments[i]);
    }
    for (size_t i = 0; i < target->params_count; i++) {
        buffer_append_text(&text, i == 0 ? "?" : "&");
        encode(&text, target->params[i].name);
        buffer_append_text(&text, "=");
        encode(&text, target->params[i].value);
    }
    REQUIRE(!text.failed && target_parse(text.data, text.bytes, &again, NULL) == SG_OK);
    REQUIRE(again.segments_count == target->segments_count && again.params_count == target->params_count);
    for (size_t i = 0; i < target->segments_count; i++)
        REQUIRE(slice_equal(again.segments[i], target->segments[i]));
    for (size_t i = 0; i < target->params_count; i++) {
        REQUIRE(slice_equal(again.params[i].name, target->params[i].name));
        REQUIRE(slice_equal(again.params[i].value, target->params[i].value));
    }
    buffer_free(&text);
}

/* ---- values ---- */

static void require_refusal(const struct sg_error *err)
{
    struct response refusal;
    REQUIRE(err->status == SG_INVALID && err->message[0] != '\0');
    response_init(&refusal);
    problem_bad_request(&refusal, err);
    REQUIRE(!refusal.failed && refusal.status == 400);
    yyjson_doc *doc = yyjson_read(refusal.body, refusal.body_bytes, 0);
    REQUIRE(doc != NULL && yyjson_get_len(yyjson_obj_get(yyjson_doc_get_root(doc), "detail")) > 1);
    yyjson_doc_free(doc);
    response_free(&refusal);
}

static void check_segment(struct slice segment, size_t bytes_max)
{
    struct sg_error err = {0};
    if (segment_check(segment, bytes_max, "id", &err) != SG_OK) {
        require_refusal(&err);
        return;
    }
    REQUIRE(segment.bytes >= 1 && segment.bytes <= bytes_max);
    REQUIRE(!slice_equal(segment, SLICE_LITERAL(".")) && !slice_equal(segment, SLICE_LITERAL("..")));
}

static void check_limit(const struct target *target)
{
    struct sg_error err = {0};
    struct slice text;
    char number[24];
    size_t limit = 0;
    if (param_limit(target, &limit, &err) != SG_OK) {
        require_refusal(&err);
        return;
    }
    REQUIRE(limit >= 1 && limit <= PARAM_LIMIT_MAX);
    if (target_param(target, "limit", &text)) {
        (void)snprintf(number, sizeof number, "%zu", limit);
        REQUIRE(slice_equal(text, slice_of(number)));
    }
}

static void check_seconds(struct slice value)
{
    struct sg_error err = {0};
    char text[64] = "";
    int64_t ns = -1;
    if (param_seconds(value, "wait", &ns, &err) != SG_OK) {
        require_refusal(&err);
        return;
    }
    REQUIRE(ns >= 0 && ns <= INT64_C(1000000000) * PARAM_SECONDS_MAX);
    if (value.bytes < sizeof text) {
        memcpy(text, value.data, value.bytes);
        REQUIRE(text[strspn(text, "0123456789.")] == '\0');
        REQUIRE(llround(strtod(text, NULL) * 1000) * NS_PER_MS == ns);
    }
}

static void check_cursor(struct slice value, enum cursor_kind kind)
{
    struct sg_error err = {0};
    char payload[CURSOR_PAYLOAD_BYTES_MAX];
    char text[CURSOR_TEXT_BYTES];
    size_t bytes = 0;
    if (cursor_decode(kind, value, payload, &bytes, &err) != SG_OK) {
        require_refusal(&err);
        return;
    }
    REQUIRE(bytes >= 1 && bytes <= sizeof payload);
    size_t text_bytes = cursor_encode(kind, (struct slice){payload, bytes}, text);
    REQUIRE(slice_equal((struct slice){text, text_bytes}, value)); /* one cursor, one spelling */
}

static void check_values(const struct target *target)
{
    for (size_t i = 0; i < target->segments_count && i < TARGET_SEGMENTS_MAX; i++) {
        check_segment(target->segments[i], EVENT_ID_BYTES_MAX);
        check_segment(target->segments[i], EVENT_COLLECTION_BYTES_MAX);
    }
    check_limit(target);
    for (size_t i = 0; i < target->params_count; i++) {
        check_seconds(target->params[i].value);
        check_cursor(target->params[i].value, CURSOR_REJECTED);
        check_cursor(target->params[i].value, CURSOR_LIST);
    }
}

/* So plain that there is nothing to refuse. */
static bool is_plain(struct slice raw)
{
    bool plain = raw.bytes > 0 && raw.data[0] == '/';
    for (size_t i = 0; plain && i < raw.bytes; i++)
        plain = raw.data[i] != '\0' && strchr("/abcdefghijklmnopqrstuvwxyz0123456789._~-", raw.data[i]) != NULL;
    return plain;
}

/* `*metrics`: it names /metrics, which reads of the process and of the HTTP side. */
static bool check_target(struct slice raw, bool *metrics)
{
    struct target target;
    struct sg_error err = {0};
    char *text = copy_of(raw.data, raw.bytes);
    bool good = target_parse(text, raw.bytes, &target, &err) == SG_OK;
    *metrics = good && target.segments_count == 1 && slice_equal(target.segments[0], SLICE_LITERAL("metrics"));
    if (good) {
        require_meaning(raw, &target);
        require_same_again(&target);
        check_values(&target);
    } else {
        REQUIRE(!is_plain(raw));
        require_refusal(&err);
    }
    free(text);
    return good;
}

static void check_host(struct slice host)
{
    struct http_head head = {
        .target_bytes = 1, .version_known = true, .version_1_1 = true, .hosts_count = 1, .host = host};
    struct response response;
    response_init(&response);
    struct admission_host last = {0};
    if (admission_check(&head, ADMISSION_NO_BODY, "a,state.example", &last, &response)) {
        REQUIRE(host.bytes > 0);
        for (size_t i = 0; i < host.bytes; i++)
            REQUIRE(isalnum((unsigned char)host.data[i]) || (host.data[i] != '\0' && strchr("-._~:[]", host.data[i])));
    } else {
        REQUIRE((response.status == 400 || response.status == 421) && !response.failed);
    }
    response_free(&response);
}

/* ---- the whole request ---- */

static const char *header_of(const struct response *r, const char *name)
{
    for (size_t i = 0; i < r->headers_count; i++) {
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    }
    return NULL;
}

static bool status_expected(unsigned status, bool good)
{
    static const unsigned expected[] = {200, 204, 304, 400, 404, 409, 410, 412, 414, 422, 503, 504};
    if (!good)
        return status == 400 || status == 414;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (status == expected[i])
            return true;
    }
    return false;
}

/* What is answered is what was asked: the plan has the segments of the target as it came. */
static void require_planned(const struct call *call, struct slice raw)
{
    struct target target;
    char *text = copy_of(raw.data, raw.bytes);
    REQUIRE(target_parse(text, raw.bytes, &target, NULL) == SG_OK);
    require_meaning(raw, &target);
    REQUIRE(target.segments_count == call->route->segments_count);
    for (size_t i = 0; i < target.segments_count; i++) {
        struct slice part = call->route->segments[i];
        if (part.data[0] == '{')
            part = part.data[1] == 'c' ? call->plan.collection : call->plan.id;
        REQUIRE(slice_equal(part, target.segments[i]));
    }
    free(text);
}

/* Of /v1/state/{collection}/{id}: each state in the rig holds its own id. */
static void require_entity(const struct call *call, yyjson_val *state)
{
    yyjson_val *id = yyjson_obj_get(state, "id");
    struct slice stored = {yyjson_get_str(id), yyjson_get_len(id)};
    REQUIRE(slice_equal(call->plan.id, stored));
}

/* The link is relative to `raw`, the target that was asked for, and has its demands, which may not be met by now. */
static void require_next_page(const char *link, struct slice raw)
{
    struct http_head head = {.version_known = true};
    struct call call;
    struct response page;
    const char *end = strchr(link, '>');
    const char *query = memchr(raw.data, '?', raw.bytes);
    size_t path_bytes = query != NULL ? (size_t)(query - raw.data) : raw.bytes;
    REQUIRE(link[0] == '<' && link[1] == '?' && end != NULL);
    size_t link_bytes = (size_t)(end - link) - 1;
    char *text = malloc(path_bytes + link_bytes + 1);
    REQUIRE(text != NULL);
    memcpy(text, raw.data, path_bytes);
    memcpy(text + path_bytes, link + 1, link_bytes);
    text[path_bytes + link_bytes] = '\0';
    head.target_bytes = path_bytes + link_bytes;
    head.target_text = text;
    bool answered = reader_rig_ask(&head, &call, &page);
    REQUIRE(!answered || page.status == 200 || page.status == 503 || page.status == 504);
    REQUIRE(!page.failed);
    response_free(&page);
    free(text);
}

static void require_answer(const struct call *call, const struct response *r, struct slice raw, bool good)
{
    REQUIRE(!r->failed && status_expected(r->status, good));
    REQUIRE(r->status != 503 || router_id(call->route) == ROUTE_READYZ);
    for (size_t i = 0; i < r->headers_count; i++) {
        for (const char *c = r->headers[i].value; *c != '\0'; c++)
            REQUIRE((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    const char *type = header_of(r, "Content-Type");
    if (type != NULL && strstr(type, "json") != NULL) {
        yyjson_doc *doc = yyjson_read(r->body, r->body_bytes, 0);
        REQUIRE(doc != NULL);
        if (r->status == 200 && router_id(call->route) == ROUTE_ENTITY)
            require_entity(call, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
    }
    const char *link = header_of(r, "Link");
    if (link != NULL && strstr(link, "rel=\"next\"") != NULL)
        require_next_page(link, raw);
    else if (link != NULL)
        REQUIRE(strncmp(link, "</v1/changes/", strlen("</v1/changes/")) == 0);
}

static void check_request(struct http_head *head, struct slice raw, bool good)
{
    struct call call;
    struct response response;
    bool answered = reader_rig_ask(head, &call, &response);
    if (call.planned)
        require_planned(&call, raw);
    if (answered)
        require_answer(&call, &response, raw, good);
    response_free(&response);
}

static void add_tags(struct http_lines *lines, struct slice value)
{
    if (lines->count < HTTP_LINES_MAX)
        lines->values[lines->count] = value;
    lines->count++;
}

static void add_line(struct http_head *head, char kind, struct slice value)
{
    switch (kind) {
    case 'o': head->method = METHOD_OPTIONS; break;
    case 'h':
        check_host(value);
        head->host = value;
        head->hosts_count++;
        break;
    case 'n': add_tags(&head->fields.if_none_match, value); break;
    case 'm': add_tags(&head->fields.if_match, value); break;
    case 's': head->fields.if_modified_since = (struct http_line){1, value}; break;
    case 'u': head->fields.if_unmodified_since = (struct http_line){1, value}; break;
    default: break;
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    reader_rig_open();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head head = {.version_known = true};
    bool metrics = false;
    char *text = copy_of((const char *)data, size);
    struct slice rest = {text, size};
    struct slice target = size > 0 ? take_part(&rest, '\n') : rest;
    while (rest.bytes > 0) {
        struct slice line = take_part(&rest, '\n');
        if (line.bytes > 0)
            add_line(&head, line.data[0], (struct slice){line.data + 1, line.bytes - 1});
    }
    bool good = check_target(target, &metrics);
    head.target_text = copy_of(target.data, target.bytes);
    head.target_bytes = target.bytes;
    if (!metrics)
        check_request(&head, target, good);
    free(head.target_text);
    free(text);
    return 0;
}
