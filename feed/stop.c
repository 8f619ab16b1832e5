/* Signals by a file descriptor, so that none is missed between asking and waiting. */
#include "feed/stop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/time.h"

static void stop_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
}

enum sg_status stop_open(struct stop *stop, struct sg_error *err)
{
    sigset_t set;
    stop_signals(&set);
    *stop = (struct stop){.fd = -1};
    int code = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (code != 0)
        return sg_fail(err, SG_INVALID, "signals cannot be blocked: %s", strerror(code));
    stop->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (stop->fd < 0)
        return sg_fail(err, SG_MEMORY, "no signal descriptor: %s", strerror(errno));
    return SG_OK;
}

void stop_close(struct stop *stop)
{
    if (stop->fd >= 0)
        (void)close(stop->fd);
    stop->fd = -1;
}

bool stop_asked(struct stop *stop)
{
    struct signalfd_siginfo info;
    if (!stop->asked && stop->fd >= 0 && read(stop->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        stop->asked = true;
        sigset_t set;
        stop_signals(&set);
        /* Whoever asks twice does not want to wait for acknowledgements. */
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    return stop->asked;
}

bool stop_wait(struct stop *stop, int fd, int64_t timeout_ns)
{
    /* poll() passes over negative descriptors. */
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = stop->asked ? -1 : stop->fd, .events = POLLIN}};
    struct timespec timeout = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    if (ppoll(fds, 2, timeout_ns > 0 ? &timeout : &(struct timespec){0}, NULL) <= 0)
        return false;
    return fds[0].revents != 0;
}
