/* The form of the file, as libcyaml's schema, for the two files of config that own YAML. */
#ifndef STATEGATE_SERVER_CONFIG_FILE_H
#define STATEGATE_SERVER_CONFIG_FILE_H

#include <cyaml/cyaml.h>

#include "server/config/config_internal.h"

/* The schema of the whole file. Every scalar is a string in it: config_keys.c says what it may hold. */
const cyaml_schema_value_t *config_schema(void);

/* Compare the source's text with the schema: syntax, unknown and repeated keys, lists and mappings where they
 * belong. */
SG_MUST_CHECK enum sg_status config_yaml_check(const struct config_source *source, struct sg_error *err);

#endif
