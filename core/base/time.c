/* Time. */
#include "core/base/time.h"

#include <stdio.h>
#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
    struct timespec now = {0};
    /* Both clocks exist on every kernel that can run this program, so this cannot fail. */
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t time_boot_ns(void)
{
    return clock_read_ns(CLOCK_BOOTTIME);
}

int64_t time_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

void time_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_BYTES])
{
    struct tm parts = {0};
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    int64_t rest_ns = wall_ns % NS_PER_S;
    if (rest_ns < 0) {
        rest_ns += NS_PER_S;
        seconds -= 1;
    }
    if (gmtime_r(&seconds, &parts) == NULL) {
        (void)snprintf(out, CLOCK_RFC3339_BYTES, "1970-01-01T00:00:00.000Z");
        return;
    }
    char date[24];
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out, CLOCK_RFC3339_BYTES, "%s.%03dZ", date, (int)(rest_ns / NS_PER_MS) % 1000);
}
