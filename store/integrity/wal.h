/* The WAL as a file: https://sqlite.org/fileformat2.html#the_write_ahead_log */
#ifndef STATEGATE_STORE_INTEGRITY_WAL_H
#define STATEGATE_STORE_INTEGRITY_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"
#include "store/integrity/os_file.h"

#define WAL_HEADER_BYTES 32
#define WAL_FRAME_HEADER_BYTES 24
#define WAL_FRAME_BYTES (WAL_FRAME_HEADER_BYTES + STORE_PAGE_BYTES)
#define WAL_SALTS_OFFSET 16 /* in its header; 8 in that of a frame */

struct wal_header {
    bool big_endian; /* its checksums */
    uint64_t salts;
    uint32_t sum[2];
};

/* False where SQLite would take the WAL for empty. */
bool store_wal_header_read(const unsigned char bytes[WAL_HEADER_BYTES], struct wal_header *out);
/* `sum` is that of the frame before (of the header for the first), and becomes that of this one. */
bool store_wal_frame_check(const struct wal_header *h, const unsigned char header[WAL_FRAME_HEADER_BYTES],
                           const unsigned char page[STORE_PAGE_BYTES], uint32_t sum[2]);

struct wal_facts {
    uint64_t salts;
    uint32_t frames; /* up to the last commit that SQLite would recover; 0 = it would find nothing */
};
SG_MUST_CHECK enum sg_status store_wal_scan(const char *path, struct wal_facts *out, struct sg_error *err);

#endif
