/* The requests of the JetStream API that the gateway makes. */
#include "projector/nats/jetstream.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "core/domain/subject.h"

#define CODE_NOT_FOUND 404

/* ---- asking ---- */

/* Parse an answer; its "error" member becomes a status. The caller frees *out. */
static enum sg_status answer_parse(struct slice answer, const char *stream, yyjson_doc **out, struct sg_error *err)
{
    yyjson_doc *doc = yyjson_read(answer.data != NULL ? answer.data : "", answer.bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *error = yyjson_obj_get(root, "error");
    if (yyjson_is_obj(root) && error == NULL) {
        *out = doc;
        return SG_OK;
    }
    enum sg_status status = SG_INVALID;
    const char *description = yyjson_get_str(yyjson_obj_get(error, "description"));
    if (yyjson_get_int(yyjson_obj_get(error, "code")) == CODE_NOT_FOUND)
        status = SG_NOT_FOUND;
    if (description == NULL)
        description = error != NULL ? "refused" : "the answer is no JSON object";
    status = sg_fail(err, status, "stream %.200s: %.150s", stream, description);
    yyjson_doc_free(doc);
    return status;
}

/* Ask the API; the answer is the connection's. */
static enum sg_status ask(const struct jetstream *js, struct nats_connection *connection, const char *verb,
                          struct slice body, struct slice *answer, struct sg_error *err)
{
    char subject[JETSTREAM_SUBJECT_BYTES];
    int written = js->domain[0] != '\0' ? snprintf(subject, sizeof subject, "$JS.%s.API.%s", js->domain, verb)
                                        : snprintf(subject, sizeof subject, "$JS.API.%s", verb);
    if (written < 0 || (size_t)written >= sizeof subject)
        return sg_fail(err, SG_INVALID, "the names of stream %s and its subjects are too long together", js->stream);
    return nats_request(connection, subject, body, answer, err);
}

static struct slice member_text(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return (struct slice){yyjson_get_str(value), yyjson_get_len(value)};
}

static int64_t member_int(yyjson_val *object, const char *name, int64_t absent)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_int(value) ? yyjson_get_sint(value) : absent;
}

/* ---- stream information ---- */

/* A leader that is not among its own listed replicas, and a majority of all, it included, active just now. A leader
 * that was stopped and resumed, and a member without one, were seen to answer with an old last sequence. */
static bool leader_is_proved(yyjson_val *cluster, int64_t replicas_configured)
{
    struct slice leader = member_text(cluster, "leader");
    int64_t active = 1;
    size_t index, count;
    yyjson_val *replica;
    if (leader.bytes == 0)
        return false;
    yyjson_arr_foreach(yyjson_obj_get(cluster, "replicas"), index, count, replica) {
        if (slice_equal(member_text(replica, "name"), leader))
            return false;
        int64_t heard_ns = member_int(replica, "active", 0); /* ago; 0 = never */
        if (!yyjson_get_bool(yyjson_obj_get(replica, "offline")) && heard_ns > 0 &&
            heard_ns < JETSTREAM_REPLICA_ACTIVE_NS)
            active++;
    }
    return active > replicas_configured / 2;
}

/* Which subjects come to the stream, and whether the filter matches any, or all. What comes from other streams, or is
 * renamed on its way, has subjects that the settings of this one do not say. */
