/* What is expected is made by SQL from states and declarations alone. */
#include "tests/support/fields_recount.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_BYTES 32768

/* A declared field of a set. */
struct declared {
    char path[640]; /* of SQLite's JSON functions */
    char type[16];
    bool many;
};

struct set {
    long long number;
    long long collection;
    long long filled;
    long long until;
    bool indexed;
    struct declared fields[32];
    size_t fields_count;
};

static bool fail(sqlite3 *db, const char *sql, char why[RECOUNT_WHY_BYTES])
{
    (void)snprintf(why, RECOUNT_WHY_BYTES, "%.200s: %.250s", sqlite3_errmsg(db), sql);
    return false;
}

/* The number that a query answers with. */
static bool number_of(sqlite3 *db, const char *sql, long long *out, char why[RECOUNT_WHY_BYTES])
{
    sqlite3_stmt *s = NULL;
    bool good = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
    if (good)
        *out = sqlite3_column_int64(s, 0);
    else
        (void)fail(db, sql, why);
    (void)sqlite3_finalize(s);
    return good;
}

static bool none(sqlite3 *db, const char *sql, const struct set *set, const char *what, char why[RECOUNT_WHY_BYTES])
{
    long long count = 0;
    if (!number_of(db, sql, &count, why))
        return false;
    if (count != 0)
        (void)snprintf(why, RECOUNT_WHY_BYTES, "set %lld: %lld %s", set->number, count, what);
    return count == 0;
}

/* /a/b -> $."a"."b"; the tests name no member with a quote or a tilde in it. */
static void path_of(const char *at, struct declared *out)
{
    size_t bytes = (size_t)snprintf(out->path, sizeof out->path, "$");
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", at);
    out->many = strlen(copy) >= 2 && strcmp(copy + strlen(copy) - 2, "/*") == 0;
    if (out->many)
        copy[strlen(copy) - 2] = '\0';
    char *rest = NULL;
    for (char *name = strtok_r(copy, "/", &rest); name != NULL; name = strtok_r(NULL, "/", &rest))
        bytes += (size_t)snprintf(out->path + bytes, sizeof out->path - bytes, ".\"%s\"", name);
}

static bool read_fields(sqlite3 *db, struct set *set, const char *declaration, char why[RECOUNT_WHY_BYTES])
{
    static const char sql[] = "SELECT value ->> 'at', value ->> 'type' FROM json_each(?1, '$.fields') ORDER BY key";
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        return fail(db, sql, why);
    (void)sqlite3_bind_text(s, 1, declaration, -1, SQLITE_TRANSIENT);
    while (sqlite3_step(s) == SQLITE_ROW && set->fields_count < 32) {
        struct declared *field = &set->fields[set->fields_count++];
        path_of((const char *)sqlite3_column_text(s, 0), field);
        (void)snprintf(field->type, sizeof field->type, "%s", (const char *)sqlite3_column_text(s, 1));
    }
    return sqlite3_finalize(s) == SQLITE_OK || fail(db, sql, why);
}

static bool is_type(const struct declared *field, const char *type)
{
    return strcmp(field->type, type) == 0;
}

/* The value that a field has by what SQLite makes of its JSON; NULL where that is of another type. */
static void expected(const struct declared *field, const char *type, const char *json, char *out, size_t bytes)
{
    char condition[1700];
    if (is_type(field, "string"))
        (void)snprintf(condition, sizeof condition, "%s = 'text' AND length(CAST(%s AS BLOB)) <= 512", type, json);
    else if (is_type(field, "integer"))
        (void)snprintf(condition, sizeof condition, "%s = 'integer' AND typeof(%s) = 'integer'", type, json);
    else if (is_type(field, "number"))
        (void)snprintf(condition, sizeof condition, "%s IN ('integer', 'real') AND abs(%s) <= 1.7976931348623157e308",
                       type, json);
    else
        (void)snprintf(condition, sizeof condition, "%s IN (%s)", type,
                       is_type(field, "boolean") ? "'true', 'false'" : "'text'");
    (void)snprintf(out, bytes, "CASE WHEN %s THEN %s END", condition, json);
}

