/* Any header lines and query as a request's demands: they are accepted or refused with a sentence, what is accepted
 * keeps the promises of api/request/demands.h, and a list of positions is the same when it is written and read again.
 *
 * Input: lines. Each one's first byte says what the rest is: v Min-Version, p Min-Position, s Max-Staleness, w Prefer,
 * q the query of the target, l a route that is no entity. Other lines mean nothing. */
#include <stdint.h>
#include <string.h>

#include "api/request/demands.h"
#include "api/request/position_list.h"
#include "core/base/time.h"
#include "require.h"

static const char path[] = "/v1/state/c/i?";

static struct stream_settings streams[] = {
    {.name = (char[]){"A"}},
    {.name = (char[]){"2024-orders"}},
    {.name = (char[]){"a,b;\"c\\"}},
    {.name = (char[]){"\xc3\xbc"}},
};
static const struct settings settings = {
    .streams = streams,
    .streams_count = sizeof streams / sizeof streams[0],
};
static const struct tunables tunables = {.wait_default_ms = 5000, .wait_max_ms = 30000};

static char *copy_of(const char *data, size_t bytes)
{
    char *copy = malloc(bytes > 0 ? bytes : 1); /* of exactly this size: reading beyond it is noticed */
    REQUIRE(copy != NULL);
    if (bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

static void check_written_again(const struct position_member *members, size_t count)
{
    struct position_member again[SETTINGS_STREAMS_MAX];
    struct buffer text;
    size_t again_count = 0;
    buffer_init(&text, 1u << 20);
    for (size_t i = 0; i < count; i++) {
        char name[POSITION_NAME_BYTES_MAX + 1] = "";
        REQUIRE(members[i].name.bytes >= 1 && members[i].name.bytes <= POSITION_NAME_BYTES_MAX);
        REQUIRE(members[i].sequence <= INT64_MAX);
        memcpy(name, members[i].name.data, members[i].name.bytes);
        buffer_append_text(&text, i > 0 ? ", " : "");
        position_append(&text, name, members[i].sequence, &members[i].epoch);
    }
    REQUIRE(!text.failed);
    enum sg_status status =
        position_list_parse(text.data, text.bytes, "again", again, SETTINGS_STREAMS_MAX, &again_count, NULL);
    REQUIRE(status == SG_OK && again_count == count);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(slice_equal(again[i].name, members[i].name) && again[i].sequence == members[i].sequence);
        REQUIRE(epoch_equal(&again[i].epoch, &members[i].epoch));
    }
    buffer_free(&text);
}

static void check_list(struct slice line)
{
    struct position_member members[SETTINGS_STREAMS_MAX];
    struct sg_error err = {0};
    size_t count = 0;
    char *text = copy_of(line.data, line.bytes);
    if (position_list_parse(text, line.bytes, "list", members, SETTINGS_STREAMS_MAX, &count, &err) == SG_OK) {
        REQUIRE(count >= 1 && count <= SETTINGS_STREAMS_MAX);
        check_written_again(members, count);
    } else {
        REQUIRE(err.status == SG_INVALID && strncmp(err.message, "list: ", 6) == 0 && err.message[6] != '\0');
    }
    free(text);
}

static void check_demands(const struct http_fields *fields, const struct target *target, bool entity_route)
{
    struct demands d = {0};
    struct sg_error err = {0};
    enum sg_status status = demands_parse(fields, target, entity_route, &settings, &tunables, &d, &err);
    if (status != SG_OK) {
        REQUIRE(status == SG_INVALID || status == SG_NOT_FOUND);
        REQUIRE(err.status == status && err.message[0] != '\0');
        REQUIRE(d.positions == NULL);
        return;
    }
    REQUIRE(d.min_version >= 0 && (entity_route || d.min_version == 0));
    REQUIRE((d.positions_count > 0) == (d.positions != NULL));
    for (size_t i = 0; i < d.positions_count; i++) {
        REQUIRE(d.positions[i].stream < settings.streams_count && d.positions[i].sequence <= INT64_MAX);
        for (size_t j = 0; j < i; j++)
            REQUIRE(d.positions[i].stream != d.positions[j].stream);
    }
    REQUIRE(d.max_staleness_ns >= 0 && (d.has_max_staleness || d.max_staleness_ns == 0));
    REQUIRE(d.wait_ns >= 0 && d.wait_ns <= tunables.wait_max_ms * NS_PER_MS);
    REQUIRE(d.wait_given || d.wait_ns == tunables.wait_default_ms * NS_PER_MS);
    demands_free(&d);
}

static void keep(struct http_lines *line, struct slice value)
{
    if (line->count < HTTP_LINES_MAX)
        line->values[line->count] = value;
    line->count++;
}

/* A request in the making. */
struct request_text {
    struct http_fields fields;
    struct target target;
    bool is_list;
    char *target_text; /* owned */
};

static void set_query(struct request_text *r, struct slice query)
{
    size_t bytes = sizeof path - 1 + query.bytes;
    free(r->target_text);
    r->target_text = malloc(bytes);
    REQUIRE(r->target_text != NULL);
    memcpy(r->target_text, path, sizeof path - 1);
    memcpy(r->target_text + sizeof path - 1, query.data, query.bytes);
    if (target_parse(r->target_text, bytes, &r->target, NULL) != SG_OK)
        r->target.params_count = 0;
}

static void add_line(struct request_text *r, char kind, struct slice value)
{
    switch (kind) {
    case 'v': keep(&r->fields.min_version, value); break;
    case 's': keep(&r->fields.max_staleness, value); break;
    case 'w': keep(&r->fields.prefer, value); break;
    case 'q': set_query(r, value); break;
    case 'l': r->is_list = true; break;
    case 'p':
        keep(&r->fields.min_position, value);
        check_list(value);
        break;
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request_text request = {0};
    char *lines = copy_of((const char *)data, size);
    size_t at = 0;
    while (at < size) {
        const char *end = memchr(lines + at, '\n', size - at);
        size_t bytes = end != NULL ? (size_t)(end - lines) - at : size - at;
        if (bytes > 0)
            add_line(&request, lines[at], (struct slice){lines + at + 1, bytes - 1});
        at += bytes + 1;
    }
    check_demands(&request.fields, &request.target, !request.is_list);
    free(request.target_text);
    free(lines);
    return 0;
}
