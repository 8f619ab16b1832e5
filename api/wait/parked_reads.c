/* The parked reads of one loop. */
#include "api/wait/parked_reads.h"

#include <assert.h>
#include <stdlib.h>

#define HEAP_CAPACITY_MIN 64u
#define CHAINS_MIN 1024u /* a power of two; doubled when chains get long */

struct heap {
    struct heap_entry **entries; /* owned; from 1 */
    size_t count;
    size_t capacity;
};

struct stream_wants {
    struct heap positions;
    struct heap proofs;
    struct heap probes;
    int64_t probe_newest_ns; /* the largest time wanted since nothing was; INT64_MIN = nothing is */
    size_t impatient;        /* reads that want a proof or a probe at once */
    bool changed;            /* since the last parked_reads_publish */
};

struct parked_reads {
    struct progress_loop *loop; /* borrowed */
    struct heap deadlines;
    struct parked_read **chains; /* owned; by the entity's name */
    size_t chains_count;
    size_t entities_count;
    struct parked_read *unchecked;
    size_t streams_count;
    struct stream_wants streams[];
};

/* ---- heaps ---- */

static bool heap_reserve(struct heap *h)
{
    if (h->count + 1 < h->capacity)
        return true;
    size_t capacity = h->capacity > 0 ? h->capacity * 2 : HEAP_CAPACITY_MIN;
    struct heap_entry **entries = realloc(h->entries, capacity * sizeof h->entries[0]);
    if (entries == NULL)
        return false;
    h->entries = entries;
    h->capacity = capacity;
    return true;
}

static void heap_put(struct heap *h, size_t index, struct heap_entry *entry)
{
    h->entries[index] = entry;
    entry->index = index;
}

static void heap_up(struct heap *h, size_t index)
{
    struct heap_entry *entry = h->entries[index];
    for (; index > 1 && h->entries[index / 2]->key > entry->key; index /= 2)
        heap_put(h, index, h->entries[index / 2]);
    heap_put(h, index, entry);
}

static void heap_down(struct heap *h, size_t index)
{
    struct heap_entry *entry = h->entries[index];
    for (;;) {
        size_t child = index * 2;
        if (child > h->count)
            break;
        if (child < h->count && h->entries[child + 1]->key < h->entries[child]->key)
            child++;
        if (h->entries[child]->key >= entry->key)
            break;
        heap_put(h, index, h->entries[child]);
        index = child;
    }
    heap_put(h, index, entry);
}

/* Room was reserved. */
static void heap_add(struct heap *h, struct heap_entry *entry, struct parked_read *owner, uint64_t key)
{
    entry->owner = owner;
    entry->key = key;
    h->entries[++h->count] = entry;
    entry->index = h->count;
    heap_up(h, h->count);
}

static void heap_remove(struct heap *h, struct heap_entry *entry)
{
    size_t index = entry->index;
    if (index == 0)
        return;
    entry->index = 0;
    struct heap_entry *last = h->entries[h->count--];
    if (last == entry)
        return;
    heap_put(h, index, last);
    heap_up(h, index);
    heap_down(h, last->index);
}

static uint64_t heap_first_key(const struct heap *h)
{
    return h->count > 0 ? h->entries[1]->key : UINT64_MAX;
}

/* Times are on the boot clock, and may lie before it began. */
static uint64_t time_key(int64_t ns)
{
    return ns > 0 ? (uint64_t)ns : 0;
}

/* ---- entities ---- */

static struct parked_read **chain_of(struct parked_reads *parked, uint64_t entity)
{
    return &parked->chains[entity & (parked->chains_count - 1)];
}

static void chain_add(struct parked_reads *parked, struct parked_read *read)
{
    struct parked_read **head = chain_of(parked, read->wants.entity_name);
    read->entity_next = *head;
    read->entity_link = head;
    if (*head != NULL)
        (*head)->entity_link = &read->entity_next;
    *head = read;
}

static void chain_remove(struct parked_read *read)
{
    *read->entity_link = read->entity_next;
    if (read->entity_next != NULL)
        read->entity_next->entity_link = read->entity_link;
    read->entity_link = NULL;
    read->entity_next = NULL;
}

/* Without memory the chains merely stay long. */
static void chains_grow(struct parked_reads *parked)
{
    size_t old_count = parked->chains_count;
    struct parked_read **old = parked->chains;
    struct parked_read **chains = calloc(old_count * 2, sizeof(struct parked_read *));
    if (chains == NULL)
        return;
    parked->chains = chains;
    parked->chains_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct parked_read *read = old[i];
            chain_remove(read);
            chain_add(parked, read);
        }
    }
    free(old);
}

/* ---- the whole ---- */

