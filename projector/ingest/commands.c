/* What the sources ask of the projector's thread. */
#include "projector/ingest/commands.h"

#include "projector/ingest/keys.h"
#include "projector/ingest/publish.h"
#include "projector/ingest/tombstones.h"

/* What a source asks for; it is on the asker's stack until `done`. */
struct command {
    enum {
        COMMAND_LOAD,
        COMMAND_IDENTIFY,
        COMMAND_BEGIN_BUILD,
        COMMAND_SET_TARGET,
        COMMAND_BEGUN,
        COMMAND_SETTLE,
        COMMAND_COUNT_KEYS,
        COMMAND_REVIEW,
        COMMAND_ADVANCE
    } kind;
    size_t stream;
    int64_t created_ns;
    struct epoch epoch;
    uint64_t last;        /* a target, a position, or the end of a hole */
    uint64_t removed;     /* up to `last`; so is `missing` */
    int64_t missing;
    const struct gap *gaps;
    size_t gaps_count;
    bool nothing_removed;
    const struct keys_question *question;
    struct keys_counted *counted;
    struct store_review *review;
    size_t rows_max;
    bool *more;
    bool reviewed; /* the review wrote something */
    uint64_t generation;
    struct build *loaded; /* where COMMAND_LOAD puts what is written */
    struct sg_error *err;
    enum sg_status status;
    bool done;
    struct command *next;
};

/* ---- asking ---- */

struct queue *ingest_queue(struct ingest *ingest, size_t stream)
{
    return ingest->writers[stream].queue;
}

uint64_t ingest_position(const struct ingest *ingest, size_t stream)
{
    return atomic_load(&ingest->writers[stream].position);
}

struct hole ingest_hole(const struct ingest *ingest, size_t stream)
{
    const struct stream_writer *writer = &ingest->writers[stream];
    return (struct hole){.first = atomic_load(&writer->hole_first), .last = atomic_load(&writer->hole_last)};
}

bool ingest_may_be(const struct ingest *ingest, size_t stream, uint64_t position, int64_t time_ns)
{
    const struct stream_writer *writer = &ingest->writers[stream];
    bool is_there = atomic_load(&writer->position) == position;
    int64_t applied_ns = atomic_load(&writer->position_time_ns);
    /* Both belong together where the position has not moved in between. */
    return !is_there || applied_ns == 0 || applied_ns == time_ns || atomic_load(&writer->position) != position;
}

bool ingest_keys_counted(struct ingest *ingest, size_t stream, struct keys_counted *out)
{
    struct stream_writer *writer = &ingest->writers[stream];
    (void)pthread_mutex_lock(&ingest->mutex);
    *out = writer->counted;
    writer->counted.known = false;
    (void)pthread_mutex_unlock(&ingest->mutex);
    return out->known;
}

uint64_t ingest_forgotten(const struct ingest *ingest, size_t stream)
{
    return atomic_load(&ingest->writers[stream].forgotten);
}

void ingest_hold_tombstones(struct ingest *ingest, size_t stream, bool held)
{
    atomic_store(&ingest->writers[stream].held, held);
}

void ingest_set_clock(struct ingest *ingest, size_t stream, int64_t now_ns)
{
    atomic_store_explicit(&ingest->writers[stream].clock_ns, now_ns, memory_order_relaxed);
}

static enum sg_status ask(struct ingest *ingest, struct command *c)
{
    (void)pthread_mutex_lock(&ingest->mutex);
    struct command **tail = &ingest->commands;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = c;
    notifier_notify(ingest->notifier);
    while (!c->done && !ingest->stopped)
        (void)pthread_cond_wait(&ingest->done_cond, &ingest->mutex);
    bool done = c->done;
    (void)pthread_mutex_unlock(&ingest->mutex);
    return done ? c->status : sg_fail(c->err, SG_STOPPED, "the projector is stopping");
}

