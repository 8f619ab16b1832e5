/* The database as a file, before SQLite opens it: whose it is, and where a damaged one goes. */
#ifndef STATEGATE_STORE_INTEGRITY_FILE_H
#define STATEGATE_STORE_INTEGRITY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

enum store_file { STORE_FILE_ABSENT, STORE_FILE_OURS };
/* Look at the header, the seal and the WAL without SQLite, so that a foreign database is not touched, and none is
 * recovered from a WAL that is not its own. Only while no connection of this process has the file open: closing a
 * descriptor drops the process's locks on it. SG_INVALID: foreign, or its schema version is above `version_max`;
 * SG_CORRUPT: damaged, or its schema version is below `version_min`. */
SG_MUST_CHECK enum sg_status store_file_inspect(const char *path, unsigned version_min, unsigned version_max,
                                                enum store_file *out, struct sg_error *err);
/* Whether a rollback journal lies beside the database: only its creation uses one. */
bool store_file_journal(const char *path);
/* Rename the database and its companions to `<path>.corrupt-<UTC time>...`. Of those that were moved aside before, the
 * newest stays; the others are removed. */
SG_MUST_CHECK enum sg_status store_file_move_aside(const char *path, char *moved_aside, size_t moved_aside_bytes,
                                                   struct sg_error *err);

#endif
