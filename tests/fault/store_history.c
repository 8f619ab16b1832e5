/* The fold of a history: what each step makes of the rows. Written from what store/writer.h promises. */
#include "store_history.h"

#include <stdio.h>
#include <stdlib.h>

#define REJECTED_AHEAD 1000 /* room of a copy: no allocation while those of the store are made to fail */

void history_init(struct history *h, uint64_t seed, const struct store_options *options)
{
    *h = (struct history){.seed = seed, .collections_max = options->collections_max,
                          .rejected_max = options->rejected_max, .rebuild_empty_swap = options->rebuild_empty_swap};
}

void history_free(struct history *h)
{
    free(h->rejected);
    h->rejected = NULL;
}

void history_copy(const struct history *from, struct history *to)
{
    *to = *from;
    to->rejected_capacity = from->rejected_count + REJECTED_AHEAD;
    to->rejected = reallocarray(NULL, to->rejected_capacity, sizeof to->rejected[0]);
    if (to->rejected == NULL)
        abort();
    if (from->rejected_count > 0)
        memcpy(to->rejected, from->rejected, from->rejected_count * sizeof to->rejected[0]);
}

static struct history_build *written(struct history_stream *s)
{
    return s->has_next ? &s->next : &s->served;
}

static const struct history_build *written_const(const struct history_stream *s)
{
    return s->has_next ? &s->next : &s->served;
}

/* ---- what is stored, in short ---- */

static void mark_entities(const struct history_build *b, size_t stream, size_t collection, struct mark_build *out)
{
    int64_t alive = 0;
    for (size_t i = 0; i < HISTORY_IDS; i++) {
        const struct history_row *row = &b->rows[collection][i];
        if (row->version == 0)
            continue;
        out->entities += row->hash;
        out->entities_count++;
        alive += !row->deleted;
    }
    if (b->known[collection]) {
        out->collections_count++;
        out->collections += hash_collection(hash_text(history_collection_name(stream, collection)), alive,
                                            b->changed[collection]);
        out->floors += hash_floor(hash_text(history_collection_name(stream, collection)), b->floors[collection]);
    }
}

static void mark_build(const struct history *h, const struct history_build *b, size_t stream, struct mark_build *out)
{
    *out = (struct mark_build){.build = b->build, .incarnation = b->incarnation, .position = b->position,
                               .target = b->target, .gaps = hash_text(slice_of(b->gaps))};
    for (size_t c = 0; c < HISTORY_COLLECTIONS; c++)
        mark_entities(b, stream, c, out);
    for (size_t i = 0; i < h->rejected_count; i++) {
        if (h->rejected[i].stream == stream && h->rejected[i].build == b->build) {
            out->rejected += h->rejected[i].hash;
            out->rejected_count++;
        }
    }
}

void history_mark(const struct history *h, struct mark *out)
{
    *out = (struct mark){0};
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        const struct history_stream *s = &h->streams[i];
        if (!s->there)
            continue;
        char fingerprint[16];
        (void)snprintf(fingerprint, sizeof fingerprint, "shape-%d", s->fingerprint);
        out->streams[i].there = true;
        out->streams[i].fingerprint = hash_text(slice_of(fingerprint));
        mark_build(h, &s->served, i, &out->streams[i].served);
        if (s->has_next)
            mark_build(h, &s->next, i, &out->streams[i].next);
    }
}

/* ---- builds ---- */

static void build_begin(struct history_build *b, int64_t number, uint64_t incarnation, uint64_t target)
{
    memset(b, 0, sizeof *b);
    b->build = number;
    b->incarnation = incarnation;
    b->target = (int64_t)target;
}

/* Does a collection declare anything? */
static bool declares(const struct history *h, size_t stream)
{
    for (size_t c = 0; c < HISTORY_COLLECTIONS; c++) {
        if (history_declared(stream, h->streams[stream].declared, c) != NULL)
            return true;
    }
    return false;
}

