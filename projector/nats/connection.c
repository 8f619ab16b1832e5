/* A connection of a stream to the broker: connect, hang up. What is asked is in requests.c, what arrives in loop.c and
 * delivery.c. */
#include "projector/nats/connection_internal.h"

#include <linux/tcp.h> /* its tcp_info has the bytes that were received */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/thread.h"
#include "core/base/time.h"
#include "projector/nats/options.h"

enum sg_status nats_library_open(struct sg_error *err)
{
    char name[THREAD_NAME_BYTES] = "";
    (void)pthread_getname_np(pthread_self(), name, sizeof name);
    thread_name_set("nats-library", NULL); /* its threads begin with the name of the one that starts them */
    natsStatus s = nats_Open(-1);
    thread_name_set(name, NULL);
    return s == NATS_OK ? SG_OK : sg_fail(err, SG_MEMORY, "nats.c cannot start: %s", natsStatus_GetText(s));
}

/* Messages that nobody needs any more. The library frees each in a thread of its own, which is woken for it: several
 * at once cost one wake. */
static struct {
    pthread_mutex_t mutex; /* guards all below */
    size_t count;
    size_t bytes;
    natsMsg *messages[RELEASE_MESSAGES_MAX]; /* owned */
} released = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Called with the mutex held. */
static void released_free(void)
{
    for (size_t i = 0; i < released.count; i++)
        natsMsg_Destroy(released.messages[i]);
    released.count = 0;
    released.bytes = 0;
}

void nats_release_message(void *handle, size_t bytes)
{
    (void)pthread_mutex_lock(&released.mutex);
    released.messages[released.count++] = handle;
    released.bytes += bytes;
    if (released.count == RELEASE_MESSAGES_MAX || released.bytes >= RELEASE_BYTES_MAX)
        released_free();
    (void)pthread_mutex_unlock(&released.mutex);
}

void nats_library_close(void)
{
    (void)pthread_mutex_lock(&released.mutex);
    released_free();
    (void)pthread_mutex_unlock(&released.mutex);
    (void)nats_CloseAndWait(LIBRARY_CLOSE_TIMEOUT_MS);
}

enum sg_status nats_create(const struct nats_settings *nats, const struct stream_settings *stream, struct queue *queue,
                           nats_alarm *alarm, void *alarm_context, struct nats_connection **out, struct sg_error *err)
{
    struct nats_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a connection");
    c->nats = nats;
    c->stream = stream;
    c->format = format_get(stream->format);
    c->queue = queue;
    c->alarm = alarm;
    c->alarm_context = alarm_context;
    (void)pthread_mutex_init(&c->mutex, NULL);
    enum sg_status status = requests_create(c, err);
    if (status != SG_OK) {
        (void)pthread_mutex_destroy(&c->mutex);
        free(c);
        return status;
    }
    status = loop_create(c, err);
    if (status != SG_OK) {
        nats_destroy(c);
        return status;
    }
    *out = c;
    return SG_OK;
}

void nats_destroy(struct nats_connection *c)
{
    if (c == NULL)
        return;
    servers_free(&c->servers);
    loop_destroy(c);
    (void)pthread_cond_destroy(&c->answered);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
}

void nats_raise(struct nats_connection *c, const char *reason)
{
    (void)pthread_mutex_lock(&c->mutex);
    if (!c->fatal) {
        c->fatal = true;
        (void)snprintf(c->reason, sizeof c->reason, "%s", reason);
    }
    (void)pthread_cond_signal(&c->answered);
    (void)pthread_mutex_unlock(&c->mutex);
    c->alarm(c->alarm_context);
}

static void on_closed(natsConnection *nc, void *closure)
{
    (void)nc; /* one that was hung up already at worst causes one more resync */
    nats_raise(closure, "the connection was lost");
}

/* Does the broker refuse what is asked now? It names the subject; called with the mutex held. */
static bool refuses_question(const struct nats_connection *c, natsStatus s, const char *text)
{
    return s == NATS_CONNECTION_AUTH_FAILED || (c->asked != NULL && strcasestr(text, c->asked) != NULL);
}

/* Errors that no call returns: violations of rights, above all. */
static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus s, void *closure)
{
    struct nats_connection *c = closure;
    const char *text = NULL;
    (void)sub;
    if (s == NATS_SLOW_CONSUMER) {
        nats_raise(c, "messages were dropped at a pending limit");
        return;
    }
    if (natsConnection_GetLastError(nc, &text) == NATS_OK || text == NULL || text[0] == '\0')
        text = text != NULL && text[0] != '\0' ? text : natsStatus_GetText(s);
    (void)pthread_mutex_lock(&c->mutex);
    c->denied |= refuses_question(c, s, text);
    c->deaf |= c->inbox[0] != '\0' && strcasestr(text, c->inbox) != NULL;
    c->warned_ns = time_boot_ns();
    (void)snprintf(c->broker_error, sizeof c->broker_error, "%s", text);
    (void)pthread_cond_signal(&c->answered);
    (void)pthread_mutex_unlock(&c->mutex);
}

/* ---- options ---- */

/* How the broker's own lists show the connection. nats.c does not escape it in the CONNECT that it sends. */
static void connection_name(const struct nats_connection *c, char *out, size_t out_bytes)
{
    (void)snprintf(out, out_bytes, "stategate %s%s", c->stream->name, c->queue == NULL ? " (questions)" : "");
    for (char *p = out; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            *p = '_';
    }
}

