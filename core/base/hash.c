/* Multiplied to twice the width and folded: cheap, and what a changed bit of the input changes depends on the seed. */
#include "core/base/hash.h"

#include <string.h>
#include <sys/random.h>

#include "core/base/time.h"

uint64_t hash_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)time_boot_ns(); /* harder to guess than a constant: collisions only cost time */
    return seed;
}

/* Fewer than 8 bytes as a word; two texts of one length have different ones. */
static uint64_t short_word(const char *data, size_t bytes)
{
    uint32_t first = 0;
    uint32_t last = 0;
    if (bytes >= sizeof first) { /* they overlap */
        memcpy(&first, data, sizeof first);
        memcpy(&last, data + bytes - sizeof last, sizeof last);
    } else if (bytes > 0) {
        first = (unsigned char)data[0] | (uint32_t)(unsigned char)data[bytes / 2] << 8;
        last = (unsigned char)data[bytes - 1];
    }
    return first | (uint64_t)last << 32;
}

/* Without the upper half of the product a change of the highest bits would change the same bits whatever the seed is,
 * and a second change could undo it. */
static uint64_t fold(uint64_t value, uint64_t factor)
{
    unsigned __int128 product = (unsigned __int128)value * factor;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix(uint64_t h, uint64_t word)
{
    return fold(h ^ word, UINT64_C(0xff51afd7ed558ccd));
}

/* The last word of a longer text is its last 8 bytes, which overlap the one before: no byte is looked at alone. */
uint64_t hash_bytes(uint64_t h, struct slice s)
{
    uint64_t word = 0;
    if (s.bytes < sizeof word) {
        h = mix(h, short_word(s.data, s.bytes));
    } else {
        for (size_t i = 0; i + sizeof word < s.bytes; i += sizeof word) {
            memcpy(&word, s.data + i, sizeof word);
            h = mix(h, word);
        }
        memcpy(&word, s.data + s.bytes - sizeof word, sizeof word);
        h = mix(h, word);
    }
    return fold(h ^ s.bytes, UINT64_C(0xc4ceb9fe1a85ec53));
}
