/* Requests whose answers are made in the thread of a job, and a page that is produced: the real loops, pipeline and
 * store, over sockets of the loopback.
 * ctest-threads: */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/routes/router.h"
#include "api/wait/jobs.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "http_fixture.h"
#include "router_fixture.h"

#define ALL SIZE_MAX
#define ENTITIES 25
#define STATE_BYTES 1500 /* so that not all rows of a page fit a chunk */

static struct sg_error err;

/* ---- processor time: as much passes from one look to the next as a test says ---- */

static atomic_int_fast64_t thread_ns;
static atomic_int_fast64_t thread_step_ns;

__typeof__(time_thread_ns) __wrap_time_thread_ns;
int64_t __wrap_time_thread_ns(void)
{
    int64_t step_ns = atomic_load(&thread_step_ns);
    return atomic_fetch_add(&thread_ns, step_ns) + step_ns;
}

/* ---- the rig: the reading side's own, with loops in place of its worker ---- */

static struct {
    struct rig *r;
    struct http_rig http; /* of it only `http`: its client is used */
    struct http_options options;
    struct jobs_options jobs;
    struct worker *worker;
    /* What runs is held here while `closed`; any thread. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed;
    size_t held;          /* finds that wait at the gate */
    atomic_size_t ran;    /* finds in a job's thread */
    atomic_size_t cancelled; /* of them, those that nobody waits for any more */
    atomic_size_t loops;  /* finds on the loop */
    atomic_size_t parked; /* requests that the worker has parked, ever */
} rig = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void gate(bool closed)
{
    (void)pthread_mutex_lock(&rig.mutex);
    rig.closed = closed;
    (void)pthread_cond_broadcast(&rig.changed);
    (void)pthread_mutex_unlock(&rig.mutex);
}

static size_t gate_held(void)
{
    (void)pthread_mutex_lock(&rig.mutex);
    size_t held = rig.held;
    (void)pthread_mutex_unlock(&rig.mutex);
    return held;
}

/* Which entities they were about, by the first letter. */
static char order[64];

/* The entity's route, whose find waits at the gate if it runs in a job. */
static enum sg_status gated_find(struct call *call, struct basis *out, struct sg_error *error)
{
    if (call->snapshot == rig.worker->snapshot) {
        atomic_fetch_add(&rig.loops, 1);
        return router_route(ROUTE_ENTITY)->find(call, out, error);
    }
    size_t ran = atomic_fetch_add(&rig.ran, 1);
    if (ran < sizeof order - 1)
        order[ran] = call->plan.id.data[0];
    (void)pthread_mutex_lock(&rig.mutex);
    rig.held++;
    while (rig.closed)
        (void)pthread_cond_wait(&rig.changed, &rig.mutex);
    rig.held--;
    (void)pthread_mutex_unlock(&rig.mutex);
    if (atomic_load(&((struct job *)(void *)call->job)->cancelled)) /* a worker_job begins with its job */
        atomic_fetch_add(&rig.cancelled, 1);
    return router_route(ROUTE_ENTITY)->find(call, out, error);
}

static struct route gated_route;

/* A long read: of a collection with many entities, held at the gate at its first row. */
#define MANY_ENTITIES 2000
#define ROWS_UNTIL_STOPPED (MANY_ENTITIES / 4) /* a row is some ten steps of STORE_STOP_STEPS */
static atomic_size_t rows_read;
static atomic_int long_read; /* its status */

static bool visit_row(void *context, const struct entity *entity)
{
    (void)context;
    (void)entity;
    (void)pthread_mutex_lock(&rig.mutex);
    rig.held++;
    while (rig.closed)
        (void)pthread_cond_wait(&rig.changed, &rig.mutex);
    rig.held--;
    (void)pthread_mutex_unlock(&rig.mutex);
    atomic_fetch_add(&rows_read, 1);
    return true;
}

static enum sg_status long_find(struct call *call, struct basis *out, struct sg_error *error)
{
    enum sg_status status = snapshot_begin(call->snapshot, error);
    if (status == SG_OK)
        status = store_read_page(snapshot_reader(call->snapshot), call->plan.collection, (struct slice){0}, visit_row,
                                 NULL, error);
    atomic_store(&long_read, (int)status);
    return status == SG_OK ? router_route(ROUTE_ENTITY)->find(call, out, error) : status;
}

/* What was logged of the jobs; by a wrapper (CMakeLists.txt). */
static atomic_size_t logged_failing;
static atomic_size_t logged_recovered;
static atomic_size_t logged_reads_failing;

__typeof__(log_fields) __real_log_fields, __wrap_log_fields;
void __wrap_log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t fields_count)
{
    atomic_fetch_add(&logged_failing, strcmp(event, "jobs_failing") == 0);
    atomic_fetch_add(&logged_recovered, strcmp(event, "jobs_recovered") == 0);
    atomic_fetch_add(&logged_reads_failing, strcmp(event, "reads_failing") == 0);
    __real_log_fields(level, event, fields, fields_count);
}

static enum sg_status open_worker(void *context, const struct loop_slot *slot, void **out, struct sg_error *error)
{
    struct rig *r = context;
    enum sg_status status = worker_create(&r->api, &r->counters, slot, &rig.worker, error);
    *out = rig.worker;
    return status;
}

static void close_worker(void *context, void *worker)
{
    (void)context;
    worker_destroy(worker);
}

