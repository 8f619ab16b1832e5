/* Sorting in a file. */
#include "store/sqlite/sort.h"

#include <string.h>

enum sg_status store_sort_begin(struct store_connection *c, const char *what, struct sg_error *err)
{
    const char *slash = strrchr(c->path, '/');
    sqlite3_free(sqlite3_temp_directory);
    sqlite3_temp_directory =
        slash != NULL ? sqlite3_mprintf("%.*s/", (int)(slash - c->path), c->path) : sqlite3_mprintf(".");
    if (sqlite3_temp_directory == NULL)
        return sg_fail(err, SG_MEMORY, "cannot %s: out of memory", what);
    return store_exec(c, "PRAGMA temp_store = FILE", what, err);
}

enum sg_status store_sort_end(struct store_connection *c, const char *what, struct sg_error *err)
{
    sqlite3_free(sqlite3_temp_directory);
    sqlite3_temp_directory = NULL;
    return store_exec(c, "PRAGMA temp_store = MEMORY", what, err);
}
