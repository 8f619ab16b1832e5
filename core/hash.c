/* Murmur's way of mixing: cheap, and every bit of the input reaches every bit of the result. */
#include "core/hash.h"

#include <string.h>
#include <sys/random.h>

#include "core/clock.h"

uint64_t hash_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)clock_boot_ns(); /* harder to guess than a constant: collisions only cost time */
    return seed;
}

uint64_t hash_bytes(uint64_t h, struct slice s)
{
    uint64_t word = 0;
    for (size_t i = 0; i < s.bytes; i += sizeof word) {
        size_t bytes = s.bytes - i < sizeof word ? s.bytes - i : sizeof word;
        word = 0;
        memcpy(&word, s.data + i, bytes);
        h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 33;
    }
    h = (h ^ s.bytes) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 29;
}