static bool park(void *worker, void *call)
{
    atomic_fetch_add(&rig.parked, 1);
    return worker_park(worker, call);
}

/* A produced page is not the worker's. */
static void answered(void *worker, void *of_request, const struct response *response)
{
    const struct call *call = of_request;
    if (call->head != NULL)
        worker_answered(worker, of_request, response);
}

/* ---- a page that is produced ---- */

/* Asks the pipeline for two entities after another, and hands on what was not sent yet: the frame of the first page,
 * the items of all, the end of the last. */
struct produced_page {
    struct worker *worker;
    const struct http_head *head;
    char target[512];
    size_t left;       /* items that the whole page may still have */
    bool more;
    struct buffer text;
    size_t sent;
};
static atomic_size_t pages_asked;
static atomic_size_t pages_stopped;
static atomic_size_t chunk_bytes_most;

static void append_items(struct produced_page *p, const char *body, bool first)
{
    const char *begin = strstr(body, "\"items\":[");
    const char *cursor = strstr(body, "],\"next\":\"");
    const char *end = cursor != NULL ? cursor : strrchr(body, ']');
    begin += strlen("\"items\":[");
    if (first)
        buffer_append(&p->text, body, (size_t)(begin - body));
    else if (end > begin)
        buffer_append_text(&p->text, ",");
    buffer_append(&p->text, begin, (size_t)(end - begin));
    p->more = cursor != NULL && p->left > 2;
    if (!p->more) {
        buffer_append_text(&p->text, end);
        return;
    }
    p->left -= 2;
    cursor += strlen("],\"next\":\"");
    (void)snprintf(p->target, sizeof p->target, "/v1/state/customers?limit=%d&cursor=%.*s", p->left < 2 ? 1 : 2,
                   (int)strcspn(cursor, "\""), cursor);
}

static bool ask_next(struct produced_page *p, bool first)
{
    struct http_head head = *p->head;
    struct call call = {.head = &head, .api = p->worker->api};
    struct response response;
    head.target_text = p->target;
    head.target_bytes = strlen(p->target);
    response_init(&response);
    bool good = pipeline_handle(&call, p->worker->snapshot, &response) == OUTCOME_ANSWER &&
                response.status == 200;
    if (good) {
        char *body = malloc(response.body_bytes + 1);
        if (body == NULL)
            abort();
        memcpy(body, response.body, response.body_bytes);
        body[response.body_bytes] = '\0';
        append_items(p, body, first);
        free(body);
    }
    response_free(&response);
    pipeline_forget(&call);
    atomic_fetch_add(&pages_asked, 1);
    return good && !p->text.failed;
}

static enum produced page_next(void *self, struct chunk *out)
{
    struct produced_page *p = self;
    if (p->sent == p->text.bytes) {
        bool first = p->text.bytes == 0 && p->sent == 0 && p->more;
        if (!p->more)
            return PRODUCED_END;
        p->text.bytes = p->sent = 0;
        if (!ask_next(p, first))
            return PRODUCED_FAILED;
    }
    out->bytes = p->text.bytes - p->sent < out->room ? p->text.bytes - p->sent : out->room;
    memcpy(out->data, p->text.data + p->sent, out->bytes);
    p->sent += out->bytes;
    if (out->bytes > atomic_load(&chunk_bytes_most))
        atomic_store(&chunk_bytes_most, out->bytes);
    return PRODUCED_CHUNK;
}

static void page_stop(void *self)
{
    struct produced_page *p = self;
    buffer_free(&p->text);
    free(p);
    atomic_fetch_add(&pages_stopped, 1);
}

static const struct producer page_producer = {page_next, page_stop};

static enum http_outcome produce_page(struct worker *worker, const struct http_head *head, struct response *out)
{
    struct produced_page *p = calloc(1, sizeof *p);
    if (p == NULL)
        abort();
    p->worker = worker;
    p->head = head;
    p->left = (size_t)strtoul(head->target_text + strlen("/produced?limit="), NULL, 10);
    p->more = true;
    buffer_init(&p->text, 1u << 20);
    (void)snprintf(p->target, sizeof p->target, "/v1/state/customers?limit=2");
    response_header(out, "Content-Type", "application/json");
    response_body_produce(out, &page_producer, p);
    return HTTP_ANSWER;
}

/* ---- the handler ---- */

/* As the worker's, but that entities of `jobs` are answered in jobs, whoever asks first. */
static enum http_outcome handle(void *context, const struct http_head *head, void *of_request, struct response *out)
{
    struct worker *worker = context;
    struct call *call = of_request;
    if (strncmp(head->target_text, "/produced?", 10) == 0)
        return produce_page(worker, head, out);
    if (!call->planned && strncmp(head->target_text, "/v1/state/customers/", 20) == 0) {
        call->head = head;
        call->api = worker->api;
        call->arrived_ns = time_boot_ns();
        if (!router_plan(call, snapshot_tunables(worker->snapshot), out))
            return HTTP_ANSWER;
        call->planned = true;
        call->plan.place = PLAN_IN_JOB;
        call->route = &gated_route;
    }
    return worker_handle(context, head, of_request, out);
}

