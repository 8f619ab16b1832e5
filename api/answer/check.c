/* Whether an answer meets what its request demands: checked inside the read transaction that answers, every time. */
#include "api/request/demands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/answer/check.h"
#include "core/base/decimal.h"
#include "api/http/problem.h"
#include "api/answer/headers.h"
#include "api/worker.h"
#include "core/base/time.h"

#define MEMBER_BYTES 512 /* of a position with the longest epoch, or a number; a longer one is left out */

/* What is not met, and what would help. */
struct shortfall {
    bool any;
    enum wait_kind kind;        /* of the first */
    enum stream_status worst;   /* of the streams with an unmet demand */
    size_t position;            /* the first unmet, if kind is WAIT_POSITION */
    struct wants wants;
};

static void shortfall_add(struct shortfall *u, enum wait_kind kind, enum stream_status status)
{
    if (!u->any)
        u->kind = kind;
    if (!u->any || status > u->worst)
        u->worst = status;
    u->any = true;
}

static struct snapshot *snapshot_of(const struct call *call)
{
    return call->worker->snapshot;
}

/* ---- positions ---- */

enum position_verdict { POSITION_MET, POSITION_UNMET, POSITION_OTHER_EPOCH, POSITION_BEYOND_HEAD };

static int64_t trust_ns(const struct call *call)
{
    return call->worker->api->context.settings->probe_epoch_trust_ms * NS_PER_MS;
}

/* Met in the rows' own life; without an epoch only if a recent enough probe showed
 * that it is the stream's present one. */
static bool position_met(const struct call *call, const struct demand_position *p, const struct snapshot_stream *s)
{
    if (s->row->position < p->sequence)
        return false;
    if (p->epoch.text[0] != '\0')
        return epoch_equal(&p->epoch, &s->row->epoch);
#ifdef SG_PLANT_BARE_WITHOUT_PROOF
    return true;
#endif
    return s->view.probe_known && epoch_equal(&s->view.probe_epoch, &s->row->epoch) &&
           s->view.probe_ns >= call->request->arrived_ns - trust_ns(call);
}

static enum position_verdict position_check(const struct call *call, const struct demand_position *p,
                                            const struct snapshot_stream *s)
{
    bool asked_since = s->view.probe_known && s->view.probe_ns >= call->request->arrived_ns;
    if (position_met(call, p, s))
        return POSITION_MET;
    if (!asked_since)
        return POSITION_UNMET;
    if (p->epoch.text[0] != '\0' && !epoch_equal(&p->epoch, &s->view.probe_epoch))
        return POSITION_OTHER_EPOCH;
    return s->view.probe_head < p->sequence ? POSITION_BEYOND_HEAD : POSITION_UNMET;
}

static void position_want(const struct call *call, const struct demand_position *p, const struct snapshot_stream *s,
                          struct wants *wants)
{
    bool epoch_fits = p->epoch.text[0] == '\0' || epoch_equal(&p->epoch, &s->row->epoch);
    bool asked_since = s->view.probe_known && s->view.probe_ns >= call->request->arrived_ns;
    if (!wants->position && epoch_fits && s->row->position < p->sequence) {
        wants->position = true;
        wants->position_stream = p->stream;
        wants->position_sequence = p->sequence;
    }
    if (!wants->probe && !asked_since) {
        /* Where only the epoch is in doubt, a probe that is under way already may do; not one that showed another. */
        int64_t trusted_ns = call->request->arrived_ns - trust_ns(call);
        bool in_doubt = p->epoch.text[0] == '\0' && s->row->position >= p->sequence &&
                        !(s->view.probe_known && s->view.probe_ns >= trusted_ns);
        wants->probe = true;
        wants->probe_stream = p->stream;
        wants->probe_ns = in_doubt ? trusted_ns : call->request->arrived_ns;
    }
}

