/* A seeded hash of bytes for tables in memory: quick, not cryptographic. Without the seed nobody can list texts that
 * collide for certain; a table must still stay right, and bounded, where some do. */
#ifndef STATEGATE_CORE_BASE_HASH_H
#define STATEGATE_CORE_BASE_HASH_H

#include <stdint.h>

#include "core/base/slice.h"

/* Random: each table has its own. */
uint64_t hash_seed(void);

/* `h` is the seed, or the hash of what comes before. */
uint64_t hash_bytes(uint64_t h, struct slice s);

#endif
