/* SHA-256, by OpenSSL's libcrypto. */
#include "core/base/digest.h"

#include <openssl/evp.h>

enum sg_status digest_sha256(struct slice data, unsigned char out[DIGEST_BYTES], struct sg_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_bytes = 0;
    const char *bytes = data.data != NULL ? data.data : "";
    if (EVP_Digest(bytes, data.bytes, digest, &digest_bytes, EVP_sha256(), NULL) != 1 || digest_bytes != DIGEST_BYTES)
        return sg_fail(err, SG_MEMORY, "libcrypto cannot compute a SHA-256");
    memcpy(out, digest, DIGEST_BYTES);
    return SG_OK;
}
