/* Statements that are kept by their text. The least recently used goes first. */
#include "store/sqlite/statement_cache.h"

#include <string.h>

#include "core/base/hash.h"

static struct cached_statement *find(struct statement_cache *cache, uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < cache->count; i++) {
        struct cached_statement *entry = &cache->entries[i];
        if (entry->hash == hash && slice_equal(slice_of(sqlite3_sql(entry->statement)), text))
            return entry;
    }
    return NULL;
}

static void drop_oldest(struct statement_cache *cache)
{
    struct cached_statement *oldest = cache->entries;
    for (size_t i = 1; i < cache->count; i++) {
        if (cache->entries[i].used < oldest->used)
            oldest = &cache->entries[i];
    }
    (void)sqlite3_finalize(oldest->statement);
    cache->bytes -= oldest->bytes;
    *oldest = cache->entries[--cache->count];
}

enum sg_status statement_cache_get(struct statement_cache *cache, struct store_connection *c, struct slice text,
                                   sqlite3_stmt **out, struct sg_error *err)
{
    if (cache->seed == 0)
        cache->seed = hash_seed();
    uint64_t hash = hash_bytes(cache->seed, text);
    struct cached_statement *entry = find(cache, hash, text);
    if (entry == NULL) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v3(c->db, text.data, (int)text.bytes, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
        if (rc != SQLITE_OK)
            return store_fail(c, rc, "prepare a statement", err);
        size_t bytes = (size_t)sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_MEMUSED, 0);
        while (cache->count == STATEMENT_CACHE_MAX ||
               (cache->count > 0 && cache->bytes + bytes > STATEMENT_CACHE_BYTES_MAX))
            drop_oldest(cache);
        entry = &cache->entries[cache->count++];
        *entry = (struct cached_statement){.statement = statement, .hash = hash, .bytes = bytes};
        cache->bytes += bytes;
        cache->prepared++;
    }
    entry->used = ++cache->clock;
    *out = entry->statement;
    return SG_OK;
}

void statement_cache_clear(struct statement_cache *cache)
{
    while (cache->count > 0)
        drop_oldest(cache);
}
