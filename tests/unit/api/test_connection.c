/* Connections of the HTTP loops: bodies that are produced, requests that another thread has in hand, and the end.
 * ctest-threads: */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/http/http_internal.h"
#include "core/base/time.h"
#include "http_fixture.h"

#define ALL SIZE_MAX
#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_CLOSE(target) "GET " target " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define GET_OLD(target) "GET " target " HTTP/1.0\r\n\r\n"
#define HEAD(target) "HEAD " target " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
#define UNREAD_BYTES_MAX (8u << 20) /* what sockets of the loopback hold, with room to spare */

static struct http_rig rig;
static char body[1u << 20];

/* So many connections find no memory for what we keep of them; by a wrapper (CMakeLists.txt). */
static atomic_size_t without_memory;

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    size_t left = atomic_load(&without_memory);
    if (left == 0 || count != 1 || bytes != sizeof(struct http_connection))
        return __real_calloc(count, bytes);
    atomic_store(&without_memory, left - 1);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&without_memory, 0);
    http_rig_init(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_rig_stop(&rig, 0);
    return 0;
}

static void assert_body(const char *text, size_t bytes, size_t chunks, size_t chunk_bytes)
{
    assert_int_equal(bytes, chunks * chunk_bytes);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(text[i], 'a' + (int)(i / chunk_bytes % 26));
}

/* Ask once and read to the end: the body without its chunks. */
static size_t ask(const char *request, bool *complete)
{
    size_t count = 0;
    bool reset = false;
    int fd = rig_connect(&rig, false);
    rig_send(fd, request);
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    assert_non_null(strstr(text, "Transfer-Encoding: chunked"));
    return rig_dechunk(text, count, body, complete);
}

/* ---- bodies that are produced ---- */

static void a_produced_body_comes_whole(void **state)
{
    bool complete = false;
    (void)state;
    rig.stream.chunks = 60;
    rig.stream.chunk_bytes = 1000;
    http_rig_start(&rig);
    size_t bytes = ask(GET_CLOSE("/produced"), &complete);
    assert_true(complete);
    assert_body(body, bytes, 60, 1000);
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
}

static void an_empty_produced_body_is_complete(void **state)
{
    bool complete = false;
    (void)state;
    http_rig_start(&rig);
    assert_int_equal(ask(GET_CLOSE("/produced"), &complete), 0);
    assert_true(complete);
}

static void the_connection_goes_on_after_a_produced_body(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.stream.chunks = 3;
    rig.stream.chunk_bytes = 10;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET("/produced") GET_CLOSE("/bytes"));
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    const char *second = strstr(text + 1, "HTTP/1.1 200");
    assert_non_null(second);
    assert_non_null(strstr(second, "\r\n\r\nhello"));
    assert_non_null(strstr(text, "\r\n0\r\n\r\n"));
    RIG_UNTIL(atomic_load(&rig.forgotten) == 2);
    assert_int_equal(atomic_load(&rig.stream.stopped), 1);
}

static void head_asks_the_producer_for_nothing(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.stream.chunks = 3;
    rig.stream.chunk_bytes = 10;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, HEAD("/produced"));
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
    assert_int_equal(atomic_load(&rig.stream.made), 0);
}

static void an_old_client_gets_the_body_without_chunks(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.stream.chunks = 60;
    rig.stream.chunk_bytes = 1000;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_OLD("/produced"));
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    assert_false(reset);
    assert_null(strstr(text, "Transfer-Encoding"));
    const char *begin = strstr(text, "\r\n\r\n") + 4;
    assert_body(begin, count - (size_t)(begin - text), 60, 1000);
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
}

static void what_is_not_there_yet_comes_later(void **state)
{
    size_t count = 0;
    bool reset = false;
    bool complete = false;
    (void)state;
    rig.stream.chunks = 4;
    rig.stream.chunk_bytes = 100;
    rig.stream.later_at = 2;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_CLOSE("/produced"));
    RIG_UNTIL(atomic_load(&rig.stream.waits));
    for (size_t i = 0; i < 10; i++) { /* iterations of the loop, in which it is not asked again */
        int other = rig_connect(&rig, false);
        rig_send(other, GET_CLOSE("/bytes"));
        (void)rig_read(other, ALL, &count, &reset);
        (void)close(other);
    }
    assert_int_equal(atomic_load(&rig.stream.asked), 3);
    rig_more(&rig);
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    size_t bytes = rig_dechunk(text, count, body, &complete);
    assert_true(complete);
    assert_body(body, bytes, 4, 100);
}

