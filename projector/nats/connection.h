/* A stream's own connection to the broker: connect, ask, subscribe, hang up. The only user of nats.c.
 *
 * Each stream has its own connection, so that no stream's back-pressure or trouble delays another, and so that there is
 * one answer to every trouble: hang up, connect again, resync. The library's own reconnect is off: it would restore a
 * subscription whose messages were lost meanwhile, and it gives up after two equal authentication errors. */
#ifndef STATEGATE_PROJECTOR_NATS_CONNECTION_H
#define STATEGATE_PROJECTOR_NATS_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/domain/settings.h"
#include "core/base/status.h"
#include "projector/queue.h"

#define LINK_CONNECT_TIMEOUT_MS 2000
#define LINK_REQUEST_TIMEOUT_MS 2000   /* a later answer would not be proof-grade */
#define LINK_SERVERS_MAX 64            /* configured and discovered addresses together */
#define LINK_SECRET_BYTES_MAX 65536    /* of a password or token file */
#define LINK_REPLY_BYTES_MAX (16u << 20)
#define LINK_JUMPS_MAX 32              /* remembered until they are judged; beyond it neighbours are merged */

/* Sequences that the consumer passed over: superseded, filtered out, or lost.
 * Only the stream's first sequence tells. */
struct link_jump {
    uint64_t first;
    uint64_t last;
};

struct link;

/* Called by the library's threads when the connection or the subscription needs attention; must not block. */
typedef void link_alarm(void *context);

/* `stream` and `nats` are borrowed and outlive the link. */
SG_MUST_CHECK enum sg_status link_create(const struct nats_settings *nats, const struct stream_settings *stream,
                                         struct queue *queue, link_alarm *alarm, void *alarm_context, struct link **out,
                                         struct sg_error *err);
/* The library is shut down already (link_library_close): none of its threads can call back. */
void link_destroy(struct link *l);
/* Free a message that the link has queued. */
void link_release_message(void *handle);

/* Initialise the library; and wait until all its threads are gone. Once per process each. */
SG_MUST_CHECK enum sg_status link_library_open(struct sg_error *err);
void link_library_close(void);

/* ---- the stream's source thread only; all but link_trouble and link_activity block ---- */

/* Connect to one of the servers (configured, or discovered by an earlier connection). Secrets are read from their files
 * now, so that rotated ones are seen. SG_UNAVAILABLE, SG_DENIED, SG_INVALID (a file that cannot be read, named). */
SG_MUST_CHECK enum sg_status link_connect(struct link *l, struct sg_error *err);
/* Hang up. No callback runs any more when it returns.
 * The queue's generation was raised before, so that none is stuck. */
void link_disconnect(struct link *l);

/* Ask `subject` and put the answer's bytes into `reply` (reset first). SG_UNAVAILABLE: no answer in time, or nobody
 * there; SG_DENIED: the broker refused the rights to ask, as far as it has said so. */
SG_MUST_CHECK enum sg_status link_request(struct link *l, const char *subject, struct slice body, struct buffer *reply,
                                          struct sg_error *err);

/* Make an inbox and listen there for the messages of the consumer `consumer`, which is created afterwards. They are
 * queued as `generation`. `inbox` has room for LINK_INBOX_BYTES. */
#define LINK_INBOX_BYTES 128
SG_MUST_CHECK enum sg_status link_subscribe(struct link *l, const char *consumer, uint64_t generation,
                                            uint64_t position, char inbox[LINK_INBOX_BYTES], struct sg_error *err);

/* Why the subscription cannot be trusted any more; false = it can. Copies one sentence. */
bool link_trouble(struct link *l, char reason[256]);
/* What the broker complained of without ending the connection (a missing right, above all), as long as it is not older
 * than LINK_COMPLAINT_NS: what keeps happening keeps being shown, over reconnects too. */
#define LINK_COMPLAINT_NS (15 * INT64_C(1000000000))
bool link_complaint(struct link *l, char complaint[256]);
/* A number that changes with everything that arrives from the consumer. */
uint64_t link_activity(struct link *l);
/* The sequence of the last message that was queued, or the position subscribed from. */
uint64_t link_received(struct link *l);
/* The jumps that are not forgotten, ascending; at most LINK_JUMPS_MAX. They outlive a connection as far as the position
 * that the next consumer begins at is beyond them: it will not see those again. */
size_t link_jumps(struct link *l, struct link_jump jumps[LINK_JUMPS_MAX]);
/* Forget those up to the sequence `through`. */
void link_forget_jumps(struct link *l, uint64_t through);

#endif
