/* Is this UTF-8? For everything that passes bytes of others on to SQLite, JSON or a log. Pure functions. */
#ifndef STATEGATE_CORE_BASE_UTF8_H
#define STATEGATE_CORE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"

/* Bytes of the character that `data` begins with: 1..4, or 0 where it is not UTF-8 (RFC 3629: shortest form only, no
 * surrogates, nothing beyond U+10FFFF) or `bytes` is 0. */
size_t utf8_char_bytes(const char *data, size_t bytes);

bool utf8_valid(struct slice s);

#endif
