/* Format `kv`: a NATS key-value bucket. The id is the key, the version the stream sequence (the revision), the state
 * the value, which may be any JSON. */
#include "projector/decode/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/time.h"

enum { HEADER_OPERATION, HEADER_MARKER_REASON, HEADER_TTL }; /* as format.c orders them */

/* A delete, a purge, or the marker that the server leaves for an expired or removed entry. */
static bool kv_is_deletion(const struct message *message)
{
    struct slice operation = message->headers[HEADER_OPERATION];
    return slice_equal(operation, SLICE_LITERAL("DEL")) || slice_equal(operation, SLICE_LITERAL("PURGE")) ||
           message->headers[HEADER_MARKER_REASON].bytes > 0;
}

/* "90", "1m30s", "1.5s", "never": how long the message stays; 0 = for ever, or as long as cannot be told. */
static int64_t kv_ttl_ns(struct slice text)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"h", 3600 * NS_PER_S}, {"ms", NS_PER_MS}, {"m", 60 * NS_PER_S}, {"s", NS_PER_S}, {"", NS_PER_S}};
    double sum = 0;
    char copy[32];
    if (text.bytes == 0 || text.bytes >= sizeof copy)
        return 0;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    for (const char *at = copy; *at != '\0';) {
        char *end = NULL;
        double number = strtod(at, &end);
        size_t unit = 0;
        if (end == at || number < 0)
            return 0;
        while (unit + 1 < sizeof units / sizeof units[0] &&
               strncmp(end, units[unit].name, strlen(units[unit].name)) != 0)
            unit++;
        sum += number * (double)units[unit].ns;
        at = end + strlen(units[unit].name);
        if (units[unit].name[0] == '\0' && (*at != '\0' || number != sum / (double)NS_PER_S))
            return 0; /* seconds without a unit stand alone */
    }
    return sum < (double)INT64_MAX / 2 ? (int64_t)sum : 0;
}

static void kv_version(struct decoder *d)
{
    uint64_t sequence = d->message->sequence;
    if (sequence == 0 || sequence > INT64_MAX)
        decode_reject(d, REASON_BAD_VERSION, "the message's sequence is not between 1 and 2^63-1");
    else
        d->event->version = (int64_t)sequence;
}

enum sg_status decode_kv(struct decoder *d, struct sg_error *err)
{
    struct json_value *state = NULL;
    if (!d->stream->subject.has_id)
        decode_reject(d, REASON_MISSING_ID, "the subject template has no {id}, which is a bucket's only id");
    kv_version(d);
    if (kv_is_deletion(d->message)) {
        int64_t ttl_ns = kv_ttl_ns(d->message->headers[HEADER_TTL]);
        d->event->expires_ns = ttl_ns > 0 ? d->message->time_ns + ttl_ns : 0;
        if (!decode_is_rejected(d))
            d->event->kind = EVENT_TOMBSTONE;
        return SG_OK;
    }
    /* An empty value is a value that is not JSON; deletion is said by a header. */
    enum sg_status status = decode_json(d, &state, err);
    if (status == SG_OK && !decode_is_rejected(d))
        decode_keep(d, state, state->value);
    return status;
}
