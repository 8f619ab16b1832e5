/* What arrives from a stream's consumer: messages into the queue, flow control, heartbeats; loss is noticed here.
 *
 * A message's reply subject says where it stands:
 *   $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<timestamp ns>.<pending>
 *   $JS.ACK.<domain>.<account hash>.<stream>.<consumer>. ... the same ... .<pending>[.<random>]   (ADR-15)
 * The consumer's own sequence has no holes, so a hole is loss. Holes of the stream's are met where events are applied,
 * and settled by the source (projector/source/holes.h). */
#include "projector/nats/connection_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/decimal.h"

#define ACK_PREFIX "$JS.ACK."
#define ACK_TOKENS_MAX 13
#define ACK_TOKENS_SHORT 9
#define SCHEDULE_HEADER "Nats-Schedule"

bool reply_parse(const char *reply, struct reply_facts *out)
{
    struct slice tokens[ACK_TOKENS_MAX];
    size_t count = 0;
    uint64_t time_ns = 0;
    const char *p = reply;
    if (strncmp(reply, ACK_PREFIX, sizeof ACK_PREFIX - 1) != 0)
        return false;
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

/* ---- messages ---- */

/* The library reads all of a message's headers at the first question for one, into a table and an allocation for each:
 * of short ones, up to so many bytes of memory for each byte. Where there are more than a few, only those that a format
 * reads are kept, in a message of our own. */
#define HEADERS_COST 12
#define HEADERS_KEPT_BYTES 256
#define HEADERS_EMPTY_BYTES (sizeof "NATS/1.0\r\n\r\n" - 1)
#define MESSAGE_COST 256 /* its structure, its subjects, and what the allocator adds */

static struct slice header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    if (natsMsgHeader_Get(msg, name, &value) != NATS_OK)
        return (struct slice){0};
    return slice_of(value);
}

static natsStatus header_copy(natsMsg *to, natsMsg *from, const char *name, size_t *cost)
{
    struct slice value = header(from, name);
    if (value.bytes == 0)
        return NATS_OK;
    *cost += HEADERS_COST * (strlen(name) + 1) + value.bytes;
    return natsMsgHeader_Set(to, name, value.data);
}

/* The same message with the headers that are read; NULL = no memory. */
static natsMsg *without_other_headers(const struct nats_connection *c, natsMsg *msg, size_t *cost)
{
    natsMsg *copy = NULL;
    size_t copy_cost = MESSAGE_COST + (size_t)natsMsg_GetDataLength(msg);
    natsStatus s =
        natsMsg_Create(&copy, natsMsg_GetSubject(msg), NULL, natsMsg_GetData(msg), natsMsg_GetDataLength(msg));
    if (s == NATS_OK)
        s = header_copy(copy, msg, SCHEDULE_HEADER, &copy_cost);
    for (size_t i = 0; s == NATS_OK && i < MESSAGE_HEADERS_MAX && c->format->headers[i] != NULL; i++)
        s = header_copy(copy, msg, c->format->headers[i], &copy_cost);
    if (s != NATS_OK) {
        natsMsg_Destroy(copy);
        return NULL;
    }
    *cost = copy_cost;
    return copy;
}

static void item_fill(const struct nats_connection *c, natsMsg *msg, size_t bytes, const struct reply_facts *facts,
                      struct queue_item *item)
{
    size_t payload_bytes = (size_t)natsMsg_GetDataLength(msg);
    size_t headers_bytes = bytes > payload_bytes ? bytes - payload_bytes : 0;
    size_t fields_bytes = headers_bytes > HEADERS_EMPTY_BYTES ? headers_bytes - HEADERS_EMPTY_BYTES : 0;
    size_t cost = MESSAGE_COST + payload_bytes + HEADERS_COST * fields_bytes;
    natsMsg *copy = headers_bytes > HEADERS_KEPT_BYTES ? without_other_headers(c, msg, &cost) : NULL;
    if (copy != NULL) {
        natsMsg_Destroy(msg);
        msg = copy;
    }
    *item = (struct queue_item){
        .generation = c->generation,
        .handle = msg,
        .bytes = bytes,
        .cost = cost,
        .message = {.subject = slice_of(natsMsg_GetSubject(msg)),
                    .payload = {natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)},
                    .sequence = facts->sequence,
                    .time_ns = facts->time_ns,
                    .scheduled = header(msg, SCHEDULE_HEADER).bytes > 0},
    };
    for (size_t i = 0; i < MESSAGE_HEADERS_MAX && c->format->headers[i] != NULL; i++)
        item->message.headers[i] = header(msg, c->format->headers[i]);
}

