/* Which incarnation of the stream is this? Compare what the broker shows with what is stored beside the position.
 *
 *   created unknown here ............................ identify it (nothing is stored yet)
 *   created differs, proof-grade .................... another incarnation: new epoch, build again
 *   last < position, twice, 2 s apart, proof-grade .. rolled back: the same, with a random suffix to the epoch
 *    (or < the head when a build began that is not whole yet)
 *   another message at the position ................. rolled back and written on: the same
 *    (or none, and one before it is younger)
 *   otherwise ....................................... go on from the position */
#include "projector/source/identify.h"

#include <string.h>

#include "core/base/log.h"
#include "core/base/utf8.h"
#include "projector/source/gaps.h"
#include "projector/source/probe.h"

static enum sg_status begin_incarnation(struct session *s, const struct stream_info *info, const char *suffix,
                                        const char *reason, struct sg_error *err)
{
    struct epoch epoch;
    epoch_make(s->settings->name, info->created_ns, suffix, &epoch);
    log_event(LOG_WARN, "epoch_changed", LOG_STR("stream", s->settings->name), LOG_STR("reason", reason),
              LOG_STR("epoch_old", s->row.epoch.text), LOG_STR("epoch", epoch.text),
              LOG_UINT("position_old", s->row.position), LOG_UINT("head", info->last));
    enum sg_status status = session_begin_build(s, info->created_ns, &epoch, info->last, err);
    return status == SG_OK ? session_load(s, err) : status;
}

static enum sg_status begin_rolled_back(struct session *s, const struct stream_info *info, const char *reason,
                                        struct sg_error *err)
{
    char suffix[EPOCH_SUFFIX_CHARS + 1];
    enum sg_status status = epoch_random_suffix(suffix, err);
    return status == SG_OK ? begin_incarnation(s, info, suffix, reason, err) : status;
}

/* Is this the subject that the broker shows as `shown`? It answers in JSON: each byte of a subject that is not UTF-8
 * comes back as U+FFFD. */
static bool is_shown_as(const char *subject, const char *shown)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    const char *end = subject + strlen(subject);
    while (subject < end) {
        size_t bytes = utf8_char_bytes(subject, (size_t)(end - subject));
        const char *expected = bytes > 0 ? subject : replacement;
        size_t expected_bytes = bytes > 0 ? bytes : sizeof replacement - 1;
        if (strncmp(shown, expected, expected_bytes) != 0)
            return false;
        shown += expected_bytes;
        subject += bytes > 0 ? bytes : 1;
    }
    return *shown == '\0';
}

/* The message at the position, without its body where that can be had. SG_NOT_FOUND: it is gone. */
static enum sg_status load_message(struct session *s, struct stream_message *out, struct sg_error *err)
{
    char name[SESSION_CONSUMER_BYTES];
    uint64_t position = s->row.position;
    session_consumer_name(name);
    s->looked = true;
    enum sg_status status = jetstream_look(&s->js, name, position, s->inactive_threshold_ns, out, err);
    /* None that matches is there. One of another subject may be, in a stream that was rolled back and written on; or
     * the consumer is a follower's that lags, or one too many for the stream. The stream itself knows. */
    if ((status == SG_OK && out->sequence != position) || status == SG_NOT_FOUND || status == SG_INVALID)
        status = jetstream_message(&s->js, position, out, err);
    return status;
}

static bool is_applied(const struct build *row, const struct stream_message *message)
{
    if (message->sequence == 0) /* it is too large to be looked at */
        return true;
    return message->time_ns == row->position_time_ns &&
           (row->position_subject[0] == '\0' || message->subject[0] == '\0' ||
            strcmp(row->position_subject, message->subject) == 0 ||
            is_shown_as(row->position_subject, message->subject));
}

/* The message at the position is gone. Is one before it younger than it was? Then that one was written after a rollback.
 * A server whose clock was set back has such messages too; its stream is built again, needlessly. */
static enum sg_status find_younger(struct session *s, bool *found, struct sg_error *err)
{
    struct stream_message message;
    char name[SESSION_CONSUMER_BYTES];
    session_consumer_name(name);
    s->looked = true;
    enum sg_status status = jetstream_look_since(&s->js, name, s->row.position_time_ns + NS_PER_MS,
                                                 s->inactive_threshold_ns, &message, err);
    *found = status == SG_OK && message.sequence < s->row.position;
    return status == SG_NOT_FOUND || status == SG_INVALID ? SG_OK : status;
}

/* Of an answer with another creation time. */
static enum sg_status begin_created(struct session *s, const struct stream_info *info, struct sg_error *err)
{
    struct epoch epoch;
    epoch_make(s->settings->name, info->created_ns, NULL, &epoch);
    /* Restored while a build of the incarnation in between was written: it must not pass for the one that is served. */
    if (epoch_equal(&epoch, &s->row.served_epoch))
        return begin_rolled_back(s, info, "an earlier incarnation has come back", err);
    return begin_incarnation(s, info, NULL, "another creation time", err);
}

