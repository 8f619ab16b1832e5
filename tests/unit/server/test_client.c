/* The client of `stategate health` and `stategate ready`, against a server that answers what the test wants.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "server/client.h"

/* Serves one connection: reads a request head, sends `answer`, then closes or, if it is to stay, waits for the end. */
struct server {
    int listener;
    pthread_t thread;
    const char *answer;
    size_t answer_bytes;
    bool stays; /* do not close: an answer must end by its length, or never */
    char request[1024];
};

static void *serve_once(void *argument)
{
    struct server *server = argument;
    struct pollfd arrival = {.fd = server->listener, .events = POLLIN};
    if (poll(&arrival, 1, 5000) != 1)
        return NULL;
    int fd = accept(server->listener, NULL, NULL);
    size_t bytes = 0;
    while (fd >= 0 && strstr(server->request, "\r\n\r\n") == NULL) {
        ssize_t now = recv(fd, server->request + bytes, sizeof server->request - 1 - bytes, 0);
        if (now <= 0)
            break;
        bytes += (size_t)now;
    }
    for (size_t sent = 0; sent < server->answer_bytes;) {
        ssize_t now = send(fd, server->answer + sent, server->answer_bytes - sent, MSG_NOSIGNAL);
        if (now <= 0)
            break;
        sent += (size_t)now;
    }
    char ignored[16];
    while (server->stays && recv(fd, ignored, sizeof ignored, 0) > 0)
        continue;
    (void)close(fd);
    return NULL;
}

static void start_server(struct server *server, const struct sockaddr *address, socklen_t bytes)
{
    server->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, address, bytes), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve_once, server), 0);
}

static void stop_server(struct server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void)close(server->listener);
}

/* Ask a server on a free port of 127.0.0.1; `format` makes the address from the port. */
static enum sg_status ask(struct server *server, const char *format, struct client_answer *out, struct sg_error *err)
    __attribute__((format(printf, 2, 0)));
static enum sg_status ask(struct server *server, const char *format, struct client_answer *out, struct sg_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    char ops[1] = "";
    char text[64];
    start_server(server, (const struct sockaddr *)&address, sizeof address);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &bytes), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof text, format, (unsigned)ntohs(address.sin_port));
#pragma GCC diagnostic pop
    struct settings settings = {.listen = text, .listen_ops = ops};
    enum sg_status status = client_get(&settings, "/readyz", out, err);
    stop_server(server);
    return status;
}

static struct server server_of(const char *answer)
{
    return (struct server){.answer = answer, .answer_bytes = strlen(answer)};
}

static void the_code_and_the_body_arrive(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct server server = server_of("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nposition ok\n");
    assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, NULL), SG_OK);
    assert_int_equal(answer.code, 200);
    assert_string_equal(answer.body, "position ok\n");
    assert_int_equal(strncmp(server.request, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n", 39), 0);
    assert_non_null(strstr(server.request, "\r\nConnection: close\r\n\r\n"));
    server = server_of("HTTP/1.1 503 Service Unavailable\r\n\r\nno");
    assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, NULL), SG_OK);
    assert_int_equal(answer.code, 503);
}

static void a_listener_on_all_addresses_is_asked_on_loopback(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct server server = server_of("HTTP/1.1 200 OK\r\n\r\n");
    assert_int_equal(ask(&server, "0.0.0.0:%u", &answer, NULL), SG_OK);
    assert_non_null(strstr(server.request, "\r\nHost: localhost\r\n"));
    server = server_of("HTTP/1.1 200 OK\r\n\r\n");
    assert_int_equal(ask(&server, "localhost:%u", &answer, NULL), SG_OK);
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return bound;
}

/* Its zone means something to this machine alone: no Host may have it. */
static void an_address_with_a_zone_is_asked_without_it(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t bytes = sizeof address;
    char ops[1] = "";
    char text[64];
    struct server server = server_of("HTTP/1.1 200 OK\r\n\r\n");
    if (!has_ipv6())
        skip();
    start_server(&server, (const struct sockaddr *)&address, sizeof address);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &bytes), 0);
    (void)snprintf(text, sizeof text, "[::1%%1]:%u", (unsigned)ntohs(address.sin6_port));
    struct settings settings = {.listen = text, .listen_ops = ops};
    assert_int_equal(client_get(&settings, "/readyz", &answer, NULL), SG_OK);
    stop_server(&server);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(server.request, "\r\nHost: localhost\r\n"));
    assert_null(strchr(server.request, '%'));
}

static void an_answer_with_a_length_ends_with_it(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct server server = server_of("HTTP/1.1 200 OK\r\ncontent-LENGTH: 3\r\n\r\nyes");
    server.stays = true;
    int64_t begin_ns = time_boot_ns();
    assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, NULL), SG_OK);
    assert_string_equal(answer.body, "yes");
    assert_true(time_boot_ns() - begin_ns < NS_PER_S);
}

