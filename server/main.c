/* The command line of stategate: take it apart, load the configuration, run the command, end with its exit code. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/version.h"
#include "server/client.h"
#include "server/config/config.h"
#include "server/descriptors.h"
#include "server/gateway.h"
#include "server/log_writer.h"
#include "store/writer.h"

#define EXIT_CONFIGURATION 2 /* a person must change something; 1 = it may work later */
#define WATCH_MS 200         /* how soon a gateway that failed is noticed */

/* Before the configuration is known there is no log format, so this is for people. */
static int refuse(const struct sg_error *err)
{
    (void)fprintf(stderr, "stategate: %s\n", err->message);
    return EXIT_CONFIGURATION;
}

/* ---- serving ---- */

/* SIGTERM and SIGINT are taken by main alone; a closed connection or a file size limit is an error of the call. */
static void prepare_signals(sigset_t *ends)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)sigemptyset(ends);
    (void)sigaddset(ends, SIGTERM);
    (void)sigaddset(ends, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, ends, NULL);
}

/* True when asked to end, false when the gateway has failed. */
static bool wait_for_end(const struct gateway *gateway, const sigset_t *ends)
{
    const struct timespec watch = {.tv_nsec = WATCH_MS * 1000000L};
    while (!gateway_failed(gateway)) {
        int number = sigtimedwait(ends, NULL, &watch);
        if (number < 0)
            continue; /* the time is up, or another signal was handled */
        log_event(LOG_INFO, "stopping", LOG_STR("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
        return true;
    }
    log_event(LOG_ERROR, "gateway_failed", LOG_STR("then", "stopping"));
    return false;
}

/* From here on the setting is the database's real path. */
static enum sg_status find_database(struct settings *settings, struct sg_error *err)
{
    char *found = NULL;
    enum sg_status status = store_resolve(settings->database, &found, err);
    if (status != SG_OK)
        return status;
    free(settings->database);
    settings->database = found;
    return SG_OK;
}

static int serve_logged(struct config *config, const sigset_t *ends)
{
    struct settings *settings = &config->settings;
    struct tunables_now tunables;
    struct gateway *gateway = NULL;
    struct sg_error err = {0};
    tunables_publish(&tunables, &config->tunables);
    descriptors_fit(settings);
    enum sg_status status = find_database(settings, &err);
    if (status == SG_OK)
        status = gateway_start(settings, &tunables, &gateway, &err);
    if (status != SG_OK) {
        log_event(LOG_ERROR, "start_failed", LOG_STR("status", sg_status_name(status)), LOG_STR("error", err.message));
        return EXIT_FAILURE;
    }
    bool asked = wait_for_end(gateway, ends);
    gateway_stop(gateway);
    log_event(LOG_INFO, "stopped", LOG_INT("exit", asked ? EXIT_SUCCESS : EXIT_FAILURE));
    return asked ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(struct config *config)
{
    struct sg_error err = {0};
    sigset_t ends;
    log_set_format(config->settings.log_format);
    log_set_level(config->tunables.log_level);
    prepare_signals(&ends);
    if (log_writer_start(&err) != SG_OK) {
        (void)fprintf(stderr, "stategate: %s\n", err.message);
        return EXIT_FAILURE;
    }
    int result = serve_logged(config, &ends);
    log_writer_stop();
    return result;
}

/* ---- the other commands ---- */

static int check_config(const struct config *config)
{
    (void)printf("ok\n");
    if (config->origins != NULL)
        (void)fputs(config->origins, stdout);
    else
        config_summarise(&config->settings, stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int probe(const struct settings *settings, const char *path)
{
    struct sg_error err = {0};
    struct client_answer *answer = calloc(1, sizeof *answer);
    enum sg_status status = answer != NULL ? client_get(settings, path, answer, &err)
                                           : sg_fail(&err, SG_MEMORY, "out of memory");
    int result = status == SG_OK && answer->code == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
    if (status != SG_OK)
        (void)fprintf(stderr, "stategate: %s\n", err.message);
    else
        (void)fwrite(answer->body, 1, answer->body_bytes, stdout);
    free(answer);
    return result;
}

static int run(const struct config_command *command)
{
    struct config config;
    struct sg_error err = {0};
    if (config_load(command, environ, &config, &err) != SG_OK)
        return refuse(&err);
    int result = command->verb == CONFIG_CHECK    ? check_config(&config)
                 : command->verb == CONFIG_HEALTH ? probe(&config.settings, "/livez")
                 : command->verb == CONFIG_READY  ? probe(&config.settings, "/readyz")
                                                  : serve(&config);
    config_free(&config);
    return result;
}

/* What is at least so large goes back to the system when it is freed. glibc would raise this to the largest that was
 * ever freed, an event of some MiB, and each thread's arena then keeps as much. */
#define MAPPED_BYTES_MIN (128 * 1024)

int main(int argc, char **argv)
{
    struct config_command command;
    struct sg_error err = {0};
    if (!descriptors_open_standard())
        return EXIT_FAILURE;
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    if (config_parse_arguments(argc, argv, &command, &err) != SG_OK)
        return refuse(&err);
    if (command.verb == CONFIG_HELP) {
        config_write_usage(stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (command.verb == CONFIG_VERSION)
        return puts("stategate " STATEGATE_VERSION) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    return run(&command);
}