static void a_body_that_fails_is_seen_to_be_cut_off(void **state)
{
    bool complete = true;
    (void)state;
    rig.stream.chunks = 10;
    rig.stream.chunk_bytes = 100;
    rig.stream.failed_at = 5;
    http_rig_start(&rig);
    size_t bytes = ask(GET("/produced"), &complete); /* ends, although the connection could go on */
    assert_false(complete);
    assert_body(body, bytes, 5, 100);
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
}

static void an_old_client_sees_it_by_a_reset(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.stream.chunks = 10;
    rig.stream.chunk_bytes = 100;
    rig.stream.failed_at = 5;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_OLD("/produced"));
    (void)rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    assert_true(reset);
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
}

static void a_client_that_hangs_up_ends_the_producer(void **state)
{
    static const bool waiting[] = {false, true};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t count = 0;
        bool reset = false;
        http_rig_stop(&rig, 0);
        http_rig_init(&rig);
        rig.stream.chunks = SIZE_MAX;
        rig.stream.later_at = waiting[i] ? 3 : SIZE_MAX;
        http_rig_start(&rig);
        int fd = rig_connect(&rig, false);
        rig_send(fd, GET("/produced"));
        (void)rig_read(fd, 1000, &count, &reset);
        if (waiting[i])
            RIG_UNTIL(atomic_load(&rig.stream.waits));
        (void)close(fd);
        RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
        RIG_UNTIL(http_connections(rig.http) == 0);
        assert_int_equal(atomic_load(&rig.stream.stopped), 1);
    }
}

/* Made until the sockets are full, and then no more: what it holds besides is one chunk, no longer than its room. */
static void a_client_that_does_not_read_holds_one_chunk(void **state)
{
    size_t before = SIZE_MAX;
    (void)state;
    rig.stream.chunks = SIZE_MAX;
    rig.tunables.http_answer_timeout_ms = 60000;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, true);
    rig_send(fd, GET("/produced"));
    RIG_UNTIL(atomic_load(&rig.stream.made) > 1);
    while (atomic_load(&rig.stream.made) != before) { /* until nothing more is made for 200 ms */
        before = atomic_load(&rig.stream.made);
        (void)usleep(200000);
    }
    assert_true(atomic_load(&rig.stream.room) <= http_connection_bytes(rig.options.position_bytes_max));
    assert_true(before * atomic_load(&rig.stream.room) < UNREAD_BYTES_MAX);
    assert_int_equal(atomic_load(&rig.stream.stopped), 0);
    (void)close(fd);
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
}

static void a_client_that_takes_nothing_for_the_answer_timeout_is_closed(void **state)
{
    (void)state;
    rig.stream.chunks = SIZE_MAX;
    rig.tunables.http_answer_timeout_ms = 300;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, true);
    rig_send(fd, GET("/produced"));
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
    (void)close(fd);
}

/* The timeout is one without progress: neither a long body nor a producer that has nothing ends by it. */
static void a_client_that_goes_on_taking_is_not_closed(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.stream.chunks = SIZE_MAX;
    rig.tunables.http_answer_timeout_ms = 1000;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, true);
    rig_send(fd, GET("/produced"));
    for (int64_t end_ns = time_boot_ns() + 2500 * NS_PER_MS; time_boot_ns() < end_ns; (void)usleep(20000))
        (void)rig_read(fd, 50000, &count, &reset);
    assert_false(reset);
    assert_int_equal(atomic_load(&rig.stream.stopped), 0);
    (void)close(fd);
}

static void a_stream_may_last_longer_than_the_answer_timeout(void **state)
{
    size_t count = 0;
    bool reset = false;
    bool complete = false;
    (void)state;
    rig.stream.chunks = 2;
    rig.stream.chunk_bytes = 100;
    rig.stream.later_at = 1;
    rig.tunables.http_answer_timeout_ms = 100;
    http_rig_start(&rig);
    int64_t begun_ns = time_boot_ns();
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_CLOSE("/produced"));
    RIG_UNTIL(atomic_load(&rig.stream.waits));
    RIG_UNTIL(time_boot_ns() - begun_ns > 400 * NS_PER_MS);
    assert_int_equal(atomic_load(&rig.stream.stopped), 0);
    rig_more(&rig);
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    assert_body(body, rig_dechunk(text, count, body, &complete), 2, 100);
    assert_true(complete);
}

