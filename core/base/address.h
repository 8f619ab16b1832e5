/* The address of a listener as it is written in the settings: host:port, [::1]:port or unix:/path. */
#ifndef STATEGATE_CORE_BASE_ADDRESS_H
#define STATEGATE_CORE_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define ADDRESS_HOST_BYTES_MAX 253      /* a DNS name */
#define ADDRESS_UNIX_PATH_BYTES_MAX 107 /* sun_path of the kernel, with its NUL */

struct address {
    bool is_unix;
    bool is_ipv6;                               /* was written in brackets; `host` is without them */
    char host[ADDRESS_HOST_BYTES_MAX + 1];      /* never empty unless is_unix */
    uint16_t port;                              /* 0 = any free one */
    char path[ADDRESS_UNIX_PATH_BYTES_MAX + 1]; /* absolute; "" unless is_unix */
};

/* False where the text is none of the three forms. Any thread, pure. */
bool address_parse(const char *text, struct address *out);

/* The next of several that stand with commas between; `*rest` moves beyond it. bytes 0 = there is none, or it is
 * empty. */
struct slice address_next(const char **rest);
bool address_parse_slice(struct slice text, struct address *out);

/* `host:port` or `[address]:port` alone, of `bytes` bytes. Where the port is left out it is `port_default`; -1: it must
 * not be left out. */
bool address_parse_host(const char *text, size_t bytes, int port_default, struct address *out);

#endif
