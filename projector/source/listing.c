/* Listing the subjects of a stream: a second consumer sends the last message of each, without its body.
 *
 *   an answer (before) ── consumer ── its messages, until it has sent all ── an answer (after) ── what came in between,
 *   up to the end that it showed ── until the projector has applied as much
 *
 * So whatever is not listed had no message at the end of `after`, or one that was removed while the list was made. */
#include "projector/source/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/hash.h"
#include "projector/nats/listing.h"
#include "projector/source/alive.h"

#define ENTRIES_FIRST 1024
#define NEXT_TIMEOUT_MS 100
#define APPLIED_POLL_NS (5 * NS_PER_MS)

/* ---- the table ---- */

static uint64_t entity_hash(const struct listing *listing, struct slice collection, struct slice id)
{
    uint64_t hash = hash_bytes(hash_bytes(hash_bytes(listing->seed, collection), SLICE_LITERAL("/")), id);
    return hash != 0 ? hash : 1;
}

static struct listing_entry *entry_slot(struct listing_entry *entries, size_t count, uint64_t hash)
{
    size_t at = hash & (count - 1);
    while (entries[at].hash != 0 && entries[at].hash != hash)
        at = (at + 1) & (count - 1);
    return &entries[at];
}

static enum sg_status listing_grow(struct listing *listing, struct sg_error *err)
{
    size_t count = listing->entries_count == 0 ? ENTRIES_FIRST : listing->entries_count * 2;
    if (listing->count >= LISTING_SUBJECTS_MAX)
        return sg_fail(err, SG_NOT_FOUND, "there are more than %d subjects", LISTING_SUBJECTS_MAX);
    struct listing_entry *grown = calloc(count, sizeof *grown);
    if (grown == NULL)
        return sg_fail(err, SG_NOT_FOUND, "out of memory to list %" PRIu64 " subjects", listing->count);
    for (size_t i = 0; i < listing->entries_count; i++) {
        if (listing->entries[i].hash != 0)
            *entry_slot(grown, count, listing->entries[i].hash) = listing->entries[i];
    }
    free(listing->entries);
    listing->entries = grown;
    listing->entries_count = count;
    return SG_OK;
}

static enum sg_status listing_add(struct session *s, struct listing *listing, struct slice subject, uint64_t sequence,
                                  struct sg_error *err)
{
    struct slice collection = {0};
    struct slice id = {0};
    enum sg_status status = SG_OK;
    if (sequence > listing->last)
        listing->last = sequence;
    if (!subject_template_match(&s->settings->subject, subject, &collection, &id))
        return SG_OK;
    if (s->settings->fixed_collection)
        collection = slice_of(s->settings->collections[0]);
    if (listing->count * 2 >= listing->entries_count)
        status = listing_grow(listing, err);
    if (status != SG_OK)
        return status;
    uint64_t hash = entity_hash(listing, collection, id);
    struct listing_entry *entry = entry_slot(listing->entries, listing->entries_count, hash);
    listing->count += entry->hash == 0 ? 1 : 0;
    entry->hash = hash;
    if (sequence > entry->sequence)
        entry->sequence = sequence;
    return SG_OK;
}

uint64_t listing_find(const struct listing *listing, struct slice collection, struct slice id)
{
    if (listing->entries_count == 0)
        return 0;
    return entry_slot(listing->entries, listing->entries_count, entity_hash(listing, collection, id))->sequence;
}

void listing_free(struct listing *listing)
{
    free(listing->entries);
    *listing = (struct listing){0};
}

/* ---- taking it ---- */

/* A listing that is being taken. */
struct taking {
    struct session *s;
    struct listing *listing;
    struct nats_listing *messages; /* owned */
    uint64_t received;
    int64_t tick_ns;
};

