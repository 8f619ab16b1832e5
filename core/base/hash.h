/* A seeded hash of bytes for tables in memory: quick, and of no use to who does not know the seed. */
#ifndef STATEGATE_CORE_BASE_HASH_H
#define STATEGATE_CORE_BASE_HASH_H

#include <stdint.h>

#include "core/base/slice.h"

/* Another one in each process, so that no client can choose ids that collide. */
uint64_t hash_seed(void);

/* `h` is the seed, or the hash of what comes before. */
uint64_t hash_bytes(uint64_t h, struct slice s);

#endif