/* Where fields are declared, or were a moment ago, indexes are made first, and the store says when they are. */
static void swap_if_whole(struct history *h, const struct history_step *step, size_t stream)
{
    struct history_stream *s = &h->streams[stream];
    const struct history_build *b = &s->next;
    bool any = false;
    for (size_t c = 0; c < HISTORY_COLLECTIONS; c++)
        any |= b->known[c];
    bool whole = b->target == 0 ? any || h->rebuild_empty_swap : b->position >= (uint64_t)b->target;
    bool waits = (declares(h, stream) || s->declared > 0) && step->served[stream] < b->build;
    if (!s->has_next || !whole || waits)
        return;
    s->served = s->next;
    s->has_next = false;
}

static void fold_begin_build(const struct history *h, struct history_stream *s, uint64_t target)
{
    int64_t number = written(s)->build + 1;
    s->incarnations++;
    if ((!s->has_next && s->served.position == 0) || (target == 0 && h->rebuild_empty_swap)) {
        build_begin(&s->served, number, s->incarnations, target);
        s->has_next = false;
    } else {
        build_begin(&s->next, number, s->incarnations, target);
        s->has_next = true;
    }
}

static void fold_attach(struct history_stream *s, int fingerprint, unsigned declared)
{
    s->declared = declared;
    bool same = s->fingerprint == fingerprint;
    s->fingerprint = fingerprint;
    if (!s->there) {
        s->there = true;
        build_begin(&s->served, 1, 0, 0);
    } else if (!same && (s->has_next || s->served.position > 0)) {
        const struct history_build *b = written_const(s);
        build_begin(&s->served, b->build + 1, b->incarnation, TARGET_UNKNOWN);
        s->has_next = false;
    }
}

static void fold_gap(struct history_build *b, uint64_t first, uint64_t last)
{
    size_t at = strlen(b->gaps);
    (void)snprintf(b->gaps + at, sizeof b->gaps - at, "%s%llu-%llu", at == 0 ? "" : ",", (unsigned long long)first,
                   (unsigned long long)last);
    b->gaps_count++;
}

/* ---- events ---- */

static void reject(struct history *h, size_t stream, const struct history_build *b, uint64_t sequence,
                   const struct history_event *e, enum event_reason reason)
{
    if (h->rejected_count == h->rejected_capacity) {
        h->rejected_capacity = h->rejected_capacity == 0 ? 64 : h->rejected_capacity * 2;
        h->rejected = reallocarray(h->rejected, h->rejected_capacity, sizeof h->rejected[0]);
        if (h->rejected == NULL)
            abort();
    }
    h->rejected[h->rejected_count++] = (struct history_rejected){
        stream, b->build,
        hash_rejected(sequence, hash_text(slice_of(event_reason_name(reason))),
                      hash_text(history_collection_name(stream, e->collection)), hash_text(history_id(e->id)),
                      e->version)};
}

/* The oldest beyond the limit, over the written builds. */
static void reject_trim(struct history *h)
{
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < h->rejected_count; i++)
        count += h->rejected[i].build == written_const(&h->streams[h->rejected[i].stream])->build;
    for (size_t i = 0; i < h->rejected_count; i++) {
        struct history_rejected r = h->rejected[i];
        if (count > h->rejected_max && r.build == written_const(&h->streams[r.stream])->build)
            count--;
        else
            h->rejected[kept++] = r;
    }
    h->rejected_count = kept;
}

static bool collection_take(struct history *h, struct history_build *b, const struct history_event *e)
{
    size_t count = 0;
    if (b->known[e->collection])
        return true;
    for (size_t i = 0; i < HISTORY_STREAMS; i++) {
        for (size_t c = 0; c < HISTORY_COLLECTIONS; c++)
            count += written_const(&h->streams[i])->known[c];
    }
    b->known[e->collection] = count < h->collections_max;
    return b->known[e->collection];
}

static void row_write(size_t stream, struct history_build *b, struct history_row *row, const struct history_event *e,
                      uint64_t sequence, uint64_t content)
{
    row->version = e->kind == EVENT_ERASE ? row->version : e->version;
    row->deleted = e->kind != EVENT_STATE;
    row->sequence = sequence;
    row->content = content;
    row->hash = hash_entity(hash_text(history_collection_name(stream, e->collection)), hash_text(history_id(e->id)),
                            row->version, row->deleted, sequence, content,
                            e->dated ? hash_text(slice_of(HISTORY_OCCURRED_AT)) : 0);
    b->changed[e->collection] = sequence;
}

