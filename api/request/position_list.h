/* Lists of positions, as a header or a parameter carries them: `ORDERS:10482;epoch=k3fq1z, BILLS:7`. */
#ifndef STATEGATE_API_REQUEST_POSITION_LIST_H
#define STATEGATE_API_REQUEST_POSITION_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/domain/position.h"

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

#endif
