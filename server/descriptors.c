/* File descriptors: the limit of the process, and what the parts of the gateway need of it. */
#include "server/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "core/base/log.h"

/* What is open besides the connections of clients: for the database and the locks, and for each stream. */
#define DESCRIPTORS_BASE 16
#define DESCRIPTORS_PER_STREAM 6

/* open() takes the lowest one that is free: those below it are open already. */
bool descriptors_open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    }
    return true;
}

static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_event(LOG_WARN, "descriptor_limit_kept", LOG_STR("error", strerror(errno)));
}

/* A connection that is accepted needs a descriptor. At its own limit a loop lets others wait and takes them when there
 * is room; when descriptors are used up it would wait for one of its own connections to end, or turn in vain. */
void descriptors_fit(struct settings *settings)
{
    struct rlimit limit;
    raise_limit();
    size_t others =
        DESCRIPTORS_BASE + api_descriptors(settings) + DESCRIPTORS_PER_STREAM * settings->streams_count;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= others + settings->http_connections_max)
        return;
    settings->http_connections_max = limit.rlim_cur > others ? (unsigned)(limit.rlim_cur - others) : 1;
    log_event(LOG_WARN, "connections_max_lowered", LOG_UINT("connections_max", settings->http_connections_max),
              LOG_UINT("descriptors", limit.rlim_cur));
}
