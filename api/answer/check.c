/* The three demands, what would help where they are not met, and the answer where they never are. */
#include "api/answer/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/decimal.h"
#include "core/base/time.h"

#define MEMBER_BYTES 512 /* of a position with the longest epoch, or a number; a longer one is left out */

_Static_assert(SETTINGS_STREAMS_MAX <= 64, "each stream has its bit in struct wants");

static void shortfall_add(struct shortfall *s, enum wait_kind kind, enum stream_status status)
{
    if (s->kinds == 0 || status > s->worst)
        s->worst = status;
    s->kinds |= 1u << kind;
}

enum wait_kind shortfall_kind(const struct shortfall *s)
{
    enum wait_kind kind = WAIT_VERSION; /* in the order of the enum */
    while ((s->kinds >> kind) % 2 == 0 && kind < WAIT_STALENESS)
        kind++;
    return kind;
}

enum problem shortfall_problem(const struct shortfall *s)
{
    static const enum problem late[WAIT_KINDS_COUNT] = {
        [WAIT_VERSION] = PROBLEM_VERSION_NOT_REACHED,
        [WAIT_POSITION] = PROBLEM_POSITION_NOT_REACHED,
        [WAIT_STALENESS] = PROBLEM_TOO_STALE,
    };
    switch (s->worst) {
    case STREAM_STARTING: return PROBLEM_STARTING;
    case STREAM_REBUILDING: return PROBLEM_REBUILDING;
    case STREAM_DISCONNECTED: return PROBLEM_DISCONNECTED;
    case STREAM_HALTED: return PROBLEM_HALTED;
    case STREAM_LIVE:
    case STREAM_CATCHING_UP: break;
    }
    return late[shortfall_kind(s)];
}

/* ---- positions ---- */

/* One demand, and where its stream is. */
struct position_look {
    const struct demand_position *demand;
    const struct snapshot *snapshot;
    const struct snapshot_stream *stream;
    int64_t arrived_ns;
    int64_t trusted_ns; /* a probe that was sent then or later is believed about the epoch */
};

/* Met in the rows' own incarnation; without an epoch only if a recent enough probe showed that it is the stream's
 * present one. */
static bool position_met(const struct position_look *look)
{
    const struct demand_position *p = look->demand;
    const struct snapshot_stream *s = look->stream;
    if (s->view.met < p->sequence)
        return false;
    if (p->epoch.text[0] != '\0')
        return epoch_equal(&p->epoch, &s->row->epoch);
#ifdef SG_PLANT_BARE_WITHOUT_PROOF
    return true;
#endif
    return s->view.probe_known && epoch_equal(&s->view.probe_epoch, &s->row->epoch) &&
           s->view.probe_ns >= look->trusted_ns;
}

static bool asked_since(const struct position_look *look)
{
    return look->stream->view.probe_known && look->stream->view.probe_ns >= look->arrived_ns;
}

/* Of one that is not met: what a probe that was sent after the request arrived shows it to be, or any that showed its
 * epoch to be over. */
static enum verdict position_verdict(const struct position_look *look, enum problem *problem)
{
    const struct demand_position *p = look->demand;
    const struct freshness_view *view = &look->stream->view;
    if (p->epoch.text[0] != '\0' && snapshot_epoch_is_past(look->snapshot, p->stream, &p->epoch)) {
        *problem = PROBLEM_EPOCH_MISMATCH;
        return VERDICT_IMPOSSIBLE;
    }
    if (!asked_since(look))
        return VERDICT_SHORT;
    bool other_epoch = p->epoch.text[0] != '\0' && !epoch_equal(&p->epoch, &view->probe_epoch);
    if (!other_epoch && (view->probe_head >= p->sequence || view->probe_head_ns < look->arrived_ns))
        return VERDICT_SHORT;
    *problem = other_epoch ? PROBLEM_EPOCH_MISMATCH : PROBLEM_BEYOND_HEAD;
    return VERDICT_IMPOSSIBLE;
}

