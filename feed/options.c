/* The command line. */
#include "feed/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    OPTION_SUBJECT = 256,
    OPTION_COLLECTION,
    OPTION_COLLECTION_MEMBER,
    OPTION_NO_MESSAGE_ID,
    OPTION_RAW,
    OPTION_KV,
    OPTION_CREATE_STREAM,
    OPTION_SUBJECTS,
    OPTION_CREATE_BUCKET,
    OPTION_STORAGE,
    OPTION_REPLICAS,
    OPTION_MAX_MSGS_PER_SUBJECT,
    OPTION_URL,
    OPTION_CREDENTIALS,
    OPTION_USER,
    OPTION_PASSWORD_FILE,
    OPTION_TOKEN_FILE,
    OPTION_NKEY_FILE,
    OPTION_TLS_CA,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_INFLIGHT,
    OPTION_ATTEMPTS,
    OPTION_ACK_TIMEOUT,
    OPTION_RATE,
    OPTION_LIMIT,
    OPTION_JSON,
    OPTION_HELP
};

static const struct option option_table[] = {
    {"subject", required_argument, NULL, OPTION_SUBJECT},
    {"collection", required_argument, NULL, OPTION_COLLECTION},
    {"collection-member", required_argument, NULL, OPTION_COLLECTION_MEMBER},
    {"no-message-id", no_argument, NULL, OPTION_NO_MESSAGE_ID},
    {"raw", no_argument, NULL, OPTION_RAW},
    {"kv", required_argument, NULL, OPTION_KV},
    {"create-stream", required_argument, NULL, OPTION_CREATE_STREAM},
    {"subjects", required_argument, NULL, OPTION_SUBJECTS},
    {"create-bucket", required_argument, NULL, OPTION_CREATE_BUCKET},
    {"storage", required_argument, NULL, OPTION_STORAGE},
    {"replicas", required_argument, NULL, OPTION_REPLICAS},
    {"max-msgs-per-subject", required_argument, NULL, OPTION_MAX_MSGS_PER_SUBJECT},
    {"url", required_argument, NULL, OPTION_URL},
    {"credentials", required_argument, NULL, OPTION_CREDENTIALS},
    {"user", required_argument, NULL, OPTION_USER},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
    {"nkey-file", required_argument, NULL, OPTION_NKEY_FILE},
    {"tls-ca", required_argument, NULL, OPTION_TLS_CA},
    {"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
    {"tls-key", required_argument, NULL, OPTION_TLS_KEY},
    {"inflight", required_argument, NULL, OPTION_INFLIGHT},
    {"attempts", required_argument, NULL, OPTION_ATTEMPTS},
    {"ack-timeout", required_argument, NULL, OPTION_ACK_TIMEOUT},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

const char *options_usage(void)
{
    return "Usage: stategate-feed MODE [options] [FILE]\n"
           "\n"
           "Publishes the lines of FILE (standard input without one, or as -) to JetStream, and waits until the\n"
           "stream has acknowledged each of them.\n"
           "\n"
           "Modes, by what a line is:\n"
           "  --subject TEMPLATE       an event {\"aggregateId\", \"version\", \"state\", ...}, published as it\n"
           "                           stands to the subject that the template gives: state.{collection}.{id}\n"
           "  --raw                    a message {\"subject\", \"headers\": {}, and one of \"payload\" (a JSON\n"
           "                           value), \"payloadText\" (a string's bytes), \"payloadBase64\", or none of\n"
           "                           them for an empty message}\n"
           "  --kv BUCKET              {\"key\", \"value\"} (or \"valueText\", \"valueBase64\"),\n"
           "                           {\"key\", \"deleted\": true} or {\"key\", \"purged\": true}\n"
           "  none of these            nothing is read; only for creating\n"
           "\n"
           "Events:\n"
           "  --collection NAME        what {collection} stands for\n"
           "  --collection-member M    ... or the member of each line that names it\n"
           "  --no-message-id          don't send messageId as the header Nats-Msg-Id, by which the stream drops\n"
           "                           repetitions within its duplicate window\n"
           "\n"
           "Creating (fine when it exists with the same settings):\n"
           "  --create-stream NAME     a stream of --subjects, or of the template's own subjects\n"
           "  --subjects A,B           its subjects\n"
           "  --create-bucket NAME     a key-value bucket (stream KV_NAME)\n"
           "  --storage file|memory    default: file\n"
           "  --replicas N             default: 1\n"
           "  --max-msgs-per-subject N default: unlimited, 1 for a bucket\n"
           "\n"
           "Connection:\n"
           "  --url URL[,URL]          default: nats://127.0.0.1:4222\n"
           "  --credentials FILE       user JWT and seed\n"
           "  --user NAME --password-file FILE\n"
           "  --token-file FILE\n"
           "  --nkey-file FILE         an nkey seed\n"
           "  --tls-ca FILE, --tls-cert FILE, --tls-key FILE\n"
           "\n"
           "Pace and output:\n"
           "  --inflight N             events that may wait for their acknowledgement; default: 4096\n"
           "  --attempts N             sendings of one event that gets no answer; default: 5. Without messageId\n"
           "                           an event sent again may be stored twice; the report says how many\n"
           "  --ack-timeout SECONDS    how long one sending waits for its answer; default: 5\n"
           "  --rate N                 at most N a second, evenly spaced\n"
           "  --limit N                only the first N lines\n"
           "  --json                   the report as JSON\n"
           "\n"
           "The last line says how much is stored: published N events, last sequence S. Lines that can't be published\n"
           "are named on standard error. SIGINT stops reading, waits for what is on its way, and reports.\n"
           "Exit code: 0 all that was read is stored; 1 some of it is not, or the connection failed; 2 wrong usage.\n";
}

static enum sg_status parse_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                                   struct sg_error *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* strtoull() takes signs and leading space. */
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max) {
        return sg_fail(err, SG_INVALID, "--%s takes a number from %llu to %llu, not '%s'", option,
                       (unsigned long long)min, (unsigned long long)max, text);
    }
    *out = value;
    return SG_OK;
}

