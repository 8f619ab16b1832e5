/* The header Prefer (RFC 7240, section 2):
 *
 *   line       = [ preference ] *( OWS "," OWS [ preference ] )
 *   preference = assignment *( OWS ";" OWS [ assignment ] )
 *   assignment = token [ OWS "=" OWS ( token / quoted-string ) ] */
#include "api/request/prefer.h"

#include <string.h>
#include <strings.h>

struct prefer_reader {
    const char *at;
    const char *end;
};

static bool prefer_sees(const struct prefer_reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

static bool prefer_takes(struct prefer_reader *r, char c)
{
    if (!prefer_sees(r, c))
        return false;
    r->at++;
    return true;
}

static void prefer_skip_space(struct prefer_reader *r)
{
    while (prefer_sees(r, ' ') || prefer_sees(r, '\t'))
        r->at++;
}

static bool prefer_is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct slice prefer_token(struct prefer_reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && prefer_is_token_char(*r->at))
        r->at++;
    return (struct slice){begin, (size_t)(r->at - begin)};
}

static void preference_append(struct preference *p, char c)
{
    if (p->value_bytes < sizeof p->value)
        p->value[p->value_bytes] = c;
    p->value_bytes++;
}

/* After the opening quote; false = not closed, or a control character. */
static bool prefer_quoted(struct prefer_reader *r, struct preference *out)
{
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '"')
            return true;
        if (c == '\\') {
            if (r->at == r->end)
                return false;
            c = *r->at++;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7F)
            return false;
        preference_append(out, c);
    }
    return false;
}

static bool prefer_assignment(struct prefer_reader *r, struct preference *out)
{
    out->name = prefer_token(r);
    out->value_bytes = 0;
    if (out->name.bytes == 0)
        return false;
    prefer_skip_space(r);
    if (!prefer_takes(r, '='))
        return true;
    prefer_skip_space(r);
    if (prefer_takes(r, '"'))
        return prefer_quoted(r, out);
    struct slice value = prefer_token(r);
    for (size_t i = 0; i < value.bytes; i++)
        preference_append(out, value.data[i]);
    return value.bytes > 0;
}

static bool prefer_preference(struct prefer_reader *r, struct preference *out)
{
    struct preference parameter;
    if (!prefer_assignment(r, out))
        return false;
    prefer_skip_space(r);
    while (prefer_takes(r, ';')) {
        prefer_skip_space(r);
        if (r->at < r->end && prefer_is_token_char(*r->at) && !prefer_assignment(r, &parameter))
            return false;
        prefer_skip_space(r);
    }
    return r->at == r->end || *r->at == ',';
}

/* The first one of this name on a line; false = none, or the line is malformed. */
static bool prefer_line(struct slice line, const char *name, struct preference *out)
{
    struct prefer_reader r = {line.data, line.data};
    bool found = false;
    if (line.bytes == 0) /* it may have no data then */
        return false;
    r.end += line.bytes;
    for (;;) {
        struct preference next;
        while (prefer_sees(&r, ' ') || prefer_sees(&r, '\t') || prefer_sees(&r, ','))
            r.at++;
        if (r.at == r.end)
            return found;
        if (!prefer_preference(&r, &next))
            return false;
        if (!found && next.name.bytes == strlen(name) && strncasecmp(next.name.data, name, next.name.bytes) == 0) {
            found = true;
            *out = next;
        }
    }
}

bool prefer_find(const struct http_lines *lines, const char *name, struct preference *out)
{
    for (size_t i = 0; i < lines->count && i < HTTP_LINES_MAX; i++) {
        if (prefer_line(lines->values[i], name, out))
            return true;
    }
    return false;
}
