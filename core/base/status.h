/* Results and errors: one enum for every fallible function, and one sentence that says what went wrong. */
#ifndef STATEGATE_CORE_BASE_STATUS_H
#define STATEGATE_CORE_BASE_STATUS_H

#include <stddef.h>

#define SG_MUST_CHECK __attribute__((warn_unused_result))
#define SG_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))

/* A caller picks one of three answers: retry, tell the client, or stop the process. */
enum sg_status {
    SG_OK = 0,
    SG_INVALID,      /* bad input, or a foreign schema: do not retry */
    SG_NOT_FOUND,    /* the thing asked for does not exist */
    SG_UNAVAILABLE,  /* the broker cannot be reached or did not answer: retry with backoff */
    SG_DENIED,       /* the broker refuses rights or credentials: retry with backoff, a person must act */
    SG_STORAGE,      /* an I/O error of the database: retry with backoff */
    SG_FULL,         /* the disk or the configured size is full: retry with backoff */
    SG_CORRUPT,      /* the database file is damaged */
    SG_LOCKED,       /* another process owns the database */
    SG_MEMORY,       /* an allocation failed */
    SG_STOPPED       /* the process is stopping, or nobody waits for the result any more */
};

/* The first failure's status and one sentence for people, without a final full stop. */
struct sg_error {
    enum sg_status status;
    char message[384];
};

/* A stable lower-case word for logs: "ok", "unavailable", ... Any thread. */
const char *sg_status_name(enum sg_status status);

/* Fill `err` (may be NULL) and return `status`, so that a failing function ends in one statement. Any thread. */
enum sg_status sg_fail(struct sg_error *err, enum sg_status status, const char *format, ...) SG_PRINTF(3, 4);

#endif
