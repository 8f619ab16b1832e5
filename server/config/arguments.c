/* What may be set from outside the file: the command line and the environment. */
#include <string.h>

#include "server/config/config_internal.h"

#define VARIABLE_PREFIX "STATEGATE_"

/* The file itself is the first row: it is no setting. */
static const struct {
    const char *path;
    const char *variable;
    const char *flag; /* NULL = none */
} names[] = {
    {"", "STATEGATE_CONFIG", "--config"},
    {"listen", "STATEGATE_LISTEN", "--listen"},
    {"listen_ops", "STATEGATE_LISTEN_OPS", "--listen-ops"},
    {"database", "STATEGATE_DATABASE", "--database"},
    {"nats.url", "STATEGATE_NATS_URL", "--nats-url"},
    {"nats.credentials_file", "STATEGATE_NATS_CREDENTIALS_FILE", NULL},
    {"streams[0].name", "STATEGATE_STREAM", NULL},
    {"streams[0].subject", "STATEGATE_SUBJECT", NULL},
    {"streams[0].format", "STATEGATE_FORMAT", NULL},
    {"log.level", "STATEGATE_LOG_LEVEL", "--log-level"},
    {"log.format", "STATEGATE_LOG_FORMAT", NULL},
};
#define NAMES_COUNT (sizeof names / sizeof names[0])
_Static_assert(NAMES_COUNT <= CONFIG_NAMES_MAX, "the command's array holds a value for each name");

static const struct {
    const char *word;
    enum config_verb verb;
} verbs[] = {
    {"check-config", CONFIG_CHECK}, {"health", CONFIG_HEALTH},      {"ready", CONFIG_READY},
    {"--help", CONFIG_HELP},        {"-h", CONFIG_HELP},           {"--version", CONFIG_VERSION},
};
#define VERBS_COUNT (sizeof verbs / sizeof verbs[0])

const char *config_usage(void)
{
    return "usage: stategate [flags] [command]\n"
           "\n"
           "Answers HTTP reads from state that it follows on NATS JetStream.\n"
           "\n"
           "commands\n"
           "  (none)             serve until SIGTERM\n"
           "  check-config       check the configuration and say what would be served\n"
           "  health             exit 0 if the gateway of this configuration is alive\n"
           "  ready              exit 0 if it is ready\n"
           "\n"
           "flags\n"
           "  --config FILE      settings in YAML                        STATEGATE_CONFIG\n"
           "  --listen A         host:port, [::1]:port or unix:/path     STATEGATE_LISTEN\n"
           "  --listen-ops A     a second one, for probes and metrics    STATEGATE_LISTEN_OPS\n"
           "  --database F       the SQLite file                         STATEGATE_DATABASE\n"
           "  --nats-url U       nats://host:port, comma-separated       STATEGATE_NATS_URL\n"
           "  --log-level L      debug, info, warn or error              STATEGATE_LOG_LEVEL\n"
           "  --help, --version\n"
           "\n"
           "variables without a flag: STATEGATE_NATS_CREDENTIALS_FILE, STATEGATE_STREAM, STATEGATE_SUBJECT,\n"
           "STATEGATE_FORMAT, STATEGATE_LOG_FORMAT. Flags win over variables, and those over the file.\n";
}

/* ---- command line ---- */

/* The row whose flag is the first `bytes` of `argument`; NAMES_COUNT if there is none. */
static size_t find_flag(const char *argument, size_t bytes)
{
    size_t row = 0;
    while (row < NAMES_COUNT && !(names[row].flag != NULL && strlen(names[row].flag) == bytes &&
                                  strncmp(names[row].flag, argument, bytes) == 0))
        row++;
    return row;
}

/* Take `--flag value` or `--flag=value` at argv[*at]. */
static enum sg_status take_flag(int argc, char *const argv[], int *at, struct config_command *out,
                                struct sg_error *err)
{
    const char *argument = argv[*at];
    const char *equals = strchr(argument, '=');
    size_t row = find_flag(argument, equals != NULL ? (size_t)(equals - argument) : strlen(argument));
    if (row == NAMES_COUNT)
        return sg_fail(err, SG_INVALID, "%s: unknown flag; see stategate --help", config_clip(argument).text);
    if (out->flags[row] != NULL)
        return sg_fail(err, SG_INVALID, "%s: given twice", names[row].flag);
    if (equals == NULL && *at + 1 >= argc)
        return sg_fail(err, SG_INVALID, "%s: needs a value", names[row].flag);
    if (equals == NULL)
        (*at)++;
    out->flags[row] = equals != NULL ? equals + 1 : argv[*at];
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

enum sg_status config_parse_arguments(int argc, char *const argv[], struct config_command *out, struct sg_error *err)
{
    struct config_command command = {.verb = CONFIG_SERVE};
    const char *verb = NULL;
    for (int i = 1; i < argc; i++) {
        size_t row = find_verb(argv[i]);
        if (row < VERBS_COUNT && verb != NULL)
            return sg_fail(err, SG_INVALID, "%s: cannot be given beside %s", argv[i], verb);
        if (row < VERBS_COUNT) {
            verb = argv[i];
            command.verb = verbs[row].verb;
            continue;
        }
        if (argv[i][0] != '-')
            return sg_fail(err, SG_INVALID, "%s: unknown command; see stategate --help", config_clip(argv[i]).text);
        enum sg_status status = take_flag(argc, argv, &i, &command, err);
        if (status != SG_OK)
            return status;
    }
    command.file = command.flags[0];
    *out = command;
    return SG_OK;
}

/* ---- overrides ---- */

static enum sg_status add_override(struct config_source *source, const char *path, const char *origin,
                                   const char *text, struct sg_error *err)
{
    const char *wrong = config_check_override(text);
    if (wrong != NULL)
        return sg_fail(err, SG_INVALID, "%s: %s", origin, wrong);
    if (source->overrides_count == sizeof source->overrides / sizeof source->overrides[0])
        return sg_fail(err, SG_INVALID, "%s: given too often", origin); /* an environment may repeat itself */
    source->overrides[source->overrides_count++] = (struct config_override){path, origin, text};
    return SG_OK;
}

enum sg_status config_read_flags(const struct config_command *command, struct config_source *source,
                                 struct sg_error *err)
{
    for (size_t row = 1; row < NAMES_COUNT; row++) {
        if (command->flags[row] == NULL)
            continue;
        enum sg_status status = add_override(source, names[row].path, names[row].flag, command->flags[row], err);
        if (status != SG_OK)
            return status;
    }
    return SG_OK;
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

static enum sg_status take_variable(const char *entry, struct config_source *source, const char **file,
                                    struct sg_error *err)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL || is_service_link(entry, equals))
        return SG_OK;
    size_t bytes = (size_t)(equals - entry);
    for (size_t row = 0; row < NAMES_COUNT; row++) {
        if (strlen(names[row].variable) != bytes || strncmp(names[row].variable, entry, bytes) != 0)
            continue;
        if (row > 0)
            return add_override(source, names[row].path, names[row].variable, equals + 1, err);
        *file = equals + 1;
        return SG_OK;
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
