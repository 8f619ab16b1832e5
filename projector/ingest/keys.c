/* Counting keys: what is counted later is kept for the source, which is notified. */
#include "projector/ingest/keys.h"

static enum sg_status count_now(struct ingest *ingest, size_t stream, const struct keys_question *question,
                                struct keys_counted *out, struct sg_error *err)
{
    struct store_writer *store = ingest->context.store;
    struct store_keys keys = {0};
    enum sg_status status = store_keys_count(store, ingest->writers[stream].id, &keys, err);
    out->keys = keys.count;
    out->nothing_rejected = status == SG_OK && keys.rejected == 0;
    out->forgotten = atomic_load(&ingest->writers[stream].forgotten);
    out->ever_forgotten = keys.forgotten;
    out->known = status == SG_OK;
    out->markers_due = markers_due(&ingest->writers[stream].markers, question->now_ns, question->max_age_ns);
    return status;
}

enum sg_status count_keys_at(struct ingest *ingest, size_t stream, const struct keys_question *question,
                             struct keys_counted *out, struct sg_error *err)
{
    struct stream_writer *writer = &ingest->writers[stream];
    *out = (struct keys_counted){.known = false};
    writer->question.head = 0;
    (void)pthread_mutex_lock(&ingest->mutex);
    writer->counted.known = false; /* of an answer that nobody waits for any more */
    (void)pthread_mutex_unlock(&ingest->mutex);
    if (atomic_load(&writer->position) >= question->head)
        return count_now(ingest, stream, question, out, err);
    writer->question = *question;
    return SG_OK;
}

static void count_for_source(struct ingest *ingest, size_t stream)
{
    struct keys_counted counted = {.known = false};
    struct sg_error err;
    if (count_now(ingest, stream, &ingest->writers[stream].question, &counted, &err) != SG_OK)
        return; /* what reads fail of is shown by the next command; this is tried again with the next commit */
    ingest->writers[stream].question.head = 0;
    (void)pthread_mutex_lock(&ingest->mutex);
    ingest->writers[stream].counted = counted;
    (void)pthread_mutex_unlock(&ingest->mutex);
    progress_want_probe(ingest->context.progress, stream);
}

size_t count_keys_before(struct ingest *ingest, size_t stream)
{
    struct stream_writer *writer = &ingest->writers[stream];
    size_t count = writer->items_count;
    if (writer->question.head == 0)
        return count;
    if (count > 0 && writer->items[0].message.sequence > writer->question.head)
        count_for_source(ingest, stream); /* nothing of what is counted comes any more */
    else
        while (count > 0 && writer->items[count - 1].message.sequence > writer->question.head)
            count--;
    return count;
}

void count_keys_due(struct ingest *ingest, size_t stream, uint64_t position)
{
    const struct stream_writer *writer = &ingest->writers[stream];
    if (writer->question.head != 0 && position >= writer->question.head)
        count_for_source(ingest, stream);
}
