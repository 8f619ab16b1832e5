/* Results and errors. */
#include "core/base/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *sg_status_name(enum sg_status status)
{
    switch (status) {
    case SG_OK: return "ok";
    case SG_INVALID: return "invalid";
    case SG_NOT_FOUND: return "not-found";
    case SG_UNAVAILABLE: return "unavailable";
    case SG_DENIED: return "denied";
    case SG_STORAGE: return "storage";
    case SG_FULL: return "full";
    case SG_CORRUPT: return "corrupt";
    case SG_LOCKED: return "locked";
    case SG_MEMORY: return "memory";
    case SG_STOPPED: return "stopped";
    }
    return "unknown";
}

enum sg_status sg_fail(struct sg_error *err, enum sg_status status, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        err->status = status;
        va_start(args, format);
        (void)vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return status;
}