static void the_end_of_the_drain_cuts_streams_off(void **state)
{
    size_t count = 0;
    bool reset = false;
    bool complete = true;
    (void)state;
    rig.stream.chunks = 4;
    rig.stream.chunk_bytes = 100;
    rig.stream.later_at = 2;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET("/produced"));
    RIG_UNTIL(atomic_load(&rig.stream.waits));
    http_rig_stop(&rig, 100);
    assert_int_equal(atomic_load(&rig.stream.stopped), 1);
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    assert_body(body, rig_dechunk(text, count, body, &complete), 2, 100);
    assert_false(complete);
}

/* ---- bytes on their way ---- */

#define LARGE_BYTES (UNREAD_BYTES_MAX + (4u << 20))

/* A client that has the beginning of a large answer, and reads no further. */
static int ask_for_large(const char *status)
{
    size_t count = 0;
    bool reset = false;
    int fd = rig_connect(&rig, true);
    rig_send(fd, GET("/large"));
    const char *text = rig_read(fd, 200, &count, &reset);
    if (strncmp(text, status, strlen(status)) != 0)
        fail_msg("%s is wanted: %.100s", status, text);
    return fd;
}

/* Of all loops together. */
static void answers_take_as_much_as_they_may_and_no_more(void **state)
{
    int fds[3];
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.large_bytes = LARGE_BYTES;
    rig.options.loops = 2;
    rig.tunables.http_answers_bytes_max = 3 * (int64_t)LARGE_BYTES;
    http_rig_start(&rig);
    for (size_t i = 0; i < 3; i++) {
        fds[i] = ask_for_large("HTTP/1.1 200 ");
        assert_int_equal(http_answer_bytes(rig.http), (i + 1) * LARGE_BYTES); /* the third is at the limit */
        assert_int_equal(atomic_load(&rig.status), 200);
    }
    int refused = rig_connect(&rig, false);
    rig_send(refused, GET_CLOSE("/large"));
    const char *text = rig_read(refused, ALL, &count, &reset);
    (void)close(refused);
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "Retry-After: 1\r\n"));
    assert_non_null(strstr(text, "urn:stategate:problem:too-many-answers"));
    assert_null(strstr(text, "ETag:")); /* nothing of what was to be sent */
    assert_int_equal(atomic_load(&rig.status), 503);
    RIG_UNTIL(http_answer_bytes(rig.http) == 3 * LARGE_BYTES); /* the refusal is gone as well */
    int small = rig_connect(&rig, false);
    rig_send(small, GET_CLOSE("/bytes"));
    assert_non_null(strstr(rig_read(small, ALL, &count, &reset), "\r\n\r\nhello"));
    (void)close(small);
    (void)close(fds[0]);
    RIG_UNTIL(http_answer_bytes(rig.http) == 2 * LARGE_BYTES);
    fds[0] = ask_for_large("HTTP/1.1 200 ");
    for (size_t i = 0; i < 3; i++)
        (void)close(fds[i]);
    RIG_UNTIL(http_answer_bytes(rig.http) == 0);
}

static void an_answer_that_was_taken_is_not_counted_any_more(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.large_bytes = 1u << 20;
    rig.tunables.http_answers_bytes_max = 1 << 20;
    http_rig_start(&rig);
    for (size_t i = 0; i < 3; i++) {
        int fd = rig_connect(&rig, false);
        rig_send(fd, GET("/large"));
        const char *text = rig_read(fd, 1u << 20, &count, &reset);
        assert_non_null(strstr(text, "HTTP/1.1 200 "));
        (void)rig_read(fd, (size_t)(strstr(text, "\r\n\r\n") + 4 - text) - (count - (1u << 20)), &count, &reset);
        RIG_UNTIL(http_answer_bytes(rig.http) == 0); /* the connection is still open */
        (void)close(fd);
    }
}

/* ---- the second address ---- */

static void second_address_answers_while_every_other_loop_is_held(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.options.listen_ops = "127.0.0.1:0";
    http_rig_start(&rig);
    int held = rig_connect(&rig, false);
    rig_send(held, GET_CLOSE("/hold"));
    RIG_UNTIL(atomic_load(&rig.holds));
    int probe = rig_connect_ops(&rig);
    rig_send(probe, GET_CLOSE("/bytes"));
    assert_non_null(strstr(rig_read(probe, ALL, &count, &reset), "\r\n\r\nhello"));
    (void)close(probe);
    atomic_store(&rig.released, true);
    assert_non_null(strstr(rig_read(held, ALL, &count, &reset), "\r\n\r\nhello"));
    (void)close(held);
}