static void subjects_read(yyjson_val *config, const char *filter, struct stream_info *out)
{
    yyjson_val *subjects = yyjson_obj_get(config, "subjects");
    size_t index, count;
    yyjson_val *subject;
    size_t shown = 0;
    out->subjects_known = yyjson_arr_size(subjects) > 0 && yyjson_obj_get(config, "mirror") == NULL &&
                          yyjson_arr_size(yyjson_obj_get(config, "sources")) == 0 &&
                          yyjson_obj_get(config, "subject_transform") == NULL;
    out->takes_filter = !out->subjects_known;
    out->filter_is_all = out->subjects_known;
    yyjson_arr_foreach(subjects, index, count, subject) {
        struct slice text = {yyjson_get_str(subject), yyjson_get_len(subject)};
        if (text.data == NULL)
            continue;
        out->takes_filter |= subjects_overlap(text, slice_of(filter));
        if (out->subjects_known && count == 1)
            (void)subject_filter_rest(slice_of(filter), text, out->rest, sizeof out->rest);
        out->filter_is_all = out->filter_is_all && subject_filter_covers(slice_of(filter), text);
        if (shown < sizeof out->subjects)
            shown += (size_t)snprintf(out->subjects + shown, sizeof out->subjects - shown, "%s%.*s",
                                      shown > 0 ? ", " : "", SLICE_ARGS(text));
    }
}

/* One of the streams that this one copies, as it last heard of it. */
static void origin_read(yyjson_val *origin, struct stream_info *out)
{
    int64_t heard_ns = member_int(origin, "active", -1); /* below 0: never */
    out->mirror_current &= member_int(origin, "lag", 1) == 0 && heard_ns >= 0;
    if (heard_ns > out->mirror_heard_ns)
        out->mirror_heard_ns = heard_ns;
}

static void origins_read(yyjson_val *root, yyjson_val *config, struct stream_info *out)
{
    yyjson_val *sources = yyjson_obj_get(root, "sources");
    size_t index, count;
    yyjson_val *source;
    bool is_mirror = yyjson_is_obj(yyjson_obj_get(config, "mirror"));
    size_t sources_count = yyjson_arr_size(yyjson_obj_get(config, "sources"));
    out->mirrored = is_mirror || sources_count > 0;
    out->mirror_current = yyjson_arr_size(sources) >= sources_count;
    if (is_mirror)
        origin_read(yyjson_obj_get(root, "mirror"), out);
    yyjson_arr_foreach(sources, index, count, source)
        origin_read(source, out);
}

static bool info_read(yyjson_val *root, const char *filter, struct stream_info *out)
{
    yyjson_val *config = yyjson_obj_get(root, "config");
    yyjson_val *state = yyjson_obj_get(root, "state");
    int64_t replicas = member_int(config, "num_replicas", 1);
    int64_t created_ns = 0;
    if (!yyjson_is_int(yyjson_obj_get(state, "first_seq")) || !yyjson_is_int(yyjson_obj_get(state, "last_seq")))
        return false; /* unknown must not become 0 */
    *out = (struct stream_info){
        .first = (uint64_t)member_int(state, "first_seq", 0),
        .last = (uint64_t)member_int(state, "last_seq", 0),
        .messages = (uint64_t)member_int(state, "messages", 0),
        .subjects_count = (uint64_t)member_int(state, "num_subjects", 0),
        .retention = slice_equal(member_text(config, "retention"), SLICE_LITERAL("limits")) ? RETENTION_LIMITS
                                                                                           : RETENTION_OTHER,
        .max_messages_per_subject = member_int(config, "max_msgs_per_subject", -1),
        .max_age_ns = member_int(config, "max_age", 0),
        .duplicate_window_ns = member_int(config, "duplicate_window", 0),
        .message_ttl = yyjson_get_bool(yyjson_obj_get(config, "allow_msg_ttl")),
        .delete_markers = member_int(config, "subject_delete_marker_ttl", 0) > 0,
        .inactive_threshold_ns = member_int(yyjson_obj_get(config, "consumer_limits"), "inactive_threshold", 0),
        .replicated = replicas > 1,
        .leader_proved = replicas <= 1 || leader_is_proved(yyjson_obj_get(root, "cluster"), replicas),
    };
    if (time_parse_rfc3339(member_text(root, "created"), &created_ns))
        out->created_ns = created_ns;
    if (!time_parse_rfc3339(member_text(state, "last_ts"), &out->last_time_ns))
        out->last_time_ns = 0;
    if (!time_parse_rfc3339(member_text(root, "ts"), &out->now_ns))
        out->now_ns = time_wall_ns();
    subjects_read(config, filter, out);
    origins_read(root, config, out);
    return true;
}

