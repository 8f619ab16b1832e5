/* SHA-256, by OpenSSL's libcrypto. */
#ifndef STATEGATE_CORE_BASE_DIGEST_H
#define STATEGATE_CORE_BASE_DIGEST_H

#include "core/base/slice.h"
#include "core/base/status.h"

#define DIGEST_BYTES 32
/* Any thread. SG_MEMORY when the library cannot. */
SG_MUST_CHECK enum sg_status digest_sha256(struct slice data, unsigned char out[DIGEST_BYTES], struct sg_error *err);

#endif
