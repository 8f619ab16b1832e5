/* /livez and /readyz. */
#include <inttypes.h>

#include "core/base/decimal.h"
#include "api/routes/router.h"
#include "api/http/problem.h"
#include "api/worker.h"
#include "core/base/time.h"

#define READYZ_BYTES_MAX (256u << 10) /* two lines a stream */

void probes_livez(struct call *call, struct response *out)
{
    (void)call;
    response_body_static(out, "ok\n", 3);
    response_header(out, "Content-Type", "text/plain; charset=utf-8");
    response_header(out, "Cache-Control", "no-store");
}

/* One line: the position has reached the head that was there at the start. */
static bool check_position(const struct api *api, size_t stream, struct buffer *body)
{
    struct freshness_ready ready;
    const char *name = api->context.settings->streams[stream].name;
    freshness_ready(api->context.freshness, stream, &ready);
    if (!ready.target_known && api->context.settings->ready_without_broker && ready.position > 0) {
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
    char staleness[DIGITS_SECONDS_BYTES] = "";
    char most[DIGITS_SECONDS_BYTES] = "";
    const struct freshness_view *view = &snapshot_stream(call->worker->snapshot, stream)->view;
    const char *name = call->worker->api->context.settings->streams[stream].name;
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

static bool check_all(struct call *call, bool staleness_asked, int64_t staleness_max_ns, struct buffer *body)
{
    struct api *api = call->worker->api;
    struct sg_error err;
    bool good = !atomic_load(&api->draining);
    if (!good)
        buffer_append_text(body, "no the process is stopping\n");
    for (size_t i = 0; i < api->context.settings->streams_count; i++)
        good = check_position(api, i, body) && good;
    if (!staleness_asked)
        return good;
    if (snapshot_begin(call->worker->snapshot, &err) != SG_OK) {
        buffer_append_format(body, "no database cannot be read (%s)\n", sg_status_name(err.status));
        return false;
    }
    for (size_t i = 0; i < api->context.settings->streams_count; i++)
        good = check_staleness(call, i, staleness_max_ns, body) && good;
    return good;
}

void probes_readyz(struct call *call, struct response *out)
{
    struct slice text;
    struct sg_error err;
    struct buffer body;
    int64_t staleness_max_ns = 0;
    bool staleness_asked = target_param(&call->request->target, "max_staleness", &text);
    if (staleness_asked && param_seconds(text, "max_staleness", &staleness_max_ns, &err) != SG_OK) {
        problem_bad_request(out, &err);
        return;
    }
    buffer_init(&body, READYZ_BYTES_MAX);
    bool good = check_all(call, staleness_asked, staleness_max_ns, &body);
    response_body_take(out, &body);
    out->status = good ? 200 : 503;
    response_header(out, "Content-Type", "text/plain; charset=utf-8");
    response_header(out, "Cache-Control", "no-store");
    if (!good)
        response_header(out, "Retry-After", "1");
}
