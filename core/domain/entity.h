/* One entity: as it is read, and as it is to be stored. Plain values. */
#ifndef STATEGATE_CORE_DOMAIN_ENTITY_H
#define STATEGATE_CORE_DOMAIN_ENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

/* As an answer shows it. */
struct entity {
    int64_t version;
    bool deleted;
    uint64_t sequence;         /* of the event that wrote it; 0 in pages, which do not read it */
    uint64_t gap_last;         /* an event of it after that one and up to here may be lost; the same as `sequence`: it
                                * is not in the stream any more, and an older one is; 0 = none, and in pages */
    struct slice id;           /* in pages; the same as asked for otherwise */
    struct slice state;        /* empty when deleted */
    struct slice occurred_at;  /* empty = unknown */
};

struct field_value;

/* What is to be stored of it. The bytes are borrowed from the event, or from whoever merged a patch. */
struct entity_value {
    int64_t version;
    bool deleted;
    uint64_t sequence;
    int64_t schema_version; /* valid if has_schema_version */
    bool has_schema_version;
    struct slice occurred_at; /* RFC 3339 as written */
    struct slice type;
    struct slice message_id;
    struct slice correlation_id;
    struct slice causation_id;
    struct slice state;               /* JSON text as it will be served; empty if deleted */
    const struct field_value *fields; /* in the order of the declaration; NULL = none is declared, or deleted */
};

#endif
