/* Sending, and the publisher's start and end. What becomes of a message that was sent is in publisher_slots.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/time.h"
#include "feed/publisher_internal.h"

#define PUBLISHER_END_MS 5000

/* ---- sending ---- */

static enum sg_status publisher_take_slot(struct publisher *p, size_t bytes, size_t *index, struct sg_error *err)
{
    if (p->free_count == 0)
        (void)slots_reclaim(p);
    while (p->free_count == 0 || (p->bytes_inflight > 0 && p->bytes_inflight + bytes > PUBLISHER_INFLIGHT_BYTES_MAX)) {
        if (stop_asked(p->settings.stop))
            return sg_fail(err, SG_STOPPED, "stopped");
        if (natsConnection_IsClosed(p->nc))
            return sg_fail(err, SG_UNAVAILABLE, "the connection is closed");
        slots_wait(p);
        publisher_tend(p);
        (void)slots_reclaim(p);
    }
    *index = p->free_slots[--p->free_count];
    return SG_OK;
}

/* Names and values of headers must end in NUL for nats.c, and those of `message` do not. */
static natsStatus message_add_header(natsMsg *out, const struct outgoing_header *header)
{
    char *name = strndup(header->name.data, header->name.bytes);
    char *value = header->value.bytes > 0 ? strndup(header->value.data, header->value.bytes) : strdup("");
    natsStatus s = name == NULL || value == NULL ? NATS_NO_MEMORY : natsMsgHeader_Add(out, name, value);
    free(name);
    free(value);
    return s;
}

static natsStatus slot_message(const struct publisher *p, size_t index, const struct outgoing *message, natsMsg **out)
{
    char subject[FEED_SUBJECT_BYTES_MAX + 1];
    char reply[PUBLISHER_INBOX_BYTES + 32];
    memcpy(subject, message->subject.data, message->subject.bytes);
    subject[message->subject.bytes] = '\0';
    (void)snprintf(reply, sizeof reply, "%s%zu-%u", p->inbox, index, p->slots[index].use);
    natsStatus s = natsMsg_Create(out, subject, reply, message->payload.data, (int)message->payload.bytes);
    for (size_t i = 0; s == NATS_OK && i < message->headers_count; i++)
        s = message_add_header(*out, &message->headers[i]);
    return s;
}

static bool has_message_id(const struct outgoing *message)
{
    for (size_t i = 0; i < message->headers_count; i++) {
        if (slice_equal(message->headers[i].name, SLICE_LITERAL("Nats-Msg-Id")))
            return true;
    }
    return false;
}

static void slot_begin(struct publisher *p, size_t index, uint64_t line)
{
    struct slot *slot = &p->slots[index];
    (void)pthread_mutex_lock(&p->mutex);
    slot->line = line;
    slot->attempts = 1;
    slot->error[0] = '\0';
    slot->due_ns = time_boot_ns() + p->settings.ack_timeout_ms * NS_PER_MS;
    slot->state = SLOT_SENT;
    (void)pthread_mutex_unlock(&p->mutex);
}

/* Give an unsent slot back, unless an answer says that it was sent all the same. */
static void slot_abandon(struct publisher *p, size_t index)
{
    struct slot *slot = &p->slots[index];
    (void)pthread_mutex_lock(&p->mutex);
    bool answered = slot->state == SLOT_DONE;
    if (!answered)
        slot->state = SLOT_FREE;
    slot->use++;
    (void)pthread_mutex_unlock(&p->mutex);
    if (answered)
        return;
    natsMsg_Destroy(slot->message);
    slot->message = NULL;
    p->bytes_inflight -= slot->bytes;
    p->free_slots[p->free_count++] = index;
}

/* What a failed sending means for the caller. SG_OK: it will be sent again when its time-out comes. */
static enum sg_status send_failure(natsStatus s, const struct outgoing *message, struct sg_error *err)
{
    switch (s) {
    case NATS_OK: return SG_OK;
    case NATS_MAX_PAYLOAD:
        return sg_fail(err, SG_INVALID, "%zu bytes are more than the server's max_payload", message->payload.bytes);
    case NATS_NO_MEMORY: return sg_fail(err, SG_MEMORY, "out of memory");
    case NATS_CONNECTION_CLOSED: return sg_fail(err, SG_UNAVAILABLE, "the connection is closed");
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT:
        return sg_fail(err, SG_INVALID, "the client library refuses it: %s", natsStatus_GetText(s));
    default: return SG_OK; /* reconnecting, its buffer full, a write error */
    }
}

