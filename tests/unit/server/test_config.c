/* The configuration as a whole: defaults, every key, and which of file, environment and flags wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/config/config_internal.h"

#define ARGUMENTS_MAX 8

/* A folder of its own for each test that needs files. */
struct folder {
    char path[64];
    char file[96];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    assert_non_null(folder);
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/stategate-config-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->file, sizeof folder->file, "%s/stategate.yaml", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    (void)unlink(folder->file);
    assert_int_equal(rmdir(folder->path), 0);
    free(folder);
    return 0;
}

static void write_file(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static enum sg_status load(const char *arguments[], char *const environment[], struct config *out,
                           struct sg_error *err)
{
    char *argv[ARGUMENTS_MAX + 1] = {(char *)"stategate"};
    int argc = 1;
    for (; arguments[argc - 1] != NULL; argc++)
        argv[argc] = (char *)arguments[argc - 1];
    struct config_command command;
    *err = (struct sg_error){0};
    enum sg_status status = config_parse_arguments(argc, argv, &command, err);
    return status == SG_OK ? config_load(&command, environment, out, err) : status;
}

static void expect_load_refused(const char *arguments[], char *const environment[], const char *message)
{
    struct config config;
    struct sg_error err;
    assert_int_equal(load(arguments, environment, &config, &err), SG_INVALID);
    assert_string_equal(err.message, message);
}

#define ARGUMENTS(...) ((const char *[]){__VA_ARGS__ NULL})
#define ENVIRONMENT(...) ((char *const[]){__VA_ARGS__ NULL})
#define VARIABLE(text) (char *)(text),

static struct config load_good(const char *text)
{
    struct config config = {0};
    struct sg_error err = {0};
    if (config_load_text("c.yaml", text, strlen(text), &config, &err) != SG_OK)
        fail_msg("%s", err.message);
    return config;
}

/* ---- defaults ---- */

static void check_default_scalars(const struct config *config)
{
    const struct settings *s = &config->settings;
    const struct tunables *t = &config->tunables;
    assert_string_equal(s->listen, "127.0.0.1:8080");
    assert_string_equal(s->listen_ops, "");
    assert_string_equal(s->database, "stategate.db");
    assert_false(s->synchronous_full);
    assert_int_equal(s->database_bytes_max, 0);
    assert_string_equal(s->nats.url, "nats://127.0.0.1:4222");
    const char *const empty[] = {s->nats.credentials_file, s->nats.nkey_file,     s->nats.token_file,
                                 s->nats.user,             s->nats.password_file, s->nats.tls_ca_file,
                                 s->nats.tls_cert_file,    s->nats.tls_key_file,  s->nats.domain};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        assert_string_equal(empty[i], "");
    assert_int_equal(s->collections_max, 1000);
    assert_int_equal(t->wait_default_ms, 5000);
    assert_int_equal(t->wait_max_ms, 30000);
    assert_int_equal(t->parked_max, 10000);
    assert_int_equal(t->parked_max_per_client, 10000);
    assert_int_equal(t->probe_idle_ms, 1000);
    assert_int_equal(t->probe_min_interval_ms, 5);
    assert_int_equal(t->probe_epoch_trust_ms, 2000);
    assert_int_equal(t->rejected_max, 10000);
    assert_false(s->rejected_payload);
    assert_false(t->ready_without_broker);
    assert_int_equal(s->rebuild_empty, EMPTY_WAIT);
    assert_int_equal(s->http_loops, 0);
    assert_int_equal(s->http_connections_max, 16384);
    assert_int_equal(t->http_head_timeout_ms, 30000);
    assert_int_equal(t->http_answer_timeout_ms, 60000);
    assert_int_equal(t->http_answers_bytes_max, 256 << 20);
    assert_int_equal(s->cache_bytes, 64 << 20);
    assert_int_equal(t->log_level, LOG_INFO);
    assert_int_equal(s->log_format, LOG_FORMAT_JSON);
}

static void check_default_stream(const struct stream_settings *stream)
{
    assert_string_equal(stream->name, "STATE");
    assert_string_equal(stream->subject.text, "state.{collection}.{id}");
    assert_string_equal(stream->subject.filter, "state.*.>");
    assert_int_equal(stream->format, FORMAT_ENVELOPE);
    assert_int_equal(stream->collections_count, 0);
    assert_false(stream->fixed_collection);
    assert_int_equal(stream->on_gap, ON_GAP_CONTINUE);
}

static void no_configuration_serves_the_default_stream(void **state)
{
    (void)state;
    struct config config;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS(), ENVIRONMENT(VARIABLE("PATH=/bin")), &config, &err), SG_OK);
    check_default_scalars(&config);
    assert_int_equal(config.settings.streams_count, 1);
    check_default_stream(&config.settings.streams[0]);
    assert_int_equal(config.settings.collections_count, 0);
    config_free(&config);
    assert_null(config.settings.listen);
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    const char *const texts[] = {"", "# nothing\n", "---\n# nothing\n{}\n", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct config config = load_good(texts[i]);
        check_default_scalars(&config);
        check_default_stream(&config.settings.streams[0]);
        config_free(&config);
    }
}

