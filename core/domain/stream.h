/* What is known of a stream: what is served of it, and what is written. Plain values. */
#ifndef STATEGATE_CORE_DOMAIN_STREAM_H
#define STATEGATE_CORE_DOMAIN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain/position.h"

#define STREAM_GAPS_MAX 16            /* per stream; beyond it the two nearest are merged: loss is never understated */
#define STREAM_SUBJECT_KEPT_BYTES 512 /* of the subject at the position; longer ones are not compared */

/* Events between `first` and `last`, both included, were lost to this replica. */
struct gap {
    uint64_t first;
    uint64_t last;
};

/* The sequences from `first` to `last` hold some that were not delivered, and it is not settled yet whether an event is
 * lost with them. `first` 0 = there is none. */
struct hole {
    uint64_t first;
    uint64_t last;
};

/* Up to where nothing was passed over unseen. It never falls, as a hole begins after the position. */
static inline uint64_t position_settled(uint64_t position, const struct hole *hole)
{
    return hole->first != 0 ? hole->first - 1 : position;
}

#define TARGET_UNKNOWN UINT64_MAX

/* How far a rebuild has come. */
struct rebuild {
    int64_t build;
    struct epoch epoch;
    uint64_t position;
    uint64_t target; /* the head when it began; TARGET_UNKNOWN; 0 = there was none: its first event ends it */
};

/* One stream as readers see it: the served build; a plain value. */
struct stream {
    int64_t id;          /* of the row; constant for a name in one database file */
    char name[256];
    struct epoch epoch;
    uint64_t position;   /* up to which events are applied */
    uint64_t settled;    /* up to which none was passed over unseen: proofs rest on it; at most the position */
    int64_t build;       /* 1, 2, ... */
    size_t gaps_count;
    struct gap gaps[STREAM_GAPS_MAX]; /* ascending, not touching */
    bool rebuilding;     /* there is a next build beside this one, or this one is served although it is not whole */
    struct rebuild rebuild; /* of the build that is on its way; valid if rebuilding */
};

/* The build of a stream that is written: the next one, or else the served one; a plain value. */
struct build {
    int64_t stream;      /* the id of its stream */
    int64_t build;
    bool is_next;        /* not served yet */
    struct epoch served_epoch; /* of the rows that readers see */
    int64_t created_ns;  /* the stream's creation time; 0 = never seen */
    struct epoch epoch;
    uint64_t position;
    int64_t position_time_ns; /* timestamp of the message at the position; 0 = no message is known to be there */
    char position_subject[STREAM_SUBJECT_KEPT_BYTES + 1]; /* its subject; "" = not known */
    uint64_t target;     /* the head when it began: whole from there on; 0 = it was none, or it is the first build */
    struct hole hole;    /* not settled; within the position */
    uint64_t begun_last; /* the head when its first consumer was made; 0 = not known, or settled */
    uint64_t begun_removed; /* how many messages up to there had been removed from the stream by then */
    int64_t begun_missing; /* of the sequences up to there that were missing then, those that the build has not passed
                              over yet; 0 at begun_last: it read all that there was */
    size_t gaps_count;
    struct gap gaps[STREAM_GAPS_MAX]; /* ascending, not touching */
};

#endif
