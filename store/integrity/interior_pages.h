/* The inner pages of the trees as they lie in the database file, for all connections of this process: each read goes
 * through some, and SQLite drops what a connection knows of pages at every commit of another one. Only beneath
 * store/integrity/vfs.c, which sees every read and write of the file. */
#ifndef STATEGATE_STORE_INTEGRITY_INTERIOR_PAGES_H
#define STATEGATE_STORE_INTEGRITY_INTERIOR_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_INNER_SLOTS 1024 /* a power of two; 4 MiB: a million entities have about 220 inner pages */

struct model_inner;

/* NULL when out of memory. */
struct model_inner *model_inner_create(void);
void model_inner_destroy(struct model_inner *inner);

/* All below: any thread; `inner` may be NULL, then nothing is kept. A page is MODEL_PAGE_BYTES long. */

/* True: the page is in `to`. Else `*version` is for model_inner_put, when it was read from the file. */
bool model_inner_get(struct model_inner *inner, int64_t number, void *to, uint64_t *version);
/* Keep it, if it is an inner page and was not written since model_inner_get. */
void model_inner_put(struct model_inner *inner, int64_t number, uint64_t version, const void *page);

/* Around each write of a page: it is forgotten, and what is read meanwhile is not kept. */
void model_inner_write_begin(struct model_inner *inner, int64_t number);
void model_inner_write_end(struct model_inner *inner, int64_t number);
/* The file is cut. */
void model_inner_forget(struct model_inner *inner);

#endif