static enum sg_status parse_timeout(const char *text, int64_t *out_ms, struct sg_error *err)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    /* Written so that NaN fails too. */
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || !(seconds >= 0.001 && seconds <= FEED_ACK_TIMEOUT_S_MAX)) {
        return sg_fail(err, SG_INVALID, "--ack-timeout takes seconds from 0.001 to %d, not '%s'",
                       FEED_ACK_TIMEOUT_S_MAX, text);
    }
    *out_ms = (int64_t)(seconds * 1000);
    return SG_OK;
}

static enum sg_status set_mode(struct feed_options *o, enum feed_mode mode, struct sg_error *err)
{
    if (o->mode != FEED_MODE_NONE)
        return sg_fail(err, SG_INVALID, "--subject, --raw and --kv exclude each other, and stand only once");
    o->mode = mode;
    return SG_OK;
}

static enum sg_status set_subject(struct feed_options *o, const char *text, struct sg_error *err)
{
    enum sg_status status = set_mode(o, FEED_MODE_EVENT, err);
    if (status == SG_OK)
        status = subject_template_parse(text, &o->subject, err);
    if (status != SG_OK)
        return status;
    for (size_t i = 0; i < o->subject.tokens_count; i++) {
        if (o->subject.tokens[i].kind == SUBJECT_ANY || o->subject.tokens[i].kind == SUBJECT_REST)
            return sg_fail(err, SG_INVALID, "--subject: nothing can be published to * or >");
    }
    return SG_OK;
}