/* ---- every key ---- */

static void every_scalar_of_the_file_arrives(void **state)
{
    (void)state;
    struct config s = load_good("listen: '[::1]:9000'\nlisten_ops: unix:/run/ops.sock\ndatabase: /var/lib/s.db\n"
                                  "database_synchronous: full\ndatabase_max_bytes: 10GiB\ncollections_max: 7\n"
                                  "wait: {default: 2m, max: 1h, parked_max: 11, parked_max_per_client: 12}\n"
                                  "probe: {idle: 100ms, min_interval: 10ms, epoch_trust: 0}\n"
                                  "rejected: {max: 13, payload: true}\nready: {without_broker: true}\n"
                                  "rebuild: {empty: swap}\n"
                                  "http: {loops: 3, connections_max: 14, answers_bytes_max: 17MiB, head_timeout: 15s,"
                                  " answer_timeout: 16s}\n"
                                  "cache: {size: 500MB}\n"
                                  "log: {level: debug, format: text}\n");
    assert_string_equal(s.settings.listen, "[::1]:9000");
    assert_string_equal(s.settings.listen_ops, "unix:/run/ops.sock");
    assert_string_equal(s.settings.database, "/var/lib/s.db");
    assert_true(s.settings.synchronous_full);
    assert_int_equal(s.settings.database_bytes_max, INT64_C(10) << 30);
    assert_int_equal(s.settings.collections_max, 7);
    assert_int_equal(s.tunables.wait_default_ms, 120000);
    assert_int_equal(s.tunables.wait_max_ms, 3600000);
    assert_int_equal(s.tunables.parked_max, 11);
    assert_int_equal(s.tunables.parked_max_per_client, 12);
    assert_int_equal(s.tunables.probe_idle_ms, 100);
    assert_int_equal(s.tunables.probe_min_interval_ms, 10);
    assert_int_equal(s.tunables.probe_epoch_trust_ms, 0);
    assert_int_equal(s.tunables.rejected_max, 13);
    assert_true(s.settings.rejected_payload);
    assert_true(s.tunables.ready_without_broker);
    assert_int_equal(s.settings.rebuild_empty, EMPTY_SWAP);
    assert_int_equal(s.settings.http_loops, 3);
    assert_int_equal(s.settings.http_connections_max, 14);
    assert_int_equal(s.tunables.http_head_timeout_ms, 15000);
    assert_int_equal(s.tunables.http_answer_timeout_ms, 16000);
    assert_int_equal(s.tunables.http_answers_bytes_max, 17 << 20);
    assert_int_equal(s.settings.cache_bytes, 500000000);
    assert_int_equal(s.tunables.log_level, LOG_DEBUG);
    assert_int_equal(s.settings.log_format, LOG_FORMAT_TEXT);
    config_free(&s);
}

static void every_kind_of_credentials_arrives(void **state)
{
    (void)state;
    struct config s = load_good("nats:\n  url: tls://a:1,nats://[::1]:2,nats://b\n  user: u\n  password_file: /p\n"
                                  "  tls: {ca_file: /ca, cert_file: /cert, key_file: /key}\n  domain: hub\n");
    assert_string_equal(s.settings.nats.url, "tls://a:1,nats://[::1]:2,nats://b");
    assert_string_equal(s.settings.nats.user, "u");
    assert_string_equal(s.settings.nats.password_file, "/p");
    assert_string_equal(s.settings.nats.tls_ca_file, "/ca");
    assert_string_equal(s.settings.nats.tls_cert_file, "/cert");
    assert_string_equal(s.settings.nats.tls_key_file, "/key");
    assert_string_equal(s.settings.nats.domain, "hub");
    config_free(&s);
    s = load_good("nats: {credentials_file: /c}");
    assert_string_equal(s.settings.nats.credentials_file, "/c");
    config_free(&s);
    s = load_good("nats: {nkey_file: /n}");
    assert_string_equal(s.settings.nats.nkey_file, "/n");
    config_free(&s);
    s = load_good("nats: {token_file: /t}");
    assert_string_equal(s.settings.nats.token_file, "/t");
    config_free(&s);
}

