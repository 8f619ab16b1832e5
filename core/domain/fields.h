/* Declared fields of a collection and its indexes: what the settings say, and the values that are taken from a state.
 *
 *   field   a name, where it stands in the state (a JSON pointer, RFC 6901) and a type; its value is taken when an
 *           event is applied, and stored beside the row
 *   index   up to FIELDS_INDEX_COLUMNS_MAX of them, each with a direction and a side for nulls; the id is always the
 *           last key
 *
 * Missing and null are one. A value of another type is null too, and counted as a mismatch. Pure; any thread. */
#ifndef STATEGATE_CORE_DOMAIN_FIELDS_H
#define STATEGATE_CORE_DOMAIN_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"

#define FIELDS_MAX 32               /* of a collection: each is a column, and a bit of a word */
#define FIELDS_INDEXES_MAX 16       /* each is written for every event that changes one of its columns */
#define FIELDS_INDEX_COLUMNS_MAX 4  /* their values, and the id, go into a cursor */
#define FIELDS_NAME_BYTES_MAX 63    /* as in PostgreSQL */
#define FIELDS_AT_BYTES_MAX 512     /* of a pointer with its star; depth 64 of core/domain/event.h with short names */
#define FIELDS_TEXT_BYTES_MAX 512   /* of a string, which goes into indexes and cursors, and of a number as it is
                                     * written; a longer one is a mismatch */
#define FIELDS_ELEMENTS_MAX 256     /* of a many-valued field: each is a row; more of them are a mismatch */

/* The word is the one in the settings. */
#define FIELD_TYPES(X)                                                                                                 \
    X(FIELD_STRING, "string")   /* compares by bytes */                                                                \
    X(FIELD_INTEGER, "integer") /* exact, 64 bits */                                                                   \
    X(FIELD_NUMBER, "number")   /* compares as a double; finite */                                                     \
    X(FIELD_BOOLEAN, "boolean") /* false is less than true */                                                          \
    X(FIELD_TIME, "time")       /* RFC 3339, as an instant in nanoseconds since 1970; 1677 to 2262 */

enum field_type {
#define FIELD_TYPE_ENUM(name, word) name,
    FIELD_TYPES(FIELD_TYPE_ENUM)
#undef FIELD_TYPE_ENUM
    FIELD_TYPES_COUNT
};

struct field {
    char *name;           /* owned; [a-z_][a-z0-9_]* */
    char *at;             /* owned; the pointer, without the final "/" and star of a many-valued one */
    enum field_type type;
    bool many;            /* one value for each element of the array at `at` */
};

struct field_index_column {
    unsigned field;  /* in the order of the declaration */
    bool descending;
    bool nulls_last; /* else first. SQLite's own order is first ascending, last descending */
};

/* A many-valued field stands in an index alone, ascending. */
struct field_index {
    char *text; /* owned; canonical: "status,placed.desc"; the side for nulls only where it is not the default one */
    struct field_index_column columns[FIELDS_INDEX_COLUMNS_MAX];
    size_t columns_count;
};

/* What a collection declares; zeroed = nothing. */
struct field_set {
    struct field *fields; /* owned; in the order of the settings */
    size_t fields_count;
    struct field_index *indexes; /* owned; likewise */
    size_t indexes_count;
    bool scan; /* queries that no index serves run within the budget */
};

/* The value of one field. Which member counts follows from the field's type. */
struct field_value {
    enum field_state { FIELD_NULL, FIELD_SET, FIELD_ELEMENTS } state;
    union {
        struct slice text;  /* string */
        int64_t integer;    /* integer; boolean: 0 or 1; time: nanoseconds */
        double number;
        struct {            /* FIELD_ELEMENTS, of a many-valued field: ascending, each once, none null; none = null */
            const struct field_value *values;
            size_t count;
        } elements;
    };
};

/* ---- names ---- */

/* Every collection has these: no field is declared with such a name. */
#define FIELDS_BUILT_IN(X) X("id") X("version") X("sequence") X("occurred_at")

