/* The events, their fold, and the questions. */
#include "damage_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 100
#define STATE_BYTES_MAX 9000
#define EPOCH "abcdef"

uint64_t world_chance(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ---- events ---- */

static uint64_t about(uint64_t sequence)
{
    return world_chance(&(uint64_t){sequence});
}

static size_t number_of(uint64_t sequence)
{
    return about(sequence) % WORLD_IDS;
}

static bool is_tombstone(uint64_t sequence)
{
    return about(sequence) % 13 == 0;
}

static bool is_rejected(uint64_t sequence)
{
    return about(sequence) % 37 == 0;
}

static const char *collection_of(size_t number)
{
    return number % 3 == 0 ? "orders" : "customers";
}

static void id_text(size_t number, char out[64])
{
    (void)snprintf(out, 64, "id-%zu-%.*s", number, (int)(number % 40), "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop");
}

/* Most are small, and some lie on overflow pages. */
static size_t state_text(uint64_t sequence, char out[STATE_BYTES_MAX])
{
    uint64_t chance = about(sequence + 1000000);
    size_t fill = chance % 20 == 0 ? 2000 + chance % 6000 : chance % 500;
    int head = snprintf(out, STATE_BYTES_MAX, "{\"sequence\":%llu,\"fill\":\"", (unsigned long long)sequence);
    for (size_t i = 0; i < fill; i++)
        out[(size_t)head + i] = (char)('a' + (chance >> (i % 50) & 15));
    memcpy(out + head + fill, "\"}", 3);
    return (size_t)head + fill + 2;
}

static struct event event_at(uint64_t sequence, char id[64], char state[STATE_BYTES_MAX])
{
    size_t number = number_of(sequence);
    struct event e = {.kind = EVENT_STATE,
                      .sequence = sequence,
                      .time_ns = (int64_t)sequence * 1000,
                      .subject = SLICE_LITERAL("state.x"),
                      .collection = slice_of(collection_of(number)),
                      .version = (int64_t)sequence};
    id_text(number, id);
    e.id = slice_of(id);
    if (is_rejected(sequence)) {
        e.kind = EVENT_REJECTED;
        e.reason = REASON_BAD_JSON;
        e.detail = SLICE_LITERAL("as planned");
    } else if (is_tombstone(sequence)) {
        e.kind = EVENT_TOMBSTONE;
    } else {
        e.state = (struct slice){state, state_text(sequence, state)};
    }
    return e;
}

/* ---- the store ---- */

enum sg_status world_open(struct world *w, const char *path, struct sg_error *err)
{
    /* A small limit, so that the WAL is written back often. */
    struct store_options options = {.path = path, .bytes_max = 8 << 20, .collections_max = 10, .rejected_max = 1000};
    struct epoch epoch = {EPOCH};
    bool reshaped = false;
    struct build build;
    memset(w, 0, sizeof *w);
    enum sg_status status = store_open(&options, &w->writer, &w->report, err);
    if (status != SG_OK)
        return status;
    status = store_stream_attach(w->writer, "ORDERS", STREAM_FINGERPRINT("shape"), &w->stream, &reshaped, err);
    if (status == SG_OK)
        status = store_build_load(w->writer, w->stream.id, &build, err);
    if (status == SG_OK && build.created_ns == 0)
        status = store_stream_identify(w->writer, w->stream.id, 1, &epoch, err);
    if (status == SG_OK)
        status = store_reader_open(path, NULL, &w->reader, err);
    if (status != SG_OK)
        world_close(w);
    return status;
}

void world_close(struct world *w)
{
    store_reader_close(w->reader);
    store_close(w->writer);
    w->reader = NULL;
    w->writer = NULL;
}

static enum sg_status apply_batch(struct world *w, size_t count, struct sg_error *err)
{
    static char ids[BATCH_MAX][64];
    static char states[BATCH_MAX][STATE_BYTES_MAX];
    static struct event events[BATCH_MAX];
    enum event_result results[BATCH_MAX];
    enum event_reason reasons[BATCH_MAX];
    for (size_t i = 0; i < count; i++)
        events[i] = event_at(w->stream.position + 1 + i, ids[i], states[i]);
    return store_apply(w->writer, w->stream.id, events, count, NULL, results, reasons, &w->stream.position, err);
}

enum sg_status world_apply(struct world *w, uint64_t target, uint64_t *chance, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    while (status == SG_OK && w->stream.position < target) {
        uint64_t left = target - w->stream.position;
        uint64_t count = 1 + world_chance(chance) % BATCH_MAX;
        if (world_chance(chance) % 8 == 0)
            (void)!store_read_begin(w->reader, NULL);
        else if (world_chance(chance) % 4 == 0)
            store_read_end(w->reader);
        status = apply_batch(w, (size_t)(count < left ? count : left), err);
    }
    store_read_end(w->reader);
    return status;
}

/* ---- questions ---- */

/* The sequence that wrote each row; 0 = there is none. */
struct fold {
    uint64_t rows[WORLD_IDS];
    uint64_t rejected;
};

static void fold_to(struct fold *f, uint64_t position)
{
    memset(f, 0, sizeof *f);
    for (uint64_t sequence = 1; sequence <= position; sequence++) {
        if (is_rejected(sequence))
            f->rejected++;
        else
            f->rows[number_of(sequence)] = sequence;
    }
}

__attribute__((format(printf, 2, 3))) static void wrong(struct world_answers *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (a->wrong++ == 0)
        (void)vsnprintf(a->first_wrong, sizeof a->first_wrong, format, arguments);
    va_end(arguments);
}

/* Is it an answer at all? Counts the others. */
static bool answered(struct world_answers *a, enum sg_status status)
{
    if (status == SG_OK || status == SG_NOT_FOUND)
        return true;
    a->errors++;
    return false;
}

static bool same(const struct entity *e, uint64_t sequence)
{
    static char state[STATE_BYTES_MAX];
    bool deleted = is_tombstone(sequence);
    size_t bytes = deleted ? 0 : state_text(sequence, state);
    return e->sequence == sequence && e->version == (int64_t)sequence && e->deleted == deleted &&
           e->state.bytes == bytes && (bytes == 0 || memcmp(e->state.data, state, bytes) == 0);
}

static void ask_entity(struct world *w, const struct fold *f, size_t number, struct world_answers *a)
{
    char id[64];
    struct entity entity;
    struct store_entity_rejections rejections;
    id_text(number, id);
    uint64_t sequence = number < WORLD_IDS ? f->rows[number] : 0;
    enum sg_status status = store_read_entity(w->reader, slice_of(collection_of(number)), slice_of(id), &entity, NULL);
    if (!answered(a, status))
        return;
    if (status == SG_NOT_FOUND && sequence != 0)
        wrong(a, "%s is missing, written by %llu", id, (unsigned long long)sequence);
    else if (status == SG_OK && (sequence == 0 || !same(&entity, sequence)))
        wrong(a, "%s is %lld, written by %llu, wanted %llu", id, (long long)entity.version,
              (unsigned long long)entity.sequence, (unsigned long long)sequence);
    else
        a->equal++;
    (void)answered(a, store_read_entity_rejections(w->reader, slice_of(collection_of(number)), slice_of(id), 0, 0,
                                                   &rejections, NULL));
}

struct page {
    const struct fold *fold;
    struct world_answers *answers;
    uint64_t seen;
};

static bool visit(void *context, const struct entity *entity)
{
    struct page *p = context;
    char text[64] = "";
    (void)snprintf(text, sizeof text, "%.*s", (int)entity->id.bytes, entity->id.data);
    char id[64] = "";
    size_t number = (size_t)strtoul(text + (entity->id.bytes > 3 ? 3 : 0), NULL, 10);
    id_text(number, id);
    uint64_t sequence = number < WORLD_IDS ? p->fold->rows[number] : 0;
    struct entity row = *entity;
    row.sequence = sequence; /* a page does not read it; here the version says the same */
    if (strcmp(id, text) != 0 || sequence == 0 || !same(&row, sequence))
        wrong(p->answers, "a page has %s at version %lld, wanted %llu", text, (long long)entity->version,
              (unsigned long long)sequence);
    p->seen++;
    return p->seen < 10 * WORLD_IDS;
}

static void ask_collection(struct world *w, const struct fold *f, const char *name, struct world_answers *a)
{
    struct page p = {.fold = f, .answers = a};
    struct store_collection collection;
    uint64_t alive = 0;
    for (size_t i = 0; i < WORLD_IDS; i++)
        alive += strcmp(collection_of(i), name) == 0 && f->rows[i] != 0 && !is_tombstone(f->rows[i]);
    enum sg_status status = store_read_page(w->reader, slice_of(name), (struct slice){"", 0}, visit, &p, NULL);
    if (answered(a, status) && p.seen != alive)
        wrong(a, "pages of %s hold %llu, wanted %llu", name, (unsigned long long)p.seen, (unsigned long long)alive);
    status = store_read_collection(w->reader, slice_of(name), &collection, NULL);
    if (answered(a, status) && (status == SG_OK ? collection.entities : 0) != alive)
        wrong(a, "%s counts %llu, wanted %llu", name, (unsigned long long)collection.entities,
              (unsigned long long)alive);
}

void world_ask(struct world *w, struct world_answers *a)
{
    struct fold f;
    uint64_t rejected = 0;
    uint64_t conflicts = 0;
    memset(a, 0, sizeof *a);
    if (!answered(a, store_read_begin(w->reader, NULL)))
        return;
    const struct stream *stream = store_read_stream(w->reader, "ORDERS");
    a->position = stream != NULL ? stream->position : 0;
    if (stream == NULL || a->position > WORLD_EVENTS || strcmp(stream->epoch.text, EPOCH) != 0)
        wrong(a, "the stream is at %llu", (unsigned long long)a->position);
    fold_to(&f, a->position);
    for (size_t i = 0; i < WORLD_IDS + WORLD_IDS_NEVER; i++)
        ask_entity(w, &f, i, a);
    ask_collection(w, &f, "customers", a);
    ask_collection(w, &f, "orders", a);
    if (answered(a, store_read_rejected_count(w->reader, "ORDERS", &rejected, &conflicts, NULL)) &&
        rejected != f.rejected)
        wrong(a, "%llu rejected, wanted %llu", (unsigned long long)rejected, (unsigned long long)f.rejected);
    store_read_end(w->reader);
}
