/* Positions of streams, as HTTP and people see them: `ORDERS:10482;epoch=k3fq1z`, and the epoch itself.
 *
 * A position means something only within its epoch: one life of one stream. */
#ifndef STATEGATE_CORE_POSITION_H
#define STATEGATE_CORE_POSITION_H

#include <stdint.h>

#include "core/buffer.h"
#include "core/status.h"

/* A lower-case letter, then 5 to 11 of a-z0-9 (contract, section 6). */
#define EPOCH_CHARS_MAX 12
struct epoch {
    char text[EPOCH_CHARS_MAX + 1]; /* "" = not known yet */
};

/* The epoch of a stream's life: a hash of its name and creation time, 6 characters, equal in every replica.
 * `suffix` (may be NULL) is what a rollback adds: 4 characters of epoch_random_suffix(). Without memory to hash it
 * `out` is "", not known. */
void epoch_make(const char *stream, int64_t created_ns, const char *suffix, struct epoch *out);
#define EPOCH_SUFFIX_CHARS 4
/* SG_UNAVAILABLE: the kernel gives no random numbers. */
SG_MUST_CHECK enum sg_status epoch_random_suffix(char out[EPOCH_SUFFIX_CHARS + 1], struct sg_error *err);
bool epoch_equal(const struct epoch *a, const struct epoch *b);

/* Append one member of an RFC 9651 list: a token where name:sequence is one, else a String, or for names beyond
 * printable ASCII a Display String (section 3.3.8). `epoch` "" leaves the parameter out. */
void position_append(struct buffer *out, const char *stream, uint64_t sequence, const struct epoch *epoch);

#endif