static const char *position_text(const struct call *call, const struct demand_position *p, char out[MEMBER_BYTES])
{
    struct buffer text;
    struct buffer json;
    const char *result = NULL;
    buffer_init(&text, MEMBER_BYTES);
    buffer_init(&json, MEMBER_BYTES);
    position_append(&text, call->worker->api->context.settings->streams[p->stream].name, p->sequence, &p->epoch);
    buffer_append_json_string(&json, (struct slice){text.data, text.bytes});
    if (!text.failed && !json.failed && json.bytes < MEMBER_BYTES) {
        memcpy(out, json.data, json.bytes);
        out[json.bytes] = '\0';
        result = out;
    }
    buffer_free(&text);
    buffer_free(&json);
    return result;
}

/* ---- answers ---- */

static int64_t waited_ns(const struct call *call)
{
    return call->request->parked_once ? time_boot_ns() - call->request->arrived_ns : 0;
}

/* The claims of the snapshot that does not do. */
static void answer_claim(struct call *call, const struct basis *subject, struct response *out)
{
    const struct stream_facts *claim = demands_facts(call, subject->owner);
    struct store_entity_rejections rejections = {0};
    struct sg_error err;
    headers_facts(out, claim, time_boot_ns());
    if (claim->gaps != NULL)
        response_header(out, "State-Gap", claim->gaps);
    if (subject->version > 0)
        response_header_uint(out, "State-Version", (uint64_t)subject->version);
    if (call->id.data == NULL ||
        store_read_entity_rejections(snapshot_reader(snapshot_of(call)), call->collection, call->id, subject->version,
                                     subject->sequence, &rejections, &err) != SG_OK)
        return; /* it is an error already: what it says of the entity is as much as can be read */
    headers_rejections(out, &rejections);
}

static void refuse_position(struct call *call, const struct basis *subject, enum position_verdict verdict,
                            const struct demand_position *p, struct response *out)
{
    char required[MEMBER_BYTES];
    const struct snapshot_stream *s = snapshot_stream(snapshot_of(call), p->stream);
    struct problem_members members = {.required = position_text(call, p, required),
                                      .position = s->position,
                                      .waited_ns = waited_ns(call)};
    answer_claim(call, subject, out);
    if (verdict == POSITION_OTHER_EPOCH)
        problem_answer_with(out, PROBLEM_EPOCH_MISMATCH, &members, "The stream's present epoch is %s.",
                            s->view.probe_epoch.text);
    else
        problem_answer_with(out, PROBLEM_BEYOND_HEAD, &members, "The stream ended at %" PRIu64 " after the request.",
                            s->view.probe_head);
    call->request->outcome = WAIT_REFUSED;
}

/* ---- the three demands ---- */

/* False: answered, by 409. */
static bool check_positions(struct call *call, const struct basis *subject, struct shortfall *u, struct response *out)
{
    const struct demands *d = &call->request->demands;
    for (size_t i = 0; i < d->positions_count; i++) {
        const struct demand_position *p = &d->positions[i];
        const struct snapshot_stream *s = snapshot_stream(snapshot_of(call), p->stream);
        enum position_verdict verdict = position_check(call, p, s);
        if (verdict == POSITION_MET)
            continue;
        if (verdict != POSITION_UNMET) {
            refuse_position(call, subject, verdict, p, out);
            return false;
        }
        if (!u->any || u->kind != WAIT_POSITION)
            u->position = i;
        shortfall_add(u, WAIT_POSITION, s->view.status);
        position_want(call, p, s, &u->wants);
    }
    return true;
}

/* False: answered, by 422 or because the model cannot be read. A tombstone's version counts. */
static bool check_version(struct call *call, const struct basis *subject, struct shortfall *u, struct response *out)
{
    const struct demands *d = &call->request->demands;
    struct snapshot *snapshot = snapshot_of(call);
    bool rejected = false;
    struct sg_error err;
    if (d->min_version == 0 || subject->version >= d->min_version)
        return true;
    if (store_read_version_rejected(snapshot_reader(snapshot), call->collection, call->id, d->min_version, &rejected,
                                    &err) != SG_OK) {
        headers_storage(out, snapshot, &err);
        return false;
    }
    if (rejected) {
        char required[24];
        char current[24];
        (void)snprintf(required, sizeof required, "%" PRId64, d->min_version);
        (void)snprintf(current, sizeof current, "%" PRId64, subject->version);
        struct problem_members members = {.required = required,
                                          .current = subject->version > 0 ? current : NULL,
                                          .position = snapshot_facts(snapshot, subject->owner)->position,
                                          .waited_ns = waited_ns(call)};
        answer_claim(call, subject, out);
        problem_answer_with(out, PROBLEM_VERSION_REJECTED, &members, "Version %" PRId64 " of this entity was rejected.",
                            d->min_version);
        call->request->outcome = WAIT_REFUSED;
        return false;
    }
    shortfall_add(u, WAIT_VERSION, snapshot_stream(snapshot, (size_t)subject->owner)->view.status);
    u->wants.entity = true;
    u->wants.entity_name =
        progress_entity(call->worker->api->context.progress, call->collection, call->id);
    return true;
}

