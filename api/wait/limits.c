/* Limits and metrics of waiting reads. */
#include "api/wait/limits.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "api/http/clients.h"
#include "core/base/time.h"

static const double seconds_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

struct wait_limits {
    struct clients *clients; /* owned; those that have a parked read */
    atomic_size_t parked;
    struct metrics_histogram seconds[WAIT_KINDS_COUNT][WAIT_OUTCOMES_COUNT];
};

enum sg_status wait_limits_create(struct wait_limits **out, struct sg_error *err)
{
    struct wait_limits *w = calloc(1, sizeof *w);
    struct clients *clients = clients_create();
    if (w == NULL || clients == NULL) {
        clients_destroy(clients);
        free(w);
        return sg_fail(err, SG_MEMORY, "out of memory for waiting reads");
    }
    w->clients = clients;
    for (size_t k = 0; k < WAIT_KINDS_COUNT; k++) {
        for (size_t o = 0; o < WAIT_OUTCOMES_COUNT; o++)
            metrics_histogram_init(&w->seconds[k][o], seconds_bounds, sizeof seconds_bounds / sizeof seconds_bounds[0]);
    }
    *out = w;
    return SG_OK;
}

void wait_limits_destroy(struct wait_limits *w)
{
    if (w == NULL)
        return;
    clients_destroy(w->clients);
    free(w);
}

bool wait_limits_take(struct wait_limits *w, const struct tunables *limits, const struct client_address *client,
                      struct wait_place *out)
{
    bool of_client = limits->parked_max_per_client < limits->parked_max;
    bool taken = atomic_fetch_add(&w->parked, 1) < limits->parked_max;
    if (taken && of_client)
        taken = clients_take(w->clients, client, limits->parked_max_per_client);
    if (!taken)
        atomic_fetch_sub(&w->parked, 1);
    else
        *out = (struct wait_place){.taken = true, .of_client = of_client};
    return taken;
}

void wait_limits_give(struct wait_limits *w, const struct client_address *client, struct wait_place *place,
                      enum wait_kind kind, enum wait_outcome outcome, int64_t waited_ns)
{
    atomic_fetch_sub(&w->parked, 1);
    metrics_histogram_add(&w->seconds[kind][outcome], (double)waited_ns / (double)NS_PER_S);
    if (place->of_client)
        clients_give(w->clients, client);
    *place = (struct wait_place){0};
}

size_t wait_limits_parked(const struct wait_limits *w)
{
    return atomic_load_explicit(&w->parked, memory_order_relaxed);
}

const struct metrics_histogram *wait_limits_seconds(const struct wait_limits *w, enum wait_kind kind,
                                                    enum wait_outcome outcome)
{
    return &w->seconds[kind][outcome];
}
