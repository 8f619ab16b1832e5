/* The rig for tests of the HTTP loops. */
#include "http_fixture.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/http/problem.h"
#include "core/base/time.h"

#define READ_BYTES_MAX (4u << 20)

struct rig_call {
    struct http_rig *rig;
    const struct http_head *head;
    bool done;
    bool late;
    bool in_hand;
};

static struct sg_error err;

/* ---- the stream ---- */

static enum produced stream_next(void *self, struct chunk *out)
{
    struct rig_stream *s = self;
    size_t made = atomic_load(&s->made);
    atomic_fetch_add(&s->asked, 1);
    if (made == s->failed_at)
        return PRODUCED_FAILED;
    if (made == s->chunks)
        return PRODUCED_END;
    if (made == s->later_at && !s->more) {
        atomic_store(&s->waits, true);
        return PRODUCED_LATER;
    }
    out->bytes = s->chunk_bytes > 0 ? s->chunk_bytes : out->room;
    memset(out->data, 'a' + (int)(made % 26), out->bytes);
    atomic_store(&s->room, out->room);
    atomic_store(&s->made, made + 1);
    return PRODUCED_CHUNK;
}

static void stream_stop(void *self)
{
    struct rig_stream *s = self;
    atomic_fetch_add(&s->stopped, 1);
}

static const struct producer stream_producer = {stream_next, stream_stop};

static void stream_more(struct http_post *post)
{
    struct rig_stream *s = (struct rig_stream *)(void *)((char *)post - offsetof(struct rig_stream, post));
    s->more = true;
    atomic_store(&s->waits, false);
    http_connection_resume(s->connection);
}

void rig_more(struct http_rig *rig)
{
    rig->stream.post.run = stream_more;
    http_loop_post(rig->loop, &rig->stream.post);
}

/* ---- the handler ---- */

static enum sg_status rig_open(void *context, const struct loop_slot *slot, void **worker, struct sg_error *error)
{
    struct http_rig *rig = context;
    (void)error;
    if (!slot->ops)
        rig->loop = slot->posts;
    *worker = rig;
    return SG_OK;
}

static void rig_close(void *context, void *worker)
{
    (void)context;
    (void)worker;
}

static void rig_expect(void *worker, const struct http_head *head)
{
    (void)worker;
    (void)head;
}

static bool rig_admit(void *worker, const struct http_head *head, struct response *out)
{
    (void)worker;
    if (head->body_fault == BODY_FINE)
        return true;
    problem_answer(out, PROBLEM_BODY, "fault %d", (int)head->body_fault);
    return false;
}

static bool target_is(const struct http_head *head, const char *target)
{
    return strcmp(head->target_text, target) == 0;
}

static enum http_outcome rig_handle(void *worker, const struct http_head *head, void *context, struct response *out)
{
    struct http_rig *rig = worker;
    struct rig_call *call = context;
    atomic_fetch_add(&rig->handled, 1);
    if (target_is(head, "/produced")) {
        rig->stream.connection = head->connection;
        response_header(out, "Content-Type", "text/plain");
        response_body_produce(out, &stream_producer, &rig->stream);
        return HTTP_ANSWER;
    }
    if (target_is(head, "/echo")) {
        response_body_copy(out, head->body.data, head->body.bytes);
        return HTTP_ANSWER;
    }
    if (target_is(head, "/large")) {
        char *large = calloc(1, rig->large_bytes);
        assert(large != NULL);
        response_header(out, "ETag", "\"large\"");
        response_body_borrow(out, large, rig->large_bytes, free, large);
        return HTTP_ANSWER;
    }
    if (target_is(head, "/hold")) {
        atomic_store(&rig->holds, true);
        while (!atomic_load(&rig->released))
            (void)usleep(1000);
    }
    if (target_is(head, "/park") && !call->done) {
        call->rig = rig;
        call->head = head;
        return HTTP_PARK;
    }
    if (target_is(head, "/work") && !call->done) {
        call->rig = rig;
        call->head = head;
        call->in_hand = true;
        rig->call = call;
        atomic_fetch_add(&rig->working, 1);
        return HTTP_WORK;
    }
    if (call->late)
        response_body_static(out, "late", 4);
    else
        response_body_static(out, "hello", 5);
    return HTTP_ANSWER;
}

static bool rig_park(void *worker, void *context)
{
    struct http_rig *rig = worker;
    rig->call = context;
    atomic_fetch_add(&rig->parked, 1);
    return true;
}

static void end_parked(struct http_rig *rig, struct rig_call *call)
{
    rig->call = NULL;
    call->done = true;
    atomic_fetch_sub(&rig->parked, 1);
}

static void rig_answered(void *worker, void *context, const struct response *answer)
{
    struct http_rig *rig = worker;
    (void)context;
    atomic_store(&rig->status, answer->status);
}

static void rig_forget(void *worker, void *context)
{
    struct http_rig *rig = worker;
    struct rig_call *call = context;
    assert(!call->in_hand); /* else a thread would go on with what is gone */
    if (rig->call == call)
        end_parked(rig, call);
    else
        atomic_fetch_add(&rig->forgotten, 1);
}

static void end_work(struct http_rig *rig)
{
    rig->call->in_hand = false;
    rig->call->done = true;
    rig->call = NULL;
    atomic_fetch_sub(&rig->working, 1);
}

