/* What the connections of one database share: its number, its seal, its interior pages, the sums of the WAL's frames,
 * and what damage was met. See store/integrity/vfs.h. */
#ifndef STATEGATE_STORE_INTEGRITY_CHECKED_H
#define STATEGATE_STORE_INTEGRITY_CHECKED_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"
#include "store/integrity/interior_pages.h"
#include "store/integrity/seal.h"

/* What was noted of the WAL's frames, in parts that stay where they are; 0 = nothing. */
#define CHECKED_PART_FRAMES 4096
#define CHECKED_PARTS_MAX 4096 /* a WAL beyond 64 GiB is checked by its own checksums */
typedef _Atomic uint64_t frame_sum;

/* What a checkpoint leaves to syncs of another thread. */
struct deferral {
    bool on;
    bool keep;       /* the WAL does not begin anew */
    bool dirty;      /* pages were written to the file, and it was not synced since */
    uint64_t salts;  /* of the WAL ... */
    uint32_t frames; /* ... so many of whose frames were synced */
    struct store_seal announced; /* written and not synced yet */
    /* A checkpoint in parts. */
    sqlite3 *db;          /* borrowed; its checkpoint is interrupted ... */
    int pages_left;       /* ... after so many pages */
    uint32_t attempted;   /* of a checkpoint up to this frame ... */
    int64_t through;      /* ... the pages up to this number are written */
    sqlite3_int64 frame_at; /* where SQLite has read the page's frame: it is read when the page is written */
};

struct checked_database {
    struct checked_database *next; /* guarded by the registry's mutex, like the next two */
    unsigned users;
    char *path;  /* owned */
    uint64_t id; /* read-only */
    sqlite3_file *writer; /* of the one connection that writes, which alone asks for it; NULL = none */
    sqlite3_file *writer_wal; /* of the same connection; NULL = none */
    struct deferral deferral; /* of its checkpoints (order.h); only for that connection, like the next */
    struct store_seal seal;                       /* the newer record */
    struct interior_pages *interior_pages;        /* owned; NULL = there was no memory; any thread, like all below */
    frame_sum *_Atomic parts[CHECKED_PARTS_MAX]; /* owned */
    atomic_int damage; /* 0 = none, 1 = being written, 2 = `what` can be read */
    char what[96];
};

/* The one of this path, or a new one; NULL when out of memory. Release it as often. Any thread. */
struct checked_database *store_checked_take(const char *path, uint64_t id, const struct store_seal *seal);
void store_checked_release(struct checked_database *d);
/* The one whose WAL has this name, or NULL: for the connection that keeps it alive. */
struct checked_database *store_checked_of_wal(const char *name);
/* What damage was met in the database, by any connection of this process: a few words, or NULL. They
 * live as long as a connection. Any thread. */
const char *store_checksum_damage(const struct checked_database *database);
void store_checked_damage(struct checked_database *d, const char *format, ...) SG_PRINTF(2, 3);
/* Of the page without its last 8 bytes. */
uint64_t store_page_checksum(const struct checked_database *d, int64_t number, const unsigned char *page);
/* Of a frame's page, never 0; frames are counted from 0. */
uint64_t store_frame_checksum(const struct checked_database *d, int64_t frame, const unsigned char *page);
/* Where a frame is noted. NULL: nothing was, or, with `make`, there is no memory. */
frame_sum *store_frame_sum(struct checked_database *d, int64_t frame, bool make);

#endif
