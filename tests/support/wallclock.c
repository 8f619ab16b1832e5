/* A wall clock that a test can move: preloaded, it adds the seconds that the file WALLCLOCK_FILE holds to
 * CLOCK_REALTIME, and leaves every other clock alone. What the NATS client library waits for until a time of this clock
 * comes when this clock says so, also where it is moved meanwhile; the kernel alone would wait by the real one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long seconds_moved(void)
{
    char text[32] = {0};
    const char *path = getenv("WALLCLOCK_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += seconds_moved();
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return (time_t)-1;
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

typedef int timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

/* The default version: an older one knows another layout of conditions. The thread sanitizer's own stands before it,
 * and has none. */
static timedwait *real_timedwait(void)
{
    static const char *const versions[] = {"GLIBC_2.3.2", "GLIBC_2.17"};
    void *found = dlsym(RTLD_DEFAULT, "__tsan_init") != NULL ? dlsym(RTLD_NEXT, "pthread_cond_timedwait") : NULL;
    for (size_t i = 0; found == NULL && i < sizeof versions / sizeof versions[0]; i++)
        found = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", versions[i]);
    return (timedwait *)(found != NULL ? found : dlsym(RTLD_NEXT, "pthread_cond_timedwait"));
}

static int is_of_library(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, "libnats") != NULL;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    timedwait *wait = real_timedwait();
    if (!is_of_library(__builtin_return_address(0)))
        return wait(cond, mutex, until);
    for (;;) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        long long left_ns = (until->tv_sec - now.tv_sec) * 1000000000LL + (until->tv_nsec - now.tv_nsec);
        if (left_ns <= 0)
            return ETIMEDOUT;
        if (left_ns > 50000000LL)
            left_ns = 50000000LL;
        (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
        long long at_ns = now.tv_nsec + left_ns;
        now.tv_sec += at_ns / 1000000000LL;
        now.tv_nsec = at_ns % 1000000000LL;
        int result = wait(cond, mutex, &now);
        if (result != ETIMEDOUT)
            return result;
    }
}