static int setup(void **state)
{
    int result = rig_setup(state);
    rig.r = *state;
    rig.closed = false;
    atomic_store(&thread_ns, NS_PER_S);
    atomic_store(&thread_step_ns, 0);
    atomic_store(&rig.ran, 0);
    atomic_store(&rig.cancelled, 0);
    atomic_store(&rig.loops, 0);
    atomic_store(&rig.parked, 0);
    memset(order, 0, sizeof order);
    atomic_store(&rows_read, 0);
    atomic_store(&long_read, -1);
    atomic_store(&logged_failing, 0);
    atomic_store(&logged_recovered, 0);
    atomic_store(&logged_reads_failing, 0);
    atomic_store(&pages_asked, 0);
    atomic_store(&pages_stopped, 0);
    atomic_store(&chunk_bytes_most, 0);
    gated_route = *router_route(ROUTE_ENTITY);
    gated_route.find = gated_find;
    rig.jobs = (struct jobs_options){.settings = &rig.r->settings,
                                     .tunables = &rig.r->tunables_now,
                                     .freshness = rig.r->freshness,
                                     .clock = rig.r->shared,
                                     .threads = 1};
    rig.options = (struct http_options){
        .listen = "127.0.0.1:0",
        .listen_ops = "",
        .loops = 1,
        .connections_max = 64,
        .tunables = &rig.r->tunables_now,
        .position_bytes_max = snapshot_position_bytes_max(&rig.r->settings),
        .handler = {.context = rig.r,
                    .call_bytes = sizeof(struct call),
                    .worker_open = open_worker,
                    .worker_close = close_worker,
                    .expect = worker_expect,
                    .admit = worker_admit,
                    .handle = handle,
                    .answered = answered,
                    .park = park,
                    .forget = worker_forget,
                    .withdraw = worker_withdraw,
                    .iteration_end = worker_iteration_end,
                    .wake = worker_wake,
                    .deadline_ns = worker_deadline_ns},
    };
    return result;
}

static void start(void)
{
    rig_prove(rig.r);
    assert_int_equal(jobs_create(&rig.jobs, &rig.r->api.jobs, &err), SG_OK);
    assert_int_equal(http_start(&rig.options, &rig.http.http, &err), SG_OK);
    assert_int_equal(http_run(rig.http.http, &err), SG_OK);
}

/* As api_stop does. */
static void stop(int64_t drain_ms)
{
    http_stop(rig.http.http, drain_ms);
    jobs_destroy(rig.r->api.jobs);
    rig.r->api.jobs = NULL;
    http_destroy(rig.http.http);
    rig.http.http = NULL;
}

static int teardown(void **state)
{
    gate(false);
    stop(0);
    return rig_teardown(state);
}

/* ---- a client ---- */

static int ask_with(const char *target, const char *fields)
{
    char request[512];
    int fd = rig_connect(&rig.http, false);
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", target,
                   fields);
    rig_send(fd, request);
    return fd;
}

static int ask(const char *target)
{
    return ask_with(target, "");
}

/* The whole answer, which begins with this status. */
static const char *answer(int fd, unsigned status, size_t *bytes)
{
    char line[32];
    size_t count = 0;
    bool reset = false;
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    (void)snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    if (strncmp(text, line, strlen(line)) != 0)
        fail_msg("%u is wanted: %.200s", status, text);
    if (bytes != NULL)
        *bytes = count;
    return text;
}

static void apply(const char *id, int64_t version)
{
    rig_apply_state(rig.r, id, version, "{\"name\":\"x\"}");
}

/* ---- what is too long for a loop ---- */

#define LONG_STEP_NS (10 * NS_PER_MS)

static void fill_customers(size_t count)
{
    char id[24];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(id, sizeof id, "id-%05zu", i);
        apply(id, 1);
    }
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static void a_read_that_holds_the_loop_too_long_goes_on_in_a_job(void **state)
{
    (void)state;
    fill_customers(500);
    start();
    const char *text = answer(ask("/v1/state/customers?limit=1000"), 200, NULL);
    assert_int_equal(count_of(text, "\"id\":"), 500);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 0); /* in no time */
    assert_true(atomic_load(&rig.worker->counters->longest_ns) < (uint64_t)LONG_STEP_NS);
    atomic_store(&thread_step_ns, LONG_STEP_NS);
    text = answer(ask("/v1/state/customers?limit=1000&min_position=STATE:500"), 200, NULL);
    assert_int_equal(count_of(text, "\"id\":"), 500); /* none twice */
    assert_int_equal(count_of(text, "State-Position:"), 1);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 1);
    /* A loop that spent so much says so. */
    RIG_UNTIL(atomic_load(&rig.worker->counters->longest_ns) >= (uint64_t)LONG_STEP_NS);
    /* The next one of a page is no wiser. */
    atomic_store(&thread_step_ns, 0);
    assert_false(atomic_load(&rig.r->api.long_lately[ROUTE_PAGE]));
}

static void a_route_of_the_whole_that_was_long_begins_in_a_job_until_it_is_short(void **state)
{
    char name[24];
    (void)state;
    for (size_t i = 0; i < 90; i++) {
        (void)snprintf(name, sizeof name, "collection-%zu", i);
        rig_apply(rig.r, (struct event){.kind = EVENT_STATE, .collection = slice_of(name), .id = SLICE_LITERAL("a"),
                                        .version = 1, .state = SLICE_LITERAL("{}")});
    }
    start();
    assert_int_equal(count_of(answer(ask("/v1/state"), 200, NULL), "\"name\":"), 90);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 0);
    atomic_store(&thread_step_ns, LONG_STEP_NS);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(count_of(answer(ask("/v1/state"), 200, NULL), "\"name\":"), 90);
        assert_int_equal(jobs_threads(rig.r->api.jobs), 1);
        assert_true(atomic_load(&rig.r->api.long_lately[ROUTE_COLLECTIONS])); /* the job took long as well */
    }
    assert_false(atomic_load(&rig.r->api.long_lately[ROUTE_STATUS]));
    atomic_store(&thread_step_ns, 0);
    assert_int_equal(count_of(answer(ask("/v1/state"), 200, NULL), "\"name\":"), 90);
    assert_false(atomic_load(&rig.r->api.long_lately[ROUTE_COLLECTIONS]));
}

