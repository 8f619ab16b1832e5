/* Small files of /proc and /sys as strings. */
#ifndef STATEGATE_CORE_BASE_PROC_FILE_H
#define STATEGATE_CORE_BASE_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* The first room - 1 bytes of a file, terminated. False if it is empty or cannot be read. Any thread. */
bool proc_file_read(const char *path, char *out, size_t room);

#endif
