/* Processors; files of /proc and /sys. */
#include "core/base/processors.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define AFFINITY_PROCESSORS_MAX 4096

bool proc_file_read(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, out, room - 1);
    (void)close(fd);
    if (bytes <= 0)
        return false;
    out[bytes] = '\0';
    return true;
}

static unsigned quota_processors(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return 0;
    return (unsigned)((quota_us + period_us - 1) / period_us);
}

/* The quota of one cgroup folder; 0 = none. */
static unsigned folder_quota(const char *folder, bool v2)
{
    char path[PATH_BYTES + 32]; /* and a file name */
    char text[64];
    long long quota_us = 0;
    long long period_us = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!proc_file_read(path, text, sizeof text))
        return 0;
    if (v2) /* "max 100000" has no number in front */
        return sscanf(text, "%lld %lld", &quota_us, &period_us) == 2 ? quota_processors(quota_us, period_us) : 0;
    quota_us = strtoll(text, NULL, 10);
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!proc_file_read(path, text, sizeof text))
        return 0;
    return quota_processors(quota_us, strtoll(text, NULL, 10));
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The smallest quota of a cgroup and all above it. Inside a container the path may not exist below the mount: then the
 * mount's own folder is the container's cgroup, and it is looked at in any case. */
static unsigned path_quota(const char *mount, const char *group, size_t group_bytes, bool v2)
{
    char folder[PATH_BYTES];
    unsigned least = 0;
    int length = snprintf(folder, sizeof folder, "%s%.*s", mount, (int)group_bytes, group);
    size_t mount_bytes = strlen(mount);
    if (length < 0 || (size_t)length >= sizeof folder)
        return 0;
    for (;;) {
        least = smaller(least, folder_quota(folder, v2));
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < mount_bytes)
            return least;
        *slash = '\0';
    }
}

static bool controllers_have_cpu(const char *list, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        const char *comma = memchr(list + at, ',', bytes - at);
        size_t end = comma != NULL ? (size_t)(comma - list) : bytes;
        if (end - at == 3 && memcmp(list + at, "cpu", 3) == 0)
            return true;
        at = end + 1;
    }
    return false;
}

unsigned processors_quota(const char *root, const char *cgroups)
{
    unsigned least = 0;
    char mount[PATH_BYTES];
    for (const char *line = cgroups; line != NULL && *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        const char *controllers = memchr(line, ':', (size_t)(end - line));
        const char *group = controllers != NULL ? memchr(controllers + 1, ':', (size_t)(end - controllers - 1)) : NULL;
        if (group != NULL) {
            size_t controllers_bytes = (size_t)(group - controllers - 1);
            if (controllers_bytes == 0)
                (void)snprintf(mount, sizeof mount, "%s", root);
            else
                (void)snprintf(mount, sizeof mount, "%s/%.*s", root, (int)controllers_bytes, controllers + 1);
            if (controllers_bytes == 0 || controllers_have_cpu(controllers + 1, controllers_bytes))
                least = smaller(least, path_quota(mount, group + 1, (size_t)(end - group - 1), controllers_bytes == 0));
        }
        line = *end != '\0' ? end + 1 : NULL;
    }
    return least;
}

static unsigned affinity_processors(void)
{
    unsigned count = 1;
    cpu_set_t *set = CPU_ALLOC(AFFINITY_PROCESSORS_MAX);
    size_t bytes = CPU_ALLOC_SIZE(AFFINITY_PROCESSORS_MAX);
    if (set == NULL)
        return 1;
    if (sched_getaffinity(0, bytes, set) == 0)
        count = (unsigned)CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    return count > 0 ? count : 1;
}

unsigned processors_usable(void)
{
    char cgroups[PATH_BYTES];
    unsigned quota = 0;
    if (proc_file_read("/proc/self/cgroup", cgroups, sizeof cgroups))
        quota = processors_quota("/sys/fs/cgroup", cgroups);
    return smaller(affinity_processors(), quota);
}
