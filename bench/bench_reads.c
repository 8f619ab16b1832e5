/* What a read costs, and what the same answer costs without one: servers for bench/reads.
 *
 *   bench_reads fill DATABASE COUNT      a read model with COUNT entities of about 300 bytes
 *   bench_reads floor ADDRESS            one loop that gives a constant answer with the headers of a read
 *   bench_reads gateway ADDRESS DATABASE one loop that reads the model; no broker, a proof every second
 *
 * The servers print the address they listen on and stop at the end of standard input. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/http.h"
#include "core/clock.h"
#include "core/model.h"

#define STREAM "STATE"
#define BATCH 1000
#define CREATED_NS INT64_C(1700000000000000000)

static int fail(const struct sg_error *err)
{
    (void)fprintf(stderr, "bench_reads: %s\n", err->message);
    return 1;
}

/* ---- fill ---- */

struct filler {
    struct event events[BATCH];
    enum event_result results[BATCH];
    enum event_reason reasons[BATCH];
    char ids[BATCH][16];
    char states[BATCH][320];
};

static void make_event(struct filler *f, size_t slot, uint64_t number)
{
    int id = snprintf(f->ids[slot], sizeof f->ids[slot], "c-%" PRIu64, number);
    int state =
        snprintf(f->states[slot], sizeof f->states[slot],
                 "{\"number\":%" PRIu64 ",\"name\":\"%0240d\",\"tier\":\"gold\"}", number, (int)(number % 1000));
    f->events[slot] = (struct event){
        .kind = EVENT_STATE,
        .sequence = number + 1,
        .time_ns = CREATED_NS + (int64_t)number,
        .subject = SLICE_LITERAL("state.customers.x"),
        .collection = SLICE_LITERAL("customers"),
        .id = {f->ids[slot], (size_t)id},
        .version = 1,
        .state = {f->states[slot], (size_t)state},
        .occurred_at = SLICE_LITERAL("2026-01-31T12:00:00.123Z"),
        .payload = {f->states[slot], (size_t)state},
    };
}

static enum sg_status fill_batch(struct model_writer *w, int64_t stream, struct filler *f, uint64_t first, uint64_t end,
                                 struct sg_error *err)
{
    size_t count = end - first < BATCH ? (size_t)(end - first) : BATCH;
    uint64_t position = 0;
    for (size_t i = 0; i < count; i++)
        make_event(f, i, first + i);
    return model_apply(w, stream, f->events, count, f->results, f->reasons, &position, err);
}

static enum sg_status fill(const char *path, uint64_t count, struct sg_error *err)
{
    struct model_options options = {.path = path, .collections_max = 10, .rejected_max = 10};
    struct model_writer *w = NULL;
    struct model_open_report report;
    struct model_stream stream;
    struct epoch epoch;
    bool reshaped = false;
    struct filler *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    epoch_make(STREAM, CREATED_NS, NULL, &epoch);
    enum sg_status status = model_open(&options, &w, &report, err);
    if (status == SG_OK)
        status = model_stream_attach(w, STREAM, "bench", &stream, &reshaped, err);
    if (status == SG_OK && stream.epoch.text[0] == '\0')
        status = model_stream_identify(w, stream.id, CREATED_NS, &epoch, err);
    for (uint64_t first = 0; status == SG_OK && first < count; first += BATCH)
        status = fill_batch(w, stream.id, f, first, count, err);
    model_close(w);
    free(f);
    return status;
}

/* ---- floor ---- */

static char floor_body[300];

static enum sg_status floor_open(void *context, const struct http_seat *seat, void **worker, struct sg_error *err)
{
    (void)seat;
    (void)err;
    *worker = context;
    return SG_OK;
}

static void floor_close(void *context, void *worker)
{
    (void)context;
    (void)worker;
}

static bool floor_admit(void *worker, const struct request *request, struct response *out)
{
    (void)worker;
    (void)request;
    (void)out;
    return true;
}

static void floor_handle(void *worker, bool ops_only, struct request *request, struct response *out)
{
    (void)worker;
    (void)ops_only;
    (void)request;
    response_header(out, "State-Position", "STATE:100000;epoch=k3fq1z");
    response_header(out, "State-Staleness", "0.412");
    response_header(out, "Age", "1");
    response_header(out, "State-Lag", "0");
    response_header(out, "State-Status", "live");
    response_header(out, "State-Version", "1");
    response_header(out, "ETag", "\"k3fq1z.b1.1\"");
    response_header(out, "Content-Type", "application/json");
    response_header(out, "Cache-Control", "no-cache");
    response_header(out, "Last-Modified", "Sat, 31 Jan 2026 12:00:00 GMT");
    response_body_static(out, floor_body, sizeof floor_body);
}

/* Nothing ever waits here. */
static bool floor_park(void *worker, struct request *request)
{
    (void)worker;
    (void)request;
    return false;
}