enum sg_status publisher_send(struct publisher *p, const struct outgoing *message, uint64_t line, struct sg_error *err)
{
    size_t index = 0;
    size_t bytes = message->payload.bytes;
    if (message->subject.bytes > FEED_SUBJECT_BYTES_MAX || bytes > FEED_PAYLOAD_BYTES_MAX)
        return sg_fail(err, SG_INVALID, "the subject or the payload is too long");
    enum sg_status status = publisher_take_slot(p, bytes, &index, err);
    if (status != SG_OK)
        return status;
    struct slot *slot = &p->slots[index];
    slot->bytes = bytes;
    slot->has_id = has_message_id(message);
    slot->uncertain = false;
    p->bytes_inflight += bytes;
    natsStatus s = slot_message(p, index, message, &slot->message);
    if (s == NATS_OK) {
        slot_begin(p, index, line);
        s = natsConnection_PublishMsg(p->nc, slot->message);
    }
    status = send_failure(s, message, err);
    if (status != SG_OK)
        slot_abandon(p, index);
    return status;
}

void publisher_read_totals(struct publisher *p, struct publisher_totals *out)
{
    (void)pthread_mutex_lock(&p->mutex);
    *out = p->totals;
    (void)pthread_mutex_unlock(&p->mutex);
}

/* ---- start and end ---- */

static void on_answers_ended(void *closure)
{
    struct publisher *p = closure;
    (void)pthread_mutex_lock(&p->mutex);
    p->ended = true;
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->mutex);
}

static enum sg_status publisher_subscribe(struct publisher *p, struct sg_error *err)
{
    natsInbox *inbox = NULL;
    char filter[PUBLISHER_INBOX_BYTES + 2];
    natsStatus s = natsInbox_Create(&inbox);
    if (s != NATS_OK)
        return sg_fail(err, SG_MEMORY, "no inbox: %s", natsStatus_GetText(s));
    int bytes = snprintf(p->inbox, sizeof p->inbox, "%s.", inbox);
    natsInbox_Destroy(inbox);
    if (bytes < 0 || (size_t)bytes >= sizeof p->inbox)
        return sg_fail(err, SG_INVALID, "the inbox's name is too long");
    p->inbox_bytes = (size_t)bytes;
    (void)snprintf(filter, sizeof filter, "%s*", p->inbox);
    s = natsConnection_Subscribe(&p->answers, p->nc, filter, slots_on_answer, p);
    /* An answer that is dropped at a limit would look like an event that was not stored. */
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(p->answers, -1, -1);
    if (s == NATS_OK)
        s = natsSubscription_SetOnCompleteCB(p->answers, on_answers_ended, p);
    if (s != NATS_OK)
        return sg_fail(err, SG_UNAVAILABLE, "answers cannot be subscribed to: %s", natsStatus_GetText(s));
    return SG_OK;
}

static bool publisher_allocate(struct publisher *p, size_t count)
{
    p->slots = calloc(count, sizeof *p->slots);
    p->free_slots = calloc(count, sizeof *p->free_slots);
    p->done_slots = calloc(count, sizeof *p->done_slots);
    if (p->slots == NULL || p->free_slots == NULL || p->done_slots == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        p->free_slots[i] = count - 1 - i;
    p->free_count = count;
    return true;
}

enum sg_status publisher_create(natsConnection *nc, const struct publisher_settings *settings, struct publisher **out,
                                struct sg_error *err)
{
    struct publisher *p = calloc(1, sizeof *p);
    if (p == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    p->settings = *settings;
    p->nc = nc;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    enum sg_status status = SG_OK;
    if (!publisher_allocate(p, settings->inflight))
        status = sg_fail(err, SG_MEMORY, "out of memory");
    if (status == SG_OK)
        status = publisher_subscribe(p, err);
    if (status != SG_OK) {
        publisher_destroy(p);
        return status;
    }
    *out = p;
    return SG_OK;
}

/* Wait until no callback runs any more. False if the library does not say so in time. */
static bool publisher_end_answers(struct publisher *p)
{
    struct timespec until = slots_time_in_ms(PUBLISHER_END_MS);
    if (p->answers == NULL)
        return true;
    (void)natsSubscription_Unsubscribe(p->answers); /* fails when the connection is closed: then it has ended too */
    (void)pthread_mutex_lock(&p->mutex);
    while (!p->ended) {
        if (pthread_cond_timedwait(&p->changed, &p->mutex, &until) != 0)
            break;
    }
    bool ended = p->ended;
    (void)pthread_mutex_unlock(&p->mutex);
    return ended;
}

void publisher_destroy(struct publisher *p)
{
    if (p == NULL || !publisher_end_answers(p))
        return; /* rather a leak at the end of the process than memory that a callback still uses */
    natsSubscription_Destroy(p->answers);
    for (size_t i = 0; p->slots != NULL && i < p->settings.inflight; i++)
        natsMsg_Destroy(p->slots[i].message);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p->done_slots);
    free(p->free_slots);
    free(p->slots);
    free(p);
}
