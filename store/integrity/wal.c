/* The WAL as a file: what SQLite would recover from it. */
#include "store/integrity/wal.h"

#include <stdlib.h>
#include <string.h>

#include "store/integrity/os_file.h"

#define MAGIC 0x377f0682u /* the lowest bit: checksums of big-endian words */
#define FORMAT 3007000u
#define SCAN_FRAMES 64 /* read at once */

static uint32_t little_endian_32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void sum_add(bool big_endian, const unsigned char *data, size_t bytes, uint32_t sum[2])
{
    uint32_t a = sum[0];
    uint32_t b = sum[1];
    for (size_t i = 0; i < bytes; i += 8) {
        a += (big_endian ? big_endian_32(data + i) : little_endian_32(data + i)) + b;
        b += (big_endian ? big_endian_32(data + i + 4) : little_endian_32(data + i + 4)) + a;
    }
    sum[0] = a;
    sum[1] = b;
}

bool store_wal_header_read(const unsigned char bytes[WAL_HEADER_BYTES], struct wal_header *out)
{
    uint32_t magic = big_endian_32(bytes);
    struct wal_header h = {.big_endian = (magic & 1) != 0};
    sum_add(h.big_endian, bytes, WAL_HEADER_BYTES - 8, h.sum);
    memcpy(&h.salts, bytes + WAL_SALTS_OFFSET, sizeof h.salts);
    if ((magic & ~1u) != MAGIC || big_endian_32(bytes + 4) != FORMAT || big_endian_32(bytes + 8) != STORE_PAGE_BYTES ||
        h.sum[0] != big_endian_32(bytes + 24) || h.sum[1] != big_endian_32(bytes + 28))
        return false;
    *out = h;
    return true;
}

bool store_wal_frame_check(const struct wal_header *h, const unsigned char header[WAL_FRAME_HEADER_BYTES],
                           const unsigned char page[STORE_PAGE_BYTES], uint32_t sum[2])
{
    sum_add(h->big_endian, header, 8, sum);
    sum_add(h->big_endian, page, STORE_PAGE_BYTES, sum);
    return big_endian_32(header) != 0 && memcmp(header + 8, &h->salts, sizeof h->salts) == 0 &&
           sum[0] == big_endian_32(header + 16) && sum[1] == big_endian_32(header + 20);
}

/* The sound frames of a block; `*facts` and `sum` go on from those before. */
static size_t scan_block(const struct wal_header *h, const unsigned char *block, size_t frames, uint32_t before,
                         uint32_t sum[2], struct wal_facts *facts)
{
    size_t i = 0;
    for (; i < frames; i++) {
        const unsigned char *frame = block + i * WAL_FRAME_BYTES;
        if (!store_wal_frame_check(h, frame, frame + WAL_FRAME_HEADER_BYTES, sum))
            break;
        if (big_endian_32(frame + 4) != 0) /* a commit */
            facts->frames = before + (uint32_t)i + 1;
    }
    return i;
}

/* False: it cannot be read. */
static bool scan(sqlite3_file *file, int64_t bytes, unsigned char *block, struct wal_facts *out)
{
    struct wal_header h;
    uint32_t frames = 0;
    if (bytes < WAL_HEADER_BYTES)
        return true;
    if (file->pMethods->xRead(file, block, WAL_HEADER_BYTES, 0) != SQLITE_OK)
        return false;
    if (!store_wal_header_read(block, &h))
        return true;
    uint32_t sum[2] = {h.sum[0], h.sum[1]};
    int64_t left = (bytes - WAL_HEADER_BYTES) / WAL_FRAME_BYTES;
    out->salts = h.salts;
    while (left > 0) {
        size_t count = left < SCAN_FRAMES ? (size_t)left : SCAN_FRAMES;
        if (file->pMethods->xRead(file, block, (int)(count * WAL_FRAME_BYTES),
                                  WAL_HEADER_BYTES + (sqlite3_int64)frames * WAL_FRAME_BYTES) != SQLITE_OK)
            return false;
        size_t sound = scan_block(&h, block, count, frames, sum, out);
        frames += (uint32_t)sound;
        left = sound == count ? left - (int64_t)count : 0;
    }
    return true;
}

enum sg_status store_wal_scan(const char *path, struct wal_facts *out, struct sg_error *err)
{
    int there = 0;
    sqlite3_int64 bytes = 0;
    struct wal_facts found = {0};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there) == SQLITE_OK && !there) { /* or empty */
        *out = found;
        return SG_OK;
    }
    unsigned char *block = malloc((size_t)SCAN_FRAMES * WAL_FRAME_BYTES);
    sqlite3_file *file = block != NULL ? store_beneath_open(path, SQLITE_OPEN_WAL) : NULL;
    bool good = file != NULL && file->pMethods->xFileSize(file, &bytes) == SQLITE_OK &&
                scan(file, bytes, block, &found);
    if (file != NULL)
        store_beneath_close(file);
    free(block);
    if (!good)
        return sg_fail(err, SG_STORAGE, "cannot read %s", path);
    *out = found;
    return SG_OK;
}
