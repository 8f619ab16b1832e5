/* Names of threads, as `top -H`, `ps -T` and /proc/PID/task/TID/comm show them. */
#ifndef STATEGATE_CORE_BASE_THREAD_H
#define STATEGATE_CORE_BASE_THREAD_H

#define THREAD_NAME_BYTES 16 /* the kernel keeps 15 bytes and a NUL */

/* Name the calling thread `role`, or `role:detail` if there is a detail; cut to what the kernel keeps, at a character's
 * end. A thread that the calling one creates begins with the same name: so those of a library can be named. */
void thread_name_set(const char *role, const char *detail);

#endif
