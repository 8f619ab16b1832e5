/* A rig for tests of the reading side: a real store with two streams, one worker, requests without sockets, and
 * what the writing side reports of commits and probes. */
#ifndef STATEGATE_TESTS_ROUTER_FIXTURE_H
#define STATEGATE_TESTS_ROUTER_FIXTURE_H

#include "api/worker.h"
#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"

#define RIG_CREATED_NS INT64_C(1700000000000000000)
#define RIG_ROWS "r00c0ffee" /* names the settings that shape the rows of both streams */
#define RIG_WAITS_MAX 10 /* reads that may wait */
#define RIG_CACHE_BYTES (1 << 20)

struct rig {
    char folder[64];
    char database[96];
    struct settings settings;
    struct tunables tunables;
    struct tunables_now tunables_now;
    struct stream_settings streams[2]; /* STATE, any collection; OTHER, `settings` */
    struct rows_hash rows[2];
    char *owned[1];
    struct commit_clock *shared;
    struct store_writer *writer;
    struct stream stream; /* as loaded last */
    struct stream other;
    uint64_t sequence;                 /* of the first stream's last event */
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
    struct api_shared api;
    struct route_counters counters;
    struct worker *worker;
    int wake_fd;
    struct client_address client;
    char target[TARGET_BYTES_MAX + 1];
    struct http_head head;
    struct call call;
    enum http_outcome outcome;         /* of the last answer */
    struct response response;
    size_t resumed;                    /* how often the request was woken */
};

/* cmocka's setup and teardown: *state is a struct rig. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* One event of the first stream, committed; its sequence is the next one, its collection `customers` unless given. */
void rig_apply(struct rig *r, struct event event);
void rig_apply_state(struct rig *r, const char *id, int64_t version, const char *json);
void rig_apply_rejected(struct rig *r, const char *id, int64_t version);
/* The first stream's rows and its head are where they are. */
void rig_prove(struct rig *r);
/* Nobody learns of it; true: the stream's end fell. */
bool rig_answer(struct rig *r, size_t stream, int64_t sent_ns, uint64_t head, const struct epoch *epoch);

/* What the projector publishes after the commit: where both streams are, and that this entity of `customers` changed
 * (NULL = none). */
void rig_publish_commit(struct rig *r, const char *id);
/* A proof-grade probe that was sent at sent_ns showed this head and epoch. */
void rig_publish_probe(struct rig *r, size_t stream, int64_t sent_ns, uint64_t head, const struct epoch *epoch);

/* One request, in an iteration of its own: its status, or 0 if it is to wait. */
unsigned rig_ask(struct rig *r, const char *target);
/* The same request once more, as after a wake-up. */
unsigned rig_ask_again(struct rig *r);
/* Park the request that is to wait and end the iteration: false if the second look woke it at once. */
bool rig_park(struct rig *r);
/* An iteration of the loop: true if the parked request was woken. */
bool rig_wake(struct rig *r);

/* Of the last answer; NULL if it is not there. */
const char *rig_header(const struct rig *r, const char *name);
bool rig_body_has(const struct rig *r, const char *text);

#endif
