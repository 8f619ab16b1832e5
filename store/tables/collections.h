/* The table of collections: found, created, counted; what a batch changed of them is written once. */
#ifndef STATEGATE_STORE_TABLES_COLLECTIONS_H
#define STATEGATE_STORE_TABLES_COLLECTIONS_H

#include "core/domain/stream.h"
#include "store/cache/collection_names.h"
#include "store/sqlite/connection.h"

/* Find a collection of a build, in memory or else in the table; `*out` is NULL where there is none. */
SG_MUST_CHECK enum sg_status store_collections_find(struct store_connection *c, struct collection_names *names,
                                              const struct build *build, struct slice name,
                                              struct collection_name **out, struct sg_error *err);
/* The number of its row, 0 where there is none; it stays out of memory. */
SG_MUST_CHECK enum sg_status store_collections_id(struct store_connection *c, const struct build *build,
                                                  struct slice name, int64_t *out, struct sg_error *err);
/* Has the build any? */
SG_MUST_CHECK enum sg_status store_collections_any(struct store_connection *c, const struct build *build, bool *out,
                                                   struct sg_error *err);
/* Create one that was not found, with an id that no other had in this process. */
SG_MUST_CHECK enum sg_status store_collections_create(struct store_connection *c, struct collection_names *names,
                                                const struct build *build, int64_t id, struct slice name,
                                                struct collection_name **out, struct sg_error *err);
/* How many there are in the written builds of all attached streams. */
SG_MUST_CHECK enum sg_status store_collections_count(struct store_connection *c, int64_t *out, struct sg_error *err);
/* Write what the batch has changed of counts and positions; `*keys` moves by as much as store_collections_keys. */
SG_MUST_CHECK enum sg_status store_collections_flush(struct store_connection *c, struct collection_names *names,
                                                     int64_t *keys, struct sg_error *err);

/* How many ids a build has of which the stream has a message, as far as is known; and whether tombstones of it were
 * removed: there may be messages of those. */
SG_MUST_CHECK enum sg_status store_collections_keys(struct store_connection *c, int64_t stream, int64_t build,
                                                    int64_t *out, bool *forgotten, struct sg_error *err);

/* One of a build that is neither the served nor the next one: it is in memory no more. SG_NOT_FOUND (err not filled):
 * none is left. */
SG_MUST_CHECK enum sg_status store_collections_stale(struct store_connection *c, struct collection_names *names,
                                                     int64_t *id, struct sg_error *err);
/* Delete its row. */
SG_MUST_CHECK enum sg_status store_collections_delete(struct store_connection *c, int64_t id, struct sg_error *err);

#endif
