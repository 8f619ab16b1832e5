/* The text of openapi.yaml, as the build puts it into the program. */
#ifndef STATEGATE_API_ROUTES_OPENAPI_EMBED_H
#define STATEGATE_API_ROUTES_OPENAPI_EMBED_H

#include <stddef.h>

/* The file's bytes, followed by a NUL. */
extern const unsigned char sg_openapi_yaml[];
/* How many, without the NUL. */
extern const size_t sg_openapi_yaml_bytes;

#endif
