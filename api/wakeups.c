/* Parking, the second check, waking.
 *
 *   suspended -> in the lot -> word is left -> a new snapshot -> checked once more -> waits
 *   commit or proof -> word is found -> the loop is woken -> a new snapshot -> those it helps -> handled again
 *
 * Whichever of "word is left" and "commit" comes second sees the other, so nothing that helps is missed. */
#include "api/wakeups.h"

#include <stddef.h>

#include "api/routes/router.h"
#include "api/worker.h"
#include "core/base/time.h"

static struct request *request_of(struct parked *read)
{
    return (struct request *)(void *)((char *)read - offsetof(struct request, parked));
}

static void resume_one(struct worker *worker, struct parked *read, http_resume *resume)
{
    parking_remove(worker->lot, read);
    resume(read->connection);
}

bool wakeups_park(struct worker *worker, struct request *request)
{
    struct sg_error err;
    return parking_add(worker->lot, &request->parked, &err) == SG_OK;
}

void wakeups_forget(struct worker *worker, struct request *request)
{
    parking_remove(worker->lot, &request->parked);
    router_forget(worker, request);
}

/* Check one read against a snapshot that began after it was visible. */
static void check_again(struct worker *worker, struct parked *read, http_resume *resume)
{
    struct parked_wants before = read->wants;
    bool waits = router_still_waits(worker, request_of(read));
    struct parked_wants now = read->wants;
    struct sg_error err;
    read->wants = before; /* by which it is in the lot */
    if (waits && parked_wants_equal(&before, &now))
        return;
    parking_remove(worker->lot, read);
    read->wants = now;
    if (!waits || parking_add(worker->lot, read, &err) != SG_OK)
        resume(read->connection);
}

void wakeups_turn_end(struct worker *worker, http_resume *resume)
{
    turn_end(worker->turn);
    for (;;) {
        parking_publish(worker->lot);
        struct parked *read = parking_take_unchecked(worker->lot);
        if (read == NULL)
            break;
        for (struct parked *next = NULL; read != NULL; read = next) {
            next = read->next_unchecked;
            check_again(worker, read, resume);
        }
        turn_end(worker->turn);
    }
}

struct waking {
    struct worker *worker;
    http_resume *resume;
};

static void wake_found(void *context, struct parked *read)
{
    const struct waking *waking = context;
    resume_one(waking->worker, read, waking->resume);
}

/* Those whose entity changed. */
static void wake_entities(struct worker *worker, http_resume *resume)
{
    struct waking waking = {worker, resume};
    struct parked *read = NULL;
    bool all = false;
    size_t count = progress_take(worker->word, worker->mail, &all);
    while (all && (read = parking_any(worker->lot)) != NULL)
        resume_one(worker, read, resume);
    for (size_t i = 0; i < count; i++)
        parking_each_entity(worker->lot, worker->mail[i], wake_found, &waking);
}

/* Those whose position or proof is there in the snapshot that they are going to be answered from. */
static void wake_streams(struct worker *worker, http_resume *resume)
{
    size_t streams_count = worker->api->context.settings->streams_count;
    struct sg_error err;
    for (size_t i = 0; i < streams_count; i++) {
        struct parked *read = NULL;
        if (!parking_wants_stream(worker->lot, i))
            continue;
        if (turn_begin(worker->turn, &err) != SG_OK)
            return; /* logged; their deadlines remain */
        const struct turn_stream *s = turn_stream(worker->turn, i);
        struct parking_facts facts = {
            .position = s->row->position,
            .proof_ns = s->view.staleness_known ? s->view.proof_ns : INT64_MIN,
            .probe_ns = s->view.probe_known ? s->view.probe_ns : INT64_MIN,
        };
        while ((read = parking_helped(worker->lot, i, &facts)) != NULL)
            resume_one(worker, read, resume);
    }
}

void wakeups_wake(struct worker *worker, bool woken, bool all, http_resume *resume)
{
    struct parked *read = NULL;
    while (all && (read = parking_any(worker->lot)) != NULL)
        resume_one(worker, read, resume);
    if (woken) {
        wake_entities(worker, resume);
        wake_streams(worker, resume);
    }
    if (parking_count(worker->lot) == 0)
        return;
    int64_t now_ns = clock_boot_ns();
    while ((read = parking_overdue(worker->lot, now_ns)) != NULL)
        resume_one(worker, read, resume);
}
