/* What the build puts into the program to be served as it is. */
#ifndef STATEGATE_API_ROUTES_ASSETS_H
#define STATEGATE_API_ROUTES_ASSETS_H

#include <stddef.h>

/* The bytes of openapi.yaml, followed by a NUL. */
extern const unsigned char sg_openapi_yaml[];
/* How many, without the NUL. */
extern const size_t sg_openapi_yaml_bytes;

#endif
