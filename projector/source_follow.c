/* Follow a stream whose life is settled: probe its head, prove freshness, find gaps, notice a consumer that died, and move
 * the position where nothing more can arrive. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "projector/source_internal.h"

/* ---- proof-grade answers ---- */

/* After a silence of a replicated stream's leader the first answer may be the old leader's, resumed: only one that was
 * asked for a second after it counts. A stream with one replica has no other leader that could know more. */
static bool answer_counts(struct source *s, const struct probe *p)
{
    bool silence = s->answered_ns == 0 || p->answered_ns - s->answered_ns > SOURCE_PROOF_SILENCE_NS;
    if (silence)
        s->silence_answered_ns = p->answered_ns;
    s->answered_ns = p->answered_ns;
    if (!p->info.replicated)
        s->silence_answered_ns = 0;
    if (s->silence_answered_ns == 0)
        return true;
    if (p->t0_ns - s->silence_answered_ns < SOURCE_PROOF_SECOND_NS)
        return false;
    s->silence_answered_ns = 0;
    return true;
}

static bool proof_grade(struct source *s, const struct probe *p)
{
    if (p->answered_ns - p->t0_ns > LINK_REQUEST_TIMEOUT_MS * NS_PER_MS || p->info.created_ns == 0 ||
        !p->info.leader_proved)
        return false;
    return answer_counts(s, p);
}

enum sg_status source_probe(struct source *s, struct probe *out, struct sg_error *err)
{
    struct stream_metrics *m = metrics_stream(s->context.metrics, s->stream);
    out->t0_ns = clock_boot_ns();
    enum sg_status status = jetstream_info(&s->js, &out->info, err);
    out->answered_ns = clock_boot_ns();
    out->proof_grade = status == SG_OK && proof_grade(s, out);
    enum probe_result result = status != SG_OK ? PROBE_FAILED : out->proof_grade ? PROBE_PROVED : PROBE_UNPROVED;
    atomic_fetch_add_explicit(&m->probes[result], 1, memory_order_relaxed);
    return status;
}

/* ---- gaps ---- */

bool source_may_drop(const struct source *s, const struct stream_info *info)
{
    bool only_superseded = info->max_messages_per_subject >= 1 && info->max_messages < 0 && info->max_bytes < 0 &&
                           info->max_age_ns == 0 && !info->message_ttl && s->settings->subject.has_id;
    return !only_superseded;
}

enum sg_status source_gap(struct source *s, uint64_t first, uint64_t last, const struct stream_info *info,
                          struct sg_error *err)
{
    bool rebuild = s->settings->on_gap == ON_GAP_REBUILD;
    s->lost_until = last;
    log_event(LOG_WARN, "gap_found", LOG_STR("stream", s->settings->name), LOG_UINT("first", first),
              LOG_UINT("last", last), LOG_STR("action", rebuild ? "rebuild" : "continue"));
    if (!rebuild)
        return projector_add_gap(s->context.projector, s->stream, first, last, err);
    enum sg_status status = projector_begin_build(s->context.projector, s->stream, s->row.created_ns, &s->row.epoch,
                                                  info->last, err);
    if (status != SG_OK)
        return status;
    s->target_set = true;
    return sg_fail(err, SG_UNAVAILABLE, "stream %s: building again after a gap", s->settings->name);
}

/* Of the sequences that the consumer passed over, those before the stream's first are gone: lost, as far as anybody can
 * tell. The others were superseded or filtered out. */
static enum sg_status gaps_in_jumps(struct source *s, const struct stream_info *info, struct sg_error *err)
{
    struct link_jump jumps[LINK_JUMPS_MAX];
    size_t count = link_take_jumps(s->link, jumps);
    enum sg_status status = SG_OK;
    if (!source_may_drop(s, info))
        return SG_OK;
    for (size_t i = 0; i < count && status == SG_OK; i++) {
        uint64_t first = jumps[i].first > s->lost_until ? jumps[i].first : s->lost_until + 1;
        uint64_t last = jumps[i].last < info->first ? jumps[i].last : info->first - 1;
        if (first < info->first && first <= last)
            status = source_gap(s, first, last, info, err);
    }
    return status;
}

/* ---- when nothing more can arrive ---- */

static uint64_t applied(const struct source *s)
{
    struct freshness_facts facts;
    freshness_facts(s->context.freshness, s->stream, &facts);
    return facts.applied_known ? facts.applied : 0;
}

/* A message is in the stream and should be here: give it some time, then call the consumer lost. */
static enum sg_status note_stalled(struct source *s, uint64_t sequence, struct sg_error *err)
{
    if (link_received(s->link) >= sequence) {
        s->stalled_sequence = 0;
        return SG_OK;
    }
    if (s->stalled_sequence != sequence) {
        s->stalled_sequence = sequence;
        s->stalled_since_ns = clock_boot_ns();
    } else if (clock_boot_ns() - s->stalled_since_ns > SOURCE_STALL_NS) {
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: message %llu is there but does not arrive", s->settings->name,
                       (unsigned long long)sequence);
    }
    return SG_OK;
}

/* The position stands before the head and nothing is queued: ask whether anything that matches lies between. Bracketed by
 * two proof-grade answers of the same life (`before` is the first), so that the stream itself has said so. */
