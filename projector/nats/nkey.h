/* The public half of a NATS user nkey: nats.c signs with the seed in its file, but does not derive the key from it. */
#ifndef STATEGATE_PROJECTOR_NATS_NKEY_H
#define STATEGATE_PROJECTOR_NATS_NKEY_H

#include "core/base/status.h"

#define NKEY_PUBLIC_BYTES 57 /* "U" and 55 more of base32, and the terminating NUL */

/* Derive the public key from an encoded user seed ("SU..."). SG_INVALID if it is none; the message never holds it.
 * Form: ADR-14 (base32 of prefix, 32 bytes of ed25519, CRC-16/XMODEM little-endian). */
SG_MUST_CHECK enum sg_status nkey_public(const char *seed, char out[NKEY_PUBLIC_BYTES], struct sg_error *err);

#endif
