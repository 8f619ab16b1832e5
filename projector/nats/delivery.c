/* What arrives from a stream's consumer: messages into the queue, flow control, heartbeats; loss is noticed here.
 *
 * A message's reply subject says where it stands:
 *   $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<timestamp ns>.<pending>
 *   $JS.ACK.<domain>.<account hash>.<stream>.<consumer>. ... the same ... .<pending>[.<random>]   (ADR-15)
 * The consumer's own sequence has no holes, so a hole is loss. Holes of the stream's are normal: filters, superseded
 * messages; whether they are loss only the stream's first sequence tells (nats_skipped_ranges). */
#include "projector/nats/connection_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/decimal.h"

#define ACK_PREFIX "$JS.ACK."
#define ACK_TOKENS_MAX 13
#define ACK_TOKENS_SHORT 9

struct reply_facts {
    struct slice consumer;
    uint64_t sequence;
    uint64_t consumer_seq;
    int64_t time_ns;
};

static bool reply_parse(const char *reply, struct reply_facts *out)
{
    struct slice tokens[ACK_TOKENS_MAX];
    size_t count = 0;
    uint64_t time_ns = 0;
    const char *p = reply;
    while (count < ACK_TOKENS_MAX) {
        const char *dot = strchrnul(p, '.');
        tokens[count++] = (struct slice){p, (size_t)(dot - p)};
        if (*dot == '\0')
            break;
        p = dot + 1;
    }
    if (count < ACK_TOKENS_SHORT)
        return false;
    const struct slice *stream = count == ACK_TOKENS_SHORT ? &tokens[2] : &tokens[4];
    if (&stream[6] > &tokens[count - 1])
        return false;
    out->consumer = stream[1];
    if (!decimal_parse(stream[3], UINT64_MAX, &out->sequence) ||
        !decimal_parse(stream[4], UINT64_MAX, &out->consumer_seq) || !decimal_parse(stream[5], INT64_MAX, &time_ns))
        return false;
    out->time_ns = (int64_t)time_ns;
    return true;
}

/* ---- jumps ---- */

/* Called with the mutex held: join the two neighbours that are closest. */
static void jumps_merge(struct nats_connection *l)
{
    size_t best = 0;
    for (size_t i = 1; i + 1 < l->jumps_count; i++) {
        if (l->jumps[i + 1].first - l->jumps[i].last < l->jumps[best + 1].first - l->jumps[best].last)
            best = i;
    }
    l->jumps[best].last = l->jumps[best + 1].last;
    l->jumps_count--;
    memmove(&l->jumps[best + 1], &l->jumps[best + 2], (l->jumps_count - best - 1) * sizeof l->jumps[0]);
}

static void jumps_add(struct nats_connection *l, uint64_t first, uint64_t last)
{
    (void)pthread_mutex_lock(&l->mutex);
    if (l->jumps_count == NATS_SKIPPED_RANGES_MAX)
        jumps_merge(l);
    l->jumps[l->jumps_count++] = (struct skipped_range){first, last};
    (void)pthread_mutex_unlock(&l->mutex);
}

size_t nats_skipped_ranges(struct nats_connection *l, struct skipped_range jumps[NATS_SKIPPED_RANGES_MAX])
{
    (void)pthread_mutex_lock(&l->mutex);
    size_t count = l->jumps_count;
    memcpy(jumps, l->jumps, count * sizeof jumps[0]);
    (void)pthread_mutex_unlock(&l->mutex);
    return count;
}

void nats_forget_skipped(struct nats_connection *l, uint64_t through)
{
    size_t gone = 0;
    (void)pthread_mutex_lock(&l->mutex);
    while (gone < l->jumps_count && l->jumps[gone].last <= through)
        gone++;
    l->jumps_count -= gone;
    memmove(&l->jumps[0], &l->jumps[gone], l->jumps_count * sizeof l->jumps[0]);
    if (l->jumps_count > 0 && l->jumps[0].first <= through)
        l->jumps[0].first = through + 1; /* merged meanwhile */
    (void)pthread_mutex_unlock(&l->mutex);
}

/* A consumer begins after `position`: keep what it will not see again. */
static void jumps_keep(struct nats_connection *l, uint64_t position)
{
    (void)pthread_mutex_lock(&l->mutex);
    while (l->jumps_count > 0 && l->jumps[l->jumps_count - 1].first > position)
        l->jumps_count--;
    if (l->jumps_count > 0 && l->jumps[l->jumps_count - 1].last > position)
        l->jumps[l->jumps_count - 1].last = position;
    (void)pthread_mutex_unlock(&l->mutex);
}

/* ---- messages ---- */

static struct slice header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    if (natsMsgHeader_Get(msg, name, &value) != NATS_OK)
        return (struct slice){0};
    return slice_of(value);
}

static void item_fill(const struct nats_connection *l, natsMsg *msg, size_t bytes, const struct reply_facts *facts,
                      struct queue_item *item)
{
    *item = (struct queue_item){
        .generation = l->generation,
        .handle = msg,
        .bytes = bytes,
        .message = {.subject = slice_of(natsMsg_GetSubject(msg)),
                    .payload = {natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)},
                    .sequence = facts->sequence,
                    .time_ns = facts->time_ns},
    };
    for (size_t i = 0; i < MESSAGE_HEADERS_MAX && l->format->headers[i] != NULL; i++)
        item->message.headers[i] = header(msg, l->format->headers[i]);
}

