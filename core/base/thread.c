#include "core/base/thread.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

void thread_name_set(const char *role, const char *detail)
{
    char name[THREAD_NAME_BYTES + 1];
    size_t bytes = (size_t)snprintf(name, sizeof name, "%s%s%s", role, detail != NULL ? ":" : "",
                                    detail != NULL ? detail : "");
    if (bytes >= THREAD_NAME_BYTES) {
        bytes = THREAD_NAME_BYTES - 1;
        while (bytes > 0 && ((unsigned char)name[bytes] & 0xc0) == 0x80)
            bytes--;
        name[bytes] = '\0';
    }
    (void)pthread_setname_np(pthread_self(), name); /* fails only for a name that is too long */
}
