/* Every refusal of a file names the file, the line and the key; every limit holds at its value and not one beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/config/config.h"

struct refusal {
    const char *text;
    const char *message;
};

static enum sg_status load_text(const char *text, struct sg_error *err)
{
    struct config config;
    *err = (struct sg_error){0};
    enum sg_status status = config_load_text("c.yaml", text, strlen(text), &config, err);
    if (status == SG_OK)
        config_free(&config);
    return status;
}

static void expect_refused(const char *text, const char *message)
{
    struct sg_error err;
    if (load_text(text, &err) == SG_OK)
        fail_msg("accepted: %s", text);
    assert_int_equal(err.status, SG_INVALID);
    assert_string_equal(err.message, message);
}

static void expect_accepted(const char *text)
{
    struct sg_error err;
    if (load_text(text, &err) != SG_OK)
        fail_msg("%s: %s", text, err.message);
}

#define EXPECT_REFUSALS(...)                                                                                           \
    do {                                                                                                               \
        static const struct refusal refusals[] = {__VA_ARGS__};                                                        \
        for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)                                              \
            expect_refused(refusals[i].text, refusals[i].message);                                                     \
    } while (0)

/* ---- the form of the file ---- */

static void unknown_keys_are_named_with_their_line(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"listen: h:1\nprobe:\n  idle: 1s\n\n  idel: 2s\n",
         "c.yaml:5: probe.idel: unknown key; did you mean idle? (known here: idle, min_interval, epoch_trust, "
         "mirror_delay)"},
        {"streams:\n  - name: A\n    subject: a.{id}\n    collection: a\n  - name: B\n    sbject: b\n",
         "c.yaml:6: streams[1].sbject: unknown key; did you mean subject? (known here: name, subject, format, "
         "collection, collections, on_gap, expire)"},
        {"cache: {\n  seize: 1 }", "c.yaml:2: cache.seize: unknown key; did you mean size? (known here: size)"},
        {"cache: {\"size\\0x\": 1}", "c.yaml:1: cache.size: unknown key (known here: size)"},
        {"rebuilds: {empty: swap}",
         "c.yaml:1: rebuilds: unknown key; did you mean rebuild? (known here: listen, hosts, listen_ops, database, "
         "database_synchronous, database_max_bytes, nats, streams, collections, collections_max, wait, probe, "
         "rejected, ready, rebuild, http, query, shutdown, cache, log)"});
}

static void a_key_of_another_word_is_not_taken_for_a_typing_error(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"cache: {bytes: 1}", "c.yaml:1: cache.bytes: unknown key (known here: size)"},
        {"cache: {zi: 1}", "c.yaml:1: cache.zi: unknown key (known here: size)"},
        {"cache: {Size: 1}", "c.yaml:1: cache.Size: unknown key; did you mean size? (known here: size)"},
        {"log: {elvel: info}", "c.yaml:1: log.elvel: unknown key; did you mean level? (known here: level, format)"},
        {"log: {eelvlx: info}", "c.yaml:1: log.eelvlx: unknown key (known here: level, format)"});
}

/* A path is no key: its parts are. */
static void a_path_in_the_place_of_a_key_is_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"log: {level.x: info}", "c.yaml:1: log.level.x: unknown key; did you mean level? (known here: level, format)"},
        {"log: {'': info}", "c.yaml:1: log.: unknown key (known here: level, format)"});
    struct sg_error err;
    static const char *const texts[] = {"wait.default: 5s", "'': {}", "'streams[]': {name: a}", "'.': 1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(load_text(texts[i], &err), SG_INVALID);
        assert_non_null(strstr(err.message, "unknown key"));
    }
}

static void keys_that_stand_twice_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS({"listen: h:1\n\nlisten: h:2\n", "c.yaml:3: listen: stands here a second time, after line 1"},
                    {"log:\n  level: info\nlog:\n  format: text\n",
                     "c.yaml:3: log: stands here a second time, after line 1"},
                    {"streams:\n  - name: A\n    name: B\n",
                     "c.yaml:3: streams[0].name: stands here a second time, after line 2"});
}

static void what_is_no_yaml_is_refused_with_its_line(void **state)
{
    (void)state;
    struct sg_error err;
    static const struct refusal begins[] = {
        {"listen: h:1\nlog: {\n  level: info\n", "c.yaml:4: not valid YAML: "},
        {"listen: h:1\n\tlog: x\n", "c.yaml:2: not valid YAML: "},
        {"listen: h:1\ndatabase: \xFF\n", "c.yaml:2: not valid YAML: "},
        {"listen: 'h:1\n", "c.yaml:2: not valid YAML: "},
        {"database: a\nlog: *nothing\n", "c.yaml:2: log: aliases"},
    };
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        assert_int_equal(load_text(begins[i].text, &err), SG_INVALID);
        if (strncmp(err.message, begins[i].message, strlen(begins[i].message)) != 0)
            fail_msg("%s", err.message);
    }
}

