/* Ages as text in the row of a collection, and the statements by which tombstones are removed. */
#include "store/tables/tombstones.h"

#include <inttypes.h>
#include <stdio.h>

#define WHAT "remove tombstones"

/* ---- ages ---- */

/* With as many as may be, one between the first and the last is left out, where they lie closest: what it tells is then
 * told by the next one, later. */
void store_ages_add(struct store_ages *ages, uint64_t sequence, int64_t time_ns)
{
    struct store_age *all = ages->ages;
    size_t drop = 1;
    int64_t least = INT64_MAX;
    all[ages->count++] = (struct store_age){sequence, time_ns};
    if (ages->count <= STORE_AGES_MAX)
        return;
    for (size_t i = 1; i + 1 < ages->count; i++) {
        int64_t spans = all[i + 1].time_ns - all[i - 1].time_ns;
        if (spans < least) {
            least = spans;
            drop = i;
        }
    }
    ages->count--;
    for (size_t i = drop; i < ages->count; i++)
        all[i] = all[i + 1];
}

uint64_t store_ages_before(const struct store_ages *ages, int64_t time_ns)
{
    uint64_t sequence = 0;
    for (size_t i = 0; i < ages->count && ages->ages[i].time_ns <= time_ns; i++)
        sequence = ages->ages[i].sequence;
    return sequence;
}

void store_ages_drop(struct store_ages *ages, uint64_t sequence)
{
    size_t kept = 0;
    for (size_t i = 0; i < ages->count; i++) {
        if (ages->ages[i].sequence > sequence)
            ages->ages[kept++] = ages->ages[i];
    }
    ages->count = kept;
}

static void ages_format(const struct store_ages *ages, char out[STORE_AGES_TEXT_BYTES])
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ages->count; i++)
        at += (size_t)snprintf(out + at, STORE_AGES_TEXT_BYTES - at, "%s%" PRIu64 ":%" PRId64, i == 0 ? "" : " ",
                               ages->ages[i].sequence, ages->ages[i].time_ns);
}

/* Returns false where the text is not ours. */
static bool ages_parse(const char *text, struct store_ages *out)
{
    out->count = 0;
    while (text != NULL && *text != '\0') {
        struct store_age age;
        int used = 0;
        if (out->count == STORE_AGES_MAX ||
            sscanf(text, "%20" SCNu64 ":%20" SCNd64 "%n", &age.sequence, &age.time_ns, &used) != 2)
            return false;
        out->ages[out->count++] = age;
        text += used;
        if (*text == ' ')
            text++;
        else if (*text != '\0')
            return false;
    }
    return text != NULL;
}

/* ---- the rows ---- */

enum { COLUMN_ID, COLUMN_BUILD, COLUMN_SERVED, COLUMN_TOMBSTONES, COLUMN_POSITION_TIME, COLUMN_AGES };

enum sg_status store_tombstones_bounded(struct store_connection *c, int64_t stream, struct slice name,
                                        struct store_bounded out[2], size_t *count, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONES_BOUNDED);
    int bound = sqlite3_bind_int64(s, 1, stream);
    bound |= store_bind_slice(s, 2, name, SIZE_MAX);
    enum sg_status status;
    *count = 0;
    while ((status = store_step(c, s, bound, WHAT, err)) == SG_OK && *count < 2) {
        struct store_bounded *k = &out[(*count)++];
        k->id = sqlite3_column_int64(s, COLUMN_ID);
        k->build = sqlite3_column_int64(s, COLUMN_BUILD);
        k->served = sqlite3_column_int(s, COLUMN_SERVED) != 0;
        k->tombstones = sqlite3_column_int64(s, COLUMN_TOMBSTONES);
        k->position_time_ns = sqlite3_column_int64(s, COLUMN_POSITION_TIME);
        if (!ages_parse((const char *)sqlite3_column_text(s, COLUMN_AGES), &k->ages)) {
            (void)sqlite3_reset(s);
            return store_fail(c, SQLITE_CORRUPT, WHAT, err);
        }
    }
    (void)sqlite3_reset(s);
    return status == SG_NOT_FOUND ? SG_OK : status;
}

enum sg_status store_tombstones_newest(struct store_connection *c, int64_t collection, uint64_t *sequence, bool *gone,
                                       struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONE_NEWEST);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, collection), WHAT, err);
    if (status == SG_OK) {
        *sequence = (uint64_t)sqlite3_column_int64(s, 0);
        *gone = sqlite3_column_int(s, 1) != 0;
    }
    (void)sqlite3_reset(s);
    return status;
}

enum sg_status store_tombstones_oldest(struct store_connection *c, int64_t collection, struct store_tombstone *out,
                                       struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONE_OLDEST);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, collection), WHAT, err);
    if (status == SG_OK)
        *out = (struct store_tombstone){.number = sqlite3_column_int64(s, 0),
                                        .id = store_column_slice(s, 1),
                                        .sequence = (uint64_t)sqlite3_column_int64(s, 2),
                                        .gone = sqlite3_column_int64(s, 3) != 0};
    return status;
}

void store_tombstones_read_end(struct store_connection *c)
{
    (void)sqlite3_reset(c->statements[SQL_TOMBSTONE_OLDEST]);
}

enum sg_status store_tombstones_remove(struct store_connection *c, int64_t number, struct sg_error *err)
{
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONE_REMOVE);
    return store_run(c, s, sqlite3_bind_int64(s, 1, number), WHAT, err);
}

enum sg_status store_tombstones_write(struct store_connection *c, int64_t collection,
                                      const struct store_tombstones_fewer *fewer, const struct store_ages *ages,
                                      struct sg_error *err)
{
    char text[STORE_AGES_TEXT_BYTES];
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONES_WRITE);
    ages_format(ages, text);
    int bound = sqlite3_bind_int64(s, 1, collection);
    bound |= sqlite3_bind_int64(s, 2, fewer->tombstones);
    bound |= sqlite3_bind_int64(s, 3, fewer->gone);
    bound |= sqlite3_bind_int64(s, 4, fewer->gaps);
    bound |= store_bind_uint(s, 5, fewer->floor);
    bound |= sqlite3_bind_text(s, 6, text, -1, SQLITE_STATIC);
    return store_run(c, s, bound, WHAT, err);
}

enum sg_status store_tombstones_made(struct store_connection *c, int64_t collection, uint64_t head,
                                     struct sg_error *err)
{
    struct store_ages ages = {.count = 0};
    sqlite3_stmt *s = store_statement(c, SQL_TOMBSTONES_AGES);
    enum sg_status status = store_step(c, s, sqlite3_bind_int64(s, 1, collection), WHAT, err);
    bool good = status != SG_OK || ages_parse((const char *)sqlite3_column_text(s, 0), &ages);
    (void)sqlite3_reset(s);
    if (!good)
        return store_fail(c, SQLITE_CORRUPT, WHAT, err);
    size_t count = ages.count;
    while (ages.count > 0 && ages.ages[ages.count - 1].sequence >= head)
        ages.count--;
    if (status != SG_OK || ages.count == count)
        return status == SG_NOT_FOUND ? SG_OK : status;
    return store_tombstones_write(c, collection, &(struct store_tombstones_fewer){0}, &ages, err);
}
