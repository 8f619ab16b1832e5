/* Content codings: which one a client prefers, what is encoded at all, and that it can be decoded again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "api/http/encode.h"

static struct http_line line_of(const char *text)
{
    return text != NULL ? (struct http_line){1, slice_of(text)} : (struct http_line){0};
}

static void the_preferred_coding_is_chosen(void **state)
{
    static const struct {
        const char *accept;
        enum encoding encoding;
        bool refused;
    } cases[] = {
        {NULL, ENCODING_IDENTITY, false},
        {"", ENCODING_IDENTITY, false},
        {"gzip", ENCODING_GZIP, false},
        {"zstd", ENCODING_ZSTD, false},
        {"x-gzip", ENCODING_GZIP, false},
        {"GZIP", ENCODING_GZIP, false},
        {"gzip, zstd", ENCODING_ZSTD, false},
        {"gzip, deflate, br", ENCODING_GZIP, false},
        {"gzip, deflate, br, zstd", ENCODING_ZSTD, false},
        {"br, deflate", ENCODING_IDENTITY, false},
        {"gzip;q=1.0, zstd;q=0.9", ENCODING_GZIP, false},
        {"gzip;q=0.001, zstd;q=0.002", ENCODING_ZSTD, false},
        {"gzip;q=0", ENCODING_IDENTITY, false},
        {"gzip;q=0.000", ENCODING_IDENTITY, false},
        {"*", ENCODING_ZSTD, false},
        {"zstd;q=0, *", ENCODING_GZIP, false},
        {"gzip;q=0.5, *;q=0.1", ENCODING_GZIP, false},
        {"*;q=0", ENCODING_IDENTITY, true},
        {"identity;q=0", ENCODING_IDENTITY, true},
        {"identity;q=0, gzip", ENCODING_GZIP, true},
        {"gzip, *;q=0", ENCODING_GZIP, true},
        {"identity;q=0.5, *;q=0", ENCODING_IDENTITY, false},
        {"identity, gzip;q=0.5", ENCODING_IDENTITY, false},
        {"identity;q=0.5, gzip;q=0.5", ENCODING_GZIP, false},
        {"gzip\t;\tq=0.5 , zstd ; Q=0.4", ENCODING_GZIP, false},
        {",,gzip,", ENCODING_GZIP, false},
        {"gzip;q=2", ENCODING_IDENTITY, false},
        {"gzip;q=1.001", ENCODING_IDENTITY, false},
        {"gzip;q=0.1234", ENCODING_IDENTITY, false},
        {"gzip;q=", ENCODING_IDENTITY, false},
        {"gzip;q", ENCODING_IDENTITY, false},
        {"gzip;", ENCODING_IDENTITY, false},
        {"gzip;q=.5", ENCODING_IDENTITY, false},
        {"gzip;q=-1", ENCODING_IDENTITY, false},
        {"gzip;q=1x", ENCODING_IDENTITY, false},
        {"gzipx", ENCODING_IDENTITY, false},
        {"gzip zstd", ENCODING_IDENTITY, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_line line = line_of(cases[i].accept);
        struct encoding_choice choice = encode_choose(&line);
        print_message("%s\n", cases[i].accept != NULL ? cases[i].accept : "none");
        assert_int_equal(choice.encoding, cases[i].encoding);
        assert_int_equal(choice.identity_refused, cases[i].refused);
    }
    struct http_line two = {2, SLICE_LITERAL("gzip")};
    assert_int_equal(encode_choose(&two).encoding, ENCODING_IDENTITY);
}

static char *text_of(size_t bytes)
{
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    for (size_t i = 0; i < bytes; i++)
        text[i] = "{\"id\":\"c-0\",\"version\":1}"[(i + i / 97) % 24];
    return text;
}

static const char *header_of(const struct response *r, const char *name)
{
    for (size_t i = 0; i < r->headers_count; i++) {
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    }
    return NULL;
}

/* The body once it is decoded, which must be this text. */
static void assert_decoded(const struct response *r, const char *text, size_t bytes)
{
    const char *coding = header_of(r, "Content-Encoding");
    char *out = malloc(bytes + 1);
    assert_non_null(out);
    size_t got = 0;
    if (coding == NULL) {
        got = r->body_bytes;
        memcpy(out, r->body, got < bytes ? got : bytes);
    } else if (strcmp(coding, "zstd") == 0) {
        got = ZSTD_decompress(out, bytes + 1, r->body, r->body_bytes);
    } else {
        z_stream stream = {.next_in = (Bytef *)(uintptr_t)r->body, .avail_in = (uInt)r->body_bytes,
                           .next_out = (Bytef *)out, .avail_out = (uInt)(bytes + 1)};
        assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        got = stream.total_out;
        (void)inflateEnd(&stream);
    }
    assert_int_equal(got, bytes);
    assert_memory_equal(out, text, bytes);
    free(out);
}

