/* A queue whose clients take turns: whoever has queued a thousand waits behind who has queued one. Not synchronised:
 * its owner has a lock. */
#ifndef STATEGATE_API_WAIT_TURNS_H
#define STATEGATE_API_WAIT_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/http/head.h"
#include "core/base/status.h"

/* Clients that are looked at to find the one with the most, where there is no room: so many take some microseconds. */
#define TURNS_LOOKED_AT_MAX 1024

struct turns;
struct turns_list;

/* Part of what is queued; zeroed at first. */
struct turns_entry {
    struct turns_list *list; /* NULL = it is not queued */
    struct turns_entry *previous;
    struct turns_entry *next;
};

SG_MUST_CHECK enum sg_status turns_create(struct turns **out, struct sg_error *err);
/* Nothing is queued any more. NULL is allowed. */
void turns_destroy(struct turns *t);

/* Behind all others of this client. False: no memory. */
SG_MUST_CHECK bool turns_put(struct turns *t, struct turns_entry *entry, const struct client_address *client);
/* Behind those that were put first before, and ahead of everybody else. */
void turns_put_first(struct turns *t, struct turns_entry *entry);
/* The next one: of those that were put first, or the oldest of the client whose turn it is. NULL = there is none. */
struct turns_entry *turns_take(struct turns *t);
void turns_remove(struct turns *t, struct turns_entry *entry);

/* All; and those that were not put first. */
size_t turns_count(const struct turns *t);
size_t turns_count_clients(const struct turns *t);
/* The newest entry of a client that has at least two more than this one, so that the two become fairer if it leaves:
 * where there are many clients, of the one with the most of those whose turn comes next. NULL = there is none. */
struct turns_entry *turns_unfair(struct turns *t, const struct client_address *client);

#endif
