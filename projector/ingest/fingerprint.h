/* The settings that shape a stream's rows, as canonical JSON: another text means other rows.
 *
 *   {"format":"envelope","decoder":1,"subject":"state.{collection}.{id}","collections":["customers","orders"],
 *    "not":[],"drop":{"customers":["/secret"]}}
 *
 * Members stand in this order, names in that of their bytes and each once, so that a setting written in another order
 * changes nothing. `not`: of a stream without a list, what other streams list. `decoder` is the format's revision. */
#ifndef STATEGATE_PROJECTOR_INGEST_FINGERPRINT_H
#define STATEGATE_PROJECTOR_INGEST_FINGERPRINT_H

#include "core/base/buffer.h"
#include "core/domain/settings.h"

#define FINGERPRINT_BYTES_MAX (2u << 20) /* names and pointers of a configuration file of 1 MiB, some of them escaped */

/* Append the fingerprint of the rows of `stream`, one of the settings', and a NUL to `out`.
 * SG_MEMORY: it does not fit there, or there is no memory. */
SG_MUST_CHECK enum sg_status fingerprint_rows(const struct settings *settings, const struct stream_settings *stream,
                                              struct buffer *out, struct sg_error *err);
/* That fingerprint in short: an r and the first digits of its SHA-256. SG_MEMORY likewise. */
SG_MUST_CHECK enum sg_status fingerprint_hash(const struct settings *settings, const struct stream_settings *stream,
                                              struct rows_hash *out, struct sg_error *err);
/* The rows' as it was made until schema version 2: a database of that version has it. It names no revision of the
 * format, as there was but one. `revision` is the present one: SG_NOT_FOUND where it is another, since rows that were
 * read as that version read them are not what would be read today. */
#define FINGERPRINT_BEFORE_REVISION 1
SG_MUST_CHECK enum sg_status fingerprint_before(const struct settings *settings, const struct stream_settings *stream,
                                                unsigned revision, struct buffer *out, struct sg_error *err);

#endif
