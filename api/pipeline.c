/* The steps, and the wait between two attempts. */
#include "api/pipeline.h"

#include "api/access/access.h"
#include "api/answer/headers.h"
#include "api/http/problem.h"
#include "api/request/admission.h"
#include "api/routes/router.h"
#include "core/base/time.h"

bool pipeline_admit(struct route_counters *counters, const struct settings *settings, struct admission_host *last,
                    const struct http_head *head, struct response *out)
{
    enum admission_body body = head->method <= METHOD_OPTIONS ? ADMISSION_NO_BODY : router_body(head);
    if (admission_check(head, body, settings->hosts, last, out))
        return true;
    (void)router_count(counters, NULL, head->method, out, time_boot_ns());
    return false;
}

/* Every answer of a list says that it may be asked for by QUERY: those with rows (page_answer), and what is said here in
 * their place. */
static __attribute__((cold, noinline)) void name_query(const struct call *call, struct response *out)
{
    if (call->route != NULL && call->route->rules.query)
        response_header(out, "Accept-Query", ADMISSION_TYPE);
}

/* ---- waiting ---- */

/* Since the request arrived, if it ever was parked; else below 0. */
static int64_t waited_ns_of(const struct call *call)
{
    return call->parked_once ? time_boot_ns() - call->arrived_ns : -1;
}

static bool time_left(const struct call *call)
{
    int64_t wait_ns = call->plan.demands.wait_ns;
    return wait_ns > 0 && time_boot_ns() < call->arrived_ns + wait_ns;
}

static void set_wants(struct call *call, const struct shortfall *shortfall)
{
    call->parked.wants = shortfall->wants;
    if (shortfall->wants.entity)
        call->parked.wants.entity_name =
            progress_entity(call->api->progress, call->plan.collection, call->plan.id);
    call->parked.deadline_ns = call->arrived_ns + call->plan.demands.wait_ns;
}

/* Wait on, if the gateway goes on and there is time and room; else the answer says what is short. */
static enum outcome park_or_answer(struct call *call, const struct basis *basis, const struct shortfall *shortfall,
                                   struct response *out)
{
    bool stopping = atomic_load(&call->api->draining);
    enum problem problem = stopping ? PROBLEM_STOPPING : shortfall_problem(shortfall);
    if (!stopping && time_left(call)) {
        bool first = !call->place.taken;
        if (!first || wait_limits_take(call->api->wait_limits, snapshot_tunables(call->snapshot), call->head->client,
                                       &call->place)) {
            if (first)
                call->kind = shortfall_kind(shortfall);
            call->parked_once = true;
            set_wants(call, shortfall);
            return OUTCOME_PARK;
        }
        problem = PROBLEM_TOO_MANY_WAITS;
    }
    call->outcome = stopping ? WAIT_STOPPED : WAIT_DEADLINE;
    int64_t waited_ns = waited_ns_of(call);
    name_query(call, out);
    headers_wait(out, &call->plan.demands, waited_ns);
    check_answer_short(&call->plan, basis, call->snapshot, shortfall, problem, waited_ns > 0 ? waited_ns : 0, out);
    return OUTCOME_ANSWER;
}

static void end_wait(struct call *call, enum wait_outcome outcome)
{
    if (call->place.taken)
        wait_limits_give(call->api->wait_limits, call->head->client, &call->place, call->kind, outcome,
                         time_boot_ns() - call->arrived_ns);
}

/* ---- the steps of an attempt ---- */

static enum sg_status find(struct call *call, struct basis *out, struct sg_error *err)
{
    return call->route->find != NULL ? call->route->find(call, out, err) : SG_OK;
}

/* Is anything demanded that could hold? What no stream can hold is not waited for. */
static bool demands_matter(const struct call *call)
{
    return call->route->rules.demands == DEMANDS_READ && call->plan.owner != OWNER_NONE &&
           demands_any(&call->plan.demands);
}

/* Of what is demanded. */
static enum verdict check(const struct call *call, const struct basis *basis, struct shortfall *out)
{
#ifdef SG_PLANT_NO_SECOND_CHECK
    /* Who was woken before the deadline is believed to have what it waited for. */
    if (call->parked_once && !call->parked.in_heaps && time_boot_ns() < call->parked.deadline_ns)
        return VERDICT_MET;
#endif
    return demands_check(&call->plan, basis, call->snapshot, call->arrived_ns, out);
}

static void refuse_impossible(struct call *call, const struct basis *basis, const struct shortfall *shortfall,
                              struct response *out)
{
    int64_t waited_ns = waited_ns_of(call);
    call->outcome = WAIT_REFUSED;
    name_query(call, out);
    headers_wait(out, &call->plan.demands, waited_ns);
    check_answer_impossible(&call->plan, basis, call->snapshot, shortfall, waited_ns > 0 ? waited_ns : 0, out);
}

/* The tag of the answer, which lives as long as it. */
static void make_etag(const struct call *call, struct basis *basis, struct response *out)
{
    size_t stream = (size_t)call->plan.owner;
    char *etag = response_room(out, HEADERS_ETAG_BYTES);
    if (etag == NULL)
        return;
    size_t bytes =
        headers_etag(snapshot_stream(call->snapshot, stream)->row, &call->api->rows[stream], &basis->revision, etag);
    if (bytes == 0)
        return;
    basis->etag = etag;
    response_room_used(out, bytes + 1);
}

