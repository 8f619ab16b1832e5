/* The whole program but its command line.
 *
 * Created from the file outwards, so that reads are answered before the broker is there: store, projector, HTTP,
 * sources. Stopped so that nothing is cut short: not ready, HTTP drained, sources, projector (which finishes its
 * batch), store (which checkpoints; its readers are closed by then). */
#include "server/gateway.h"

#include <stdlib.h>

#include "api/api.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "store/cache/commit_clock.h"
#include "store/writer.h"
#include "core/version.h"
#include "projector/nats/connection.h"
#include "projector/projector.h"
#include "projector/source/source.h"

/* How long the end waits for sources that hang in a call to their broker: a broker that is there answers sooner. */
#define SOURCES_STOP_MS 500

struct gateway {
    const struct settings *settings;     /* borrowed */
    const struct tunables_now *tunables; /* borrowed */
    struct rows_hash rows[SETTINGS_STREAMS_MAX];
    struct commit_clock *shared;         /* owned, like all below */
    struct store_writer *store;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
    struct projector *projector;
    struct api *api;
    bool library_open;
    struct source *sources[SETTINGS_STREAMS_MAX];
};

/* Nothing is served yet, and it may take a while: the log says why. */
static void log_migrating(void *context, int from, int to, int64_t bytes)
{
    log_event(LOG_INFO, "database_migrating", LOG_STR("database", (const char *)context), LOG_INT("from", from),
              LOG_INT("to", to), LOG_INT("bytes", bytes));
}

static enum sg_status open_store(struct gateway *g, struct sg_error *err)
{
    const struct settings *settings = g->settings;
    struct store_options options = {
        .path = settings->database,
        .shared = g->shared,
        .synchronous_full = settings->synchronous_full,
        .bytes_max = settings->database_bytes_max,
        .collections_max = settings->collections_max,
        .rejected_max = tunables_take(g->tunables)->rejected_max,
        .rejected_payload = settings->rejected_payload,
        .rebuild_empty_swap = settings->rebuild_empty == EMPTY_SWAP,
        .migrating = log_migrating,
        .migrating_context = settings->database,
    };
    struct store_open_report report = {0};
    enum sg_status status = store_open(&options, &g->store, &report, err);
    if (status != SG_OK)
        return status;
    if (report.moved_aside[0] != '\0')
        log_event(LOG_ERROR, "database_corrupt", LOG_STR("database", settings->database),
                  LOG_STR("reason", report.reason), LOG_STR("moved_to", report.moved_aside),
                  LOG_STR("action", "rebuilding from the streams"));
    if (report.migrated_from != 0)
        log_event(LOG_INFO, "database_migrated", LOG_STR("database", settings->database),
                  LOG_INT("from", report.migrated_from), LOG_INT("bytes", report.migrated_bytes),
                  LOG_INT("ms", report.migrated_ms));
    if (report.full)
        log_event(LOG_WARN, "database_full", LOG_STR("database", settings->database),
                  LOG_STR("action", "what is there is served; it is written once there is room"));
    log_event(LOG_INFO, "database_open", LOG_STR("database", settings->database),
              LOG_STR("state", report.created ? "created" : "existing"));
    return SG_OK;
}

static enum sg_status start_api(struct gateway *g, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < g->settings->streams_count; i++)
        status = projector_rows_hash(g->settings, i, &g->rows[i], err);
    if (status != SG_OK)
        return status;
    struct api_context context = {.settings = g->settings,
                                  .rows = g->rows,
                                  .tunables = g->tunables,
                                  .shared = g->shared,
                                  .freshness = g->freshness,
                                  .metrics = g->metrics,
                                  .progress = g->progress};
    return api_start(&context, &g->api, err);
}

/* The sources have ended. What the projector still holds are the library's messages. */
static void gateway_free(struct gateway *g)
{
    projector_destroy(g->projector);
    if (g->library_open)
        nats_library_close();
    for (size_t i = 0; i < SETTINGS_STREAMS_MAX; i++)
        source_destroy(g->sources[i]);
    progress_destroy(g->progress);
    metrics_destroy(g->metrics);
    freshness_destroy(g->freshness);
    store_close(g->store);
    commit_clock_destroy(g->shared);
    free(g);
}