/* Past the handler, which has those of the collection answered in jobs. */
static int ask_entity(const char *id)
{
    char target[64];
    (void)snprintf(target, sizeof target, "/v1/state/%s/%s", "%63ustomers", id);
    return ask(target);
}

static void a_page_of_large_rows_is_made_in_a_job(void **state)
{
    static char state_text[60 << 10];
    char id[24];
    (void)state;
    memset(state_text, 'x', sizeof state_text - 1);
    memcpy(state_text, "{\"x\":\"", 6);
    memcpy(state_text + sizeof state_text - 3, "\"}", 2);
    for (size_t i = 0; i < 10; i++) {
        (void)snprintf(id, sizeof id, "id-%zu", i);
        rig_apply_state(rig.r, id, 1, state_text);
    }
    start();
    /* Within 512 KiB, and beyond. */
    assert_int_equal(count_of(answer(ask("/v1/state/customers?limit=8"), 200, NULL), "\"id\":"), 8);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 0);
    assert_int_equal(count_of(answer(ask("/v1/state/customers?limit=9"), 200, NULL), "\"id\":"), 9);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 1);
}

/* Its row is read in one step of SQLite's machine. */
static void an_entity_that_is_large_is_made_in_a_job(void **state)
{
    static char text[3u << 20];
    size_t bytes = 0;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "{\"x\":\"", 6);
    memcpy(text + sizeof text - 3, "\"}", 2);
    rig_apply_state(rig.r, "usual", 1, "{}");
    rig_apply_state(rig.r, "large", 1, text);
    text[600 << 10] = '\0';
    memcpy(text + (600 << 10) - 2, "\"}", 2);
    rig_apply_state(rig.r, "beyond", 1, text);
    start();
    (void)answer(ask_entity("usual"), 200, NULL);
    (void)answer(ask_with("/v1/state/%63ustomers/beyond", "If-None-Match: *\r\n"), 304, NULL);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 0);
    (void)answer(ask_entity("beyond"), 200, &bytes); /* read, and too large to be copied there */
    assert_true(bytes > 600 << 10);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 1);
    uint64_t longest_ns = atomic_load(&rig.worker->counters->longest_ns);
    assert_true(longest_ns < (uint64_t)LONG_STEP_NS);
    atomic_store(&thread_step_ns, LONG_STEP_NS);
    (void)answer(ask_entity("large"), 200, &bytes); /* given up while it is read */
    assert_true(bytes > sizeof text);
    assert_non_null(strstr(answer(ask_entity("usual"), 200, NULL), "State-Version: 1\r\n"));
}

/* Parked again by each look that is given up, it would keep the jobs' thread from all others. */
static void a_large_entity_that_waits_is_parked_once(void **state)
{
    static char text[3u << 20];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "{\"x\":\"", 6);
    memcpy(text + sizeof text - 3, "\"}", 2);
    rig_apply_state(rig.r, "large", 1, text);
    start();
    atomic_store(&thread_step_ns, LONG_STEP_NS);
    (void)answer(ask("/v1/state/customers/large?min_version=2&wait=0.3"), 504, NULL);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 1);
    assert_int_equal(atomic_load(&rig.parked), 1);
}

/* ---- jobs ---- */

static void who_has_no_job_starts_no_thread(void **state)
{
    (void)state;
    apply("a", 1);
    start();
    (void)answer(ask("/v1/state/customers"), 200, NULL);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 0);
    (void)answer(ask("/v1/state/customers/a"), 200, NULL);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 1);
}

static void a_job_answers_as_the_loop_would(void **state)
{
    (void)state;
    apply("a", 7);
    start();
    const char *text = answer(ask("/v1/state/customers/a?min_version=7&min_position=STATE:1"), 200, NULL);
    assert_non_null(strstr(text, "State-Version: 7\r\n"));
    assert_non_null(strstr(text, "State-Position: STATE:1;epoch="));
    assert_non_null(strstr(text, "ETag: "));
    assert_non_null(strstr(text, "\r\n\r\n{\"name\":\"x\"}"));
    (void)answer(ask("/v1/state/customers/nobody"), 404, NULL);
    assert_int_equal(atomic_load(&rig.ran), 2);
    assert_int_equal(atomic_load(&rig.loops), 0);
    assert_int_equal(atomic_load(&rig.r->counters.requests[ROUTE_NONE][METHOD_GET][0]), 1); /* the 200 */
}

static void reads_go_on_while_a_job_runs(void **state)
{
    (void)state;
    apply("a", 1);
    start();
    gate(true);
    int fd = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    (void)answer(ask("/v1/state/customers"), 200, NULL);
    (void)answer(ask("/v1/state"), 200, NULL);
    gate(false);
    (void)answer(fd, 200, NULL);
}