/* True if a row changed; `*rejected` if something is to be recorded. */
static bool fold_event(struct history *h, size_t stream, struct history_build *b, uint64_t sequence, bool *rejected)
{
    static char state[HISTORY_STATE_BYTES_MAX];
    struct history_event e = history_event_at(h->seed, stream, b->incarnation, sequence);
    struct history_row *row = &b->rows[e.collection][e.id];
    uint64_t content = 0;
    if (e.kind == EVENT_REJECTED) {
        reject(h, stream, b, sequence, &e, e.reason);
        *rejected = true;
    }
    if (e.kind == EVENT_IGNORED || e.kind == EVENT_REJECTED)
        return false;
    if (e.kind == EVENT_ERASE) {
        if (row->version == 0 || row->deleted)
            return false;
        row_write(stream, b, row, &e, sequence, 0);
        return true;
    }
    if (!collection_take(h, b, &e)) {
        reject(h, stream, b, sequence, &e, REASON_TOO_MANY_COLLECTIONS);
        *rejected = true;
        return false;
    }
    if (e.kind == EVENT_STATE) {
        history_state(&e, state);
        content = hash_text((struct slice){state, e.state_bytes});
    }
    if (e.version > row->version) {
        row_write(stream, b, row, &e, sequence, content);
        return true;
    }
    if (e.version == row->version && (row->deleted != (e.kind == EVENT_TOMBSTONE) || row->content != content)) {
        reject(h, stream, b, sequence, &e, REASON_CONFLICT);
        *rejected = true;
    }
    return false;
}

static void fold_apply(struct history *h, const struct history_step *step)
{
    struct history_stream *s = &h->streams[step->stream];
    struct history_build *b = written(s);
    bool rejected = false;
    uint64_t before = b->position;
    for (uint64_t sequence = step->first; sequence <= step->last; sequence++) {
        if (sequence <= b->position)
            continue;
        (void)fold_event(h, step->stream, b, sequence, &rejected);
        b->position = sequence;
    }
    if (rejected)
        reject_trim(h);
    if (b->position > before)
        swap_if_whole(h, step, step->stream);
}

static bool fold_removal(struct history_build *b, size_t collection, uint64_t max)
{
    struct history_row *oldest = NULL;
    uint64_t count = 0;
    for (size_t i = 0; i < HISTORY_IDS; i++) {
        struct history_row *row = &b->rows[collection][i];
        if (row->version == 0 || !row->deleted)
            continue;
        count++;
        if (oldest == NULL || row->sequence < oldest->sequence)
            oldest = row;
    }
    if (count <= max)
        return false;
    b->floors[collection] = oldest->sequence;
    *oldest = (struct history_row){0};
    return true;
}

void history_fold(struct history *h, const struct history_step *step)
{
    struct history_stream *s = &h->streams[step->stream];
    switch (step->kind) {
    case STEP_ATTACH:
        fold_attach(s, step->fingerprint, step->declared);
        swap_if_whole(h, step, step->stream);
        break;
    case STEP_IDENTIFY:
        s->incarnations = s->served.incarnation = 1;
        break;
    case STEP_APPLY:
        fold_apply(h, step);
        break;
    case STEP_BEGIN_BUILD:
        fold_begin_build(h, s, step->target);
        break;
    case STEP_SET_TARGET:
        written(s)->target = (int64_t)step->target;
        swap_if_whole(h, step, step->stream);
        break;
    case STEP_ADVANCE:
        if (step->last > written(s)->position) {
            written(s)->position = step->last;
            swap_if_whole(h, step, step->stream);
        }
        break;
    case STEP_ADD_GAP:
        fold_gap(written(s), step->first, step->last);
        break;
    case STEP_SWEEP:
        break;
    case STEP_REMOVE_TOMBSTONE: /* one: of the next build where the served one has none beyond it */
        if (!fold_removal(&s->served, step->first, step->target) && s->has_next)
            (void)fold_removal(&s->next, step->first, step->target);
        break;
    case STEP_FIELDS:
        for (size_t i = 0; i < HISTORY_STREAMS; i++)
            swap_if_whole(h, step, i);
        break;
    }
}
