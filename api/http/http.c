/* Creating the loops, and stopping them. */
#include "api/http/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/http/http_internal.h"
#include "core/base/address.h"
#include "core/base/processors.h"
#include "core/base/time.h"

#define HELD_NS (INT64_MAX / 2) /* for ever */

static enum sg_status loop_create(struct http *http, unsigned index, struct sg_error *err)
{
    struct http_loop *loop = &http->loops[index];
    loop->http = http;
    http_loop_take_tunables(loop);
    loop->lists[CONNECTION_CLOSING].duration_ns = HTTP_CLOSING_TIMEOUT_MS * NS_PER_MS;
    loop->lists[CONNECTION_LINGERING].duration_ns = HTTP_LINGER_TIMEOUT_MS * NS_PER_MS;
    loop->held.duration_ns = HELD_NS;
    loop->now_ns = time_boot_ns();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = loop};
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0)
        return sg_fail(err, SG_UNAVAILABLE, "no descriptors for an HTTP loop: %s", strerror(errno));
    const struct loop_slot slot = {
        .posts = loop, .loop = index, .ops = index == http->main_count, .wake_fd = loop->wake_fd};
    return http->options.handler.worker_open(http->options.handler.context, &slot, &loop->worker, err);
}

static void loop_destroy(struct http *http, struct http_loop *loop)
{
    for (size_t i = 0; i < loop->ports_count; i++)
        http_port_close(&loop->ports[i]);
    http_exchanges_free(loop);
    if (loop->worker != NULL)
        http->options.handler.worker_close(http->options.handler.context, loop->worker);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
}

/* One more address of a loop. Takes listen_fd over. */
static enum sg_status loop_add_port(struct http_loop *loop, int listen_fd, const struct listen_address *address,
                                    unsigned connections_max, struct sg_error *err)
{
    bool ops_only = address == &loop->http->ops_address;
    struct http_port *port = &loop->ports[loop->ports_count];
    *port = (struct http_port){.loop = loop, .ops_only = ops_only, .reach = address->reach, .epoll_fd = -1};
    enum sg_status status = http_port_open(port, listen_fd, connections_max, err);
    if (status != SG_OK)
        return status;
    loop->ports_count++;
    loop->connections_max += connections_max;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, port->epoll_fd, &event) != 0)
        return sg_fail(err, SG_UNAVAILABLE, "an HTTP loop cannot watch its address: %s", strerror(errno));
    return SG_OK;
}

/* Of connections_max, for the port `index` of all. At least one: the kernel sends connections to every loop. */
static unsigned connections_share(const struct http *http, unsigned index)
{
    unsigned ports = http->main_count * http->addresses_count;
    unsigned share = http->options.connections_max / ports;
    share += index < http->options.connections_max % ports;
    return share > 0 ? share : 1;
}

static enum sg_status open_address(struct http *http, unsigned number, struct sg_error *err)
{
    int fds[HTTP_LOOPS_MAX];
    struct listen_address *address = &http->addresses[number];
    enum sg_status status = listen_open(address, fds, http->main_count, err);
    if (status != SG_OK)
        return status;
    for (unsigned i = 0; i < http->main_count; i++) {
        unsigned share = connections_share(http, number * http->main_count + i);
        if (status == SG_OK)
            status = loop_add_port(&http->loops[i], fds[i], address, share, err);
        else
            (void)close(fds[i]);
    }
    return status;
}

/* All are resolved before one is bound: they share the connections. */
static enum sg_status open_addresses(struct http *http, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    size_t used = 0;
    const char *rest = http->options.listen;
    for (struct slice one = address_next(&rest); status == SG_OK && one.bytes > 0; one = address_next(&rest)) {
        if (http->addresses_count == HTTP_ADDRESSES_MAX)
            return sg_fail(err, SG_INVALID, "listen: more than %d addresses", HTTP_ADDRESSES_MAX);
        status = listen_resolve(one, &http->addresses[http->addresses_count++], err);
    }
    for (unsigned i = 0; status == SG_OK && i < http->addresses_count; i++) {
        status = open_address(http, i, err);
        used += (size_t)snprintf(http->addresses_text + used, sizeof http->addresses_text - used, "%s%s",
                                 i > 0 ? "," : "", http->addresses[i].text);
    }
    return status;
}

