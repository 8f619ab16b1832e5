/* Deadlines. */
#include "api/http/deadlines.h"

#include <assert.h>
#include <stddef.h>

void deadlines_set_duration(struct deadlines *list, int64_t duration_ns)
{
    int64_t more_ns = duration_ns - list->duration_ns;
    if (more_ns == 0)
        return;
    list->duration_ns = duration_ns;
    for (struct deadline *d = list->first; d != NULL; d = d->next)
        d->at_ns += more_ns;
}

void deadline_begin(struct deadlines *list, struct deadline *deadline, int64_t now_ns)
{
    deadline_end(deadline);
    deadline->list = list;
    deadline->at_ns = now_ns + list->duration_ns;
    deadline->previous = list->last;
    if (list->last != NULL)
        list->last->next = deadline;
    else
        list->first = deadline;
    list->last = deadline;
}

void deadline_end(struct deadline *deadline)
{
    struct deadlines *list = deadline->list;
    if (list == NULL)
        return;
    if (deadline->previous != NULL)
        deadline->previous->next = deadline->next;
    else
        list->first = deadline->next;
    if (deadline->next != NULL)
        deadline->next->previous = deadline->previous;
    else
        list->last = deadline->previous;
    deadline->list = NULL;
    deadline->previous = NULL;
    deadline->next = NULL;
}

struct deadline *deadlines_take(struct deadlines *list, int64_t now_ns)
{
    struct deadline *first = list->first;
    if (first == NULL || first->at_ns > now_ns)
        return NULL;
    deadline_end(first);
    return first;
}

/* ---- states ---- */

#define TO(state) (1u << CONNECTION_##state)

static const unsigned moves[CONNECTION_STATES_COUNT] = {
    [CONNECTION_READING] = TO(ANSWERING) | TO(CLOSING) | TO(LINGERING),
    [CONNECTION_ANSWERING] = TO(READING) | TO(PARKED) | TO(WORKING) | TO(STREAMING) | TO(CLOSING),
    [CONNECTION_PARKED] = TO(ANSWERING) | TO(CLOSING),
    [CONNECTION_WORKING] = TO(ANSWERING) | TO(CLOSING),
    [CONNECTION_STREAMING] = TO(READING) | TO(CLOSING),
    [CONNECTION_CLOSING] = TO(LINGERING),
    [CONNECTION_LINGERING] = 0,
};

bool connection_move_allowed(enum connection_state from, enum connection_state to)
{
    return (moves[from] >> to & 1) != 0;
}

void connection_move(enum connection_state *state, enum connection_state to)
{
    assert(connection_move_allowed(*state, to));
    *state = to;
}
