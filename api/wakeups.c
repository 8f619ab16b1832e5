/* Parking, the second look, waking.
 *
 *   suspended -> in parked_reads -> interest is registered -> a new snapshot -> looked at once more -> waits
 *   commit or proof -> interest is found -> the loop is woken -> a new snapshot -> those it helps -> handled again
 *
 * Whichever of "interest is registered" and "commit" comes second sees the other, so nothing that helps is missed. */
#include <stddef.h>

#include "api/worker.h"
#include "core/base/time.h"

static struct call *call_of(struct parked_read *read)
{
    return (struct call *)(void *)((char *)read - offsetof(struct call, parked));
}

static void resume_one(struct worker *worker, struct parked_read *read, http_resume *resume)
{
    parked_reads_remove(worker->parked_reads, read);
    resume(read->connection);
}

bool worker_park(void *context, void *of_request)
{
    struct worker *worker = context;
    struct call *call = of_request;
    struct sg_error err;
    call->parked.connection = call->head->connection;
    return parked_reads_add(worker->parked_reads, &call->parked, &err) == SG_OK;
}

/* Look at one read in a snapshot that began after it was visible. */
static void look_again(struct worker *worker, struct parked_read *read, http_resume *resume)
{
    struct wants before = read->wants;
    bool waits = pipeline_still_short(call_of(read), worker->snapshot);
    struct wants now = read->wants;
    struct sg_error err;
    read->wants = before; /* by which it is found in parked_reads */
    if (waits && wants_equal(&before, &now))
        return;
    parked_reads_remove(worker->parked_reads, read);
    read->wants = now;
    if (!waits || parked_reads_add(worker->parked_reads, read, &err) != SG_OK)
        resume(read->connection);
}

void worker_iteration_end(void *context, http_resume *resume)
{
    struct worker *worker = context;
    snapshot_end(worker->snapshot);
    for (;;) {
        parked_reads_publish(worker->parked_reads);
        struct parked_read *read = parked_reads_take_unchecked(worker->parked_reads);
        if (read == NULL)
            break;
        for (struct parked_read *next = NULL; read != NULL; read = next) {
            next = read->next_unchecked;
            look_again(worker, read, resume);
        }
        snapshot_end(worker->snapshot);
    }
}

struct waking {
    struct worker *worker;
    http_resume *resume;
};

static void wake_found(void *context, struct parked_read *read)
{
    const struct waking *waking = context;
    resume_one(waking->worker, read, waking->resume);
}

/* Those whose entity changed. */
static void wake_entities(struct worker *worker, http_resume *resume)
{
    struct waking waking = {worker, resume};
    struct parked_read *read = NULL;
    bool all = false;
    size_t count = progress_take(worker->interest, worker->changed_entities, &all);
    while (all && (read = parked_reads_any(worker->parked_reads)) != NULL)
        resume_one(worker, read, resume);
    for (size_t i = 0; i < count; i++)
        parked_reads_each_entity(worker->parked_reads, worker->changed_entities[i], wake_found, &waking);
}

/* Those whose position or proof has arrived in the snapshot that they are going to be answered from. */
static void wake_streams(struct worker *worker, http_resume *resume)
{
    size_t streams_count = worker->api->settings->streams_count;
    struct sg_error err;
    for (size_t i = 0; i < streams_count; i++) {
        struct parked_read *read = NULL;
        if (!parked_reads_wants_stream(worker->parked_reads, i))
            continue;
        if (snapshot_begin(worker->snapshot, &err) != SG_OK)
            return; /* logged; their deadlines remain */
        const struct snapshot_stream *s = snapshot_stream(worker->snapshot, i);
        struct parked_reads_facts facts = {
            .position = s->row->position,
            .proof_ns = s->view.staleness_known ? s->view.proof_ns : INT64_MIN,
            .probe_ns = s->view.probe_known ? s->view.probe_ns : INT64_MIN,
        };
        while ((read = parked_reads_helped(worker->parked_reads, i, &facts)) != NULL)
            resume_one(worker, read, resume);
    }
}

void worker_wake(void *context, bool woken, bool all, http_resume *resume)
{
    struct worker *worker = context;
    struct parked_read *read = NULL;
    snapshot_take_tunables(worker->snapshot);
    while (all && (read = parked_reads_any(worker->parked_reads)) != NULL)
        resume_one(worker, read, resume);
    if (woken) {
        wake_entities(worker, resume);
        wake_streams(worker, resume);
    }
    if (parked_reads_count(worker->parked_reads) == 0)
        return;
    int64_t now_ns = time_boot_ns();
    while ((read = parked_reads_overdue(worker->parked_reads, now_ns)) != NULL)
        resume_one(worker, read, resume);
}
