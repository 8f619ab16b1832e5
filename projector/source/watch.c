/* Follow a stream whose life is settled: probe its head, prove freshness, find gaps, notice a consumer that died, and
 * move the position where nothing more can arrive. */
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "projector/source/session.h"

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
#ifdef SG_PLANT_STALE_LEADER
    return answer_counts(s, p) || p->info.created_ns != 0; /* whoever answers is believed */
#endif
    if (p->answered_ns - p->t0_ns > NATS_REQUEST_TIMEOUT_MS * NS_PER_MS || p->info.created_ns == 0 ||
        !p->info.leader_proved)
        return false;
    return answer_counts(s, p);
}

enum sg_status source_probe(struct source *s, struct probe *out, struct sg_error *err)
{
    struct stream_metrics *m = metrics_stream(s->context.metrics, s->stream);
    out->t0_ns = time_boot_ns();
    enum sg_status status = jetstream_info(&s->js, &out->info, err);
    out->answered_ns = time_boot_ns();
#ifdef SG_PLANT_STALENESS_AT_RECEIPT
    out->t0_ns = out->answered_ns;
#endif
    s->unanswered = status == SG_UNAVAILABLE;
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

enum sg_status source_begin_build(struct source *s, int64_t created_ns, const struct epoch *epoch, uint64_t target,
                                  struct sg_error *err)
{
    s->target_set = false; /* should this fail, the next proof sets it */
    s->generation = queue_next_generation(s->queue);
    enum sg_status status =
        ingest_begin_build(s->context.ingest, s->stream, created_ns, epoch, target, err);
    if (status != SG_OK)
        return status;
    s->target_set = true;
    s->explained_up_to = 0;
    return SG_OK;
}

enum sg_status source_gap(struct source *s, uint64_t first, uint64_t last, const struct stream_info *info,
                          struct sg_error *err)
{
    bool rebuild = s->settings->on_gap == ON_GAP_REBUILD;
#ifdef SG_PLANT_GAP_UNTOLD
    s->explained_up_to = last;
#endif
    if (first <= s->explained_up_to)
        first = s->explained_up_to + 1;
    if (first > last)
        return SG_OK;
    enum sg_status status =
        rebuild ? source_begin_build(s, s->row.created_ns, &s->row.epoch, info->last, err)
                : ingest_add_gap(s->context.ingest, s->stream, first, last, err);
    if (status != SG_OK)
        return status;
    atomic_fetch_add_explicit(&metrics_stream(s->context.metrics, s->stream)->gaps, 1, memory_order_relaxed);
    log_event(LOG_WARN, "gap_found", LOG_STR("stream", s->settings->name), LOG_UINT("first", first),
              LOG_UINT("last", last), LOG_STR("action", rebuild ? "rebuild" : "continue"));
    if (!rebuild) {
        s->explained_up_to = last;
        return SG_OK;
    }
    return sg_fail(err, SG_UNAVAILABLE, "stream %s: building again after a gap", s->settings->name);
}

/* Of the sequences that the consumer passed over, those before the stream's first are gone: lost, as far as anybody can
 * tell. The others were superseded or filtered out. */
static enum sg_status gaps_in_jumps(struct source *s, const struct skipped_range *jumps, size_t count,
                                    const struct stream_info *info, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < count && status == SG_OK; i++) {
        uint64_t last = jumps[i].last < info->first ? jumps[i].last : info->first - 1;
        if (jumps[i].first < info->first && source_may_drop(s, info))
            status = source_gap(s, jumps[i].first, last, info, err);
        if (status == SG_OK)
            nats_forget_skipped(s->link, jumps[i].last);
    }
    return status;
}

/* ---- when nothing more can arrive ---- */

static uint64_t applied(const struct source *s)
{
    return ingest_position(s->context.ingest, s->stream);
}

/* A message is in the stream and should be here: give it some time, then call the consumer lost. */
static enum sg_status note_stalled(struct source *s, uint64_t sequence, struct sg_error *err)
{
    if (nats_received(s->link) >= sequence) {
        s->stalled_sequence = 0;
        return SG_OK;
    }
    if (s->stalled_sequence != sequence) {
        s->stalled_sequence = sequence;
        s->stalled_since_ns = time_boot_ns();
    } else if (time_boot_ns() - s->stalled_since_ns > SOURCE_STALL_NS) {
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: message %llu is there but does not arrive", s->settings->name,
                       (unsigned long long)sequence);
    }
    return SG_OK;
}

/* The position stands before the head and nothing is queued: ask whether anything that matches lies between. Bracketed
 * by two proof-grade answers of the same life (`before` is the first), so that the stream itself has said so. */
static enum sg_status advance(struct source *s, const struct probe *before, struct sg_error *err)
{
    struct stream_message next;
    struct probe after;
    uint64_t position = applied(s);
    uint64_t limit = before->info.last;
    if (position >= limit || !queue_is_idle(s->queue))
        return SG_OK;
    enum sg_status status = jetstream_next(&s->js, position + 1, s->settings->subject.filter, &next, err);
    s->unanswered = status == SG_UNAVAILABLE;
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
        status = source_gap(s, position + 1, after.info.first - 1 < limit ? after.info.first - 1 : limit, &after.info,
                            err);
        if (status != SG_OK)
            return status;
    }
    s->explained_up_to = limit;
    return ingest_advance(s->context.ingest, s->stream, s->generation, limit, err);
}

/* ---- the loop ---- */

