/* What the build embeds and a route serves as it is: /openapi.yaml. */
#include "api/routes/assets.h"

#include "api/routes/router.h"

void assets_openapi(struct call *call, struct response *out)
{
    (void)call;
    response_body_static(out, sg_openapi_yaml, sg_openapi_yaml_bytes);
    response_header(out, "Content-Type", "application/yaml");
    response_header(out, "Cache-Control", "no-cache");
}