static void values_of_the_wrong_form_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"\nprobe: 5s\n", "c.yaml:2: probe: must be a mapping of keys to values"},
        {"listen_ops: [a]\n", "c.yaml:1: listen_ops: must be a single value"},
        {"listen: {a: b}\n", "c.yaml:1: listen: must be a single value or a list of them"},
        {"listen: [{a: b}]\n", "c.yaml:1: listen[0]: must be a single value"},
        {"listen: []\n", "c.yaml:1: listen: must not be empty"},
        {"listen: [h:1, h]\n",
         "c.yaml:1: listen: must be addresses with commas between: host:port, [address]:port or unix:/path"},
        {"listen: [h:1, '']\n", "c.yaml:1: listen: must be 1 to 8 addresses"},
        {"listen: ',h:1'\n",
         "c.yaml:1: listen: must be addresses with commas between: host:port, [address]:port or unix:/path"},
        {"listen: [h:1, h:2, h:3, h:4, h:5, h:6, h:7, h:8, h:9]\n",
         "c.yaml:1: listen: must have at most 8 entries"},
        {"listen: 'h:1,h:2,h:3,h:4,h:5,h:6,h:7,h:8,h:9'\n", "c.yaml:1: listen: must be 1 to 8 addresses"},
        {"listen: [h:1, h:2, h:1]\n", "c.yaml:1: listen: h:1 stands there twice"},
        {"listen: [h:1, h:2]\nlisten_ops: h:2\n", "c.yaml:2: listen_ops: must be another address than listen"},
        {"hosts: [a, b:80]\n",
         "c.yaml:1: hosts: must be names such as state.example, without ports, each of at most 253 bytes"},
        {"hosts: [a, '']\n", "c.yaml:1: hosts: must not end with a comma"},
        {"hosts: [a b]\n",
         "c.yaml:1: hosts: must be names such as state.example, without ports, each of at most 253 bytes"},
        {"streams:\n  name: A\n", "c.yaml:2: streams: must be a list"},
        {"streams:\n- A\n", "c.yaml:2: streams[0]: must be a mapping of keys to values"},
        {"- listen\n", "c.yaml:1: must be a mapping of keys to values"},
        {"just words", "c.yaml:1: must be a mapping of keys to values"},
        {"? [a]\n: b\n", "c.yaml:1: a key must be a word"},
        {"listen: h:1\n---\nlisten: h:2\n", "c.yaml:2: must hold one YAML document only"},
        {"database: &a x\nlisten: *a\n", "c.yaml:2: listen: aliases (*name) are not supported"},
        {"database: \"a\\0b\"", "c.yaml:1: database: must not hold control characters"},
        {"database: |\n  a\n", "c.yaml:1: database: must not hold control characters"},
        {"streams: []\n", "c.yaml:1: streams: must have at least 1 entry"});
}

static void keys_without_a_value_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS({"listen:\n", "c.yaml:1: listen: has no value (an empty one is written \"\")"},
                    {"nats:\n  domain: ~\n", "c.yaml:2: nats.domain: has no value (an empty one is written \"\")"},
                    {"database: null\n", "c.yaml:1: database: has no value (an empty one is written \"\")"},
                    {"database: ''\n", "c.yaml:1: database: must not be empty"});
    expect_accepted("database: 'null'\nlisten_ops: ''\n");
}

/* ---- scalars ---- */

static void words_out_of_their_list_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS({"\n\ndatabase_synchronous: off",
                     "c.yaml:3: database_synchronous: must be normal or full, not off"},
                    {"log: {level: INFO}", "c.yaml:1: log.level: must be debug, info, warn or error, not INFO"},
                    {"log:\n  format: xml", "c.yaml:2: log.format: must be json or text, not xml"},
                    {"rejected: {payload: yes}", "c.yaml:1: rejected.payload: must be false or true, not yes"},
                    {"ready: {without_broker: 1}", "c.yaml:1: ready.without_broker: must be false or true, not 1"},
                    {"rebuild: {empty: no}", "c.yaml:1: rebuild.empty: must be wait or swap, not no"});
}