/* ---- settings that change ---- */

static void ask_for_bytes(void)
{
    size_t count = 0;
    bool reset = false;
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_CLOSE("/bytes"));
    (void)rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
}

/* Also for who is connected already: its time counts from when it began. */
static void timeouts_may_change_while_connections_wait(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.stream.chunks = SIZE_MAX;
    rig.tunables.http_head_timeout_ms = rig.tunables.http_answer_timeout_ms = 3600000;
    http_rig_start(&rig);
    struct tunables shorter_head = rig.tunables;
    shorter_head.http_head_timeout_ms = 50;
    struct tunables shorter_both = shorter_head;
    shorter_both.http_answer_timeout_ms = 50;
    int idle = rig_connect(&rig, false);
    int slow = rig_connect(&rig, true);
    rig_send(slow, GET("/produced"));
    RIG_UNTIL(atomic_load(&rig.stream.made) > 1);
    tunables_publish(&rig.tunables_now, &shorter_head);
    ask_for_bytes(); /* an iteration */
    (void)rig_read(idle, ALL, &count, &reset);
    assert_int_equal(count, 0);
    assert_int_equal(atomic_load(&rig.stream.stopped), 0);
    tunables_publish(&rig.tunables_now, &shorter_both);
    ask_for_bytes();
    RIG_UNTIL(atomic_load(&rig.stream.stopped) == 1);
    (void)close(idle);
    (void)close(slow);
    http_rig_stop(&rig, 0);
}

static void the_bytes_on_their_way_may_change(void **state)
{
    (void)state;
    rig.large_bytes = 2u << 20;
    rig.tunables.http_answers_bytes_max = 1 << 20;
    http_rig_start(&rig);
    (void)close(ask_for_large("HTTP/1.1 503 "));
    struct tunables more = rig.tunables;
    more.http_answers_bytes_max = 2 << 20;
    tunables_publish(&rig.tunables_now, &more);
    (void)close(ask_for_large("HTTP/1.1 200 "));
    http_rig_stop(&rig, 0);
}

/* ---- without memory ---- */

/* At the limit, so that what it leaves behind would be missed. */
static void a_connection_without_memory_is_closed_at_once(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.options.connections_max = 1;
    http_rig_start(&rig);
    atomic_store(&without_memory, 1);
    int refused = rig_connect(&rig, false);
    (void)rig_read(refused, ALL, &count, &reset); /* it has asked for nothing yet */
    assert_int_equal(count, 0);
    (void)close(refused);
    assert_int_equal(atomic_load(&without_memory), 0);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_CLOSE("/bytes"));
    assert_non_null(strstr(rig_read(fd, ALL, &count, &reset), "\r\n\r\nhello"));
    (void)close(fd);
    RIG_UNTIL(http_connections(rig.http) == 0);
}

/* ---- in the hands of another thread ---- */

static void assert_answer(int fd, const char *wanted)
{
    size_t count = 0;
    bool reset = false;
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    const char *begin = strstr(text, "\r\n\r\n");
    assert_non_null(begin);
    assert_string_equal(begin + 4, wanted);
}

static int ask_to_work(void)
{
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET_CLOSE("/work"));
    RIG_UNTIL(atomic_load(&rig.working) == 1);
    return fd;
}

static void what_another_thread_has_done_is_answered(void **state)
{
    (void)state;
    atomic_store(&rig.begun, true);
    http_rig_start(&rig);
    int fd = ask_to_work();
    rig_done(&rig);
    assert_answer(fd, "hello");
    assert_int_equal(atomic_load(&rig.handled), 2);
}

static void what_does_not_begin_in_time_is_withdrawn(void **state)
{
    (void)state;
    rig.tunables.query_queue_ms = 50;
    http_rig_start(&rig);
    assert_answer(ask_to_work(), "late");
    assert_int_equal(atomic_load(&rig.withdrawn), 1);
}

