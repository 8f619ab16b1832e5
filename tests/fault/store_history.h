/* Histories of the read model: what a projector does to it over time, by chance and from a seed; the fold that says
 * what must then be stored; and the reading of what is stored, by plain SQL, to compare.
 *
 * Events follow from seed, stream, incarnation and sequence alone, so that each build of a stream can be folded again.
 * Each step is one transaction of the store. A mark is the content of the database in short, after a step. */
#ifndef STATEGATE_TESTS_STORE_HISTORY_H
#define STATEGATE_TESTS_STORE_HISTORY_H

#include "core/domain/fields.h"
#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"

struct sqlite3;

#define HISTORY_STREAMS 3
#define HISTORY_COLLECTIONS 3 /* names that a stream's events have */
#define HISTORY_IDS 20        /* of each */
#define HISTORY_BATCH_MAX 40
#define HISTORY_GAPS_BYTES 256

/* ---- hashes ---- */

uint64_t hash_mix(uint64_t x);
uint64_t hash_text(struct slice text); /* 0 for an empty one */
uint64_t hash_entity(uint64_t collection, uint64_t id, int64_t version, bool deleted, uint64_t sequence, uint64_t state,
                     uint64_t occurred_at);
uint64_t hash_collection(uint64_t name, int64_t entities, uint64_t position);
uint64_t hash_floor(uint64_t name, uint64_t floor); /* 0 without one */
uint64_t hash_rejected(uint64_t sequence, uint64_t reason, uint64_t collection, uint64_t id, int64_t version);

/* ---- marks ---- */

struct mark_build {
    int64_t build; /* 0 = there is none */
    uint64_t incarnation;
    uint64_t position;
    int64_t target; /* as stored: -1 = not known */
    uint64_t gaps;  /* hash of their text */
    uint64_t floors; /* sum of a hash of each: with nothing applied, what shows that tombstones were removed */
    /* The rows: sums of a hash of each, and how many there are. */
    uint64_t entities;
    uint64_t collections;
    uint64_t rejected;
    size_t entities_count;
    size_t collections_count;
    size_t rejected_count;
};

struct mark_stream {
    bool there;
    uint64_t fingerprint; /* hash */
    struct mark_build served;
    struct mark_build next;
};

struct mark {
    struct mark_stream streams[HISTORY_STREAMS];
};

/* Read a mark by plain SQL. False where the database cannot be read or contradicts itself; `why` says how. */
bool mark_read(struct sqlite3 *db, struct mark *out, char *why, size_t why_bytes);
/* The same builds at the same positions: then the rows must be the same as well. */
bool mark_same_place(const struct mark *a, const struct mark *b);
bool mark_same_rows(const struct mark *a, const struct mark *b);
/* For people. */
void mark_print(const char *title, const struct mark *m);

/* ---- the fold ---- */

struct history_row {
    int64_t version; /* 0 = never seen */
    bool deleted;
    uint64_t sequence;
    uint64_t content; /* hash of the state */
    uint64_t hash;    /* of all that is stored */
};

struct history_build {
    int64_t build;
    uint64_t incarnation;
    uint64_t position;
    int64_t target;
    char gaps[HISTORY_GAPS_BYTES];
    size_t gaps_count;
    bool known[HISTORY_COLLECTIONS]; /* a row of collections is there */
    uint64_t changed[HISTORY_COLLECTIONS]; /* its position */
    uint64_t floors[HISTORY_COLLECTIONS];
    struct history_row rows[HISTORY_COLLECTIONS][HISTORY_IDS];
};

struct history_stream {
    bool there;
    int fingerprint;
    unsigned declared;     /* what its collections declare: history_declared() */
    uint64_t incarnations; /* that have begun */
    bool has_next;
    struct history_build served;
    struct history_build next;
};

struct history_rejected {
    size_t stream;
    int64_t build;
    uint64_t hash;
};

struct history {
    uint64_t seed;
    size_t collections_max;
    size_t rejected_max;
    bool rebuild_empty_swap;
    /* Around what the steps look at, so that no fault is in the way of it; NULL = there is none. */
    void (*pause)(void);
    void (*resume)(void);
    struct history_stream streams[HISTORY_STREAMS];
    struct history_rejected *rejected; /* owned; oldest first; also of builds that are gone */
    size_t rejected_count;
    size_t rejected_capacity;
};