static bool has_ops(const struct http_options *options)
{
    return options->listen_ops != NULL && options->listen_ops[0] != '\0';
}

/* On a loop of its own: probes wait for no read. */
static enum sg_status open_ops_address(struct http *http, struct sg_error *err)
{
    int fd = -1;
    if (!has_ops(&http->options))
        return SG_OK;
    enum sg_status status = listen_resolve(slice_of(http->options.listen_ops), &http->ops_address, err);
    if (status == SG_OK)
        status = listen_open(&http->ops_address, &fd, 1, err);
    if (status == SG_OK)
        status = loop_add_port(&http->loops[http->main_count], fd, &http->ops_address, HTTP_OPS_CONNECTIONS_MAX, err);
    return status;
}

static unsigned loops_wanted(const struct http_options *options)
{
    unsigned loops = options->loops > 0 ? options->loops : processors_usable();
    return loops < HTTP_LOOPS_MAX ? loops : HTTP_LOOPS_MAX;
}

enum sg_status http_start(const struct http_options *options, struct http **out, struct sg_error *err)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for the HTTP loops");
    http->options = *options;
    http->main_count = loops_wanted(options);
    http->loops_count = http->main_count + (has_ops(options) ? 1 : 0);
    http->loops = calloc(http->loops_count, sizeof *http->loops);
    http->clients = clients_create();
    enum sg_status status = SG_OK;
    if (http->loops == NULL || http->clients == NULL)
        status = sg_fail(err, SG_MEMORY, "out of memory for the HTTP loops");
    for (unsigned i = 0; http->loops != NULL && i < http->loops_count; i++)
        http->loops[i].epoll_fd = http->loops[i].wake_fd = -1;
    for (unsigned i = 0; status == SG_OK && i < http->loops_count; i++)
        status = loop_create(http, i, err);
    if (status == SG_OK)
        status = open_addresses(http, err);
    if (status == SG_OK)
        status = open_ops_address(http, err);
    if (status != SG_OK) {
        http_destroy(http);
        return status;
    }
    *out = http;
    return SG_OK;
}

enum sg_status http_run(struct http *http, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (unsigned i = 0; status == SG_OK && i < http->loops_count; i++)
        status = http_loop_start(&http->loops[i], err);
    return status;
}

const char *http_address(const struct http *http)
{
    return http->addresses_text;
}

const char *http_ops_address(const struct http *http)
{
    return http->ops_address.text;
}

size_t http_connections_of(const struct http *http, bool ops_only)
{
    size_t sum = 0;
    for (unsigned i = 0; i < http->loops_count; i++) {
        const struct http_loop *loop = &http->loops[i];
        for (size_t k = 0; k < loop->ports_count; k++) {
            if (loop->ports[k].ops_only == ops_only)
                sum += atomic_load_explicit(&loop->ports[k].connections, memory_order_relaxed);
        }
    }
    return sum;
}

size_t http_connections(const struct http *http)
{
    return http_connections_of(http, false) + http_connections_of(http, true);
}

size_t http_answer_bytes(const struct http *http)
{
    size_t sum = 0;
    for (unsigned i = 0; i < http->loops_count; i++)
        sum += atomic_load(&http->loops[i].answer_bytes);
    return sum;
}

void http_stop(struct http *http, int64_t drain_ms)
{
    const uint64_t one = 1;
    if (http == NULL)
        return;
    atomic_store(&http->drain_until_ns, time_boot_ns() + drain_ms * NS_PER_MS);
    atomic_store(&http->stopping, true);
    for (unsigned i = 0; i < http->loops_count; i++) {
        if (http->loops[i].running)
            (void)!write(http->loops[i].wake_fd, &one, sizeof one);
    }
    for (unsigned i = 0; i < http->loops_count; i++) {
        if (http->loops[i].running)
            (void)pthread_join(http->loops[i].thread, NULL);
        http->loops[i].running = false;
    }
}

void http_destroy(struct http *http)
{
    if (http == NULL)
        return;
    for (unsigned i = 0; http->loops != NULL && i < http->loops_count; i++)
        loop_destroy(http, &http->loops[i]);
    for (unsigned i = 0; i < http->addresses_count; i++)
        listen_close(&http->addresses[i]);
    listen_close(&http->ops_address);
    clients_destroy(http->clients);
    free(http->loops);
    free(http);
}