/* Is the message at the position the one that was applied? */
static enum sg_status identify_message(struct session *s, const struct stream_info *info, struct sg_error *err)
{
    struct stream_message message;
#ifdef SG_PLANT_ROLLBACK_UNSEEN
    return SG_OK; /* whatever is there is believed */
#endif
    if (s->row.position == 0 || s->row.position_time_ns == 0 || s->row.position < info->first)
        return SG_OK;
    if (s->row.position == info->last && s->row.position_time_ns == info->last_time_ns)
        return SG_OK; /* its time in nanoseconds names it */
    enum sg_status status = load_message(s, &message, err);
    bool another = status == SG_OK && !is_applied(&s->row, &message);
    if (status == SG_NOT_FOUND)
        status = find_younger(s, &another, err);
    if (status != SG_OK || !another)
        return status;
    struct probe probe;
    status = session_probe_proved(s, &probe, err);
    if (status != SG_OK)
        return status;
    if (probe.info.created_ns != s->row.created_ns) /* since the question before */
        return begin_created(s, &probe.info, err);
    return begin_rolled_back(s, &probe.info, "another message is at the position", err);
}

/* A stream that was restored from an older copy, and written on up to the position, has the creation time and the end
 * that are expected; the time of its last message is another one. So it is after that message was deleted, which is
 * looked into once. */
enum sg_status session_identify_head(struct session *s, const struct stream_info *info, struct sg_error *err)
{
    if (info->last_time_ns == 0 || ingest_may_be(s->context.ingest, s->stream, info->last, info->last_time_ns) ||
        (s->head_seen.sequence == info->last && s->head_seen.time_ns == info->last_time_ns))
        return SG_OK;
    enum sg_status status = session_load(s, err);
    if (status != SG_OK || s->row.position != info->last)
        return status;
    struct epoch epoch = s->row.epoch;
    status = identify_message(s, info, err);
    if (status == SG_OK && !epoch_equal(&epoch, &s->row.epoch))
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: another message is at the position", s->settings->name);
    if (status == SG_OK)
        s->head_seen = (struct stream_head){.sequence = info->last, .time_ns = info->last_time_ns};
    return status;
}

static bool beyond_head(const struct session *s, const struct probe *p)
{
    return p->info.created_ns == s->row.created_ns && p->info.last < session_seen(s);
}

/* The position lies beyond the stream's end: believe it only if it is still so, in a second proof-grade answer. A
 * stream that has grown past the position meanwhile may have been rolled back all the same: then
 * the message there is another one. */
static enum sg_status identify_beyond_head(struct session *s, struct sg_error *err)
{
    struct probe probe;
    enum sg_status status = session_probe_proved(s, &probe, err);
    if (status == SG_OK && beyond_head(s, &probe)) {
        if (!session_sleep(s, SOURCE_ROLLBACK_CONFIRM_NS))
            return sg_fail(err, SG_STOPPED, "stopping");
        status = session_probe_proved(s, &probe, err);
        if (status == SG_OK && beyond_head(s, &probe))
            return begin_rolled_back(s, &probe.info, "the stream ends before the position", err);
    }
    if (status != SG_OK || probe.info.created_ns != s->row.created_ns)
        return status; /* the next session sees it anew */
    return identify_message(s, &probe.info, err);
}

static enum sg_status identify_created(struct session *s, struct sg_error *err)
{
    struct probe probe;
    enum sg_status status = session_probe_proved(s, &probe, err);
    return status == SG_OK && probe.info.created_ns != s->row.created_ns ? begin_created(s, &probe.info, err) : status;
}

static enum sg_status identify_first(struct session *s, const struct stream_info *info, struct sg_error *err)
{
    struct epoch epoch;
    epoch_make(s->settings->name, info->created_ns, NULL, &epoch);
    enum sg_status status = ingest_identify(s->context.ingest, s->stream, info->created_ns, &epoch, err);
    return status == SG_OK ? session_load(s, err) : status;
}

enum sg_status session_identify(struct session *s, struct sg_error *err)
{
    struct probe probe;
    enum sg_status status = session_load(s, err);
    if (status == SG_OK)
        status = session_probe(s, &probe, err);
    if (status == SG_OK)
        status = probe_check_usable(s, &probe.info, err);
    if (status != SG_OK)
        return status;
    s->inactive_threshold_ns = probe.info.inactive_threshold_ns;
    s->looked = false;
    s->head_seen = (struct stream_head){0};
    s->identified = probe.info;
    if (s->row.created_ns == 0)
        return identify_first(s, &probe.info, err);
    if (probe.info.created_ns != s->row.created_ns)
        return identify_created(s, err);
    if (probe.info.last < session_seen(s))
        return identify_beyond_head(s, err);
    return identify_message(s, &probe.info, err);
}
