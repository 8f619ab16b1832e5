/* Is an opened database sound? */
#ifndef STATEGATE_STORE_WRITE_CHECK_H
#define STATEGATE_STORE_WRITE_CHECK_H

#include <stdbool.h>

#include "store/sqlite/connection.h"

#define STORE_CHECK_BYTES_MAX (16 << 20) /* up to this size every open checks the whole file */
#define STORE_CHECK_UNCLEAN_BYTES_MAX (64 << 20) /* the same after an unclean stop: about 0.1 s */

/* Look for damage in bounded time; all of it is looked at where the marker says that damage was met. `clean`: it was
 * closed in an orderly stop. SG_CORRUPT says what was found. */
SG_MUST_CHECK enum sg_status store_check(struct store_connection *c, bool clean, struct sg_error *err);

#endif