static void check_staleness_of(const struct call *call, size_t stream, struct shortfall *u)
{
    const struct snapshot_stream *s = snapshot_stream(snapshot_of(call), stream);
    int64_t wanted_ns = call->request->arrived_ns - call->request->demands.max_staleness_ns;
    if (s->view.staleness_known && s->view.proof_ns >= wanted_ns)
        return;
    shortfall_add(u, WAIT_STALENESS, s->view.status);
    if (!u->wants.proof) {
        u->wants.proof = true;
        u->wants.proof_stream = stream;
        u->wants.proof_ns = wanted_ns;
    }
}

static void check_staleness(const struct call *call, const struct basis *subject, struct shortfall *u)
{
    size_t streams_count = call->worker->api->context.settings->streams_count;
    if (!call->request->demands.has_max_staleness)
        return;
    for (size_t i = 0; i < streams_count; i++) {
        if (subject->owner == OWNER_ALL || subject->owner == (int)i)
            check_staleness_of(call, i, u);
    }
}

/* ---- the end of a wait ---- */

static enum problem problem_of(const struct shortfall *u, bool stopping)
{
    static const enum problem late[WAIT_KINDS_COUNT] = {
        [WAIT_VERSION] = PROBLEM_VERSION_NOT_REACHED,
        [WAIT_POSITION] = PROBLEM_POSITION_NOT_REACHED,
        [WAIT_STALENESS] = PROBLEM_TOO_STALE,
    };
    if (stopping)
        return PROBLEM_STOPPING;
    switch (u->worst) {
    case STREAM_STARTING: return PROBLEM_STARTING;
    case STREAM_REBUILDING: return PROBLEM_REBUILDING;
    case STREAM_DISCONNECTED: return PROBLEM_DISCONNECTED;
    case STREAM_HALTED: return PROBLEM_HALTED;
    case STREAM_LIVE:
    case STREAM_CATCHING_UP: break;
    }
    return late[u->kind];
}

static const char *seconds_text(int64_t ns, char out[DIGITS_SECONDS_BYTES + 1])
{
    out[decimal_seconds_up(ns, out)] = '\0';
    return out;
}

static void answer_unmet(struct call *call, const struct basis *subject, const struct shortfall *u,
                         enum problem problem, struct response *out)
{
    static const char *const names[WAIT_KINDS_COUNT] = {"minimum version", "minimum position", "maximum staleness"};
    const struct demands *d = &call->request->demands;
    const struct stream_facts *claim = demands_facts(call, subject->owner);
    char required[MEMBER_BYTES];
    char current[MEMBER_BYTES];
    struct problem_members members = {.position = claim->position, .waited_ns = waited_ns(call)};
    answer_claim(call, subject, out);
    if (u->kind == WAIT_VERSION) {
        (void)snprintf(required, sizeof required, "%" PRId64, d->min_version);
        (void)snprintf(current, sizeof current, "%" PRId64, subject->version);
        members.required = required;
        members.current = subject->version > 0 ? current : NULL;
    } else if (u->kind == WAIT_POSITION) {
        members.required = position_text(call, &d->positions[u->position], required);
    } else {
        members.required = seconds_text(d->max_staleness_ns, required);
        if (claim->staleness_known)
            members.current = seconds_text(time_boot_ns() - claim->proof_ns, current);
    }
    problem_answer_with(out, problem, &members, "The %s was not met within %.3f s.", names[u->kind],
                        (double)members.waited_ns / (double)NS_PER_S);
}