static void position_want(const struct position_look *look, struct wants *wants)
{
    const struct demand_position *p = look->demand;
    const struct snapshot_stream *s = look->stream;
    bool epoch_fits = p->epoch.text[0] == '\0' || epoch_equal(&p->epoch, &s->row->epoch);
    if (!wants->position && epoch_fits && s->view.met < p->sequence) {
        wants->position = true;
        wants->position_stream = p->stream;
        wants->position_sequence = p->sequence;
    }
    if (asked_since(look))
        return;
    /* Where only the epoch is in doubt, a probe that is under way already may do; not one that showed another. */
    bool in_doubt = p->epoch.text[0] == '\0' && s->view.met >= p->sequence &&
                    !(s->view.probe_known && s->view.probe_ns >= look->trusted_ns);
    *(in_doubt ? &wants->recent : &wants->probes) |= wants_bit(p->stream);
    wants->recent_ns = look->trusted_ns;
    wants->probe_ns = look->arrived_ns;
    if (epoch_fits && s->view.met < p->sequence)
        wants->patient |= wants_bit(p->stream);
}

static enum verdict check_positions(const struct demands *d, struct snapshot *snapshot, int64_t arrived_ns,
                                    struct shortfall *out)
{
    int64_t trust_ns = snapshot_tunables(snapshot)->probe_epoch_trust_ms * NS_PER_MS;
    struct position_look look = {.snapshot = snapshot, .arrived_ns = arrived_ns, .trusted_ns = arrived_ns - trust_ns};
    for (size_t i = 0; i < d->positions_count; i++) {
        look.demand = &d->positions[i];
        look.stream = snapshot_stream(snapshot, look.demand->stream);
        if (position_met(&look))
            continue;
        enum verdict verdict = position_verdict(&look, &out->problem);
        if (out->kinds == 0 || verdict == VERDICT_IMPOSSIBLE)
            out->position = i;
        if (verdict == VERDICT_IMPOSSIBLE)
            return verdict;
        shortfall_add(out, WAIT_POSITION, look.stream->view.status);
        position_want(&look, &out->wants);
    }
    return out->kinds == 0 ? VERDICT_MET : VERDICT_SHORT;
}

/* ---- version and staleness ---- */

/* A tombstone's version counts. */
static enum verdict check_version(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                                  struct shortfall *out)
{
    if (basis->entity.version >= plan->demands.min_version)
        return VERDICT_MET;
    if (basis->version_rejected) {
        out->problem = PROBLEM_VERSION_REJECTED;
        return VERDICT_IMPOSSIBLE;
    }
    shortfall_add(out, WAIT_VERSION, snapshot_stream(snapshot, (size_t)plan->owner)->view.status);
    out->wants.entity = true;
    return VERDICT_SHORT;
}

static enum verdict check_staleness_of(const struct plan *plan, struct snapshot *snapshot, size_t stream,
                                       int64_t wanted_ns, struct shortfall *out)
{
    const struct snapshot_stream *s = snapshot_stream(snapshot, stream);
    if (s->view.staleness_known && s->view.proof_ns >= wanted_ns)
        return VERDICT_MET;
    if (s->view.copy && plan->demands.max_staleness_ns == 0) { /* what it shows is older than any answer of it */
        out->problem = PROBLEM_TOO_STALE;
        out->stream = stream;
        return VERDICT_IMPOSSIBLE;
    }
    shortfall_add(out, WAIT_STALENESS, s->view.status);
    out->wants.proofs |= wants_bit(stream);
    out->wants.proof_ns = wanted_ns;
    return VERDICT_SHORT;
}

static enum verdict check_staleness(const struct plan *plan, struct snapshot *snapshot, int64_t arrived_ns,
                                    struct shortfall *out)
{
    int64_t wanted_ns = arrived_ns - plan->demands.max_staleness_ns;
    size_t streams_count = snapshot_settings(snapshot)->streams_count;
    enum verdict verdict = VERDICT_MET;
    if (!plan->demands.has_max_staleness)
        return VERDICT_MET;
    if (plan->owner != OWNER_ALL)
        return check_staleness_of(plan, snapshot, (size_t)plan->owner, wanted_ns, out);
    for (size_t i = 0; i < streams_count && verdict != VERDICT_IMPOSSIBLE; i++)
        verdict = check_staleness_of(plan, snapshot, i, wanted_ns, out);
    return verdict;
}

