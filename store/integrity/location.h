/* Where the files of a database lie: the real path beneath links, the lock that stands for the file itself, and whether
 * they still lie there while they are open. */
#ifndef STATEGATE_STORE_INTEGRITY_LOCATION_H
#define STATEGATE_STORE_INTEGRITY_LOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"

/* A file that was at its path when it was looked at. */
struct location {
    char *path; /* owned; NULL = none was there */
    uint64_t device;
    uint64_t inode;
};

/* Note which file `<path><suffix>` is. One that is not there, or cannot be asked for, is never said to be lost. */
void location_note(struct location *l, const char *path, const char *suffix);
/* The path names no file any more, or another one. Asks the file system. */
bool location_lost(const struct location *l);
void location_free(struct location *l);

/* Lock the database's own file, as whoever reaches it by another name, or after `.lock` was removed, does too. `*fd` is
 * to be closed after every other descriptor of the file, since closing it drops SQLite's locks on it; -1 = there is no
 * file yet. SG_LOCKED, SG_STORAGE. */
SG_MUST_CHECK enum sg_status location_lock(const char *path, int *fd, struct sg_error *err);

#endif
