/* Limits and metrics of waiting reads. */
#include "api/wait/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/time.h"

#define CHAINS_COUNT 1024 /* clients of one sidecar are few */

static const double seconds_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
struct client {
    struct client *next;
    struct client_address address;
    size_t parked;
};

struct wait_limits {
    uint64_t seed; /* set by wait_limits_create(), then read-only */
    atomic_size_t parked;
    struct metrics_histogram seconds[WAIT_KINDS_COUNT][WAIT_OUTCOMES_COUNT];
    /* Guarded by mutex: clients that have a parked read. */
    pthread_mutex_t mutex;
    struct client *chains[CHAINS_COUNT];
};

enum sg_status wait_limits_create(struct wait_limits **out, struct sg_error *err)
{
    struct wait_limits *w = calloc(1, sizeof *w);
    if (w == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for waiting reads");
    (void)pthread_mutex_init(&w->mutex, NULL);
    w->seed = hash_seed();
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
    for (size_t i = 0; i < CHAINS_COUNT; i++) {
        while (w->chains[i] != NULL) {
            struct client *client = w->chains[i];
            w->chains[i] = client->next;
            free(client);
        }
    }
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}

/* What points at the client, or at the end of its chain. Called with the mutex held. */
static struct client **client_find(struct wait_limits *w, const struct client_address *address)
{
    uint64_t hash = hash_bytes(w->seed, (struct slice){(const char *)address->bytes, sizeof address->bytes});
    struct client **link = &w->chains[hash % CHAINS_COUNT];
    while (*link != NULL && memcmp(&(*link)->address, address, sizeof *address) != 0)
        link = &(*link)->next;
    return link;
}

static bool client_take(struct wait_limits *w, const struct client_address *address, size_t client_max)
{
    struct client **link = client_find(w, address);
    if (*link == NULL) {
        if (client_max == 0)
            return false; /* kept only while it has a parked read */
        *link = calloc(1, sizeof **link);
        if (*link == NULL)
            return false;
        (*link)->address = *address;
    }
    if ((*link)->parked >= client_max)
        return false;
    (*link)->parked++;
    return true;
}

static void client_give(struct wait_limits *w, const struct client_address *address)
{
    struct client **link = client_find(w, address);
    struct client *client = *link;
    if (client != NULL && --client->parked == 0) {
        *link = client->next;
        free(client);
    }
}

bool wait_limits_take(struct wait_limits *w, const struct tunables *limits, const struct client_address *client,
                      struct wait_place *out)
{
    bool of_client = limits->parked_max_per_client < limits->parked_max;
    bool taken = atomic_fetch_add(&w->parked, 1) < limits->parked_max;
    if (taken && of_client) {
        (void)pthread_mutex_lock(&w->mutex);
        taken = client_take(w, client, limits->parked_max_per_client);
        (void)pthread_mutex_unlock(&w->mutex);
    }
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
    if (place->of_client) {
        (void)pthread_mutex_lock(&w->mutex);
        client_give(w, client);
        (void)pthread_mutex_unlock(&w->mutex);
    }
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
