/* A semaphore that never counts beyond one. Unlike a condition variable it needs no mutex, which the thread that was
 * woken would find still taken: two futex calls a wake instead of up to five. */
#include "core/base/notifier.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/time.h"

struct notifier {
    atomic_bool notified; /* the semaphore was posted, and the waiting thread has not looked since */
    sem_t posted;
};

/* Deadlines are on the boot clock, but semaphores know only the monotonic one: wait in short steps against it, and
 * decide by the boot clock. The two differ only across a suspend. */
#define STEP_NS (1 * NS_PER_S)

enum sg_status notifier_create(struct notifier **out, struct sg_error *err)
{
    struct notifier *n = calloc(1, sizeof *n);
    if (n == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for waking a thread");
    (void)sem_init(&n->posted, 0, 0); /* fails only for a value that is too large */
    *out = n;
    return SG_OK;
}

void notifier_destroy(struct notifier *n)
{
    if (n == NULL)
        return;
    (void)sem_destroy(&n->posted);
    free(n);
}

void notifier_notify(struct notifier *n)
{
    if (!atomic_exchange(&n->notified, true))
        (void)sem_post(&n->posted);
}

/* True when the semaphore was taken. */
static bool wait_step(struct notifier *n, int64_t step_ns)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = (int64_t)until.tv_nsec + step_ns;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    return sem_clockwait(&n->posted, CLOCK_MONOTONIC, &until) == 0;
}

void notifier_wait(struct notifier *n, int64_t deadline_ns)
{
    bool taken = sem_trywait(&n->posted) == 0;
    while (!taken) {
        int64_t left_ns = deadline_ns - time_boot_ns();
        if (left_ns <= 0)
            return;
        taken = wait_step(n, left_ns < STEP_NS ? left_ns : STEP_NS);
    }
    /* An exchange, not a store: who notifies from here on posts again, and what the others did is seen. */
    (void)atomic_exchange(&n->notified, false);
}