enum sg_status jetstream_info_read(struct slice answer, const char *stream, const char *filter,
                                   struct stream_info *out, struct sg_error *err)
{
    yyjson_doc *doc = NULL;
    enum sg_status status = answer_parse(answer, stream, &doc, err);
    if (status != SG_OK)
        return status;
    if (!info_read(yyjson_doc_get_root(doc), filter, out))
        status = sg_fail(err, SG_INVALID, "stream %.200s: information without sequences", stream);
    yyjson_doc_free(doc);
    return status;
}

enum sg_status jetstream_info(const struct jetstream *js, struct stream_info *out, struct sg_error *err)
{
    char verb[JETSTREAM_SUBJECT_BYTES];
    struct slice answer;
    (void)snprintf(verb, sizeof verb, "STREAM.INFO.%s", js->stream);
    enum sg_status status = ask(js, js->connection, verb, (struct slice){0}, &answer, err);
    return status == SG_OK ? jetstream_info_read(answer, js->stream, js->filter, out, err) : status;
}

enum sg_status jetstream_info_without(const struct jetstream *js, const char *rest, struct stream_info *out,
                                      struct sg_error *err)
{
    char verb[JETSTREAM_SUBJECT_BYTES];
    struct buffer body;
    struct slice answer;
    yyjson_doc *doc = NULL;
    enum sg_status status = SG_MEMORY;
    (void)snprintf(verb, sizeof verb, "STREAM.INFO.%s", js->stream);
    buffer_init(&body, 8 * JETSTREAM_SUBJECTS_SHOWN_BYTES); /* escaped, a byte may take six */
    buffer_append_text(&body, "{\"subjects_filter\":");
    buffer_append_json_string(&body, slice_of(rest));
    buffer_append_text(&body, "}");
    if (body.failed)
        status = sg_fail(err, SG_MEMORY, "out of memory to ask for stream %.200s", js->stream);
    else
        status = ask(js, js->connection, verb, (struct slice){body.data, body.bytes}, &answer, err);
    buffer_free(&body);
    if (status == SG_OK)
        status = jetstream_info_read(answer, js->stream, js->filter, out, err);
    if (status == SG_OK)
        status = answer_parse(answer, js->stream, &doc, err);
    if (status != SG_OK)
        return status;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *subjects = yyjson_obj_get(yyjson_obj_get(root, "state"), "subjects");
    uint64_t listed = yyjson_obj_size(subjects);
    if (member_int(root, "total", (int64_t)listed) != (int64_t)listed || listed > out->subjects_count)
        status = sg_fail(err, SG_NOT_FOUND, "stream %.200s: too many subjects besides", js->stream);
    else
        out->subjects_count -= listed;
    yyjson_doc_free(doc);
    return status;
}

/* ---- deleted messages ---- */

static void deleted_add(uint64_t sequence, struct gap *ranges, size_t ranges_max, size_t *count)
{
    if (*count > 0 && (*count == ranges_max || ranges[*count - 1].last + 1 >= sequence)) {
        if (sequence > ranges[*count - 1].last)
            ranges[*count - 1].last = sequence;
        return;
    }
    ranges[(*count)++] = (struct gap){sequence, sequence};
}

/* The stream's state with the list of its deleted messages. The caller frees *doc. */
static enum sg_status ask_deleted(const struct jetstream *js, yyjson_doc **doc, yyjson_val **state,
                                  struct sg_error *err)
{
    char verb[JETSTREAM_SUBJECT_BYTES];
    struct slice answer;
    (void)snprintf(verb, sizeof verb, "STREAM.INFO.%s", js->stream);
    enum sg_status status =
        ask(js, js->connection, verb, SLICE_LITERAL("{\"deleted_details\":true}"), &answer, err);
    if (status == SG_OK)
        status = answer_parse(answer, js->stream, doc, err);
    if (status != SG_OK)
        return status;
    *state = yyjson_obj_get(yyjson_doc_get_root(*doc), "state");
    if (yyjson_arr_size(yyjson_obj_get(*state, "deleted")) != (size_t)member_int(*state, "num_deleted", 0))
        return sg_fail(err, SG_INVALID, "stream %.200s: information without the deleted messages", js->stream);
    return SG_OK;
}

