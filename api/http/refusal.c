/* What the HTTP library refuses itself, before anything of a request reaches us: what is not HTTP, and a head beyond
 * its memory. It answers with a static HTML page, and has no option for another. So the linker has it make these
 * answers here (--wrap in api/CMakeLists.txt): a problem, whose detail is the page's sentence. Its status stands in the
 * line that the library logs before, in the same thread. Where it only closes the connection, as nothing of a request
 * line can be made out, there is no answer to make. */
#include <stdio.h>
#include <string.h>

#include "api/http/http_internal.h"
#include "api/http/problem.h"

#define SENTENCE_BYTES 512 /* the longest of the library's pages, without its tags */

struct MHD_Response *__real_MHD_create_response_from_buffer_static(size_t bytes, const void *page);
struct MHD_Response *__wrap_MHD_create_response_from_buffer_static(size_t bytes, const void *page);

/* Of the request that the library refuses now; 0 = none. */
static _Thread_local unsigned refused_status;

void http_refusal_log(void *cls, const char *format, va_list args)
{
    (void)cls;
    if (strstr(format, "(HTTP response code is %u (") != NULL)
        refused_status = va_arg(args, unsigned);
}

/* What the page says: without its head, its tags, and its way of writing a quotation mark. */
static void take_sentence(const char *page, size_t bytes, char out[SENTENCE_BYTES])
{
    static const char body[] = "<body>";
    static const char quote[] = "&quot;";
    const char *text = memmem(page, bytes, body, sizeof body - 1);
    const char *end = page + bytes;
    size_t used = 0;
    bool in_tag = false;
    for (const char *p = text != NULL ? text : page; p < end && used + 2 < SENTENCE_BYTES; p++) {
        bool quoted = (size_t)(end - p) >= sizeof quote - 1 && memcmp(p, quote, sizeof quote - 1) == 0;
        if (*p == '<' && used > 0 && out[used - 1] == '.')
            out[used++] = ' '; /* between two paragraphs */
        if (*p == '<' || *p == '>')
            in_tag = *p == '<';
        else if (!in_tag)
            out[used++] = quoted ? '\'' : *p;
        if (quoted)
            p += sizeof quote - 2;
    }
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
}

static struct MHD_Response *problem_make(enum problem problem, const char *sentence)
{
    struct response r;
    struct MHD_Response *made = NULL;
    response_init(&r);
    problem_answer(&r, problem, "%s", sentence);
    if (!r.failed)
        made = MHD_create_response_from_buffer_with_free_callback_cls(r.body_bytes, r.body, r.body_end, r.body_owner);
    if (made != NULL) {
        r.body_end = NULL; /* the library calls it */
        (void)http_add_fields(made, &r);
    }
    response_free(&r);
    return made;
}

/* Called by the library alone. */
struct MHD_Response *__wrap_MHD_create_response_from_buffer_static(size_t bytes, const void *page)
{
    char sentence[SENTENCE_BYTES];
    enum problem problem;
    unsigned status = refused_status;
    struct MHD_Response *made = NULL;
    refused_status = 0;
    if (problem_of_status(status, &problem)) {
        take_sentence(page, bytes, sentence);
        made = problem_make(problem, sentence);
    }
    return made != NULL ? made : __real_MHD_create_response_from_buffer_static(bytes, page);
}