static void what_has_begun_is_waited_for(void **state)
{
    (void)state;
    rig.tunables.query_queue_ms = 50;
    atomic_store(&rig.begun, true);
    http_rig_start(&rig);
    int fd = ask_to_work();
    RIG_UNTIL(atomic_load(&rig.withdrawn) == 1);
    rig_done(&rig);
    assert_answer(fd, "hello");
    assert_int_equal(atomic_load(&rig.withdrawn), 1);
}

static void a_client_that_hangs_up_gives_up_what_has_not_begun(void **state)
{
    (void)state;
    http_rig_start(&rig);
    (void)close(ask_to_work());
    RIG_UNTIL(atomic_load(&rig.forgotten) == 1);
    assert_int_equal(atomic_load(&rig.abandoned), 1);
    RIG_UNTIL(http_connections(rig.http) == 0);
}

static void what_has_begun_keeps_its_connection_until_it_is_done(void **state)
{
    (void)state;
    atomic_store(&rig.begun, true);
    http_rig_start(&rig);
    (void)close(ask_to_work());
    RIG_UNTIL(atomic_load(&rig.abandoned) == 1);
    assert_int_equal(atomic_load(&rig.forgotten), 0);
    assert_int_equal(http_connections(rig.http), 1);
    rig_done(&rig);
    RIG_UNTIL(atomic_load(&rig.forgotten) == 1);
    RIG_UNTIL(http_connections(rig.http) == 0);
    assert_int_equal(atomic_load(&rig.handled), 1);
}

static void *done_after_the_drain(void *context)
{
    (void)context;
    while (atomic_load(&rig.abandoned) == 0)
        (void)usleep(1000);
    rig_done(&rig);
    return NULL;
}

static void the_end_waits_for_what_has_begun(void **state)
{
    pthread_t thread;
    (void)state;
    atomic_store(&rig.begun, true);
    http_rig_start(&rig);
    int fd = ask_to_work();
    assert_int_equal(pthread_create(&thread, NULL, done_after_the_drain, NULL), 0);
    http_rig_stop(&rig, 50);
    assert_int_equal(atomic_load(&rig.forgotten), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(fd);
}

/* ---- parked ---- */

static void a_drain_answers_what_is_parked(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET("/park"));
    RIG_UNTIL(atomic_load(&rig.parked) == 1);
    http_rig_stop(&rig, 5000);
    assert_answer(fd, "hello");
}

/* Without a moment to drain, as when one iteration of the loop took all of it. */
static void what_is_still_parked_when_the_drain_is_over_is_closed(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, GET("/park"));
    RIG_UNTIL(atomic_load(&rig.parked) == 1);
    http_rig_stop(&rig, 0);
    assert_int_equal(atomic_load(&rig.parked), 0);
    assert_int_equal(atomic_load(&rig.forgotten), 1);
    (void)close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_produced_body_comes_whole),
        TEST(an_empty_produced_body_is_complete),
        TEST(the_connection_goes_on_after_a_produced_body),
        TEST(head_asks_the_producer_for_nothing),
        TEST(an_old_client_gets_the_body_without_chunks),
        TEST(what_is_not_there_yet_comes_later),
        TEST(a_body_that_fails_is_seen_to_be_cut_off),
        TEST(an_old_client_sees_it_by_a_reset),
        TEST(a_client_that_hangs_up_ends_the_producer),
        TEST(a_client_that_does_not_read_holds_one_chunk),
        TEST(a_client_that_takes_nothing_for_the_answer_timeout_is_closed),
        TEST(a_client_that_goes_on_taking_is_not_closed),
        TEST(a_stream_may_last_longer_than_the_answer_timeout),
        TEST(the_end_of_the_drain_cuts_streams_off),
        TEST(answers_take_as_much_as_they_may_and_no_more),
        TEST(an_answer_that_was_taken_is_not_counted_any_more),
        TEST(second_address_answers_while_every_other_loop_is_held),
        TEST(timeouts_may_change_while_connections_wait),
        TEST(the_bytes_on_their_way_may_change),
        TEST(a_connection_without_memory_is_closed_at_once),
        TEST(what_another_thread_has_done_is_answered),
        TEST(what_does_not_begin_in_time_is_withdrawn),
        TEST(what_has_begun_is_waited_for),
        TEST(a_client_that_hangs_up_gives_up_what_has_not_begun),
        TEST(what_has_begun_keeps_its_connection_until_it_is_done),
        TEST(the_end_waits_for_what_has_begun),
        TEST(a_drain_answers_what_is_parked),
        TEST(what_is_still_parked_when_the_drain_is_over_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