enum sg_status jetstream_deleted(const struct jetstream *js, struct gap within, struct gap *ranges, size_t ranges_max,
                                 size_t *ranges_count, struct sg_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *state = NULL;
    size_t index, max;
    yyjson_val *value;
    size_t count = 0;
    enum sg_status status = ask_deleted(js, &doc, &state, err);
    yyjson_arr_foreach(yyjson_obj_get(state, "deleted"), index, max, value) {
        uint64_t sequence = yyjson_get_uint(value);
        if (status == SG_OK && sequence >= within.first && sequence <= within.last)
            deleted_add(sequence, ranges, ranges_max, &count);
    }
    yyjson_doc_free(doc);
    if (status == SG_OK)
        *ranges_count = count;
    return status;
}

enum sg_status jetstream_removed(const struct jetstream *js, uint64_t last, uint64_t *count, struct sg_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *state = NULL;
    size_t index, max;
    yyjson_val *value;
    enum sg_status status = ask_deleted(js, &doc, &state, err);
    uint64_t below = (uint64_t)member_int(state, "first_seq", 1);
    below = below > 0 ? below - 1 : 0;
    uint64_t found = below < last ? below : last;
    yyjson_arr_foreach(yyjson_obj_get(state, "deleted"), index, max, value) {
        found += yyjson_get_uint(value) <= last ? 1 : 0;
    }
    yyjson_doc_free(doc);
    if (status == SG_OK)
        *count = found;
    return status;
}

/* ---- consumers ---- */

#define DELIVERY_BYTES 96

/* What a consumer delivers: all from `start` (0: the last message of each subject). */
static void delivery_from(uint64_t start, char out[DELIVERY_BYTES])
{
    if (start == 0)
        (void)snprintf(out, DELIVERY_BYTES, "\"deliver_policy\":\"last_per_subject\"");
    else if (start > 1)
        (void)snprintf(out, DELIVERY_BYTES, "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%llu",
                       (unsigned long long)start);
    else
        (void)snprintf(out, DELIVERY_BYTES, "\"deliver_policy\":\"all\"");
}

/* ... or all from that millisecond on. */
static void delivery_since(int64_t time_ns, char out[DELIVERY_BYTES])
{
    char text[TIME_RFC3339_BYTES];
    time_rfc3339(time_ns, text);
    (void)snprintf(out, DELIVERY_BYTES, "\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"%s\"", text);
}

/* Create a consumer that delivers so to `inbox`, with the members `more` of its configuration besides. The caller frees
 * *out. */
static enum sg_status consumer_create(const struct jetstream *js, struct nats_connection *connection, const char *name,
                                      const char *inbox, const char *delivery, const char *more, yyjson_doc **out,
                                      struct sg_error *err)
{
    char verb[JETSTREAM_SUBJECT_BYTES];
    struct buffer body;
    struct slice answer;
    buffer_init(&body, JETSTREAM_SUBJECT_BYTES * 4);
    buffer_append_text(&body, "{\"stream_name\":");
    buffer_append_json_string(&body, slice_of(js->stream));
    buffer_append_text(&body, ",\"config\":{\"name\":");
    buffer_append_json_string(&body, slice_of(name));
    buffer_append_text(&body, ",\"deliver_subject\":");
    buffer_append_json_string(&body, slice_of(inbox));
    buffer_append_text(&body, ",\"filter_subject\":");
    buffer_append_json_string(&body, slice_of(js->filter));
    buffer_append_format(&body, ",%s,\"replay_policy\":\"instant\",\"num_replicas\":1,\"mem_storage\":true,%s}}",
                         delivery, more);
    int written = snprintf(verb, sizeof verb, "CONSUMER.CREATE.%s.%s.%s", js->stream, name, js->filter);
    enum sg_status status = SG_OK;
    if (body.failed || written < 0 || (size_t)written >= sizeof verb)
        status = sg_fail(err, SG_INVALID, "the names of stream %s and its subjects are too long", js->stream);
    else
        status = ask(js, connection, verb, (struct slice){body.data, body.bytes}, &answer, err);
    if (status == SG_OK)
        status = answer_parse(answer, js->stream, out, err);
    buffer_free(&body);
    return status;
}

