/* Prometheus text of histograms. */
#include "api/routes/metrics_text.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kind_names[WAIT_KINDS_COUNT] = {"version", "position", "staleness"};
static const char *const outcome_names[WAIT_OUTCOMES_COUNT] = {"met", "deadline", "refused", "gone", "stopped"};

static void render_sample(struct buffer *out, const char *name, const char *suffix, const char *labels,
                          const char *value)
{
    buffer_append_text(out, name);
    buffer_append_text(out, suffix);
    if (labels[0] != '\0') {
        buffer_append_text(out, "{");
        buffer_append_text(out, labels);
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, " ");
    buffer_append_text(out, value);
    buffer_append_text(out, "\n");
}

static void render_bucket(struct buffer *out, const char *name, const char *labels, const char *bound, uint64_t count)
{
    buffer_append_format(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, labels, labels[0] != '\0' ? "," : "",
                         bound, count);
}

void metrics_text_histogram(const struct metrics_histogram *h, const char *name, const char *labels,
                            struct buffer *out)
{
    char text[64];
    uint64_t count = 0;
    for (size_t i = 0; i <= h->bounds_count; i++) {
        count += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        if (i < h->bounds_count)
            (void)snprintf(text, sizeof text, "%.10g", h->bounds[i]);
        else
            (void)snprintf(text, sizeof text, "+Inf");
        render_bucket(out, name, labels, text, count);
    }
    uint64_t sum_nano = atomic_load_explicit(&h->sum_nano, memory_order_relaxed);
    (void)snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, sum_nano / 1000000000, sum_nano % 1000000000);
    render_sample(out, name, "_sum", labels, text);
    (void)snprintf(text, sizeof text, "%" PRIu64, count);
    render_sample(out, name, "_count", labels, text);
}

void metrics_text_waits(const struct wait_limits *w, struct buffer *out)
{
    buffer_append_format(out,
                         "# HELP stategate_waits_parked Reads that wait for their demands.\n"
                         "# TYPE stategate_waits_parked gauge\nstategate_waits_parked %zu\n"
                         "# HELP stategate_wait_seconds How long reads waited, by what for and how it ended.\n"
                         "# TYPE stategate_wait_seconds histogram\n",
                         wait_limits_parked(w));
    for (size_t k = 0; k < WAIT_KINDS_COUNT; k++) {
        for (size_t o = 0; o < WAIT_OUTCOMES_COUNT; o++) {
            char labels[64];
            (void)snprintf(labels, sizeof labels, "kind=\"%s\",outcome=\"%s\"", kind_names[k], outcome_names[o]);
            metrics_text_histogram(wait_limits_seconds(w, (enum wait_kind)k, (enum wait_outcome)o),
                                   "stategate_wait_seconds", labels, out);
        }
    }
}
