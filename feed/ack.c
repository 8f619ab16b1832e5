/* Answers to published messages. */
#include "feed/ack.h"

#include <stdio.h>
#include <yyjson.h>

/* An answer has a few hundred bytes; larger ones are no PubAck. */
#define ACK_ANSWER_BYTES_MAX 4096
#define ACK_POOL_BYTES (64u << 10) /* yyjson wants at most 12 times the text, and some */

static void ack_refuse(struct ack *out, bool retry, const char *error, size_t bytes)
{
    out->retry = retry;
    (void)snprintf(out->error, sizeof out->error, "%.*s", (int)bytes, error);
}

static void ack_read_error(yyjson_val *error, struct ack *out)
{
    yyjson_val *description = yyjson_obj_get(error, "description");
    /* 503: no leader now, or out of resources; everything else would be answered the same again. */
    bool retry = yyjson_get_int(yyjson_obj_get(error, "code")) == 503;
    if (yyjson_is_str(description) && yyjson_get_len(description) > 0)
        ack_refuse(out, retry, yyjson_get_str(description), yyjson_get_len(description));
    else
        ack_refuse(out, retry, "refused without a reason", sizeof "refused without a reason" - 1);
}

static void ack_read(yyjson_val *root, struct ack *out)
{
    static const char unknown[] = "the answer is no acknowledgement of JetStream";
    yyjson_val *error = yyjson_obj_get(root, "error");
    yyjson_val *stream = yyjson_obj_get(root, "stream");
    yyjson_val *sequence = yyjson_obj_get(root, "seq");
    if (error != NULL) {
        ack_read_error(error, out);
        return;
    }
    if (!yyjson_is_str(stream) || yyjson_get_len(stream) > ACK_STREAM_BYTES_MAX || !yyjson_is_uint(sequence)) {
        ack_refuse(out, false, unknown, sizeof unknown - 1);
        return;
    }
    out->stored = true;
    out->sequence = yyjson_get_uint(sequence);
    out->duplicate = yyjson_is_true(yyjson_obj_get(root, "duplicate"));
    memcpy(out->stream, yyjson_get_str(stream), yyjson_get_len(stream));
    out->stream[yyjson_get_len(stream)] = '\0';
}

void ack_parse(struct slice answer, bool no_responders, struct ack *out)
{
    static const char nobody[] = "no stream listens on this subject";
    static const char unreadable[] = "the answer is not readable";
    *out = (struct ack){.stored = false};
    if (no_responders) {
        ack_refuse(out, true, nobody, sizeof nobody - 1);
        return;
    }
    char pool[ACK_POOL_BYTES];
    yyjson_alc allocator;
    yyjson_doc *doc = NULL;
    if (answer.bytes > 0 && answer.bytes <= ACK_ANSWER_BYTES_MAX && yyjson_alc_pool_init(&allocator, pool, sizeof pool))
        doc = yyjson_read_opts((char *)(uintptr_t)answer.data, answer.bytes, YYJSON_READ_NOFLAG, &allocator, NULL);
    if (doc == NULL)
        ack_refuse(out, false, unreadable, sizeof unreadable - 1);
    else
        ack_read(yyjson_doc_get_root(doc), out);
}
