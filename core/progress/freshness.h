/* How fresh each stream's rows are, by proof: heads that were asked for, positions that reached them, and what both of
 * them prove: staleness, lag, status, readiness. No I/O.
 *
 * A proof is a head probe: at t0 the stream's last sequence was at most H. Whoever shows rows at a position >= H of the
 * same epoch shows everything that was published by t0. So staleness is `now - T`, T the newest t0 whose H is not
 * beyond the position *of the snapshot that answers*: a newer proof cannot flatter an older snapshot, nor the other
 * way round.
 *
 * Streams are named by their index in the settings. Every function may be called by any thread and takes one short
 * lock; none blocks on anything else. The caller gives the time, but for the wall time of a proof,
 * which is for people. */
#ifndef STATEGATE_CORE_PROGRESS_FRESHNESS_H
#define STATEGATE_CORE_PROGRESS_FRESHNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/time.h"
#include "core/domain/stream.h"
#include "core/domain/position.h"
#include "core/base/status.h"

#define FRESHNESS_LIVE_NS (5 * NS_PER_S)         /* `live` while T is younger than this */
#define FRESHNESS_DISCONNECTED_NS (3 * NS_PER_S) /* no proof-grade answer for so long: `disconnected` */
#define FRESHNESS_PROOFS_MAX 32 /* kept per stream: a few that are met, for older snapshots, and those not met yet */
#define FRESHNESS_PROOFS_MET 8  /* of them, the newest that are met */
#define FRESHNESS_PAST_MAX 8    /* epochs kept per stream that are over; of older ones nothing is known */

/* Best to worst: the worst of several streams is the largest. */
enum stream_status {
    STREAM_LIVE,
    STREAM_CATCHING_UP,
    STREAM_STARTING,
    STREAM_REBUILDING,
    STREAM_DISCONNECTED,
    STREAM_HALTED
};
#define STREAM_STATUSES_COUNT 6
const char *stream_status_name(enum stream_status status);

struct freshness;

SG_MUST_CHECK enum sg_status freshness_create(size_t streams_count, struct freshness **out, struct sg_error *err);
void freshness_destroy(struct freshness *f);

/* ---- what the writing side reports ---- */

/* A proof-grade answer; times on the boot clock. */
struct freshness_answer {
    int64_t asked_ns;    /* when the question was sent */
    int64_t answered_ns;
    int64_t proof_ns;    /* what was published by then ends at `head`: asked_ns, but of a stream that copies others (a
                            mirror, sources) an earlier instant; INT64_MIN = none is known */
    bool copy;
    uint64_t head;
    struct epoch epoch;
};
/* `proves`: it proves something of the rows. Otherwise something of them is to be looked into first, and it shows the
 * incarnation and its end. Of another epoch than the last one: earlier proofs are forgotten. True: it shows an end of
 * this incarnation before the one that was shown last, so that who waits for what lay between must look again. */
bool freshness_answered(struct freshness *f, size_t stream, const struct freshness_answer *answer, bool proves);
/* After each commit, and once at the start: up to where the rows that readers see are settled (struct stream). The next
 * build, which is written beside them, does not count: nobody reads it. */
void freshness_applied(struct freshness *f, size_t stream, uint64_t position, const struct epoch *epoch);
/* Whether the stream's filter passes messages of others over, so that a hole is no sign of loss: a position is then met
 * beside one. Without this it is not. True: that changes, and who waits for a position must look again. */
bool freshness_set_filtered(struct freshness *f, size_t stream, bool filtered);
/* Up to where demands for a position are met, by rows of these. */
uint64_t freshness_met(struct freshness *f, size_t stream, uint64_t position, uint64_t settled);
/* Another build is served from now on: the position that is reported next may be lower, even within an epoch. */
void freshness_swapped(struct freshness *f, size_t stream);
/* Another incarnation was found: all proofs are forgotten. Served rows of the old one are unproved until the swap. */
void freshness_reset(struct freshness *f, size_t stream);
/* Ingest stopped by the disk, the size limit or the schema: `reason`, which is shown before any other error;
 * NULL: it went on. */
void freshness_set_halted(struct freshness *f, size_t stream, const char *reason);
/* The broker cannot be used now (not connected, no rights, no such stream):
 * shown as disconnected at once, until the next proof. */
void freshness_set_disconnected(struct freshness *f, size_t stream);
/* The head that makes the replica ready, when rows of its epoch that reach it are served; asked for once at the start,
 * and again when a rebuild begins. It falls with the stream's end. A replica that is ready stays so: reads go on from
 * the old rows. */
void freshness_set_ready_target(struct freshness *f, size_t stream, uint64_t head, const struct epoch *epoch);
/* Ready without a head to reach: the stream is found empty, and what is served is kept until its first event. */
void freshness_set_ready(struct freshness *f, size_t stream);
/* Not ready until the next target is set and reached (a build begins in the place of one that had nothing to serve). */
void freshness_clear_ready(struct freshness *f, size_t stream);
/* The last error, for /v1/status; "" = none. */
void freshness_set_error(struct freshness *f, size_t stream, const char *message);

/* ---- what the reading side asks ---- */

struct freshness_view {
    enum stream_status status;
    bool staleness_known;
    int64_t staleness_ns;
    bool head_known;
    uint64_t head;       /* the newest proved */
    uint64_t lag;        /* head - the position asked about; valid if head_known */
    /* The proof; valid if staleness_known. */
    int64_t proof_ns;    /* T on the boot clock: when it was asked for, or earlier where the stream is a copy */
    int64_t proof_asked_ns;
    int64_t proof_answered_ns;
    int64_t proof_wall_ns; /* the same instant as proof_asked_ns on the wall clock, for people */
    uint64_t proof_head; /* not beyond the position asked about */
    /* The newest proof-grade probe, whatever its epoch: the incarnation that the broker last showed. */
    bool probe_known;
    int64_t probe_ns;    /* sent at */
    int64_t probe_head_ns; /* the stream ended there at this instant; INT64_MIN = at none that is known */
    uint64_t met;        /* demands for a position are met up to here */
    bool copy;           /* it showed a copy of other streams, which lags behind them by nature */
    uint64_t probe_head;
    struct epoch probe_epoch;
};

/* What an answer from a snapshot of `row` may claim at now_ns. */
void freshness_view(struct freshness *f, size_t stream, const struct stream *row, int64_t now_ns,
                    struct freshness_view *out);

/* Did an answer show that this epoch is over? Of those that the rows had, or that earlier answers showed. */
bool freshness_is_past(struct freshness *f, size_t stream, const struct epoch *epoch);

/* What those who wait must learn: T for the committed position, and when the newest proof-grade probe was sent (boot
 * clock; INT64_MIN = none). */
void freshness_newest(struct freshness *f, size_t stream, int64_t *proof_ns, int64_t *probe_ns);

/* Readiness of one stream. */
struct freshness_ready {
    bool ready;
    bool target_known;
    uint64_t target;     /* H0 */
    uint64_t position;   /* up to where what is served is settled; 0 while that is of another epoch than the target */
};
void freshness_ready(struct freshness *f, size_t stream, struct freshness_ready *out);
/* All streams are ready. With `without_broker`, a stream with rows counts although its head is not known yet. */
bool freshness_all_ready(struct freshness *f, bool without_broker);

/* For /v1/status, and for the writing side itself. */
struct freshness_facts {
    bool applied_known;
    uint64_t applied;               /* up to where the rows that readers see are settled */
    char error[256];
};
void freshness_facts(struct freshness *f, size_t stream, struct freshness_facts *out);

#endif