/* Jobs one after the other must not keep the write-ahead log from being begun anew; nor wait for that for ever. */
static void a_job_waits_a_little_for_the_writer_that_wants_no_reader(void **state)
{
    (void)state;
    apply("a", 1);
    start();
    commit_clock_want_restart(rig.r->shared, true);
    int64_t asked_ns = time_boot_ns();
    (void)answer(ask("/v1/state/customers/a"), 200, NULL);
    assert_true(time_boot_ns() - asked_ns >= JOBS_RESTART_WAIT_MS * NS_PER_MS);
    commit_clock_want_restart(rig.r->shared, false);
    (void)answer(ask("/v1/state/customers/a"), 200, NULL);
}

static void jobs_run_on_as_many_threads_as_there_are(void **state)
{
    int fds[4];
    (void)state;
    apply("a", 1);
    rig.jobs.threads = 2;
    start();
    gate(true);
    for (size_t i = 0; i < 4; i++)
        fds[i] = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 2 && jobs_queued(rig.r->api.jobs) == 2);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 2);
    gate(false);
    for (size_t i = 0; i < 4; i++)
        (void)answer(fds[i], 200, NULL);
    assert_int_equal(jobs_threads(rig.r->api.jobs), 2);
}

static void the_queue_takes_as_many_as_it_may_and_not_one_more(void **state)
{
    int fds[4];
    (void)state;
    apply("a", 1);
    rig.r->tunables.query_queued_max = 3;
    rig.r->tunables.query_queue_ms = 60000;
    start();
    gate(true);
    int running = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    for (size_t i = 0; i < 3; i++) {
        fds[i] = ask("/v1/state/customers/a");
        RIG_UNTIL(jobs_queued(rig.r->api.jobs) == i + 1);
    }
    const char *text = answer(ask("/v1/state/customers/a"), 503, NULL);
    assert_non_null(strstr(text, "urn:stategate:problem:too-many-queries"));
    assert_non_null(strstr(text, "Retry-After: 1\r\n"));
    gate(false);
    (void)answer(running, 200, NULL);
    for (size_t i = 0; i < 3; i++)
        (void)answer(fds[i], 200, NULL);
}

/* ---- turns ---- */

/* As another client: from another address of the loopback. */
static int ask_as_another(const char *target)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + 1)}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char request[512];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    to.sin_port = htons((uint16_t)strtoul(strrchr(http_address(rig.http.http), ':') + 1, NULL, 10));
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to), 0);
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    rig_send(fd, request);
    return fd;
}

static uint64_t refused(enum jobs_refusal reason)
{
    return atomic_load(&jobs_metrics(rig.r->api.jobs)->refused[reason]);
}

static void a_greedy_client_takes_turns_with_others(void **state)
{
    static const char *const targets[] = {"/v1/state/customers/a", "/v1/state/customers/b", "/v1/state/customers/c",
                                          "/v1/state/customers/d"};
    int fds[7];
    (void)state;
    rig.r->tunables.query_queue_ms = 60000;
    start();
    gate(true);
    fds[0] = ask("/v1/state/customers/x");
    RIG_UNTIL(gate_held() == 1);
    for (size_t i = 0; i < 4; i++) {
        fds[i + 1] = ask(targets[i]);
        RIG_UNTIL(jobs_queued(rig.r->api.jobs) == i + 1);
    }
    fds[5] = ask_as_another("/v1/state/customers/p");
    RIG_UNTIL(jobs_queued(rig.r->api.jobs) == 5);
    fds[6] = ask_as_another("/v1/state/customers/q");
    RIG_UNTIL(jobs_queued(rig.r->api.jobs) == 6);
    gate(false);
    for (size_t i = 0; i < 7; i++)
        (void)answer(fds[i], 404, NULL);
    assert_string_equal(order, "xapbqcd");
}

static void a_greedy_client_makes_room_for_others(void **state)
{
    int fds[3];
    static const char *const targets[] = {"/v1/state/customers/a", "/v1/state/customers/b", "/v1/state/customers/c"};
    (void)state;
    rig.r->tunables.query_queued_max = 3;
    rig.r->tunables.query_queue_ms = 60000;
    start();
    gate(true);
    int running = ask("/v1/state/customers/x");
    RIG_UNTIL(gate_held() == 1);
    for (size_t i = 0; i < 3; i++) {
        fds[i] = ask(targets[i]);
        RIG_UNTIL(jobs_queued(rig.r->api.jobs) == i + 1);
    }
    int other = ask_as_another("/v1/state/customers/p");
    assert_non_null(strstr(answer(fds[2], 503, NULL), "too-many-queries"));
    assert_int_equal(jobs_queued(rig.r->api.jobs), 3);
    (void)answer(ask_as_another("/v1/state/customers/q"), 503, NULL); /* one and two: nobody has too much */
    (void)answer(ask("/v1/state/customers/y"), 503, NULL);
    gate(false);
    (void)answer(running, 404, NULL);
    (void)answer(fds[0], 404, NULL);
    (void)answer(fds[1], 404, NULL);
    (void)answer(other, 404, NULL);
    assert_string_equal(order, "xapb");
    assert_int_equal(refused(JOBS_REFUSAL_QUEUE_FULL), 3);
    assert_int_equal(refused(JOBS_REFUSAL_QUEUE_TIME) + refused(JOBS_REFUSAL_ANSWER_TIME), 0);
}

