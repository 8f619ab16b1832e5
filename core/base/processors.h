/* How many processors this process may use: the smaller of its affinity and its cgroup's quota. And how to read the
 * files that say so. */
#ifndef STATEGATE_CORE_BASE_PROCESSORS_H
#define STATEGATE_CORE_BASE_PROCESSORS_H

#include <stdbool.h>
#include <stddef.h>

/* At least 1. Reads /proc and /sys. */
unsigned processors_usable(void);

/* The quota alone, rounded up, of the cgroups (v1 or v2) that the text of /proc/self/cgroup names, below `root`
 * (/sys/fs/cgroup); 0 = none is set. */
unsigned processors_quota(const char *root, const char *cgroups);

/* The first room - 1 bytes of a file of /proc or /sys, terminated. False if it is empty or cannot be read. Any
 * thread. */
bool proc_file_read(const char *path, char *out, size_t room);

#endif