static enum condition_result check_conditions(const struct call *call, const struct basis *basis)
{
    const struct conditions *conditions = &call->plan.conditions;
    int64_t now_s = snapshot_wall_s(call->snapshot);
    int64_t modified_s = 0;
    bool known = conditions->dated && headers_modified(basis->entity.occurred_at, now_s, &modified_s);
    return conditions_check(conditions, basis->etag, known ? &modified_s : NULL, now_s);
}

/* `demanded`: something was, and it holds. */
static enum sg_status answer(struct call *call, struct basis *basis, bool demanded, struct response *out,
                             struct sg_error *err)
{
    enum condition_result result = CONDITIONS_MET;
    if (demanded)
        headers_wait(out, &call->plan.demands, waited_ns_of(call));
    if (basis->tagged) {
        make_etag(call, basis, out);
        if (call->plan.conditions.given)
            result = check_conditions(call, basis);
    }
    if (result == CONDITIONS_FAILED) {
        name_query(call, out);
        check_answer_condition(&call->plan, basis, call->snapshot, out);
        return SG_OK;
    }
    basis->unchanged = result == CONDITIONS_UNCHANGED;
    return call->route->answer(call, basis, out, err);
}

/* On a loop: it goes on in a job, from the beginning. So will the next one that reads as much whatever it asks for. */
static enum outcome move_to_job(struct call *call, struct response *out)
{
    call->plan.place = PLAN_IN_JOB;
    if (call->route->whole)
        atomic_store_explicit(&call->api->long_lately[router_id(call->route)], true, memory_order_relaxed);
    response_free(out);
    response_init(out);
    return OUTCOME_JOB;
}

/* The client has gone, and this is for nobody; or the job's time is over. */
static void answer_stopped(struct response *out)
{
    out->headers_count = 0;
    problem_answer(out, PROBLEM_TOO_MANY_QUERIES, "The answer could not be made in time.");
}

enum outcome pipeline_attempt(struct call *call, struct snapshot *snapshot, struct response *out)
{
    struct basis basis = {0};
    struct shortfall shortfall;
    struct sg_error err;
    bool demanded = demands_matter(call);
    call->snapshot = snapshot;
    enum sg_status status = find(call, &basis, &err);
    if (status == SG_OK) {
        switch (demanded ? check(call, &basis, &shortfall) : VERDICT_MET) {
        case VERDICT_SHORT:
            return park_or_answer(call, &basis, &shortfall, out);
        case VERDICT_IMPOSSIBLE:
            refuse_impossible(call, &basis, &shortfall, out);
            return OUTCOME_ANSWER;
        case VERDICT_MET:
            status = answer(call, &basis, demanded, out, &err);
            break;
        }
    }
    if (status == SG_STOPPED && call->job == NULL && call->api->jobs != NULL)
        return move_to_job(call, out);
    if (status == SG_STOPPED)
        answer_stopped(out);
    else if (status != SG_OK)
        headers_storage(out, snapshot, &err);
    return OUTCOME_ANSWER;
}

/* ---- the way ---- */

/* Was the last one of its route too long for a loop? */
static bool was_long(const struct call *call)
{
    return atomic_load_explicit(&call->api->long_lately[router_id(call->route)], memory_order_relaxed);
}

enum outcome pipeline_handle(struct call *call, struct snapshot *snapshot, struct response *out)
{
    call->begun_ns = time_boot_ns();
    if (!call->planned) {
        call->arrived_ns = call->begun_ns;
        call->planned = access_authenticate(call->head, &call->principal, out) &&
                        router_plan(call, snapshot_tunables(snapshot), out);
    }
    if (!call->planned) {
        name_query(call, out);
        return OUTCOME_ANSWER;
    }
    if (call->route->whole && was_long(call))
        call->plan.place = PLAN_IN_JOB;
    return call->plan.place == PLAN_IN_JOB ? OUTCOME_JOB : pipeline_attempt(call, snapshot, out);
}

int64_t pipeline_end(struct call *call, struct route_counters *counters, const struct response *out)
{
    if (out->status >= 500 && call->outcome == WAIT_MET)
        call->outcome = WAIT_REFUSED; /* the rows could not be read, or there was no room for the answer */
    end_wait(call, call->outcome);
    return router_count(counters, call->route, call->head->method, out, call->begun_ns);
}

bool pipeline_still_short(struct call *call, struct snapshot *snapshot)
{
    struct basis basis = {0};
    struct shortfall shortfall;
    struct sg_error err;
    call->snapshot = snapshot;
    if (atomic_load(&call->api->draining) || !time_left(call))
        return false; /* the attempt that follows says what is short */
    if (find(call, &basis, &err) != SG_OK || check(call, &basis, &shortfall) != VERDICT_SHORT)
        return false;
    set_wants(call, &shortfall);
    return true;
}

void pipeline_forget(struct call *call)
{
    end_wait(call, WAIT_GONE);
    plan_free(&call->plan);
}