/* Words of requests, of today and of what is to come: a field of such a name could not be asked for. This is their only
 * list. */
#define FIELDS_RESERVED(X)                                                                                             \
    X("and") X("or") X("not") X("select") X("order") X("limit") X("cursor") X("since") X("wait") X("stream")           \
    X("count") X("q") X("facet") X("expand") X("at") X("as_of") X("min_version") X("min_position")                     \
    X("max_staleness") X("after_message") X("after_correlation") X("collection")

/* What keeps a name from being declared, as a sentence of a refusal ("must ...") in static storage; NULL = nothing. */
const char *fields_name_fault(struct slice name);

/* Static storage. */
const char *field_type_name(enum field_type type);

/* The field of this name, or FIELDS_NONE. */
#define FIELDS_NONE FIELDS_MAX
unsigned fields_find(const struct field_set *set, struct slice name);

/* ---- making a set ---- */

/* Append a field; `at` is a pointer of good form, perhaps with a final "/" and star. SG_INVALID (a bad name, one that
 * is there, too many) with a sentence for people, SG_MEMORY; on both the set is as it was. */
SG_MUST_CHECK enum sg_status fields_add(struct field_set *set, struct slice name, struct slice at,
                                        enum field_type type, struct sg_error *err);
/* Append an index over fields that are there: "status,placed.desc", each perhaps with .desc, and .nullsfirst or
 * .nullslast after it. Likewise. */
SG_MUST_CHECK enum sg_status fields_add_index(struct field_set *set, struct slice text, struct sg_error *err);
/* Free what it owns and zero it. */
void fields_free(struct field_set *set);

/* ---- values ---- */

/* Less than 0, 0 or more than 0, of two that are set. */
int field_value_compare(enum field_type type, const struct field_value *a, const struct field_value *b);

/* What is written for a value in a document; false where it is none of the type. An integer is digits, perhaps after a
 * minus sign; a number is a finite double, written as JSON has it, in at most FIELDS_TEXT_BYTES_MAX bytes (-0 is 0); a
 * time has at most 9 decimals. */
SG_MUST_CHECK bool field_integer_read(struct slice text, int64_t *out);
SG_MUST_CHECK bool field_number_read(struct slice text, double *out);
SG_MUST_CHECK bool field_time_read(struct slice text, int64_t *out);

/* The value that `text` means. SG_INVALID, with a sentence that names what is wanted, for what is no value of the type:
 * an integer written 5.0 or 1e3 or beyond 64 bits, a number that is no finite double, a time outside its years or with
 * more than 9 decimals, a string that is too long. A string is borrowed from `text`. In a query a time may have a space
 * before its zone offset, which stands for the + that a URL turned into one. */
SG_MUST_CHECK enum sg_status field_value_parse(enum field_type type, struct slice text, struct field_value *out,
                                               struct sg_error *err);
/* A value that is set, and no elements, as canonical text: equal where the values are, and read back by
 * field_value_parse. For cursors. */
void field_value_append(enum field_type type, const struct field_value *value, struct buffer *out);

/* ---- the declaration ---- */

/* The declaration as canonical JSON, and a NUL:
 *
 *   {"fields":[{"name":"tag","at":"/tags/ *","type":"string"}],"indexes":["status,placed.desc","tag"],"scan":false}
 *
 * (without the space before the star). Another text means other values, other indexes, or another order of pages.
 * SG_MEMORY. */
#define FIELDS_TEXT_MAX (256u << 10) /* 32 pointers and 16 indexes, escaped */
SG_MUST_CHECK enum sg_status fields_write(const struct field_set *set, struct buffer *out, struct sg_error *err);

/* The same in short: an f and the first digits of its SHA-256. "" where nothing is declared. SG_MEMORY. */
#define FIELDS_HASH_CHARS 9
struct fields_hash {
    char text[FIELDS_HASH_CHARS + 1];
};
SG_MUST_CHECK enum sg_status fields_hash_of(const struct field_set *set, struct fields_hash *out,
                                            struct sg_error *err);

#endif