/* What a thread takes at once does not wait. */
static void a_queue_of_none_takes_what_threads_are_free_for(void **state)
{
    (void)state;
    rig.r->tunables.query_queued_max = 0;
    rig.r->tunables.query_queue_ms = 60000;
    rig.jobs.threads = 2;
    start();
    gate(true);
    int one = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    int two = ask("/v1/state/customers/b");
    RIG_UNTIL(gate_held() == 2);
    (void)answer(ask("/v1/state/customers/c"), 503, NULL);
    gate(false);
    (void)answer(one, 404, NULL);
    (void)answer(two, 404, NULL);
    (void)answer(ask("/v1/state/customers/d"), 404, NULL); /* a thread that is idle again */
}

static void what_waits_too_long_for_a_thread_is_refused(void **state)
{
    (void)state;
    apply("a", 1);
    rig.r->tunables.query_queue_ms = 50;
    start();
    gate(true);
    int running = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    const char *text = answer(ask("/v1/state/customers/a"), 503, NULL);
    assert_non_null(strstr(text, "urn:stategate:problem:too-many-queries"));
    assert_int_equal(jobs_queued(rig.r->api.jobs), 0);
    gate(false);
    (void)answer(running, 200, NULL); /* it had begun, so it is not bounded by that */
    assert_int_equal(atomic_load(&rig.ran), 1);
    assert_int_equal(refused(JOBS_REFUSAL_QUEUE_TIME), 1);
    assert_int_equal(refused(JOBS_REFUSAL_QUEUE_FULL) + refused(JOBS_REFUSAL_ANSWER_TIME), 0);
    uint64_t counted = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS_MAX; i++)
        counted += atomic_load(&jobs_metrics(rig.r->api.jobs)->seconds.counts[i]);
    assert_int_equal(counted, 1);
}

static void who_hangs_up_is_no_longer_in_the_queue(void **state)
{
    (void)state;
    apply("a", 1);
    rig.r->tunables.query_queue_ms = 60000;
    start();
    gate(true);
    int running = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    int queued = ask("/v1/state/customers/a");
    RIG_UNTIL(jobs_queued(rig.r->api.jobs) == 1);
    (void)close(queued);
    RIG_UNTIL(jobs_queued(rig.r->api.jobs) == 0);
    RIG_UNTIL(http_connections(rig.http.http) == 1);
    gate(false);
    (void)answer(running, 200, NULL);
    assert_int_equal(atomic_load(&rig.ran), 1);
}

static void who_hangs_up_during_the_job_leaves_nothing_behind(void **state)
{
    (void)state;
    apply("a", 1);
    start();
    gate(true);
    int running = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    (void)close(running);
    (void)answer(ask("/v1/state"), 200, NULL); /* by now the loop has seen it */
    RIG_UNTIL(http_connections(rig.http.http) == 1); /* that of the job, until it is done */
    gate(false);
    RIG_UNTIL(http_connections(rig.http.http) == 0);
    assert_int_equal(atomic_load(&rig.cancelled), 1);
    (void)answer(ask("/v1/state/customers/a"), 200, NULL);
    assert_int_equal(atomic_load(&rig.cancelled), 1);
}

/* The demand is checked in the transaction that answers: the job's. It is parked by the loop, woken by the commit, and
 * attempted in a job again. */
static void a_job_that_comes_out_short_waits_like_any_other_read(void **state)
{
    (void)state;
    apply("a", 1);
    start();
    int fd = ask("/v1/state/customers/a?min_version=2&wait=30");
    RIG_UNTIL(atomic_load(&rig.parked) == 1 && wait_limits_parked(rig.r->api.wait_limits) == 1);
    apply("a", 2);
    rig_publish_commit(rig.r, "a");
    const char *text = answer(fd, 200, NULL);
    assert_non_null(strstr(text, "State-Version: 2\r\n"));
    assert_true(atomic_load(&rig.ran) >= 2);
    assert_int_equal(wait_limits_parked(rig.r->api.wait_limits), 0);
}

/* They came before those that fill the queue now, and are run before them, however many there are. */
static void woken_reads_find_room_in_a_full_queue(void **state)
{
    int woken[2];
    (void)state;
    apply("a", 1);
    rig.r->tunables.query_queued_max = 1;
    rig.r->tunables.query_queue_ms = 60000;
    start();
    for (size_t i = 0; i < 2; i++) {
        woken[i] = ask("/v1/state/customers/a?min_version=2&wait=30");
        RIG_UNTIL(atomic_load(&rig.parked) == i + 1);
    }
    RIG_UNTIL(wait_limits_parked(rig.r->api.wait_limits) == 2);
    gate(true);
    int running = ask("/v1/state/customers/x");
    RIG_UNTIL(gate_held() == 1);
    int queued = ask("/v1/state/customers/y");
    RIG_UNTIL(jobs_queued(rig.r->api.jobs) == 1);
    apply("a", 2);
    rig_publish_commit(rig.r, "a");
    RIG_UNTIL(jobs_queued(rig.r->api.jobs) == 3);
    (void)answer(ask("/v1/state/customers/z"), 503, NULL); /* for others the queue is full */
    gate(false);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(answer(woken[i], 200, NULL), "State-Version: 2\r\n"));
    (void)answer(running, 404, NULL);
    (void)answer(queued, 404, NULL);
    assert_non_null(strstr(order, "xaay"));
}

/* ---- nobody waits any more ---- */

static int ask_for_a_long_read(void)
{
    char id[16];
    for (int i = 0; i < MANY_ENTITIES; i++) {
        (void)snprintf(id, sizeof id, "%d", i);
        apply(id, 1);
    }
    gated_route.find = long_find;
    start();
    gate(true);
    int fd = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1);
    return fd;
}

