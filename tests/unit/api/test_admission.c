/* Which Host a request may name, and which body it may have: what two servers in a row could understand differently is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "api/request/admission.h"

static bool admitted(struct slice host)
{
    struct http_head head = {
        .target_bytes = 1, .version_known = true, .version_1_1 = true, .hosts_count = 1, .host = host};
    struct response response;
    response_init(&response);
    struct admission_host last = {0};
    bool good = admission_check(&head, ADMISSION_NO_BODY, "", &last, &response);
    assert_false(response.failed);
    assert_int_equal(response.status, good ? 200 : 400);
    response_free(&response);
    return good;
}

static void hosts_with_and_without_a_port_are_admitted(void **state)
{
    static const char *const hosts[] = {"localhost", "a-b.example_c~d:8080", "127.0.0.1:",
                                        "[::1]",     "[2001:db8::1]:65535",  "[::ffff:127.0.0.1]:0"};
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        print_message("%s\n", hosts[i]);
        assert_true(admitted(slice_of(hosts[i])));
    }
}

static void malformed_hosts_are_refused(void **state)
{
    static const struct slice hosts[] = {
        SLICE_LITERAL(""),         SLICE_LITERAL(":80"),        SLICE_LITERAL("a b"),     SLICE_LITERAL("user@a"),
        SLICE_LITERAL("a:65536"),  SLICE_LITERAL("a:8x"),       SLICE_LITERAL("a:000080"), SLICE_LITERAL("a/b"),
        SLICE_LITERAL("[::1"),     SLICE_LITERAL("[]"),         SLICE_LITERAL("[127.0.0.1]"), SLICE_LITERAL("[::1]80"),
        SLICE_LITERAL("[::1\0x]"), SLICE_LITERAL("[\0::1]:80"), SLICE_LITERAL("a\0b"),    SLICE_LITERAL("a:8\0"),
        SLICE_LITERAL("\xc3\xbc"), SLICE_LITERAL("[fe80::1%eth0]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        print_message("case %zu\n", i);
        assert_false(admitted(hosts[i]));
    }
}

/* The status of a request for this host to an address of a kind. */
static unsigned status_of(const char *host, bool loopback, const char *hosts)
{
    struct http_head head = {.target_bytes = 1,
                             .version_known = true,
                             .version_1_1 = true,
                             .hosts_count = 1,
                             .host_checked = loopback,
                             .host = slice_of(host)};
    struct response response;
    response_init(&response);
    struct admission_host last = {0};
    (void)admission_check(&head, ADMISSION_NO_BODY, hosts, &last, &response);
    unsigned status = response.status;
    response_free(&response);
    return status;
}

static void a_loopback_address_answers_to_its_own_names_alone(void **state)
{
    static const char *const good[] = {"localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1",    "127.0.0.1:1",
                                       "10.1.2.3",  "[::1]:80",       "[fe80::1]",  "localhost.:80"};
    static const char *const bad[] = {
        "evil.example", "localhost.evil.example", "evil.example.", "127.0.0.1.evil.example", "127.1", "localhos",
        "localhostx",   "localhost..",            ".",             "2130706433",             "a:80",
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(status_of(good[i], true, ""), 200);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        print_message("%s\n", bad[i]);
        assert_int_equal(status_of(bad[i], true, ""), 421);
        assert_int_equal(status_of(bad[i], false, ""), 200);
        assert_int_equal(status_of(bad[i], false, "state.example"), 421);
    }
}

static void names_of_the_setting_are_served_on_every_address(void **state)
{
    static const char hosts[] = "state.example,Other_1.example.,x";
    static const char *const good[] = {"state.example", "STATE.example:8080", "state.example.", "other_1.EXAMPLE",
                                       "x",             "x:1",                "localhost",      "127.0.0.1"};
    static const char *const bad[] = {"state.example.evil", "a.state.example", "state", "example", "y", "other_1"};
    (void)state;
    for (int loopback = 0; loopback <= 1; loopback++) {
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
            assert_int_equal(status_of(good[i], loopback, hosts), 200);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
            assert_int_equal(status_of(bad[i], loopback, hosts), 421);
    }
}

static void a_unix_socket_takes_any_host_and_none(void **state)
{
    static const struct slice hosts[] = {SLICE_LITERAL(""), SLICE_LITERAL("evil.example"), SLICE_LITERAL("localhost")};
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct http_head head = {.target_bytes = 1, .version_known = true, .version_1_1 = true, .hosts_count = 1,
                                 .host_free = true, .host = hosts[i]};
        struct admission_host last = {0};
        struct response response;
        response_init(&response);
        assert_true(admission_check(&head, ADMISSION_NO_BODY, "state.example", &last, &response));
        head.host_free = false;
        head.ops_only = true;
        assert_int_equal(admission_check(&head, ADMISSION_NO_BODY, "state.example", &last, &response), i > 0);
        response_free(&response);
    }
}

/* One after the other on one loop: what was admitted is not looked at again, and admits nothing else. */
static void the_host_before_admits_only_itself(void **state)
{
    static const struct {
        const char *host;
        bool loopback;
        unsigned status;
    } steps[] = {
        {"evil.example", false, 200}, {"evil.example", true, 421}, {"localhost:8080", true, 200},
        {"localhost:8080", true, 200}, {"localhost:8081", true, 200}, {"localhost:808x", true, 400},
        {"localhos", true, 421}, {"evil.example", true, 421}, {"localhost:8080", false, 200}, {"", false, 400},
    };
    struct admission_host last = {0};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct http_head head = {.target_bytes = 1, .version_known = true, .version_1_1 = true, .hosts_count = 1,
                                 .host_checked = steps[i].loopback, .host = slice_of(steps[i].host)};
        struct response response;
        print_message("step %zu\n", i);
        response_init(&response);
        (void)admission_check(&head, ADMISSION_NO_BODY, "", &last, &response);
        assert_int_equal(response.status, steps[i].status);
        response_free(&response);
    }
}

