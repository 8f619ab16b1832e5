/* Progress and result. */
#include "feed/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/buffer.h"
#include "core/base/time.h"

#define REPORT_JSON_BYTES_MAX 4096

void report_begin(struct report *report)
{
    *report = (struct report){.terminal = isatty(STDERR_FILENO) == 1, .begin_ns = time_boot_ns()};
}

/* Take the progress line away, so that something else can stand there. */
static void report_clear(struct report *report)
{
    if (report->shown)
        (void)fputs("\r\033[K", stderr);
    report->shown = false;
}

void report_failed(void *closure, uint64_t line, const char *reason)
{
    struct report *report = closure;
    report->named++;
    if (report->named > REPORT_LINES_MAX + 1)
        return;
    report_clear(report);
    if (report->named <= REPORT_LINES_MAX)
        (void)fprintf(stderr, "stategate-feed: line %" PRIu64 ": %s\n", line, reason);
    else
        (void)fprintf(stderr, "stategate-feed: further lines that fail are only counted\n");
}

void report_refused(struct report *report, uint64_t line, const char *reason)
{
    report->refused++;
    report_failed(report, line, reason);
}

void report_error(struct report *report, const char *message)
{
    report_clear(report);
    (void)fprintf(stderr, "stategate-feed: %s\n", message);
}

static double seconds_since(int64_t begin_ns, int64_t now_ns)
{
    return (double)(now_ns - begin_ns) / (double)NS_PER_S;
}

void report_progress(struct report *report, const struct publisher_totals *totals)
{
    int64_t now_ns = time_boot_ns();
    if (!report->terminal || now_ns - report->shown_ns < REPORT_INTERVAL_MS * NS_PER_MS)
        return;
    double seconds = seconds_since(report->begin_ns, now_ns);
    report->shown_ns = now_ns;
    report->shown = true;
    (void)fprintf(stderr, "\r\033[K%" PRIu64 " published, %.0f/s", totals->acknowledged,
                  seconds > 0 ? (double)totals->acknowledged / seconds : 0);
}

static void report_text(const struct publisher_totals *totals, uint64_t failed, bool interrupted)
{
    (void)printf("published %" PRIu64 " event%s", totals->acknowledged, totals->acknowledged == 1 ? "" : "s");
    if (totals->stream[0] != '\0')
        (void)printf(", last sequence %" PRIu64, totals->last_sequence);
    if (totals->duplicates > 0)
        (void)printf(", %" PRIu64 " of them the stream had already", totals->duplicates);
    if (failed > 0)
        (void)printf(", %" PRIu64 " lines failed", failed);
    if (totals->uncertain > 0)
        (void)printf(", %" PRIu64 " sent again after no answer and perhaps stored twice", totals->uncertain);
    (void)printf("%s\n", interrupted ? ", interrupted" : "");
}

static void report_json(const struct publisher_totals *totals, uint64_t failed, bool interrupted, double seconds)
{
    struct buffer out;
    buffer_init(&out, REPORT_JSON_BYTES_MAX);
    buffer_append_format(&out, "{\"published\":%" PRIu64 ",\"stream\":", totals->acknowledged);
    if (totals->stream[0] != '\0') {
        buffer_append_json_string(&out, slice_of(totals->stream));
        buffer_append_format(&out, ",\"last_sequence\":%" PRIu64, totals->last_sequence);
    } else {
        buffer_append_text(&out, "null,\"last_sequence\":null");
    }
    buffer_append_format(&out, ",\"duplicates\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"uncertain\":%" PRIu64,
                         totals->duplicates, failed, totals->uncertain);
    buffer_append_format(&out, ",\"interrupted\":%s,\"seconds\":%.3f}", interrupted ? "true" : "false", seconds);
    if (!out.failed)
        (void)printf("%.*s\n", (int)out.bytes, out.data);
    buffer_free(&out);
}

bool report_end(struct report *report, const struct publisher_totals *totals, bool interrupted, bool json)
{
    uint64_t failed = totals->failed + report->refused;
    report_clear(report);
    if (json)
        report_json(totals, failed, interrupted, seconds_since(report->begin_ns, time_boot_ns()));
    else
        report_text(totals, failed, interrupted);
    return fflush(stdout) == 0 && ferror(stdout) == 0 && failed == 0;
}
