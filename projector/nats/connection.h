/* A connection of a stream to the broker: connect, ask, subscribe, hang up. The only user of nats.c.
 *
 * Each stream has two of its own: one for its messages, and one for questions, whose answers would else wait behind
 * a message that takes long to arrive. So no stream's back-pressure or faults delay another, and there is one answer to
 * every fault: hang up, connect again, resync. The library's own reconnect is off: it would restore a
 * subscription whose messages were lost meanwhile, and it gives up after two equal authentication errors. */
#ifndef STATEGATE_PROJECTOR_NATS_CONNECTION_H
#define STATEGATE_PROJECTOR_NATS_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/domain/settings.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "projector/queue.h"

#define NATS_REQUEST_TIMEOUT_MS 2000 /* a later answer would not be proof-grade */
#define NATS_INBOX_BYTES 128

struct nats_connection;

/* Called by the library's threads when the connection or the subscription needs attention; must not block. */
typedef void nats_alarm(void *context);

/* `stream` and `nats` are borrowed and outlive the connection, as is `queue`; NULL: it is for questions alone. */
SG_MUST_CHECK enum sg_status nats_create(const struct nats_settings *nats, const struct stream_settings *stream,
                                         struct queue *queue, nats_alarm *alarm, void *alarm_context,
                                         struct nats_connection **out, struct sg_error *err);
/* The library is shut down already (nats_library_close): none of its threads can call back. */
void nats_destroy(struct nats_connection *c);
/* Free a message of so many bytes that a connection has queued, or keep it for a moment, to free several at once. Any
 * thread, until nats_library_close. */
void nats_release_message(void *handle, size_t bytes);

/* Initialise the library; and wait until all its threads are gone. Once per process each. */
SG_MUST_CHECK enum sg_status nats_library_open(struct sg_error *err);
void nats_library_close(void);

/* ---- the stream's source thread only; all but nats_fatal and nats_activity block ---- */

/* Connect to one of the servers (configured, or discovered by an earlier connection). Secrets are read from their files
 * now, so that rotated ones are seen. SG_UNAVAILABLE, SG_DENIED, SG_INVALID (a file that cannot be read, named). */
SG_MUST_CHECK enum sg_status nats_connect(struct nats_connection *c, struct sg_error *err);
/* Hang up. No callback runs any more when it returns.
 * The queue's generation was raised before, so that none is stuck. */
void nats_disconnect(struct nats_connection *c);

/* Ask `subject`; the answer's bytes are the connection's until it is asked again. SG_UNAVAILABLE: no answer in time, or
 * nobody there; SG_DENIED: the broker has refused this question; SG_STOPPED: it was interrupted. */
SG_MUST_CHECK enum sg_status nats_request(struct nats_connection *c, const char *subject, struct slice body,
                                          struct slice *answer, struct sg_error *err);
/* Questions are not waited for any more, now and from now on. Any thread. */
void nats_interrupt(struct nats_connection *c);

/* A look at a message: listen at an inbox, to which a consumer that is created then delivers it; take what arrives
 * (errors as nats_request); listen no more. */
struct nats_looked {
    uint64_t sequence;
    int64_t time_ns;
    const char *subject; /* the connection's until it is asked again; bytes as they were published */
};
SG_MUST_CHECK enum sg_status nats_look_begin(struct nats_connection *c, char inbox[NATS_INBOX_BYTES],
                                             struct sg_error *err);
SG_MUST_CHECK enum sg_status nats_look_take(struct nats_connection *c, struct nats_looked *out, struct sg_error *err);
void nats_look_end(struct nats_connection *c);

/* Make an inbox and listen there for the messages of the consumer `consumer`, which is created afterwards. They are
 * queued as `generation`. `inbox` has room for NATS_INBOX_BYTES. */
SG_MUST_CHECK enum sg_status nats_subscribe(struct nats_connection *c, const char *consumer, uint64_t generation,
                                            uint64_t position, char inbox[NATS_INBOX_BYTES], struct sg_error *err);

/* Why the subscription cannot be trusted any more; false = it can. Copies one sentence. */
bool nats_fatal(struct nats_connection *c, char reason[256]);
/* What the broker warned of without ending the connection (a missing right, above all), as long as it is not older
 * than NATS_WARNING_NS: what keeps happening keeps being shown, over reconnects too. */
#define NATS_WARNING_NS (15 * INT64_C(1000000000))
bool nats_warning(struct nats_connection *c, char warning[256]);
/* A number that changes with everything that arrives from the consumer. */
uint64_t nats_activity(struct nats_connection *c);
/* Bytes that have arrived at the socket since it was connected, whole messages or not; 0 = unknown. */
uint64_t nats_bytes_received(struct nats_connection *c);
/* The sequence of the last message that was queued, or the position subscribed from. */
uint64_t nats_received(struct nats_connection *c);

#endif
