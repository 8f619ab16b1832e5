/* A loop: one thread that drives the HTTP library of its addresses, keeps the deadlines, and drains at the end.
 *
 * The library's own epoll set is polled from outside: driven by its own thread it waits again, with its old timeout,
 * when exactly as many events arrive as it takes at once. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/http/http_internal.h"
#include "core/base/thread.h"
#include "core/base/time.h"

#define CROWD_CONNECTIONS 1000 /* some MB */
#define EVENTS_MAX 256 /* a few of our own, and hang-ups */

/* Milliseconds until `at_ns`, rounded up, at most `timeout_ms` (-1 = for ever). */
static int until(int64_t at_ns, int64_t now_ns, int timeout_ms)
{
    int64_t wait_ms = at_ns > now_ns ? (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    if (timeout_ms >= 0 && wait_ms > timeout_ms)
        return timeout_ms;
    return wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
}

/* The library has no timeouts of its own here: it wants nothing, or to go on at once. */
static int loop_timeout_ms(const struct http_loop *loop)
{
    int timeout_ms = -1;
    int64_t now_ns = time_boot_ns();
    for (size_t i = 0; i < loop->ports_count; i++) {
        if (loop->ports[i].due)
            return 0;
    }
    for (size_t i = 0; i < CONNECTION_STATES_COUNT; i++) {
        if (loop->lists[i].first != NULL)
            timeout_ms = until(loop->lists[i].first->at_ns, now_ns, timeout_ms);
    }
    int64_t parked_ns = loop->http->options.handler.deadline_ns(loop->worker);
    if (parked_ns != INT64_MAX && loop->draining)
        return 0; /* they are all to be answered now */
    if (parked_ns != INT64_MAX)
        timeout_ms = until(parked_ns, now_ns, timeout_ms);
    if (loop->draining && !loop->ended)
        timeout_ms = until(atomic_load(&loop->http->drain_until_ns), now_ns, timeout_ms);
    return timeout_ms;
}

static void end_overdue(struct http_loop *loop)
{
    for (size_t i = 0; i < CONNECTION_STATES_COUNT; i++) {
        struct deadline *over = NULL;
        while ((over = deadlines_take(&loop->lists[i], loop->now_ns)) != NULL)
            http_connection_overdue(http_connection_of(over));
    }
}

static void close_idle(struct http_loop *loop)
{
    struct deadline *next = NULL;
    for (struct deadline *d = loop->lists[CONNECTION_READING].first; d != NULL; d = next) {
        next = d->next;
        if (http_connection_idle(http_connection_of(d)))
            http_connection_close(http_connection_of(d));
    }
}

static void begin_drain(struct http_loop *loop)
{
    loop->draining = true;
    for (size_t i = 0; i < loop->ports_count; i++) {
        int listen_fd = MHD_quiesce_daemon(loop->ports[i].daemon);
        if (listen_fd >= 0)
            (void)close(listen_fd); /* ours again */
    }
}

/* False: the loop is done. */
static bool go_on(struct http_loop *loop)
{
    if (!atomic_load(&loop->http->stopping))
        return true;
    if (!loop->draining)
        begin_drain(loop);
    close_idle(loop);
    return http_loop_connections(loop) + loop->lingering > 0 &&
           time_boot_ns() < atomic_load(&loop->http->drain_until_ns);
}

/* Which of its ports an event belongs to; NULL = none: then it is a connection's, whose client hung up, or which
 * lingers and has something to read. */
static struct http_port *port_of(struct http_loop *loop, void *pointer)
{
    for (size_t i = 0; i < loop->ports_count; i++) {
        if (pointer == &loop->ports[i])
            return &loop->ports[i];
    }
    return NULL;
}

/* Wait, take the wake-up, and note which ports have something to do: events, or work left from the iteration before. */
static void wait_for_events(struct http_loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t wakes;
    for (size_t i = 0; i < loop->ports_count; i++) {
        struct http_port *port = &loop->ports[i];
        /* At its limit the library takes the listening socket out of its set, and back in only when it is run again:
         * no event would report who waits there. */
        port->due = port->freed || port->resumed || MHD_get_timeout_i(port->daemon) == 0;
        port->freed = false;
        port->resumed = false;
    }
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, loop_timeout_ms(loop));
    loop->woken = false;
    for (int i = 0; i < count; i++) {
        struct http_port *port = port_of(loop, events[i].data.ptr);
        if (events[i].data.ptr == loop) {
            (void)!read(loop->wake_fd, &wakes, sizeof wakes);
            loop->woken = true;
        } else if (port != NULL) {
            port->due = true;
        } else {
            http_connection_hangup(events[i].data.ptr);
        }
    }
}

