/* What may be set from outside the file: the command line and the environment. */
#include <string.h>

#include "server/config/config_internal.h"

#define VARIABLE_PREFIX "STATEGATE_"

#define FILE_VARIABLE "STATEGATE_CONFIG" /* the file itself is no setting */
#define FILE_FLAG "--config"
#define ORIGINS_FLAG "--origins"

static const struct {
    const char *word;
    enum config_verb verb;
} verbs[] = {
    {"check-config", CONFIG_CHECK}, {"health", CONFIG_HEALTH},      {"ready", CONFIG_READY},
    {"--help", CONFIG_HELP},        {"-h", CONFIG_HELP},           {"--version", CONFIG_VERSION},
};
#define VERBS_COUNT (sizeof verbs / sizeof verbs[0])

void config_write_usage(FILE *to)
{
    struct buffer settings;
    buffer_init(&settings, CONFIG_DOCUMENT_BYTES_MAX);
    config_append_usage(&settings);
    (void)fprintf(to,
                  "usage: stategate [flags] [command]\n"
                  "\n"
                  "Answers HTTP reads from state that it follows on NATS JetStream.\n"
                  "\n"
                  "commands\n"
                  "  (none)\n"
                  "      Serve until SIGTERM.\n"
                  "  check-config, check-config " ORIGINS_FLAG "\n"
                  "      Check the configuration and say what would be served; or where each value came from.\n"
                  "  health\n"
                  "      Exit 0 if the gateway of this configuration is alive.\n"
                  "  ready\n"
                  "      Exit 0 if it is ready.\n"
                  "\n"
                  "flags and environment variables; flags win over variables, and those over the file\n"
                  "  " FILE_FLAG " FILE, " FILE_VARIABLE "\n"
                  "      The file of settings, in YAML.\n"
                  "%.*s"
                  "  --help, --version\n",
                  (int)settings.bytes, settings.bytes > 0 ? settings.data : "");
    buffer_free(&settings);
}

/* ---- command line ---- */

/* The key whose flag is the first `bytes` of `argument`; NULL if there is none. */
static const struct config_key *find_flag(const char *argument, size_t bytes)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const char *flag = config_key_at(i)->flag;
        if (flag != NULL && strlen(flag) == bytes && strncmp(flag, argument, bytes) == 0)
            return config_key_at(i);
    }
    return NULL;
}

/* Where the value of the flag goes. */
static enum sg_status find_place(struct config_command *command, const char *argument, size_t bytes,
                                 const char ***out, struct sg_error *err)
{
    const struct config_key *key = find_flag(argument, bytes);
    if (bytes == sizeof FILE_FLAG - 1 && strncmp(argument, FILE_FLAG, bytes) == 0) {
        *out = &command->file;
        return SG_OK;
    }
    if (key == NULL || command->flags_count == CONFIG_NAMES_MAX)
        return sg_fail(err, SG_INVALID, "%s: unknown flag; see stategate --help", config_clip(argument).text);
    for (size_t i = 0; i < command->flags_count; i++) {
        if (command->flags[i].key == key)
            return sg_fail(err, SG_INVALID, "%s: given twice", key->flag);
    }
    command->flags[command->flags_count].key = key;
    *out = &command->flags[command->flags_count++].text;
    return SG_OK;
}

/* Take `--flag value` or `--flag=value` at argv[*at]. */
static enum sg_status take_flag(int argc, char *const argv[], int *at, struct config_command *out,
                                struct sg_error *err)
{
    const char *argument = argv[*at];
    const char *equals = strchr(argument, '=');
    size_t bytes = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    const char **place = NULL;
    enum sg_status status = find_place(out, argument, bytes, &place, err);
    if (status != SG_OK)
        return status;
    if (*place != NULL)
        return sg_fail(err, SG_INVALID, "%.*s: given twice", (int)bytes, argument);
    if (equals == NULL && *at + 1 >= argc)
        return sg_fail(err, SG_INVALID, "%.*s: needs a value", (int)bytes, argument);
    if (equals == NULL)
        (*at)++;
    *place = equals != NULL ? equals + 1 : argv[*at];
    return SG_OK;
}

/* The row of the word in `verbs`; VERBS_COUNT if there is none. */
static size_t find_verb(const char *argument)
{
    size_t row = 0;
    while (row < VERBS_COUNT && strcmp(verbs[row].word, argument) != 0)
        row++;
    return row;
}

