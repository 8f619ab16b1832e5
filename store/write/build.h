/* Builds of a stream: moved forward, begun, swapped to. Within an open transaction. */
#ifndef STATEGATE_STORE_WRITE_BUILD_H
#define STATEGATE_STORE_WRITE_BUILD_H

#include "store/write/transaction.h"

/* Write to a known row of streams or next_build: what is served may change. */
SG_MUST_CHECK enum sg_status store_stream_write(struct store_writer *w, sqlite3_stmt *s, int bound,
                                                struct sg_error *err);
/* Store a position in the open transaction, and swap to the build if that makes it whole; `rows_changed` by it. */
SG_MUST_CHECK enum sg_status store_build_move(struct store_writer *w, struct build *build, uint64_t position,
                                              int64_t time_ns, struct slice subject, bool rows_changed,
                                              struct sg_error *err);
/* The build goes on after `first`..`last`, of which nothing was delivered; `first` follows its position. Pure; and
 * store what that changed. */
void build_pass(struct build *build, uint64_t first, uint64_t last);
SG_MUST_CHECK enum sg_status store_build_write_hole(struct store_writer *w, const struct build *build,
                                                    struct sg_error *err);
/* Write what a batch changed of the build's collections. */
SG_MUST_CHECK enum sg_status store_build_write_counts(struct store_writer *w, const struct build *build,
                                                      struct sg_error *err);
/* Begin a build that is served at once, in the open transaction; a next one is thrown away. */
SG_MUST_CHECK enum sg_status store_build_serve_new(struct store_writer *w, const struct build *before,
                                                   int64_t created_ns, const struct epoch *epoch, uint64_t target,
                                                   struct sg_error *err);
/* What has become due without an event: rebuild_empty_swap was set while a build waits for its first one, or the last
 * index of a build was made. */
SG_MUST_CHECK enum sg_status store_build_settle(struct store_writer *w, const struct build *build,
                                                struct sg_error *err);

#endif
