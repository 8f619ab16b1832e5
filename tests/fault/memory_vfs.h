/* An SQLite VFS whose files are memory, and which can write down every change that is made to them: the disk of a
 * machine whose power may be cut. Locks and shared memory are those of one process; one thread uses it. */
#ifndef STATEGATE_TESTS_MEMORY_VFS_H
#define STATEGATE_TESTS_MEMORY_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_op_kind {
    DISK_CREATE,   /* the name leads to a new, empty file */
    DISK_DELETE,   /* the name leads nowhere */
    DISK_WRITE,
    DISK_TRUNCATE, /* `offset` is the new size */
    DISK_SYNC,     /* all of this file is on the platter */
};

struct disk_op {
    enum disk_op_kind kind;
    bool directory;     /* of DELETE and SYNC: the folder's names are on the platter as well */
    size_t file;        /* number of the file: a name that is created again gets another */
    int64_t offset;
    size_t bytes;       /* of WRITE */
    size_t data;        /* of WRITE: where its bytes begin in disk_log.data */
    size_t acknowledged; /* what the log's owner had counted by then */
};

/* Everything that happened to a disk. */
struct disk_log {
    struct disk_op *ops; /* owned */
    size_t ops_count;
    size_t ops_capacity;
    unsigned char *data; /* owned */
    size_t data_bytes;
    size_t data_capacity;
    char **names;        /* owned; by number of the file */
    size_t files_count;
    size_t acknowledged; /* set by the owner */
    bool lying;          /* the disk says that it has synced, and has not */
};

struct memory_disk;

struct memory_disk *memory_disk_create(void);
/* No file of it may be open. NULL is allowed. */
void memory_disk_destroy(struct memory_disk *disk);
/* Put a file there; `data` is of the pool (pool_malloc.h), and the disk's from now on. */
void memory_disk_give(struct memory_disk *disk, const char *name, void *data, size_t bytes);
/* Write down what happens from now on; NULL ends it. The files that are there get the log's first numbers. */
void memory_disk_record(struct memory_disk *disk, struct disk_log *log);
/* Call `visit` for each file. */
void memory_disk_each(const struct memory_disk *disk,
                      void (*visit)(void *context, const char *name, const unsigned char *data, size_t bytes),
                      void *context);
void disk_log_free(struct disk_log *log);

/* Make it SQLite's default, before anything opens a database. What SQLite takes for chance follows the seed. */
void memory_vfs_register(uint64_t seed);
/* The disk on which names are looked up and files opened. */
void memory_vfs_use(struct memory_disk *disk);

/* For programs linked with --wrap of open, stat, access and rename: the read model looks at its file beside SQLite, and
 * must see the one in memory. Names that no file in memory has go to the real file system. */

#endif