/* Take one argument, or a flag and its value. */
static enum sg_status take_argument(int argc, char *const argv[], int *at, const char **verb,
                                    struct config_command *out, struct sg_error *err)
{
    const char *argument = argv[*at];
    size_t row = find_verb(argument);
    if (row < VERBS_COUNT && *verb != NULL)
        return sg_fail(err, SG_INVALID, "%s: cannot be given beside %s", argument, *verb);
    if (row < VERBS_COUNT) {
        *verb = argument;
        out->verb = verbs[row].verb;
        return SG_OK;
    }
    if (strcmp(argument, ORIGINS_FLAG) == 0) {
        if (out->origins)
            return sg_fail(err, SG_INVALID, "%s: given twice", argument);
        out->origins = true;
        return SG_OK;
    }
    if (argument[0] != '-')
        return sg_fail(err, SG_INVALID, "%s: unknown command; see stategate --help", config_clip(argument).text);
    return take_flag(argc, argv, at, out, err);
}

enum sg_status config_parse_arguments(int argc, char *const argv[], struct config_command *out, struct sg_error *err)
{
    struct config_command command = {.verb = CONFIG_SERVE};
    const char *verb = NULL;
    for (int i = 1; i < argc; i++) {
        enum sg_status status = take_argument(argc, argv, &i, &verb, &command, err);
        if (status != SG_OK)
            return status;
    }
    if (command.origins && command.verb != CONFIG_CHECK)
        return sg_fail(err, SG_INVALID, ORIGINS_FLAG ": is for check-config");
    *out = command;
    return SG_OK;
}

/* ---- overrides ---- */

static enum sg_status add_override(struct config_source *source, const struct config_key *key, const char *origin,
                                   const char *text, struct sg_error *err)
{
    const char *wrong = config_check_override(text);
    if (wrong != NULL)
        return sg_fail(err, SG_INVALID, "%s: %s", origin, wrong);
    if (source->overrides_count == sizeof source->overrides / sizeof source->overrides[0])
        return sg_fail(err, SG_INVALID, "%s: given too often", origin); /* an environment may repeat itself */
    source->overrides[source->overrides_count++] = (struct config_override){key, origin, text};
    return SG_OK;
}

enum sg_status config_read_flags(const struct config_command *command, struct config_source *source,
                                 struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; i < command->flags_count && status == SG_OK; i++) {
        const struct config_key *key = command->flags[i].key;
        status = add_override(source, key, key->flag, command->flags[i].text, err);
    }
    return status;
}

/* Kubernetes tells every pod of the services in its namespace by such variables, and a service may well be called
 * stategate or stategate-something: STATEGATE_SERVICE_HOST, STATEGATE_SERVICE_PORT_HTTP, STATEGATE_PORT=tcp://...,
 * STATEGATE_PORT_8080_TCP_ADDR. They are not meant for us. */
static bool is_service_link(const char *variable, const char *equals)
{
    const char *port = strstr(variable, "_PORT_");
    if (port != NULL && port < equals && port[6] >= '0' && port[6] <= '9')
        return true;
    const char *service = strstr(variable, "_SERVICE_");
    if (service != NULL && service < equals &&
        (strncmp(service, "_SERVICE_HOST=", 14) == 0 || strncmp(service, "_SERVICE_PORT", 13) == 0))
        return true;
    return equals - variable >= 5 && strncmp(equals - 5, "_PORT", 5) == 0 && strstr(equals, "://") != NULL;
}

static bool is_name(const char *variable, const char *entry, size_t bytes)
{
    return variable != NULL && strlen(variable) == bytes && strncmp(variable, entry, bytes) == 0;
}

static enum sg_status take_variable(const char *entry, struct config_source *source, const char **file,
                                    struct sg_error *err)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || equals[1] == '\0' || is_service_link(entry, equals))
        return SG_OK; /* an empty variable is an unset one, whatever it is called */
    size_t bytes = (size_t)(equals - entry);
    if (is_name(FILE_VARIABLE, entry, bytes)) {
        *file = equals + 1;
        return SG_OK;
    }
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        if (is_name(key->variable, entry, bytes))
            return add_override(source, key, key->variable, equals + 1, err);
    }
    /* The value may be a secret: only the name is shown. */
    return sg_fail(err, SG_INVALID, "%.*s: unknown variable; see stategate --help", bytes < 80 ? (int)bytes : 80,
                   entry);
}

enum sg_status config_read_environment(char *const environment[], struct config_source *source, const char **file,
                                       struct sg_error *err)
{
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (strncmp(environment[i], VARIABLE_PREFIX, sizeof VARIABLE_PREFIX - 1) != 0)
            continue;
        enum sg_status status = take_variable(environment[i], source, file, err);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
}
