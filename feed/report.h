/* What the user sees: progress and named lines on standard error, the result on standard output. */
#ifndef STATEGATE_FEED_REPORT_H
#define STATEGATE_FEED_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"
#include "feed/publisher.h"

#define REPORT_LINES_MAX 20     /* failed lines that are named; the others are only counted */
#define REPORT_INTERVAL_MS 200  /* between two states of the progress line */

/* Main thread only. */
struct report {
    bool terminal;        /* standard error is one: show progress */
    bool shown;           /* the cursor stands after a progress line */
    int64_t begin_ns;
    int64_t shown_ns;
    uint64_t refused;     /* lines that were never sent */
    uint64_t named;       /* of all that failed */
};

void report_begin(struct report *report);

/* A line that cannot be published, or was not stored. */
void report_refused(struct report *report, uint64_t line, const char *reason);
/* The same, for publisher_create(): `closure` is the report. */
void report_failed(void *closure, uint64_t line, const char *reason);

void report_error(struct report *report, const char *message);

/* Show progress, if it is time and there is a terminal. */
void report_progress(struct report *report, const struct publisher_totals *totals);

/* The final lines. True if everything that was read is stored; false too if the result could not be written. */
bool report_end(struct report *report, const struct publisher_totals *totals, bool interrupted, bool json);

#endif
