/* What the text of a query may do: read what queries read, within limits. It is made by the program alone, and every
 * value is bound; this is the second lock. A reader's other statements are constants, and its connection only reads. */
#include <string.h>

#include "store/read/query_writing.h"
#include "store/read/reader_internal.h"

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The tables of entities and of declared fields, and the functions of query_functions.c. */
static bool query_may(int action, const char *table, const char *function)
{
    static const char *const functions[] = {"among", "begins", "instant", "tally", NULL};
    switch (action) {
    case SQLITE_SELECT:
        return true;
    case SQLITE_READ:
        return strcmp(table, "entities") == 0 || begins(table, "fields_") || begins(table, "field_");
    case SQLITE_FUNCTION:
        return is_one_of(function, functions);
    default:
        return false;
    }
}

static int authorize(void *context, int action, const char *first, const char *second, const char *database,
                     const char *trigger)
{
    const struct store_reader *r = context;
    (void)database;
    (void)trigger;
    return r->functions.running == NULL || query_may(action, first, second) ? SQLITE_OK : SQLITE_DENY;
}

/* A table of declared fields has at most 32 columns, as many for nulls, and two more; the schema is read under this
 * limit too. The longest statement of the program's own has 9 levels and 25 columns. */
static void limit(sqlite3 *db)
{
    static const struct {
        int what;
        int most;
    } limits[] = {
        {SQLITE_LIMIT_SQL_LENGTH, QUERY_TEXT_BYTES_MAX},
        {SQLITE_LIMIT_COLUMN, 100},
        {SQLITE_LIMIT_EXPR_DEPTH, 100},
        {SQLITE_LIMIT_COMPOUND_SELECT, 4},
        {SQLITE_LIMIT_VDBE_OP, 10000},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
        {SQLITE_LIMIT_VARIABLE_NUMBER, QUERY_BINDS_MAX},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        (void)sqlite3_limit(db, limits[i].what, limits[i].most);
}

int store_reader_guard(struct store_reader *r)
{
    int rc = query_functions_define(r->c.db, &r->functions);
    if (rc == SQLITE_OK)
        rc = sqlite3_set_authorizer(r->c.db, authorize, r);
    limit(r->c.db);
    return rc;
}
