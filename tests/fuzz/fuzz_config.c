/* Any text as a configuration file: it is accepted or refused with a sentence, and nothing leaks. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/domain/settings.h"
#include "server/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct config config;
    struct sg_error err = {0};
    if (config_load_text("c.yaml", (const char *)data, bytes, &config, &err) != SG_OK) {
        if (err.status == SG_OK || err.message[0] == '\0')
            abort(); /* a refusal says why */
        return 0;
    }
    if (config.settings.streams_count == 0 || config.settings.streams_count > SETTINGS_STREAMS_MAX ||
        config.settings.listen[0] == '\0')
        abort(); /* what is accepted can be served */
    config_free(&config);
    return 0;
}
