/* Watch a stream that is identified: probe its head, prove freshness, find gaps, notice a consumer that died, and move
 * the position where nothing more can arrive. */
#include "projector/source/watch.h"

#include <stdio.h>

#include "core/base/log.h"
#include "projector/source/alive.h"
#include "projector/source/holes.h"
#include "projector/source/identify.h"
#include "projector/source/probe.h"

/* ---- when nothing more can arrive ---- */

/* A message is in the stream and should be here: give it some time, then call the consumer lost. */
static enum sg_status note_stalled(struct session *s, uint64_t sequence, struct sg_error *err)
{
    if (nats_received(s->connection) >= sequence) {
        s->stalled_sequence = 0;
        return SG_OK;
    }
    if (s->stalled_sequence != sequence) {
        s->stalled_sequence = sequence;
        s->stalled_since_ns = time_boot_ns();
    } else if (time_boot_ns() - s->stalled_since_ns > SOURCE_STALL_NS) {
        if (nats_activity(s->connection) == s->activity_began)
            return alive_fail_unheard(s, err);
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: message %llu is there but does not arrive", s->settings->name,
                       (unsigned long long)sequence);
    }
    return SG_OK;
}

/* All that is in the stream was passed over: its subjects may be others than the template's, as a mirror's are. */
static void note_unmatched(struct session *s, const struct stream_info *info)
{
    if (info->messages == 0 || info->subjects_known)
        return;
    s->unmatched = true;
    s->unmatched_received = nats_received(s->connection);
}

enum sg_status session_look_for_matches(struct session *s, const struct stream_info *info, struct sg_error *err)
{
    char name[SESSION_CONSUMER_BYTES];
    struct stream_message first;
    s->unmatched = false;
    /* At 0 the watch finds it out. */
    if (info->messages == 0 || info->subjects_known || s->row.position == 0 || s->row.position_time_ns != 0)
        return SG_OK;
    session_consumer_name(name);
    enum sg_status status = jetstream_look(&s->js, name, 1, s->inactive_threshold_ns, &first, err);
    if (status == SG_NOT_FOUND)
        note_unmatched(s, info);
    /* Refused: the stream allows no other consumer. */
    return status == SG_NOT_FOUND || status == SG_INVALID ? SG_OK : status;
}

/* The next message did not come as an answer: it may be large, and all further answers would wait behind it. */
static enum sg_status give_up_next(struct session *s, struct sg_error *err)
{
    s->unanswered = false;
    s->next_at_ns = time_boot_ns() + SOURCE_NEXT_PAUSE_NS;
    nats_disconnect(s->questions);
    return nats_connect(s->questions, err);
}

/* The position stands before the head and nothing is queued: ask whether anything that matches lies between. Bracketed
 * by two proof-grade answers of the same incarnation (`before` is the first), so that the stream itself has said so. */
static enum sg_status advance(struct session *s, const struct probe *before, struct sg_error *err)
{
    struct stream_message next;
    struct probe after;
    uint64_t position = session_position(s);
    uint64_t limit = before->info.last;
    if (position >= limit || !queue_is_idle(s->queue) || time_boot_ns() < s->next_at_ns)
        return SG_OK;
    alive_look(s);
    if (s->arriving) { /* that one is the next; its body need not come on the other connection too */
        s->stalled_sequence = 0;
        return SG_OK;
    }
    enum sg_status status = jetstream_next(&s->js, position + 1, &next, err);
    if (status == SG_UNAVAILABLE)
        return give_up_next(s, err);
    if (status == SG_OK) {
        /* Too large an answer names none: nothing is known but that it is there. */
        uint64_t sequence = next.sequence > 0 ? next.sequence : position + 1;
        limit = sequence - 1 < limit ? sequence - 1 : limit;
        status = note_stalled(s, sequence, err);
    } else if (status == SG_NOT_FOUND) {
        s->stalled_sequence = 0;
        if (position == 0)
            note_unmatched(s, &before->info);
        status = SG_OK;
    }
    if (status == SG_OK)
        status = session_probe(s, &after, err);
    if (status != SG_OK)
        return status;
    if (!after.proof_grade || after.info.created_ns != s->row.created_ns || !queue_is_idle(s->queue) ||
        session_position(s) != position || limit <= position || after.info.last < limit)
        return SG_OK;
    struct hole passed = {.first = position + 1, .last = limit};
    bool nothing_removed = holes_nothing_removed(s, &after.info, passed.first);
    status = ingest_advance(s->context.ingest, s->stream, s->generation, limit, nothing_removed, err);
    if (status == SG_OK && !nothing_removed)
        status = holes_passed(s, limit, &after, err);
    return status;
}

/* ---- the loop ---- */

/* Does the answer come from the incarnation that the rows belong to? */
static enum sg_status check_incarnation(const struct session *s, const struct probe *p, uint64_t position_sent,
                                        struct sg_error *err)
{
    if (p->info.created_ns != s->row.created_ns)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: another creation time", s->settings->name);
    uint64_t seen = session_seen(s) > position_sent ? session_seen(s) : position_sent;
    if (p->info.last < seen)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: it ends at %llu, before %llu, which it had", s->settings->name,
                       (unsigned long long)p->info.last, (unsigned long long)seen);
    return SG_OK;
}

