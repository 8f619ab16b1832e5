/* Files of /proc and /sys. */
#include "core/base/proc_file.h"

#include <fcntl.h>
#include <unistd.h>

bool proc_file_read(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t bytes = read(fd, out, room - 1);
    (void)close(fd);
    if (bytes <= 0)
        return false;
    out[bytes] = '\0';
    return true;
}
