/* Deadlines. */
#include "api/http/deadlines.h"

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
