/* The reading side: HTTP loops that answer from the store. Composition (server/) creates and stops it; it knows
 * nothing of the broker. */
#ifndef STATEGATE_API_API_H
#define STATEGATE_API_API_H

#include "core/progress/freshness.h"
#include "core/progress/metrics.h"
#include "core/progress/progress.h"
#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "core/base/status.h"

struct api;

/* What the reading side needs; all borrowed, and outlive the api. */
struct api_context {
    const struct settings *settings;
    const struct rows_hash *rows; /* of each stream, in the order of the settings */
    const struct tunables_now *tunables;
    struct commit_clock *shared;
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
};

/* Open the readers, bind the addresses and start the loops. The database exists already (store_open). On success
 * requests are answered until api_stop.
 * Errors: SG_INVALID (an address that cannot be bound, named), SG_STORAGE, SG_MEMORY. */
SG_MUST_CHECK enum sg_status api_start(const struct api_context *context, struct api **out, struct sg_error *err);

/* How many descriptors it opens at most, connections on the first address aside. Any thread, pure. */
size_t api_descriptors(const struct settings *settings);

/* The addresses really bound, for the log and for tests that ask for port 0: "127.0.0.1:41234". "" = none. */
const char *api_address(const struct api *api);
const char *api_ops_address(const struct api *api);

/* From now on /readyz says no; all else is answered as before. Any thread. */
void api_set_unready(struct api *api);

/* Not ready; refuse new connections, finish the requests at hand (for `drain_ms` at most, and as long as a job that has
 * begun takes), stop the loops, close the readers, free. Reads that wait are answered at once.
 * Blocks. NULL is allowed. */
void api_stop(struct api *api, int64_t drain_ms);

#endif