enum sg_status gateway_start(const struct settings *settings, const struct tunables_now *tunables, struct gateway **out,
                             struct sg_error *err)
{
    struct gateway *g = calloc(1, sizeof *g);
    if (g == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    g->settings = settings;
    g->tunables = tunables;
    enum sg_status status = commit_clock_create(settings->cache_bytes, &g->shared, err);
    if (status == SG_OK)
        status = open_store(g, err);
    if (status == SG_OK)
        status = freshness_create(settings->streams_count, &g->freshness, err);
    if (status == SG_OK)
        status = metrics_create(settings, &g->metrics, err);
    if (status == SG_OK)
        status = progress_create(settings->streams_count, &g->progress, err);
    if (status == SG_OK) {
        struct ingest_context context = {.settings = settings,
                                         .tunables = g->tunables,
                                         .store = g->store,
                                         .freshness = g->freshness,
                                         .metrics = g->metrics,
                                         .progress = g->progress};
        status = projector_start(&context, nats_release_message, &g->projector, err);
    }
    if (status == SG_OK)
        status = start_api(g, err);
    if (status != SG_OK) {
        projector_stop(g->projector);
        gateway_free(g);
        return status;
    }
    *out = g;
    return SG_OK;
}

enum sg_status gateway_follow(struct gateway *g, struct sg_error *err)
{
    struct source_context context = {.settings = g->settings,
                                     .tunables = g->tunables,
                                     .ingest = projector_ingest(g->projector),
                                     .freshness = g->freshness,
                                     .metrics = g->metrics,
                                     .progress = g->progress};
    log_event(LOG_INFO, "listening", LOG_STR("address", api_address(g->api)),
              LOG_STR("ops_address", api_ops_address(g->api)), LOG_STR("version", STATEGATE_VERSION));
    enum sg_status status = nats_library_open(err);
    g->library_open = status == SG_OK;
    for (size_t i = 0; i < g->settings->streams_count && status == SG_OK; i++)
        status = source_start(&context, i, &g->sources[i], err);
    return status;
}

void gateway_set_unready(struct gateway *g)
{
    api_set_unready(g->api);
}

/* Side by side: each may be waiting for its broker, which may be gone. False: one still is. */
static bool stop_sources(struct gateway *g)
{
    int64_t until_ns = time_boot_ns() + SOURCES_STOP_MS * NS_PER_MS;
    bool ended = true;
    for (size_t i = 0; i < SETTINGS_STREAMS_MAX; i++)
        source_begin_stop(g->sources[i]);
    for (size_t i = 0; i < SETTINGS_STREAMS_MAX; i++)
        ended = source_stop(g->sources[i], until_ns) && ended;
    return ended;
}

static void log_faults(const struct gateway *g)
{
    const char *lost = store_lost(g->store);
    if (store_damage(g->store) != NULL)
        log_event(LOG_ERROR, "database_damaged", LOG_STR("database", g->settings->database),
                  LOG_STR("found", store_damage(g->store)), LOG_STR("action", "the next start looks at all of it"));
    if (lost != NULL)
        log_event(LOG_ERROR, "database_lost", LOG_STR("database", g->settings->database), LOG_STR("file", lost),
                  LOG_STR("action", "it was removed or replaced while it was open; "
                                    "the next start takes what is there"));
}

bool gateway_stop(struct gateway *g, int64_t drain_ms, bool *failed)
{
    *failed = false;
    if (g == NULL)
        return true;
    api_stop(g->api, drain_ms);
    bool ended = stop_sources(g);
    projector_stop(g->projector);
    *failed = gateway_failed(g);
    log_faults(g);
    if (ended)
        gateway_free(g);
    else
        store_close(g->store);
    return ended;
}

bool gateway_failed(const struct gateway *g)
{
    return projector_failed(g->projector) || store_damage(g->store) != NULL || store_lost(g->store) != NULL;
}