enum sg_status ingest_load(struct ingest *ingest, size_t stream, struct build *out, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_LOAD, .stream = stream, .loaded = out, .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_identify(struct ingest *ingest, size_t stream, int64_t created_ns, const struct epoch *epoch,
                               struct sg_error *err)
{
    struct command c = {
        .kind = COMMAND_IDENTIFY, .stream = stream, .created_ns = created_ns, .epoch = *epoch, .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_begin_build(struct ingest *ingest, size_t stream, int64_t created_ns, const struct epoch *epoch,
                                  uint64_t target, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_BEGIN_BUILD,
                        .stream = stream,
                        .created_ns = created_ns,
                        .epoch = *epoch,
                        .last = target,
                        .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_set_target(struct ingest *ingest, size_t stream, uint64_t target, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_SET_TARGET, .stream = stream, .last = target, .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_begun(struct ingest *ingest, size_t stream, uint64_t last, uint64_t removed, int64_t missing,
                            struct sg_error *err)
{
    struct command c = {.kind = COMMAND_BEGUN,
                        .stream = stream,
                        .last = last,
                        .removed = removed,
                        .missing = missing,
                        .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_settle(struct ingest *ingest, size_t stream, uint64_t through, const struct gap *gaps,
                             size_t gaps_count, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_SETTLE,
                        .stream = stream,
                        .last = through,
                        .gaps = gaps,
                        .gaps_count = gaps_count,
                        .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_count_keys(struct ingest *ingest, size_t stream, const struct keys_question *question,
                                 struct keys_counted *out, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_COUNT_KEYS,
                        .stream = stream,
                        .question = question,
                        .counted = out,
                        .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_review(struct ingest *ingest, size_t stream, struct store_review *review, size_t rows_max,
                             bool *more, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_REVIEW,
                        .stream = stream,
                        .review = review,
                        .rows_max = rows_max,
                        .more = more,
                        .err = err};
    return ask(ingest, &c);
}

enum sg_status ingest_advance(struct ingest *ingest, size_t stream, uint64_t generation, uint64_t position,
                              bool nothing_removed, struct sg_error *err)
{
    struct command c = {.kind = COMMAND_ADVANCE,
                        .stream = stream,
                        .generation = generation,
                        .last = position,
                        .nothing_removed = nothing_removed,
                        .err = err};
    return ask(ingest, &c);
}

/* ---- serving ---- */

/* Something was stored: the stream is not halted any more, unless a batch still waits for its next attempt. */
static void command_succeeded(struct ingest *ingest, size_t stream)
{
    stream_writer_drop_void(&ingest->writers[stream]);
    if (ingest->writers[stream].items_count == 0)
        ingest_succeeded(ingest, stream);
}

/* Not halted first: who is woken by what is published would still read that it is. */
static enum sg_status publish_stored(struct ingest *ingest, const struct command *c, enum sg_status status)
{
    if (status != SG_OK)
        return status;
    command_succeeded(ingest, c->stream);
    return publish_row(ingest, c->stream, c->err);
}

static enum sg_status begin_build(struct ingest *ingest, const struct command *c)
{
    struct stream_metrics *metrics = metrics_stream(ingest->context.metrics, c->stream);
    const struct stream_writer *writer = &ingest->writers[c->stream];
    bool another_incarnation = !epoch_equal(&writer->epoch, &c->epoch);
    /* Proofs of another incarnation say nothing of this one, nor of rows that are served on from before; those of the
     * same incarnation still prove such rows. Without such rows nothing is ready. */
    if (!writer->is_next && ingest_position(ingest, c->stream) == 0)
        freshness_clear_ready(ingest->context.freshness, c->stream);
    if (another_incarnation)
        freshness_reset(ingest->context.freshness, c->stream);
    enum sg_status status =
        store_stream_begin_build(ingest->context.store, writer->id, c->created_ns, &c->epoch, c->last, c->err);
    if (status != SG_OK) {
        (void)!publish_row(ingest, c->stream, NULL); /* the rows are still where they were */
        return status;
    }
    if (another_incarnation)
        atomic_fetch_add_explicit(&metrics->epoch_changes, 1, memory_order_relaxed);
    ingest->sweep_needed = true;
    status = publish_stored(ingest, c, SG_OK);
    freshness_set_ready_target(ingest->context.freshness, c->stream, c->last, &c->epoch);
    if (c->last == 0)
        freshness_set_ready(ingest->context.freshness, c->stream);
    return status;
}

/* A review, during which markers are found to be gone. */
struct review_here {
    struct markers *markers;
    store_reviewer *review;
    void *context;
};

static enum store_review_result review_one(void *context, const struct store_reviewed *entity)
{
    struct review_here *here = context;
    enum store_review_result result = here->review(here->context, entity);
    if (result == REVIEW_GONE && entity->deleted)
        markers_remove(here->markers, entity->collection, entity->id);
    return result;
}

/* A row that is deleted, or has a gap now: whoever waits looks again. */
static enum sg_status review(struct ingest *ingest, struct command *c)
{
    uint64_t found = c->review->gaps_count + c->review->deleted_count;
    struct store_review *review = c->review;
    struct review_here here = {.markers = &ingest->writers[c->stream].markers, .review = review->review,
                               .context = review->context};
    review->review = review_one;
    review->context = &here;
    enum sg_status status =
        store_review(ingest->context.store, ingest->writers[c->stream].id, review, c->rows_max, c->more, c->err);
    review->review = here.review;
    review->context = here.context;
    c->reviewed = status == SG_OK && c->review->gaps_count + c->review->deleted_count != found;
    if (c->reviewed)
        progress_changed(ingest->context.progress);
    if (c->reviewed)
        tombstones_came(ingest->tombstones);
    return status;
}

static enum sg_status advance(struct ingest *ingest, const struct command *c)
{
    struct stream_writer *writer = &ingest->writers[c->stream];
    if (writer->items_count > 0 || !queue_is_current(writer->queue, c->generation) || !queue_is_idle(writer->queue))
        return SG_OK;
    enum sg_status status =
        store_stream_advance(ingest->context.store, writer->id, c->last, c->nothing_removed, c->err);
    return publish_stored(ingest, c, status);
}

static enum sg_status command_run(struct ingest *ingest, struct command *c)
{
    struct store_writer *store = ingest->context.store;
    int64_t id = ingest->writers[c->stream].id;
    enum sg_status status = SG_OK;
    switch (c->kind) {
    case COMMAND_LOAD:
        return store_build_load(store, id, c->loaded, c->err);
    case COMMAND_IDENTIFY:
        status = store_stream_identify(store, id, c->created_ns, &c->epoch, c->err);
        return publish_stored(ingest, c, status);
    case COMMAND_BEGIN_BUILD:
        return begin_build(ingest, c);
    case COMMAND_SET_TARGET:
        status = store_stream_set_target(store, id, c->last, c->err);
        return publish_stored(ingest, c, status);
    case COMMAND_BEGUN:
        return store_stream_begun(store, id, c->last, c->removed, c->missing, c->err);
    case COMMAND_SETTLE:
        status = store_stream_settle(store, id, c->last, c->gaps, c->gaps_count, c->err);
        return publish_stored(ingest, c, status);
    case COMMAND_COUNT_KEYS:
        return count_keys_at(ingest, c->stream, c->question, c->counted, c->err);
    case COMMAND_REVIEW:
        return review(ingest, c);
    case COMMAND_ADVANCE:
        return advance(ingest, c);
    }
    return SG_OK;
}

static bool command_only_reads(const struct command *c)
{
    return c->kind == COMMAND_LOAD || c->kind == COMMAND_COUNT_KEYS || (c->kind == COMMAND_REVIEW && !c->reviewed);
}

/* A command that cannot be stored halts the stream as a batch does; its asker tries again. That a row can be read says
 * nothing of the disk's room. */
static void command_note(struct ingest *ingest, const struct command *c, enum sg_status status)
{
    struct stream_writer *writer = &ingest->writers[c->stream];
    bool failed = status == SG_STORAGE || status == SG_FULL || status == SG_CORRUPT;
    bool written = !failed && !command_only_reads(c);
    if (failed)
        ingest_command_failed(ingest, c->stream, c->err);
    else if (written && writer->retry_ms != 0)
        writer->command_failed = false; /* the batch is not through yet */
    stream_writer_drop_void(writer);
    if (written && (writer->command_failed || (status == SG_OK && writer->items_count == 0)))
        ingest_succeeded(ingest, c->stream);
}

void commands_run(struct ingest *ingest)
{
    (void)pthread_mutex_lock(&ingest->mutex);
    while (ingest->commands != NULL) {
        struct command *c = ingest->commands;
        ingest->commands = c->next;
        (void)pthread_mutex_unlock(&ingest->mutex);
        enum sg_status status = command_run(ingest, c);
        command_note(ingest, c, status);
        (void)pthread_mutex_lock(&ingest->mutex);
        c->status = status;
        c->done = true;
        (void)pthread_cond_broadcast(&ingest->done_cond);
    }
    (void)pthread_mutex_unlock(&ingest->mutex);
}

void commands_stop(struct ingest *ingest)
{
    (void)pthread_mutex_lock(&ingest->mutex);
    ingest->stopped = true;
    (void)pthread_cond_broadcast(&ingest->done_cond);
    (void)pthread_mutex_unlock(&ingest->mutex);
}
