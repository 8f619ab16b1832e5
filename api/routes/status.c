/* /v1/status: what is known about each stream, and how. What is unknown is absent. */
#include <inttypes.h>

#include "api/routes/router.h"
#include "api/answer/headers.h"
#include "core/base/decimal.h"
#include "core/base/time.h"
#include "core/version.h"

#define STATUS_BYTES_MAX (4u << 20)

struct entity_sums {
    const struct settings *settings;
    size_t at; /* the stream of the collection before */
    uint64_t entities[SETTINGS_STREAMS_MAX];
};

/* Those of a stream come one after the other. */
static void visit_collection(void *context, const char *collection, const char *stream, uint64_t entities)
{
    struct entity_sums *sums = context;
    const struct settings *settings = sums->settings;
    (void)collection;
    for (size_t tries = 0; tries < settings->streams_count; tries++) {
        if (strcmp(settings->streams[sums->at].name, stream) == 0) {
            sums->entities[sums->at] += entities;
            return;
        }
        sums->at = (sums->at + 1) % settings->streams_count;
    }
}

static void append_gaps(struct buffer *body, const struct stream *row)
{
    buffer_append_text(body, ",\"gaps\":[");
    for (size_t i = 0; i < row->gaps_count; i++)
        buffer_append_format(body, "%s{\"first\":%" PRIu64 ",\"last\":%" PRIu64 "}", i > 0 ? "," : "",
                             row->gaps[i].first, row->gaps[i].last);
    buffer_append_text(body, "]");
}

/* The probe that proves the staleness. */
static void append_probe(struct buffer *body, const struct snapshot_stream *s)
{
    char asked_at[TIME_RFC3339_BYTES];
    if (!s->view.staleness_known)
        return;
    time_rfc3339(s->view.proof_wall_ns, asked_at);
    buffer_append_format(body, ",\"probe\":{\"askedAt\":\"%s\",\"answeredAfter\":", asked_at);
    decimal_json_seconds(body, s->view.proof_answered_ns - s->view.proof_asked_ns);
    buffer_append_format(body, ",\"head\":%" PRIu64 ",\"epoch\":\"%s\"}", s->view.proof_head, s->row->epoch.text);
}

static void append_ready(struct buffer *body, struct freshness *freshness, size_t stream)
{
    struct freshness_ready ready;
    freshness_ready(freshness, stream, &ready);
    buffer_append_format(body, ",\"ready\":{\"ready\":%s,\"position\":%" PRIu64, ready.ready ? "true" : "false",
                         ready.position);
    if (ready.target_known)
        buffer_append_format(body, ",\"target\":%" PRIu64, ready.target);
    buffer_append_text(body, "}");
}

/* The build that is on its way, while it is. */
static void append_rebuild(struct buffer *body, const struct stream *row)
{
    if (!row->rebuilding)
        return;
    buffer_append_format(body, ",\"rebuild\":{\"build\":%" PRId64 ",\"epoch\":\"%s\",\"position\":%" PRIu64,
                         row->rebuild.build, row->rebuild.epoch.text, row->rebuild.position);
    if (row->rebuild.target != TARGET_UNKNOWN)
        buffer_append_format(body, ",\"target\":%" PRIu64, row->rebuild.target);
    buffer_append_text(body, "}");
}

struct buildings {
    struct buffer *body;
    bool any;
};

static void append_building(void *context, const struct store_building *building)
{
    struct buildings *list = context;
    buffer_append_text(list->body, list->any ? ",{\"collection\":" : ",\"indexes\":[{\"collection\":");
    buffer_append_json_string(list->body, slice_of(building->collection));
    if (building->index != NULL) {
        buffer_append_text(list->body, ",\"index\":");
        buffer_append_json_string(list->body, slice_of(building->index));
    }
    buffer_append_format(list->body, ",\"build\":%" PRId64 ",\"rowsDone\":%" PRIu64 ",\"rows\":%" PRIu64 "}",
                         building->build, building->rows_done, building->rows);
    list->any = true;
}

/* Indexes that are being made, while there are any. */
static enum sg_status append_indexes(struct snapshot *snapshot, const char *stream, struct buffer *body,
                                     struct sg_error *err)
{
    struct buildings list = {.body = body};
    enum sg_status status = store_read_building(snapshot_reader(snapshot), stream, append_building, &list, err);
    if (list.any)
        buffer_append_text(body, "]");
    return status;
}