static bool rig_withdraw(void *worker, void *context, bool gone)
{
    struct http_rig *rig = worker;
    struct rig_call *call = context;
    assert(call->in_hand);
    atomic_fetch_add(gone ? &rig->abandoned : &rig->withdrawn, 1);
    if (atomic_load(&rig->begun))
        return false;
    call->late = !gone;
    end_work(rig);
    return true;
}

static void work_done(struct http_post *post)
{
    struct http_rig *rig = (struct http_rig *)(void *)((char *)post - offsetof(struct http_rig, post));
    struct http_connection *connection = rig->call->head->connection;
    end_work(rig);
    http_connection_resume(connection);
}

void rig_done(struct http_rig *rig)
{
    rig->post.run = work_done;
    http_loop_post(rig->loop, &rig->post);
}

static void rig_iteration_end(void *worker, http_resume *resume)
{
    (void)worker;
    (void)resume;
}

static void rig_wake(void *worker, bool woken, bool all, http_resume *resume)
{
    struct http_rig *rig = worker;
    (void)woken;
    if (!all || rig->call == NULL || rig->call->in_hand)
        return;
    struct http_connection *connection = rig->call->head->connection;
    end_parked(rig, rig->call);
    resume(connection);
}

static int64_t rig_deadline_ns(void *worker)
{
    (void)worker;
    return INT64_MAX;
}

void http_rig_init(struct http_rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->stream.later_at = rig->stream.failed_at = SIZE_MAX;
    rig->tunables = (struct tunables){
        .http_head_timeout_ms = 30000, .http_answer_timeout_ms = 60000, .http_answers_bytes_max = 256 << 20,
        .query_queue_ms = 1000};
    tunables_publish(&rig->tunables_now, &rig->tunables);
    rig->options = (struct http_options){
        .tunables = &rig->tunables_now,
        .listen = "127.0.0.1:0",
        .listen_ops = "",
        .loops = 1,
        .connections_max = 64,
        .position_bytes_max = 64,
        .handler = {.context = rig,
                    .call_bytes = sizeof(struct rig_call),
                    .worker_open = rig_open,
                    .worker_close = rig_close,
                    .expect = rig_expect,
                    .admit = rig_admit,
                    .handle = rig_handle,
                    .answered = rig_answered,
                    .park = rig_park,
                    .forget = rig_forget,
                    .withdraw = rig_withdraw,
                    .iteration_end = rig_iteration_end,
                    .wake = rig_wake,
                    .deadline_ns = rig_deadline_ns},
    };
}

void http_rig_start(struct http_rig *rig)
{
    assert_int_equal(http_start(&rig->options, &rig->http, &err), SG_OK);
    assert_int_equal(http_run(rig->http, &err), SG_OK);
}

void http_rig_stop(struct http_rig *rig, int64_t drain_ms)
{
    http_stop(rig->http, drain_ms);
    http_destroy(rig->http);
    rig->http = NULL;
}

/* ---- a client ---- */

static int connect_to(const char *text, bool slow)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int small = 2048;
    assert_true(fd >= 0);
    if (slow)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    address.sin_port = htons((uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10));
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&address, sizeof address), 0);
    return fd;
}

int rig_connect(const struct http_rig *rig, bool slow)
{
    return connect_to(http_address(rig->http), slow);
}

int rig_connect_ops(const struct http_rig *rig)
{
    return connect_to(http_ops_address(rig->http), false);
}

void rig_send(int fd, const char *text)
{
    size_t bytes = strlen(text);
    assert_int_equal(send(fd, text, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

const char *rig_read(int fd, size_t bytes, size_t *count, bool *reset)
{
    static char text[READ_BYTES_MAX + 1];
    int64_t deadline_ns = time_boot_ns() + 10 * NS_PER_S;
    *count = 0;
    *reset = false;
    while (*count < bytes) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left_ms = (deadline_ns - time_boot_ns()) / NS_PER_MS;
        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0)
            fail_msg("the answer does not end: %zu bytes", *count);
        ssize_t got = recv(fd, text + *count, READ_BYTES_MAX - *count, 0);
        *reset = got < 0 && errno == ECONNRESET;
        if (got <= 0)
            break;
        *count += (size_t)got;
    }
    text[*count] = '\0';
    return text;
}

size_t rig_dechunk(const char *answer, size_t bytes, char *out, bool *complete)
{
    const char *at = strstr(answer, "\r\n\r\n");
    size_t used = 0;
    *complete = false;
    assert_non_null(at);
    at += 4;
    while (at < answer + bytes) {
        char *end = NULL;
        size_t chunk = strtoul(at, &end, 16);
        if (strncmp(end, "\r\n", 2) != 0)
            break;
        at = end + 2;
        if (chunk == 0) {
            *complete = strncmp(at, "\r\n", 2) == 0;
            break;
        }
        size_t here = (size_t)(answer + bytes - at);
        if (here < chunk + 2) {
            memcpy(out + used, at, here < chunk ? here : chunk);
            return used + (here < chunk ? here : chunk);
        }
        memcpy(out + used, at, chunk);
        used += chunk;
        at += chunk + 2;
    }
    return used;
}