/* What must not be: SQLite reads a string only up to its first NUL, and a number with an error in its last digit; of a
 * time it is only known where there can be none. */
static void append_wrong(const struct declared *field, size_t k, char *sql, size_t *at)
{
    char type[700];
    char json[700];
    char value[2600];
    (void)snprintf(type, sizeof type, "json_type(e.state, '%s')", field->path);
    (void)snprintf(json, sizeof json, "json_extract(e.state, '%s')", field->path);
    expected(field, type, json, value, sizeof value);
    if (is_type(field, "time"))
        *at += (size_t)snprintf(sql + *at, SQL_BYTES - *at, " OR (f.c%zu IS NOT NULL AND %s IS NULL)", k, value);
    else if (is_type(field, "number"))
        *at += (size_t)snprintf(sql + *at, SQL_BYTES - *at,
                                " OR NOT coalesce(abs(f.c%zu - %s) <= abs(f.c%zu) * 1e-15, "
                                "f.c%zu IS NULL AND %s IS NULL)",
                                k, value, k, k, value);
    else if (is_type(field, "string"))
        *at += (size_t)snprintf(sql + *at, SQL_BYTES - *at,
                                " OR iif(instr(e.state -> '%s', '\\u0000') > 0, f.c%zu IS NULL, f.c%zu IS NOT %s)",
                                field->path, k, k, value);
    else
        *at += (size_t)snprintf(sql + *at, SQL_BYTES - *at, " OR f.c%zu IS NOT %s", k, value);
}

/* Which entities (e) the set holds. */
static void held(const struct set *set, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "e.collection = %lld AND (%lld = -1 OR e.number <= %lld OR e.number > %lld)",
                   set->collection, set->filled, set->filled, set->until);
}

static bool check_single(sqlite3 *db, const struct set *set, struct recount *out, char why[RECOUNT_WHY_BYTES])
{
    char *sql = malloc(SQL_BYTES);
    char which[256];
    long long rows = 0;
    held(set, which, sizeof which);
    size_t at = (size_t)snprintf(sql, SQL_BYTES,
                                 "SELECT count(*) FROM entities e LEFT JOIN fields_%lld f ON f.number = e.number "
                                 "WHERE %s AND (f.number IS NULL OR f.id IS NOT e.id", set->number, which);
    for (size_t k = 0; k < set->fields_count; k++) {
        if (!set->fields[k].many && !is_type(&set->fields[k], "none"))
            append_wrong(&set->fields[k], k, sql, &at);
    }
    (void)snprintf(sql + at, SQL_BYTES - at, ")");
    bool good = none(db, sql, set, "entities whose row is missing or has other values", why);
    (void)snprintf(sql, SQL_BYTES,
                   "SELECT (SELECT count(*) FROM fields_%lld) - (SELECT count(*) FROM entities e WHERE %s)",
                   set->number, which);
    good = good && none(db, sql, set, "rows more than entities", why);
    (void)snprintf(sql, SQL_BYTES, "SELECT count(*) FROM fields_%lld", set->number);
    good = good && number_of(db, sql, &rows, why);
    out->rows += (size_t)rows;
    free(sql);
    return good;
}

static bool check_many(sqlite3 *db, const struct set *set, size_t k, char why[RECOUNT_WHY_BYTES])
{
    char *sql = malloc(SQL_BYTES);
    char which[256];
    char wanted[4096];
    char stored[256];
    char value[1024];
    const struct declared *field = &set->fields[k];
    const char *form = is_type(field, "number") ? "printf('%.12g', value)" : "value";
    held(set, which, sizeof which);
    expected(field, "j.type", "j.value", value, sizeof value);
    (void)snprintf(wanted, sizeof wanted,
                   "SELECT number, %s, id FROM (SELECT e.number, %s AS value, e.id FROM entities e, "
                   "json_each(e.state, '%s') j WHERE %s AND json_type(e.state, '%s') = 'array') "
                   "WHERE value IS NOT NULL",
                   form, value, field->path, which, field->path);
    (void)snprintf(stored, sizeof stored, "SELECT number, %s, id FROM field_%lld_%zu", form, set->number, k);
    (void)snprintf(sql, SQL_BYTES, "SELECT count(*) FROM (%s EXCEPT %s)", wanted, stored);
    bool good = none(db, sql, set, "elements that are missing", why);
    (void)snprintf(sql, SQL_BYTES, "SELECT count(*) FROM (%s EXCEPT %s)", stored, wanted);
    good = good && none(db, sql, set, "elements that no entity has", why);
    free(sql);
    return good;
}

