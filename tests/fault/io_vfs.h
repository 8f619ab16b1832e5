/* An SQLite VFS over the system's own that fails when it is told to: the Nth operation of a kind, once or from there on
 * until it is healed. One thread uses it. */
#ifndef STATEGATE_TESTS_IO_VFS_H
#define STATEGATE_TESTS_IO_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IO_OPERATIONS(X) X(READ) X(WRITE) X(SYNC) X(TRUNCATE) X(SHM_MAP) X(OPEN) X(SIZE) X(DELETE) X(ACCESS)

enum io_operation {
#define IO_OPERATION_ENUM(name) IO_##name,
    IO_OPERATIONS(IO_OPERATION_ENUM)
#undef IO_OPERATION_ENUM
    IO_OPERATIONS_COUNT
};

enum io_fault {
    IO_FAULT_ERROR,   /* SQLITE_IOERR_* or SQLITE_CANTOPEN, errno EIO */
    IO_FAULT_FULL,    /* WRITE: SQLITE_FULL, and half of it is written */
    IO_FAULT_ENOSPC,  /* WRITE, TRUNCATE, SHM_MAP: SQLITE_IOERR_*, errno ENOSPC */
    IO_FAULT_SHORT,   /* READ: half of it, as at the end of a file */
    IO_FAULT_LOST,    /* SYNC of a database's file: SQLITE_IOERR_FSYNC, and what was written since the last is gone */
    IO_FAULT_SILENT,  /* WRITE: nothing is written, and it is said to be: no disk may do that */
    IO_FAULT_FORGOTTEN, /* SYNC: as LOST, and it is said to be done: nor that */
    IO_FAULTS_COUNT
};

/* Does the fault make sense for the operation? */
bool io_fault_suits(enum io_operation operation, enum io_fault fault);

const char *io_operation_name(enum io_operation operation);
const char *io_fault_name(enum io_fault fault);

/* Make it SQLite's default, before anything opens a database. */
void io_vfs_register(void);

/* Count from 0; fail the `index`th operation of this kind, and with `until_healed` those that follow. */
void io_vfs_arm(enum io_operation operation, uint64_t index, enum io_fault fault, bool until_healed);
/* No fault from now on. */
void io_vfs_heal(void);
/* Operations since io_vfs_arm. */
uint64_t io_vfs_count(enum io_operation operation);
/* End the process by SIGKILL at the `index`th change of a file or a name, when `eighths` of it are done: of a write so
 * many of its bytes; all else changes afterwards or not at all. And how many changes there were so far. */
void io_vfs_kill_at(uint64_t index, unsigned eighths);
uint64_t io_vfs_changes(void);
/* How often it has failed since. */
uint64_t io_vfs_struck(void);

#endif
