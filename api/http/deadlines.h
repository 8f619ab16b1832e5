/* Deadlines of one fixed duration, in the order in which they end: a list, where everything costs the same however many
 * there are. Intrusive; one thread. */
#ifndef STATEGATE_API_HTTP_DEADLINES_H
#define STATEGATE_API_HTTP_DEADLINES_H

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

#endif