static void numbers_of_the_wrong_form_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"\nwait:\n  default: 5\n", "c.yaml:3: wait.default: must be a duration such as 500ms, 5s, 2m, 1h or 7d, not 5"},
        {"probe: {idle: -1s}", "c.yaml:1: probe.idle: must be a duration such as 500ms, 5s, 2m, 1h or 7d, not -1s"},
        {"cache: {size: 1.5GiB}",
         "c.yaml:1: cache.size: must be a number of bytes such as 4096, 64MiB or 500MB, not 1.5GiB"},
        {"collections_max: 1k", "c.yaml:1: collections_max: must be a whole number, not 1k"},
        {"collections_max: 99999999999999999999",
         "c.yaml:1: collections_max: must be between 1 and 100000, not 99999999999999999999"},
        {"http: {loops: \"\"}", "c.yaml:1: http.loops: must be a whole number, not "},
        {"http: {loops: 11111111111111111111111111111111111111111111111111111111111111111111111111111111111111}",
         "c.yaml:1: http.loops: must be between 0 and 256, not "
         "1111111111111111111111111111111111111111111111111111111111111111111111111111..."});
}

/* One key at its limits (accepted) and one beyond (refused with the range). */
struct range {
    const char *key; /* "probe.idle" */
    const char *low, *high;
    const char *below, *above; /* NULL = nothing is beyond */
    const char *range;
};

static const struct range ranges[] = {
    {"database_max_bytes", "1MiB", "256TiB", "1048575", "281474976710657", "0 or between 1MiB and 256TiB"},
    {"collections_max", "1", "100000", "0", "100001", "between 1 and 100000"},
    {"wait.default", "0", "30s", NULL, "3600001ms", "between 0 and 1h"},
    {"wait.max", "0s", "1h", NULL, "3600001ms", "between 0 and 1h"},
    {"wait.parked_max", "0", "1000000", NULL, "1000001", "between 0 and 1000000"},
    {"wait.parked_max_per_client", "0", "1000000", NULL, "1000001", "between 0 and 1000000"},
    {"probe.idle", "100ms", "1h", "99ms", "3600001ms", "between 100ms and 1h"},
    {"probe.min_interval", "1ms", "1000ms", "0", "10001ms", "between 1ms and 10s"},
    {"probe.epoch_trust", "0", "1m", NULL, "60001ms", "between 0 and 1m"},
    {"probe.mirror_delay", "0", "1m", NULL, "60001ms", "between 0 and 1m"},
    {"rejected.max", "1", "1000000", "0", "1000001", "between 1 and 1000000"},
    {"http.loops", "0", "256", NULL, "257", "between 0 and 256"},
    {"http.connections_max", "1", "1048576", "0", "1048577", "between 1 and 1048576"},
    {"http.answers_bytes_max", "1MiB", "1TiB", "1048575", "1099511627777", "between 1MiB and 1TiB"},
    {"http.head_timeout", "1s", "1h", "999ms", "3600001ms", "between 1s and 1h"},
    {"http.answer_timeout", "1s", "1h", "999ms", "3600001ms", "between 1s and 1h"},
    {"query.threads", "1", "64", "0", "65", "between 1 and 64"},
    {"query.rows_max", "100", "1000000", "99", "1000001", "between 100 and 1000000"},
    {"query.time_max", "1ms", "10s", "0", "10001ms", "between 1ms and 10s"},
    {"query.queued_max", "0", "1000000", NULL, "1000001", "between 0 and 1000000"},
    {"query.queue_time", "1ms", "1m", "0", "60001ms", "between 1ms and 1m"},
    {"cache.size", "0", "1TiB", NULL, "1099511627777", "between 0 and 1TiB"},
};

/* "a.b" and a value to "a: {b: value}". */
static void write_pair(char *out, size_t bytes, const char *key, const char *value)
{
    const char *dot = strchr(key, '.');
    if (dot == NULL)
        (void)snprintf(out, bytes, "%s: %s", key, value);
    else
        (void)snprintf(out, bytes, "%.*s: {%s: %s}", (int)(dot - key), key, dot + 1, value);
}

static void expect_out_of_range(const struct range *range, const char *value)
{
    char text[128];
    char message[256];
    if (value == NULL)
        return;
    write_pair(text, sizeof text, range->key, value);
    (void)snprintf(message, sizeof message, "c.yaml:1: %s: must be %s, not %s", range->key, range->range, value);
    expect_refused(text, message);
}

static void every_range_holds_at_its_limits_and_not_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        char text[128];
        write_pair(text, sizeof text, ranges[i].key, ranges[i].low);
        expect_accepted(text);
        write_pair(text, sizeof text, ranges[i].key, ranges[i].high);
        expect_accepted(text);
        expect_out_of_range(&ranges[i], ranges[i].below);
        expect_out_of_range(&ranges[i], ranges[i].above);
    }
    expect_accepted("database_max_bytes: 0");
    expect_accepted("probe: {min_interval: 10s, idle: 10s}");
    expect_refused("listen: h:1\nprobe: {idle: 5ms}", "c.yaml:2: probe.idle: must be between 100ms and 1h, not 5ms");
}