static void assert_it_was_stopped(void)
{
    RIG_UNTIL(atomic_load(&long_read) != -1);
    assert_int_equal(atomic_load(&long_read), SG_STOPPED);
    assert_in_range(atomic_load(&rows_read), 1, ROWS_UNTIL_STOPPED);
    assert_int_equal(atomic_load(&logged_reads_failing), 0);
    gated_route.find = gated_find;
    (void)answer(ask("/v1/state/customers/1"), 200, NULL); /* in the same thread, with the same snapshot */
}

static void a_read_whose_client_has_gone_stops(void **state)
{
    (void)state;
    (void)close(ask_for_a_long_read());
    (void)answer(ask("/v1/state"), 200, NULL); /* by now the loop has seen it */
    gate(false);
    RIG_UNTIL(http_connections(rig.http.http) == 0);
    assert_it_was_stopped();
}

static void a_read_that_takes_longer_than_an_answer_may_stops(void **state)
{
    (void)state;
    rig.r->tunables.http_answer_timeout_ms = 200;
    int fd = ask_for_a_long_read();
    int64_t asked_ns = time_boot_ns();
    RIG_UNTIL(time_boot_ns() - asked_ns > 200 * NS_PER_MS);
    gate(false);
    const char *text = answer(fd, 503, NULL);
    assert_non_null(strstr(text, "urn:stategate:problem:too-many-queries"));
    assert_non_null(strstr(text, "Retry-After: 1\r\n"));
    assert_null(strstr(text, "State-Position"));
    assert_it_was_stopped();
}

static void what_was_stopped_is_not_logged_as_a_failure(void **state)
{
    struct sg_error stopped = {.status = SG_STOPPED};
    struct sg_error failed = {.status = SG_STORAGE};
    (void)state;
    start();
    snapshot_failed(rig.r->worker->snapshot, &stopped);
    assert_int_equal(atomic_load(&logged_reads_failing), 0);
    snapshot_failed(rig.r->worker->snapshot, &failed);
    assert_int_equal(atomic_load(&logged_reads_failing), 1);
}

static void a_long_read_that_somebody_waits_for_is_not_stopped(void **state)
{
    (void)state;
    int fd = ask_for_a_long_read();
    gate(false);
    (void)answer(fd, 404, NULL);
    assert_int_equal(atomic_load(&long_read), SG_OK);
    assert_int_equal(atomic_load(&rows_read), MANY_ENTITIES);
}

/* ---- the log ---- */

static void a_database_that_jobs_cannot_open_is_logged_and_so_is_its_return(void **state)
{
    char elsewhere[128];
    (void)state;
    (void)snprintf(elsewhere, sizeof elsewhere, "%s-elsewhere", rig.r->database);
    apply("a", 1);
    start();
    assert_int_equal(rename(rig.r->database, elsewhere), 0);
    for (size_t i = 0; i < 2; i++) {
        const char *text = answer(ask("/v1/state/customers/a"), 503, NULL);
        assert_non_null(strstr(text, "urn:stategate:problem:storage"));
    }
    assert_int_equal(atomic_load(&logged_failing), 1);
    assert_int_equal(atomic_load(&logged_recovered), 0);
    assert_int_equal(rename(elsewhere, rig.r->database), 0);
    for (size_t i = 0; i < 2; i++)
        (void)answer(ask("/v1/state/customers/a"), 200, NULL);
    assert_int_equal(atomic_load(&logged_failing), 1);
    assert_int_equal(atomic_load(&logged_recovered), 1);
}

static void a_job_whose_demand_is_not_met_in_time_says_so(void **state)
{
    (void)state;
    apply("a", 1);
    start();
    const char *text = answer(ask("/v1/state/customers/a?min_version=2&wait=0.1"), 504, NULL);
    assert_non_null(strstr(text, "urn:stategate:problem:version-not-reached"));
    assert_non_null(strstr(text, "State-Version: 1\r\n"));
}

/* The address is closed when the drain begins: what is answered from then on was queued at its beginning. */
static void *open_the_gate_when_nobody_is_let_in(void *context)
{
    const struct sockaddr_in *address = context;
    bool refused = false;
    while (!refused) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        refused = connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) != 0;
        (void)close(fd);
        (void)usleep(1000);
    }
    gate(false);
    return NULL;
}