/* The message that is held goes first. False: there is no room yet. */
static bool held_push(struct nats_connection *c)
{
    if (c->held.handle == NULL)
        return true;
    uint64_t sequence = c->held.message.sequence;
    enum queue_result result = queue_push(c->queue, &c->held);
    if (result == QUEUE_FULL)
        return false;
    if (result == QUEUE_VOID)
        natsMsg_Destroy(c->held.handle);
    c->held.handle = NULL;
    if (result == QUEUE_VOID)
        return true;
    c->consumer_seq++;
    atomic_store(&c->received, sequence);
    return true;
}

/* True if the message was taken over. */
static bool message_hold(struct nats_connection *c, natsMsg *msg, size_t bytes, const struct reply_facts *facts)
{
    if (facts->consumer.bytes != c->consumer_bytes ||
        memcmp(facts->consumer.data, c->consumer, c->consumer_bytes) != 0) {
        nats_raise(c, "a message of another consumer arrived");
        return false;
    }
    if (facts->consumer_seq != c->consumer_seq + 1) {
        nats_raise(c, "messages of the consumer are missing");
        return false;
    }
    item_fill(c, msg, bytes, facts, &c->held);
    return true;
}

/* ---- control messages ---- */

/* Status 100: flow control asks for an answer, which it gets in order, after the messages that are queued; a heartbeat
 * says how far the consumer has delivered, and whether it waits for an answer that was lost. */
static void control_handle(struct nats_connection *c, natsConnection *nc, natsMsg *msg)
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
        if (decimal_parse(delivered, UINT64_MAX, &consumer_seq) && consumer_seq > c->consumer_seq)
            nats_raise(c, "messages of the consumer were lost before a heartbeat");
    } else if (status.bytes > 0) {
        char reason[256];
        struct slice description = header(msg, "Description");
        (void)snprintf(reason, sizeof reason, "the consumer ended: %.*s %.*s", SLICE_ARGS(status),
                       SLICE_ARGS(description));
        nats_raise(c, reason);
    }
}

static void on_message(struct nats_connection *c, natsMsg *msg, size_t bytes)
{
    const char *reply = natsMsg_GetReply(msg);
    struct reply_facts facts;
    bool kept = false;
    atomic_fetch_add_explicit(&c->activity, 1, memory_order_relaxed);
    if (reply == NULL || strncmp(reply, ACK_PREFIX, sizeof ACK_PREFIX - 1) != 0)
        control_handle(c, c->connection, msg);
    else if (reply_parse(reply, &facts))
        kept = message_hold(c, msg, bytes, &facts);
    else
        nats_raise(c, "a message arrived whose reply subject is not understood");
    if (!kept)
        natsMsg_Destroy(msg);
}

/* What is left in the library's list, and the message that is held. */
static void note_waiting(struct nats_connection *c, size_t bytes)
{
    if (c->held.handle != NULL)
        bytes += c->held.cost;
    if (bytes == c->waiting)
        return;
    c->waiting = bytes;
    queue_waiting(c->queue, bytes);
}

void delivery_run(struct nats_connection *c)
{
    requests_run(c);
    natsSubscription *sub = atomic_load(&c->subscription);
    int messages = 0;
    int bytes = 0;
    if (sub == NULL || natsSubscription_GetPending(sub, &messages, &bytes) != NATS_OK)
        return;
    while (held_push(c) && messages-- > 0) {
        natsMsg *msg = NULL;
        int left = 0;
        /* This thread alone adds to the list and takes from it: the difference is the message's size, with headers. */
        if (natsSubscription_NextMsg(&msg, sub, 0) != NATS_OK ||
            natsSubscription_GetPending(sub, NULL, &left) != NATS_OK) {
            natsMsg_Destroy(msg);
            break; /* closed */
        }
        on_message(c, msg, (size_t)(bytes - left));
        bytes = left;
    }
    note_waiting(c, (size_t)bytes);
    queue_pushed(c->queue);
}

enum sg_status nats_subscribe(struct nats_connection *c, const char *consumer, uint64_t generation, uint64_t position,
                              char inbox[NATS_INBOX_BYTES], struct sg_error *err)
{
    enum sg_status status = requests_inbox(inbox, err);
    if (status != SG_OK)
        return status;
    (void)snprintf(c->consumer, sizeof c->consumer, "%s", consumer);
    c->consumer_bytes = strlen(c->consumer);
    c->generation = generation;
    c->consumer_seq = 0;
    atomic_store(&c->received, position);
    natsSubscription *sub = NULL;
    natsStatus s = natsConnection_SubscribeSync(&sub, c->connection, inbox);
    if (s != NATS_OK)
        return sg_fail(err, SG_UNAVAILABLE, "subscribe: %s", natsStatus_GetText(s));
    queue_on_room(c->queue, loop_wake, c);
    atomic_store(&c->subscription, sub);
    /* At its default limits the library drops messages silently; flow control bounds what is pending instead. */
    s = natsSubscription_SetPendingLimits(sub, -1, -1);
    return s == NATS_OK ? SG_OK : sg_fail(err, SG_UNAVAILABLE, "subscribe: %s", natsStatus_GetText(s));
}
