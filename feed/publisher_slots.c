/* What becomes of the messages on their way: answers, time-outs, further attempts.
 *
 * The states of a slot; (m) is done by the main thread, (a) by the thread of nats.c that delivers answers:
 *
 *   FREE --send (m)--> SENT --answer (a)-----------------------------> DONE --reclaim (m)--> FREE
 *                      |  ^ \--no answer in time (m): last attempt? --> DONE
 *                      |  |                            else send again
 *            "not now" |  | due (m)
 *                  (a) v  |
 *                      WAITING
 *
 * Only the main thread touches a slot's message, so that an answer that comes while it is being sent again is
 * harmless. */
#include "feed/publisher_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/time.h"

#define PUBLISHER_WAIT_MS 50 /* between two looks at deadlines and signals */
#define PUBLISHER_TEND_NS (50 * NS_PER_MS)
#define PUBLISHER_WAKE_SHARE 4 /* of what is on its way, so many parts: when one is done, sending goes on */

/* ---- answers: nats.c's thread ---- */

/* The slot and its use in "<inbox>.<slot>-<use>". */
static bool answer_slot(const struct publisher *p, const char *subject, size_t *slot, uint32_t *use)
{
    if (strncmp(subject, p->inbox, p->inbox_bytes) != 0)
        return false;
    char *end = NULL;
    unsigned long index = strtoul(subject + p->inbox_bytes, &end, 10);
    if (*end != '-' || index >= p->settings.inflight)
        return false;
    *slot = index;
    *use = (uint32_t)strtoul(end + 1, &end, 10);
    return *end == '\0';
}

/* The rest: with the mutex held. */
static void slot_finish(struct publisher *p, size_t index, const char *error)
{
    struct slot *slot = &p->slots[index];
    slot->state = SLOT_DONE;
    (void)snprintf(slot->error, sizeof slot->error, "%s", error);
    p->done_slots[p->done_count++] = index;
    if (p->wake_count > 0 && p->done_count >= p->wake_count)
        (void)pthread_cond_signal(&p->changed);
}

static void totals_add(struct publisher *p, const struct ack *ack, uint64_t line)
{
    struct publisher_totals *t = &p->totals;
    t->acknowledged++;
    t->duplicates += ack->duplicate ? 1 : 0;
    bool same = strcmp(t->stream, ack->stream) == 0;
    if (same && ack->sequence > t->last_sequence)
        t->last_sequence = ack->sequence;
    if (!same && line > p->totals_line) {
        memcpy(t->stream, ack->stream, sizeof t->stream);
        t->last_sequence = ack->sequence;
    }
    if (line > p->totals_line)
        p->totals_line = line;
}

static void slot_answered(struct publisher *p, size_t index, const struct ack *ack, int64_t now_ns)
{
    struct slot *slot = &p->slots[index];
    if (ack->stored) {
        totals_add(p, ack, slot->line);
        slot_finish(p, index, "");
        return;
    }
    if (!ack->retry || slot->attempts >= p->settings.attempts) {
        slot_finish(p, index, ack->error);
        return;
    }
    int64_t pause_ms = PUBLISHER_RETRY_MS;
    for (uint32_t i = 1; i < slot->attempts && pause_ms < p->settings.ack_timeout_ms; i++)
        pause_ms *= 2;
    slot->state = SLOT_WAITING;
    slot->due_ns = now_ns + pause_ms * NS_PER_MS;
}

void slots_on_answer(natsConnection *nc, natsSubscription *subscription, natsMsg *message, void *closure)
{
    (void)nc;
    (void)subscription;
    struct publisher *p = closure;
    size_t index = 0;
    uint32_t use = 0;
    if (answer_slot(p, natsMsg_GetSubject(message), &index, &use)) {
        struct ack ack;
        struct slice answer = {natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)};
        ack_parse(answer, natsMsg_IsNoResponders(message), &ack);
        (void)pthread_mutex_lock(&p->mutex);
        struct slot *slot = &p->slots[index];
        bool expected = slot->use == use && (slot->state == SLOT_SENT || slot->state == SLOT_WAITING);
        /* A second "not now" of an earlier attempt changes nothing while the slot waits already. */
        if (expected && (ack.stored || slot->state == SLOT_SENT))
            slot_answered(p, index, &ack, time_boot_ns());
        (void)pthread_mutex_unlock(&p->mutex);
    }
    natsMsg_Destroy(message);
}

