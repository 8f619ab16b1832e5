/* The checksum: eight lanes of products. */
#include "store/integrity/checksum.h"

#include <endian.h>
#include <stdatomic.h>
#include <string.h>

#define FACTOR UINT64_C(0x9e3779b97f4a7c15) /* odd, so that a product loses nothing */
#define SALT UINT64_C(0x5851f42d4c957f2d)

static inline uint64_t word_at(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 product;
    product p = (product)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

#define BLOCK_BYTES 128

/* Two words into each of eight lanes, as a product of both: one of 64 bits by 64 costs as much as one by a constant.
 * Eight, since a product is ready only three cycles later. */
static inline void block(uint64_t lanes[8], const unsigned char *p)
{
    lanes[0] = fold(lanes[0] ^ word_at(p), word_at(p + 64) ^ SALT);
    lanes[1] = fold(lanes[1] ^ word_at(p + 8), word_at(p + 72) ^ SALT);
    lanes[2] = fold(lanes[2] ^ word_at(p + 16), word_at(p + 80) ^ SALT);
    lanes[3] = fold(lanes[3] ^ word_at(p + 24), word_at(p + 88) ^ SALT);
    lanes[4] = fold(lanes[4] ^ word_at(p + 32), word_at(p + 96) ^ SALT);
    lanes[5] = fold(lanes[5] ^ word_at(p + 40), word_at(p + 104) ^ SALT);
    lanes[6] = fold(lanes[6] ^ word_at(p + 48), word_at(p + 112) ^ SALT);
    lanes[7] = fold(lanes[7] ^ word_at(p + 56), word_at(p + 120) ^ SALT);
}

static inline uint64_t mix(uint64_t all, uint64_t word)
{
    all = (all ^ word) * FACTOR;
    return all ^ all >> 32;
}

uint64_t store_checksum(const void *data, size_t bytes, uint64_t seed)
{
    const unsigned char *p = data;
    const unsigned char *end = p + bytes;
    uint64_t lanes[8];
    for (uint64_t i = 0; i < 8; i++)
        lanes[i] = mix(seed + i * SALT, FACTOR); /* none is 0, which would swallow the word that it meets */
    for (; end - p >= BLOCK_BYTES; p += BLOCK_BYTES)
        block(lanes, p);
    if (p < end && bytes >= BLOCK_BYTES) {
        block(lanes, end - BLOCK_BYTES); /* some of it again */
    } else if (p < end) {
        unsigned char rest[BLOCK_BYTES] = {0};
        memcpy(rest, p, bytes);
        block(lanes, rest);
    }
    for (size_t i = 0; i < 8; i++)
        seed = mix(seed, lanes[i]);
    return seed;
}

static atomic_bool checking = true;

void store_checksum_set_checking(bool on)
{
    atomic_store(&checking, on);
}

bool store_checksum_checking(void)
{
    return atomic_load_explicit(&checking, memory_order_relaxed);
}
