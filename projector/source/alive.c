/* Whether the consumer is alive. */
#include "projector/source/alive.h"

void alive_look(struct session *s)
{
    uint64_t activity = nats_activity(s->connection);
    uint64_t bytes = nats_bytes_received(s->connection);
    if (activity != s->activity) {
        s->activity = activity;
        s->heard_ns = time_boot_ns();
        s->bytes_whole = bytes;
    }
    s->arriving = bytes - s->bytes_whole > SOURCE_ARRIVING_BYTES_MIN;
    if (s->arriving && bytes > s->bytes)
        s->heard_ns = time_boot_ns();
    s->bytes = bytes;
}

enum sg_status alive_fail_unheard(struct session *s, struct sg_error *err)
{
    s->unheard = true;
    return sg_fail(err, SG_UNAVAILABLE,
                   "stream %s: nothing of its consumer arrives: an API that is imported from another account needs the "
                   "consumer's deliver subject imported too",
                   s->settings->name);
}

enum sg_status alive_check(struct session *s, struct sg_error *err)
{
    int64_t now_ns = time_boot_ns();
    alive_look(s);
    if (queue_is_full(s->queue))
        s->heard_ns = now_ns;
    if (now_ns - s->heard_ns > SOURCE_SILENCE_NS && s->activity == s->activity_began)
        return alive_fail_unheard(s, err);
    if (now_ns - s->heard_ns > SOURCE_SILENCE_NS)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: no heartbeat of the consumer for %lld ms", s->settings->name,
                       (long long)((now_ns - s->heard_ns) / NS_PER_MS));
    return SG_OK;
}