static void a_shorter_maximum_shortens_the_default_wait(void **state)
{
    (void)state;
    struct config s = load_good("wait: {max: 2s}");
    assert_int_equal(s.tunables.wait_default_ms, 2000);
    config_free(&s);
}

static char *read_example(size_t *bytes)
{
    const char *root = getenv("SG_SOURCE_DIR");
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/deploy/stategate.yaml", root != NULL ? root : ".");
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s is not there", path);
    char *text = calloc(1, CONFIG_FILE_BYTES_MAX);
    assert_non_null(text);
    *bytes = fread(text, 1, CONFIG_FILE_BYTES_MAX - 1, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* In the file, or in an entry of its list (and the first one of a list in that), or commented out there. */
static bool stands_in(const struct config_node *root, const char *text, const char *path)
{
    const char *entry = strstr(path, "[]");
    char one[128];
    if (entry == NULL)
        return config_tree_find(root, path) != NULL;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(one, sizeof one, "%.*s[%d]%s", (int)(entry - path), path, i, entry + 2);
        char *inner = strstr(one, "[]");
        if (inner != NULL)
            (void)snprintf(inner, sizeof one - (size_t)(inner - one), "[0]%s", strstr(entry + 2, "[]") + 2);
        if (config_tree_find(root, one) != NULL)
            return true;
    }
    (void)snprintf(one, sizeof one, "\n    # %s: ", entry + 3);
    return strstr(text, one) != NULL;
}

static void the_example_shows_every_key_with_its_default(void **state)
{
    (void)state;
    size_t bytes = 0;
    char *text = read_example(&bytes);
    struct config config;
    struct sg_error err = {0};
    if (config_load_text("deploy/stategate.yaml", text, bytes, &config, &err) != SG_OK)
        fail_msg("%s", err.message);
    check_default_scalars(&config);
    check_default_stream(&config.settings.streams[0]);
    struct config_source source = {.file = "deploy/stategate.yaml", .text = text, .bytes = bytes};
    struct config_node *root = NULL;
    assert_int_equal(config_tree_parse(&source, &root, &err), SG_OK);
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        if (!stands_in(root, text, config_key_at(i)->path))
            fail_msg("%s is not in the example", config_key_at(i)->path);
    }
    config_tree_free(root);
    config_free(&config);
    free(text);
}

/* ---- sources ---- */

static void flags_win_over_variables_and_those_over_the_file(void **state)
{
    struct folder *folder = *state;
    const char *text = "listen: 127.0.0.1:1\ndatabase: file.db\nnats: {url: 'nats://file'}\nlog: {level: warn}\n";
    write_file(folder->file, text, strlen(text));
    char config[128];
    (void)snprintf(config, sizeof config, "STATEGATE_CONFIG=%s", folder->file);
    struct config s;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("--database", "flag.db", ),
                          ENVIRONMENT(VARIABLE(config) VARIABLE("STATEGATE_DATABASE=variable.db")
                                          VARIABLE("STATEGATE_NATS_URL=nats://variable")),
                          &s, &err),
                     SG_OK);
    assert_string_equal(s.settings.listen, "127.0.0.1:1");
    assert_string_equal(s.settings.nats.url, "nats://variable");
    assert_string_equal(s.settings.database, "flag.db");
    assert_int_equal(s.tunables.log_level, LOG_WARN);
    config_free(&s);
}

