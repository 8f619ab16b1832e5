/* What the build embeds and a route serves as it is: /openapi.yaml. */
#include "api/routes/assets.h"

#include "api/routes/router.h"

enum sg_status assets_openapi(struct call *call, const struct basis *basis, struct response *out, struct sg_error *err)
{
    (void)basis;
    (void)err;
    response_body_static(out, sg_openapi_yaml, sg_openapi_yaml_bytes);
    response_header(out, "Content-Type", "application/yaml");
    response_header(out, "Cache-Control", "no-cache");
    return call_encode(call, out);
}