/* Wait on, if there is time and room; else the answer says what is not met. */
static void park_or_answer(struct call *call, const struct basis *subject, const struct shortfall *u,
                           struct response *out)
{
    struct request *r = call->request;
    struct api *api = call->worker->api;
    bool stopping = atomic_load(&api->draining);
    bool over = r->demands.wait_ns == 0 || time_boot_ns() >= r->arrived_ns + r->demands.wait_ns;
    enum problem problem = problem_of(u, stopping);
    if (!stopping && !over) {
        if (r->waiting || wait_limits_take(api->wait_limits, r->head->client)) {
            if (!r->waiting)
                r->kind = u->kind;
            r->waiting = true;
            r->parked_once = true;
            r->parked.wants = u->wants;
            r->parked.deadline_ns = r->arrived_ns + r->demands.wait_ns;
            out->park = true;
            return;
        }
        problem = PROBLEM_TOO_MANY_WAITS;
    }
    r->outcome = stopping ? WAIT_STOPPED : WAIT_DEADLINE;
    answer_unmet(call, subject, u, problem, out);
}

/* ---- the seam for handlers ---- */

/* How the wait went, on whatever answer it becomes. */
static void add_wait_headers(const struct call *call, struct response *out)
{
    const struct request *r = call->request;
    char text[64];
    if (r->demands.wait_given) {
        int64_t ms = r->demands.wait_ns / NS_PER_MS;
        int bytes = ms % 1000 == 0 ? snprintf(text, sizeof text, "wait=%" PRId64, ms / 1000)
                                   : snprintf(text, sizeof text, "wait=%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
        while (ms % 1000 != 0 && text[bytes - 1] == '0')
            bytes--;
        response_header_bytes(out, "Preference-Applied", text, (size_t)bytes);
    }
    if (r->parked_once) {
        int bytes = snprintf(text, sizeof text, "wait;dur=%.3f", (double)waited_ns(call) / (double)NS_PER_MS);
        response_header_bytes(out, "Server-Timing", text, (size_t)bytes);
    }
}

const struct stream_facts *demands_facts(const struct call *call, int owner)
{
    const struct demands *d = &call->request->demands;
    size_t others[SETTINGS_STREAMS_MAX];
    for (size_t i = 0; i < d->positions_count; i++)
        others[i] = d->positions[i].stream;
    return snapshot_facts_naming(snapshot_of(call), owner, others, d->positions_count);
}

bool demands_met(const struct call *call, const struct basis *subject, struct response *out)
{
    const struct demands *d = &call->request->demands;
    struct shortfall u = {0};
    if (!demands_any(d))
        return true;
    for (size_t i = 0; i < d->positions_count; i++) {
        if (!position_met(call, &d->positions[i], snapshot_stream(snapshot_of(call), d->positions[i].stream)))
            return false;
    }
    check_staleness(call, subject, &u);
    if (u.any || subject->version < d->min_version)
        return false;
    add_wait_headers(call, out);
    return true;
}

bool demands_hold(struct call *call, const struct basis *subject, struct response *out)
{
    struct shortfall u = {0};
    if (!demands_any(&call->request->demands))
        return true;
#ifdef SG_PLANT_NO_SECOND_CHECK
    /* Who was woken before the deadline is believed to have what it waited for. */
    if (call->request->parked_once && !call->request->parked.in_heaps &&
        time_boot_ns() < call->request->parked.deadline_ns)
        return true;
#endif
    add_wait_headers(call, out);
    if (!check_positions(call, subject, &u, out))
        return false;
    struct shortfall positions = u;
    u = (struct shortfall){.wants = positions.wants};
    if (!check_version(call, subject, &u, out))
        return false;
    if (positions.any) { /* the version comes first in what the answer names */
        if (!u.any)
            u.position = positions.position;
        shortfall_add(&u, WAIT_POSITION, positions.worst);
    }
    check_staleness(call, subject, &u);
    if (!u.any)
        return true;
    park_or_answer(call, subject, &u, out);
    return false;
}