static void what_must_hold_between_scalars_is_checked(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"wait:\n  max: 1s\n  default: 2s\n", "c.yaml:3: wait.default: must not be more than wait.max"},
        {"wait:\n  default: 31s\n", "c.yaml:2: wait.default: must not be more than wait.max"},
        {"probe:\n  idle: 1s\n  min_interval: 1001ms\n",
         "c.yaml:3: probe.min_interval: must not be more than probe.idle"},
        {"listen: h:1\nlisten_ops: h:1\n", "c.yaml:2: listen_ops: must be another address than listen"});
    expect_accepted("listen: h:0\nlisten_ops: h:0\n");
}

static void addresses_that_cannot_be_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"listen: 8080",
         "c.yaml:1: listen: must be host:port, [address]:port or unix:/path, with a port from 0 to 65535"},
        {"listen: h:65536",
         "c.yaml:1: listen: must be host:port, [address]:port or unix:/path, with a port from 0 to 65535"},
        {"listen: ':8080'", "c.yaml:1: listen: must name a host, such as 0.0.0.0:8080 for every IPv4 address"},
        {"listen: unix:relative",
         "c.yaml:1: listen: must be unix: and the absolute path of a file, of at most 107 bytes"},
        {"listen_ops: h",
         "c.yaml:1: listen_ops: must be host:port, [address]:port or unix:/path, with a port from 0 to 65535"},
        {"database: ':memory:'", "c.yaml:1: database: must be the path of a file: neither :memory: nor a URI"},
        {"database: 'file:x'", "c.yaml:1: database: must be the path of a file: neither :memory: nor a URI"},
        {"database: /var/", "c.yaml:1: database: must be the path of a file, not of a folder"});
}

static void broker_addresses_hold_no_secrets(void **state)
{
    (void)state;
    static const char secret[] = "c.yaml:2: nats.url: must not hold a user, a password or a token: nats.user, "
                                 "nats.password_file and nats.token_file are for them";
    static const char form[] =
        "c.yaml:2: nats.url: must be nats://host:port or tls://host:port, or several of them with commas between";
    EXPECT_REFUSALS({"nats:\n  url: nats://u:p@h:1", secret}, {"nats:\n  url: nats://h:1,tls://token@h", secret},
                    {"nats:\n  url: h:4222", form}, {"nats:\n  url: http://h", form},
                    {"nats:\n  url: nats://h:0", form},
                    {"nats:\n  url: 'nats://h, nats://i'", form}, {"nats:\n  url: nats://h,", form},
                    {"nats:\n  url: nats://", form}, {"nats:\n  url: nats://h/x", form});
}

static void one_kind_of_credentials_is_allowed(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"nats:\n  credentials_file: /c\n  nkey_file: /n\n",
         "c.yaml:3: nats.nkey_file: cannot stand beside nats.credentials_file: one kind of credentials only"},
        {"nats:\n  user: u\n  password_file: /p\n  token_file: /t\n",
         "c.yaml:2: nats.user: cannot stand beside nats.token_file: one kind of credentials only"},
        {"nats:\n  user: u\n", "c.yaml:2: nats.user: needs nats.password_file"},
        {"nats:\n  password_file: /p\n", "c.yaml:2: nats.password_file: needs nats.user"},
        {"nats:\n  tls:\n    cert_file: /c\n", "c.yaml:3: nats.tls.cert_file: needs nats.tls.key_file"},
        {"nats:\n  tls: {key_file: /c}\n", "c.yaml:2: nats.tls.key_file: needs nats.tls.cert_file"},
        {"nats: {domain: a.b}",
         "c.yaml:1: nats.domain: must have at most 255 bytes, without '.', '*', '>' and white space"});
}

/* ---- lengths ---- */

/* `before`, `bytes` times `fill`, `after`. Static storage. */
static const char *filled(const char *before, size_t bytes, char fill, const char *after)
{
    static char text[8192];
    size_t begin = strlen(before);
    assert_true(begin + bytes + strlen(after) < sizeof text);
    memcpy(text, before, begin);
    memset(text + begin, fill, bytes);
    memcpy(text + begin + bytes, after, strlen(after) + 1);
    return text;
}

