/* A file as the layer between SQLite and its VFS sees it. For vfs.c and order.c alone. */
#ifndef STATEGATE_STORE_INTEGRITY_CHECKED_FILE_H
#define STATEGATE_STORE_INTEGRITY_CHECKED_FILE_H

#include "store/integrity/checked.h"
#include "store/integrity/gather.h"

struct checked_file {
    sqlite3_file base; /* first */
    struct checked_database *database; /* shared; NULL = a file that is not ours, or passed on as it is */
    struct checked_file *owner;  /* of a WAL: its database's file, borrowed */
    bool counted;                /* this file counts among the users of `database` */
    int (*stop)(void *context);  /* of the file: store_checksum_stop_when */
    void *stop_context;
    unsigned reads;              /* of pages, since it was asked last */
    unsigned char *index;        /* of the file: the beginning of the shared memory, once it is mapped */
    unsigned char page[STORE_PAGE_BYTES]; /* scratch */
    struct gather gather;        /* of a WAL */
};
#define REAL_OFFSET ((sizeof(struct checked_file) + 15) / 16 * 16)

static inline struct checked_file *file_of(sqlite3_file *file)
{
    return (struct checked_file *)(void *)file;
}

/* The file of the VFS beneath. */
static inline sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((char *)file + REAL_OFFSET);
}

#endif
