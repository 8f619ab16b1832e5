/* The command line of stategate-feed as plain values: read once at the start, read-only afterwards. */
#ifndef STATEGATE_FEED_OPTIONS_H
#define STATEGATE_FEED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"
#include "core/domain/subject.h"

#define FEED_INFLIGHT_DEFAULT 4096
#define FEED_INFLIGHT_MAX 65536   /* events that wait for their acknowledgement: a slot of about 400 B each */
#define FEED_ATTEMPTS_DEFAULT 5   /* sendings of one event */
#define FEED_ATTEMPTS_MAX 100
#define FEED_ACK_TIMEOUT_S_DEFAULT 5
#define FEED_ACK_TIMEOUT_S_MAX 3600
#define FEED_RATE_MAX 10000000    /* events per second */
#define FEED_REPLICAS_MAX 5       /* what nats-server allows */
#define FEED_SUBJECTS_MAX 64      /* of a stream to create */

/* What one line of the input is. */
enum feed_mode {
    FEED_MODE_NONE,  /* nothing is read: only a stream or bucket is created */
    FEED_MODE_EVENT, /* an envelope event, published as it stands to a subject made from the template */
    FEED_MODE_RAW,   /* a message: subject, headers, payload */
    FEED_MODE_KV     /* a key and its value */
};

struct feed_options {
    enum feed_mode mode;
    const char *input; /* a file name; NULL = standard input. Strings are borrowed from argv */

    struct subject_template subject; /* FEED_MODE_EVENT */
    const char *collection;          /* NULL = none */
    const char *collection_member;   /* the member of each line that names its collection; NULL = none */
    bool message_id;                 /* send messageId as the header Nats-Msg-Id too */
    const char *bucket;              /* FEED_MODE_KV */

    const char *create_stream; /* NULL = none */
    const char *create_bucket; /* NULL = none */
    char *subjects_text;       /* owned: what `subjects` points into */
    const char *subjects[FEED_SUBJECTS_MAX];
    size_t subjects_count;
    bool memory_storage;
    int64_t replicas;
    int64_t max_msgs_per_subject; /* 0 = the kind's own: unlimited, or 1 for a bucket */

    const char *url;
    const char *credentials_file; /* NULL = none; so for all below */
    const char *user;
    const char *password_file;
    const char *token_file;
    const char *nkey_file;
    const char *tls_ca_file;
    const char *tls_cert_file;
    const char *tls_key_file;

    size_t inflight;
    uint32_t attempts;
    int64_t ack_timeout_ms;
    uint64_t rate;  /* events per second; 0 = as fast as it goes */
    uint64_t limit; /* lines; UINT64_MAX = all */
    bool json;
    bool help;
};

/* Fill `out` from the arguments. SG_INVALID names what is wrong. With `help` set nothing else is checked.
 * options_free() takes the result, also after a failure. */
SG_MUST_CHECK enum sg_status options_parse(int argc, char **argv, struct feed_options *out, struct sg_error *err);
void options_free(struct feed_options *options);

/* The text of --help. */
const char *options_usage(void);

#endif