/* ---- bodies ---- */

static unsigned content_status(enum http_method method, enum admission_body body, const struct http_content *content,
                               enum http_body_fault fault, bool version_1_1)
{
    struct http_head head = {.method = method, .target_bytes = 1, .version_known = true, .version_1_1 = version_1_1,
                             .hosts_count = 1, .host = SLICE_LITERAL("localhost"), .content = *content,
                             .body_fault = fault};
    head.has_body = content->transfers_count > 0 || content->length > 0;
    struct admission_host last = {0};
    struct response response;
    response_init(&response);
    bool good = admission_check(&head, body, "", &last, &response);
    unsigned status = good ? 0 : response.status;
    response_free(&response);
    return status;
}

static void lists_alone_take_bodies_and_by_two_methods_alone(void **state)
{
    static const struct http_content none = {0};
    static const struct http_content one = {
        .types_count = 1, .type = SLICE_LITERAL("application/json"), .lengths_count = 1, .length = 5};
    (void)state;
    for (int m = METHOD_GET; m <= METHOD_OTHER; m++) {
        enum http_method method = (enum http_method)m;
        bool asks = method == METHOD_QUERY || method == METHOD_POST;
        print_message("method %d\n", m);
        unsigned refused = method == METHOD_OTHER || asks ? 405 : 413;
        assert_int_equal(content_status(method, ADMISSION_NO_BODY, &one, BODY_FINE, true), refused);
        assert_int_equal(content_status(method, ADMISSION_JSON_BODY, &one, BODY_FINE, true), asks ? 0 : refused);
        assert_int_equal(content_status(method, ADMISSION_JSON_BODY, &none, BODY_FINE, true),
                         asks ? 415 : method == METHOD_OTHER ? 405 : 0);
    }
}

static void the_type_of_a_body_is_json_whatever_its_parameters(void **state)
{
    static const char *const good[] = {"application/json", "Application/JSON", "application/json;charset=utf-8",
                                       "application/json ; charset=UTF-8", "application/json\t;",
                                       "application/json;a=b"};
    static const char *const bad[] = {"", "application", "application/jso", "application/json5", "application/json x",
                                      "text/json", "application/json-seq", "application/json,text/plain",
                                      "application/problem+json", " application/json", "*/*"};
    struct http_content content = {.types_count = 1, .lengths_count = 1, .length = 5};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        content.type = slice_of(good[i]);
        assert_int_equal(content_status(METHOD_QUERY, ADMISSION_JSON_BODY, &content, BODY_FINE, true), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        print_message("%s\n", bad[i]);
        content.type = slice_of(bad[i]);
        assert_int_equal(content_status(METHOD_POST, ADMISSION_JSON_BODY, &content, BODY_FINE, true), 415);
    }
    content.type = SLICE_LITERAL("application/json");
    content.types_count = 2;
    assert_int_equal(content_status(METHOD_POST, ADMISSION_JSON_BODY, &content, BODY_FINE, true), 400);
    content.types_count = 1;
    content.encodings_count = 1;
    assert_int_equal(content_status(METHOD_POST, ADMISSION_JSON_BODY, &content, BODY_FINE, true), 415);
}

static void the_end_of_a_body_is_beyond_doubt(void **state)
{
    static const struct {
        unsigned char lengths;
        unsigned char transfers;
        uint32_t length;
        enum http_body_fault fault;
        bool old;
        unsigned status;
    } cases[] = {
        {0, 0, 0, BODY_FINE, false, 0},        {1, 0, 0, BODY_FINE, false, 0},
        {1, 0, 65536, BODY_FINE, false, 0},   {1, 0, 65537, BODY_FINE, false, 413},
        {1, 0, UINT32_MAX, BODY_FINE, false, 413},
        {1, 0, 65536, BODY_FINE, true, 0},    {2, 0, 5, BODY_FINE, false, 400},
        {0, 1, 0, BODY_FINE, false, 0},        {0, 2, 0, BODY_FINE, false, 400},
        {1, 1, 5, BODY_FINE, false, 400},     {1, 1, 0, BODY_FINE, false, 400},
        {0, 1, 0, BODY_FINE, true, 400},       {0, 1, 0, BODY_TOO_LARGE, false, 413},
        {0, 1, 0, BODY_NO_ROOM, false, 503},   {0, 1, 0, BODY_TRAILED, false, 400},
        {1, 0, 5, BODY_NO_ROOM, false, 503},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_content content = {.types_count = 1, .type = SLICE_LITERAL("application/json"),
                                       .lengths_count = cases[i].lengths,
                                       .length = cases[i].length,
                                       .transfers_count = cases[i].transfers};
        print_message("case %zu\n", i);
        assert_int_equal(
            content_status(METHOD_QUERY, ADMISSION_JSON_BODY, &content, cases[i].fault, !cases[i].old),
            cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_with_and_without_a_port_are_admitted),
        cmocka_unit_test(malformed_hosts_are_refused),
        cmocka_unit_test(a_loopback_address_answers_to_its_own_names_alone),
        cmocka_unit_test(names_of_the_setting_are_served_on_every_address),
        cmocka_unit_test(a_unix_socket_takes_any_host_and_none),
        cmocka_unit_test(the_host_before_admits_only_itself),
        cmocka_unit_test(lists_alone_take_bodies_and_by_two_methods_alone),
        cmocka_unit_test(the_type_of_a_body_is_json_whatever_its_parameters),
        cmocka_unit_test(the_end_of_a_body_is_beyond_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
