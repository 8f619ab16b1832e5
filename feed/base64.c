/* Base64, decoding only. */
#include "feed/base64.h"

#include <stdint.h>

/* 0..63, or -1 for what is not in the alphabet. */
static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters, of which the last `padding` are '='. */
static bool base64_group(const char *text, size_t padding, struct buffer *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? base64_digit(text[i]) : 0;
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
    }
    const unsigned char bytes[3] = {(unsigned char)(bits >> 16), (unsigned char)(bits >> 8), (unsigned char)bits};
    /* Bits that stand for no byte must be 0, else two texts would mean the same bytes. */
    for (size_t i = 3 - padding; i < 3; i++) {
        if (bytes[i] != 0)
            return false;
    }
    buffer_append(out, bytes, 3 - padding);
    return true;
}

bool base64_decode(struct slice text, struct buffer *out)
{
    if (text.bytes % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.bytes && text.data[text.bytes - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text.bytes; i += 4) {
        if (!base64_group(text.data + i, i + 4 == text.bytes ? padding : 0, out))
            return false;
    }
    return true;
}