/* As many indexes as are declared; what is in them PRAGMA integrity_check compares. */
static bool check_indexes(sqlite3 *db, const struct set *set, struct recount *out, char why[RECOUNT_WHY_BYTES])
{
    char sql[512];
    long long there = 0;
    long long wanted = 0;
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND "
                                    "(name GLOB 'fields_%lld_*' OR name GLOB 'field_%lld_*')",
                   set->number, set->number);
    if (!number_of(db, sql, &there, why))
        return false;
    (void)snprintf(sql, sizeof sql,
                   "SELECT json_array_length(declaration, '$.indexes') FROM field_sets WHERE number = %lld",
                   set->number);
    if (!number_of(db, sql, &wanted, why))
        return false;
    out->indexes += (size_t)there;
    if (!set->indexed || there >= wanted)
        return true;
    (void)snprintf(why, RECOUNT_WHY_BYTES, "set %lld: %lld indexes, %lld are declared", set->number, there, wanted);
    return false;
}

static bool check_set(sqlite3 *db, const struct set *set, struct recount *out, char why[RECOUNT_WHY_BYTES])
{
    bool good = check_single(db, set, out, why);
    for (size_t k = 0; good && k < set->fields_count; k++) {
        if (set->fields[k].many && !is_type(&set->fields[k], "none"))
            good = check_many(db, set, k, why);
    }
    return good && check_indexes(db, set, out, why);
}

static bool check_file(sqlite3 *db, char why[RECOUNT_WHY_BYTES])
{
    static const struct set no_set = {0};
    sqlite3_stmt *s = NULL;
    bool good = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK &&
                sqlite3_step(s) == SQLITE_ROW;
    const char *answer = good ? (const char *)sqlite3_column_text(s, 0) : sqlite3_errmsg(db);
    good = good && strcmp(answer, "ok") == 0;
    if (!good)
        (void)snprintf(why, RECOUNT_WHY_BYTES, "integrity_check: %.300s", answer);
    (void)sqlite3_finalize(s);
    return good &&
           none(db, "SELECT count(*) FROM sqlite_schema t WHERE t.type = 'table' AND t.name GLOB 'field*_[0-9]*' AND "
                    "NOT EXISTS (SELECT 1 FROM field_sets f WHERE t.name = 'fields_' || f.number OR "
                    "t.name GLOB 'field_' || f.number || '_*')", &no_set, "tables of no set", why) &&
           none(db, "SELECT count(*) FROM field_sets f WHERE f.collection <> 0 AND NOT EXISTS "
                    "(SELECT 1 FROM collections c WHERE c.id = f.collection)", &no_set, "sets of no collection", why);
}

bool fields_recount(sqlite3 *db, struct recount *out, char why[RECOUNT_WHY_BYTES])
{
    static const char sql[] = "SELECT number, collection, filled, until, indexed, declaration FROM field_sets "
                              "WHERE collection <> 0 ORDER BY number";
    sqlite3_stmt *s = NULL;
    *out = (struct recount){0};
    (void)snprintf(why, RECOUNT_WHY_BYTES, "agrees");
    bool good = check_file(db, why);
    if (good && sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        good = fail(db, sql, why);
    while (good && sqlite3_step(s) == SQLITE_ROW) {
        struct set set = {.number = sqlite3_column_int64(s, 0), .collection = sqlite3_column_int64(s, 1),
                          .filled = sqlite3_column_int64(s, 2), .until = sqlite3_column_int64(s, 3),
                          .indexed = sqlite3_column_int(s, 4) != 0};
        out->sets++;
        good = read_fields(db, &set, (const char *)sqlite3_column_text(s, 5), why) && check_set(db, &set, out, why);
    }
    (void)sqlite3_finalize(s);
    return good;
}
