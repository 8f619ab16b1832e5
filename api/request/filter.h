/* The grammar of filters, and the one canonical text of each:
 *
 *   param = field "=" ["not."] test  |  ["not."] ("and"|"or") "=" group
 *   group = "(" term *("," term) ")"                        depth <= QUERY_DEPTH_MAX, tests <= QUERY_TERMS_MAX
 *   term  = field "." ["not."] test  |  ["not."] ("and"|"or") group
 *   test  = ("eq"|"neq"|"gt"|"gte"|"lt"|"lte"|"isdistinct") "." value
 *         | "in.(" value *("," value) ")"  |  "is." ("null"|"not_null"|"true"|"false")  |  "like." prefix "*"
 *   value = bare  |  DQUOTE *(char | "\" DQUOTE | "\\") DQUOTE
 *
 * What begins with a quote is quoted; bare text holds anything but "," and ")" inside lists and groups. Pure. */
#ifndef STATEGATE_API_REQUEST_FILTER_H
#define STATEGATE_API_REQUEST_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buffer.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "store/query.h"

#define FILTER_BYTES_MAX 1024 /* of canonical text: it goes into cursors and links */

/* Where a filter is read into. The arrays are the caller's: of the texts that are read together, as many values as they
 * have commas and one more each, and as many bytes as they have. Values of strings point into the texts or into
 * `text`. */
struct filter_reader {
    struct query *query; /* its nodes are appended to; `fields` is set */
    struct field_value *values;
    size_t values_count;
    char *text;
    size_t text_bytes;
    size_t tests_count;
    size_t listed_count; /* values of `in` lists */
};

/* The names of the fields there are, as a sentence lists them: of many the first. Gives `out`. */
#define FILTER_NAMES_BYTES 256
const char *filter_names(const struct field_set *fields, char out[FILTER_NAMES_BYTES]);

/* Is it `and` or `or`, perhaps after `not.`? */
bool filter_is_group(struct slice name);

/* One parameter: a field or a group and what stands after "=". SG_INVALID, with a sentence that names what is wrong and
 * what there is. */
SG_MUST_CHECK enum sg_status filter_read_param(struct filter_reader *reader, struct slice name, struct slice value,
                                               struct sg_error *err);
/* Terms with commas between, as canonical text has them. */
SG_MUST_CHECK enum sg_status filter_read_terms(struct filter_reader *reader, struct slice terms, struct sg_error *err);

/* Bring the terms of each group into the one order, and write the whole as terms with commas between. Filters that
 * differ by the order of their terms alone, by that of the values of an `in`, or by how values are written have one
 * text; it is read again as the same nodes. SG_INVALID: longer than FILTER_BYTES_MAX; SG_MEMORY. */
SG_MUST_CHECK enum sg_status filter_write(struct query *query, char out[FILTER_BYTES_MAX], size_t *bytes,
                                          struct sg_error *err);

/* A value as canonical text has it: bare where no reader can take it for something else, else in quotes. */
void filter_append_value(struct slice text, struct buffer *out);

/* Take the next value off `rest`: `bare_end` has the characters that end a bare one. What was quoted is written to
 * `room`, which has as many bytes as `rest`, without the quotes and backslashes. SG_INVALID: it is not closed. */
SG_MUST_CHECK enum sg_status filter_take_value(struct slice *rest, const char *bare_end, char *room, struct slice *out,
                                               struct sg_error *err);

/* The parts of a text of terms, each with the comma after it taken off; empty = no more. It is canonical text. */
struct slice filter_take_term(struct slice *terms);

#endif