enum sg_status parked_reads_create(struct progress_loop *loop, size_t streams_count, struct parked_reads **out,
                                   struct sg_error *err)
{
    struct parked_reads *parked = calloc(1, sizeof *parked + streams_count * sizeof parked->streams[0]);
    if (parked != NULL)
        parked->chains = calloc(CHAINS_MIN, sizeof(struct parked_read *));
    if (parked == NULL || parked->chains == NULL) {
        free(parked);
        return sg_fail(err, SG_MEMORY, "out of memory for parked reads");
    }
    parked->loop = loop;
    parked->chains_count = CHAINS_MIN;
    parked->streams_count = streams_count;
    for (size_t i = 0; i < streams_count; i++)
        parked->streams[i].probe_newest_ns = INT64_MIN;
    *out = parked;
    return SG_OK;
}

void parked_reads_destroy(struct parked_reads *parked)
{
    if (parked == NULL)
        return;
    assert(parked->deadlines.count == 0);
    for (size_t i = 0; i < parked->streams_count; i++) {
        free(parked->streams[i].positions.entries);
        free(parked->streams[i].proofs.entries);
        free(parked->streams[i].probes.entries);
    }
    free(parked->deadlines.entries);
    free(parked->chains);
    free(parked);
}

/* Take the next stream out of a set that is not empty. */
static size_t next_stream(uint64_t *set)
{
    size_t stream = (size_t)__builtin_ctzll(*set);
    *set &= *set - 1;
    return stream;
}

static bool reserve_asked(struct parked_reads *parked, struct parked_read *read)
{
    const struct wants *w = &read->wants;
    uint64_t probes = w->probes | w->recent;
    size_t count = (size_t)(__builtin_popcountll(w->proofs) + __builtin_popcountll(probes));
    read->asked_count = 0;
    read->asked = read->asked_few;
    for (uint64_t set = w->proofs; set != 0;) {
        if (!heap_reserve(&parked->streams[next_stream(&set)].proofs))
            return false;
    }
    while (probes != 0) {
        if (!heap_reserve(&parked->streams[next_stream(&probes)].probes))
            return false;
    }
    if (count > PARKED_READ_ASKED_FEW)
        read->asked = calloc(count, sizeof read->asked[0]);
    return read->asked != NULL;
}

static bool reserve(struct parked_reads *parked, struct parked_read *read)
{
    const struct wants *w = &read->wants;
    return heap_reserve(&parked->deadlines) &&
           (!w->position || heap_reserve(&parked->streams[w->position_stream].positions)) &&
           reserve_asked(parked, read);
}

/* ---- what is asked of the streams ---- */

static struct heap *heap_of(struct parked_reads *parked, const struct heap_entry *entry)
{
    struct stream_wants *s = &parked->streams[entry->stream];
    return entry->is_probe ? &s->probes : &s->proofs;
}

/* Room was reserved. */
static void ask(struct parked_reads *parked, struct parked_read *read, struct heap_entry entry, int64_t ns)
{
    struct stream_wants *s = &parked->streams[entry.stream];
    struct heap_entry *asked = &read->asked[read->asked_count++];
    *asked = entry;
    heap_add(heap_of(parked, asked), asked, read, time_key(ns));
    if (ns > s->probe_newest_ns)
        s->probe_newest_ns = ns;
    s->impatient += asked->impatient;
    s->changed = true;
}

static void ask_all(struct parked_reads *parked, struct parked_read *read)
{
    const struct wants *w = &read->wants;
    for (uint64_t set = w->proofs; set != 0;) {
        size_t stream = next_stream(&set);
        ask(parked, read, (struct heap_entry){.stream = (unsigned)stream, .impatient = true}, w->proof_ns);
    }
    for (uint64_t set = w->probes | w->recent; set != 0;) {
        size_t stream = next_stream(&set);
        bool recent = (w->recent & wants_bit(stream)) != 0;
        bool impatient = (w->patient & wants_bit(stream)) == 0;
        ask(parked, read, (struct heap_entry){.stream = (unsigned)stream, .is_probe = true, .impatient = impatient},
            recent ? w->recent_ns : w->probe_ns);
    }
}

static void unask_all(struct parked_reads *parked, struct parked_read *read)
{
    for (size_t i = 0; i < read->asked_count; i++) {
        struct heap_entry *asked = &read->asked[i];
        struct stream_wants *s = &parked->streams[asked->stream];
        heap_remove(heap_of(parked, asked), asked);
        s->impatient -= asked->impatient;
        s->changed = true;
        if (s->proofs.count == 0 && s->probes.count == 0)
            s->probe_newest_ns = INT64_MIN;
    }
    if (read->asked != read->asked_few)
        free(read->asked);
    read->asked = NULL;
    read->asked_count = 0;
}

/* ---- one read ---- */

