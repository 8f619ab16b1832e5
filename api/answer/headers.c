/* Headers of reads, as text. */
#include "api/answer/headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/decimal.h"
#include "api/http/http_date.h"
#include "api/http/problem.h"
#include "core/base/time.h"

void headers_wait(struct response *r, const struct demands *demands, int64_t waited_ns)
{
    char text[64];
    if (demands->wait_given) {
        int64_t ms = demands->wait_ns / NS_PER_MS;
        int bytes = ms % 1000 == 0 ? snprintf(text, sizeof text, "wait=%" PRId64, ms / 1000)
                                   : snprintf(text, sizeof text, "wait=%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
        while (ms % 1000 != 0 && text[bytes - 1] == '0')
            bytes--;
        response_header_bytes(r, "Preference-Applied", text, (size_t)bytes);
    }
    if (waited_ns >= 0) {
        int bytes = snprintf(text, sizeof text, "wait;dur=%.3f", (double)waited_ns / (double)NS_PER_MS);
        response_header_bytes(r, "Server-Timing", text, (size_t)bytes);
    }
}

void headers_facts(struct response *r, const struct stream_facts *facts, int64_t now_ns)
{
    char digits[DECIMAL_SECONDS_BYTES];
    r->made_ns = now_ns;
    if (facts->position[0] != '\0')
        response_header(r, "State-Position", facts->position);
    if (facts->staleness_known) {
        int64_t staleness_ns = now_ns > facts->proof_ns ? now_ns - facts->proof_ns : 0;
        response_header_bytes(r, "State-Staleness", digits, decimal_seconds_up(staleness_ns, digits));
        response_header_uint(r, "Age", (uint64_t)((staleness_ns + NS_PER_S - 1) / NS_PER_S));
    }
    if (facts->lag != NULL)
        response_header(r, "State-Lag", facts->lag);
    response_header(r, "State-Status", stream_status_name(facts->status));
}

void headers_facts_and_gaps(struct response *r, const struct stream_facts *facts, int64_t now_ns)
{
    headers_facts(r, facts, now_ns);
    if (facts->gaps != NULL)
        response_header(r, "State-Gap", facts->gaps);
}

static size_t gap_append(char *text, size_t used, struct gap gap)
{
    if (used > 0) {
        text[used++] = ',';
        text[used++] = ' ';
    }
    used += decimal_uint(gap.first, text + used);
    text[used++] = '-';
    return used + decimal_uint(gap.last, text + used);
}

/* Ascending: `more` goes where it belongs, together with what it overlaps. */
void headers_gaps_with(struct response *r, const struct stream *row, uint64_t sequence, struct gap more)
{
    char text[(STREAM_GAPS_MAX + 1) * (2 * DECIMAL_UINT_BYTES + 3)];
    size_t used = 0;
    for (size_t i = 0; i < row->gaps_count; i++) {
        struct gap gap = row->gaps[i];
        if (gap.last <= sequence)
            continue;
        if (more.first != 0 && more.last + 1 >= gap.first && more.first <= gap.last + 1) {
            more.first = more.first < gap.first ? more.first : gap.first;
            more.last = more.last > gap.last ? more.last : gap.last;
            continue;
        }
        if (more.first != 0 && more.last < gap.first) {
            used = gap_append(text, used, more);
            more.first = 0;
        }
        used = gap_append(text, used, gap);
    }
    if (more.first != 0)
        used = gap_append(text, used, more);
    if (used > 0)
        response_header_bytes(r, "State-Gap", text, used);
}

void headers_rejections(struct response *r, const struct store_entity_rejections *rejections)
{
    if (!rejections->any)
        return;
    if (rejections->unknown_version || rejections->version_max <= 0)
        response_header(r, "State-Rejected", "?");
    else
        response_header_uint(r, "State-Rejected", (uint64_t)rejections->version_max);
}

/* A dot and a number. */
static size_t etag_number(char *out, uint64_t number)
{
    out[0] = '.';
    return 1 + decimal_uint(number, out + 1);
}

static size_t etag_page(char *out, const struct revision *revision)
{
    static const char digits[] = "0123456789abcdef";
    size_t used = etag_number(out, revision->entities);
    used += etag_number(out + used, revision->settled);
    out[used++] = '.';
    out[used++] = 'q';
    for (unsigned shift = 32; shift > 0; shift -= 4)
        out[used++] = digits[revision->query >> (shift - 4) & 15];
    return used;
}

size_t headers_etag(const struct stream *row, const struct rows_hash *rows, const struct revision *revision,
                    char out[HEADERS_ETAG_BYTES])
{
    size_t used = 0;
    size_t epoch_chars = strlen(row->epoch.text);
    if (epoch_chars == 0 || rows->text[0] == '\0')
        return 0;
    if (revision->page) {
        out[used++] = 'W';
        out[used++] = '/';
    }
    out[used++] = '"';
    memcpy(out + used, row->epoch.text, epoch_chars);
    used += epoch_chars;
    out[used++] = '.';
    memcpy(out + used, rows->text, ROWS_HASH_CHARS);
    used += ROWS_HASH_CHARS;
    used += etag_number(out + used, revision->sequence);
    if (revision->page)
        used += etag_page(out + used, revision);
    out[used++] = '"';
    out[used] = '\0';
    return used;
}

bool headers_modified(struct slice occurred_at, int64_t now_s, int64_t *seconds)
{
    return time_parse_rfc3339_s(occurred_at, seconds) && *seconds > 0 && *seconds <= now_s;
}

void headers_last_modified(struct response *r, struct slice occurred_at, int64_t now_s)
{
    int64_t seconds = 0;
    char date[HTTPDATE_BYTES];
    if (headers_modified(occurred_at, now_s, &seconds) && http_date_format(seconds, date))
        response_header_bytes(r, "Last-Modified", date, HTTPDATE_BYTES - 1);
}

void headers_storage(struct response *r, struct snapshot *snapshot, const struct sg_error *err)
{
    snapshot_failed(snapshot, err);
    r->headers_count = 0;
    problem_answer(r, PROBLEM_STORAGE, "The database cannot be read at the moment (%s).",
                   sg_status_name(err->status));
}
