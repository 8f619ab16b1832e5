/* The functions that the SQL of queries calls. */
#include "store/read/query_functions.h"

#include "core/base/time.h"

static struct slice text_of(sqlite3_value *argument)
{
    const void *data = sqlite3_value_blob(argument);
    return (struct slice){data, (size_t)sqlite3_value_bytes(argument)};
}

static struct field_value value_of(enum field_type type, sqlite3_value *argument)
{
    struct field_value value = {.state = FIELD_SET};
    if (type == FIELD_STRING)
        value.text = text_of(argument);
    else if (type == FIELD_NUMBER)
        value.number = sqlite3_value_double(argument);
    else
        value.integer = sqlite3_value_int64(argument);
    return value;
}

static bool is_listed(enum field_type type, const struct query_node *test, const struct field_value *value)
{
    size_t first = 0;
    size_t end = test->values_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = field_value_compare(type, &test->values[middle], value);
        if (order == 0)
            return true;
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return false;
}

static void among(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    const struct query *query = ((const struct query_functions *)sqlite3_user_data(context))->running;
    (void)count;
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL)
        return;
    const struct query_node *test = &query->nodes[sqlite3_value_int64(arguments[1])];
    enum field_type type = query_field_type(query->fields, test->field);
    struct field_value value = value_of(type, arguments[0]);
    sqlite3_result_int(context, is_listed(type, test, &value));
}

static void begins(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL)
        return;
    struct slice text = text_of(arguments[0]);
    struct slice prefix = text_of(arguments[1]);
    sqlite3_result_int(context, text.bytes >= prefix.bytes &&
                                    (prefix.bytes == 0 || memcmp(text.data, prefix.data, prefix.bytes) == 0));
}

static void instant(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    struct field_value value;
    (void)count;
    if (sqlite3_value_type(arguments[0]) != SQLITE_NULL &&
        field_value_parse(FIELD_TIME, text_of(arguments[0]), &value, NULL) == SG_OK)
        sqlite3_result_int64(context, value.integer);
}

static void tally(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    struct query_functions *functions = sqlite3_user_data(context);
    struct query_tally *t = &functions->tally;
    t->stopped = t->rows == t->rows_max;
    if (!t->stopped) {
        t->rows++;
        t->passed += count == 0 || sqlite3_value_type(arguments[0]) != SQLITE_NULL;
        t->stopped = t->deadline_ns != 0 && (t->rows & (t->deadline_rows - 1)) == 0 && time_boot_ns() >= t->deadline_ns;
    }
    if (t->stopped)
        sqlite3_result_error(context, "enough is counted", -1);
}

static void tally_end(sqlite3_context *context)
{
    sqlite3_result_null(context); /* who asks looks at the tally itself */
}

int query_functions_define(sqlite3 *db, struct query_functions *functions)
{
    int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int rc = sqlite3_create_function_v2(db, "among", 2, flags, functions, among, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "begins", 2, flags, NULL, begins, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "instant", 1, flags, NULL, instant, NULL, NULL, NULL);
    for (int arguments = 0; arguments < 2 && rc == SQLITE_OK; arguments++)
        rc = sqlite3_create_function_v2(db, "tally", arguments, flags, functions, NULL, tally, tally_end, NULL);
    return rc;
}