enum verdict demands_check(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                           int64_t arrived_ns, struct shortfall *out)
{
    *out = (struct shortfall){0};
    if (check_positions(&plan->demands, snapshot, arrived_ns, out) == VERDICT_IMPOSSIBLE ||
        check_version(plan, basis, snapshot, out) == VERDICT_IMPOSSIBLE ||
        check_staleness(plan, snapshot, arrived_ns, out) == VERDICT_IMPOSSIBLE)
        return VERDICT_IMPOSSIBLE;
    return out->kinds == 0 ? VERDICT_MET : VERDICT_SHORT;
}

/* ---- answers ---- */

const struct stream_facts *check_facts(const struct plan *plan, struct snapshot *snapshot)
{
    const struct demands *d = &plan->demands;
    size_t others[SETTINGS_STREAMS_MAX];
    for (size_t i = 0; i < d->positions_count; i++)
        others[i] = d->positions[i].stream;
    return snapshot_facts_naming(snapshot, plan->owner == OWNER_NONE ? OWNER_ALL : plan->owner, others,
                                 d->positions_count);
}

static const char *position_text(struct snapshot *snapshot, const struct demand_position *p, char out[MEMBER_BYTES])
{
    struct buffer text;
    struct buffer json;
    const char *result = NULL;
    buffer_init(&text, MEMBER_BYTES);
    buffer_init(&json, MEMBER_BYTES);
    position_append(&text, snapshot_settings(snapshot)->streams[p->stream].name, p->sequence, &p->epoch);
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

static const char *seconds_text(int64_t ns, char out[DECIMAL_SECONDS_BYTES + 1])
{
    out[decimal_seconds_up(ns, out)] = '\0';
    return out;
}

/* The facts of the snapshot that does not do. What is read of rejected events is left out where it cannot be read: this
 * is an error already. */
static void add_facts(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                      const struct stream_facts *facts, struct response *out)
{
    struct store_entity_rejections rejections = {0};
    struct sg_error err;
    headers_facts_and_gaps(out, facts, time_boot_ns());
    if (plan->batch != NULL)
        return; /* it is about several entities */
    if (basis->entity.version > 0)
        response_header_uint(out, "State-Version", (uint64_t)basis->entity.version);
    if (plan->id.data != NULL && !basis->cached &&
        store_read_entity_rejections(snapshot_reader(snapshot), plan->collection, plan->id, basis->entity.version,
                                     basis->entity.sequence, &rejections, &err) == SG_OK)
        headers_rejections(out, &rejections);
}

/* The members of a problem about a version; the numbers are written to `required` and `current`. */
static void version_members(const struct plan *plan, const struct basis *basis, char required[MEMBER_BYTES],
                            char current[MEMBER_BYTES], struct problem_members *out)
{
    if (plan->batch != NULL) {
        out->more = (struct slice){plan->batch->unmet.data, plan->batch->unmet.bytes};
        return;
    }
    (void)snprintf(required, MEMBER_BYTES, "%" PRId64, plan->demands.min_version);
    (void)snprintf(current, MEMBER_BYTES, "%" PRId64, basis->entity.version);
    out->required = required;
    out->current = basis->entity.version > 0 ? current : NULL;
}

static void answer_version_rejected(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                                    int64_t waited_ns, struct response *out)
{
    char required[MEMBER_BYTES];
    char current[MEMBER_BYTES];
    struct problem_members members = {.position = snapshot_facts(snapshot, plan->owner)->position,
                                      .waited_ns = waited_ns};
    version_members(plan, basis, required, current, &members);
    add_facts(plan, basis, snapshot, check_facts(plan, snapshot), out);
    problem_answer_with(out, PROBLEM_VERSION_REJECTED, &members, "Version %" PRId64 " of this entity was rejected.",
                        plan->demands.min_version);
}

/* A copy is asked to be as fresh as its origin. */
static void answer_copy_too_stale(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                                  size_t stream, int64_t waited_ns, struct response *out)
{
    char required[MEMBER_BYTES];
    char current[MEMBER_BYTES];
    const struct stream_facts *facts = check_facts(plan, snapshot);
    struct problem_members members = {.required = seconds_text(0, required),
                                      .current = facts->staleness_known
                                                     ? seconds_text(time_boot_ns() - facts->proof_ns, current)
                                                     : NULL,
                                      .position = facts->position,
                                      .waited_ns = waited_ns};
    add_facts(plan, basis, snapshot, facts, out);
    problem_answer_with(out, PROBLEM_TOO_STALE, &members,
                        "Stream %.255s is a mirror or has sources: nothing proves that it is as fresh as they are.",
                        snapshot_settings(snapshot)->streams[stream].name);
}

void check_answer_impossible(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                             const struct shortfall *shortfall, int64_t waited_ns, struct response *out)
{
    char required[MEMBER_BYTES];
    if (shortfall->problem == PROBLEM_VERSION_REJECTED) {
        answer_version_rejected(plan, basis, snapshot, waited_ns, out);
        return;
    }
    if (shortfall->problem == PROBLEM_TOO_STALE) {
        answer_copy_too_stale(plan, basis, snapshot, shortfall->stream, waited_ns, out);
        return;
    }
    const struct demand_position *p = &plan->demands.positions[shortfall->position];
    const struct snapshot_stream *s = snapshot_stream(snapshot, p->stream);
    struct problem_members members = {
        .required = position_text(snapshot, p, required), .position = s->position, .waited_ns = waited_ns};
    add_facts(plan, basis, snapshot, check_facts(plan, snapshot), out);
    if (shortfall->problem == PROBLEM_EPOCH_MISMATCH)
        problem_answer_with(out, PROBLEM_EPOCH_MISMATCH, &members, "The stream's present epoch is %s.",
                            s->view.probe_epoch.text);
    else
        problem_answer_with(out, PROBLEM_BEYOND_HEAD, &members, "The stream ended at %" PRIu64 " after the request.",
                            s->view.probe_head);
}

void check_answer_condition(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                            struct response *out)
{
    const struct stream_facts *facts = check_facts(plan, snapshot);
    add_facts(plan, basis, snapshot, facts, out);
    problem_answer_at(out, PROBLEM_PRECONDITION, facts->position, basis->entity.version,
                      "What is there is not what the request's conditions ask for.");
}

void check_answer_short(const struct plan *plan, const struct basis *basis, struct snapshot *snapshot,
                        const struct shortfall *shortfall, enum problem problem, int64_t waited_ns,
                        struct response *out)
{
    static const char *const names[WAIT_KINDS_COUNT] = {"minimum version", "minimum position", "maximum staleness"};
    const struct demands *d = &plan->demands;
    const struct stream_facts *facts = check_facts(plan, snapshot);
    enum wait_kind kind = shortfall_kind(shortfall);
    char required[MEMBER_BYTES];
    char current[MEMBER_BYTES];
    struct problem_members members = {.position = facts->position, .waited_ns = waited_ns};
    add_facts(plan, basis, snapshot, facts, out);
    if (kind == WAIT_VERSION) {
        version_members(plan, basis, required, current, &members);
    } else if (kind == WAIT_POSITION) {
        members.required = position_text(snapshot, &d->positions[shortfall->position], required);
    } else {
        members.required = seconds_text(d->max_staleness_ns, required);
        if (facts->staleness_known)
            members.current = seconds_text(time_boot_ns() - facts->proof_ns, current);
    }
    problem_answer_with(out, problem, &members, "The %s was not met within %.3f s.", names[kind],
                        (double)waited_ns / (double)NS_PER_S);
}
