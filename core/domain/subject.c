/* Subject templates. */
#include "core/domain/subject.h"

struct subject_token {
    struct slice text;
    bool last;
};

/* The token that begins at `*at`, which moves past its dot (beyond the end after the last one). */
static struct subject_token subject_next(struct slice subject, size_t *at)
{
    const char *start = subject.data + *at;
    size_t rest = subject.bytes - *at;
    const char *dot = rest > 0 ? memchr(start, '.', rest) : NULL;
    size_t bytes = dot != NULL ? (size_t)(dot - start) : rest;
    *at += bytes + 1;
    return (struct subject_token){{start, bytes}, dot == NULL};
}

static bool subject_has_any(struct slice token, const char *characters)
{
    for (size_t i = 0; i < token.bytes; i++) {
        if (strchr(characters, token.data[i]) != NULL)
            return true;
    }
    return false;
}

static bool subject_has_control(struct slice token)
{
    for (size_t i = 0; i < token.bytes; i++) {
        unsigned char byte = (unsigned char)token.data[i];
        if (byte <= ' ' || byte == 0x7F)
            return true;
    }
    return false;
}

static enum sg_status subject_classify(struct subject_token token, struct subject_template *t,
                                       enum subject_token_kind *kind, struct sg_error *err)
{
    struct slice text = token.text;
    if (text.bytes == 0)
        return sg_fail(err, SG_INVALID, "subject '%s' has an empty token", t->text);
    if (subject_has_control(text))
        return sg_fail(err, SG_INVALID, "subject '%s' holds white space or a control byte", t->text);
    if (slice_equal(text, SLICE_LITERAL("{collection}"))) {
        if (t->has_collection)
            return sg_fail(err, SG_INVALID, "subject '%s' has {collection} twice", t->text);
        t->has_collection = true;
        *kind = SUBJECT_COLLECTION;
    } else if (slice_equal(text, SLICE_LITERAL("{id}"))) {
        if (t->has_id)
            return sg_fail(err, SG_INVALID, "subject '%s' has {id} twice", t->text);
        t->has_id = true;
        *kind = SUBJECT_ID;
    } else if (slice_equal(text, SLICE_LITERAL("*"))) {
        *kind = SUBJECT_ANY;
    } else if (slice_equal(text, SLICE_LITERAL(">"))) {
        if (!token.last)
            return sg_fail(err, SG_INVALID, "subject '%s' has '>' before its end", t->text);
        *kind = SUBJECT_REST;
    } else if (subject_has_any(text, "{}")) {
        return sg_fail(err, SG_INVALID, "subject '%s' has braces other than a whole token {collection} or {id}",
                       t->text);
    } else if (subject_has_any(text, "*>")) { /* the server would take it literally, and its author would not */
        return sg_fail(err, SG_INVALID, "subject '%s' has '*' or '>' within a token", t->text);
    } else {
        *kind = SUBJECT_LITERAL;
    }
    return SG_OK;
}

static struct slice subject_filter_token(const struct subject_template *t, size_t index)
{
    bool last = index + 1 == t->tokens_count;
    switch (t->tokens[index].kind) {
    case SUBJECT_LITERAL: return (struct slice){t->text + t->tokens[index].offset, t->tokens[index].bytes};
    case SUBJECT_ID: return last ? SLICE_LITERAL(">") : SLICE_LITERAL("*");
    case SUBJECT_REST: return SLICE_LITERAL(">");
    case SUBJECT_COLLECTION:
    case SUBJECT_ANY: break;
    }
    return SLICE_LITERAL("*");
}

/* No token's filter is longer than the token, so the filter fits where the text does. */
static void subject_build_filter(struct subject_template *t)
{
    size_t at = 0;
    for (size_t i = 0; i < t->tokens_count; i++) {
        struct slice token = subject_filter_token(t, i);
        if (i > 0)
            t->filter[at++] = '.';
        memcpy(t->filter + at, token.data, token.bytes);
        at += token.bytes;
    }
    t->filter[at] = '\0';
}

enum sg_status subject_template_parse(const char *text, struct subject_template *out, struct sg_error *err)
{
    struct subject_template t = {0};
    struct slice whole = slice_of(text);
    if (whole.bytes == 0)
        return sg_fail(err, SG_INVALID, "the subject is empty");
    if (whole.bytes > SUBJECT_BYTES_MAX)
        return sg_fail(err, SG_INVALID, "the subject is longer than %d bytes", SUBJECT_BYTES_MAX);
    memcpy(t.text, text, whole.bytes + 1);
    whole.data = t.text;
    for (size_t at = 0; at <= whole.bytes;) {
        size_t start = at;
        struct subject_token token = subject_next(whole, &at);
        if (t.tokens_count == SUBJECT_TOKENS_MAX)
            return sg_fail(err, SG_INVALID, "subject '%s' has more than %d tokens", text, SUBJECT_TOKENS_MAX);
        enum sg_status status = subject_classify(token, &t, &t.tokens[t.tokens_count].kind, err);
        if (status != SG_OK)
            return status;
        t.tokens[t.tokens_count].offset = (uint16_t)start;
        t.tokens[t.tokens_count].bytes = (uint16_t)token.text.bytes;
        t.tokens_count++;
    }
    subject_build_filter(&t);
    *out = t;
    return SG_OK;
}