static void lengths_hold_at_their_limit_and_not_beyond(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        size_t bytes_max;
        const char *after;
        const char *message;
    } cases[] = {
        {"database: ", 400, "", "c.yaml:1: database: must have at most 400 bytes"},
        {"nats: {nkey_file: ", 4095, "}", "c.yaml:1: nats.nkey_file: must have at most 4095 bytes"},
        {"nats: {password_file: p, user: ", 255, "}", "c.yaml:1: nats.user: must have at most 255 bytes"},
        {"nats: {domain: ", 255, "}",
         "c.yaml:1: nats.domain: must have at most 255 bytes, without '.', '*', '>' and white space"},
        {"streams: [{subject: '{id}', collection: c, name: ", 255, "}]",
         "c.yaml:1: streams[0].name: must have 1 to 255 bytes, without '.', '*', '>' and white space"},
        {"streams: [{subject: '{id}', name: s, collection: ", 128, "}]",
         "c.yaml:1: streams[0].collection: must be one token of a subject: 1 to 128 bytes, without '.', '*', '>' and "
         "white space"},
        {"collections: [{name: c, drop: [/", 511, "]}]",
         "c.yaml:1: collections[0].drop[0]: must have at most 512 bytes"},
        {"collections: [{name: c, fields: [{type: time, at: /, name: ", 63, "}]}]",
         "c.yaml:1: collections[0].fields[0].name: must have at most 63 bytes"},
        {"collections: [{name: c, fields: [{type: time, name: a, at: /", 511, "}]}]",
         "c.yaml:1: collections[0].fields[0].at: must have at most 512 bytes"},
        {"collections: [{name: c, fields: [{type: time, name: a, at: /", 509, "/*}]}]",
         "c.yaml:1: collections[0].fields[0].at: must have at most 512 bytes"},
        {"listen: unix:/", 106, "",
         "c.yaml:1: listen: must be unix: and the absolute path of a file, of at most 107 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_accepted(filled(cases[i].before, cases[i].bytes_max, 'x', cases[i].after));
        expect_refused(filled(cases[i].before, cases[i].bytes_max + 1, 'x', cases[i].after), cases[i].message);
    }
}

static void a_list_of_servers_has_a_limit(void **state)
{
    (void)state;
    char text[4096] = "nats: {url: '";
    size_t begin = strlen(text);
    for (int i = 0; i < 11; i++)
        (void)snprintf(text + begin + (size_t)i * 178, sizeof text - begin - (size_t)i * 178, "nats://%0170d,", i);
    size_t used = 11 * 178;
    (void)snprintf(text + begin + used, sizeof text - begin - used, "nats://%0*d'}", (int)(2048 - used - 7), 0);
    expect_accepted(text);
    (void)snprintf(text + begin + used, sizeof text - begin - used, "nats://%0*d'}", (int)(2049 - used - 7), 0);
    expect_refused(text, "c.yaml:1: nats.url: must have at most 2048 bytes");
}

static void a_long_file_name_leaves_room_for_the_sentence(void **state)
{
    (void)state;
    struct config config;
    struct sg_error err = {0};
    char file[1001];
    memset(file, 'f', sizeof file - 1);
    file[sizeof file - 1] = '\0';
    assert_int_equal(config_load_text(file, "\nlisten: 1", 10, &config, &err), SG_INVALID);
    assert_int_equal(strncmp(err.message, "...fff", 6), 0);
    assert_non_null(strstr(err.message, "f:2: listen: must be host:port, [address]:port or unix:/path, with a port "
                                        "from 0 to 65535"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_keys_are_named_with_their_line),
        cmocka_unit_test(a_key_of_another_word_is_not_taken_for_a_typing_error),
        cmocka_unit_test(a_path_in_the_place_of_a_key_is_refused),
        cmocka_unit_test(keys_that_stand_twice_are_refused),
        cmocka_unit_test(what_is_no_yaml_is_refused_with_its_line),
        cmocka_unit_test(values_of_the_wrong_form_are_refused),
        cmocka_unit_test(keys_without_a_value_are_refused),
        cmocka_unit_test(words_out_of_their_list_are_refused),
        cmocka_unit_test(numbers_of_the_wrong_form_are_refused),
        cmocka_unit_test(every_range_holds_at_its_limits_and_not_beyond),
        cmocka_unit_test(what_must_hold_between_scalars_is_checked),
        cmocka_unit_test(addresses_that_cannot_be_are_refused),
        cmocka_unit_test(broker_addresses_hold_no_secrets),
        cmocka_unit_test(one_kind_of_credentials_is_allowed),
        cmocka_unit_test(lengths_hold_at_their_limit_and_not_beyond),
        cmocka_unit_test(a_list_of_servers_has_a_limit),
        cmocka_unit_test(a_long_file_name_leaves_room_for_the_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
