/* Statements whose texts are made as they are needed: prepared once, and kept while they are among the last used. */
#ifndef STATEGATE_STORE_SQLITE_STATEMENT_CACHE_H
#define STATEGATE_STORE_SQLITE_STATEMENT_CACHE_H

#include "store/sqlite/connection.h"

/* Of a connection: a client makes as many texts as it likes, and each statement takes some 3 to 20 KiB. */
#define STATEMENT_CACHE_MAX 64
#define STATEMENT_CACHE_BYTES_MAX (2u << 20) /* of their memory, all together */

struct statement_cache {
    struct cached_statement {
        sqlite3_stmt *statement; /* owned */
        uint64_t hash;
        uint64_t used; /* when: the highest is the last */
        size_t bytes;
    } entries[STATEMENT_CACHE_MAX];
    size_t count;
    size_t bytes;
    uint64_t seed;
    uint64_t clock;
    uint64_t prepared; /* how many were, so far */
};

/* The statement of this text, ready to bind; whoever steps it resets it. Statements got before stay valid until the
 * next call. Zeroed, the cache is empty. Errors: as those of store_fail. */
SG_MUST_CHECK enum sg_status statement_cache_get(struct statement_cache *cache, struct store_connection *c,
                                                 struct slice text, sqlite3_stmt **out, struct sg_error *err);
/* Before the connection is closed. */
void statement_cache_clear(struct statement_cache *cache);

#endif
