/* Counts the tables of declared fields of a database again, and compares: integrity FILE. No process may have it open.
 * Exit status 0: all agrees, and what was compared is written as JSON; 1: it does not, or cannot be read. */
#include <stdio.h>

#include "tests/support/fields_recount.h"

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    struct recount found;
    char why[RECOUNT_WHY_BYTES] = "usage: integrity FILE";
    bool good = argc == 2;
    if (good && sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        (void)snprintf(why, sizeof why, "%s cannot be opened", argv[1]);
        good = false;
    }
    good = good && fields_recount(db, &found, why);
    (void)sqlite3_close(db);
    if (good)
        (void)printf("{\"sets\":%zu,\"rows\":%zu,\"indexes\":%zu}\n", found.sets, found.rows, found.indexes);
    else
        (void)fprintf(stderr, "%s\n", why);
    return good ? 0 : 1;
}