/* Where the stream is, as the snapshot and the proofs show it. */
static void append_position(struct buffer *body, const struct snapshot_stream *s, int64_t now_ns)
{
    buffer_append_format(body, ",\"status\":\"%s\",\"position\":%" PRIu64, stream_status_name(s->view.status),
                         s->row->position);
    if (s->row->epoch.text[0] != '\0')
        buffer_append_format(body, ",\"epoch\":\"%s\"", s->row->epoch.text);
    if (s->row->build > 0)
        buffer_append_format(body, ",\"build\":%" PRId64, s->row->build);
    if (s->view.head_known)
        buffer_append_format(body, ",\"head\":%" PRIu64 ",\"lag\":%" PRIu64, s->view.head, s->view.lag);
    if (s->view.staleness_known) {
        buffer_append_text(body, ",\"staleness\":");
        decimal_json_seconds(body, now_ns - s->view.proof_ns);
    }
}

static enum sg_status append_stream(struct call *call, size_t stream, const struct entity_sums *sums, int64_t now_ns,
                                    struct buffer *body, struct sg_error *err)
{
    struct snapshot *snapshot = call->snapshot;
    struct freshness *freshness = call->api->freshness;
    const char *name = sums->settings->streams[stream].name;
    struct freshness_facts facts;
    uint64_t rejected = 0;
    uint64_t conflicts = 0;
    enum sg_status status = store_read_rejected_count(snapshot_reader(snapshot), name, &rejected, &conflicts, err);
    if (status == SG_NOT_FOUND) /* a stream that has no row yet */
        rejected = conflicts = 0;
    else if (status != SG_OK)
        return status;
    const struct snapshot_stream *s = snapshot_stream(snapshot, stream);
    freshness_facts(freshness, stream, &facts);
    buffer_append_text(body, stream > 0 ? ",\n{\"name\":" : "\n{\"name\":");
    buffer_append_json_string(body, slice_of(name));
    append_position(body, s, now_ns);
    append_rebuild(body, s->row);
    status = append_indexes(snapshot, name, body, err);
    append_probe(body, s);
    append_gaps(body, s->row);
    buffer_append_format(body, ",\"rejected\":%" PRIu64 ",\"conflicts\":%" PRIu64 ",\"entities\":%" PRIu64, rejected,
                         conflicts, sums->entities[stream]);
    if (facts.error[0] != '\0') {
        buffer_append_text(body, ",\"lastError\":");
        buffer_append_json_string(body, slice_of(facts.error));
    }
    append_ready(body, freshness, stream);
    buffer_append_text(body, "}");
    return status;
}

static bool all_ready(const struct call *call)
{
    return !atomic_load(&call->api->draining) &&
           freshness_all_ready(call->api->freshness, snapshot_tunables(call->snapshot)->ready_without_broker);
}

static enum sg_status append_all(struct call *call, int64_t now_ns, struct buffer *body, struct sg_error *err)
{
    struct snapshot *snapshot = call->snapshot;
    struct entity_sums sums = {.settings = call->api->settings};
    enum sg_status status = store_read_entity_counts(snapshot_reader(snapshot), visit_collection, &sums, err);
    if (status != SG_OK)
        return status;
    buffer_append_format(body, "{\"version\":\"" STATEGATE_VERSION "\",\"status\":\"%s\",\"ready\":%s,\"streams\":[",
                         stream_status_name(snapshot_facts(snapshot, OWNER_ALL)->status),
                         all_ready(call) ? "true" : "false");
    for (size_t i = 0; status == SG_OK && i < sums.settings->streams_count; i++)
        status = append_stream(call, i, &sums, now_ns, body, err);
    buffer_append_text(body, "]}\n");
    return status;
}

enum sg_status status_find(struct call *call, struct basis *out, struct sg_error *err)
{
    (void)out;
    return snapshot_begin(call->snapshot, err);
}

enum sg_status status_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    struct buffer body;
    int64_t now_ns = time_boot_ns();
    (void)basis;
    buffer_init(&body, STATUS_BYTES_MAX);
    enum sg_status status = append_all(call, now_ns, &body, err);
    if (status != SG_OK) {
        buffer_free(&body);
        return status;
    }
    response_body_take(out, &body);
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    headers_facts(out, snapshot_facts(call->snapshot, OWNER_ALL), now_ns);
    return call_encode(call, out);
}
