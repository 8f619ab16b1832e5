/* A query's SQL: the tests that its walk leaves. Those that the walk's row decides are early ones, made before the
 * entity is looked up; those on its own columns are late. */
#ifndef STATEGATE_STORE_READ_QUERY_FILTER_H
#define STATEGATE_STORE_READ_QUERY_FILTER_H

#include "store/read/query_writing.h"

/* The number of the walk's row, or NULL where it does not pass an early test. */
void query_filter_early(struct writing *w);
/* The number of the entity that was looked up, if one was and passes the late tests, or NULL. */
void query_filter_late(struct writing *w);
bool query_filter_has_early(const struct writing *w);
bool query_filter_has_late(const struct writing *w);

#endif
