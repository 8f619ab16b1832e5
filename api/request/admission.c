/* Admission. */
#include "api/request/admission.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "api/http/problem.h"
#include "api/request/target.h"
#include "core/base/address.h"
#include "core/base/decimal.h"

static bool host_name_valid(struct slice name)
{
    static const bool good[256] = {['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
                                   ['-'] = true,         ['.'] = true,         ['_'] = true,         ['~'] = true};
    for (size_t i = 0; i < name.bytes; i++) {
        if (!good[(unsigned char)name.data[i]])
            return false;
    }
    return name.bytes > 0;
}

/* What follows the name: nothing, or a colon and a port. An empty port is allowed by RFC 3986. */
static bool host_port_valid(struct slice rest)
{
    uint64_t port = 0;
    if (rest.bytes == 0)
        return true;
    if (rest.data[0] != ':' || rest.bytes > 6)
        return false;
    return rest.bytes == 1 || decimal_parse((struct slice){rest.data + 1, rest.bytes - 1}, UINT16_MAX, &port);
}

static bool host_literal_valid(struct slice address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (address.bytes == 0 || address.bytes >= sizeof text || memchr(address.data, '\0', address.bytes) != NULL)
        return false; /* inet_pton() would stop at a NUL and believe what stands before it */
    memcpy(text, address.data, address.bytes);
    text[address.bytes] = '\0';
    return inet_pton(AF_INET6, text, &parsed) == 1;
}

static bool host_valid(struct slice host)
{
    const char *end;
    if (host.bytes > 0 && host.data[0] == '[') {
        end = memchr(host.data, ']', host.bytes);
        if (end == NULL || !host_literal_valid((struct slice){host.data + 1, (size_t)(end - host.data) - 1}))
            return false;
        end++;
    } else {
        end = host.bytes > 0 ? memchr(host.data, ':', host.bytes) : NULL;
        if (end == NULL)
            return host_name_valid(host);
        if (!host_name_valid((struct slice){host.data, (size_t)(end - host.data)}))
            return false;
    }
    return host_port_valid((struct slice){end, host.bytes - (size_t)(end - host.data)});
}

/* Without its port and a final dot; of an address in brackets what is within them. */
static struct slice host_name(struct slice host)
{
    bool bracketed = host.data[0] == '[';
    const char *end = memchr(host.data, bracketed ? ']' : ':', host.bytes);
    struct slice name = {host.data + bracketed, (end != NULL ? (size_t)(end - host.data) : host.bytes) - bracketed};
    if (name.bytes > 1 && name.data[name.bytes - 1] == '.')
        name.bytes--;
    return name;
}

static bool name_equal(struct slice a, struct slice b)
{
    return a.bytes == b.bytes && strncasecmp(a.data, b.data, a.bytes) == 0;
}

static bool is_ipv4(struct slice name)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr parsed;
    if (name.bytes >= sizeof text)
        return false;
    memcpy(text, name.data, name.bytes);
    text[name.bytes] = '\0';
    return inet_pton(AF_INET, text, &parsed) == 1;
}

/* `host` is valid. */
static bool host_allowed(struct slice host, const char *hosts)
{
    struct slice name = host_name(host);
    if (host.data[0] == '[' || name_equal(name, SLICE_LITERAL("localhost")) || is_ipv4(name))
        return true;
    while (hosts[0] != '\0') {
        struct slice one = address_next(&hosts);
        one.bytes -= one.bytes > 1 && one.data[one.bytes - 1] == '.';
        if (name_equal(name, one))
            return true;
    }
    return false;
}

static bool check_host_name(const struct http_head *head, const char *hosts, struct response *out)
{
    if (head->hosts_count == 0 || host_allowed(head->host, hosts))
        return true;
    problem_answer(out, PROBLEM_MISDIRECTED,
                   "This address is not served by the name in 'Host': it must be localhost, an "
                   "IP address, or a name of the setting hosts.");
    return false;
}

static bool check_host_form(const struct http_head *head, struct response *out)
{
    if (head->hosts_count == 0 && !head->version_1_1)
        return true;
    if (head->host.bytes == 0 && head->hosts_count == 1 && head->host_free)
        return true;
    if (head->hosts_count == 0)
        problem_answer(out, PROBLEM_BAD_REQUEST, "The header 'Host' is missing.");
    else if (head->hosts_count > 1)
        problem_answer(out, PROBLEM_BAD_REQUEST, "The header 'Host' is repeated.");
    else if (!host_valid(head->host))
        problem_answer(out, PROBLEM_BAD_REQUEST, "The header 'Host' is malformed.");
    else
        return true;
    return false;
}

static bool is_last(const struct http_head *head, bool checked, const struct admission_host *last)
{
    return last->bytes > 0 && head->hosts_count == 1 && head->host.bytes == last->bytes && last->checked >= checked &&
           memcmp(head->host.data, last->text, last->bytes) == 0;
}

static void keep_last(const struct http_head *head, bool checked, struct admission_host *last)
{
    last->bytes = head->hosts_count == 1 && head->host.bytes <= sizeof last->text ? head->host.bytes : 0;
    last->checked = checked;
    if (last->bytes > 0)
        memcpy(last->text, head->host.data, last->bytes);
}

static bool check_host(const struct http_head *head, const char *hosts, struct admission_host *last,
                       struct response *out)
{
    bool checked = !head->ops_only && !head->host_free && (head->host_checked || hosts[0] != '\0');
    if (is_last(head, checked, last))
        return true;
    if (!check_host_form(head, out) || (checked && !check_host_name(head, hosts, out)))
        return false;
    keep_last(head, checked, last);
    return true;
}

