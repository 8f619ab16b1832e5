/* Bodies of requests, as the HTTP loops take them: whole, within their limits, and of no cost once they are answered.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/http/http_internal.h"
#include "core/base/time.h"
#include "http_fixture.h"

#define ALL SIZE_MAX
#define HEAD "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT "GET /bytes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static struct http_rig rig;
static char letters[HTTP_BODY_BYTES_MAX + 2];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof letters - 1; i++)
        letters[i] = (char)('a' + i % 26);
    http_rig_init(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_rig_stop(&rig, 0);
    return 0;
}

static void send_some(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
        assert_true(sent > 0);
        data += sent;
        bytes -= (size_t)sent;
    }
}

static void send_length(int fd, size_t bytes)
{
    char head[256];
    (void)snprintf(head, sizeof head, HEAD "Content-Length: %zu\r\n\r\n", bytes);
    rig_send(fd, head);
}

/* In chunks of `chunk_bytes`, without the last one. */
static void send_chunks(int fd, size_t bytes, size_t chunk_bytes)
{
    char line[32];
    for (size_t at = 0; at < bytes; at += chunk_bytes) {
        size_t here = bytes - at < chunk_bytes ? bytes - at : chunk_bytes;
        (void)snprintf(line, sizeof line, "%zx\r\n", here);
        rig_send(fd, line);
        send_some(fd, letters + at, here);
        rig_send(fd, "\r\n");
    }
}

/* The answer is `status`, and no other follows. */
static void assert_answer(int fd, const char *status, const char *body, size_t body_bytes)
{
    size_t count = 0;
    bool reset = false;
    const char *text = rig_read(fd, ALL, &count, &reset);
    (void)close(fd);
    const char *end = strstr(text, "\r\n\r\n");
    assert_int_equal(strncmp(text, status, strlen(status)), 0);
    assert_non_null(end);
    if (body == NULL)
        return;
    assert_int_equal(count - (size_t)(end + 4 - text), body_bytes);
    assert_memory_equal(end + 4, body, body_bytes);
}

static void a_body_comes_whole_up_to_its_limit(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 257, 1023, 1024, 1025, 5000, HTTP_BODY_BYTES_MAX - 1,
                                   HTTP_BODY_BYTES_MAX};
    (void)state;
    http_rig_start(&rig);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = rig_connect(&rig, false);
        send_length(fd, sizes[i]);
        send_some(fd, letters, sizes[i]);
        assert_answer(fd, "HTTP/1.1 200 ", letters, sizes[i]);
    }
    RIG_UNTIL(http_body_bytes(rig.http) == 0);
}

static void chunks_are_put_together(void **state)
{
    static const size_t chunks[] = {1, 7, 1000, 4096, HTTP_BODY_BYTES_MAX};
    (void)state;
    http_rig_start(&rig);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        size_t bytes = chunks[i] < 7 ? 300 : HTTP_BODY_BYTES_MAX;
        int fd = rig_connect(&rig, false);
        rig_send(fd, CHUNKED);
        send_chunks(fd, bytes, chunks[i]);
        rig_send(fd, "0\r\n\r\n");
        assert_answer(fd, "HTTP/1.1 200 ", letters, bytes);
    }
    RIG_UNTIL(http_body_bytes(rig.http) == 0);
}

/* Whatever the library makes of it: a body is as it was sent, or refused. */
static void the_extension_of_a_chunk_is_none_of_the_body(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, CHUNKED "5;a=b\r\nhello\r\n0;c\r\n\r\n");
    assert_answer(fd, "HTTP/1.1 200 ", "hello", 5);
    fd = rig_connect(&rig, false);
    rig_send(fd, CHUNKED "5;a=b\r\nhell\r\n0\r\n\r\n" NEXT);
    assert_answer(fd, "HTTP/1.1 400 ", NULL, 0);
}

static void an_empty_body_is_one(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, CHUNKED "0\r\n\r\n");
    assert_answer(fd, "HTTP/1.1 200 ", "", 0);
    fd = rig_connect(&rig, false);
    rig_send(fd, HEAD "Content-Length: 0\r\n\r\n");
    assert_answer(fd, "HTTP/1.1 200 ", "", 0);
}

static void chunks_beyond_the_limit_are_refused_and_nothing_after_them_is_answered(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, CHUNKED);
    send_chunks(fd, HTTP_BODY_BYTES_MAX, 4096);
    send_chunks(fd, 1, 1);
    assert_answer(fd, "HTTP/1.1 413 ", NULL, 0);
    RIG_UNTIL(http_body_bytes(rig.http) == 0);
    assert_int_equal(atomic_load(&rig.handled), 0);
}

static void fields_after_a_body_are_refused(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, CHUNKED "2\r\n{}\r\n0\r\nX: y\r\n\r\n" NEXT);
    assert_answer(fd, "HTTP/1.1 413 ", NULL, 0);
    assert_int_equal(atomic_load(&rig.handled), 0);
}

/* One request's body is not the next one's, whether it was longer or failed. */
static void a_connection_goes_on_after_a_body(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabcdefPOST /echo HTTP/1.1\r\nHost: x\r\n"
                 "Content-Length: 2\r\n\r\nxyGET /echo HTTP/1.1\r\nHost: x\r\n\r\n" NEXT);
    const char *text = rig_read(fd, ALL, &count, &reset);
    const char *second = strstr(text, "\r\n\r\nabcdefHTTP/1.1 200");
    assert_non_null(second);
    const char *third = strstr(second, "\r\n\r\nxyHTTP/1.1 200");
    assert_non_null(third);
    assert_non_null(strstr(third, "\r\n\r\nHTTP/1.1 200"));
    assert_non_null(strstr(third, "\r\n\r\nhello"));
    (void)close(fd);
}

