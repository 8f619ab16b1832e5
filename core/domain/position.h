/* Positions of streams, as HTTP and people see them: `ORDERS:10482;epoch=k3fq1z`; and the epoch itself.
 *
 * A position means something only within its epoch: one life of one stream. */
#ifndef STATEGATE_CORE_DOMAIN_POSITION_H
#define STATEGATE_CORE_DOMAIN_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"

/* A lower-case letter, then 5 to 11 of a-z0-9 (docs/promises.md, "A stream that is not what it was"). */
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

#define POSITION_NAME_BYTES_MAX 255 /* as long as the name of a stream may be */
struct position_member {
    struct slice name;  /* 1..POSITION_NAME_BYTES_MAX bytes of UTF-8 without NUL; whether it exists is not asked */
    uint64_t sequence;  /* at most INT64_MAX */
    struct epoch epoch; /* "" = not given */
};

/* Read a list of positions: an RFC 9651 List of at least one and at most `members_max` members, as position_append()
 * writes them. The last colon parts name and sequence. Stricter than the RFC, so that no demand is misread: no inner
 * lists, no parameter but `epoch`, that one once and a token, no name twice.
 *
 * Strings are decoded in place: `text` is changed, also on failure, and the names point into it. `count` and the
 * members are of use on success only. SG_INVALID: a sentence that begins with `what`, the header or parameter, and
 * says what is wrong. Any thread, no allocation. */
SG_MUST_CHECK enum sg_status position_list_parse(char *text, size_t bytes, const char *what,
                                                 struct position_member *members, size_t members_max, size_t *count,
                                                 struct sg_error *err);

/* A sequence as positions spell it, and a version likewise: digits only, no leading zero, at most INT64_MAX. False, and
 * nothing written, for anything else. */
SG_MUST_CHECK bool position_number(struct slice text, uint64_t *out);

#endif