static void every_variable_arrives(void **state)
{
    (void)state;
    struct config s;
    struct sg_error err;
    char *const environment[] = {(char *)"STATEGATE_LISTEN=0.0.0.0:1",
                                 (char *)"STATEGATE_LISTEN_OPS=0.0.0.0:2",
                                 (char *)"STATEGATE_DATABASE=d",
                                 (char *)"STATEGATE_NATS_URL=nats://n",
                                 (char *)"STATEGATE_NATS_CREDENTIALS_FILE=/c",
                                 (char *)"STATEGATE_STREAM=KV_b",
                                 (char *)"STATEGATE_SUBJECT=$KV.b.{collection}.{id}",
                                 (char *)"STATEGATE_FORMAT=kv",
                                 (char *)"STATEGATE_LOG_LEVEL=error",
                                 (char *)"STATEGATE_LOG_FORMAT=text",
                                 NULL};
    assert_int_equal(load(ARGUMENTS(), environment, &s, &err), SG_OK);
    assert_string_equal(s.settings.listen, "0.0.0.0:1");
    assert_string_equal(s.settings.listen_ops, "0.0.0.0:2");
    assert_string_equal(s.settings.database, "d");
    assert_string_equal(s.settings.nats.url, "nats://n");
    assert_string_equal(s.settings.nats.credentials_file, "/c");
    assert_string_equal(s.settings.streams[0].name, "KV_b");
    assert_string_equal(s.settings.streams[0].subject.text, "$KV.b.{collection}.{id}");
    assert_int_equal(s.settings.streams[0].format, FORMAT_KV);
    assert_int_equal(s.tunables.log_level, LOG_ERROR);
    assert_int_equal(s.settings.log_format, LOG_FORMAT_TEXT);
    config_free(&s);
}

static void addresses_and_hosts_may_be_lists(void **state)
{
    (void)state;
    struct config s = load_good("listen: ['h:1', '[::1]:2', 'unix:/run/s.sock', 'h:4', 'h:5', 'h:6', 'h:7', 'h:8']\n"
                                "hosts: [State.example, b.]\n");
    assert_string_equal(s.settings.listen, "h:1,[::1]:2,unix:/run/s.sock,h:4,h:5,h:6,h:7,h:8");
    assert_string_equal(s.settings.hosts, "State.example,b.");
    config_free(&s);
    s = load_good("listen: [h:0, h:0]\nhosts: []\nlisten_ops: h:0\n"); /* any free port, three times */
    assert_string_equal(s.settings.listen, "h:0,h:0");
    assert_string_equal(s.settings.hosts, "");
    config_free(&s);
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("--listen", "h:1,h:2", ), ENVIRONMENT(), &s, &err), SG_OK);
    assert_string_equal(s.settings.listen, "h:1,h:2");
    config_free(&s);
}

/* As a deployment writes them that fills in what it has. */
static void an_empty_variable_is_unset(void **state)
{
    (void)state;
    struct config s;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS(),
                          ENVIRONMENT(VARIABLE("STATEGATE_LISTEN=")
                                      VARIABLE("STATEGATE_LISTEN_OPS=")
                                      VARIABLE("STATEGATE_DATABASE=")
                                      VARIABLE("STATEGATE_NATS_URL=")
                                      VARIABLE("STATEGATE_NATS_CREDENTIALS_FILE=")
                                      VARIABLE("STATEGATE_STREAM=")
                                      VARIABLE("STATEGATE_SUBJECT=")
                                      VARIABLE("STATEGATE_FORMAT=")
                                      VARIABLE("STATEGATE_LOG_LEVEL=")
                                      VARIABLE("STATEGATE_LOG_FORMAT=")
                                      VARIABLE("STATEGATE_CONFIG=")
                                      VARIABLE("STATEGATE_NEVER_HEARD_OF=")),
                          &s, &err),
                     SG_OK);
    assert_string_equal(s.settings.listen, "127.0.0.1:8080");
    assert_string_equal(s.settings.database, "stategate.db");
    assert_string_equal(s.settings.streams[0].subject.text, "state.{collection}.{id}");
    config_free(&s);
}

static void every_flag_arrives_in_both_forms(void **state)
{
    (void)state;
    struct config s;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("--listen", "h:1", "--listen-ops=h:2", "--database=d=e", "--nats-url",
                                    "nats://n", "--log-level=debug", ),
                          ENVIRONMENT(), &s, &err),
                     SG_OK);
    assert_string_equal(s.settings.listen, "h:1");
    assert_string_equal(s.settings.listen_ops, "h:2");
    assert_string_equal(s.settings.database, "d=e");
    assert_string_equal(s.settings.nats.url, "nats://n");
    assert_int_equal(s.tunables.log_level, LOG_DEBUG);
    config_free(&s);
}

