/* Parking a loop's requests, checking them once more, and waking them: between the HTTP loop and the lot. All of it on
 * the loop's own thread. */
#ifndef STATEGATE_API_WAKEUPS_H
#define STATEGATE_API_WAKEUPS_H

#include "api/http/http.h"

struct request;
struct worker;

/* As struct http_handler says of each. */
bool wakeups_park(struct worker *worker, struct request *request);
void wakeups_forget(struct worker *worker, struct request *request);
void wakeups_iteration_end(struct worker *worker, http_resume *resume);
void wakeups_wake(struct worker *worker, bool woken, bool all, http_resume *resume);

#endif
