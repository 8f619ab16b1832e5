/* problem+json. */
#include "api/http/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/time.h"

#define PROBLEM_BYTES_MAX 65536u /* the longest detail and position, escaped */

static const struct {
    unsigned status;
    const char *type;
    const char *title;
} problems[PROBLEMS_COUNT] = {
#define PROBLEM_ROW(name, status, type, title) {status, type, title},
    PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
};

bool problem_of_status(unsigned status, enum problem *out)
{
    for (size_t i = 0; i < PROBLEMS_COUNT; i++) {
        if (problems[i].status == status) {
            *out = (enum problem)i;
            return true;
        }
    }
    return false;
}

static void members_render(struct buffer *body, const struct problem_members *m)
{
    if (m->required != NULL)
        buffer_append_format(body, ",\"required\":%s", m->required);
    if (m->current != NULL)
        buffer_append_format(body, ",\"current\":%s", m->current);
    if (m->position != NULL) {
        buffer_append_text(body, ",\"position\":");
        buffer_append_json_string(body, slice_of(m->position));
    }
    if (m->waited_ns >= 0)
        buffer_append_format(body, ",\"waited\":%.3f", (double)m->waited_ns / (double)NS_PER_S);
    buffer_append_slice(body, m->more);
}

static void problem_render(struct response *r, enum problem problem, const struct problem_members *members,
                           const char *detail)
{
    struct buffer body;
    buffer_init(&body, PROBLEM_BYTES_MAX);
    buffer_append_format(&body, "{\"type\":\"" PROBLEM_TYPE_PREFIX "%s\",\"title\":\"%s\",\"status\":%u,\"detail\":",
                         problems[problem].type, problems[problem].title, problems[problem].status);
    buffer_append_json_string(&body, slice_of(detail));
    members_render(&body, members);
    buffer_append_text(&body, "}\n");
    response_body_take(r, &body);
    r->status = problems[problem].status;
    response_header(r, "Content-Type", "application/problem+json");
    response_header(r, "Cache-Control", "no-store");
    if (r->status == 503 || r->status == 504)
        response_header(r, "Retry-After", "1");
}

static const struct problem_members no_members = {.waited_ns = -1};

void problem_answer(struct response *r, enum problem problem, const char *detail_format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, detail_format);
    (void)vsnprintf(detail, sizeof detail, detail_format, args);
    va_end(args);
    problem_render(r, problem, &no_members, detail);
}

void problem_refuse(struct response *r, enum problem problem, struct slice more, const struct sg_error *err)
{
    const struct problem_members members = {.waited_ns = -1, .more = more};
    char first = err->message[0];
    size_t word = strcspn(err->message, " ");
    bool named = word > 0 && err->message[word - 1] == ':'; /* a parameter's name stays as it is */
    if (first >= 'a' && first <= 'z' && !named)
        first = (char)(first - 'a' + 'A');
    problem_answer_with(r, problem, &members, "%c%s.", first, first != '\0' ? err->message + 1 : "");
}

void problem_bad_request(struct response *r, const struct sg_error *err)
{
    problem_refuse(r, PROBLEM_BAD_REQUEST, (struct slice){0}, err);
}

void problem_answer_at(struct response *r, enum problem problem, const char *position, int64_t current,
                       const char *detail_format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, detail_format);
    (void)vsnprintf(detail, sizeof detail, detail_format, args);
    va_end(args);
    char number[24];
    (void)snprintf(number, sizeof number, "%lld", (long long)current);
    struct problem_members members = {
        .current = current > 0 ? number : NULL, .position = position, .waited_ns = -1};
    problem_render(r, problem, &members, detail);
}

void problem_answer_with(struct response *r, enum problem problem, const struct problem_members *members,
                         const char *detail_format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, detail_format);
    (void)vsnprintf(detail, sizeof detail, detail_format, args);
    va_end(args);
    problem_render(r, problem, members, detail);
}