static void the_flag_for_the_file_wins_over_its_variable(void **state)
{
    struct folder *folder = *state;
    write_file(folder->file, "database: flag.db", 17);
    struct config s;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("--config", folder->file, ), ENVIRONMENT(VARIABLE("STATEGATE_CONFIG=/not/there")),
                          &s, &err),
                     SG_OK);
    assert_string_equal(s.settings.database, "flag.db");
    config_free(&s);
}

static void a_variable_replaces_texts_of_the_only_stream(void **state)
{
    struct folder *folder = *state;
    const char *text = "streams:\n  - name: ORDERS\n    on_gap: rebuild\n    subject: o.{id}\n    collection: orders\n";
    write_file(folder->file, text, strlen(text));
    struct config s;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("--config", folder->file, ), ENVIRONMENT(VARIABLE("STATEGATE_SUBJECT=p.{id}")), &s,
                          &err),
                     SG_OK);
    assert_string_equal(s.settings.streams[0].name, "ORDERS");
    assert_string_equal(s.settings.streams[0].subject.text, "p.{id}");
    assert_int_equal(s.settings.streams[0].on_gap, ON_GAP_REBUILD);
    config_free(&s);
}

static void stream_variables_are_refused_beside_several_streams(void **state)
{
    struct folder *folder = *state;
    const char *text = "streams:\n  - {name: A, subject: 'a.{id}', collection: a}\n"
                       "  - {name: B, subject: 'b.{id}', collection: b}\n";
    write_file(folder->file, text, strlen(text));
    const char **arguments = ARGUMENTS("--config", folder->file, );
    expect_load_refused(arguments, ENVIRONMENT(VARIABLE("STATEGATE_STREAM=X")),
                        "STATEGATE_STREAM: cannot be given beside a file with 2 streams");
    expect_load_refused(arguments, ENVIRONMENT(VARIABLE("STATEGATE_SUBJECT=x.{id}")),
                        "STATEGATE_SUBJECT: cannot be given beside a file with 2 streams");
    expect_load_refused(arguments, ENVIRONMENT(VARIABLE("STATEGATE_FORMAT=kv")),
                        "STATEGATE_FORMAT: cannot be given beside a file with 2 streams");
}

static void a_wrong_variable_or_flag_is_named(void **state)
{
    (void)state;
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_LOG_LEVEL=loud")),
                        "STATEGATE_LOG_LEVEL: must be debug, info, warn or error, not loud");
    expect_load_refused(ARGUMENTS("--log-level=loud", ), ENVIRONMENT(VARIABLE("STATEGATE_LOG_LEVEL=info")),
                        "--log-level: must be debug, info, warn or error, not loud");
    expect_load_refused(ARGUMENTS("--database=", ), ENVIRONMENT(), "--database: must not be empty");
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_STREAM=a.b")),
                        "STATEGATE_STREAM: must have 1 to 255 bytes, without '.', '*', '>' and white space");
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_DATABASE=a\nb")),
                        "STATEGATE_DATABASE: must not hold control characters");
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_DATABASE=a\xFF")),
                        "STATEGATE_DATABASE: must be UTF-8");
}

static void a_wrong_value_in_the_file_stops_although_a_flag_replaces_it(void **state)
{
    struct folder *folder = *state;
    write_file(folder->file, "\nlisten: nowhere\n", 17);
    char message[256];
    (void)snprintf(message, sizeof message,
                   "%s:2: listen: must be host:port, [address]:port or unix:/path, with a port from 0 to 65535",
                   folder->file);
    expect_load_refused(ARGUMENTS("--config", folder->file, "--listen=h:1", ), ENVIRONMENT(), message);
}

static void an_unknown_variable_is_refused_without_its_value(void **state)
{
    (void)state;
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_LISTNE=secret")),
                        "STATEGATE_LISTNE: unknown variable; see stategate --help");
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_PORT=8080")),
                        "STATEGATE_PORT: unknown variable; see stategate --help");
    expect_load_refused(ARGUMENTS(), ENVIRONMENT(VARIABLE("STATEGATE_=1")),
                        "STATEGATE_: unknown variable; see stategate --help");
}

