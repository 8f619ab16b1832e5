/* api/routes/prometheus: histograms as Prometheus reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/routes/prometheus.h"

static const double bounds[] = {0.001, 0.5, 10};

static char *render(const struct metrics_histogram *h, const char *labels)
{
    static char text[1024];
    struct buffer out;
    buffer_init(&out, sizeof text - 1);
    prometheus_histogram(&out, h, "x_seconds", labels);
    assert_false(out.failed);
    memcpy(text, out.data, out.bytes);
    text[out.bytes] = '\0';
    buffer_free(&out);
    return text;
}

static void buckets_are_cumulative_and_include_their_bound(void **state)
{
    struct metrics_histogram h;
    (void)state;
    metrics_histogram_init(&h, bounds, 3);
    metrics_histogram_add(&h, 0.001);
    metrics_histogram_add(&h, 0.0010001);
    metrics_histogram_add(&h, 10);
    metrics_histogram_add(&h, 10.5);
    assert_string_equal(render(&h, ""), "x_seconds_bucket{le=\"0.001\"} 1\n"
                                        "x_seconds_bucket{le=\"0.5\"} 2\n"
                                        "x_seconds_bucket{le=\"10\"} 3\n"
                                        "x_seconds_bucket{le=\"+Inf\"} 4\n"
                                        "x_seconds_sum 20.502000100\n"
                                        "x_seconds_count 4\n");
}

static void labels_stand_on_every_line(void **state)
{
    struct metrics_histogram h;
    (void)state;
    metrics_histogram_init(&h, bounds, 1);
    assert_string_equal(render(&h, "stream=\"A\""), "x_seconds_bucket{stream=\"A\",le=\"0.001\"} 0\n"
                                                    "x_seconds_bucket{stream=\"A\",le=\"+Inf\"} 0\n"
                                                    "x_seconds_sum{stream=\"A\"} 0.000000000\n"
                                                    "x_seconds_count{stream=\"A\"} 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_cumulative_and_include_their_bound),
        cmocka_unit_test(labels_stand_on_every_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
