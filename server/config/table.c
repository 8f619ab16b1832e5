/* The one table of keys: a new setting is a row here, and a member of its home. The file, the environment, the flags,
 * --help, check-config, deploy/stategate.yaml and docs/settings.md follow from it (the last two by
 * `SG_UPDATE=1 ctest --preset dev -R config_reference`). */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "server/config/config_internal.h"

#define SETTING(member) .home = HOME_SETTINGS, .offset = offsetof(struct settings, member)
#define TUNABLE(member) .home = HOME_TUNABLES, .offset = offsetof(struct tunables, member)
#define OF_STREAM(member) .home = HOME_STREAM, .offset = offsetof(struct stream_settings, member)
#define OF_COLLECTION(member) .home = HOME_COLLECTION, .offset = offsetof(struct collection_settings, member)
#define RANGE(low, high) .min = (low), .max = (high)
#define ANY_TEXT RANGE(0, CONFIG_TEXT_BYTES_MAX)
#define OUTSIDE(name, option, word) .variable = "STATEGATE_" name, .flag = (option), .value = (word)

static const char *const bool_words[] = {"false", "true", NULL};
static const char *const synchronous_words[] = {"normal", "full", NULL};
static const char *const empty_words[] = {"wait", "swap", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_words[] = {"json", "text", NULL};
#define FORMAT_WORD(name, word) word,
static const char *const format_words[] = {STREAM_FORMATS(FORMAT_WORD) NULL};
static const char *const formats_later[] = {"cloudevents", "debezium", "custom", NULL};
static const char *const gap_words[] = {"continue", "rebuild", NULL};
#define TYPE_WORD(name, word) word,
static const char *const type_words[] = {FIELD_TYPES(TYPE_WORD) NULL};
static const char *const expire_words[] = {"refuse", NULL};
static const char *const expire_later[] = {"by-age", NULL};
_Static_assert(LOG_DEBUG == 0 && LOG_INFO == 1 && LOG_WARN == 2 && LOG_ERROR == 3, "level_words is in their order");
_Static_assert(LOG_FORMAT_JSON == 0 && LOG_FORMAT_TEXT == 1, "log_words is in their order");
_Static_assert(EMPTY_WAIT == 0 && EMPTY_SWAP == 1, "empty_words is in their order");
_Static_assert(ON_GAP_CONTINUE == 0 && ON_GAP_REBUILD == 1, "gap_words is in their order");
_Static_assert(sizeof(enum log_level) == sizeof(unsigned) && sizeof(enum log_format) == sizeof(unsigned) &&
                   sizeof(enum empty_policy) == sizeof(unsigned) && sizeof(enum stream_format) == sizeof(unsigned) &&
                   sizeof(enum gap_policy) == sizeof(unsigned),
               "KIND_WORD stores an unsigned");

static const struct config_key keys[] = {
    {"listen", KIND_TEXT, "127.0.0.1:8080", SETTING(listen), RANGE(1, CONFIG_TEXT_BYTES_MAX),
     .list_max = SETTINGS_LISTEN_MAX, .check = config_check_listen, OUTSIDE("LISTEN", "--listen", "ADDRESS"),
     .what = "Where HTTP is answered: host:port, [::1]:port or unix:/run/stategate.sock, or a list of up to 8.",
     .more = "[::]:8080 is every address, 0.0.0.0:8080 every IPv4 address; port 0 is any free port. In the variable "
             "and the flag, commas stand between several."},
    {"hosts", KIND_TEXT, "", SETTING(hosts), ANY_TEXT, .list_max = SETTINGS_HOSTS_MAX, .check = config_check_hosts,
     .example = "[]",
     .what = "A list of the names that a request's Host may bear besides localhost and IP addresses.",
     .more = "It is checked on loopback addresses, so that no page in a browser can read through a name that it "
             "controls; on others where the list is not empty; never on unix sockets and listen_ops."},
    {"listen_ops", KIND_TEXT, "", SETTING(listen_ops), ANY_TEXT, .check = config_check_listen_ops,
     OUTSIDE("LISTEN_OPS", "--listen-ops", "ADDRESS"),
     .what = "A second address, for probes, metrics and the contract (/openapi.yaml) alone; empty: none."},
    {"database", KIND_TEXT, "stategate.db", SETTING(database), RANGE(1, CONFIG_DATABASE_PATH_BYTES_MAX),
     .check = config_check_database, OUTSIDE("DATABASE", "--database", "FILE"),
     .what = "The SQLite file, on a local disk.",
     .more = "Files with -wal and .lock appear next to it. A symbolic link is followed once, at the start."},
    {"database_synchronous", KIND_BOOL, "normal", SETTING(synchronous_full), .words = synchronous_words,
     .what = "When a commit reaches the disk: normal, soon after it is shown; full, before it is shown.",
     .more = "With normal, the last moments may be missing after a power cut, position and rows together; the "
             "stream fills them again."},
    {"database_max_bytes", KIND_BYTES, "0", SETTING(database_bytes_max),
     RANGE(CONFIG_DATABASE_BYTES_MIN, CONFIG_DATABASE_BYTES_MAX), .zero = true,
     .what = "At this size nothing more is applied (status halted), and reads go on; 0: no limit."},

    {"nats.url", KIND_TEXT, "nats://127.0.0.1:4222", SETTING(nats.url), RANGE(1, CONFIG_NATS_URL_BYTES_MAX),
     .check = config_check_nats_url, OUTSIDE("NATS_URL", "--nats-url", "URL"),
     .what = "The NATS server: nats://host:port or tls://host:port, or several, separated by commas."},
    {"nats.credentials_file", KIND_TEXT, "", SETTING(nats.credentials_file), ANY_TEXT, .is_file = true,
     OUTSIDE("NATS_CREDENTIALS_FILE", NULL, NULL), .what = "A credentials file (JWT and seed).",
     .more = "At most one kind of credentials: this, an nkey, a token, or a user with a password."},
    {"nats.nkey_file", KIND_TEXT, "", SETTING(nats.nkey_file), ANY_TEXT, .is_file = true,
     .what = "The file that holds an nkey's seed."},
    {"nats.token_file", KIND_TEXT, "", SETTING(nats.token_file), ANY_TEXT, .is_file = true,
     .what = "The file that holds a token."},
    {"nats.user", KIND_TEXT, "", SETTING(nats.user), RANGE(0, CONFIG_NATS_NAME_BYTES_MAX),
     .what = "The user; needs nats.password_file."},
    {"nats.password_file", KIND_TEXT, "", SETTING(nats.password_file), ANY_TEXT, .is_file = true,
     .what = "The file that holds the user's password."},
    {"nats.tls.ca_file", KIND_TEXT, "", SETTING(nats.tls_ca_file), ANY_TEXT, .is_file = true,
     .what = "The certificate authorities to trust, instead of the system's."},
    {"nats.tls.cert_file", KIND_TEXT, "", SETTING(nats.tls_cert_file), ANY_TEXT, .is_file = true,
     .what = "The gateway's own certificate; needs nats.tls.key_file."},
    {"nats.tls.key_file", KIND_TEXT, "", SETTING(nats.tls_key_file), ANY_TEXT, .is_file = true,
     .what = "The key of that certificate."},
    {"nats.domain", KIND_TEXT, "", SETTING(nats.domain), ANY_TEXT, .check = config_check_domain,
     .what = "The JetStream domain; empty: the server's own."},

    {"streams", KIND_LIST, NULL, RANGE(1, SETTINGS_STREAMS_MAX), .what = "The streams that are followed.",
     .more = "Without this list, the stream STATE as here."},
    {"streams[].name", KIND_TEXT, "STATE", OF_STREAM(name), ANY_TEXT, .check = config_check_stream_name,
     OUTSIDE("STREAM", NULL, NULL), .what = "The stream's name.",
     .more = "The variables of a stream are for a single stream; with several streams they are refused."},
    {"streams[].subject", KIND_TEXT, "state.{collection}.{id}", RANGE(0, SUBJECT_BYTES_MAX),
     OUTSIDE("SUBJECT", NULL, NULL),
     .what = "The template of its subjects.",
     .more = "{collection} is one token; {id} is one token, or at the end all that remain; * and > have no meaning. "
             "Without {id} the event carries the id. Without {collection}, streams[].collection names the only one. "
             "The default for a stream KV_<bucket> of format kv is $KV.<bucket>.{id}."},
    {"streams[].format", KIND_WORD, "envelope", OF_STREAM(format), .words = format_words, .later = formats_later,
     OUTSIDE("FORMAT", NULL, NULL),
     .what = "What its messages are: envelope, events {\"aggregateId\", \"version\", \"state\"}; kv, a NATS "
             "key-value bucket."},
    {"streams[].collection", KIND_TEXT, NULL, ANY_TEXT, .check = config_check_collection_name, .example = "customers",
     .what = "The only collection of a stream whose template has no {collection}."},
    {"streams[].collections", KIND_TEXTS, NULL, RANGE(1, CONFIG_STREAM_COLLECTIONS_MAX),
     .example = "[customers, orders]", .what = "The only collections that are taken from the subjects.",
     .more = "One stream may leave the list out; it takes every name that no other stream lists."},
    {"streams[].on_gap", KIND_WORD, "continue", OF_STREAM(on_gap), .words = gap_words,
     .what = "What to do when events were lost before they could be read: continue (rows stay, answers say so), or "
             "rebuild from the stream."},
    {"streams[].expire", KIND_WORD, "refuse", .words = expire_words, .later = expire_later,
     .what = "A bucket whose entries expire without delete markers cannot be followed: it is refused, and "
             "/v1/status says so."},

    {"collections", KIND_LIST, NULL, RANGE(0, CONFIG_COLLECTIONS_MAX), .what = "Settings of single collections."},
    {"collections[].name", KIND_TEXT, NULL, OF_COLLECTION(name), ANY_TEXT, .check = config_check_collection_name,
     .example = "customers", .what = "The collection that this entry is about."},
    {"collections[].drop", KIND_TEXTS, NULL, RANGE(1, CONFIG_DROPS_MAX), .example = "[/ssn, /card/number]",
     .what = "Members that are removed before anything is stored, as JSON pointers (RFC 6901)."},
    {"collections[].fields", KIND_LIST, NULL, RANGE(1, FIELDS_MAX),
     .what = "Declared fields: what lists can be filtered and ordered by.",
     .more = "A change of fields or indexes is made from the stored rows, never from the stream."},
    {"collections[].fields[].name", KIND_TEXT, NULL, RANGE(1, FIELDS_NAME_BYTES_MAX),
     .check = config_check_field_name, .example = "country",
     .what = "Its name in requests: a-z, 0-9 and _; neither that of a field that every collection has nor a word that "
             "requests use."},
    {"collections[].fields[].at", KIND_TEXT, NULL, RANGE(0, FIELDS_AT_BYTES_MAX), .check = config_check_field_at,
     .example = "/address/country",
     .what = "Where its value stands in the state, as a JSON pointer; with /* at the end one value for each element of "
             "the array there."},
    {"collections[].fields[].type", KIND_WORD, NULL, .words = type_words, .example = "string",
     .what = "What its value is; anything else counts as null, and as a mismatch."},
    {"collections[].indexes", KIND_TEXTS, NULL, RANGE(1, FIELDS_INDEXES_MAX), .example = "[country]",
     .what = "What can be asked for quickly: \"status,placed.desc\" serves equality on status, and then a range or the "
             "order of placed.",
     .more = "1 to 4 fields each, then perhaps .desc, then perhaps .nullsfirst or .nullslast (without: nulls first "
             "ascending, last descending). A field with many values stands alone."},
    {"collections[].scan", KIND_BOOL, "false", OF_COLLECTION(fields.scan), .words = bool_words,
     .what = "Whether queries that no index serves are answered, within query.rows_max and query.time_max, instead of "
             "refused."},
    {"collections[].tombstones.keep", KIND_DURATION, "0", OF_COLLECTION(tombstones.keep_ms),
     RANGE(CONFIG_TOMBSTONE_KEEP_MS_MIN, CONFIG_TOMBSTONE_KEEP_MS_MAX), .zero = true,
     .what = "How long the tombstone of a deleted entity is kept, by the stream's clock; 0: without a limit.",
     .more = "Then the id is one never seen: a read is a 404, and an event with a version below that of the deletion "
             "creates the entity again. So it must be longer than any writer's repetitions are late, and may not be "
             "shorter than the stream's duplicate window, or the stream is not followed. It goes after up to an eighth "
             "longer."},
    {"collections[].tombstones.max", KIND_COUNT, "0", OF_COLLECTION(tombstones.max),
     RANGE(1, CONFIG_TOMBSTONES_MAX), .zero = true,
     .what = "How many tombstones are kept, the newest of them; 0: without a limit.",
     .more = "What a removed one means is the same. Those beyond it go within seconds."},

    {"collections_max", KIND_COUNT, "1000", SETTING(collections_max), RANGE(1, CONFIG_COLLECTIONS_LIMIT_MAX),
     .what = "The maximum number of collections of all streams; an event for one more is rejected."},

    {"wait.default", KIND_DURATION, "5s", TUNABLE(wait_default_ms), RANGE(0, CONFIG_WAIT_MS_MAX),
     .what = "How long a read waits for its demands if it does not say; at most wait.max."},
    {"wait.max", KIND_DURATION, "30s", TUNABLE(wait_max_ms), RANGE(0, CONFIG_WAIT_MS_MAX),
     .what = "The longest wait that a read may ask for."},
    {"wait.parked_max", KIND_COUNT, "10000", TUNABLE(parked_max), RANGE(0, CONFIG_PARKED_MAX),
     .what = "How many reads may wait at a time, about 6 KB each; others get a 503."},
    {"wait.parked_max_per_client", KIND_COUNT, "10000", TUNABLE(parked_max_per_client), RANGE(0, CONFIG_PARKED_MAX),
     .what = "The same for one client: an address without its port, of IPv6 the network (/64).",
     .more = "All clients of a unix socket, or behind one proxy, count as one."},

    {"probe.idle", KIND_DURATION, "1s", TUNABLE(probe_idle_ms),
     RANGE(CONFIG_PROBE_IDLE_MS_MIN, CONFIG_PROBE_IDLE_MS_MAX),
     .what = "How often the gateway asks for the head of a quiet stream, so that it does not grow stale.",
     .more = "Above 3s the status is disconnected between two probes, as nothing is proved for that long."},
    {"probe.min_interval", KIND_DURATION, "5ms", TUNABLE(probe_min_interval_ms),
     RANGE(CONFIG_PROBE_INTERVAL_MS_MIN, CONFIG_PROBE_INTERVAL_MS_MAX),
     .what = "The minimum time between two probes that reads cause; at most probe.idle."},
    {"probe.epoch_trust", KIND_DURATION, "2s", TUNABLE(probe_epoch_trust_ms), RANGE(0, CONFIG_EPOCH_TRUST_MS_MAX),
     .what = "How old the proof of a stream's epoch may be for a position without one; 0: ask anew for each read."},
    {"probe.mirror_delay", KIND_DURATION, "1s", TUNABLE(probe_mirror_delay_ms), RANGE(0, CONFIG_MIRROR_DELAY_MS_MAX),
     .what = "By how much a mirror, or a stream with sources, may be older than it says it is; its staleness includes "
             "it."},

    {"rejected.max", KIND_COUNT, "10000", TUNABLE(rejected_max), RANGE(1, CONFIG_REJECTED_MAX),
     .what = "How many rejected events are kept, newest first."},
    {"rejected.payload", KIND_BOOL, "false", SETTING(rejected_payload), .words = bool_words,
     .what = "Whether their payloads are kept too; they may be personal data."},

    {"ready.without_broker", KIND_BOOL, "false", TUNABLE(ready_without_broker), .words = bool_words,
     .what = "Whether a replica that has rows becomes ready while the broker cannot be reached."},

    {"rebuild.empty", KIND_WORD, "wait", SETTING(rebuild_empty), .words = empty_words,
     .what = "When a stream was recreated empty: wait serves the old rows (status rebuilding) until its first event is "
             "applied; swap serves no rows from then on.",
     .more = "Any rebuild keeps the old rows until the new ones are complete, and needs room for both."},

    {"http.loops", KIND_UNSIGNED, "0", SETTING(http_loops), RANGE(0, CONFIG_HTTP_LOOPS_MAX),
     .what = "Event loops; 0: one for each processor that affinity and cgroup quota allow."},
    {"http.connections_max", KIND_UNSIGNED, "16384", SETTING(http_connections_max),
     RANGE(1, CONFIG_HTTP_CONNECTIONS_MAX),
     .what = "Open connections, divided among the loops, at least one each; further ones wait.",
     .more = "Each needs a descriptor: if the process may not open as many, it is lowered, with a warning."},
    {"http.connections_max_per_client", KIND_UNSIGNED, "0", TUNABLE(http_connections_max_per_client),
     RANGE(0, CONFIG_HTTP_CONNECTIONS_MAX),
     .what = "The same for one client: an address without its port, of IPv6 the network (/64); further ones are "
             "closed. 0: no limit.",
     .more = "All clients of a unix socket, or behind one proxy, count as one. Not on listen_ops."},
    {"http.answers_bytes_max", KIND_BYTES, "256MiB", TUNABLE(http_answers_bytes_max),
     RANGE(CONFIG_ANSWERS_BYTES_MIN, CONFIG_ANSWERS_BYTES_MAX),
     .what = "Bodies of answers that their clients have not taken yet, in bytes; beyond it a large answer is a 503.",
     .more = "What takes at most 4 KiB is sent in any case. An entity has up to 8 MiB, and so has a page."},
    {"http.head_timeout", KIND_DURATION, "30s", TUNABLE(http_head_timeout_ms),
     RANGE(CONFIG_HTTP_TIMEOUT_MS_MIN, CONFIG_HTTP_TIMEOUT_MS_MAX),
     .what = "From the accept, or the end of the previous answer, until the whole head of a request has arrived.",
     .more = "Bounds idle connections as well as heads that come byte by byte. A body that is read has as long again."},
    {"http.answer_timeout", KIND_DURATION, "1m", TUNABLE(http_answer_timeout_ms),
     RANGE(CONFIG_HTTP_TIMEOUT_MS_MIN, CONFIG_HTTP_TIMEOUT_MS_MAX),
     .what = "From there until the answer is taken; the time that a read waits for its demands does not count."},

    {"query.threads", KIND_UNSIGNED, "1", SETTING(query_threads), RANGE(1, CONFIG_QUERY_THREADS_MAX),
     .what = "Threads that answer lists with a filter or an order; reads by id have their own."},
    {"query.rows_max", KIND_COUNT, "10000", TUNABLE(query_rows_max),
     RANGE(CONFIG_QUERY_ROWS_MIN, CONFIG_QUERY_ROWS_MAX),
     .what = "How many rows a query may examine: then its page ends early, and goes on with next."},
    {"query.time_max", KIND_DURATION, "50ms", TUNABLE(query_time_max_ms),
     RANGE(CONFIG_QUERY_TIME_MS_MIN, CONFIG_QUERY_TIME_MS_MAX), .what = "The same for the time that it takes."},
    {"query.queued_max", KIND_COUNT, "1000", TUNABLE(query_queued_max), RANGE(0, CONFIG_QUERY_QUEUED_MAX),
     .what = "How many queries may wait for a thread; others get a 503."},
    {"query.queue_time", KIND_DURATION, "1s", TUNABLE(query_queue_ms),
     RANGE(CONFIG_QUERY_QUEUE_MS_MIN, CONFIG_QUERY_QUEUE_MS_MAX),
     .what = "How long a query may wait for one; then it gets a 503."},

    {"shutdown.delay", KIND_DURATION, "0", TUNABLE(shutdown_delay_ms), RANGE(0, CONFIG_SHUTDOWN_MS_MAX),
     .what = "After SIGTERM /readyz says no, and everything is answered as before for so long.",
     .more = "Time for a load balancer to notice. A second SIGTERM ends it."},
    {"shutdown.drain", KIND_DURATION, "5s", TUNABLE(shutdown_drain_ms), RANGE(0, CONFIG_SHUTDOWN_MS_MAX),
     .what = "Then new connections are refused, and requests in progress have so long to be answered."},

    {"cache.size", KIND_BYTES, "64MiB", SETTING(cache_bytes), RANGE(0, CONFIG_CACHE_BYTES_MAX),
     .what = "Memory for reads by id, shared by the loops, including all overhead; 0: none.",
     .more = "Up to a quarter holds where rows lie in the file, 8 bytes each; the rest holds rows that were read "
             "lately, about 450 bytes for one of 300. Answers are the same with and without it."},

    {"log.level", KIND_WORD, "info", TUNABLE(log_level), .words = level_words,
     OUTSIDE("LOG_LEVEL", "--log-level", "LEVEL"), .what = "The lowest level that is logged."},
    {"log.format", KIND_WORD, "json", SETTING(log_format), .words = log_words, OUTSIDE("LOG_FORMAT", NULL, NULL),
     .what = "The form of a log line, on standard error: json, an object; text, key=value."},
};
#define KEYS_COUNT (sizeof keys / sizeof keys[0])

const struct config_key *config_key_at(size_t index)
{
    return index < KEYS_COUNT ? &keys[index] : NULL;
}

const struct config_key *config_key_find(const char *path)
{
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        if (strcmp(keys[i].path, path) == 0)
            return &keys[i];
    }
    return NULL;
}

