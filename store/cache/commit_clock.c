/* The clock, and what is served as of the last commit. */
#include "store/cache/commit_clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/time.h"

enum sg_status commit_clock_create(int64_t cache_bytes, struct commit_clock **out, struct sg_error *err)
{
    struct commit_clock *shared = calloc(1, sizeof *shared);
    enum sg_status status = SG_OK;
    if (shared == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    atomic_init(&shared->clock, 1); /* nothing is published yet */
    (void)pthread_mutex_init(&shared->mutex, NULL);
    if (cache_bytes > 0)
        status = row_cache_create(cache_bytes, &shared->cache, err);
    if (status != SG_OK) {
        commit_clock_destroy(shared);
        return status;
    }
    *out = shared;
    return SG_OK;
}

void commit_clock_destroy(struct commit_clock *shared)
{
    if (shared == NULL)
        return;
    row_cache_destroy(shared->cache);
    (void)pthread_mutex_destroy(&shared->mutex);
    free(shared->served.streams);
    free(shared);
}

void commit_clock_cache_facts(struct commit_clock *shared, struct row_cache_facts *out)
{
    *out = (struct row_cache_facts){0};
    if (shared->cache != NULL)
        row_cache_facts(shared->cache, out);
}

uint64_t commit_clock_stable(const struct commit_clock *shared)
{
    uint64_t now = shared != NULL ? atomic_load(&shared->clock) : 1;
    return now % 2 == 0 ? now : 0;
}

void commit_clock_begin(struct commit_clock *shared)
{
    if (shared != NULL && atomic_load_explicit(&shared->clock, memory_order_relaxed) % 2 == 0)
        atomic_fetch_add(&shared->clock, 1);
}

void commit_clock_end(struct commit_clock *shared)
{
    if (shared != NULL && atomic_load_explicit(&shared->clock, memory_order_relaxed) % 2 == 1)
        atomic_fetch_add(&shared->clock, 1);
}

void commit_clock_want_restart(struct commit_clock *shared, bool wanted)
{
    if (shared != NULL)
        atomic_store(&shared->restart_wanted_ns, wanted ? time_boot_ns() : 0);
}

bool commit_clock_restart_wanted(const struct commit_clock *shared)
{
    int64_t wanted_ns = shared != NULL ? atomic_load(&shared->restart_wanted_ns) : 0;
    return wanted_ns != 0 && time_boot_ns() - wanted_ns < COMMIT_CLOCK_RESTART_MS * NS_PER_MS;
}

static bool reserve(struct store_served *served, size_t count)
{
    if (served->capacity >= count)
        return true;
    struct stream *grown = reallocarray(served->streams, count, sizeof *grown);
    if (grown == NULL)
        return false;
    served->streams = grown;
    served->capacity = count;
    return true;
}

static void copy(struct store_served *to, const struct store_served *from)
{
    assert(from->count <= to->capacity);
    if (from->count > 0)
        memcpy(to->streams, from->streams, from->count * sizeof *from->streams);
    to->count = from->count;
}

enum sg_status commit_clock_reserve(struct commit_clock *shared, size_t count, struct sg_error *err)
{
    (void)pthread_mutex_lock(&shared->mutex);
    bool room = reserve(&shared->served, count);
    (void)pthread_mutex_unlock(&shared->mutex);
    return room ? SG_OK : sg_fail(err, SG_MEMORY, "out of memory for %zu streams", count);
}

void commit_clock_publish(struct commit_clock *shared, const struct store_served *served)
{
    if (shared == NULL)
        return;
    (void)pthread_mutex_lock(&shared->mutex);
    copy(&shared->served, served);
    (void)pthread_mutex_unlock(&shared->mutex);
}

void commit_clock_publish_position(struct commit_clock *shared, int64_t stream_id, uint64_t position, uint64_t settled)
{
    if (shared == NULL)
        return;
    (void)pthread_mutex_lock(&shared->mutex);
    for (size_t i = 0; i < shared->served.count; i++) {
        struct stream *stream = &shared->served.streams[i];
        if (stream->id != stream_id)
            continue;
        stream->position = position;
        stream->settled = settled;
    }
    (void)pthread_mutex_unlock(&shared->mutex);
}

bool commit_clock_copy(struct commit_clock *shared, uint64_t stable, struct store_served *out)
{
    (void)pthread_mutex_lock(&shared->mutex);
    bool same = commit_clock_stable(shared) == stable && reserve(out, shared->served.count);
    if (same)
        copy(out, &shared->served);
    (void)pthread_mutex_unlock(&shared->mutex);
    return same && commit_clock_stable(shared) == stable;
}