static long long inactive_ns(int64_t wanted_ns, int64_t limit_ns)
{
    return limit_ns > 0 && limit_ns < wanted_ns ? limit_ns : wanted_ns;
}

enum sg_status jetstream_create_consumer(const struct jetstream *js, struct nats_connection *connection,
                                         const char *name, const char *inbox, uint64_t start, int64_t limit_ns,
                                         uint64_t *pending, struct sg_error *err)
{
    char delivery[DELIVERY_BYTES];
    char more[160];
    yyjson_doc *doc = NULL;
    delivery_from(start, delivery);
    (void)snprintf(more, sizeof more,
                   "\"ack_policy\":\"none\",\"flow_control\":true,\"idle_heartbeat\":%lld,\"inactive_threshold\":%lld",
                   (long long)JETSTREAM_HEARTBEAT_NS, inactive_ns(JETSTREAM_INACTIVE_NS, limit_ns));
    enum sg_status status = consumer_create(js, connection, name, inbox, delivery, more, &doc, err);
    if (status == SG_OK)
        *pending = (uint64_t)member_int(yyjson_doc_get_root(doc), "num_pending", 0);
    yyjson_doc_free(doc);
    return status;
}

enum sg_status jetstream_create_listing(const struct jetstream *js, const char *name, const char *inbox,
                                        int64_t limit_ns, uint64_t *pending, struct sg_error *err)
{
    char delivery[DELIVERY_BYTES];
    char more[192];
    yyjson_doc *doc = NULL;
    delivery_from(0, delivery);
    (void)snprintf(more, sizeof more,
                   "\"ack_policy\":\"none\",\"headers_only\":true,\"flow_control\":true,\"idle_heartbeat\":%lld,"
                   "\"inactive_threshold\":%lld",
                   (long long)JETSTREAM_HEARTBEAT_NS, inactive_ns(JETSTREAM_LOOK_INACTIVE_NS, limit_ns));
    enum sg_status status = consumer_create(js, js->connection, name, inbox, delivery, more, &doc, err);
    if (status == SG_OK)
        *pending = (uint64_t)member_int(yyjson_doc_get_root(doc), "num_pending", 0);
    yyjson_doc_free(doc);
    return status;
}

/* Nothing is there for a consumer that was just created, nor was delivered. */
static bool consumer_has_nothing(yyjson_doc *created)
{
    yyjson_val *root = yyjson_doc_get_root(created);
    return member_int(root, "num_pending", 1) == 0 &&
           member_int(yyjson_obj_get(root, "delivered"), "consumer_seq", 0) == 0;
}

