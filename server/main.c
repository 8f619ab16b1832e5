/* The command line of stategate: take it apart, load the configuration, run the command, end with its exit code. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/time.h"
#include "core/version.h"
#include "server/client.h"
#include "server/config/config.h"
#include "server/descriptors.h"
#include "server/gateway.h"
#include "server/log_writer.h"
#include "server/signals.h"
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

/* How often it was asked to end; 0 when the gateway has failed. */
static unsigned wait_for_end(const struct gateway *gateway)
{
    while (!gateway_failed(gateway)) {
        unsigned asked = signals_wait(0, WATCH_MS);
        if (asked > 0)
            return asked;
    }
    log_event(LOG_ERROR, "gateway_failed", LOG_STR("then", "stopping"));
    return 0;
}

/* Not ready, and everything is answered as before: whoever balances the load has time to notice. Another signal, or a
 * failure, ends it. */
static void delay_end(struct gateway *gateway, unsigned asked, int64_t delay_ms)
{
    int64_t end_ns = time_boot_ns() + delay_ms * NS_PER_MS;
    gateway_set_unready(gateway);
    for (int64_t left_ns = end_ns - time_boot_ns(); left_ns > 0; left_ns = end_ns - time_boot_ns()) {
        int64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
        if (gateway_failed(gateway) || signals_wait(asked, left_ms < WATCH_MS ? left_ms : WATCH_MS) > asked)
            return;
    }
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

static int start_failed(enum sg_status status, const struct sg_error *err)
{
    log_event(LOG_ERROR, "start_failed", LOG_STR("status", sg_status_name(status)), LOG_STR("error", err->message));
    return EXIT_FAILURE;
}

/* Until it is asked to end, or fails. */
static int follow(struct gateway *gateway, const struct tunables_now *tunables)
{
    struct sg_error err = {0};
    enum sg_status status = gateway_follow(gateway, &err);
    if (status != SG_OK)
        return start_failed(status, &err);
    unsigned asked = wait_for_end(gateway);
    if (asked > 0)
        delay_end(gateway, asked, tunables_take(tunables)->shutdown_delay_ms);
    return asked > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* How it ended; `*clean` is false when a thread hangs, and what it uses must be left as it is. */
static int serve_logged(struct config *config, bool *clean)
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
    if (status != SG_OK)
        return start_failed(status, &err);
    signals_serving();
    int result = follow(gateway, &tunables);
    bool failed = false;
    *clean = gateway_stop(gateway, tunables_take(&tunables)->shutdown_drain_ms, &failed);
    if (failed)
        result = EXIT_FAILURE;
    log_event(LOG_INFO, "stopped", LOG_INT("exit", result));
    return result;
}

static int serve(struct config *config)
{
    struct sg_error err = {0};
    bool clean = true;
    log_set_format(config->settings.log_format);
    log_set_level(config->tunables.log_level);
    signals_block();
    enum sg_status status = log_writer_start(&err);
    if (status == SG_OK)
        status = signals_start(&err);
    if (status != SG_OK) {
        (void)fprintf(stderr, "stategate: %s\n", err.message);
        return EXIT_FAILURE;
    }
    int result = serve_logged(config, &clean);
    signals_serving(); /* also after a start that failed: how it ends is decided */
    log_writer_stop();
    if (!clean)
        _exit(result);
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
