/* Memory that costs little in builds with sanitizers, for SQLite and for files in memory: who opens hundreds of
 * databases a second and looks for faults of the disk need not have each block watched. Blocks are kept for the next
 * one of their size, and never given back. One thread uses it. */
#ifndef STATEGATE_TESTS_POOL_MALLOC_H
#define STATEGATE_TESTS_POOL_MALLOC_H

#include <stddef.h>

/* Never NULL: without memory the process ends. The bytes are whatever they were. */
void *pool_take(size_t bytes);
/* NULL is allowed, and stands for a block of 0 bytes. What was in the block stays there. */
void *pool_grow(void *data, size_t bytes);
void pool_give(void *data);
size_t pool_bytes(void *data);

/* Let SQLite use it; before anything else is done with SQLite. */
void pool_malloc_register(void);

#endif