/* Meanwhile the stream answers, and is the same; a stop is not delayed. */
static enum sg_status tick(struct taking *t, struct sg_error *err)
{
    struct session *s = t->s;
    struct probe probe;
    char reason[256];
    if (atomic_load(&s->stopping))
        return sg_fail(err, SG_STOPPED, "stopping");
    if (nats_fatal(s->connection, reason))
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: %s", s->settings->name, reason);
    enum sg_status status = alive_check(s, err);
    if (status != SG_OK)
        return status;
    if (time_boot_ns() - t->tick_ns < LISTING_TICK_NS)
        return SG_OK;
    t->tick_ns = time_boot_ns();
    status = session_probe(s, &probe, err);
    if (status != SG_OK || !probe.proof_grade)
        return status;
    if (probe.info.created_ns != s->row.created_ns)
        return sg_fail(err, SG_UNAVAILABLE, "stream %s: another creation time", s->settings->name);
    (void)probe_publish(s, &probe, false);
    session_wake_waiting(s);
    return SG_OK;
}

/* Until `count` messages were received, or one at or beyond `sequence`, or the consumer has sent all. */
static enum sg_status receive(struct taking *t, uint64_t count, uint64_t sequence, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    enum nats_listed listed = NATS_LISTED_NOTHING;
    int64_t heard_ns = time_boot_ns();
    while (status == SG_OK && listed != NATS_LISTED_ALL && t->received < count && t->listing->last < sequence) {
        struct slice subject = {0};
        uint64_t at = 0;
        status = nats_listing_next(t->messages, NEXT_TIMEOUT_MS, &listed, &subject, &at, err);
        if (status == SG_OK && listed == NATS_LISTED) {
            t->received++;
            status = listing_add(t->s, t->listing, subject, at, err);
        }
        if (listed != NATS_LISTED_NOTHING)
            heard_ns = time_boot_ns();
        else if (status == SG_OK && time_boot_ns() - heard_ns > SOURCE_SILENCE_NS)
            status = sg_fail(err, SG_UNAVAILABLE, "stream %s: no heartbeat of a listing's consumer",
                             t->s->settings->name);
        if (status == SG_OK && (listed != NATS_LISTED || t->received % 1024 == 0))
            status = tick(t, err);
    }
    return status;
}

/* The answer after it, and what was published meanwhile. */
static enum sg_status receive_rest(struct taking *t, const struct probe *before, struct sg_error *err)
{
    struct listing *listing = t->listing;
    enum sg_status status = session_probe(t->s, &listing->after, err);
    if (status != SG_OK)
        return status;
    const struct stream_info *after = &listing->after.info;
    if (!listing->after.proof_grade || after->created_ns != t->s->row.created_ns)
        return sg_fail(err, SG_NOT_FOUND, "no proof-grade answer after the listing");
    if (after->last != before->info.last)
        return receive(t, UINT64_MAX, after->last, err);
    /* Nothing was published: the list must be complete. */
    if (after->filter_is_all && t->received < after->subjects_count)
        return sg_fail(err, SG_NOT_FOUND, "%" PRIu64 " of %" PRIu64 " subjects were listed", t->received,
                       after->subjects_count);
    return SG_OK;
}

static enum sg_status wait_applied(struct taking *t, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    while (status == SG_OK && session_position(t->s) < t->listing->last) {
        (void)session_sleep(t->s, APPLIED_POLL_NS);
        status = tick(t, err);
    }
    return status;
}

enum sg_status listing_take(struct session *s, const struct probe *before, struct listing *out, struct sg_error *err)
{
    char consumer[SESSION_CONSUMER_BYTES];
    char inbox[NATS_INBOX_BYTES];
    uint64_t pending = 0;
    struct taking t = {.s = s, .listing = out, .tick_ns = time_boot_ns()};
    *out = (struct listing){.seed = hash_seed()};
    session_consumer_name(consumer);
    enum sg_status status = nats_listing_open(s->questions, consumer, inbox, &t.messages, err);
    if (status == SG_OK)
        status = jetstream_create_listing(&s->js, consumer, inbox, s->inactive_threshold_ns, &pending, err);
    if (status == SG_INVALID)
        status = SG_NOT_FOUND; /* refused: a stream may allow one consumer only */
    if (status == SG_OK)
        status = receive(&t, pending, UINT64_MAX, err);
    if (status == SG_OK)
        status = receive_rest(&t, before, err);
    nats_listing_close(t.messages);
    if (status == SG_OK)
        status = wait_applied(&t, err);
    if (status != SG_OK)
        listing_free(out);
    return status;
}
