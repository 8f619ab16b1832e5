/* The interior pages of the trees as they lie in the database file, for all connections of this process: each read goes
 * through some, and SQLite drops what a connection knows of pages at every commit of another one. Only beneath
 * store/integrity/vfs.c, which sees every read and write of the file. */
#ifndef STATEGATE_STORE_INTEGRITY_INTERIOR_PAGES_H
#define STATEGATE_STORE_INTEGRITY_INTERIOR_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define INTERIOR_PAGES_SLOTS 1024 /* a power of two; 4 MiB: a million entities have about 220 interior pages */

struct interior_pages;

/* NULL when out of memory. */
struct interior_pages *interior_pages_create(void);
void interior_pages_destroy(struct interior_pages *pages);

/* All below: any thread; `pages` may be NULL, then nothing is kept. A page is STORE_PAGE_BYTES long. */

/* True: the page is in `to`. Else `*version` is for interior_pages_put, when it was read from the file. */
bool interior_pages_get(struct interior_pages *pages, int64_t number, void *to, uint64_t *version);
/* Keep it, if it is an interior page and was not written since interior_pages_get. */
void interior_pages_put(struct interior_pages *pages, int64_t number, uint64_t version, const void *page);

/* Around each write of a page: it is forgotten, and what is read meanwhile is not kept. */
void interior_pages_write_begin(struct interior_pages *pages, int64_t number);
void interior_pages_write_end(struct interior_pages *pages, int64_t number);
/* The file is cut. */
void interior_pages_forget(struct interior_pages *pages);

#endif
