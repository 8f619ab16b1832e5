/* The public half of a NATS user nkey. */
#include "projector/nats/nkey.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

#define SEED_CHARS 58
#define SEED_BYTES 36   /* 2 of prefix, 32 of seed, 2 of CRC */
#define KEY_BYTES 32
#define PUBLIC_BYTES 35 /* 1 of prefix, 32 of key, 2 of CRC */
#define PREFIX_SEED (18u << 3)
#define PREFIX_USER (20u << 3)

static const char base32_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const unsigned char *data, size_t bytes)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = ((crc & 0x8000u) != 0 ? (crc << 1) ^ 0x1021u : crc << 1) & 0xffffu;
    }
    return (uint16_t)crc;
}

static int base32_decode(const char *text, size_t chars, unsigned char *out, size_t out_bytes)
{
    uint32_t bits = 0;
    unsigned bits_count = 0;
    size_t written = 0;
    for (size_t i = 0; i < chars; i++) {
        const char *found = text[i] != '\0' ? strchr(base32_alphabet, text[i]) : NULL;
        if (found == NULL)
            return -1;
        bits = (bits << 5 | (uint32_t)(found - base32_alphabet)) & 0xffffu;
        bits_count += 5;
        if (bits_count >= 8 && written < out_bytes) {
            bits_count -= 8;
            out[written++] = (unsigned char)(bits >> bits_count);
        }
    }
    return written == out_bytes ? 0 : -1;
}

static void base32_encode(const unsigned char *data, size_t bytes, char *out)
{
    uint32_t bits = 0;
    unsigned bits_count = 0;
    for (size_t i = 0; i < bytes; i++) {
        bits = (bits << 8 | data[i]) & 0xffffu;
        for (bits_count += 8; bits_count >= 5;) {
            bits_count -= 5;
            *out++ = base32_alphabet[bits >> bits_count & 31u];
        }
    }
    if (bits_count > 0)
        *out++ = base32_alphabet[bits << (5 - bits_count) & 31u];
    *out = '\0';
}

/* The 32 bytes of the seed, checked: its first two bytes carry "seed" and "user" in 5 bits each and more. */
static int seed_decode(const char *seed, unsigned char out[KEY_BYTES])
{
    unsigned char raw[SEED_BYTES];
    int result = -1;
    if (strlen(seed) == SEED_CHARS && base32_decode(seed, SEED_CHARS, raw, sizeof raw) == 0) {
        unsigned crc = (unsigned)raw[SEED_BYTES - 2] | (unsigned)raw[SEED_BYTES - 1] << 8;
        unsigned role = (raw[0] & 7u) << 5 | (raw[1] & 248u) >> 3;
        if ((raw[0] & 248u) == PREFIX_SEED && role == PREFIX_USER && crc == crc16(raw, SEED_BYTES - 2)) {
            memcpy(out, raw + 2, KEY_BYTES);
            result = 0;
        }
    }
    OPENSSL_cleanse(raw, sizeof raw);
    return result;
}

enum sg_status nkey_public(const char *seed, char out[NKEY_PUBLIC_BYTES], struct sg_error *err)
{
    unsigned char key[KEY_BYTES];
    unsigned char raw[PUBLIC_BYTES] = {PREFIX_USER};
    size_t bytes = KEY_BYTES;
    if (seed_decode(seed, key) != 0)
        return sg_fail(err, SG_INVALID, "it does not hold a user nkey seed (SU...)");
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, sizeof key);
    OPENSSL_cleanse(key, sizeof key);
    int made = pair != NULL && EVP_PKEY_get_raw_public_key(pair, raw + 1, &bytes) == 1;
    EVP_PKEY_free(pair);
    if (!made)
        return sg_fail(err, SG_MEMORY, "its public key cannot be derived");
    uint16_t crc = crc16(raw, PUBLIC_BYTES - 2);
    raw[PUBLIC_BYTES - 2] = (unsigned char)(crc & 0xffu);
    raw[PUBLIC_BYTES - 1] = (unsigned char)(crc >> 8);
    base32_encode(raw, sizeof raw, out);
    return SG_OK;
}
