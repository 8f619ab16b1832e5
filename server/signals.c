/* Taking signals. */
#include "server/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/base/time.h"
#include "server/log_writer.h"

static struct {
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool serving;
    unsigned asked;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void set_taken(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1);
}

void signals_block(void)
{
    /* A closed connection or a file size limit is an error of the call. The others have no meaning here, and their
     * default is to end the process. SIGQUIT and faults leave a core, as someone wants who sends them. */
    static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGUSR2,   SIGALRM, SIGVTALRM,
                                  SIGPROF, SIGIO,   SIGSTKFLT, SIGPWR};
    sigset_t taken;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        (void)signal(number, SIG_IGN);
    set_taken(&taken);
    (void)pthread_sigmask(SIG_BLOCK, &taken, NULL);
}

static _Noreturn void end_at_once(const char *name)
{
    log_event(LOG_INFO, "stopping", LOG_STR("signal", name), LOG_STR("during", "the start"));
    log_event(LOG_INFO, "stopped", LOG_INT("exit", EXIT_SUCCESS));
    log_writer_stop();
    _exit(EXIT_SUCCESS);
}

static void take(int number)
{
    const char *name = number == SIGTERM  ? "SIGTERM"
                       : number == SIGINT ? "SIGINT"
                       : number == SIGHUP ? "SIGHUP"
                                          : "SIGUSR1";
    if (number != SIGTERM && number != SIGINT) {
        log_event(LOG_INFO, "signal_ignored", LOG_STR("signal", name));
        return;
    }
    (void)pthread_mutex_lock(&state.mutex);
    bool serving = state.serving;
    (void)pthread_mutex_unlock(&state.mutex);
    if (!serving)
        end_at_once(name);
    log_event(LOG_INFO, "stopping", LOG_STR("signal", name)); /* before anybody acts on it, and says so */
    (void)pthread_mutex_lock(&state.mutex);
    state.asked++;
    (void)pthread_cond_broadcast(&state.changed);
    (void)pthread_mutex_unlock(&state.mutex);
}

static void *signals_run(void *argument)
{
    sigset_t taken;
    int number = 0;
    (void)argument;
    thread_name_set("signals", NULL);
    set_taken(&taken);
    for (;;) {
        if (sigwait(&taken, &number) == 0)
            take(number);
    }
    return NULL;
}

enum sg_status signals_start(struct sg_error *err)
{
    pthread_t thread;
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&state.changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    int result = pthread_create(&thread, NULL, signals_run, NULL);
    if (result != 0)
        return sg_fail(err, SG_UNAVAILABLE, "no thread for signals: %s", strerror(result));
    (void)pthread_detach(thread);
    return SG_OK;
}

void signals_serving(void)
{
    (void)pthread_mutex_lock(&state.mutex);
    state.serving = true;
    (void)pthread_mutex_unlock(&state.mutex);
}

unsigned signals_wait(unsigned seen, int64_t timeout_ms)
{
    struct timespec end;
    int result = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t end_ns = (int64_t)end.tv_sec * NS_PER_S + end.tv_nsec + timeout_ms * NS_PER_MS;
    end = (struct timespec){.tv_sec = (time_t)(end_ns / NS_PER_S), .tv_nsec = (long)(end_ns % NS_PER_S)};
    (void)pthread_mutex_lock(&state.mutex);
    while (result == 0 && state.asked <= seen)
        result = pthread_cond_timedwait(&state.changed, &state.mutex, &end);
    unsigned asked = state.asked;
    (void)pthread_mutex_unlock(&state.mutex);
    return asked;
}
