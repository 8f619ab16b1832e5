/* A table from names to small numbers: filled at the start, looked up in a time that does not grow with it. */
#ifndef STATEGATE_CORE_BASE_NAMES_H
#define STATEGATE_CORE_BASE_NAMES_H

#include <stddef.h>

#include "core/base/slice.h"
#include "core/base/status.h"

#define NAMES_NONE (-1)

struct names;

/* Room for `names_max` names. SG_MEMORY. */
SG_MUST_CHECK enum sg_status names_create(size_t names_max, struct names **out, struct sg_error *err);
/* NULL is allowed. */
void names_destroy(struct names *names);

/* The name is borrowed and outlives the table; one that is there keeps its number. At most `names_max` times. */
void names_add(struct names *names, struct slice name, int number);
/* NAMES_NONE = it is not there. Any thread, once all are added. */
int names_find(const struct names *names, struct slice name);

#endif