static void variables_of_a_kubernetes_service_are_not_ours(void **state)
{
    (void)state;
    struct config s;
    struct sg_error err;
    char *const environment[] = {(char *)"STATEGATE_SERVICE_HOST=10.0.0.1",
                                 (char *)"STATEGATE_SERVICE_PORT=80",
                                 (char *)"STATEGATE_SERVICE_PORT_HTTP=80",
                                 (char *)"STATEGATE_PORT=tcp://10.0.0.1:80",
                                 (char *)"STATEGATE_PORT_80_TCP=tcp://10.0.0.1:80",
                                 (char *)"STATEGATE_PORT_80_TCP_ADDR=10.0.0.1",
                                 (char *)"STATEGATE_READS_SERVICE_HOST=10.0.0.1",
                                 NULL};
    assert_int_equal(load(ARGUMENTS(), environment, &s, &err), SG_OK);
    config_free(&s);
}

static void an_environment_that_repeats_itself_is_refused(void **state)
{
    (void)state;
    char *environment[2 * CONFIG_NAMES_MAX + 2] = {NULL};
    for (size_t i = 0; i <= 2 * CONFIG_NAMES_MAX; i++)
        environment[i] = (char *)"STATEGATE_LISTEN=h:1";
    expect_load_refused(ARGUMENTS(), environment, "STATEGATE_LISTEN: given too often");
}

/* ---- origins ---- */

static char *origins_of(const char *arguments[], char *const environment[])
{
    struct config config;
    struct sg_error err;
    if (load(arguments, environment, &config, &err) != SG_OK)
        fail_msg("%s", err.message);
    assert_non_null(config.origins);
    char *origins = strdup(config.origins);
    assert_non_null(origins);
    config_free(&config);
    assert_null(config.origins);
    return origins;
}

/* A line of its own. */
static void expect_line(const char *text, const char *line)
{
    char part[512];
    (void)snprintf(part, sizeof part, "%s\n", line);
    const char *at = strstr(text, part);
    if (at == NULL || (at != text && at[-1] != '\n'))
        fail_msg("'%s' is not in\n%s", line, text);
}

static void origins_name_file_and_line_variable_flag_and_default(void **state)
{
    struct folder *folder = *state;
    char line[256];
    const char *text = "listen: h:1\nwait:\n  max: 2s\nstreams:\n  - name: KV_b\n    format: kv\n    collection: c\n"
                       "  - name: S\n    subject: s.{collection}\n    collections: [d, e]\n"
                       "collections:\n  - {name: d, drop: [/ssn, /a]}\n  - name: e\n"
                       "    fields: [{name: tag, at: '/tags/*', type: string}, {name: b, at: /b, type: boolean}]\n"
                       "    indexes: [tag, ' b.desc']\n    scan: true\n"
                       "nats: {user: u, password_file: /secret}\nlog: {level: warn}\n";
    write_file(folder->file, text, strlen(text));
    struct config config;
    struct sg_error err;
    struct config_command command;
    char *argv[] = {(char *)"stategate", (char *)"check-config", (char *)"--origins", (char *)"--config", folder->file,
                    (char *)"--database", (char *)"f.db", NULL};
    assert_int_equal(config_parse_arguments(7, argv, &command, &err), SG_OK);
    command.verb = CONFIG_SERVE; /* the files that the settings name need not be there */
    assert_int_equal(config_load(&command, ENVIRONMENT(VARIABLE("STATEGATE_LOG_LEVEL=debug")), &config, &err), SG_OK);
    const struct {
        const char *value;
        unsigned line;
    } lines[] = {{"listen = h:1", 1},
                 {"wait.max = 2s", 3},
                 {"streams[0].name = KV_b", 5},
                 {"streams[0].format = kv", 6},
                 {"streams[0].collection = c", 7},
                 {"streams[1].subject = s.{collection}", 9},
                 {"streams[1].collections = [d, e]", 10},
                 {"collections[0].drop = [/ssn, /a]", 12},
                 {"collections[1].name = e", 13},
                 {"collections[1].fields = [{name: tag, at: \"/tags/*\", type: string}, {name: b, at: \"/b\", type: "
                  "boolean}]",
                  14},
                 {"collections[1].indexes = [\"tag\", \"b.desc\"]", 15},
                 {"collections[1].scan = true", 16},
                 {"nats.password_file = /secret", 17}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        (void)snprintf(line, sizeof line, "%s  # %s:%u", lines[i].value, folder->file, lines[i].line);
        expect_line(config.origins, line);
    }
    expect_line(config.origins, "log.level = debug  # STATEGATE_LOG_LEVEL");
    expect_line(config.origins, "database = f.db  # --database");
    expect_line(config.origins, "cache.size = 64MiB  # default");
    expect_line(config.origins, "wait.default = 2s  # from other settings");
    expect_line(config.origins, "streams[0].subject = $KV.b.{id}  # from other settings");
    assert_null(strstr(config.origins, "streams[1].collection = "));
    assert_null(strstr(config.origins, "collections[1].drop"));
    assert_null(strstr(config.origins, "collections[0].fields"));
    expect_line(config.origins, "collections[0].scan = false  # default");
    config_free(&config);
}