static enum sg_status advance(struct source *s, const struct probe *before, struct sg_error *err)
{
    struct stream_message next;
    struct probe after;
    uint64_t position = applied(s);
    uint64_t limit = before->info.last;
    if (position >= limit || !queue_is_idle(s->queue))
        return SG_OK;
    enum sg_status status = jetstream_next(&s->js, position + 1, s->settings->subject.filter, &next, err);
    if (status == SG_OK) {
        limit = next.sequence - 1 < limit ? next.sequence - 1 : limit;
        status = note_stalled(s, next.sequence, err);
    } else if (status == SG_NOT_FOUND) {
        s->stalled_sequence = 0;
        status = SG_OK;
    }
    if (status == SG_OK)
        status = source_probe(s, &after, err);
    if (status != SG_OK)
        return status;
    if (!after.proof_grade || after.info.created_ns != s->row.created_ns || !queue_is_idle(s->queue) ||
        applied(s) != position || limit <= position)
        return SG_OK;
    /* From 0, a build begins at the first there is: nothing is lost to it. */
    if (position > 0 && after.info.first > position + 1 && source_may_drop(s, &after.info)) {
        status = source_gap(s, position + 1, after.info.first - 1 < limit ? after.info.first - 1 : limit, &after.info, err);
        if (status != SG_OK)
            return status;
    }
    return projector_advance(s->context.projector, s->stream, s->generation, limit, err);
}

/* ---- the loop ---- */

/* The consumer must be heard every second; a full queue explains its silence. */
static enum sg_status check_alive(struct source *s, struct sg_error *err)
{
    uint64_t activity = link_activity(s->link);
    int64_t now_ns = clock_boot_ns();
    if (activity != s->activity || queue_is_full(s->queue)) {
        s->activity = activity;
        s->heard_ns = now_ns;
    }
    if (now_ns - s->heard_ns > SOURCE_SILENCE_NS)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: no heartbeat of the consumer for %lld ms", s->settings->name,
                       (long long)((now_ns - s->heard_ns) / NS_PER_MS));
    return SG_OK;
}

/* What an answer means for the life of the stream. */
static enum sg_status check_life(const struct source *s, const struct probe *p, uint64_t position_sent,
                                 struct sg_error *err)
{
    if (p->info.created_ns != s->row.created_ns)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: another creation time", s->settings->name);
    if (p->info.last < position_sent)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: it ends at %llu, before the position %llu", s->settings->name,
                       (unsigned long long)p->info.last, (unsigned long long)position_sent);
    return SG_OK;
}

/* What is wrong although the stream answers; and no more, once nothing is. */
static void show_complaint(struct source *s)
{
    char complaint[256];
    if (link_complaint(s->link, complaint)) {
        source_show_error(s, complaint, "complaint");
        return;
    }
    if (s->error_shown) {
        s->error_shown = false;
        freshness_set_error(s->context.freshness, s->stream, "");
    }
    if (s->error_logged[0] != '\0') {
        s->error_logged[0] = '\0';
        log_event(LOG_INFO, "stream_recovered", LOG_STR("stream", s->settings->name));
    }
}

/* A proof: of freshness and of readiness. */
static void proved(struct source *s, const struct probe *p)
{
    freshness_proved(s->context.freshness, s->stream, p->t0_ns, p->answered_ns, p->info.last, &s->row.epoch);
    if (!s->target_set) {
        s->target_set = true;
        freshness_set_ready_target(s->context.freshness, s->stream, p->info.last, &s->row.epoch);
    }
    show_complaint(s);
}

static enum sg_status probe_once(struct source *s, struct sg_error *err)
{
    struct probe probe;
    uint64_t position_sent = applied(s);
    enum sg_status status = source_probe(s, &probe, err);
    if (status == SG_OK)
        status = check_life(s, &probe, position_sent, err);
    if (status != SG_OK || !probe.proof_grade)
        return status;
    proved(s, &probe);
    status = gaps_in_jumps(s, &probe.info, err);
    return status == SG_OK ? advance(s, &probe, err) : status;
}

enum sg_status source_follow(struct source *s, struct sg_error *err)
{
    int64_t idle_ns = s->context.settings->probe_idle_ms * NS_PER_MS;
    int64_t probe_at_ns = clock_boot_ns();
    int failed = 0;
    s->heard_ns = probe_at_ns;
    s->stalled_sequence = 0;
    while (!atomic_load(&s->stopping)) {
        char reason[256];
        if (link_trouble(s->link, reason))
            return sg_fail(err, SG_UNAVAILABLE, "stream %s: %s", s->settings->name, reason);
        enum sg_status status = check_alive(s, err);
        if (status != SG_OK)
            return status;
        if (clock_boot_ns() >= probe_at_ns) {
            int64_t began_ns = clock_boot_ns();
            status = probe_once(s, err);
            /* Only silence may be a passing matter: everything else is settled anew. */
            failed = status == SG_OK ? 0 : failed + 1;
            if (status != SG_OK && (status != SG_UNAVAILABLE || failed >= SOURCE_PROBES_FAILED_MAX))
                return status;
            probe_at_ns = began_ns + (s->silence_answered_ns != 0 && SOURCE_PROOF_SECOND_NS < idle_ns
                                          ? SOURCE_PROOF_SECOND_NS
                                          : idle_ns);
        }
        int64_t tick_ns = clock_boot_ns() + SOURCE_TICK_NS;
        bell_wait(s->bell, probe_at_ns < tick_ns ? probe_at_ns : tick_ns);
    }
    return sg_fail(err, SG_STOPPED, "stopping");
}