/* What is wrong although the stream answers; and no more, once nothing is. */
static void show_warning(struct session *s)
{
    char warning[256];
    bool warned = session_warning(s, warning);
    s->unmatched = s->unmatched && nats_received(s->connection) == s->unmatched_received;
    if (!warned && s->unmatched)
        (void)snprintf(warning, sizeof warning,
                       "stream %.80s: none of its messages matches the template's filter %.100s", s->settings->name,
                       s->settings->subject.filter);
    if (warned || s->unmatched) {
        session_show_error(s, warning, "warning");
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

/* The broker shows this incarnation, and where it ends; what it proves is still to be looked into. */
static void answered(struct session *s, const struct probe *p)
{
    probe_publish(s, p, false);
    session_wake_waiting(s);
}

/* A proof: of freshness and of readiness. */
static void proved(struct session *s, const struct probe *p)
{
    int64_t proof_ns = probe_publish(s, p, true);
    if (!s->target_set && proof_ns != INT64_MIN) {
        s->target_set = true;
        freshness_set_ready_target(s->context.freshness, s->stream, p->info.last, &s->row.epoch);
        if (p->info.last == 0)
            freshness_set_ready(s->context.freshness, s->stream);
    }
    if (proof_ns > s->proved_ns)
        s->proved_ns = proof_ns;
    session_wake_waiting(s);
    show_warning(s);
}

/* What was counted for an earlier answer. */
static enum sg_status look_counted(struct session *s, struct sg_error *err)
{
    struct probe proof;
    bool is_proved = false;
    enum sg_status status = holes_counted(s, &proof, &is_proved, err);
    if (is_proved)
        proved(s, &proof);
    return status;
}

static enum sg_status probe_once(struct session *s, struct sg_error *err)
{
    struct probe probe;
    struct probe proof;
    bool is_proved = false;
    uint64_t position_sent = session_position(s);
    struct hole hole = ingest_hole(s->context.ingest, s->stream); /* before the question: no older answer settles it */
    s->hole_tried = hole.first != 0;
    enum sg_status status = session_probe(s, &probe, err);
    if (status != SG_OK || !probe.proof_grade)
        return status;
    status = check_incarnation(s, &probe, position_sent, err);
    if (status == SG_OK)
        status = session_identify_head(s, &probe.info, err);
    s->unheard = s->unheard && nats_activity(s->connection) == s->activity_began;
    if (status != SG_OK || s->unheard)
        return status;
    if (!holes_prove_at_once(s, hole))
        answered(s, &probe);
    status = holes_answered(s, hole, &probe, &proof, &is_proved, err);
    if (is_proved)
        proved(s, &proof);
    if (status == SG_OK)
        status = advance(s, &probe, err);
    if (ingest_hole(s->context.ingest, s->stream).first == 0)
        s->hole_tried = false;
    return status;
}

/* Between two probes that reads ask for; longer while answers prove nothing,
 * which asking more often would not change. */
static int64_t wanted_interval_ns(const struct session *s, int64_t began_ns)
{
    int64_t interval_ns = s->tunables->probe_min_interval_ms * NS_PER_MS;
    bool in_vain = s->proved_ns < began_ns || s->hole_tried;
    return in_vain && interval_ns < SOURCE_VAIN_INTERVAL_NS ? SOURCE_VAIN_INTERVAL_NS : interval_ns;
}

/* When to send a probe, as a parked read waits for what it may bring: a proof that is later than the last one, or the
 * end of a hole. One is in flight at a time. INT64_MAX: nothing waits. */
static int64_t probe_wanted_at(struct session *s, int64_t began_ns)
{
    int64_t wanted_at_ns = progress_probe_at(s->context.progress, s->stream, s->proved_ns);
    int64_t allowed_at_ns = began_ns + wanted_interval_ns(s, began_ns);
    if (ingest_hole(s->context.ingest, s->stream).first != 0 && progress_waited(s->context.progress, s->stream))
        wanted_at_ns = INT64_MIN;
    return wanted_at_ns > allowed_at_ns ? wanted_at_ns : allowed_at_ns;
}

/* When to look again: at the next probe, the next tick, or when the next one that is wanted is sent. */
static int64_t next_look_ns(struct session *s, int64_t probe_at_ns, int64_t began_ns)
{
    int64_t at_ns = time_boot_ns() + SOURCE_TICK_NS;
    int64_t wanted_at_ns = probe_wanted_at(s, began_ns);
    if (probe_at_ns < at_ns)
        at_ns = probe_at_ns;
    if (wanted_at_ns < at_ns)
        at_ns = wanted_at_ns;
    progress_probe_looks(s->context.progress, s->stream, at_ns);
    return at_ns;
}

enum sg_status session_watch(struct session *s, struct sg_error *err)
{
    int64_t probe_at_ns = time_boot_ns();
    int64_t began_ns = 0; /* the last probe */
    int failed = 0;
    s->heard_ns = probe_at_ns;
    s->activity_began = nats_activity(s->connection);
    s->activity = s->activity_began;
    s->bytes = 0;
    s->bytes_whole = nats_bytes_received(s->connection);
    s->stalled_sequence = 0;
    s->next_at_ns = 0;
    holes_begin(s);
    while (!atomic_load(&s->stopping)) {
        char reason[256];
        s->tunables = tunables_take(s->context.tunables);
        int64_t idle_ns = s->tunables->probe_idle_ms * NS_PER_MS;
        if (nats_fatal(s->connection, reason) || nats_fatal(s->questions, reason))
            return sg_fail(err, SG_UNAVAILABLE, "stream %s: %s", s->settings->name, reason);
        enum sg_status status = alive_check(s, err);
        if (status == SG_OK)
            status = look_counted(s, err);
        if (status != SG_OK)
            return status;
        int64_t now_ns = time_boot_ns();
        if (now_ns >= probe_at_ns || now_ns >= probe_wanted_at(s, began_ns)) {
            began_ns = time_boot_ns();
            status = probe_once(s, err);
            /* Only silence may be a passing matter: everything else begins the next session. */
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