static void every_key_has_an_origin(void **state)
{
    (void)state;
    char *origins = origins_of(ARGUMENTS("check-config", "--origins", ), ENVIRONMENT());
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        char part[128];
        const struct config_key *key = config_key_at(i);
        (void)snprintf(part, sizeof part, "\n%s = ", key->path);
        bool in_list = strchr(key->path, '[') != NULL || key->kind == KIND_LIST;
        if (!in_list && strstr(origins, part) == NULL && strncmp(origins, part + 1, strlen(part + 1)) != 0)
            fail_msg("%s has no line", key->path);
    }
    free(origins);
}

/* Secrets are in files, which nobody reads here. */
static void no_secret_is_read_or_printed(void **state)
{
    struct folder *folder = *state;
    write_file(folder->file, "hunter2", 7);
    char variable[128];
    (void)snprintf(variable, sizeof variable, "STATEGATE_NATS_CREDENTIALS_FILE=%s", folder->file);
    char *origins = origins_of(ARGUMENTS("check-config", "--origins", ), ENVIRONMENT(VARIABLE(variable)));
    assert_non_null(strstr(origins, folder->file));
    assert_null(strstr(origins, "hunter2"));
    free(origins);
    expect_load_refused(ARGUMENTS("check-config", "--origins", "--nats-url=nats://u:hunter2@h", ), ENVIRONMENT(),
                        "--nats-url: must not hold a user, a password or a token: nats.user, nats.password_file and "
                        "nats.token_file are for them");
}

static void origins_are_for_check_config(void **state)
{
    (void)state;
    struct config config;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("check-config", ), ENVIRONMENT(), &config, &err), SG_OK);
    assert_null(config.origins);
    config_free(&config);
    expect_load_refused(ARGUMENTS("--origins", ), ENVIRONMENT(), "--origins: is for check-config");
    expect_load_refused(ARGUMENTS("--origins", "health", ), ENVIRONMENT(), "--origins: is for check-config");
    expect_load_refused(ARGUMENTS("check-config", "--origins", "--origins", ), ENVIRONMENT(), "--origins: given twice");
}

/* ---- the file itself ---- */

static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct folder *folder = *state;
    char message[256];
    expect_load_refused(ARGUMENTS("--config=/not/there.yaml", ), ENVIRONMENT(),
                        "/not/there.yaml: cannot be opened: No such file or directory");
    (void)snprintf(message, sizeof message, "%s: cannot be read: Is a directory", folder->path);
    expect_load_refused(ARGUMENTS("--config", folder->path, ), ENVIRONMENT(), message);
}

static void a_file_of_the_largest_size_is_read_and_a_larger_one_refused(void **state)
{
    struct folder *folder = *state;
    char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, '#', CONFIG_FILE_BYTES_MAX + 1);
    write_file(folder->file, text, CONFIG_FILE_BYTES_MAX);
    struct config s;
    struct sg_error err;
    const char **arguments = ARGUMENTS("--config", folder->file, );
    assert_int_equal(load(arguments, ENVIRONMENT(), &s, &err), SG_OK);
    config_free(&s);
    write_file(folder->file, text, CONFIG_FILE_BYTES_MAX + 1);
    char message[256];
    (void)snprintf(message, sizeof message, "%s: is larger than 1048576 bytes", folder->file);
    expect_load_refused(arguments, ENVIRONMENT(), message);
    free(text);
}