/* Nothing is stored yet. The limits are those that the store is opened with. */
void history_init(struct history *h, uint64_t seed, const struct store_options *options);
void history_free(struct history *h);
/* Both are to be freed. */
void history_copy(const struct history *from, struct history *to);
void history_mark(const struct history *h, struct mark *out);

/* ---- steps ---- */

enum history_step_kind {
    STEP_ATTACH,
    STEP_IDENTIFY,
    STEP_APPLY,
    STEP_BEGIN_BUILD,
    STEP_SET_TARGET,
    STEP_ADVANCE,
    STEP_ADD_GAP,
    STEP_SWEEP,
    STEP_REMOVE_TOMBSTONE, /* the oldest beyond `target` of them, of the collection number `first` */
    STEP_FIELDS
};

struct history_step {
    enum history_step_kind kind;
    size_t stream;
    uint64_t first; /* sequence */
    uint64_t last;
    uint64_t target;
    int fingerprint;
    unsigned declared;
    int64_t served[HISTORY_STREAMS]; /* the builds that are served afterwards; of history_do */
};

/* A step that suits what is stored; all streams must be attached and identified. */
struct history_step history_choose(const struct history *h, uint64_t *chance);
struct history_step history_attach(const struct history *h, size_t stream, bool reshape);
struct history_step history_identify(size_t stream);

/* Do a step: on SG_OK the fold has taken it too, on failure it has not. `ids` are the streams' ids, which STEP_ATTACH
 * fills. When a build whose collections declare fields is swapped to, once it is whole, is for the store to say. */
SG_MUST_CHECK enum sg_status history_do(struct history *h, struct store_writer *w, struct history_step *step,
                                        int64_t ids[HISTORY_STREAMS], struct sg_error *err);
/* Only the fold. */
void history_fold(struct history *h, const struct history_step *step);

/* Attach all streams, and identify those that are new. */
SG_MUST_CHECK enum sg_status history_attach_all(struct history *h, struct store_writer *w, int64_t ids[HISTORY_STREAMS],
                                                struct sg_error *err);

/* ---- events ---- */

struct history_event {
    enum event_kind kind;
    size_t collection;
    size_t id;
    int64_t version;
    enum event_reason reason;
    uint64_t content;   /* what the state is made of */
    size_t state_bytes; /* 0 = no state */
    bool dated;
};

#define HISTORY_STATE_BYTES_MAX 9216
#define HISTORY_OCCURRED_AT "2026-01-02T03:04:05Z"

struct history_event history_event_at(uint64_t seed, size_t stream, uint64_t incarnation, uint64_t sequence);
/* Its state as JSON. */
void history_state(const struct history_event *e, char out[HISTORY_STATE_BYTES_MAX]);

/* ---- declared fields ---- */

/* Once, before anything is declared. */
void history_fields_make(void);
/* What a collection declares; NULL = nothing. */
const struct field_set *history_declared(size_t stream, unsigned declared, size_t collection);
/* The values of a state; NULL where nothing is declared. They are in `out`, and their text in the state. */
struct history_values {
    struct field_value values[3];
    struct field_value elements[2];
};
const struct field_value *history_values(const struct field_set *declared, struct slice state,
                                         struct history_values *out);
/* For struct store_extract; the context is a struct history. */
enum sg_status history_extract(void *context, struct slice collection, struct slice state,
                               const struct field_value **out, struct sg_error *err);

/* The names as stored. */
const char *history_stream_name(size_t stream);
struct slice history_collection_name(size_t stream, size_t collection);
struct slice history_id(size_t id);

/* Compare what a reader sees of one snapshot with the fold: streams, collections and all entities. Returns SG_OK,
 * SG_INVALID with what differs, or the status of a read that failed. */
SG_MUST_CHECK enum sg_status history_compare(const struct history *h, struct store_reader *r, struct sg_error *err);
/* The same of the present moment: first what is cached, then a transaction of its own. */
SG_MUST_CHECK enum sg_status history_read(const struct history *h, struct store_reader *r, struct sg_error *err);

#endif