static void floor_forget(void *worker, struct request *request)
{
    (void)worker;
    (void)request;
}

static void floor_turn_end(void *worker, http_resume *resume)
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

/* Until standard input ends; `tick` once a second. */
static void wait_for_end(void (*tick)(void *context), void *context)
{
    char byte;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        int ready = poll(&input, 1, 1000);
        if (ready > 0 && read(STDIN_FILENO, &byte, 1) <= 0)
            return;
        if (tick != NULL)
            tick(context);
    }
}

static void print_address(const char *address)
{
    (void)printf("%s\n", address);
    (void)fflush(stdout);
}

static enum sg_status serve_floor(const char *address, struct sg_error *err)
{
    struct http *http = NULL;
    struct http_options options = {
        .listen = address,
        .listen_ops = "",
        .loops = 1,
        .connections_max = 4096,
        .position_bytes_max = 64,
        .handler = {.context = floor_body,
                    .worker_open = floor_open,
                    .worker_close = floor_close,
                    .admit = floor_admit,
                    .handle = floor_handle,
                    .park = floor_park,
                    .forget = floor_forget,
                    .turn_end = floor_turn_end,
                    .wake = floor_wake,
                    .deadline_ns = floor_deadline_ns},
    };
    memset(floor_body, 'x', sizeof floor_body);
    enum sg_status status = http_start(&options, &http, err);
    if (status == SG_OK)
        status = http_run(http, err);
    if (status == SG_OK) {
        print_address(http_address(http));
        wait_for_end(NULL, NULL);
    }
    http_stop(http, 0);
    return status;
}

/* ---- gateway ---- */

struct proof {
    struct freshness *freshness;
    struct model_stream stream;
};

static void prove(void *context)
{
    struct proof *p = context;
    int64_t now_ns = clock_boot_ns();
    freshness_proved(p->freshness, 0, now_ns, now_ns, p->stream.position, &p->stream.epoch);
}

#define CACHE_BYTES (32 << 20) /* a loop's share of the default on two processors */

/* The settings hold strings that are not constant: `database` and `address` are the caller's. */
static struct settings settings_make(char *address, char *database, struct stream_settings *stream)
{
    static char name[] = STREAM;
    static char none[] = "";
    stream->name = name;
    return (struct settings){
        .listen = address,
        .listen_ops = none,
        .database = database,
        .streams = stream,
        .streams_count = 1,
        .http_loops = 1,
        .http_connections_max = 4096,
        .cache_bytes = CACHE_BYTES,
    };
}

static enum sg_status serve_gateway(char *address, char *database, struct sg_error *err)
{
    struct stream_settings stream_settings = {0};
    struct settings settings = settings_make(address, database, &stream_settings);
    struct model_options options = {.path = database, .collections_max = 10, .rejected_max = 10};
    struct model_open_report report;
    struct model_writer *writer = NULL;
    struct metrics *metrics = NULL;
    struct progress *progress = NULL;
    struct api *api = NULL;
    struct proof proof = {0};
    bool reshaped = false;
    enum sg_status status = model_open(&options, &writer, &report, err);
    if (status == SG_OK)
        status = model_stream_attach(writer, STREAM, "bench", &proof.stream, &reshaped, err);
    if (status == SG_OK)
        status = freshness_create(1, &proof.freshness, err);
    if (status == SG_OK)
        status = metrics_create(1, &metrics, err);
    if (status == SG_OK)
        status = progress_create(1, &progress, err);
    if (status == SG_OK) {
        struct api_context context = {&settings, proof.freshness, metrics, progress};
        freshness_applied(proof.freshness, 0, proof.stream.position, &proof.stream.epoch);
        prove(&proof);
        status = api_start(&context, &api, err);
    }
    if (status == SG_OK) {
        print_address(api_address(api));
        wait_for_end(prove, &proof);
    }
    api_stop(api);
    progress_destroy(progress);
    metrics_destroy(metrics);
    freshness_destroy(proof.freshness);
    model_close(writer);
    return status;
}

int main(int argc, char **argv)
{
    struct sg_error err = {0};
    enum sg_status status = SG_INVALID;
    if (argc == 4 && strcmp(argv[1], "fill") == 0)
        status = fill(argv[2], strtoull(argv[3], NULL, 10), &err);
    else if (argc == 3 && strcmp(argv[1], "floor") == 0)
        status = serve_floor(argv[2], &err);
    else if (argc == 4 && strcmp(argv[1], "gateway") == 0)
        status = serve_gateway(argv[2], argv[3], &err);
    else
        (void)sg_fail(&err, status, "use: fill DATABASE COUNT | floor ADDRESS | gateway ADDRESS DATABASE");
    return status == SG_OK ? 0 : fail(&err);
}