static void check_config_wants_the_named_files_readable(void **state)
{
    struct folder *folder = *state;
    const char *text = "nats:\n  tls:\n    ca_file: /not/there.pem\n";
    write_file(folder->file, text, strlen(text));
    struct config s;
    struct sg_error err;
    assert_int_equal(load(ARGUMENTS("--config", folder->file, ), ENVIRONMENT(), &s, &err), SG_OK);
    config_free(&s);
    char message[256];
    (void)snprintf(message, sizeof message, "%s:3: nats.tls.ca_file: /not/there.pem: No such file or directory",
                   folder->file);
    expect_load_refused(ARGUMENTS("--config", folder->file, "check-config", ), ENVIRONMENT(), message);
    expect_load_refused(ARGUMENTS("check-config", ), ENVIRONMENT(VARIABLE("STATEGATE_NATS_CREDENTIALS_FILE=/")),
                        "STATEGATE_NATS_CREDENTIALS_FILE: /: is a folder");
}

/* ---- the command line ---- */

static void commands_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum config_verb verb;
    } cases[] = {{"check-config", CONFIG_CHECK}, {"health", CONFIG_HEALTH},     {"ready", CONFIG_READY},
                 {"--help", CONFIG_HELP},        {"--version", CONFIG_VERSION}, {"--listen=h:1", CONFIG_SERVE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *argv[] = {(char *)"stategate", (char *)cases[i].word, NULL};
        struct config_command command;
        assert_int_equal(config_parse_arguments(2, argv, &command, NULL), SG_OK);
        assert_int_equal(command.verb, cases[i].verb);
    }
}

static void a_wrong_command_line_is_refused(void **state)
{
    (void)state;
    expect_load_refused(ARGUMENTS("serve", ), ENVIRONMENT(), "serve: unknown command; see stategate --help");
    expect_load_refused(ARGUMENTS("", ), ENVIRONMENT(), ": unknown command; see stategate --help");
    expect_load_refused(ARGUMENTS("--listne", "h:1", ), ENVIRONMENT(), "--listne: unknown flag; see stategate --help");
    expect_load_refused(ARGUMENTS("-x", ), ENVIRONMENT(), "-x: unknown flag; see stategate --help");
    expect_load_refused(ARGUMENTS("--listen", ), ENVIRONMENT(), "--listen: needs a value");
    expect_load_refused(ARGUMENTS("--listen=a:1", "--listen", "b:1", ), ENVIRONMENT(), "--listen: given twice");
    expect_load_refused(ARGUMENTS("health", "ready", ), ENVIRONMENT(), "ready: cannot be given beside health");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_configuration_serves_the_default_stream),
        cmocka_unit_test(an_empty_file_changes_nothing),
        cmocka_unit_test(every_scalar_of_the_file_arrives),
        cmocka_unit_test(every_kind_of_credentials_arrives),
        cmocka_unit_test(a_shorter_maximum_shortens_the_default_wait),
        cmocka_unit_test(the_example_shows_every_key_with_its_default),
        cmocka_unit_test_setup_teardown(flags_win_over_variables_and_those_over_the_file, make_folder, remove_folder),
        cmocka_unit_test(every_variable_arrives),
        cmocka_unit_test(addresses_and_hosts_may_be_lists),
        cmocka_unit_test(an_empty_variable_is_unset),
        cmocka_unit_test(every_flag_arrives_in_both_forms),
        cmocka_unit_test_setup_teardown(the_flag_for_the_file_wins_over_its_variable, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_variable_replaces_texts_of_the_only_stream, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(stream_variables_are_refused_beside_several_streams, make_folder,
                                        remove_folder),
        cmocka_unit_test(a_wrong_variable_or_flag_is_named),
        cmocka_unit_test_setup_teardown(a_wrong_value_in_the_file_stops_although_a_flag_replaces_it, make_folder,
                                        remove_folder),
        cmocka_unit_test(an_unknown_variable_is_refused_without_its_value),
        cmocka_unit_test(variables_of_a_kubernetes_service_are_not_ours),
        cmocka_unit_test(an_environment_that_repeats_itself_is_refused),
        cmocka_unit_test_setup_teardown(origins_name_file_and_line_variable_flag_and_default, make_folder,
                                        remove_folder),
        cmocka_unit_test(every_key_has_an_origin),
        cmocka_unit_test_setup_teardown(no_secret_is_read_or_printed, make_folder, remove_folder),
        cmocka_unit_test(origins_are_for_check_config),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_of_the_largest_size_is_read_and_a_larger_one_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(check_config_wants_the_named_files_readable, make_folder, remove_folder),
        cmocka_unit_test(commands_are_told_apart),
        cmocka_unit_test(a_wrong_command_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
