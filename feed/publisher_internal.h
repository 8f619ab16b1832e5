/* What publisher.c (start, sending, end) and publisher_slots.c (answers, time-outs) share; nobody else includes it. */
#ifndef STATEGATE_FEED_PUBLISHER_INTERNAL_H
#define STATEGATE_FEED_PUBLISHER_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "feed/publisher.h"

#define PUBLISHER_INBOX_BYTES 128

enum slot_state { SLOT_FREE, SLOT_SENT, SLOT_WAITING, SLOT_DONE };

struct slot {
    /* Main thread only. */
    natsMsg *message; /* owned */
    size_t bytes;
    bool has_id;      /* carries a Nats-Msg-Id */
    bool uncertain;   /* sent again after no answer, without one */
    /* Guarded by the mutex. */
    enum slot_state state;
    uint64_t line;
    uint32_t use;       /* stands in the reply subject: answers to an earlier use of the slot are void */
    uint32_t attempts;
    int64_t due_ns;     /* SENT: no answer comes any more; WAITING: send again */
    char error[ACK_ERROR_BYTES_MAX + 1]; /* DONE: "" = stored */
};

struct publisher {
    /* Set at creation, then read-only. */
    struct publisher_settings settings;
    natsConnection *nc;        /* borrowed */
    natsSubscription *answers; /* owned */
    char inbox[PUBLISHER_INBOX_BYTES]; /* with its final dot */
    size_t inbox_bytes;
    struct slot *slots;        /* owned; settings.inflight */
    /* Main thread only. */
    size_t *free_slots;        /* owned; a stack */
    size_t free_count;
    size_t bytes_inflight;
    int64_t tended_ns;
    /* Guarded by the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;    /* enough slots are done, or `ended` */
    bool ended;                /* no answer is delivered any more */
    size_t wake_count;         /* wake the main thread when so many are done; 0 = it does not wait */
    size_t *done_slots;        /* owned */
    size_t done_count;
    struct publisher_totals totals;
    uint64_t totals_line;      /* the line that named totals.stream */
};

/* A message handler of nats.c: an answer came. `closure` is the publisher. */
void slots_on_answer(natsConnection *nc, natsSubscription *subscription, natsMsg *message, void *closure);

/* Main thread. Take back the slots that are done, report failures, and say how many are free. */
size_t slots_reclaim(struct publisher *p);

/* Main thread. Wait until a good part of what is on its way is done, or for a short while. */
void slots_wait(struct publisher *p);

/* The time on the clock of `changed`, so many ms from now. */
struct timespec slots_time_in_ms(int64_t ms);

#endif