static void a_drain_answers_what_is_queued(void **state)
{
    int fds[3];
    pthread_t opener;
    struct sockaddr_in address;
    socklen_t address_bytes = sizeof address;
    (void)state;
    apply("a", 1);
    rig.r->tunables.query_queue_ms = 60000;
    start();
    gate(true);
    for (size_t i = 0; i < 3; i++)
        fds[i] = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1 && jobs_queued(rig.r->api.jobs) == 2);
    assert_int_equal(getpeername(fds[0], (struct sockaddr *)(void *)&address, &address_bytes), 0);
    assert_int_equal(pthread_create(&opener, NULL, open_the_gate_when_nobody_is_let_in, &address), 0);
    stop(10000);
    assert_int_equal(pthread_join(opener, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        (void)answer(fds[i], 200, NULL);
}

static void *open_the_gate_when_the_queue_is_empty(void *context)
{
    struct jobs *jobs = context;
    while (jobs_queued(jobs) > 0)
        (void)usleep(1000);
    gate(false);
    return NULL;
}

static void the_end_of_the_drain_drops_what_is_queued_and_waits_for_what_runs(void **state)
{
    int fds[3];
    pthread_t opener;
    (void)state;
    apply("a", 1);
    rig.r->tunables.query_queue_ms = 60000;
    start();
    gate(true);
    for (size_t i = 0; i < 3; i++)
        fds[i] = ask("/v1/state/customers/a");
    RIG_UNTIL(gate_held() == 1 && jobs_queued(rig.r->api.jobs) == 2);
    assert_int_equal(pthread_create(&opener, NULL, open_the_gate_when_the_queue_is_empty, rig.r->api.jobs), 0);
    stop(50);
    assert_int_equal(pthread_join(opener, NULL), 0);
    assert_int_equal(atomic_load(&rig.ran), 1);
    for (size_t i = 0; i < 3; i++)
        (void)close(fds[i]);
}

/* ---- a page ---- */

static void fill(void)
{
    char id[16];
    char json[STATE_BYTES + 64];
    char filler[STATE_BYTES + 1];
    memset(filler, 'f', STATE_BYTES);
    filler[STATE_BYTES] = '\0';
    for (int i = 0; i < ENTITIES; i++) {
        (void)snprintf(id, sizeof id, "id%03d", i);
        (void)snprintf(json, sizeof json, "{\"n\":%d,\"filler\":\"%s\"}", i, filler);
        rig_apply_state(rig.r, id, i + 1, json);
    }
}

static void a_produced_page_has_the_bytes_of_a_buffered_one(void **state)
{
    static const int limits[] = {1, 2, 5, 20, ENTITIES, 100};
    static char body[ENTITIES * (STATE_BYTES + 256)];
    (void)state;
    fill();
    start();
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        char target[64];
        size_t bytes = 0;
        bool complete = false;
        atomic_store(&pages_asked, 0);
        (void)snprintf(target, sizeof target, "/produced?limit=%d", limits[i]);
        const char *text = answer(ask(target), 200, &bytes);
        assert_non_null(strstr(text, "Transfer-Encoding: chunked"));
        size_t produced = rig_dechunk(text, bytes, body, &complete);
        assert_true(complete);
        if (limits[i] > 1)
            (void)snprintf(target, sizeof target, "/v1/state/customers?limit=%d", limits[i]);
        else
            (void)snprintf(target, sizeof target, "/v1/state/customers?limit=2");
        text = answer(ask(target), 200, &bytes);
        const char *buffered = strstr(text, "\r\n\r\n") + 4;
        assert_int_equal(produced, bytes - (size_t)(buffered - text));
        assert_memory_equal(body, buffered, produced);
        if (limits[i] >= ENTITIES)
            assert_true(atomic_load(&pages_asked) >= ENTITIES / 2); /* two entities at a time were in memory */
        RIG_UNTIL(atomic_load(&pages_stopped) == i + 1);
    }
    assert_true(atomic_load(&chunk_bytes_most) < 4 * STATE_BYTES);
}

static void a_produced_page_whose_client_leaves_is_stopped(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    fill();
    start();
    int fd = rig_connect(&rig.http, true);
    rig_send(fd, "GET /produced?limit=100 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    (void)rig_read(fd, 3000, &count, &reset);
    (void)close(fd);
    RIG_UNTIL(atomic_load(&pages_stopped) == 1);
    RIG_UNTIL(http_connections(rig.http.http) == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_has_no_job_starts_no_thread),
        TEST(a_job_answers_as_the_loop_would),
        TEST(reads_go_on_while_a_job_runs),
        TEST(a_job_waits_a_little_for_the_writer_that_wants_no_reader),
        TEST(jobs_run_on_as_many_threads_as_there_are),
        TEST(the_queue_takes_as_many_as_it_may_and_not_one_more),
        TEST(a_greedy_client_takes_turns_with_others),
        TEST(a_greedy_client_makes_room_for_others),
        TEST(a_queue_of_none_takes_what_threads_are_free_for),
        TEST(what_waits_too_long_for_a_thread_is_refused),
        TEST(who_hangs_up_is_no_longer_in_the_queue),
        TEST(who_hangs_up_during_the_job_leaves_nothing_behind),
        TEST(a_job_that_comes_out_short_waits_like_any_other_read),
        TEST(a_job_whose_demand_is_not_met_in_time_says_so),
        TEST(woken_reads_find_room_in_a_full_queue),
        TEST(a_read_whose_client_has_gone_stops),
        TEST(a_read_that_takes_longer_than_an_answer_may_stops),
        TEST(what_was_stopped_is_not_logged_as_a_failure),
        TEST(a_long_read_that_somebody_waits_for_is_not_stopped),
        TEST(a_database_that_jobs_cannot_open_is_logged_and_so_is_its_return),
        TEST(a_drain_answers_what_is_queued),
        TEST(the_end_of_the_drain_drops_what_is_queued_and_waits_for_what_runs),
        TEST(a_read_that_holds_the_loop_too_long_goes_on_in_a_job),
        TEST(a_route_of_the_whole_that_was_long_begins_in_a_job_until_it_is_short),
        TEST(a_page_of_large_rows_is_made_in_a_job),
        TEST(an_entity_that_is_large_is_made_in_a_job),
        TEST(a_large_entity_that_waits_is_parked_once),
        TEST(a_produced_page_has_the_bytes_of_a_buffered_one),
        TEST(a_produced_page_whose_client_leaves_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