enum sg_status parked_reads_add(struct parked_reads *parked, struct parked_read *read, struct sg_error *err)
{
    const struct wants *w = &read->wants;
    assert(!read->in_heaps);
    if (!reserve(parked, read))
        return sg_fail(err, SG_MEMORY, "out of memory for parked reads");
    heap_add(&parked->deadlines, &read->deadline, read, time_key(read->deadline_ns));
    if (w->position) {
        struct stream_wants *s = &parked->streams[w->position_stream];
        heap_add(&s->positions, &read->position, read, w->position_sequence);
        s->changed = true;
    }
    ask_all(parked, read);
    if (w->entity) {
        if (++parked->entities_count > parked->chains_count)
            chains_grow(parked);
        chain_add(parked, read);
        progress_want_entity(parked->loop, w->entity_name);
    }
    read->in_heaps = true;
    read->unchecked = true;
    read->next_unchecked = parked->unchecked;
    parked->unchecked = read;
    return SG_OK;
}

static void unchecked_remove(struct parked_reads *parked, struct parked_read *read)
{
    struct parked_read **link = &parked->unchecked;
    if (!read->unchecked)
        return;
    while (*link != read)
        link = &(*link)->next_unchecked;
    *link = read->next_unchecked;
    read->unchecked = false;
}

void parked_reads_remove(struct parked_reads *parked, struct parked_read *read)
{
    if (!read->in_heaps)
        return;
    unchecked_remove(parked, read);
    heap_remove(&parked->deadlines, &read->deadline);
    if (read->wants.position) {
        struct stream_wants *s = &parked->streams[read->wants.position_stream];
        heap_remove(&s->positions, &read->position);
        s->changed = true;
    }
    unask_all(parked, read);
    if (read->entity_link != NULL) {
        chain_remove(read);
        parked->entities_count--;
        progress_unwant_entity(parked->loop, read->wants.entity_name);
    }
    read->in_heaps = false;
}

size_t parked_reads_count(const struct parked_reads *parked)
{
    return parked->deadlines.count;
}

static int64_t key_time(uint64_t key)
{
    return key <= INT64_MAX ? (int64_t)key : INT64_MAX;
}

void parked_reads_publish(struct parked_reads *parked)
{
    for (size_t i = 0; i < parked->streams_count; i++) {
        struct stream_wants *s = &parked->streams[i];
        if (!s->changed)
            continue;
        struct progress_wants wants = {
            .position = heap_first_key(&s->positions),
            .proof_ns = key_time(heap_first_key(&s->proofs)),
            .probe_ns = key_time(heap_first_key(&s->probes)),
            .probe_newest_ns = s->probe_newest_ns,
            .probe_patient = s->impatient == 0,
        };
        s->changed = false;
        progress_want(parked->loop, i, &wants);
    }
}

struct parked_read *parked_reads_take_unchecked(struct parked_reads *parked)
{
    struct parked_read *list = parked->unchecked;
    for (struct parked_read *read = list; read != NULL; read = read->next_unchecked)
        read->unchecked = false;
    parked->unchecked = NULL;
    return list;
}

static struct parked_read *first_up_to(const struct heap *h, uint64_t key)
{
    return h->count > 0 && h->entries[1]->key <= key ? h->entries[1]->owner : NULL;
}

struct parked_read *parked_reads_helped(struct parked_reads *parked, size_t stream,
                                        const struct parked_reads_facts *facts)
{
    const struct stream_wants *s = &parked->streams[stream];
    struct parked_read *read = first_up_to(&s->positions, facts->position);
    if (read == NULL && facts->proof_ns != INT64_MIN)
        read = first_up_to(&s->proofs, time_key(facts->proof_ns));
    if (read == NULL && facts->probe_ns != INT64_MIN)
        read = first_up_to(&s->probes, time_key(facts->probe_ns));
    return read;
}

struct parked_read *parked_reads_overdue(struct parked_reads *parked, int64_t now_ns)
{
    return first_up_to(&parked->deadlines, time_key(now_ns));
}

struct parked_read *parked_reads_any(struct parked_reads *parked)
{
    return first_up_to(&parked->deadlines, UINT64_MAX);
}

bool parked_reads_wants_stream(const struct parked_reads *parked, size_t stream)
{
    const struct stream_wants *s = &parked->streams[stream];
    return s->positions.count > 0 || s->proofs.count > 0 || s->probes.count > 0;
}

void parked_reads_each_entity(struct parked_reads *parked, uint64_t entity, parked_reads_visitor *found, void *context)
{
    struct parked_read *next = NULL;
    for (struct parked_read *read = *chain_of(parked, entity); read != NULL; read = next) {
        next = read->entity_next;
        if (read->wants.entity_name == entity)
            found(context, read);
    }
}

int64_t parked_reads_next_deadline_ns(const struct parked_reads *parked)
{
    return parked->deadlines.count > 0 ? key_time(heap_first_key(&parked->deadlines)) : INT64_MAX;
}
