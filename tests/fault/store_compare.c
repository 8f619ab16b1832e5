/* What readers see of a history, compared with its fold. */
#include "store_history.h"

/* `found` NULL = never seen. */
static enum sg_status compare_row(const struct history_row *row, const struct entity *found, struct slice collection,
                                  struct slice id, struct sg_error *err)
{
    if (found == NULL ? row->version == 0
                      : found->version == row->version && found->deleted == row->deleted &&
                            found->sequence == row->sequence && hash_text(found->state) == row->content)
        return SG_OK;
    return sg_fail(err, SG_INVALID, "%.*s/%.*s is wrong: version %lld, fold %lld", SLICE_ARGS(collection),
                   SLICE_ARGS(id), found != NULL ? (long long)found->version : -1LL, (long long)row->version);
}

static enum sg_status compare_entity(const struct history_row *row, struct store_reader *r, struct slice collection,
                                     struct slice id, struct sg_error *err)
{
    struct entity found;
    enum sg_status status = store_read_entity(r, collection, id, &found, err);
    if (status != SG_OK && status != SG_NOT_FOUND)
        return status;
    return compare_row(row, status == SG_OK ? &found : NULL, collection, id, err);
}

static enum sg_status compare_collection(const struct history_build *b, size_t stream, size_t c, struct store_reader *r,
                                         struct sg_error *err)
{
    struct store_collection found;
    struct slice name = history_collection_name(stream, c);
    uint64_t alive = 0;
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < HISTORY_IDS; i++) {
        alive += b->rows[c][i].version != 0 && !b->rows[c][i].deleted;
        status = compare_entity(&b->rows[c][i], r, name, history_id(i), err);
    }
    if (status != SG_OK)
        return status;
    status = store_read_collection(r, name, &found, err);
    if (status == SG_NOT_FOUND && !b->known[c])
        return SG_OK;
    if (status == SG_OK && (!b->known[c] || found.entities != alive || found.position != b->changed[c]))
        status = sg_fail(err, SG_INVALID, "%.*s counts %llu, fold %llu", SLICE_ARGS(name),
                         (unsigned long long)found.entities, (unsigned long long)alive);
    return status == SG_NOT_FOUND ? SG_INVALID : status;
}

static enum sg_status compare_stream(const struct history_build *b, size_t stream, struct store_reader *r,
                                     struct sg_error *err)
{
    const struct stream *found = store_read_stream(r, history_stream_name(stream));
    if (found != NULL && found->position == b->position && found->build == b->build)
        return SG_OK;
    return sg_fail(err, SG_INVALID, "%s: build %lld position %llu, fold %lld and %llu", history_stream_name(stream),
                   found != NULL ? (long long)found->build : -1LL,
                   found != NULL ? (unsigned long long)found->position : 0ULL, (long long)b->build,
                   (unsigned long long)b->position);
}

/* What is in the cache of rows, without a transaction. The writer is in the same thread: nothing is committed now. */
static enum sg_status compare_cached(const struct history *h, struct store_reader *r, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < HISTORY_STREAMS * HISTORY_COLLECTIONS * HISTORY_IDS; i++) {
        size_t stream = i / (HISTORY_COLLECTIONS * HISTORY_IDS);
        size_t c = i / HISTORY_IDS % HISTORY_COLLECTIONS;
        const struct history_build *b = &h->streams[stream].served;
        struct slice name = history_collection_name(stream, c);
        struct slice id = history_id(i % HISTORY_IDS);
        struct entity found;
        status = compare_stream(b, stream, r, err);
        if (status == SG_OK && store_read_cached(r, name, id, &found))
            status = compare_row(&b->rows[c][i % HISTORY_IDS], found.version != 0 ? &found : NULL, name, id, err);
    }
    return status;
}

enum sg_status history_compare(const struct history *h, struct store_reader *r, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    for (size_t i = 0; status == SG_OK && i < HISTORY_STREAMS; i++) {
        const struct history_build *b = &h->streams[i].served;
        status = compare_stream(b, i, r, err);
        for (size_t c = 0; status == SG_OK && c < HISTORY_COLLECTIONS; c++)
            status = compare_collection(b, i, c, r, err);
    }
    return status;
}

enum sg_status history_read(const struct history *h, struct store_reader *r, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    if (store_read_peek(r))
        status = compare_cached(h, r, err);
    if (status == SG_OK)
        status = store_read_begin(r, err);
    if (status == SG_OK)
        status = history_compare(h, r, err);
    store_read_end(r);
    return status;
}