/* The message that is held goes first. False: there is no room yet. */
static bool held_push(struct nats_connection *l)
{
    if (l->held.handle == NULL)
        return true;
    uint64_t sequence = l->held.message.sequence;
    enum queue_result result = queue_push(l->queue, &l->held);
    if (result == QUEUE_FULL)
        return false;
    if (result == QUEUE_VOID)
        natsMsg_Destroy(l->held.handle);
    l->held.handle = NULL;
    if (result == QUEUE_VOID)
        return true;
    l->consumer_seq++;
    uint64_t received = atomic_load_explicit(&l->received, memory_order_relaxed);
    if (received > 0 && sequence > received + 1) /* from 0, a build begins at the first there is */
        jumps_add(l, received + 1, sequence - 1);
    atomic_store(&l->received, sequence);
    return true;
}

/* True if the message was taken over. */
static bool message_hold(struct nats_connection *l, natsMsg *msg, size_t bytes, const struct reply_facts *facts)
{
    if (facts->consumer.bytes != l->consumer_bytes ||
        memcmp(facts->consumer.data, l->consumer, l->consumer_bytes) != 0) {
        nats_raise(l, "a message of another consumer arrived");
        return false;
    }
    if (facts->consumer_seq != l->consumer_seq + 1) {
        nats_raise(l, "messages of the consumer are missing");
        return false;
    }
    item_fill(l, msg, bytes, facts, &l->held);
    return true;
}

/* ---- control messages ---- */

/* Status 100: flow control asks for an answer, which it gets in order behind the messages that are queued; a heartbeat
 * says how far the consumer has delivered, and whether it waits for an answer that was lost. */
static void control_handle(struct nats_connection *l, natsConnection *nc, natsMsg *msg)
{
    const char *reply = natsMsg_GetReply(msg);
    struct slice status = header(msg, "Status");
    struct slice stalled = header(msg, "Nats-Consumer-Stalled");
    struct slice delivered = header(msg, "Nats-Last-Consumer");
    uint64_t consumer_seq = 0;
    if (slice_equal(status, SLICE_LITERAL("100"))) {
        if (reply != NULL && reply[0] != '\0')
            (void)natsConnection_Publish(nc, reply, NULL, 0); /* a lost one shows as a stall, below */
        else if (stalled.bytes > 0)
            (void)natsConnection_Publish(nc, stalled.data, NULL, 0);
        if (decimal_parse(delivered, UINT64_MAX, &consumer_seq) && consumer_seq > l->consumer_seq)
            nats_raise(l, "messages of the consumer were lost before a heartbeat");
    } else if (status.bytes > 0) {
        char reason[256];
        struct slice description = header(msg, "Description");
        (void)snprintf(reason, sizeof reason, "the consumer ended: %.*s %.*s", SLICE_ARGS(status),
                       SLICE_ARGS(description));
        nats_raise(l, reason);
    }
}

static void on_message(struct nats_connection *l, natsMsg *msg, size_t bytes)
{
    const char *reply = natsMsg_GetReply(msg);
    struct reply_facts facts;
    bool kept = false;
    atomic_fetch_add_explicit(&l->activity, 1, memory_order_relaxed);
    if (reply == NULL || strncmp(reply, ACK_PREFIX, sizeof ACK_PREFIX - 1) != 0)
        control_handle(l, l->connection, msg);
    else if (reply_parse(reply, &facts))
        kept = message_hold(l, msg, bytes, &facts);
    else
        nats_raise(l, "a message arrived whose reply subject is not understood");
    if (!kept)
        natsMsg_Destroy(msg);
}

void delivery_run(struct nats_connection *l)
{
    natsSubscription *sub = atomic_load(&l->subscription);
    int messages = 0;
    int bytes = 0;
    if (sub == NULL || natsSubscription_GetPending(sub, &messages, &bytes) != NATS_OK)
        return;
    while (held_push(l) && messages-- > 0) {
        natsMsg *msg = NULL;
        int left = 0;
        /* This thread alone adds to the list and takes from it: the difference is the message's size, with headers. */
        if (natsSubscription_NextMsg(&msg, sub, 0) != NATS_OK ||
            natsSubscription_GetPending(sub, NULL, &left) != NATS_OK) {
            natsMsg_Destroy(msg);
            return; /* closed */
        }
        on_message(l, msg, (size_t)(bytes - left));
        bytes = left;
    }
}

enum sg_status nats_subscribe(struct nats_connection *l, const char *consumer, uint64_t generation, uint64_t position,
                              char inbox[NATS_INBOX_BYTES], struct sg_error *err)
{
    natsInbox *made = NULL;
    natsStatus s = natsInbox_Create(&made);
    if (s != NATS_OK)
        return sg_fail(err, SG_MEMORY, "inbox: %s", natsStatus_GetText(s));
    (void)snprintf(inbox, NATS_INBOX_BYTES, "%s", (const char *)made);
    natsInbox_Destroy(made);
    (void)snprintf(l->consumer, sizeof l->consumer, "%s", consumer);
    l->consumer_bytes = strlen(l->consumer);
    l->generation = generation;
    l->consumer_seq = 0;
    jumps_keep(l, position);
    atomic_store(&l->received, position);
    natsSubscription *sub = NULL;
    s = natsConnection_SubscribeSync(&sub, l->connection, inbox);
    if (s != NATS_OK)
        return sg_fail(err, SG_UNAVAILABLE, "subscribe: %s", natsStatus_GetText(s));
    queue_on_room(l->queue, loop_wake, l);
    atomic_store(&l->subscription, sub);
    /* At its default limits the library drops messages silently; flow control bounds what is pending instead. */
    s = natsSubscription_SetPendingLimits(sub, -1, -1);
    return s == NATS_OK ? SG_OK : sg_fail(err, SG_UNAVAILABLE, "subscribe: %s", natsStatus_GetText(s));
}
