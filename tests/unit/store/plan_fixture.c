/* What SQLite does for a statement. */
#include "plan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* A search by an index or a number; an index in its order where nothing is fixed; what is tested of elements. */
bool plan_is_good(const char *step, const char *sql)
{
    bool fixed = strstr(sql, " WHERE w.") != NULL;
    if (begins(step, "SEARCH w USING INDEX") || begins(step, "SEARCH w USING COVERING INDEX"))
        return fixed;
    if (begins(step, "SCAN w USING INDEX") || begins(step, "SCAN w USING COVERING INDEX"))
        return !fixed;
    return begins(step, "SEARCH e USING INTEGER PRIMARY KEY") || begins(step, "SEARCH f USING INTEGER PRIMARY KEY") ||
           begins(step, "SEARCH d USING PRIMARY KEY (number=?") || begins(step, "CORRELATED SCALAR SUBQUERY");
}

void plan_check(sqlite3 *db, const char *sql)
{
    char text[8192];
    sqlite3_stmt *s = NULL;
    size_t steps = 0;
    (void)snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sql);
    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(s, 3);
        steps++;
        if (!plan_is_good(step, sql))
            fail_msg("%s: %s", sql, step);
    }
    assert_true(steps > 0);
    (void)sqlite3_finalize(s);
}