static enum sg_status set_subjects(struct feed_options *o, const char *text, struct sg_error *err)
{
    free(o->subjects_text);
    o->subjects_count = 0;
    o->subjects_text = strdup(text);
    if (o->subjects_text == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory");
    char *rest = NULL;
    for (char *part = strtok_r(o->subjects_text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        if (o->subjects_count == FEED_SUBJECTS_MAX)
            return sg_fail(err, SG_INVALID, "--subjects takes at most %d subjects", FEED_SUBJECTS_MAX);
        o->subjects[o->subjects_count++] = part;
    }
    if (o->subjects_count == 0)
        return sg_fail(err, SG_INVALID, "--subjects is empty");
    return SG_OK;
}

static enum sg_status set_storage(struct feed_options *o, const char *text, struct sg_error *err)
{
    if (strcmp(text, "file") != 0 && strcmp(text, "memory") != 0)
        return sg_fail(err, SG_INVALID, "--storage is file or memory, not '%s'", text);
    o->memory_storage = strcmp(text, "memory") == 0;
    return SG_OK;
}

/* The options whose value is kept as it is; NULL for all others. */
static const char **text_of(struct feed_options *o, int id)
{
    switch (id) {
    case OPTION_COLLECTION: return &o->collection;
    case OPTION_COLLECTION_MEMBER: return &o->collection_member;
    case OPTION_CREATE_STREAM: return &o->create_stream;
    case OPTION_CREATE_BUCKET: return &o->create_bucket;
    case OPTION_URL: return &o->url;
    case OPTION_CREDENTIALS: return &o->credentials_file;
    case OPTION_USER: return &o->user;
    case OPTION_PASSWORD_FILE: return &o->password_file;
    case OPTION_TOKEN_FILE: return &o->token_file;
    case OPTION_NKEY_FILE: return &o->nkey_file;
    case OPTION_TLS_CA: return &o->tls_ca_file;
    case OPTION_TLS_CERT: return &o->tls_cert_file;
    case OPTION_TLS_KEY: return &o->tls_key_file;
    default: return NULL;
    }
}

static enum sg_status set_number(struct feed_options *o, int id, const char *text, struct sg_error *err)
{
    uint64_t value = 0;
    enum sg_status status = SG_OK;
    switch (id) {
    case OPTION_REPLICAS:
        status = parse_number("replicas", text, 1, FEED_REPLICAS_MAX, &value, err);
        o->replicas = (int64_t)value;
        return status;
    case OPTION_MAX_MSGS_PER_SUBJECT:
        status = parse_number("max-msgs-per-subject", text, 1, INT64_MAX, &value, err);
        o->max_msgs_per_subject = (int64_t)value;
        return status;
    case OPTION_INFLIGHT:
        status = parse_number("inflight", text, 1, FEED_INFLIGHT_MAX, &value, err);
        o->inflight = (size_t)value;
        return status;
    case OPTION_ATTEMPTS:
        status = parse_number("attempts", text, 1, FEED_ATTEMPTS_MAX, &value, err);
        o->attempts = (uint32_t)value;
        return status;
    case OPTION_RATE: return parse_number("rate", text, 1, FEED_RATE_MAX, &o->rate, err);
    case OPTION_LIMIT: return parse_number("limit", text, 0, UINT64_MAX - 1, &o->limit, err);
    default: return parse_timeout(text, &o->ack_timeout_ms, err);
    }
}

static enum sg_status set_option(struct feed_options *o, int id, const char *text, struct sg_error *err)
{
    const char **place = text_of(o, id);
    if (place != NULL) {
        *place = text;
        return SG_OK;
    }
    switch (id) {
    case OPTION_SUBJECT: return set_subject(o, text, err);
    case OPTION_RAW: return set_mode(o, FEED_MODE_RAW, err);
    case OPTION_KV: o->bucket = text; return set_mode(o, FEED_MODE_KV, err);
    case OPTION_SUBJECTS: return set_subjects(o, text, err);
    case OPTION_STORAGE: return set_storage(o, text, err);
    case OPTION_NO_MESSAGE_ID: o->message_id = false; return SG_OK;
    case OPTION_JSON: o->json = true; return SG_OK;
    case OPTION_HELP: o->help = true; return SG_OK;
    default: return set_number(o, id, text, err);
    }
}

/* A name that becomes one token of a subject. */
static bool is_token(const char *name)
{
    return name[0] != '\0' && strpbrk(name, ".*> \t\r\n") == NULL;
}

static enum sg_status check_mode(const struct feed_options *o, struct sg_error *err)
{
    if (o->mode == FEED_MODE_NONE && o->create_stream == NULL && o->create_bucket == NULL)
        return sg_fail(err, SG_INVALID, "say what to publish (--subject, --raw or --kv) or what to create");
    if (o->mode == FEED_MODE_NONE && o->input != NULL)
        return sg_fail(err, SG_INVALID, "'%s' would not be read: --subject, --raw or --kv is missing", o->input);
    if (o->collection != NULL && o->collection_member != NULL)
        return sg_fail(err, SG_INVALID, "--collection and --collection-member exclude each other");
    bool collection = o->collection != NULL || o->collection_member != NULL;
    bool wanted = o->mode == FEED_MODE_EVENT && o->subject.has_collection;
    if (wanted && !collection)
        return sg_fail(err, SG_INVALID, "--subject has {collection}: --collection or --collection-member is missing");
    if (collection && !wanted)
        return sg_fail(err, SG_INVALID, "a collection is given, but no --subject with {collection}");
    if (o->collection != NULL && !is_token(o->collection))
        return sg_fail(err, SG_INVALID, "--collection '%s' can't be one token of a subject", o->collection);
    return SG_OK;
}

static enum sg_status check_creation(const struct feed_options *o, struct sg_error *err)
{
    if (o->mode == FEED_MODE_KV && !is_token(o->bucket))
        return sg_fail(err, SG_INVALID, "--kv '%s' can't be the name of a bucket", o->bucket);
    if (o->create_bucket != NULL && !is_token(o->create_bucket))
        return sg_fail(err, SG_INVALID, "--create-bucket '%s' can't be the name of a bucket", o->create_bucket);
    if (o->create_stream != NULL && o->subjects_count == 0 && o->mode != FEED_MODE_EVENT)
        return sg_fail(err, SG_INVALID, "--create-stream needs --subjects");
    if (o->subjects_count > 0 && o->create_stream == NULL)
        return sg_fail(err, SG_INVALID, "--subjects is given, but no --create-stream");
    return SG_OK;
}

static enum sg_status check_connection(const struct feed_options *o, struct sg_error *err)
{
    int ways = (o->credentials_file != NULL) + (o->user != NULL) + (o->token_file != NULL) + (o->nkey_file != NULL);
    if (ways > 1)
        return sg_fail(err, SG_INVALID, "--credentials, --user, --token-file and --nkey-file exclude each other");
    if ((o->user != NULL) != (o->password_file != NULL))
        return sg_fail(err, SG_INVALID, "--user and --password-file belong together");
    if ((o->tls_cert_file != NULL) != (o->tls_key_file != NULL))
        return sg_fail(err, SG_INVALID, "--tls-cert and --tls-key belong together");
    return SG_OK;
}

static enum sg_status check(const struct feed_options *o, struct sg_error *err)
{
    enum sg_status status = check_mode(o, err);
    if (status == SG_OK)
        status = check_creation(o, err);
    if (status == SG_OK)
        status = check_connection(o, err);
    return status;
}

static enum sg_status take_input(int argc, char **argv, struct feed_options *o, struct sg_error *err)
{
    if (argc - optind > 1)
        return sg_fail(err, SG_INVALID, "one file at most: '%s' is too much", argv[optind + 1]);
    if (optind < argc && strcmp(argv[optind], "-") != 0)
        o->input = argv[optind];
    return SG_OK;
}

enum sg_status options_parse(int argc, char **argv, struct feed_options *out, struct sg_error *err)
{
    *out = (struct feed_options){
        .url = "nats://127.0.0.1:4222",
        .message_id = true,
        .replicas = 1,
        .inflight = FEED_INFLIGHT_DEFAULT,
        .attempts = FEED_ATTEMPTS_DEFAULT,
        .ack_timeout_ms = INT64_C(1000) * FEED_ACK_TIMEOUT_S_DEFAULT,
        .limit = UINT64_MAX,
    };
    opterr = 0;
    for (;;) {
        int id = getopt_long(argc, argv, ":", option_table, NULL);
        if (id == -1)
            break;
        if (id == ':')
            return sg_fail(err, SG_INVALID, "'%s' needs a value", argv[optind - 1]);
        if (id == '?')
            return sg_fail(err, SG_INVALID, "unknown option '%s'", argv[optind - 1]);
        enum sg_status status = set_option(out, id, optarg, err);
        if (status != SG_OK)
            return status;
    }
    if (out->help)
        return SG_OK;
    enum sg_status status = take_input(argc, argv, out, err);
    return status == SG_OK ? check(out, err) : status;
}

void options_free(struct feed_options *options)
{
    free(options->subjects_text);
    options->subjects_text = NULL;
    options->subjects_count = 0;
}
