/* A second consumer's messages, taken from the library one by one; flow control bounds what waits there. */
#include "projector/nats/listing.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/decimal.h"
#include "projector/nats/connection_internal.h"

struct nats_listing {
    natsConnection *connection; /* borrowed */
    natsSubscription *sub;      /* owned */
    struct slice consumer;      /* borrowed */
    uint64_t consumer_seq;      /* of the last message */
    natsMsg *msg;               /* owned; the last message */
};

enum sg_status nats_listing_open(struct nats_connection *c, const char *consumer, char inbox[NATS_INBOX_BYTES],
                                 struct nats_listing **out, struct sg_error *err)
{
    natsInbox *made = NULL;
    struct nats_listing *listing = calloc(1, sizeof *listing);
    if (listing == NULL)
        return sg_fail(err, SG_MEMORY, "out of memory for a listing");
    *listing = (struct nats_listing){.connection = c->connection, .consumer = slice_of(consumer)};
    natsStatus s = natsInbox_Create(&made);
    if (s == NATS_OK) {
        (void)snprintf(inbox, NATS_INBOX_BYTES, "%s", (const char *)made);
        s = natsConnection_SubscribeSync(&listing->sub, c->connection, inbox);
    }
    natsInbox_Destroy(made);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(listing->sub, -1, -1);
    if (s != NATS_OK) {
        nats_listing_close(listing);
        return sg_fail(err, SG_UNAVAILABLE, "listen for a listing: %s", natsStatus_GetText(s));
    }
    *out = listing;
    return SG_OK;
}

void nats_listing_close(struct nats_listing *listing)
{
    if (listing == NULL)
        return;
    natsMsg_Destroy(listing->msg);
    natsSubscription_Destroy(listing->sub);
    free(listing);
}

static struct slice header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK ? slice_of(value) : (struct slice){0};
}

/* Flow control is answered; an idle consumer says how many messages it has sent. */
static enum sg_status control(const struct nats_listing *listing, natsMsg *msg, enum nats_listed *out,
                              struct sg_error *err)
{
    const char *reply = natsMsg_GetReply(msg);
    struct slice stalled = header(msg, "Nats-Consumer-Stalled");
    uint64_t sent = 0;
    *out = NATS_LISTED_HEARD;
    if (!slice_equal(header(msg, "Status"), SLICE_LITERAL("100")))
        return sg_fail(err, SG_UNAVAILABLE, "the consumer of a listing ended");
    if (reply != NULL && reply[0] != '\0') {
        (void)natsConnection_Publish(listing->connection, reply, NULL, 0);
        return SG_OK;
    }
    if (stalled.bytes > 0)
        (void)natsConnection_Publish(listing->connection, stalled.data, NULL, 0);
    if (!decimal_parse(header(msg, "Nats-Last-Consumer"), UINT64_MAX, &sent) || sent < listing->consumer_seq)
        return SG_OK;
    if (sent > listing->consumer_seq)
        return sg_fail(err, SG_UNAVAILABLE, "messages of a listing are missing");
    *out = NATS_LISTED_ALL;
    return SG_OK;
}

static enum sg_status listed(struct nats_listing *listing, const struct reply_facts *facts, struct slice *subject,
                             uint64_t *sequence, struct sg_error *err)
{
    if (!slice_equal(facts->consumer, listing->consumer) || facts->consumer_seq != listing->consumer_seq + 1)
        return sg_fail(err, SG_UNAVAILABLE, "messages of a listing are missing");
    listing->consumer_seq++;
    *subject = slice_of(natsMsg_GetSubject(listing->msg));
    *sequence = facts->sequence;
    return SG_OK;
}

enum sg_status nats_listing_next(struct nats_listing *listing, int64_t timeout_ms, enum nats_listed *out,
                                 struct slice *subject, uint64_t *sequence, struct sg_error *err)
{
    struct reply_facts facts;
    natsMsg_Destroy(listing->msg);
    listing->msg = NULL;
    *out = NATS_LISTED_NOTHING;
    natsStatus s = natsSubscription_NextMsg(&listing->msg, listing->sub, timeout_ms);
    if (s == NATS_TIMEOUT)
        return SG_OK;
    if (s != NATS_OK)
        return sg_fail(err, SG_UNAVAILABLE, "a listing: %s", natsStatus_GetText(s));
    const char *reply = natsMsg_GetReply(listing->msg);
    if (reply == NULL || !reply_parse(reply, &facts))
        return control(listing, listing->msg, out, err);
    *out = NATS_LISTED;
    return listed(listing, &facts, subject, sequence, err);
}
