/* Subject templates such as `state.{collection}.{id}`: parsed once, turned into the consumer's filter, and matched
 * against each message's subject. Pure functions of their arguments. */
#ifndef STATEGATE_CORE_DOMAIN_SUBJECT_H
#define STATEGATE_CORE_DOMAIN_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/base/status.h"

#define SUBJECT_BYTES_MAX 512  /* of a template; nats-server's own control line allows 4096 with all else in it */
#define SUBJECT_TOKENS_MAX 32

/* What one token of a template stands for. `{id}` as the last token takes all the tokens that remain. */
enum subject_token_kind {
    SUBJECT_LITERAL,
    SUBJECT_COLLECTION, /* {collection}: one token */
    SUBJECT_ID,         /* {id}: one token, or, at the end, one or more */
    SUBJECT_ANY,        /* *: one token without meaning */
    SUBJECT_REST        /* > at the end: one or more tokens without meaning */
};

/* A plain value; `text` is copied, the tokens point into it by offset. */
struct subject_template {
    char text[SUBJECT_BYTES_MAX + 1];
    char filter[SUBJECT_BYTES_MAX + 1]; /* the consumer's filter: state.*.> */
    size_t tokens_count;
    struct {
        enum subject_token_kind kind;
        uint16_t offset;
        uint16_t bytes;
    } tokens[SUBJECT_TOKENS_MAX];
    bool has_collection;
    bool has_id;
};

/* Parse and check a template: no empty tokens, no white space or control bytes, each of {collection} and {id} at most
 * once, `>` and nothing else after it, no braces elsewhere. SG_INVALID names what is wrong. */
SG_MUST_CHECK enum sg_status subject_template_parse(const char *text, struct subject_template *out,
                                                    struct sg_error *err);

/* Match a subject. On true, `collection` and `id` are slices into `subject` (bytes 0 where the template has none). */
bool subject_template_match(const struct subject_template *t, struct slice subject, struct slice *collection,
                            struct slice *id);

/* Does an entity's collection and id name its one subject? Not without {id}, nor with tokens that mean nothing. */
bool subject_template_is_exact(const struct subject_template *t);

/* Can one subject match both? Each is a subject with NATS's own wildcards, such as a stream's or a filter. */
bool subjects_overlap(struct slice a, struct slice b);

/* Where the filter asks for one token more than a stream's `subjects` (`state.*.>` of `state.>`): what else the stream
 * takes (`state.*`) goes to `out`, with room for `out_bytes`. False: it is no such filter. */
bool subject_filter_rest(struct slice filter, struct slice subjects, char *out, size_t out_bytes);

/* Does the filter match every subject that `subjects` matches? Both may have NATS's own wildcards. */
bool subject_filter_covers(struct slice filter, struct slice subjects);

#endif