/* The consumer must be heard every second; a full queue explains its silence. */
static enum sg_status check_alive(struct source *s, struct sg_error *err)
{
    uint64_t activity = nats_activity(s->link);
    int64_t now_ns = time_boot_ns();
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
    uint64_t seen = source_seen(&s->row) > position_sent ? source_seen(&s->row) : position_sent;
    if (p->info.last < seen)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: it ends at %llu, before %llu, which it had", s->settings->name,
                       (unsigned long long)p->info.last, (unsigned long long)seen);
    return SG_OK;
}

/* What is wrong although the stream answers; and no more, once nothing is. */
static void show_complaint(struct source *s)
{
    char complaint[256];
    if (nats_warning(s->link, complaint)) {
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

/* Wake the reads that wait for this proof; all of them where the stream shows another life than before. */
static void tell_waiters(struct source *s)
{
    int64_t proof_ns;
    int64_t probe_ns;
    if (!epoch_equal(&s->published_epoch, &s->row.epoch)) {
        s->published_epoch = s->row.epoch;
        progress_changed(s->context.progress);
    }
    freshness_newest(s->context.freshness, s->stream, &proof_ns, &probe_ns);
    progress_proved(s->context.progress, s->stream, proof_ns, probe_ns);
}

/* A proof: of freshness and of readiness. */
static void proved(struct source *s, const struct probe *p)
{
    freshness_proved(s->context.freshness, s->stream, p->t0_ns, p->answered_ns, p->info.last, &s->row.epoch);
    if (!s->target_set) {
        s->target_set = true;
        freshness_set_ready_target(s->context.freshness, s->stream, p->info.last, &s->row.epoch);
        if (p->info.last == 0)
            freshness_set_ready(s->context.freshness, s->stream);
    }
    s->proved_ns = p->t0_ns;
    tell_waiters(s);
    show_complaint(s);
}

static enum sg_status probe_once(struct source *s, struct sg_error *err)
{
    struct probe probe;
    struct skipped_range jumps[NATS_SKIPPED_RANGES_MAX];
    uint64_t position_sent = applied(s);
    size_t jumps_count =
        nats_skipped_ranges(s->link, jumps); /* before the question: an older answer could not judge them */
    enum sg_status status = source_probe(s, &probe, err);
    if (status != SG_OK || !probe.proof_grade)
        return status;
    status = check_life(s, &probe, position_sent, err);
    if (status != SG_OK)
        return status;
    proved(s, &probe);
    status = gaps_in_jumps(s, jumps, jumps_count, &probe.info, err);
    return status == SG_OK ? advance(s, &probe, err) : status;
}

/* Between two probes that reads ask for; longer while answers prove nothing,
 * which asking more often would not change. */
static int64_t wanted_interval_ns(const struct source *s, int64_t began_ns)
{
    int64_t interval_ns = s->tunables->probe_min_interval_ms * NS_PER_MS;
    bool in_vain = s->proved_ns < began_ns;
    return in_vain && interval_ns < SOURCE_VAIN_INTERVAL_NS ? SOURCE_VAIN_INTERVAL_NS : interval_ns;
}

/* A parked read needs a probe that is sent later than the last one that proved something.
 * One is in flight at a time. */
static bool probe_is_wanted(struct source *s, int64_t began_ns)
{
    return time_boot_ns() >= began_ns + wanted_interval_ns(s, began_ns) &&
           progress_probe_wanted(s->context.progress, s->stream, s->proved_ns);
}

/* When to look again: at the next probe, the next tick, or when the next one that is wanted may be sent. */
static int64_t next_look_ns(struct source *s, int64_t probe_at_ns, int64_t began_ns)
{
    int64_t now_ns = time_boot_ns();
    int64_t at_ns = now_ns + SOURCE_TICK_NS;
    if (probe_at_ns < at_ns)
        at_ns = probe_at_ns;
    int64_t wanted_at_ns = began_ns + wanted_interval_ns(s, began_ns);
    if (wanted_at_ns < at_ns && progress_probe_wanted(s->context.progress, s->stream, s->proved_ns))
        at_ns = wanted_at_ns;
    return at_ns;
}

enum sg_status source_watch(struct source *s, struct sg_error *err)
{
    int64_t probe_at_ns = time_boot_ns();
    int64_t began_ns = 0; /* the last probe */
    int failed = 0;
    s->heard_ns = probe_at_ns;
    s->stalled_sequence = 0;
    while (!atomic_load(&s->stopping)) {
        char reason[256];
        s->tunables = tunables_take(s->context.tunables);
        int64_t idle_ns = s->tunables->probe_idle_ms * NS_PER_MS;
        if (nats_fatal(s->link, reason))
            return sg_fail(err, SG_UNAVAILABLE, "stream %s: %s", s->settings->name, reason);
        enum sg_status status = check_alive(s, err);
        if (status != SG_OK)
            return status;
        if (time_boot_ns() >= probe_at_ns || probe_is_wanted(s, began_ns)) {
            began_ns = time_boot_ns();
            status = probe_once(s, err);
            /* Only silence may be a passing matter: everything else is settled anew. */
            failed = status == SG_OK ? 0 : failed + 1;
            if (status != SG_OK && (!s->unanswered || failed >= SOURCE_PROBES_FAILED_MAX))
                return status;
            probe_at_ns = s->silence_answered_ns != 0 && SOURCE_PROOF_SECOND_NS < idle_ns
                              ? time_boot_ns() + SOURCE_PROOF_SECOND_NS
                              : began_ns + idle_ns;
        }
        notifier_wait(s->notifier, next_look_ns(s, probe_at_ns, began_ns));
    }
    return sg_fail(err, SG_STOPPED, "stopping");
}
