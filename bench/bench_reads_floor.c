/* The bare answer that reads are measured against: a constant body with the headers of a read, through the same loop.
 *
 *   bench_reads_floor ADDRESS
 *
 * Prints the address that it listens on; SIGTERM or SIGINT ends it. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/http/http.h"

static char floor_body[300];

static enum sg_status floor_open(void *context, const struct loop_slot *slot, void **worker, struct sg_error *err)
{
    (void)slot;
    (void)err;
    *worker = context;
    return SG_OK;
}

static void floor_close(void *context, void *worker)
{
    (void)context;
    (void)worker;
}

static void floor_expect(void *worker, const struct http_head *head)
{
    (void)worker;
    (void)head;
}

static bool floor_admit(void *worker, const struct http_head *head, struct response *out)
{
    (void)worker;
    (void)head;
    (void)out;
    return true;
}

static enum http_outcome floor_handle(void *worker, const struct http_head *head, void *call, struct response *out)
{
    (void)worker;
    (void)head;
    (void)call;
    response_header(out, "State-Position", "STATE:1000000;epoch=k3fq1z");
    response_header(out, "State-Staleness", "0.412");
    response_header(out, "Age", "1");
    response_header(out, "State-Lag", "0");
    response_header(out, "State-Status", "live");
    response_header(out, "State-Version", "1");
    response_header(out, "ETag", "\"k3fq1z.r7f3a92c4.10482\"");
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    response_header(out, "Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT");
    response_body_static(out, floor_body, sizeof floor_body);
    return HTTP_ANSWER;
}

static void floor_answered(void *worker, void *call, const struct response *answer)
{
    (void)worker;
    (void)call;
    (void)answer;
}

/* Nothing ever waits here. */
static bool floor_park(void *worker, void *call)
{
    (void)worker;
    (void)call;
    return false;
}

static void floor_forget(void *worker, void *call)
{
    (void)worker;
    (void)call;
}

static void floor_iteration_end(void *worker, http_resume *resume)
{
    (void)worker;
    (void)resume;
}

static void floor_wake(void *worker, bool woken, bool all, http_resume *resume)
{
    (void)worker;
    (void)woken;
    (void)all;
    (void)resume;
}

static int64_t floor_deadline_ns(void *worker)
{
    (void)worker;
    return INT64_MAX;
}

static enum sg_status serve(const char *address, const sigset_t *ends, struct sg_error *err)
{
    struct http *http = NULL;
    static const struct tunables tunables = {
        .http_head_timeout_ms = 30000, .http_answer_timeout_ms = 60000, .http_answers_bytes_max = 256 << 20};
    struct tunables_now tunables_now;
    tunables_publish(&tunables_now, &tunables);
    struct http_options options = {
        .tunables = &tunables_now,
        .listen = address,
        .listen_ops = "",
        .loops = 1,
        .connections_max = 4096,
        .position_bytes_max = 64,
        .handler = {.context = floor_body,
                    .worker_open = floor_open,
                    .worker_close = floor_close,
                    .expect = floor_expect,
                    .admit = floor_admit,
                    .handle = floor_handle,
                    .answered = floor_answered,
                    .park = floor_park,
                    .forget = floor_forget,
                    .iteration_end = floor_iteration_end,
                    .wake = floor_wake,
                    .deadline_ns = floor_deadline_ns},
    };
    memset(floor_body, 'x', sizeof floor_body);
    enum sg_status status = http_start(&options, &http, err);
    if (status == SG_OK)
        status = http_run(http, err);
    if (status == SG_OK) {
        int received = 0;
        (void)printf("%s\n", http_address(http));
        (void)fflush(stdout);
        (void)sigwait(ends, &received);
    }
    http_stop(http, 0);
    http_destroy(http);
    return status;
}

int main(int argc, char **argv)
{
    struct sg_error err = {0};
    sigset_t ends;
    if (argc != 2) {
        (void)fprintf(stderr, "use: bench_reads_floor ADDRESS\n");
        return 2;
    }
    /* The loop's thread inherits this, so that the signal comes here. */
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (serve(argv[1], &ends, &err) == SG_OK)
        return 0;
    (void)fprintf(stderr, "bench_reads_floor: %s\n", err.message);
    return 1;
}
