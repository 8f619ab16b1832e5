/* The seal: page 2 of the file, which tells which WAL belongs to it. SQLite takes it for the one row of a table that
 * nobody reads or writes; it is overwritten in place, beneath SQLite.
 *
 *   whole  WAL `salts` has just begun, or is written back up to `frames`: the file alone is one state of the database
 *   torn   pages are being written back from the WAL `salts`: without its first `frames` frames the file is unusable
 *
 *   created ──> whole ──first page is written back──> torn ──WAL begins anew, or is emptied──> whole
 *
 * Each record is synced before what it announces happens. There are two places, in sectors of their own, written in
 * turn: a power cut can spoil only the one that is not needed yet. */
#ifndef STATEGATE_STORE_INTEGRITY_SEAL_H
#define STATEGATE_STORE_INTEGRITY_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"
#include "store/integrity/os_file.h"

#define STORE_SEAL_PAGE 2 /* the root of the first table that schema.sql creates */
#define STORE_SEAL_OFFSET STORE_PAGE_BYTES

struct store_seal {
    uint64_t number; /* of the record: the higher of two is the newer */
    uint64_t salts;  /* of the WAL, as they stand there */
    uint32_t frames;
    bool torn;
};

/* The page as it lies in the file. */
struct store_seal_page {
    bool id_good;
    uint64_t id;
    bool good[2];
    struct store_seal seals[2];
};
void store_seal_page_read(const unsigned char page[STORE_PAGE_BYTES], struct store_seal_page *out);
/* The newer of those that are good; NULL = none is. */
const struct store_seal *store_seal_newer(const struct store_seal_page *p);
/* Into a page that SQLite has just made. */
void store_seal_page_init(unsigned char page[STORE_PAGE_BYTES], uint64_t id);
#define STORE_SEAL_BYTES 32
/* One record, and where in the file it goes. */
int64_t store_seal_format(const struct store_seal *seal, unsigned char out[STORE_SEAL_BYTES]);

/* Do the file and the WAL that lies beside it belong together, and is there enough of the WAL? Looks at both without
 * SQLite, before the first connection is opened. SG_CORRUPT says what does not fit. */
SG_MUST_CHECK enum sg_status store_seal_check(const char *path, struct sg_error *err);

#endif