static void a_body_is_asked_for_where_its_client_waits_to_be(void **state)
{
    size_t count = 0;
    bool reset = false;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, HEAD "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(rig_read(fd, sizeof go_on - 1, &count, &reset), go_on);
    rig_send(fd, "hello");
    assert_answer(fd, "HTTP/1.1 200 ", "hello", 5);
}

static void an_old_client_may_send_a_body(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    rig_send(fd, "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    assert_answer(fd, "HTTP/1.1 200 ", "hello", 5);
}

/* Its time begins anew when the head is there, and not with each byte. */
static void a_body_that_does_not_come_in_time_ends_its_connection(void **state)
{
    size_t count = 0;
    bool reset = false;
    (void)state;
    rig.tunables.http_head_timeout_ms = 400;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    (void)usleep(200 * 1000);
    int64_t begun_ns = time_boot_ns();
    send_length(fd, 1000);
    for (int i = 0; i < 100 && atomic_load(&rig.forgotten) == 0; i++) {
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        (void)usleep(20 * 1000);
    }
    (void)rig_read(fd, ALL, &count, &reset);
    assert_int_equal(count, 0);
    assert_true(time_boot_ns() - begun_ns >= 400 * NS_PER_MS);
    RIG_UNTIL(atomic_load(&rig.forgotten) == 1);
    assert_int_equal(http_body_bytes(rig.http), 0);
    (void)close(fd);
}

static void a_client_that_hangs_up_in_a_body_leaves_nothing_behind(void **state)
{
    (void)state;
    http_rig_start(&rig);
    for (int half = 0; half <= 1; half++) {
        int fd = rig_connect(&rig, false);
        send_length(fd, 1000);
        rig_send(fd, "hello");
        RIG_UNTIL(http_body_bytes(rig.http) > 0);
        if (half)
            assert_int_equal(shutdown(fd, SHUT_WR), 0);
        else
            (void)close(fd);
        RIG_UNTIL(http_body_bytes(rig.http) == 0 && http_connections(rig.http) == 0);
        if (half)
            (void)close(fd);
    }
    assert_int_equal(atomic_load(&rig.handled), 0);
}

static void a_drain_ends_a_body_that_does_not_come(void **state)
{
    (void)state;
    http_rig_start(&rig);
    int fd = rig_connect(&rig, false);
    send_length(fd, 1000);
    rig_send(fd, "hello");
    RIG_UNTIL(http_body_bytes(rig.http) > 0);
    http_rig_stop(&rig, 50);
    assert_int_equal(atomic_load(&rig.forgotten), 1);
    (void)close(fd);
}

/* As many as fill the room, each but for its last byte; then one more. */
#define ROOM (HTTP_BODIES_BYTES_MAX / HTTP_BODY_BYTES_MAX)
static void bodies_take_as_much_as_they_may_and_no_more(void **state)
{
    static int fds[ROOM];
    struct rlimit files = {2 * ROOM + 256, 2 * ROOM + 256};
    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        skip();
    rig.options.connections_max = ROOM + 8;
    http_rig_start(&rig);
    for (size_t i = 0; i < ROOM; i++) {
        fds[i] = rig_connect(&rig, false);
        send_length(fds[i], HTTP_BODY_BYTES_MAX);
        send_some(fds[i], letters, HTTP_BODY_BYTES_MAX - 1);
    }
    RIG_UNTIL(http_body_bytes(rig.http) == HTTP_BODIES_BYTES_MAX);
    int fd = rig_connect(&rig, false);
    send_length(fd, 1);
    rig_send(fd, "x");
    assert_answer(fd, "HTTP/1.1 413 ", NULL, 0);
    fd = rig_connect(&rig, false);
    rig_send(fd, NEXT); /* who has no body is none the worse */
    assert_answer(fd, "HTTP/1.1 200 ", "hello", 5);
    send_some(fds[0], letters + HTTP_BODY_BYTES_MAX - 1, 1);
    assert_answer(fds[0], "HTTP/1.1 200 ", letters, HTTP_BODY_BYTES_MAX);
    RIG_UNTIL(http_body_bytes(rig.http) < HTTP_BODIES_BYTES_MAX);
    fd = rig_connect(&rig, false);
    send_length(fd, 1);
    rig_send(fd, "x");
    assert_answer(fd, "HTTP/1.1 200 ", "x", 1);
    for (size_t i = 1; i < ROOM; i++)
        (void)close(fds[i]);
    RIG_UNTIL(http_body_bytes(rig.http) == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_body_comes_whole_up_to_its_limit),
        TEST(chunks_are_put_together),
        TEST(the_extension_of_a_chunk_is_none_of_the_body),
        TEST(an_empty_body_is_one),
        TEST(chunks_beyond_the_limit_are_refused_and_nothing_after_them_is_answered),
        TEST(fields_after_a_body_are_refused),
        TEST(a_connection_goes_on_after_a_body),
        TEST(a_body_is_asked_for_where_its_client_waits_to_be),
        TEST(an_old_client_may_send_a_body),
        TEST(a_body_that_does_not_come_in_time_ends_its_connection),
        TEST(a_client_that_hangs_up_in_a_body_leaves_nothing_behind),
        TEST(a_drain_ends_a_body_that_does_not_come),
        TEST(bodies_take_as_much_as_they_may_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
