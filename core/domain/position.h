/* Positions of streams, as HTTP and people see them: `ORDERS:10482;epoch=k3fq1z`; and the epoch itself.
 *
 * A position means something only within its epoch: one incarnation of one stream. */
#ifndef STATEGATE_CORE_DOMAIN_POSITION_H
#define STATEGATE_CORE_DOMAIN_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"

/* A lower-case letter, then 5 to 11 of a-z0-9 (docs/promises.md, "A stream that is not what it was"). */
#define EPOCH_CHARS_MAX 12
struct epoch {
    char text[EPOCH_CHARS_MAX + 1]; /* "" = not known yet */
};

/* The epoch of a stream's incarnation: a hash of its name and creation time, 6 characters, equal in every replica.
 * `suffix` (may be NULL) is what a rollback adds: 4 characters of epoch_random_suffix(). Without memory to hash it
 * `out` is "", not known. */
void epoch_make(const char *stream, int64_t created_ns, const char *suffix, struct epoch *out);
#define EPOCH_SUFFIX_CHARS 4
/* SG_UNAVAILABLE: the kernel gives no random numbers. */
SG_MUST_CHECK enum sg_status epoch_random_suffix(char out[EPOCH_SUFFIX_CHARS + 1], struct sg_error *err);
bool epoch_equal(const struct epoch *a, const struct epoch *b);
/* False, and nothing written, where the text is no epoch. */
SG_MUST_CHECK bool epoch_parse(struct slice text, struct epoch *out);

/* Append one member of an RFC 9651 list: a token where name:sequence is one, else a String, or for names beyond
 * printable ASCII a Display String (section 3.3.8). `epoch` "" leaves the parameter out. */
void position_append(struct buffer *out, const char *stream, uint64_t sequence, const struct epoch *epoch);

static inline bool position_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9651 section 3.3.4: what a token begins with, and what it goes on with. */
static inline bool position_begins_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}
static inline bool position_continues_token(char c)
{
    return position_begins_token(c) || position_is_digit(c) || (c != '\0' && strchr("!#$%&'+-.^_`|~:/", c) != NULL);
}

#endif
