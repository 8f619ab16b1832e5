/* process_*. */
#include "api/routes/process_stats.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/routes/prometheus.h"
#include "core/base/processors.h"
#include "core/base/time.h"

static void gauge(struct buffer *out, const char *name, const char *help, double value)
{
    prometheus_family(out, name, "gauge", help);
    buffer_append_format(out, "%s %.15g\n", name, value);
}

static void render_cpu(struct buffer *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    prometheus_family(out, "process_cpu_seconds_total", "counter", "User and system CPU time spent.");
    buffer_append_format(out, "process_cpu_seconds_total %.6f\n", seconds);
}

static void render_memory(struct buffer *out)
{
    char text[256];
    uint64_t total = 0;
    uint64_t resident = 0;
    double page = (double)sysconf(_SC_PAGESIZE);
    if (!proc_file_read("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
        return;
    gauge(out, "process_virtual_memory_bytes", "Virtual memory size.", (double)total * page);
    gauge(out, "process_resident_memory_bytes", "Resident memory size.", (double)resident * page);
}

static void render_files(struct buffer *out)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    if (dir != NULL) {
        double open_count = -1; /* the folder's own descriptor */
        for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
            open_count += entry->d_name[0] != '.';
        (void)closedir(dir);
        gauge(out, "process_open_fds", "Open file descriptors.", open_count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        gauge(out, "process_max_fds", "The most file descriptors that can be open.", (double)limit.rlim_cur);
}

/* Field 22 of /proc/self/stat, ticks since boot; the name in field 2 may hold spaces and parentheses. */
static bool start_ticks(uint64_t *ticks)
{
    char text[1024];
    if (!proc_file_read("/proc/self/stat", text, sizeof text))
        return false;
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL && sscanf(at, "%" SCNu64, ticks) == 1;
}

/* Found once: it never changes, whatever the wall clock does, and two clocks are read one after the other. */
static double start_seconds;

static void start_find(void)
{
    uint64_t ticks = 0;
    if (!start_ticks(&ticks))
        return;
    double age_s = (double)time_boot_ns() / 1e9 - (double)ticks / (double)sysconf(_SC_CLK_TCK);
    start_seconds = (double)(time_wall_ns() / NS_PER_MS) / 1e3 - age_s;
}

static void render_start(struct buffer *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start_find);
    if (start_seconds > 0)
        gauge(out, "process_start_time_seconds", "When the process started, in seconds since 1970.", start_seconds);
}

void process_stats_append(struct buffer *out)
{
    render_cpu(out);
    render_memory(out);
    render_files(out);
    render_start(out);
}
