/* The events of histories: states small and large, tombstones, erasures, what is rejected or ignored, duplicates and
 * conflicts, versions out of order. */
#include "store_history.h"

#include <stdio.h>

uint64_t hash_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t hash_text(struct slice text)
{
    uint64_t h = text.bytes;
    uint64_t word = 0;
    size_t at = 0;
    for (; at + sizeof word <= text.bytes; at += sizeof word) {
        memcpy(&word, text.data + at, sizeof word);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    word = 0;
    if (at < text.bytes)
        memcpy(&word, text.data + at, text.bytes - at);
    return text.bytes == 0 ? 0 : hash_mix(h ^ word);
}

static uint64_t hash_join(uint64_t h, uint64_t value)
{
    return hash_mix(h * UINT64_C(0x9e3779b97f4a7c15) + value + 1);
}

uint64_t hash_entity(uint64_t collection, uint64_t id, int64_t version, bool deleted, uint64_t sequence, uint64_t state,
                     uint64_t occurred_at)
{
    uint64_t h = hash_join(hash_join(collection, id), (uint64_t)version);
    h = hash_join(hash_join(h, deleted), sequence);
    return hash_join(hash_join(h, state), occurred_at);
}

uint64_t hash_collection(uint64_t name, int64_t entities, uint64_t position)
{
    return hash_join(hash_join(name, (uint64_t)entities), position);
}

uint64_t hash_floor(uint64_t name, uint64_t floor)
{
    return floor != 0 ? hash_join(name, floor) : 0;
}

uint64_t hash_rejected(uint64_t sequence, uint64_t reason, uint64_t collection, uint64_t id, int64_t version)
{
    uint64_t h = hash_join(hash_join(sequence, reason), collection);
    return hash_join(hash_join(h, id), (uint64_t)version);
}

/* ---- names ---- */

const char *history_stream_name(size_t stream)
{
    static const char *const names[HISTORY_STREAMS] = {"ORDERS", "STOCK", "USERS"};
    return names[stream];
}

struct slice history_collection_name(size_t stream, size_t collection)
{
    static const char *const names[HISTORY_STREAMS][HISTORY_COLLECTIONS] = {
        {"orders", "items", "invoices"}, {"stock", "shelves", "moves"}, {"users", "groups", "rights"}};
    return slice_of(names[stream][collection]);
}

struct slice history_id(size_t id)
{
    static char names[HISTORY_IDS][40];
    if (names[id][0] == '\0')
        (void)snprintf(names[id], sizeof names[id], "id-%0*zu", (int)(1 + id * 7 % 30), id);
    return slice_of(names[id]);
}

/* ---- what happens at a sequence ---- */

struct history_event history_event_at(uint64_t seed, size_t stream, uint64_t incarnation, uint64_t sequence)
{
    static const enum event_reason reasons[] = {REASON_BAD_JSON, REASON_BAD_TYPE, REASON_MISSING_VERSION};
    uint64_t r = hash_mix(seed * 31 + stream + hash_mix(incarnation * 1000003 + hash_mix(sequence)));
    uint64_t kind = (r >> 16) % 100;
    struct history_event e = {.kind = EVENT_STATE, .collection = r % HISTORY_COLLECTIONS,
                              .id = (r >> 8) % HISTORY_IDS, .dated = (r >> 40) % 2 == 0};
    e.version = (int64_t)(sequence / 8 + (r >> 24) % 10 + 1);
    /* Mostly the version tells the content, so that one that comes again is a duplicate. */
    uint64_t chosen = (r >> 32) % 3 == 0 ? r : 0;
    e.content = hash_mix((uint64_t)e.version * 8191 + e.id + chosen);
    e.state_bytes = e.content % 40 == 0 ? 4000 + e.content % 5000 : 70 + e.content % 200;
    if (kind < 10) {
        e.kind = EVENT_TOMBSTONE;
    } else if (kind < 14) {
        e.kind = EVENT_ERASE;
        e.version = 0;
    } else if (kind < 17) {
        e.kind = EVENT_IGNORED;
    } else if (kind < 23) {
        e.kind = EVENT_REJECTED;
        e.reason = reasons[r % 3];
        if (e.reason == REASON_MISSING_VERSION)
            e.version = 0;
    }
    if (e.kind != EVENT_STATE)
        e.state_bytes = 0;
    return e;
}

void history_state(const struct history_event *e, char out[HISTORY_STATE_BYTES_MAX])
{
    uint64_t c = e->content;
    char s[8];
    char n[24];
    (void)snprintf(s, sizeof s, c % 7 == 0 ? "null" : "\"k%u\"", (unsigned)(c % 5));
    (void)snprintf(n, sizeof n, c % 11 == 0 ? "\"x\"" : "%d", (int)(c % 40) - 20);
    size_t head = (size_t)snprintf(out, HISTORY_STATE_BYTES_MAX,
                                   "{\"s\":%s,\"n\":%s,\"l\":[\"%c\",\"%c\"],\"t\":\"%016llx", s, n,
                                   (char)('a' + c % 3), (char)('a' + c / 3 % 3), (unsigned long long)c);
    for (size_t i = head; i < e->state_bytes - 2; i++)
        out[i] = (char)('a' + (e->content >> (i % 48)) % 26);
    memcpy(out + e->state_bytes - 2, "\"}", 2);
}
