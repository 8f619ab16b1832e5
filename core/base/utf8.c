/* UTF-8, by the table of RFC 3629 section 4. */
#include "core/base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool utf8_is_tail(unsigned char byte)
{
    return (byte & 0xC0u) == 0x80u;
}

/* The second byte's range is what excludes longer forms than needed, surrogates, and values beyond U+10FFFF. */
static bool utf8_second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;
    case 0xED: return second >= 0x80 && second <= 0x9F;
    case 0xF0: return second >= 0x90 && second <= 0xBF;
    case 0xF4: return second >= 0x80 && second <= 0x8F;
    default: return utf8_is_tail(second);
    }
}

size_t utf8_char_bytes(const char *data, size_t bytes)
{
    if (bytes == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)data;
    size_t expected;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        expected = 2;
    else if (p[0] >= 0xE0 && p[0] <= 0xEF)
        expected = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        expected = 4;
    else
        return 0;
    if (bytes < expected || !utf8_second_fits(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < expected; i++) {
        if (!utf8_is_tail(p[i]))
            return 0;
    }
    return expected;
}

/* Eight bytes at a time, as most text is ASCII. */
static size_t utf8_skip_ascii(struct slice s, size_t at)
{
    uint64_t word;
    while (s.bytes - at >= sizeof word) {
        memcpy(&word, s.data + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        at += sizeof word;
    }
    while (at < s.bytes && (unsigned char)s.data[at] < 0x80)
        at++;
    return at;
}

bool utf8_valid(struct slice s)
{
    size_t at = 0;
    while ((at = utf8_skip_ascii(s, at)) < s.bytes) {
        size_t step = utf8_char_bytes(s.data + at, s.bytes - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