static enum sg_status look(const struct jetstream *js, const char *name, const char *delivery, int64_t limit_ns,
                           struct stream_message *out, struct sg_error *err)
{
    char inbox[NATS_INBOX_BYTES];
    char more[160];
    struct nats_looked looked;
    yyjson_doc *doc = NULL;
    /* One message that is not acknowledged may be on its way: so it delivers one, and no more. */
    (void)snprintf(more, sizeof more,
                   "\"ack_policy\":\"explicit\",\"max_ack_pending\":1,\"headers_only\":true,"
                   "\"inactive_threshold\":%lld",
                   inactive_ns(JETSTREAM_LOOK_INACTIVE_NS, limit_ns));
    enum sg_status status = nats_look_begin(js->connection, inbox, err);
    if (status == SG_OK)
        status = consumer_create(js, js->connection, name, inbox, delivery, more, &doc, err);
    if (status == SG_OK && consumer_has_nothing(doc))
        status = sg_fail(err, SG_NOT_FOUND, "stream %.200s: no message", js->stream);
    if (status == SG_OK)
        status = nats_look_take(js->connection, &looked, err);
    if (status == SG_OK) {
        *out = (struct stream_message){.sequence = looked.sequence, .time_ns = looked.time_ns};
        if (strlen(looked.subject) < sizeof out->subject)
            memcpy(out->subject, looked.subject, strlen(looked.subject));
    }
    nats_look_end(js->connection);
    yyjson_doc_free(doc);
    return status;
}

enum sg_status jetstream_look(const struct jetstream *js, const char *name, uint64_t from, int64_t limit_ns,
                              struct stream_message *out, struct sg_error *err)
{
    char delivery[DELIVERY_BYTES];
    delivery_from(from, delivery);
    return look(js, name, delivery, limit_ns, out, err);
}

enum sg_status jetstream_look_since(const struct jetstream *js, const char *name, int64_t time_ns, int64_t limit_ns,
                                    struct stream_message *out, struct sg_error *err)
{
    char delivery[DELIVERY_BYTES];
    delivery_since(time_ns, delivery);
    return look(js, name, delivery, limit_ns, out, err);
}

/* ---- messages ---- */

static enum sg_status message_get(const struct jetstream *js, struct slice body, struct stream_message *out,
                                  struct sg_error *err)
{
    char verb[JETSTREAM_SUBJECT_BYTES];
    struct slice answer;
    yyjson_doc *doc = NULL;
    (void)snprintf(verb, sizeof verb, "STREAM.MSG.GET.%s", js->stream);
    enum sg_status status = ask(js, js->connection, verb, body, &answer, err);
    if (status == SG_OK && answer.bytes > JETSTREAM_MESSAGE_BYTES_MAX) {
        *out = (struct stream_message){0};
        return SG_OK;
    }
    if (status == SG_OK)
        status = answer_parse(answer, js->stream, &doc, err);
    if (status != SG_OK)
        return status;
    yyjson_val *message = yyjson_obj_get(yyjson_doc_get_root(doc), "message");
    struct slice subject = member_text(message, "subject");
    *out = (struct stream_message){.sequence = (uint64_t)member_int(message, "seq", 0)};
    if (subject.bytes > 0 && subject.bytes < sizeof out->subject)
        memcpy(out->subject, subject.data, subject.bytes);
    if (out->sequence == 0 || !time_parse_rfc3339(member_text(message, "time"), &out->time_ns))
        status = sg_fail(err, SG_INVALID, "stream %.200s: a message without sequence or time", js->stream);
    yyjson_doc_free(doc);
    return status;
}

enum sg_status jetstream_message(const struct jetstream *js, uint64_t sequence, struct stream_message *out,
                                 struct sg_error *err)
{
    char body[64];
    int written = snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)sequence);
    return message_get(js, (struct slice){body, (size_t)written}, out, err);
}

enum sg_status jetstream_next(const struct jetstream *js, uint64_t from, struct stream_message *out,
                              struct sg_error *err)
{
    struct buffer body;
    buffer_init(&body, JETSTREAM_SUBJECT_BYTES * 2);
    buffer_append_format(&body, "{\"seq\":%llu,\"next_by_subj\":", (unsigned long long)from);
    buffer_append_json_string(&body, slice_of(js->filter));
    buffer_append_text(&body, "}");
    enum sg_status status = body.failed ? sg_fail(err, SG_MEMORY, "out of memory for a request")
                                        : message_get(js, (struct slice){body.data, body.bytes}, out, err);
    buffer_free(&body);
    return status;
}
