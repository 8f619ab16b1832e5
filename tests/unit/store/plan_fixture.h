/* The plan of a query's statement: no step of it scans or sorts. */
#ifndef STATEGATE_TESTS_PLAN_FIXTURE_H
#define STATEGATE_TESTS_PLAN_FIXTURE_H

#include <sqlite3.h>
#include <stdbool.h>

/* Is a step, as EXPLAIN QUERY PLAN has it, one that a query may take? */
bool plan_is_good(const char *step, const char *sql);
/* A bad one fails the test. */
void plan_check(sqlite3 *db, const char *sql);

#endif