static void what_is_encoded_is_decoded_to_the_same(void **state)
{
    static const char *const accepts[] = {"gzip", "zstd"};
    static const size_t sizes[] = {ENCODE_BYTES_MIN, 5000, ENCODE_LOOP_BYTES_MAX, 8u << 20};
    (void)state;
    for (size_t a = 0; a < 2; a++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct response r;
            struct http_line line = line_of(accepts[a]);
            char *text = text_of(sizes[i]);
            response_init(&r);
            response_body_copy(&r, text, sizes[i]);
            assert_int_equal(encode_answer(&r, &line, false), SG_OK);
            assert_string_equal(header_of(&r, "Content-Encoding"), accepts[a]);
            assert_string_equal(header_of(&r, "Vary"), "Accept-Encoding");
            assert_true(r.body_bytes < sizes[i]);
            assert_decoded(&r, text, sizes[i]);
            response_free(&r);
            free(text);
        }
    }
}

static void small_bodies_are_sent_as_they_are_unless_that_is_refused(void **state)
{
    struct response r;
    struct http_line gzip = line_of("gzip");
    struct http_line must = line_of("gzip, identity;q=0");
    char *text = text_of(ENCODE_BYTES_MIN);
    (void)state;
    response_init(&r);
    response_body_copy(&r, text, ENCODE_BYTES_MIN - 1);
    assert_int_equal(encode_answer(&r, &gzip, true), SG_OK);
    assert_null(header_of(&r, "Content-Encoding"));
    assert_string_equal(header_of(&r, "Vary"), "Accept-Encoding");
    assert_int_equal(encode_answer(&r, &must, true), SG_OK);
    assert_string_equal(header_of(&r, "Content-Encoding"), "gzip");
    assert_decoded(&r, text, ENCODE_BYTES_MIN - 1);
    response_free(&r);
    response_init(&r); /* a 304 */
    assert_int_equal(encode_answer(&r, &gzip, true), SG_OK);
    assert_null(header_of(&r, "Content-Encoding"));
    assert_string_equal(header_of(&r, "Vary"), "Accept-Encoding");
    response_free(&r);
    free(text);
}

static void what_would_be_larger_stays_as_it_is(void **state)
{
    struct response r;
    struct http_line line = line_of("gzip");
    char noise[2048];
    uint64_t random = 88172645463325252u;
    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        noise[i] = (char)random;
    }
    response_init(&r);
    response_body_copy(&r, noise, sizeof noise);
    assert_int_equal(encode_answer(&r, &line, true), SG_OK);
    assert_null(header_of(&r, "Content-Encoding"));
    assert_decoded(&r, noise, sizeof noise);
    response_free(&r);
}

static void what_is_large_is_no_matter_of_a_loop(void **state)
{
    struct response r;
    struct http_line gzip = line_of("gzip");
    struct http_line none = line_of(NULL);
    char *text = text_of(ENCODE_LOOP_BYTES_MAX + 1);
    (void)state;
    response_init(&r);
    response_body_static(&r, text, ENCODE_LOOP_BYTES_MAX + 1);
    assert_int_equal(encode_answer(&r, &none, true), SG_OK);
    assert_int_equal(encode_answer(&r, &gzip, true), SG_STOPPED);
    assert_ptr_equal(r.body, text);
    assert_int_equal(encode_answer(&r, &gzip, false), SG_OK);
    assert_decoded(&r, text, ENCODE_LOOP_BYTES_MAX + 1);
    response_free(&r);
    response_init(&r);
    response_body_static(&r, text, ENCODE_LOOP_BYTES_MAX);
    assert_int_equal(encode_answer(&r, &gzip, true), SG_OK);
    assert_string_equal(header_of(&r, "Content-Encoding"), "gzip");
    response_free(&r);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_preferred_coding_is_chosen),
        cmocka_unit_test(what_is_encoded_is_decoded_to_the_same),
        cmocka_unit_test(small_bodies_are_sent_as_they_are_unless_that_is_refused),
        cmocka_unit_test(what_would_be_larger_stays_as_it_is),
        cmocka_unit_test(what_is_large_is_no_matter_of_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