static natsStatus options_behave(struct nats_connection *c, natsOptions *o)
{
    char name[300];
    connection_name(c, name, sizeof name);
    natsStatus s = natsOptions_SetAllowReconnect(o, false);
    if (s == NATS_OK)
        s = natsOptions_SetName(o, name);
    if (s == NATS_OK)
        s = natsOptions_SetClosedCB(o, on_closed, c);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, on_error, c);
    if (s == NATS_OK && c->queue != NULL)
        s = natsOptions_SetIOBufSize(o, IO_BUFFER_BYTES);
    if (s == NATS_OK)
        s = loop_options(c, o);
    return s;
}

static enum sg_status options_make(struct nats_connection *c, natsOptions **out, struct sg_error *err)
{
    natsOptions *o = NULL;
    enum sg_status status = nats_options_create(c->nats, &c->round, &o, err);
    if (status != SG_OK)
        return status;
    status = nats_fail(options_behave(c, o), "options", err);
    if (status != SG_OK)
        natsOptions_Destroy(o);
    else
        *out = o;
    return status;
}

/* ---- connecting ---- */

/* Remember what the cluster said about itself: the one configured server may be the one that is gone next time. */
static void servers_remember(struct nats_connection *c)
{
    char **urls = NULL;
    int count = 0;
    char url[SERVERS_NAME_BYTES * 2] = "";
    if (natsConnection_GetDiscoveredServers(c->connection, &urls, &count) != NATS_OK)
        return;
    (void)natsConnection_GetConnectedUrl(c->connection, url, sizeof url);
    servers_learn(&c->servers, &c->round, url, urls, (size_t)count);
    free(urls);
}

/* Connect to one of the servers of c->round. */
static enum sg_status connect_round(struct nats_connection *c, struct sg_error *err)
{
    natsOptions *o = NULL;
    enum sg_status status = options_make(c, &o, err);
    if (status != SG_OK)
        return status;
    status = nats_fail(natsConnection_Connect(&c->connection, o), "connect", err);
    natsOptions_Destroy(o);
    if (status != SG_OK) {
        c->connection = NULL;
        loop_stop(c);
        loop_detach(c);
    }
    return status;
}

static bool is_interrupted(struct nats_connection *c)
{
    (void)pthread_mutex_lock(&c->mutex);
    bool interrupted = c->interrupted;
    (void)pthread_mutex_unlock(&c->mutex);
    return interrupted;
}

enum sg_status nats_connect(struct nats_connection *c, struct sg_error *err)
{
    enum sg_status status = SG_UNAVAILABLE;
    struct sg_error later = {0}; /* what the configured servers say is what is shown */
    (void)pthread_mutex_lock(&c->mutex);
    c->fatal = false;
    c->deaf = false;
    c->inbox[0] = '\0';
    (void)pthread_mutex_unlock(&c->mutex);
    for (size_t i = 0; i < SERVERS_ROUNDS_MAX && status != SG_OK && status != SG_INVALID && status != SG_MEMORY; i++) {
        if (is_interrupted(c))
            return sg_fail(err, SG_STOPPED, "stopping");
        if (servers_round(&c->servers, i, &c->round))
            status = connect_round(c, i == 0 ? err : &later);
    }
    if (status != SG_OK)
        return err != NULL ? err->status : status;
    servers_remember(c);
    status = loop_start(c, err);
    return status == SG_OK ? requests_start(c, err) : status;
}

void nats_disconnect(struct nats_connection *c)
{
    if (c->connection == NULL)
        return;
    servers_remember(c);
    /* The library may be in the middle of a message: it is left by the loop before anything is closed. */
    loop_stop(c);
    if (c->queue != NULL)
        queue_on_room(c->queue, NULL, NULL);
    natsConnection_Close(c->connection);
    loop_detach(c);
    requests_stop(c);
    natsMsg_Destroy(c->held.handle);
    c->held.handle = NULL;
    natsSubscription_Destroy(atomic_exchange(&c->subscription, NULL));
    c->waiting = 0;
    if (c->queue != NULL)
        queue_waiting(c->queue, 0);
    natsConnection_Destroy(c->connection);
    c->connection = NULL;
}

/* ---- what the source sees of it ---- */

bool nats_fatal(struct nats_connection *c, char reason[256])
{
    (void)pthread_mutex_lock(&c->mutex);
    bool fatal = c->fatal;
    if (fatal)
        memcpy(reason, c->reason, sizeof c->reason);
    (void)pthread_mutex_unlock(&c->mutex);
    return fatal;
}

bool nats_warning(struct nats_connection *c, char warning[256])
{
    (void)pthread_mutex_lock(&c->mutex);
    bool lasting = c->warned_ns != 0 && time_boot_ns() - c->warned_ns < NATS_WARNING_NS;
    if (lasting)
        memcpy(warning, c->broker_error, sizeof c->broker_error);
    (void)pthread_mutex_unlock(&c->mutex);
    return lasting;
}

uint64_t nats_activity(struct nats_connection *c)
{
    return atomic_load_explicit(&c->activity, memory_order_relaxed);
}

uint64_t nats_received(struct nats_connection *c)
{
    return atomic_load(&c->received);
}

uint64_t nats_bytes_received(struct nats_connection *c)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    if (c->hangup_fd < 0 || getsockopt(c->hangup_fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0)
        return 0;
    return info.tcpi_bytes_received;
}
