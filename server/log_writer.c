/* Writing the log. */
#include "server/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/thread.h"

static pthread_t writer;

/* One write(2) a line, as long as standard error takes it whole. Whoever shares it may have made it non-blocking. */
static bool write_line(const char *line, size_t bytes)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, line, bytes);
        if (written < 0 && errno == EAGAIN)
            (void)poll(&out, 1, -1);
        else if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            line += written;
            bytes -= (size_t)written;
        }
    }
    return true;
}

static void *writer_run(void *argument)
{
    char line[LOG_LINE_BYTES_MAX];
    size_t bytes;
    (void)argument;
    thread_name_set("log", NULL);
    while ((bytes = log_ring_take(line)) > 0)
        log_ring_written(write_line(line, bytes));
    return NULL;
}

/* ---- a process that dies ---- */

/* The disposition is the default again (SA_RESETHAND): the signal ends the process as if nobody had looked. */
static void on_fault(int number)
{
    int saved = errno;
    log_ring_salvage();
    errno = saved;
    (void)raise(number);
}

/* A sanitizer's own handler stays. */
static void catch_faults(void)
{
    static const int faults[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction before;
    struct sigaction salvage = {.sa_handler = on_fault, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&salvage.sa_mask);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (sigaction(faults[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            (void)sigaction(faults[i], &salvage, NULL);
    }
}

/* ---- start and stop ---- */

enum sg_status log_writer_start(struct sg_error *err)
{
    log_ring_open();
    int result = pthread_create(&writer, NULL, writer_run, NULL);
    if (result != 0)
        return sg_fail(err, SG_UNAVAILABLE, "no thread to write the log: %s", strerror(result));
    catch_faults();
    return SG_OK;
}

/* A thread that hangs in a write ends with the process. */
void log_writer_stop(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool stopped = false; /* guarded by mutex: whoever comes second waits for the first */
    (void)pthread_mutex_lock(&mutex);
    if (!stopped) {
        stopped = true;
        log_ring_close();
        if (log_ring_flush(LOG_WRITER_END_MS))
            (void)pthread_join(writer, NULL);
        else
            (void)pthread_detach(writer);
    }
    (void)pthread_mutex_unlock(&mutex);
}
