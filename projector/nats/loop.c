/* The loop of a connection: its socket, the library's parser, and the stream's queue, all in one thread.
 *
 *   socket -> natsConnection_ProcessReadEvent -> the subscription's list -> delivery_run -> queue -> batch, here or
 *                                             \> the list of answers -----> requests_run     in the projector's thread
 *
 * nats.c would use two threads for this, a reader and a deliverer, and wake the second for each message. Instead
 * an event loop of ours watches the socket. While the queue is full the socket is read on, so that answers
 * to probes are not late; messages stay in the subscription's list, which flow control bounds.
 *
 * With TLS a read is a whole record. While OpenSSL says WANT_READ, as a part of the record has not come yet, the
 * library does not return from natsConnection_ProcessReadEvent, and has no limit of time there: newer versions poll the
 * socket, older ones (3.4) ask OpenSSL again at once. A server that stalls in the middle of a record holds this thread,
 * and with it the delivery to the queue. The source's probes notice that no answer comes; loop_stop shuts the socket
 * down, which ends the wait. */
#include "projector/nats/connection_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/thread.h"

#define EVENTS_MAX 2 /* the socket and the wake-up */

/* ---- called by the library, with the connection locked ---- */

static natsStatus watch(struct nats_connection *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    return epoll_ctl(c->epoll_fd, op, c->socket_fd, &event) == 0 ? NATS_OK : NATS_SYS_ERROR;
}

static natsStatus on_attach(void **user_data, void *loop, natsConnection *nc, natsSock socket)
{
    struct nats_connection *c = loop;
    c->attached = nc;
    c->socket_fd = socket;
    if (c->hangup_fd >= 0)
        (void)close(c->hangup_fd);
    c->hangup_fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    natsStatus s = c->hangup_fd >= 0 ? watch(c, EPOLL_CTL_ADD, EPOLLIN) : NATS_SYS_ERROR;
    c->watched = s == NATS_OK;
    *user_data = c;
    return s;
}

/* `add` never comes: the loop reads from the beginning, and there is no reconnect. */
static natsStatus on_read(void *user_data, bool add)
{
    struct nats_connection *c = user_data;
    if (add || !c->watched)
        return NATS_OK;
    /* Closed, it would stay in the set as long as hangup_fd is open. */
    c->watched = false;
    c->socket_left = true;
    return watch(c, EPOLL_CTL_DEL, 0);
}

static natsStatus on_write(void *user_data, bool add)
{
    struct nats_connection *c = user_data;
    return c->watched ? watch(c, EPOLL_CTL_MOD, add ? EPOLLIN | EPOLLOUT : EPOLLIN) : NATS_OK;
}

static natsStatus on_detach(void *user_data)
{
    struct nats_connection *c = user_data;
    c->detached = true;
    return NATS_OK;
}

natsStatus loop_options(struct nats_connection *c, natsOptions *o)
{
    natsStatus s = natsOptions_SetEventLoop(o, c, on_attach, on_read, on_write, on_detach);
    /* Else each write waits for a thread that flushes. */
    if (s == NATS_OK)
        s = natsOptions_SetSendAsap(o, true);
    /* The library's timer would close the connection in a thread of its own, beneath this one. A dead peer is noticed
     * by the source's probes. */
    return s == NATS_OK ? natsOptions_SetPingInterval(o, 0) : s;
}

void loop_detach(struct nats_connection *c)
{
    /* What the library leaves to the loop: since 3.10 to close the socket, since 3.11 to let go of the connection. */
#if NATS_VERSION_NUMBER >= 0x030a00
    if (c->socket_left)
        natsConnection_ProcessCloseEvent(&c->socket_fd);
#endif
#if NATS_VERSION_NUMBER >= 0x030b00
    if (c->detached)
        natsConnection_ProcessDetachedEvent(c->attached);
#endif
    c->socket_left = false;
    c->detached = false;
    c->attached = NULL;
}

/* ---- the thread ---- */

static void on_event(struct nats_connection *c, const struct epoll_event *event)
{
    uint64_t ignored;
    if (event->data.ptr == NULL) {
        (void)!read(c->wake_fd, &ignored, sizeof ignored);
        return;
    }
    if ((event->events & EPOLLOUT) != 0)
        natsConnection_ProcessWriteEvent(c->connection);
    if ((event->events & ~(uint32_t)EPOLLOUT) != 0)
        natsConnection_ProcessReadEvent(c->connection);
}

static void *loop_run(void *argument)
{
    struct nats_connection *c = argument;
    struct epoll_event events[EVENTS_MAX];
    if (c->queue != NULL)
        thread_name_set("nats", c->stream->name);
    else
        thread_name_set("nats-answers", NULL);
    while (!atomic_load(&c->loop_stopping)) {
        int count = epoll_wait(c->epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++)
            on_event(c, &events[i]);
        delivery_run(c);
    }
    return NULL;
}

void loop_wake(void *context)
{
    const struct nats_connection *c = context;
    const uint64_t one = 1;
    (void)!write(c->wake_fd, &one, sizeof one); /* its counter cannot be full */
}

enum sg_status loop_create(struct nats_connection *c, struct sg_error *err)
{
    struct epoll_event wake = {.events = EPOLLIN};
    c->hangup_fd = -1;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->wake_fd < 0 || c->epoll_fd < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->wake_fd, &wake) != 0)
        return sg_fail(err, SG_MEMORY, "the loop of a connection: %s", strerror(errno));
    return SG_OK;
}

void loop_destroy(struct nats_connection *c)
{
    if (c->wake_fd >= 0)
        (void)close(c->wake_fd);
    if (c->epoll_fd >= 0)
        (void)close(c->epoll_fd);
}

enum sg_status loop_start(struct nats_connection *c, struct sg_error *err)
{
    atomic_store(&c->loop_stopping, false);
    if (pthread_create(&c->loop_thread, NULL, loop_run, c) != 0)
        return sg_fail(err, SG_MEMORY, "the loop of stream %s cannot be started", c->stream->name);
    c->loop_started = true;
    return SG_OK;
}

void loop_stop(struct nats_connection *c)
{
    if (c->loop_started) {
        atomic_store(&c->loop_stopping, true);
        /* With TLS the library may wait for the rest of a record. */
        (void)shutdown(c->hangup_fd, SHUT_RDWR);
        loop_wake(c);
        (void)pthread_join(c->loop_thread, NULL);
        c->loop_started = false;
    }
    if (c->hangup_fd >= 0)
        (void)close(c->hangup_fd);
    c->hangup_fd = -1;
}
