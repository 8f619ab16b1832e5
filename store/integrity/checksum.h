/* What SQLite does not see: a byte that changed in the database file or in its WAL, and a WAL that is not the file's
 * own.
 *
 * A layer between SQLite and the VFS that is the default when a connection is opened.
 *
 * Every page of the file ends in 8 bytes that SQLite leaves to others: a checksum of the page, its number and the
 * database's own random number. It is made when the page is written to the file (by a checkpoint) and checked at
 * every read from there. A page that lies in the WAL is checked against what was noted when this process wrote it, or
 * else against the WAL's own checksums, which SQLite looks at when it recovers and never again. What does not fit is
 * SQLITE_CORRUPT.
 *
 * Page 2 is the seal: it tells which WAL belongs to the file. SQLite takes it for the one row of a table that nobody
 * reads or writes; it is overwritten in place, beneath SQLite.
 *
 *   whole  WAL `salts` has just begun, or is written back up to `frames`: the file alone is one state of the database
 *   torn   pages are being written back from the WAL `salts`: without its first `frames` frames the file is none
 *
 *   created ──> whole ──first page is written back──> torn ──WAL begins anew, or is emptied──> whole
 *
 * Each record is synced before what it announces happens. There are two places, in sectors of their own, written in
 * turn: a power cut can spoil only the one that is not needed yet. */
#ifndef STATEGATE_STORE_INTEGRITY_CHECKSUM_H
#define STATEGATE_STORE_INTEGRITY_CHECKSUM_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/integrity/interior_pages.h"
#include "core/base/status.h"

#define STORE_APPLICATION_ID 0x53474154 /* "SGAT" in the file's header: whose database it is */
#define STORE_PAGE_BYTES 4096
#define STORE_PAGE_RESERVED 8 /* at the end of each page, for its checksum */
#define STORE_SEAL_PAGE 2     /* the root of the first table that schema.sql creates */
#define STORE_SEAL_OFFSET STORE_PAGE_BYTES

/* The header of an SQLite file: https://sqlite.org/fileformat2.html#the_database_header */
#define STORE_HEADER_BYTES 100
#define STORE_HEADER_MAGIC "SQLite format 3"
#define STORE_HEADER_PAGE_SIZE 16
#define STORE_HEADER_RESERVED 20
#define STORE_HEADER_USER_VERSION 60
#define STORE_HEADER_APPLICATION_ID 68
/* Is it that of a database of the present form, with checksums? */
bool store_header_is_checked(const unsigned char header[STORE_HEADER_BYTES]);

/* The name of the layer over the present default VFS, for sqlite3_open_v2; NULL when out of memory. Any thread. */
const char *store_checksum_vfs(void);

/* A file, read only, through that default VFS itself; NULL when it cannot be opened or there is no memory. `path`
 * must live until it is closed. `type` is SQLITE_OPEN_MAIN_DB or SQLITE_OPEN_WAL. */
sqlite3_file *store_beneath_open(const char *path, int type);
void store_beneath_close(sqlite3_file *file);

/* What damage was met in the database of a connection, by any connection of this process: a few words, or NULL. They
 * live as long as the connection. Any thread. */
struct checked_database;
struct checked_database *store_checksum_database(sqlite3 *db);
const char *store_checksum_damage(const struct checked_database *database);
/* SQLite itself has met some. */
void store_checksum_note_damage(sqlite3 *db);

/* Off: nothing is checked. For the tests of what finds damage, and to measure what checking costs. */
void store_checksum_set_checking(bool on);

/* Of that many bytes. Others in their place give another one, but for one in 2^64. */
uint64_t store_checksum(const void *data, size_t bytes, uint64_t seed);

/* ---- the seal ---- */

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

/* ---- what the connections of one database share ---- */

/* What was noted of the WAL's frames, in parts that stay where they are; 0 = nothing. */
#define CHECKED_PART_FRAMES 4096
#define CHECKED_PARTS_MAX 4096 /* a WAL beyond 64 GiB is checked by its own checksums */
typedef _Atomic uint64_t frame_note;

struct checked_database {
    struct checked_database *next; /* guarded by the registry's mutex, like the next two */
    unsigned users;
    char *path;  /* owned */
    uint64_t id; /* read-only */
    sqlite3_file *writer; /* of the one connection that writes, which alone asks for it; NULL = none */
    struct store_seal seal;                       /* the newer record; only for the one connection that writes */
    struct interior_pages *inner;                 /* owned; NULL = there was no memory; any thread, like all below */
    frame_note *_Atomic parts[CHECKED_PARTS_MAX]; /* owned */
    atomic_int damage; /* 0 = none, 1 = being told, 2 = `what` can be read */
    char what[96];
};

/* The one of this path, or a new one; NULL when out of memory. Release it as often. Any thread. */
struct checked_database *store_checked_take(const char *path, uint64_t id, const struct store_seal *seal);
void store_checked_release(struct checked_database *d);
/* The one whose WAL has this name, or NULL: for the connection that keeps it alive. */
struct checked_database *store_checked_of_wal(const char *name);
void store_checked_damage(struct checked_database *d, const char *format, ...) SG_PRINTF(2, 3);
bool store_checksum_checking(void);
/* Of the page without its last 8 bytes. */
uint64_t store_page_checksum(const struct checked_database *d, int64_t number, const unsigned char *page);
/* Of a frame's page, never 0; frames are counted from 0. */
uint64_t store_frame_checksum(const struct checked_database *d, int64_t frame, const unsigned char *page);
/* Where a frame is noted. NULL: nothing was, or, with `make`, there is no memory. */
frame_note *store_frame_sum(struct checked_database *d, int64_t frame, bool make);

/* ---- the WAL: https://sqlite.org/fileformat2.html#the_write_ahead_log ---- */

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