/* What remains of `subject` from `at`, one or more tokens; bytes 0 if one of them is empty. */
static struct slice subject_rest(struct slice subject, size_t at)
{
    struct slice rest = {subject.data + at, subject.bytes - at};
    while (at <= subject.bytes) {
        if (subject_next(subject, &at).text.bytes == 0)
            return (struct slice){0};
    }
    return rest;
}

bool subject_template_match(const struct subject_template *t, struct slice subject, struct slice *collection,
                            struct slice *id)
{
    struct slice found_collection = {0};
    struct slice found_id = {0};
    size_t at = 0;
    for (size_t i = 0; i < t->tokens_count; i++) {
        enum subject_token_kind kind = t->tokens[i].kind;
        if (at > subject.bytes) /* fewer tokens than the template has */
            return false;
        bool takes_rest = kind == SUBJECT_REST || (kind == SUBJECT_ID && i + 1 == t->tokens_count);
        struct slice token;
        if (takes_rest) {
            token = subject_rest(subject, at);
            at = subject.bytes + 1;
        } else {
            token = subject_next(subject, &at).text;
        }
        if (token.bytes == 0)
            return false;
        if (kind == SUBJECT_LITERAL &&
            !slice_equal(token, (struct slice){t->text + t->tokens[i].offset, t->tokens[i].bytes}))
            return false;
        if (kind == SUBJECT_COLLECTION)
            found_collection = token;
        if (kind == SUBJECT_ID)
            found_id = token;
    }
    if (at <= subject.bytes) /* more tokens than the template has */
        return false;
    *collection = found_collection;
    *id = found_id;
    return true;
}

bool subject_template_is_exact(const struct subject_template *t)
{
    for (size_t i = 0; i < t->tokens_count; i++) {
        if (t->tokens[i].kind == SUBJECT_ANY || t->tokens[i].kind == SUBJECT_REST)
            return false;
    }
    return t->has_id;
}

bool subjects_overlap(struct slice a, struct slice b)
{
    size_t at_a = 0;
    size_t at_b = 0;
    while (at_a <= a.bytes && at_b <= b.bytes) {
        struct slice token_a = subject_next(a, &at_a).text;
        struct slice token_b = subject_next(b, &at_b).text;
        if (slice_equal(token_a, SLICE_LITERAL(">")) || slice_equal(token_b, SLICE_LITERAL(">")))
            return true;
        if (!slice_equal(token_a, SLICE_LITERAL("*")) && !slice_equal(token_b, SLICE_LITERAL("*")) &&
            !slice_equal(token_a, token_b))
            return false;
    }
    return at_a > a.bytes && at_b > b.bytes;
}

bool subject_filter_covers(struct slice filter, struct slice subjects)
{
    size_t at_filter = 0;
    size_t at_subjects = 0;
    while (at_filter <= filter.bytes && at_subjects <= subjects.bytes) {
        struct slice wanted = subject_next(filter, &at_filter).text;
        struct slice token = subject_next(subjects, &at_subjects).text;
        if (slice_equal(wanted, SLICE_LITERAL(">")))
            return true;
        if (slice_equal(token, SLICE_LITERAL(">")) ||
            (!slice_equal(wanted, SLICE_LITERAL("*")) && !slice_equal(wanted, token)))
            return false;
    }
    return at_filter > filter.bytes && at_subjects > subjects.bytes;
}

bool subject_filter_rest(struct slice filter, struct slice subjects, char *out, size_t out_bytes)
{
    size_t stem = subjects.bytes > 0 ? subjects.bytes - 1 : 0; /* with its last dot */
    if (subjects.bytes < 3 || subjects.data[stem] != '>' || subjects.data[stem - 1] != '.' ||
        filter.bytes != stem + 3 || stem + 2 > out_bytes || memcmp(filter.data, subjects.data, stem) != 0 ||
        memcmp(filter.data + stem, "*.>", 3) != 0)
        return false;
    memcpy(out, subjects.data, stem);
    out[stem] = '*';
    out[stem + 1] = '\0';
    return true;
}
