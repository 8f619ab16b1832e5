/* The checksum of the pages, of the records of the seal, and of the WAL's frames. */
#ifndef STATEGATE_STORE_INTEGRITY_CHECKSUM_H
#define STATEGATE_STORE_INTEGRITY_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of that many bytes. Others in their place give another one, but for one in 2^64. */
uint64_t store_checksum(const void *data, size_t bytes, uint64_t seed);

/* Off: nothing is checked. For the tests of what finds damage, and to measure what checking costs. */
void store_checksum_set_checking(bool on);
bool store_checksum_checking(void);

#endif