static void write_words(const char *const *words, char out[CONFIG_RANGE_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; words[i] != NULL && used < CONFIG_RANGE_BYTES; i++) {
        const char *between = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(out + used, CONFIG_RANGE_BYTES - used, "%s%s", between, words[i]);
    }
}

void config_key_range(const struct config_key *key, char out[CONFIG_RANGE_BYTES])
{
    char min[CONFIG_NUMBER_BYTES];
    char max[CONFIG_NUMBER_BYTES];
    config_format_number(key->kind, key->min, min);
    config_format_number(key->kind, key->max, max);
    out[0] = '\0';
    switch (key->kind) {
    case KIND_TEXT:
        if (key->max < CONFIG_TEXT_BYTES_MAX)
            (void)snprintf(out, CONFIG_RANGE_BYTES, "at most %s bytes", max);
        return;
    case KIND_BOOL:
    case KIND_WORD:
        write_words(key->words, out);
        return;
    case KIND_TEXTS:
    case KIND_LIST:
        (void)snprintf(out, CONFIG_RANGE_BYTES, "%s to %s entries", min, max);
        return;
    case KIND_DURATION:
    case KIND_BYTES:
    case KIND_COUNT:
    case KIND_UNSIGNED:
        (void)snprintf(out, CONFIG_RANGE_BYTES, "%sbetween %s and %s", key->zero ? "0 or " : "", min, max);
    }
}
