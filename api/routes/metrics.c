/* /metrics: Prometheus text. A series that is unknown is absent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/routes/router.h"
#include "api/http/http.h"
#include "api/routes/metrics.h"
#include "api/routes/process_stats.h"
#include "api/routes/prometheus.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/version.h"

#define METRICS_BYTES_MAX (64u << 20)

struct scrape {
    struct call *call;
    struct buffer body;
    bool readable;  /* the store can be read */
    int64_t now_ns; /* boot clock */
    int64_t wall_ns;
};

static void family(struct scrape *s, const char *name, const char *type, const char *help)
{
    prometheus_family(&s->body, name, type, help);
}

static void stream_label(const struct scrape *s, size_t stream, char out[PROMETHEUS_LABEL_BYTES])
{
    prometheus_label(out, "stream", s->call->api->settings->streams[stream].name);
}

static size_t streams_count(const struct scrape *s)
{
    return s->call->api->settings->streams_count;
}

static struct stream_metrics *stream_metrics(const struct scrape *s, size_t stream)
{
    return metrics_stream(s->call->api->metrics, stream);
}

static uint64_t load(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void render_events(struct scrape *s)
{
    char stream[PROMETHEUS_LABEL_BYTES];
    family(s, "stategate_events_total", "counter", "Events taken from the stream, by what applying them came to.");
    for (size_t i = 0; i < streams_count(s); i++) {
        stream_label(s, i, stream);
        for (unsigned k = 0; k < EVENT_RESULTS_COUNT; k++)
            buffer_append_format(&s->body, "stategate_events_total{%s,result=\"%s\"} %" PRIu64 "\n", stream,
                                 event_result_name((enum event_result)k), load(&stream_metrics(s, i)->events[k]));
    }
    family(s, "stategate_rejected_total", "counter", "Events that could not be applied, by reason.");
    for (size_t i = 0; i < streams_count(s); i++) {
        stream_label(s, i, stream);
        for (unsigned k = REASON_NONE + 1; k < REASON_CONFLICT; k++) /* a conflict is a result of its own */
            buffer_append_format(&s->body, "stategate_rejected_total{%s,reason=\"%s\"} %" PRIu64 "\n", stream,
                                 event_reason_name((enum event_reason)k), load(&stream_metrics(s, i)->rejected[k]));
    }
    family(s, "stategate_probes_total", "counter", "Questions for the stream's head, by whether they proved anything.");
    for (size_t i = 0; i < streams_count(s); i++) {
        stream_label(s, i, stream);
        for (unsigned k = 0; k < PROBE_RESULTS_COUNT; k++)
            buffer_append_format(&s->body, "stategate_probes_total{%s,result=\"%s\"} %" PRIu64 "\n", stream,
                                 probe_result_name((enum probe_result)k), load(&stream_metrics(s, i)->probes[k]));
    }
}

/* One counter of each stream, by its place in the struct. */
static void render_stream_counter(struct scrape *s, const char *name, const char *help, size_t offset)
{
    char stream[PROMETHEUS_LABEL_BYTES];
    family(s, name, "counter", help);
    for (size_t i = 0; i < streams_count(s); i++) {
        const char *metrics = (const char *)stream_metrics(s, i);
        stream_label(s, i, stream);
        buffer_append_format(&s->body, "%s{%s} %" PRIu64 "\n", name, stream,
                             load((const atomic_uint_fast64_t *)(const void *)(metrics + offset)));
    }
}

static void render_stream_histogram(struct scrape *s, const char *name, const char *help, size_t offset)
{
    char stream[PROMETHEUS_LABEL_BYTES];
    family(s, name, "histogram", help);
    for (size_t i = 0; i < streams_count(s); i++) {
        const char *metrics = (const char *)stream_metrics(s, i);
        stream_label(s, i, stream);
        prometheus_histogram(&s->body, (const struct metrics_histogram *)(const void *)(metrics + offset), name,
                             stream);
    }
}

static void render_ingest(struct scrape *s)
{
    render_stream_counter(s, "stategate_stream_epoch_changes_total",
                          "Times that the stream was found to be another one.",
                          offsetof(struct stream_metrics, epoch_changes));
    render_stream_counter(s, "stategate_stream_gaps_total", "Times that events were found to be lost to this replica.",
                          offsetof(struct stream_metrics, gaps));
    render_stream_counter(s, "stategate_stream_resyncs_total", "Times that the consumer was made anew.",
                          offsetof(struct stream_metrics, resyncs));
    render_stream_counter(s, "stategate_clock_skew_total", "Events whose stream timestamp lay after this host's clock.",
                          offsetof(struct stream_metrics, clock_skew));
    render_stream_histogram(s, "stategate_event_visible_seconds",
                            "From the stream's timestamp of an event to its commit.",
                            offsetof(struct stream_metrics, visible_seconds));
    render_stream_histogram(s, "stategate_apply_batch_events", "Events per transaction.",
                            offsetof(struct stream_metrics, batch_events));
    render_stream_histogram(s, "stategate_apply_seconds", "Time that a transaction of events took.",
                            offsetof(struct stream_metrics, apply_seconds));
}

/* The value of a gauge of one stream; false = unknown. */
typedef bool stream_gauge(const struct scrape *s, const struct snapshot_stream *stream, char out[32]);

static bool gauge_head(const struct scrape *s, const struct snapshot_stream *stream, char out[32])
{
    (void)s;
    (void)snprintf(out, 32, "%" PRIu64, stream->view.head);
    return stream->view.head_known;
}

static bool gauge_applied(const struct scrape *s, const struct snapshot_stream *stream, char out[32])
{
    (void)s;
    (void)snprintf(out, 32, "%" PRIu64, stream->row->position);
    return stream->row->id != 0;
}

static bool gauge_lag(const struct scrape *s, const struct snapshot_stream *stream, char out[32])
{
    (void)s;
    (void)snprintf(out, 32, "%" PRIu64, stream->view.lag);
    return stream->view.head_known;
}

static bool gauge_staleness(const struct scrape *s, const struct snapshot_stream *stream, char out[32])
{
    (void)snprintf(out, 32, "%.6f", (double)(s->now_ns - stream->view.proof_ns) / (double)NS_PER_S);
    return stream->view.staleness_known;
}

static bool gauge_confirmed(const struct scrape *s, const struct snapshot_stream *stream, char out[32])
{
    int64_t confirmed_ns = s->wall_ns - (s->now_ns - stream->view.proof_ns);
    (void)snprintf(out, 32, "%.3f", (double)confirmed_ns / (double)NS_PER_S);
    return stream->view.staleness_known;
}

static void render_stream_gauge(struct scrape *s, const char *name, const char *help, stream_gauge *gauge)
{
    char stream[PROMETHEUS_LABEL_BYTES];
    char value[32];
    family(s, name, "gauge", help);
    for (size_t i = 0; s->readable && i < streams_count(s); i++) {
        if (!gauge(s, snapshot_stream(s->call->snapshot, i), value))
            continue;
        stream_label(s, i, stream);
        buffer_append_format(&s->body, "%s{%s} %s\n", name, stream, value);
    }
}

static void render_freshness(struct scrape *s)
{
    char stream[PROMETHEUS_LABEL_BYTES];
    render_stream_gauge(s, "stategate_stream_head_sequence", "The newest proved last sequence of the stream.",
                        gauge_head);
    render_stream_gauge(s, "stategate_stream_applied_sequence", "The sequence up to which everything is applied.",
                        gauge_applied);
    render_stream_gauge(s, "stategate_stream_lag", "Sequences behind the newest proved head.", gauge_lag);
    render_stream_gauge(s, "stategate_stream_staleness_seconds", "Age of the newest proof that everything was applied.",
                        gauge_staleness);
    render_stream_gauge(s, "stategate_stream_confirmed_timestamp_seconds",
                        "When everything that was published is proved to be applied.", gauge_confirmed);
    family(s, "stategate_stream_queue_bytes", "gauge", "Messages that have arrived and are not applied yet.");
    for (size_t i = 0; i < streams_count(s); i++) {
        stream_label(s, i, stream);
        buffer_append_format(&s->body, "stategate_stream_queue_bytes{%s} %" PRIu64 "\n", stream,
                             load(&metrics_stream(s->call->api->metrics, i)->queue_bytes));
    }
    family(s, "stategate_stream_status", "gauge", "1 for the status that the stream has.");
    for (size_t i = 0; s->readable && i < streams_count(s); i++) {
        enum stream_status now = snapshot_stream(s->call->snapshot, i)->view.status;
        stream_label(s, i, stream);
        for (unsigned k = 0; k < STREAM_STATUSES_COUNT; k++)
            buffer_append_format(&s->body, "stategate_stream_status{%s,status=\"%s\"} %d\n", stream,
                                 stream_status_name((enum stream_status)k), k == (unsigned)now);
    }
}

static void visit_entities(void *context, const char *collection, const char *stream, uint64_t entities)
{
    struct scrape *s = context;
    char name[PROMETHEUS_LABEL_BYTES];
    (void)stream;
    prometheus_label(name, "collection", collection);
    buffer_append_format(&s->body, "stategate_entities{%s} %" PRIu64 "\n", name, entities);
}

static void visit_tombstones(void *context, const char *collection, uint64_t count)
{
    struct scrape *s = context;
    char name[PROMETHEUS_LABEL_BYTES];
    prometheus_label(name, "collection", collection);
    buffer_append_format(&s->body, "stategate_tombstones_total{%s} %" PRIu64 "\n", name, count);
}

static void render_mismatches(struct scrape *s)
{
    const struct settings *settings = s->call->api->settings;
    family(s, "stategate_field_mismatches_total", "counter",
           "Applied events with a value of another type than the field's, which counts as null.");
    for (size_t i = 0; i < settings->collections_count; i++) {
        const struct collection_settings *collection = &settings->collections[i];
        char name[PROMETHEUS_LABEL_BYTES];
        prometheus_label(name, "collection", collection->name);
        for (unsigned k = 0; k < collection->fields.fields_count; k++)
            buffer_append_format(&s->body, "stategate_field_mismatches_total{%s,field=\"%s\"} %" PRIu64 "\n", name,
                                 collection->fields.fields[k].name,
                                 metrics_mismatches_of(s->call->api->metrics, slice_of(collection->name), k));
    }
}

/* SG_STOPPED alone is a failure: what cannot be read is left out. */
static enum sg_status render_store(struct scrape *s, struct sg_error *err)
{
    struct store_sizes sizes = {0};
    enum sg_status status = SG_OK;
    family(s, "stategate_entities", "gauge", "Entities, without deleted ones.");
    if (s->readable)
        status = store_read_entity_counts(snapshot_reader(s->call->snapshot), visit_entities, s, err);
    if (status == SG_STOPPED)
        return status;
    if (status != SG_OK)
        snapshot_failed(s->call->snapshot, err);
    family(s, "stategate_tombstones_total", "counter", "Entities that were deleted.");
    metrics_tombstones(s->call->api->metrics, visit_tombstones, s);
    render_mismatches(s);
    store_sizes(s->call->api->settings->database, &sizes);
    family(s, "stategate_database_bytes", "gauge", "Size of the database file.");
    if (sizes.database_bytes >= 0)
        buffer_append_format(&s->body, "stategate_database_bytes %" PRId64 "\n", sizes.database_bytes);
    family(s, "stategate_wal_bytes", "gauge", "Size of the database's write-ahead log.");
    if (sizes.wal_bytes >= 0)
        buffer_append_format(&s->body, "stategate_wal_bytes %" PRId64 "\n", sizes.wal_bytes);
    return SG_OK;
}

void metrics_append_waits(struct buffer *out, const struct wait_limits *w)
{
    static const char *const kinds[WAIT_KINDS_COUNT] = {"version", "position", "staleness"};
    static const char *const outcomes[WAIT_OUTCOMES_COUNT] = {"met", "deadline", "refused", "gone", "stopped"};
    prometheus_family(out, "stategate_waits_parked", "gauge", "Reads that wait for their demands.");
    buffer_append_format(out, "stategate_waits_parked %zu\n", wait_limits_parked(w));
    prometheus_family(out, "stategate_wait_seconds", "histogram",
                      "How long reads waited, by what for and how it ended.");
    for (size_t k = 0; k < WAIT_KINDS_COUNT; k++) {
        for (size_t o = 0; o < WAIT_OUTCOMES_COUNT; o++) {
            char labels[64];
            (void)snprintf(labels, sizeof labels, "kind=\"%s\",outcome=\"%s\"", kinds[k], outcomes[o]);
            prometheus_histogram(out, wait_limits_seconds(w, (enum wait_kind)k, (enum wait_outcome)o),
                                 "stategate_wait_seconds", labels);
        }
    }
}

void metrics_append_queries(struct buffer *out, struct jobs *jobs)
{
    static const char *const reasons[JOBS_REFUSALS_COUNT] = {"queue-full", "queue-time", "answer-time"};
    const struct jobs_metrics *metrics = jobs_metrics(jobs);
    prometheus_family(out, "stategate_query_seconds", "histogram",
                      "Time that a thread of query.threads took for an answer.");
    prometheus_histogram(out, &metrics->seconds, "stategate_query_seconds", "");
    prometheus_family(out, "stategate_query_examined_rows", "histogram", "Rows that a query looked at.");
    prometheus_histogram(out, &metrics->examined_rows, "stategate_query_examined_rows", "");
    prometheus_family(out, "stategate_query_queued", "gauge", "Queries that wait for a thread.");
    buffer_append_format(out, "stategate_query_queued %zu\n", jobs_queued(jobs));
    prometheus_family(out, "stategate_query_refused_total", "counter", "Queries without an answer, by reason.");
    for (size_t i = 0; i < JOBS_REFUSALS_COUNT; i++)
        buffer_append_format(out, "stategate_query_refused_total{reason=\"%s\"} %" PRIu64 "\n", reasons[i],
                             load(&metrics->refused[i]));
}

static void render_requests_of(struct scrape *s, const char *path, unsigned route)
{
    const struct api_shared *api = s->call->api;
    for (unsigned method = 0; method < HTTP_METHODS_COUNT; method++) {
        for (unsigned code = 0; code < ROUTE_CODES_MAX && route_codes[code] != 0; code++) {
            uint64_t count = 0;
            for (unsigned i = 0; i < api->counters_count; i++)
                count += load(&api->counters[i]->requests[route][method][code]);
            if (count > 0)
                buffer_append_format(
                    &s->body, "stategate_http_requests_total{route=\"%s\",method=\"%s\",code=\"%u\"} %" PRIu64 "\n",
                    path, router_method_name((enum http_method)method), route_codes[code], count);
        }
    }
}

/* The histograms of all loops as one. */
static void render_seconds_of(struct scrape *s, const char *path, unsigned route)
{
    const struct api_shared *api = s->call->api;
    struct metrics_histogram sum;
    char route_label[PROMETHEUS_LABEL_BYTES];
    const struct metrics_histogram *first = &api->counters[0]->seconds[route];
    metrics_histogram_init(&sum, first->bounds, first->bounds_count);
    for (unsigned i = 0; i < api->counters_count; i++)
        metrics_histogram_merge(&sum, &api->counters[i]->seconds[route]);
    prometheus_label(route_label, "route", path);
    prometheus_histogram(&s->body, &sum, "stategate_http_request_seconds", route_label);
}

/* Nothing where there is no cache: 0 hits would look like a cold one. */
static void render_cache(struct scrape *s)
{
    struct row_cache_facts facts;
    if (s->call->api->settings->cache_bytes == 0)
        return;
    commit_clock_cache_facts(s->call->api->clock, &facts);
    family(s, "stategate_cache_bytes", "gauge",
           "Memory that the cache has taken: for rows, and where others lie.");
    buffer_append_format(&s->body, "stategate_cache_bytes %" PRIu64 "\n", facts.bytes);
    family(s, "stategate_cache_rows", "gauge", "Rows in the cache.");
    buffer_append_format(&s->body, "stategate_cache_rows %" PRIu64 "\n", facts.rows);
    family(s, "stategate_cache_hits_total", "counter", "Reads by id that found their row in the cache.");
    buffer_append_format(&s->body, "stategate_cache_hits_total %" PRIu64 "\n", facts.hits);
    family(s, "stategate_cache_misses_total", "counter", "Reads by id that did not, and went to the database.");
    buffer_append_format(&s->body, "stategate_cache_misses_total %" PRIu64 "\n", facts.misses);
}

static const char *route_path(unsigned route)
{
    const struct route *r = router_route((enum route_id)route);
    return r != NULL ? r->path : "none";
}

/* Of all loops. */
static void render_longest(struct scrape *s)
{
    const struct api_shared *api = s->call->api;
    uint64_t longest_ns = 0;
    for (unsigned i = 0; i < api->counters_count; i++) {
        uint64_t of_loop_ns = load(&api->counters[i]->longest_ns);
        longest_ns = of_loop_ns > longest_ns ? of_loop_ns : longest_ns;
    }
    family(s, "stategate_http_loop_seconds_max", "gauge",
           "The most processor time that one request took of a loop's thread at one go.");
    buffer_append_format(&s->body, "stategate_http_loop_seconds_max %.6f\n", (double)longest_ns / (double)NS_PER_S);
}

static void render_http(struct scrape *s)
{
    family(s, "stategate_http_requests_total", "counter", "Requests answered, by route, method and status code.");
    for (unsigned route = 0; route <= ROUTES_COUNT; route++)
        render_requests_of(s, route_path(route), route);
    family(s, "stategate_http_request_seconds", "histogram", "Time to make an answer.");
    for (unsigned route = 0; route <= ROUTES_COUNT; route++)
        render_seconds_of(s, route_path(route), route);
    render_longest(s);
    const struct http *http = s->call->api->http;
    family(s, "stategate_http_connections", "gauge", "Open connections, by the address that they came to.");
    buffer_append_format(&s->body, "stategate_http_connections{listener=\"main\"} %zu\n",
                         http_connections_of(http, false));
    if (http_ops_address(http)[0] != '\0')
        buffer_append_format(&s->body, "stategate_http_connections{listener=\"ops\"} %zu\n",
                             http_connections_of(http, true));
    family(s, "stategate_http_answer_bytes", "gauge", "Bytes of answers that their clients have not taken yet.");
    buffer_append_format(&s->body, "stategate_http_answer_bytes %zu\n", http_answer_bytes(http));
    family(s, "stategate_http_body_bytes", "gauge", "Memory of the bodies of requests that are not answered yet.");
    buffer_append_format(&s->body, "stategate_http_body_bytes %zu\n", http_body_bytes(http));
}

static void render_troubles(struct scrape *s)
{
    family(s, "stategate_checkpoint_failures_total", "counter",
           "Times that the database's write-ahead log could not be written back.");
    buffer_append_format(&s->body, "stategate_checkpoint_failures_total %" PRIu64 "\n",
                         metrics_checkpoint_failures(s->call->api->metrics));
    family(s, "stategate_log_dropped_total", "counter", "Log lines dropped, because standard error took no more.");
    buffer_append_format(&s->body, "stategate_log_dropped_total %" PRIu64 "\n", log_dropped());
}

/* Descriptors are counted one by one. */
#define METRICS_LOOP_CONNECTIONS_MAX 1000
static bool many_descriptors(const struct call *call)
{
    return call->job == NULL && call->api->jobs != NULL &&
           http_connections(call->api->http) > METRICS_LOOP_CONNECTIONS_MAX;
}

/* What can be said without the store is said without it, so a failure is no answer. */
enum sg_status metrics_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    struct scrape scrape = {.call = call};
    (void)basis;
    if (many_descriptors(call))
        return SG_STOPPED;
    buffer_init(&scrape.body, METRICS_BYTES_MAX);
    scrape.readable = snapshot_begin(call->snapshot, err) == SG_OK;
    scrape.now_ns = time_boot_ns();
    scrape.wall_ns = time_wall_ns();
    family(&scrape, "stategate_build_info", "gauge", "1, with the version of the program.");
    buffer_append_text(&scrape.body, "stategate_build_info{version=\"" STATEGATE_VERSION "\"} 1\n");
    render_events(&scrape);
    render_ingest(&scrape);
    render_freshness(&scrape);
    if (render_store(&scrape, err) == SG_STOPPED) {
        buffer_free(&scrape.body);
        return SG_STOPPED;
    }
    metrics_append_waits(&scrape.body, call->api->wait_limits);
    if (call->api->jobs != NULL)
        metrics_append_queries(&scrape.body, call->api->jobs);
    render_cache(&scrape);
    render_http(&scrape);
    render_troubles(&scrape);
    process_stats_append(&scrape.body);
    response_body_take(out, &scrape.body);
    response_header(out, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    response_header(out, "Cache-Control", "no-store");
    return call_encode(call, out);
}