/* ---- slots: main thread ---- */

size_t slots_reclaim(struct publisher *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    while (p->done_count > 0) {
        size_t index = p->done_slots[--p->done_count];
        struct slot *slot = &p->slots[index];
        char error[ACK_ERROR_BYTES_MAX + 1];
        memcpy(error, slot->error, sizeof error);
        uint64_t line = slot->line;
        /* After one attempt no other answer can come; after several it can, and must not count for the next event.
         * Otherwise the number is kept: reply subjects stay few, which the server's cache of subjects likes. */
        if (slot->attempts > 1 || error[0] != '\0')
            slot->use++;
        slot->state = SLOT_FREE;
        p->totals.failed += error[0] != '\0' ? 1 : 0;
        (void)pthread_mutex_unlock(&p->mutex);
        natsMsg_Destroy(slot->message);
        slot->message = NULL;
        p->bytes_inflight -= slot->bytes;
        p->free_slots[p->free_count++] = index;
        if (error[0] != '\0')
            p->settings.failed(p->settings.closure, line, error);
        (void)pthread_mutex_lock(&p->mutex);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return p->free_count;
}

struct timespec slots_time_in_ms(int64_t ms)
{
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t ns = at.tv_nsec + ms * NS_PER_MS;
    at.tv_sec += ns / NS_PER_S;
    at.tv_nsec = ns % NS_PER_S;
    return at;
}

/* Waking up for each answer would cost more than sending does. */
void slots_wait(struct publisher *p)
{
    struct timespec until = slots_time_in_ms(PUBLISHER_WAIT_MS);
    size_t outstanding = p->settings.inflight - p->free_count;
    (void)pthread_mutex_lock(&p->mutex);
    p->wake_count = outstanding / PUBLISHER_WAKE_SHARE + 1;
    while (p->done_count < p->wake_count) {
        if (pthread_cond_timedwait(&p->changed, &p->mutex, &until) != 0)
            break;
    }
    p->wake_count = 0;
    (void)pthread_mutex_unlock(&p->mutex);
}

/* What is to be done about a slot now. */
enum slot_action { SLOT_NOTHING, SLOT_SEND_AGAIN };

static enum slot_action slot_look(struct publisher *p, size_t index, int64_t now_ns)
{
    struct slot *slot = &p->slots[index];
    if ((slot->state != SLOT_SENT && slot->state != SLOT_WAITING) || slot->due_ns > now_ns)
        return SLOT_NOTHING;
    if (slot->state == SLOT_SENT && slot->attempts >= p->settings.attempts) {
        char error[ACK_ERROR_BYTES_MAX + 1];
        (void)snprintf(error, sizeof error,
                       "no acknowledgement within %lld ms, %u times; it may be stored all the same",
                       (long long)p->settings.ack_timeout_ms, slot->attempts);
        slot_finish(p, index, error);
        return SLOT_NOTHING;
    }
    if (slot->state == SLOT_SENT && !slot->has_id && !slot->uncertain) {
        slot->uncertain = true;
        p->totals.uncertain++;
    }
    slot->state = SLOT_SENT;
    slot->attempts++;
    slot->due_ns = now_ns + p->settings.ack_timeout_ms * NS_PER_MS;
    return SLOT_SEND_AGAIN;
}

void publisher_tend(struct publisher *p)
{
    int64_t now_ns = time_boot_ns();
    if (now_ns - p->tended_ns < PUBLISHER_TEND_NS)
        return;
    p->tended_ns = now_ns;
    for (size_t i = 0; i < p->settings.inflight; i++) {
        (void)pthread_mutex_lock(&p->mutex);
        enum slot_action action = slot_look(p, i, now_ns);
        (void)pthread_mutex_unlock(&p->mutex);
        /* If this sending fails, its time-out notices. */
        if (action == SLOT_SEND_AGAIN)
            (void)natsConnection_PublishMsg(p->nc, p->slots[i].message);
    }
    (void)slots_reclaim(p);
}

void publisher_finish(struct publisher *p)
{
    while (slots_reclaim(p) < p->settings.inflight) {
        slots_wait(p);
        publisher_tend(p);
    }
}
