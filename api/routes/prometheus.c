/* The text format of Prometheus. */
#include "api/routes/prometheus.h"

#include <inttypes.h>
#include <stdio.h>

void prometheus_family(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prometheus_label(char out[PROMETHEUS_LABEL_BYTES], const char *name, const char *value)
{
    size_t used = (size_t)snprintf(out, PROMETHEUS_LABEL_BYTES, "%s=\"", name);
    for (; *value != '\0' && used + 4 < PROMETHEUS_LABEL_BYTES; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            out[used++] = '\\';
        out[used++] = *value == '\n' ? 'n' : *value;
    }
    out[used++] = '"';
    out[used] = '\0';
}

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

void prometheus_histogram(struct buffer *out, const struct metrics_histogram *h, const char *name, const char *labels)
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
    uint64_t whole = 0;
    uint64_t nano = 0;
    metrics_histogram_sum(h, &whole, &nano);
    (void)snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, whole, nano);
    render_sample(out, name, "_sum", labels, text);
    (void)snprintf(text, sizeof text, "%" PRIu64, count);
    render_sample(out, name, "_count", labels, text);
}