static bool check_size(const struct http_head *head, struct response *out)
{
    if (head->target_bytes > TARGET_BYTES_MAX ||
        (head->too_large && head->target_bytes > HTTP_HEAD_COST_MAX / 2))
        problem_answer(out, PROBLEM_TARGET, "The request target is longer than %d bytes, or too long for the head.",
                       TARGET_BYTES_MAX);
    else if (head->too_large)
        problem_answer(out, PROBLEM_HEADERS,
                       "The request line and the header fields take more than %d bytes, or there are more than %d "
                       "fields and parameters.",
                       HTTP_HEAD_COST_MAX, HTTP_FIELDS_MAX);
    else
        return true;
    return false;
}

/* ---- bodies ---- */

const char *admission_allow(enum admission_body body)
{
    return body == ADMISSION_JSON_BODY ? ADMISSION_ALLOW_LIST : ADMISSION_ALLOW;
}

static bool has_content(const struct http_head *head)
{
    return head->method == METHOD_QUERY || head->method == METHOD_POST;
}

/* Where a body ends must be beyond doubt. What is no number, or no known coding, the HTTP library has refused. */
static bool check_frame(const struct http_head *head, struct response *out)
{
    const struct http_content *content = &head->content;
    if (content->lengths_count + content->transfers_count > 1)
        problem_answer(out, PROBLEM_BAD_REQUEST,
                       "Of 'Content-Length' and 'Transfer-Encoding' only one may stand there, and once.");
    else if (content->transfers_count > 0 && !head->version_1_1)
        problem_answer(out, PROBLEM_BAD_REQUEST, "The header 'Transfer-Encoding' has no meaning in HTTP/1.0.");
    else if (head->body_fault == BODY_TOO_LARGE ||
             (content->lengths_count > 0 && content->length > HTTP_BODY_BYTES_MAX))
        problem_answer(out, PROBLEM_BODY, "The request's body has more than %u bytes.", HTTP_BODY_BYTES_MAX);
    else if (head->body_fault == BODY_NO_ROOM)
        problem_answer(out, PROBLEM_TOO_MANY_QUERIES, "Too many requests with a body are coming in.");
    else if (head->body_fault == BODY_TRAILED)
        problem_answer(out, PROBLEM_BAD_REQUEST, "Fields that follow the body are not taken.");
    else
        return true;
    return false;
}

/* The type, whatever its parameters are: JSON is UTF-8. */
static bool is_json(struct slice type)
{
    static const char json[] = ADMISSION_TYPE;
    const size_t bytes = sizeof json - 1;
    if (type.bytes < bytes || strncasecmp(type.data, json, bytes) != 0)
        return false;
    size_t at = bytes;
    while (at < type.bytes && (type.data[at] == ' ' || type.data[at] == '\t'))
        at++;
    return at == type.bytes || type.data[at] == ';';
}

static bool check_form(const struct http_head *head, struct response *out)
{
    const struct http_content *content = &head->content;
    if (content->types_count > 1) {
        problem_answer(out, PROBLEM_BAD_REQUEST, "The header 'Content-Type' is repeated.");
        return false;
    }
    if (content->encodings_count > 0) {
        response_header(out, "Accept-Encoding", "identity");
        problem_answer(out, PROBLEM_MEDIA_TYPE, "The request's body must have no 'Content-Encoding'.");
        return false;
    }
    if (content->types_count == 1 && is_json(content->type))
        return true;
    response_header(out, "Accept-Query", ADMISSION_TYPE);
    response_header(out, "Accept", ADMISSION_TYPE);
    problem_answer(out, PROBLEM_MEDIA_TYPE, "The request's 'Content-Type' must be " ADMISSION_TYPE ".");
    return false;
}

/* What it is may be said before all of it has come; how long it is may show only then. */
static __attribute__((cold)) bool check_content(const struct http_head *head, struct response *out)
{
    if (has_content(head))
        return check_frame(head, out) && check_form(head, out);
    problem_answer(out, PROBLEM_BODY,
                   "This request has no body: Content-Length must be 0 or absent, and Transfer-Encoding absent.");
    return false;
}

static __attribute__((cold)) bool method_allowed(const struct http_head *head, enum admission_body body)
{
    return head->method != METHOD_OTHER && (body == ADMISSION_JSON_BODY || !has_content(head));
}

bool admission_check(const struct http_head *head, enum admission_body body, const char *hosts,
                     struct admission_host *last, struct response *out)
{
    bool unusual = head->method > METHOD_OPTIONS;
    if (!check_size(head, out))
        return false;
    if (head->target_bytes == 0) { /* two spaces after the method: no request line, whatever follows */
        problem_answer(out, PROBLEM_BAD_REQUEST, "The request line has no target.");
        return false;
    }
    if (!head->version_known) {
        problem_answer(out, PROBLEM_VERSION, "HTTP/1.1 and HTTP/1.0 are supported.");
        return false;
    }
    if (unusual && !method_allowed(head, body)) {
        response_header(out, "Allow", admission_allow(body));
        problem_answer(out, PROBLEM_METHOD, "The methods are %s.", admission_allow(body));
        return false;
    }
    if (!check_host(head, hosts, last, out))
        return false;
    if (head->expect_unknown) {
        problem_answer(out, PROBLEM_EXPECT, "The header 'Expect' asks for something that this server does not know.");
        return false;
    }
    return !(unusual | head->has_body) || check_content(head, out);
}
