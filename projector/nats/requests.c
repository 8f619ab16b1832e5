/* Asking the broker: one question at a time, and its answer; and a look at one message.
 *
 *   the source's thread  publishes, with an inbox of this question's own as the reply subject, and waits
 *   the loop's thread    takes the answer from the library's list (requests_run), and notifies
 *
 * The library has a call for this, which waits by the wall clock: where that is set back while a link is half-open it
 * returns so much later. This wait is by a clock that only goes forward, and ends at once when the connection is lost,
 * when the broker refuses the question, and at a stop. */
#include "projector/nats/connection_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/time.h"

#define WAIT_SLICE_NS (500 * NS_PER_MS) /* the condition's clock stops in suspend: the deadline is looked at so often */

enum sg_status requests_create(struct nats_connection *c, struct sg_error *err)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int error = pthread_cond_init(&c->answered, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return error == 0 ? SG_OK : sg_fail(err, SG_MEMORY, "the condition of a connection: %s", strerror(error));
}

enum sg_status requests_inbox(char inbox[NATS_INBOX_BYTES], struct sg_error *err)
{
    natsInbox *made = NULL;
    natsStatus s = natsInbox_Create(&made);
    if (s != NATS_OK)
        return sg_fail(err, SG_MEMORY, "inbox: %s", natsStatus_GetText(s));
    (void)snprintf(inbox, NATS_INBOX_BYTES, "%s", (const char *)made);
    natsInbox_Destroy(made);
    return SG_OK;
}

static enum sg_status listen_at(struct nats_connection *c, const char *subject, natsSubscription **out,
                                struct sg_error *err)
{
    natsStatus s = natsConnection_SubscribeSync(out, c->connection, subject);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(*out, -1, -1);
    return s == NATS_OK ? SG_OK : sg_fail(err, SG_UNAVAILABLE, "subscribe: %s", natsStatus_GetText(s));
}

enum sg_status requests_start(struct nats_connection *c, struct sg_error *err)
{
    char subject[NATS_INBOX_BYTES + 2];
    enum sg_status status = requests_inbox(c->inbox, err);
    if (status != SG_OK)
        return status;
    (void)snprintf(subject, sizeof subject, "%s.*", c->inbox);
    return listen_at(c, subject, &c->answers, err);
}

void requests_stop(struct nats_connection *c)
{
    natsMsg_Destroy(c->answer);
    natsMsg_Destroy(c->reply);
    natsSubscription_Destroy(c->answers);
    natsSubscription_Destroy(c->looking);
    c->answer = NULL;
    c->reply = NULL;
    c->answers = NULL;
    c->looking = NULL;
}

