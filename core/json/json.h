/* JSON is read into memory that the caller gives, and checked for what a parser lets through. Numbers stay the text
 * that they are, so nothing is lost that a double cannot hold. The caller decides what a fault means. */
#ifndef STATEGATE_CORE_JSON_JSON_H
#define STATEGATE_CORE_JSON_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/json/arena.h"

#define JSON_DEPTH_MAX 64 /* as deep as any limit below may let arrays and objects be nested */

struct json_limits {
    size_t bytes_max;
    size_t depth_max; /* at most JSON_DEPTH_MAX */
};

enum json_fault_kind {
    JSON_SOUND,
    JSON_TOO_LARGE,       /* nothing was read */
    JSON_MALFORMED,       /* likewise: no JSON, or not UTF-8 */
    JSON_TOO_DEEP,        /* the values are there */
    JSON_DUPLICATE_MEMBER /* likewise */
};
struct json_fault {
    enum json_fault_kind kind;
    const char *message; /* JSON_MALFORMED: a fixed sentence, which quotes nothing of the text; else NULL */
    size_t at;           /* and at which byte */
};

/* A value within the text that it was read from. */
struct json_value {
    struct slice text;   /* of the whole document, as it came; borrowed */
    yyjson_doc *document; /* in the memory that the reader was given */
    yyjson_val *value;
};

/* Read `text` into `memory`. On SG_OK `fault` says what is wrong with it; `out` is the root, and is written unless
 * nothing was read. SG_MEMORY: nothing was read. All walks are loops: what is read does not decide how deep the stack
 * grows. */
SG_MUST_CHECK enum sg_status json_read(struct slice text, const struct json_limits *limits, struct region *memory,
                                       struct json_value *out, struct json_fault *fault, struct sg_error *err);

/* What the JSON library takes its memory by; nothing is freed one by one. */
yyjson_alc json_allocator(struct region *memory);
#define JSON_ALIGN 16u /* of what it takes */

static inline struct slice json_key(yyjson_val *key)
{
    return (struct slice){unsafe_yyjson_get_str(key), unsafe_yyjson_get_len(key)};
}

/* The text of a string or of a number, as written; bytes 0 and data NULL for anything else. */
struct slice json_text(yyjson_val *value);
/* True if a number is written as an integer: digits, perhaps after a minus sign. */
bool json_is_integer(yyjson_val *value);
/* The same, and it fits. */
bool json_integer(yyjson_val *value, int64_t *out);

#endif
