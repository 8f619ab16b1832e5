/* Probes: the stream's information, and whether the answer is proof-grade. */
#include "projector/source/probe.h"

#include "core/base/log.h"

#define PROOF_ATTEMPTS_MAX 4

/* After a silence of a replicated stream's leader the first answer may be the old leader's, resumed: only one that was
 * asked for a second after it counts. A stream with one replica has no other leader that could know more. */
static bool answer_counts(struct session *s, const struct probe *p)
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

static bool proof_grade(struct session *s, const struct probe *p)
{
#ifdef SG_PLANT_STALE_LEADER
    return answer_counts(s, p) || p->info.created_ns != 0; /* whoever answers is believed */
#endif
    if (p->answered_ns - p->t0_ns > NATS_REQUEST_TIMEOUT_MS * NS_PER_MS || p->info.created_ns == 0 ||
        !p->info.leader_proved)
        return false;
    return answer_counts(s, p);
}

/* A bucket of which messages alone do not show what is in it. */
static enum sg_status check_bucket(const struct session *s, const struct stream_info *info, struct sg_error *err)
{
    if ((info->max_age_ns > 0 || info->message_ttl) && !info->delete_markers)
        return sg_fail(err, SG_INVALID,
                       "stream %s: its entries expire without delete markers, which messages alone cannot show",
                       s->settings->name);
    /* The server leaves a marker only where the subject becomes empty. */
    if (info->message_ttl && info->max_messages_per_subject != 1)
        return sg_fail(err, SG_INVALID,
                       "stream %s: its entries may expire one by one (allow_msg_ttl) and it keeps more than one "
                       "revision of a key: when the newest expires an older one is back, which no message shows",
                       s->settings->name);
    return SG_OK;
}

/* A writer's repetition within that window is the broker's to drop; later ones are what tombstones are kept for. */
static enum sg_status check_tombstones(const struct session *s, const struct stream_info *info, struct sg_error *err)
{
    const struct collection_settings *kept = s->shortest_kept;
    if (kept == NULL || kept->tombstones.keep_ms >= (info->duplicate_window_ns + NS_PER_MS - 1) / NS_PER_MS)
        return SG_OK;
    return sg_fail(err, SG_INVALID,
                   "stream %s: tombstones of %.255s are kept for %.3f s (collections[].tombstones.keep), shorter than "
                   "its duplicate window of %.3f s",
                   s->settings->name, kept->name, (double)kept->tombstones.keep_ms / 1000,
                   (double)info->duplicate_window_ns / (double)NS_PER_S);
}

enum sg_status probe_check_usable(const struct session *s, const struct stream_info *info, struct sg_error *err)
{
    if (info->created_ns == 0)
        return sg_fail(err, SG_INVALID, "stream %s: the broker shows no creation time", s->settings->name);
    if (info->retention != RETENTION_LIMITS)
        return sg_fail(err, SG_INVALID,
                       "stream %s: its retention is not \"limits\": "
                       "reading it would compete with or delete for its consumers",
                       s->settings->name);
    if (!info->takes_filter)
        return sg_fail(err, SG_INVALID, "stream %s: none of its subjects (%s) can match the template's filter %s",
                       s->settings->name, info->subjects, s->settings->subject.filter);
    enum sg_status status = check_tombstones(s, info, err);
    return status == SG_OK && s->settings->format == FORMAT_KV ? check_bucket(s, info, err) : status;
}

enum sg_status session_probe(struct session *s, struct probe *out, struct sg_error *err)
{
    struct stream_metrics *m = metrics_stream(s->context.metrics, s->stream);
    out->t0_ns = time_boot_ns();
    enum sg_status status = jetstream_info(&s->js, &out->info, err);
    out->answered_ns = time_boot_ns();
    if (status == SG_OK)
        ingest_set_clock(s->context.ingest, s->stream, out->info.now_ns);
    bool filtered = status == SG_OK && !out->info.filter_is_all && out->info.rest[0] == '\0';
    if (status == SG_OK && freshness_set_filtered(s->context.freshness, s->stream, filtered))
        progress_changed(s->context.progress);
#ifdef SG_PLANT_STALENESS_AT_RECEIPT
    out->t0_ns = out->answered_ns;
#endif
    s->unanswered = status == SG_UNAVAILABLE;
    out->proof_grade = status == SG_OK && proof_grade(s, out);
    if (out->proof_grade) {
        status = probe_check_usable(s, &out->info, err);
        out->proof_grade = status == SG_OK;
    }
    enum probe_result result = status != SG_OK ? PROBE_FAILED : out->proof_grade ? PROBE_PROVED : PROBE_UNPROVED;
    atomic_fetch_add_explicit(&m->probes[result], 1, memory_order_relaxed);
    return status;
}

enum sg_status session_probe_proved(struct session *s, struct probe *out, struct sg_error *err)
{
    for (int attempt = 0; attempt < PROOF_ATTEMPTS_MAX; attempt++) {
        enum sg_status status = session_probe(s, out, err);
        if (status != SG_OK)
            return status;
        if (out->proof_grade)
            return SG_OK;
        if (!session_sleep(s, SOURCE_PROOF_SECOND_NS))
            return sg_fail(err, SG_STOPPED, "stopping");
    }
    return sg_fail(err, SG_UNAVAILABLE, "stream %s: no proof-grade answer: no leader with a majority",
                   s->settings->name);
}

/* What a copy shows is as old as its last word from its origin, and its own account of that is not exact. */
static int64_t proved_instant(const struct session *s, const struct probe *p)
{
    int64_t delay_ns = tunables_take(s->context.tunables)->probe_mirror_delay_ms * NS_PER_MS;
    if (!p->info.mirrored)
        return p->t0_ns;
    return p->info.mirror_current ? p->t0_ns - p->info.mirror_heard_ns - delay_ns : INT64_MIN;
}

int64_t probe_publish(struct session *s, const struct probe *p, bool proves)
{
    const struct freshness_answer answer = {.asked_ns = p->t0_ns,
                                            .answered_ns = p->answered_ns,
                                            .proof_ns = proved_instant(s, p),
                                            .copy = p->info.mirrored,
                                            .head = p->info.last,
                                            .epoch = s->row.epoch};
    if (freshness_answered(s->context.freshness, s->stream, &answer, proves)) {
        /* The stream has lost its end. What was there is lost to everybody, and who waits for it must learn that. */
        log_event(LOG_WARN, "head_fell", LOG_STR("stream", s->settings->name), LOG_UINT("head", p->info.last));
        progress_changed(s->context.progress);
    }
    return answer.proof_ns;
}
