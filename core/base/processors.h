/* How many processors this process may use: the smaller of its affinity and its cgroup's quota. */
#ifndef STATEGATE_CORE_BASE_PROCESSORS_H
#define STATEGATE_CORE_BASE_PROCESSORS_H

/* At least 1. Reads /proc and /sys. */
unsigned processors_usable(void);

/* The quota alone, rounded up, of the cgroups (v1 or v2) that the text of /proc/self/cgroup names, below `root`
 * (/sys/fs/cgroup); 0 = none is set. */
unsigned processors_quota(const char *root, const char *cgroups);

#endif