static void an_answer_that_does_not_end_is_given_up_at_the_deadline(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct sg_error err = {0};
    struct server server = server_of("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nyes");
    server.stays = true;
    int64_t begin_ns = time_boot_ns();
    assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, &err), SG_UNAVAILABLE);
    assert_string_equal(err.message, "no answer within 2000 ms");
    int64_t took_ms = (time_boot_ns() - begin_ns) / NS_PER_MS;
    assert_true(took_ms >= CLIENT_DEADLINE_MS - 100 && took_ms < 2 * CLIENT_DEADLINE_MS);
}

static void what_is_not_http_is_refused(void **state)
{
    (void)state;
    static struct client_answer answer;
    static const char *const texts[] = {"", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 20", "HTTP/1.1 2x0 OK\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sg_error err = {0};
        struct server server = server_of(texts[i]);
        assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, &err), SG_INVALID);
        assert_string_equal(err.message, "the answer is not HTTP");
    }
}

/* An answer of exactly `bytes` bytes with its length named. The caller frees. */
static char *answer_of(size_t bytes)
{
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    static const char form[] = "HTTP/1.1 200 OK\r\nContent-Length: %05zu\r\n\r\n";
    size_t head = (size_t)snprintf(NULL, 0, form, (size_t)0);
    (void)snprintf(text, head + 1, form, bytes - head);
    text[head] = 'x';
    return text;
}

static void the_largest_answer_is_taken_and_a_larger_one_refused(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct sg_error err = {0};
    char *text = answer_of(CLIENT_ANSWER_BYTES_MAX);
    struct server server = server_of(text);
    assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, &err), SG_OK);
    assert_int_equal(answer.body_bytes, strlen(strstr(text, "\r\n\r\n") + 4));
    free(text);
    text = answer_of(CLIENT_ANSWER_BYTES_MAX + 1);
    server = server_of(text);
    assert_int_equal(ask(&server, "127.0.0.1:%u", &answer, &err), SG_INVALID);
    assert_string_equal(err.message, "the answer is longer than 65536 bytes");
    free(text);
}

static void a_unix_socket_of_listen_ops_is_asked_first(void **state)
{
    (void)state;
    static struct client_answer answer;
    char folder[] = "/tmp/stategate-client-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char ops[128];
    char listen_text[] = "127.0.0.1:1";
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/ops.sock", folder);
    (void)snprintf(ops, sizeof ops, "unix:%s", address.sun_path);
    struct server server = server_of("HTTP/1.1 200 OK\r\n\r\nalive");
    start_server(&server, (const struct sockaddr *)&address, sizeof address);
    struct settings settings = {.listen = listen_text, .listen_ops = ops};
    assert_int_equal(client_get(&settings, "/livez", &answer, NULL), SG_OK);
    stop_server(&server);
    assert_string_equal(answer.body, "alive");
    assert_non_null(strstr(server.request, "\r\nHost: localhost\r\n"));
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void who_cannot_be_asked_is_named(void **state)
{
    (void)state;
    static struct client_answer answer;
    struct sg_error err = {0};
    char none[] = "";
    char any_port[] = "127.0.0.1:0";
    char closed[] = "127.0.0.1:1";
    char missing[] = "unix:/not/there.sock";
    struct settings settings = {.listen = any_port, .listen_ops = none};
    assert_int_equal(client_get(&settings, "/livez", &answer, &err), SG_INVALID);
    assert_string_equal(err.message,
                        "127.0.0.1:0: port 0 is any free port, and which one it became is not known here");
    settings.listen = closed;
    assert_int_equal(client_get(&settings, "/livez", &answer, &err), SG_UNAVAILABLE);
    assert_string_equal(err.message, "127.0.0.1:1: Connection refused");
    settings.listen = missing;
    assert_int_equal(client_get(&settings, "/livez", &answer, &err), SG_UNAVAILABLE);
    assert_string_equal(err.message, "unix:/not/there.sock: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code_and_the_body_arrive),
        cmocka_unit_test(a_listener_on_all_addresses_is_asked_on_loopback),
        cmocka_unit_test(an_address_with_a_zone_is_asked_without_it),
        cmocka_unit_test(an_answer_with_a_length_ends_with_it),
        cmocka_unit_test(an_answer_that_does_not_end_is_given_up_at_the_deadline),
        cmocka_unit_test(what_is_not_http_is_refused),
        cmocka_unit_test(the_largest_answer_is_taken_and_a_larger_one_refused),
        cmocka_unit_test(a_unix_socket_of_listen_ops_is_asked_first),
        cmocka_unit_test(who_cannot_be_asked_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