void nats_interrupt(struct nats_connection *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    c->interrupted = true;
    (void)pthread_cond_signal(&c->answered);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* ---- an answer ---- */

/* Late answers to questions that were given up have other subjects. What a consumer delivers has its own. */
static bool is_awaited(const struct nats_connection *c, natsMsg *msg)
{
    const char *subject = natsMsg_GetSubject(msg);
    return c->awaited_subject[0] == '\0' || (subject != NULL && strcmp(subject, c->awaited_subject) == 0);
}

/* Called with the mutex held. */
static void answer_take(struct nats_connection *c)
{
    natsMsg *msg = NULL;
    natsSubscription *from = atomic_load(&c->awaited);
    while (from != NULL && c->answer == NULL && natsSubscription_NextMsg(&msg, from, 0) == NATS_OK) {
        if (is_awaited(c, msg))
            c->answer = msg;
        else
            natsMsg_Destroy(msg);
    }
}

void requests_run(struct nats_connection *c)
{
    if (atomic_load_explicit(&c->awaited, memory_order_acquire) == NULL)
        return;
    (void)pthread_mutex_lock(&c->mutex);
    answer_take(c);
    if (c->answer != NULL)
        (void)pthread_cond_signal(&c->answered);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* What arrives at `from` from now on with `subject` ("" = any) is the answer to what is `asked`. */
static void await_begin(struct nats_connection *c, natsSubscription *from, const char *subject, const char *asked)
{
    (void)pthread_mutex_lock(&c->mutex);
    c->denied = false;
    (void)snprintf(c->awaited_subject, sizeof c->awaited_subject, "%s", subject);
    c->asked = asked;
    atomic_store(&c->awaited, from);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* Called with the mutex held. */
static void wait_until(struct nats_connection *c, int64_t deadline_ns)
{
    struct timespec until;
    int64_t left_ns = deadline_ns - time_boot_ns();
    if (left_ns > WAIT_SLICE_NS)
        left_ns = WAIT_SLICE_NS;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at_ns = until.tv_nsec + left_ns;
    until.tv_sec += at_ns / NS_PER_S;
    until.tv_nsec = at_ns % NS_PER_S;
    (void)pthread_cond_timedwait(&c->answered, &c->mutex, &until);
}

/* Wait for the answer; it is c->reply then. */
static enum sg_status await_end(struct nats_connection *c, int64_t deadline_ns, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    natsMsg_Destroy(c->reply);
    (void)pthread_mutex_lock(&c->mutex);
    answer_take(c);
    while (c->answer == NULL && !c->interrupted && !c->fatal && !c->denied && !c->deaf && time_boot_ns() < deadline_ns)
        wait_until(c, deadline_ns);
    if (c->answer == NULL && c->interrupted)
        status = sg_fail(err, SG_STOPPED, "stopping");
    else if (c->answer == NULL && (c->denied || c->deaf))
        status = sg_fail(err, SG_DENIED, "%.80s: %.240s", c->asked, c->broker_error);
    else if (c->answer == NULL && c->fatal)
        status = sg_fail(err, SG_UNAVAILABLE, "%.160s: %.200s", c->asked, c->reason);
    else if (c->answer == NULL)
        status = sg_fail(err, SG_UNAVAILABLE, "%.200s: no answer within %d ms", c->asked, NATS_REQUEST_TIMEOUT_MS);
    atomic_store(&c->awaited, NULL);
    c->asked = NULL;
    c->reply = c->answer;
    c->answer = NULL;
    (void)pthread_mutex_unlock(&c->mutex);
    return status;
}

enum sg_status nats_request(struct nats_connection *c, const char *subject, struct slice body, struct slice *answer,
                            struct sg_error *err)
{
    char inbox[sizeof c->awaited_subject];
    int64_t deadline_ns = time_boot_ns() + NATS_REQUEST_TIMEOUT_MS * NS_PER_MS;
    (void)snprintf(inbox, sizeof inbox, "%s.%llu", c->inbox, (unsigned long long)++c->questions);
    await_begin(c, c->answers, inbox, subject);
    natsStatus s = natsConnection_PublishRequest(c->connection, subject, inbox, body.data, (int)body.bytes);
    if (s != NATS_OK)
        deadline_ns = 0;
    enum sg_status status = await_end(c, deadline_ns, err);
    if (s != NATS_OK && status == SG_UNAVAILABLE)
        return nats_fail(s, subject, err);
    if (status != SG_OK)
        return status;
    if (natsMsg_IsNoResponders(c->reply))
        return sg_fail(err, SG_UNAVAILABLE, "%.160s: no responders (is JetStream enabled for this account?)", subject);
    *answer = (struct slice){natsMsg_GetData(c->reply), (size_t)natsMsg_GetDataLength(c->reply)};
    return SG_OK;
}

/* ---- a look at one message ---- */

enum sg_status nats_look_begin(struct nats_connection *c, char inbox[NATS_INBOX_BYTES], struct sg_error *err)
{
    enum sg_status status = requests_inbox(inbox, err);
    return status == SG_OK ? listen_at(c, inbox, &c->looking, err) : status;
}

enum sg_status nats_look_take(struct nats_connection *c, struct nats_looked *out, struct sg_error *err)
{
    struct reply_facts facts;
    await_begin(c, c->looking, "", "a look at the message at the position");
    enum sg_status status = await_end(c, time_boot_ns() + NATS_REQUEST_TIMEOUT_MS * NS_PER_MS, err);
    if (status != SG_OK)
        return status;
    const char *reply = natsMsg_GetReply(c->reply);
    if (reply == NULL || !reply_parse(reply, &facts))
        return sg_fail(err, SG_UNAVAILABLE, "a message arrived whose reply subject is not understood");
    *out = (struct nats_looked){
        .sequence = facts.sequence, .time_ns = facts.time_ns, .subject = natsMsg_GetSubject(c->reply)};
    return SG_OK;
}

void nats_look_end(struct nats_connection *c)
{
    natsSubscription_Destroy(c->looking);
    c->looking = NULL;
}
