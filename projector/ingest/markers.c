/* Delete markers that expire: a table by entity. One that does not count any more keeps its place until the table is
 * made anew, so that others are found behind it. */
#include "projector/ingest/markers.h"

#include <stdlib.h>

#include "core/base/hash.h"

#define SLOTS (2 * MARKERS_MAX)
#define SLOTS_USED_MAX (SLOTS - MARKERS_MAX / 2) /* then it is made anew: after MARKERS_MAX / 2 more at the soonest */

static struct marker *slot(struct marker *items, uint64_t hash)
{
    size_t at = hash % SLOTS;
    while (items[at].hash != 0 && items[at].hash != hash)
        at = (at + 1) % SLOTS;
    return &items[at];
}

static uint64_t entity_hash(const struct markers *markers, struct slice collection, struct slice id)
{
    uint64_t hash = hash_bytes(hash_bytes(hash_bytes(markers->seed, collection), SLICE_LITERAL("/")), id);
    return hash != 0 ? hash : 1;
}

/* Without those that do not count. False: no memory. */
static bool make_anew(struct markers *markers)
{
    struct marker *items = calloc(SLOTS, sizeof items[0]);
    if (items == NULL)
        return false;
    for (size_t i = 0; markers->items != NULL && i < SLOTS; i++) {
        if (markers->items[i].time_ns != 0)
            *slot(items, markers->items[i].hash) = markers->items[i];
    }
    free(markers->items);
    markers->items = items;
    markers->used = markers->count;
    return true;
}

void markers_add(struct markers *markers, struct slice collection, struct slice id, int64_t time_ns, int64_t expires_ns)
{
    if (markers->seed == 0)
        markers->seed = hash_seed();
    if ((markers->items == NULL || markers->used == SLOTS_USED_MAX) && !make_anew(markers))
        return;
    uint64_t hash = entity_hash(markers, collection, id);
    struct marker *marker = slot(markers->items, hash);
    if (marker->time_ns == 0) {
        if (markers->count == MARKERS_MAX)
            return;
        markers->count++;
        markers->used += marker->hash == 0 ? 1 : 0;
    }
    markers->expiring = markers->expiring || expires_ns > 0;
    *marker = (struct marker){hash, time_ns, expires_ns};
}

void markers_remove(struct markers *markers, struct slice collection, struct slice id)
{
    if (markers->count == 0)
        return;
    struct marker *marker = slot(markers->items, entity_hash(markers, collection, id));
    markers->count -= marker->time_ns != 0 ? 1 : 0;
    marker->time_ns = 0; /* a free one stays free */
}

static bool is_due(const struct marker *marker, int64_t now_ns, int64_t max_age_ns)
{
    bool expired = marker->expires_ns > 0 && marker->expires_ns <= now_ns;
    bool aged = max_age_ns > 0 && now_ns - marker->time_ns >= max_age_ns;
    return marker->time_ns != 0 && (expired || aged);
}

bool markers_is_due(const struct markers *markers, struct slice collection, struct slice id, int64_t now_ns,
                    int64_t max_age_ns)
{
    return markers->count > 0 &&
           is_due(slot(markers->items, entity_hash(markers, collection, id)), now_ns, max_age_ns);
}

uint64_t markers_due(const struct markers *markers, int64_t now_ns, int64_t max_age_ns)
{
    uint64_t due = 0;
    if (max_age_ns <= 0 && !markers->expiring)
        return 0;
    for (size_t i = 0; markers->count > 0 && i < SLOTS; i++)
        due += is_due(&markers->items[i], now_ns, max_age_ns) ? 1 : 0;
    return due;
}

void markers_free(struct markers *markers)
{
    free(markers->items);
    *markers = (struct markers){0};
}