/* After a crowd has left, give its memory back: the allocator would keep it for the next one. */
static void give_memory_back(struct http_loop *loop)
{
    size_t connections = http_loop_connections(loop);
    if (connections > loop->connections_peak)
        loop->connections_peak = connections;
    if (loop->connections_peak < CROWD_CONNECTIONS || connections > loop->connections_peak / 4)
        return;
    loop->connections_peak = connections;
    http_exchanges_free(loop);
    (void)malloc_trim(0);
}

/* ---- posts ---- */

void http_loop_post(struct http_loop *loop, struct http_post *post)
{
    const uint64_t one = 1;
    post->next = atomic_load_explicit(&loop->posts, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&loop->posts, &post->next, post, memory_order_release,
                                                  memory_order_relaxed)) {
    }
    (void)!write(loop->wake_fd, &one, sizeof one);
}

static void run_posts(struct http_loop *loop)
{
    struct http_post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    struct http_post *first = NULL;
    while (newest != NULL) {
        struct http_post *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    while (first != NULL) {
        struct http_post *next = first->next;
        first->run(first);
        first = next;
    }
}

/* ---- the thread ---- */

static void run_ports(struct http_loop *loop)
{
    for (size_t i = 0; i < loop->ports_count; i++) {
        struct http_port *port = &loop->ports[i];
        bool due = port->due || port->resumed;
        port->resumed = false;
        if (due)
            (void)MHD_run(port->daemon);
    }
}

void http_loop_take_tunables(struct http_loop *loop)
{
    loop->tunables = tunables_take(loop->http->options.tunables);
    int64_t answer_ns = loop->tunables->http_answer_timeout_ms * NS_PER_MS;
    deadlines_set_duration(&loop->lists[CONNECTION_READING], loop->tunables->http_head_timeout_ms * NS_PER_MS);
    deadlines_set_duration(&loop->lists[CONNECTION_WORKING], loop->tunables->query_queue_ms * NS_PER_MS);
    deadlines_set_duration(&loop->lists[CONNECTION_ANSWERING], answer_ns);
    deadlines_set_duration(&loop->lists[CONNECTION_STREAMING], answer_ns);
}

static void iterate(struct http_loop *loop)
{
    const struct http_handler *handler = http_handler_of(loop);
    wait_for_events(loop);
    loop->now_ns = time_boot_ns();
    http_loop_take_tunables(loop);
    if (loop->woken)
        run_posts(loop);
    end_overdue(loop);
    handler->wake(loop->worker, loop->woken, loop->draining, http_connection_resume);
    run_ports(loop);
    handler->iteration_end(loop->worker, http_connection_resume);
    give_memory_back(loop);
}

static void close_list(struct deadlines *list)
{
    struct deadline *next = NULL;
    for (struct deadline *d = list->first; d != NULL; d = next) {
        next = d->next;
        enum connection_state state = http_connection_of(d)->state;
        if (state != CONNECTION_CLOSING && state != CONNECTION_LINGERING)
            http_connection_close(http_connection_of(d));
    }
}

/* The time to drain is over. The library must not be stopped while a connection is suspended: each is closed and
 * resumed, one that another thread has in hand when that has ended. */
static void close_rest(struct http_loop *loop)
{
    loop->ended = true;
    loop->now_ns = time_boot_ns();
    for (size_t i = 0; i < CONNECTION_STATES_COUNT; i++)
        close_list(&loop->lists[i]);
    close_list(&loop->held);
    while (loop->held.first != NULL)
        iterate(loop);
    run_ports(loop);
    while (loop->lingering > 0)
        http_linger_end(http_connection_of(loop->lists[CONNECTION_LINGERING].first));
}

static void *loop_main(void *context)
{
    struct http_loop *loop = context;
    char number[24];
    if (loop - loop->http->loops == (ptrdiff_t)loop->http->main_count)
        (void)snprintf(number, sizeof number, "ops");
    else
        (void)snprintf(number, sizeof number, "%td", loop - loop->http->loops);
    thread_name_set("http", number);
    do
        iterate(loop);
    while (go_on(loop));
    close_rest(loop);
    return NULL;
}

/* Signals are the main thread's: the loop inherits a mask that blocks all. */
enum sg_status http_loop_start(struct http_loop *loop, struct sg_error *err)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&loop->thread, NULL, loop_main, loop);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    loop->running = result == 0;
    if (result != 0)
        return sg_fail(err, SG_UNAVAILABLE, "no thread for an HTTP loop: %s", strerror(result));
    return SG_OK;
}
