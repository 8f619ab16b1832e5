/* /livez and /readyz. */
#include <inttypes.h>

#include "core/base/decimal.h"
#include "api/routes/router.h"
#include "core/base/time.h"

#define READYZ_BYTES_MAX (256u << 10) /* two lines a stream */

enum sg_status livez_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    (void)call;
    (void)basis;
    (void)err;
    response_body_static(out, "ok\n", 3);
    response_header(out, "Content-Type", "text/plain; charset=utf-8");
    response_header(out, "Cache-Control", "no-store");
    return SG_OK;
}

/* One line: the position has reached the head that was there at the start. */
static bool check_position(const struct call *call, size_t stream, struct buffer *body)
{
    struct freshness_ready ready;
    const char *name = call->api->settings->streams[stream].name;
    bool without_broker = snapshot_tunables(call->snapshot)->ready_without_broker;
    freshness_ready(call->api->freshness, stream, &ready);
    if (!ready.target_known && without_broker && ready.position > 0) {
        buffer_append_format(body, "ok stream %s position %" PRIu64 ", head not known (ready.without_broker)\n", name,
                             ready.position);
        return true;
    }
    if (!ready.target_known)
        buffer_append_format(body, "%s stream %s head not known yet\n", ready.ready ? "ok" : "no", name);
    else
        buffer_append_format(body, "%s stream %s position %" PRIu64 " %s head at start %" PRIu64 "\n",
                             ready.ready ? "ok" : "no", name, ready.position,
                             ready.position >= ready.target ? ">=" : "<", ready.target);
    return ready.ready;
}

/* One line: the stream is at most as stale as asked for. */
static bool check_staleness(struct call *call, size_t stream, int64_t staleness_max_ns, struct buffer *body)
{
    char staleness[DECIMAL_SECONDS_BYTES] = "";
    char most[DECIMAL_SECONDS_BYTES] = "";
    const struct freshness_view *view = &snapshot_stream(call->snapshot, stream)->view;
    const char *name = call->api->settings->streams[stream].name;
    int64_t staleness_ns = time_boot_ns() - view->proof_ns;
    bool good = view->staleness_known && staleness_ns <= staleness_max_ns;
    most[decimal_seconds_up(staleness_max_ns, most)] = '\0';
    staleness[decimal_seconds_up(staleness_ns, staleness)] = '\0';
    if (view->staleness_known)
        buffer_append_format(body, "%s stream %s staleness %s %s %s\n", good ? "ok" : "no", name, staleness,
                             good ? "<=" : ">", most);
    else
        buffer_append_format(body, "no stream %s staleness not known\n", name);
    return good;
}

static bool check_all(struct call *call, struct buffer *body)
{
    struct api_shared *api = call->api;
    struct sg_error err;
    bool good = !atomic_load(&api->unready);
    if (!good)
        buffer_append_text(body, "no the process is stopping\n");
    for (size_t i = 0; i < api->settings->streams_count; i++)
        good = check_position(call, i, body) && good;
    if (!call->plan.demands.has_max_staleness)
        return good;
    if (snapshot_begin(call->snapshot, &err) != SG_OK) {
        buffer_append_format(body, "no database cannot be read (%s)\n", sg_status_name(err.status));
        return false;
    }
    for (size_t i = 0; i < api->settings->streams_count; i++)
        good = check_staleness(call, i, call->plan.demands.max_staleness_ns, body) && good;
    return good;
}

/* Not waited for, as a read's would be: the rules say that demands are no matter of this route. */
enum sg_status readyz_plan(const struct target *target, const struct settings *settings, struct plan *plan,
                           struct sg_error *err)
{
    struct slice text;
    (void)settings;
    if (!target_param(target, "max_staleness", &text))
        return SG_OK;
    plan->demands.has_max_staleness = true;
    return param_seconds(text, "max_staleness", &plan->demands.max_staleness_ns, err);
}

enum sg_status readyz_answer(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    struct buffer body;
    (void)basis;
    (void)err;
    buffer_init(&body, READYZ_BYTES_MAX);
    bool good = check_all(call, &body);
    response_body_take(out, &body);
    out->status = good ? 200 : 503;
    response_header(out, "Content-Type", "text/plain; charset=utf-8");
    response_header(out, "Cache-Control", "no-store");
    if (!good)
        response_header(out, "Retry-After", "1");
    return SG_OK;
}
