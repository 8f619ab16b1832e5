/* The states of a connection, and what ends them: deadlines of one fixed duration, in the order in which they end, in a
 * list where everything costs the same however many there are. Intrusive; one thread. */
#ifndef STATEGATE_API_HTTP_DEADLINES_H
#define STATEGATE_API_HTTP_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

/* A member of at most one list; zeroed = of none. */
struct deadline {
    struct deadline *previous;
    struct deadline *next;
    struct deadlines *list;
    int64_t at_ns;
};

struct deadlines {
    struct deadline *first; /* ends first */
    struct deadline *last;
    int64_t duration_ns;
};

/* From now on, and for those that are on the list as well: each counts from when it began. */
void deadlines_set_duration(struct deadlines *list, int64_t duration_ns);
/* Begin or begin again at now_ns, which never runs backwards. Leaves the list that it was on. */
void deadline_begin(struct deadlines *list, struct deadline *deadline, int64_t now_ns);
/* Leave the list; of none already: nothing happens. */
void deadline_end(struct deadline *deadline);
/* Take the first off the list if it is over, else NULL. */
struct deadline *deadlines_take(struct deadlines *list, int64_t now_ns);

/* ---- states ----
 *
 * Which may follow which. Pure.
 *
 *   accept         head is there, and its body          answer is taken
 *      `-----> READING -----------------> ANSWERING -----------------------> READING
 *                                          |   ^  |
 *                        not to be had yet |   |  | body is produced        last chunk is taken
 *                                          v   |  `----------> STREAMING -------------------> READING
 *                            PARKED or WORKING `- resumed
 *
 *   each -----> CLOSING, and there it ends
 *   READING or CLOSING -----> LINGERING, once the library has closed it, and there it ends
 *
 * A state has a deadline of its own (http_internal.h). PARKED and WORKING are suspended: the HTTP library does not look
 * at them. STREAMING is suspended while its producer has nothing yet. */
enum connection_state {
    CONNECTION_READING,   /* from the accept, or the end of the answer before, until the whole head is there; then anew
                             until the body is, if there is one */
    CONNECTION_ANSWERING, /* from there until the answer has been taken */
    CONNECTION_PARKED,    /* waits for what was demanded */
    CONNECTION_WORKING,   /* its answer is made by another thread */
    CONNECTION_STREAMING, /* its body is produced, chunk by chunk */
    CONNECTION_CLOSING,
    CONNECTION_LINGERING, /* the library has closed it; what its client still sends is thrown away */
};
#define CONNECTION_STATES_COUNT 7

bool connection_move_allowed(enum connection_state from, enum connection_state to);
/* Any other move is a bug, and ends the process. */
void connection_move(enum connection_state *state, enum connection_state to);

#endif
