/* stategate-feed: publishes lines of JSON to JetStream, and ends when the stream has acknowledged each of them. */
#include <nats/nats.h>
#include <stdio.h>

#include "core/base/time.h"
#include "core/base/status.h"
#include "feed/compose.h"
#include "feed/connection.h"
#include "feed/create.h"
#include "feed/lines.h"
#include "feed/options.h"
#include "feed/publisher.h"
#include "feed/report.h"
#include "feed/stop.h"

#define EXIT_ALL_STORED 0
#define EXIT_NOT_ALL_STORED 1
#define EXIT_USAGE 2

/* So many events that the stream did not take: the others will hardly fare better. */
#define FEED_FAILED_MAX 1000
/* A delay of more than this (a slow input) is not made up for by a burst. */
#define FEED_BEHIND_MAX_NS NS_PER_S
/* Signals and progress are looked at once in so many lines. */
#define FEED_LOOK_LINES 64
#define FEED_CLOSE_TIMEOUT_MS 5000

/* Everything that one run has; main thread. */
struct feed {
    const struct feed_options *options; /* borrowed */
    struct stop stop;
    struct report report;
    struct composer composer;
    struct lines *lines;         /* owned */
    natsConnection *nc;          /* owned */
    struct publisher *publisher; /* owned */
    uint64_t lines_seen;
    int64_t next_ns;             /* when the next event may go */
};

/* Wait for the next event's time. */
static void feed_pace(struct feed *feed)
{
    if (feed->options->rate == 0)
        return;
    int64_t interval_ns = NS_PER_S / (int64_t)feed->options->rate;
    int64_t now_ns = time_boot_ns();
    if (feed->next_ns == 0 || now_ns - feed->next_ns > FEED_BEHIND_MAX_NS)
        feed->next_ns = now_ns;
    while (now_ns < feed->next_ns && !stop_asked(&feed->stop)) {
        int64_t rest_ns = feed->next_ns - now_ns;
        int64_t look_ns = LINES_IDLE_MS * NS_PER_MS;
        (void)stop_wait(&feed->stop, -1, rest_ns < look_ns ? rest_ns : look_ns);
        publisher_tend(feed->publisher);
        now_ns = time_boot_ns();
    }
    feed->next_ns += interval_ns;
}

/* A line that is not sent is reported here. SG_INVALID, which concerns one line only, never comes back. */
static enum sg_status feed_line(struct feed *feed, struct slice line, uint64_t number, struct sg_error *err)
{
    struct outgoing message;
    enum sg_status status = compose(&feed->composer, line, &message, err);
    if (status == SG_OK) {
        feed_pace(feed);
        status = publisher_send(feed->publisher, &message, number, err);
    }
    if (status == SG_INVALID || status == SG_STOPPED)
        report_refused(&feed->report, number, status == SG_STOPPED ? "not sent: stopped" : err->message);
    return status == SG_INVALID ? SG_OK : status;
}

static enum sg_status feed_look(struct feed *feed, struct sg_error *err)
{
    struct publisher_totals totals;
    publisher_tend(feed->publisher);
    publisher_read_totals(feed->publisher, &totals);
    report_progress(&feed->report, &totals);
    if (stop_asked(&feed->stop))
        return sg_fail(err, SG_STOPPED, "stopped");
    if (totals.failed >= FEED_FAILED_MAX)
        return sg_fail(err, SG_UNAVAILABLE, "%d events were not stored: giving up", FEED_FAILED_MAX);
    return SG_OK;
}

/* Publish until the input ends (SG_OK), the user asks to stop (SG_STOPPED), or going on makes no sense. */
static enum sg_status feed_lines(struct feed *feed, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    while (status == SG_OK && feed->lines_seen < feed->options->limit) {
        struct slice line = {NULL, 0};
        uint64_t number = 0;
        enum lines_result result = lines_next(feed->lines, &feed->stop, &line, &number, err);
        if (result == LINES_END)
            return SG_OK;
        if (result == LINES_FAILED)
            return err->status;
        if (result == LINES_LINE)
            status = feed_line(feed, line, number, err);
        else if (result == LINES_TOO_LONG)
            report_refused(&feed->report, number, "longer than 12 MiB");
        if (result != LINES_IDLE)
            feed->lines_seen++;
        if (status == SG_OK && (result == LINES_IDLE || feed->lines_seen % FEED_LOOK_LINES == 0))
            status = feed_look(feed, err);
    }
    return status;
}

static enum sg_status feed_open(struct feed *feed, struct sg_error *err)
{
    enum sg_status status = stop_open(&feed->stop, err);
    /* First what needs no broker, so that a wrong file name is reported at once. */
    if (status == SG_OK && feed->options->mode != FEED_MODE_NONE)
        status = lines_open(feed->options->input, &feed->lines, err);
    if (status == SG_OK)
        status = connection_open(feed->options, &feed->nc, err);
    if (status == SG_OK)
        status = create_all(feed->nc, feed->options, err);
    if (status != SG_OK || feed->options->mode == FEED_MODE_NONE)
        return status;
    const struct publisher_settings settings = {
        .inflight = feed->options->inflight,
        .attempts = feed->options->attempts,
        .ack_timeout_ms = feed->options->ack_timeout_ms,
        .stop = &feed->stop,
        .failed = report_failed,
        .closure = &feed->report,
    };
    return publisher_create(feed->nc, &settings, &feed->publisher, err);
}

static void feed_close(struct feed *feed)
{
    publisher_destroy(feed->publisher);
    connection_close(feed->nc);
    lines_close(feed->lines);
    composer_free(&feed->composer);
    stop_close(&feed->stop);
}

/* True if everything that was read is stored. */
static bool feed_run(struct feed *feed)
{
    struct sg_error err = {.status = SG_OK};
    struct publisher_totals totals;
    enum sg_status status = feed_lines(feed, &err);
    bool interrupted = status == SG_STOPPED;
    publisher_finish(feed->publisher);
    publisher_read_totals(feed->publisher, &totals);
    if (status != SG_OK && !interrupted)
        report_error(&feed->report, err.message);
    bool all = report_end(&feed->report, &totals, interrupted, feed->options->json);
    return all && (status == SG_OK || interrupted);
}

static int run(const struct feed_options *options)
{
    struct feed feed = {.options = options, .stop = {.fd = -1}};
    struct sg_error err = {.status = SG_OK};
    bool all = true;
    report_begin(&feed.report);
    composer_init(&feed.composer, options);
    if (feed_open(&feed, &err) != SG_OK) {
        report_error(&feed.report, err.message);
        all = false;
    } else if (feed.publisher != NULL) {
        all = feed_run(&feed);
    }
    feed_close(&feed);
    (void)nats_CloseAndWait(FEED_CLOSE_TIMEOUT_MS);
    return all ? EXIT_ALL_STORED : EXIT_NOT_ALL_STORED;
}

int main(int argc, char **argv)
{
    struct feed_options options;
    struct sg_error err = {.status = SG_OK};
    int code = EXIT_USAGE;
    if (options_parse(argc, argv, &options, &err) != SG_OK) {
        (void)fprintf(stderr, "stategate-feed: %s\nTry --help.\n", err.message);
    } else if (options.help) {
        code = fputs(options_usage(), stdout) >= 0 && fflush(stdout) == 0 ? EXIT_ALL_STORED : EXIT_NOT_ALL_STORED;
    } else {
        code = run(&options);
    }
    options_free(&options);
    return code;
}
