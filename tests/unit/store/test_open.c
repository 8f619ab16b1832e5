/* What opening promises: one writer, no foreign or newer file touched, a damaged one moved aside, limits that hold. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/time.h"
#include "store/integrity/vfs.h"
#include "store/schema_version.h"
#include "store/sqlite/statements.h"
#include "store_fixture.h"

static void rows_outlive_an_orderly_stop(void **state)
{
    struct store_fixture *f = *state;
    struct entity entity;
    struct store_sizes sizes;
    assert_true(f->report.created);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    fixture_close(f);
    store_sizes(f->path, &sizes);
    assert_true(sizes.database_bytes > 0);
    assert_int_equal(sizes.wal_bytes, 0);
    fixture_open(f);
    assert_false(f->report.created);
    assert_string_equal(f->report.moved_aside, "");
    assert_int_equal(f->stream.position, 1);
    assert_int_equal(fixture_entity(f, "a", &entity), SG_OK);
}

static void second_writer_is_refused_and_told_who_holds_it(void **state)
{
    struct store_fixture *f = *state;
    struct store_writer *second = NULL;
    struct sg_error err = {0};
    char pid[32];
    (void)snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_int_equal(store_open(&f->options, &second, NULL, &err), SG_LOCKED);
    assert_null(second);
    assert_non_null(strstr(err.message, pid));
    fixture_close(f);
    assert_int_equal(store_open(&f->options, &f->writer, NULL, &err), SG_OK);
}

static void relative_path_is_as_good(void **state)
{
    struct store_fixture *f = *state;
    char before[512];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(f->directory), 0);
    struct store_options options = f->options;
    struct store_writer *writer = NULL;
    options.path = "other.db";
    assert_int_equal(store_open(&options, &writer, NULL, NULL), SG_OK);
    assert_int_equal(access("other.db.lock", F_OK), 0);
    store_close(writer);
    assert_int_equal(chdir(before), 0);
}

static void folder_that_is_not_there_is_an_error_of_storage(void **state)
{
    struct store_fixture *f = *state;
    struct store_options options = f->options;
    struct store_writer *writer = NULL;
    options.path = "/nonexistent/state.db";
    assert_int_equal(store_open(&options, &writer, NULL, NULL), SG_STORAGE);
    assert_null(writer);
}

static void expect_refusal(struct store_fixture *f, const char *words)
{
    struct sg_error err = {0};
    struct store_writer *writer = NULL;
    assert_int_equal(store_open(&f->options, &writer, NULL, &err), SG_INVALID);
    assert_null(writer);
    if (strstr(err.message, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_int_equal(fixture_files_like(f, "corrupt"), 0);
}

static void newer_schema_is_refused_with_both_versions(void **state)
{
    struct store_fixture *f = *state;
    static const unsigned char newer[4] = {0, 0, 0, STORE_SCHEMA_VERSION + 1};
    static const unsigned char ours[4] = {0, 0, 0, STORE_SCHEMA_VERSION};
    struct sg_error err = {0};
    struct store_reader *reader = NULL;
    fixture_close(f);
    fixture_file_write(f->path, 60, newer, sizeof newer);
    expect_refusal(f, "schema version 5, newer than version 4");
    assert_int_equal(store_reader_open(f->path, NULL, &reader, &err), SG_INVALID);
    assert_null(reader);
    fixture_file_write(f->path, 60, ours, sizeof ours);
    fixture_open(f);
}

static void foreign_database_is_refused_and_untouched(void **state)
{
    struct store_fixture *f = *state;
    static const unsigned char nobody[4] = {0, 0, 0, 0};
    struct stat before;
    struct stat after;
    fixture_close(f);
    fixture_file_write(f->path, 68, nobody, sizeof nobody); /* as another program's file looks */
    assert_int_equal(stat(f->path, &before), 0);
    expect_refusal(f, "another program");
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_true(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    assert_int_equal(fixture_files_like(f, "-wal") + fixture_files_like(f, "-journal"), 0);
}

static void fill(struct store_fixture *f, uint64_t first, size_t count, int64_t version, size_t state_bytes)
{
    static char states[8192];
    static char ids[1024][24];
    static struct event events[1024];
    static enum event_result results[1024];
    assert_true(count <= 1024 && state_bytes < sizeof states);
    memset(states, 'x', sizeof states);
    states[state_bytes] = '\0';
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "id-%zu", (i * 7919) % 1024);
        events[i] = event_state(first + i, ids[i], version, states);
    }
    fixture_apply(f, events, count, results, NULL);
}

/* The fixture's database was damaged while it was closed: it must go aside, and an empty one must work. */
static void expect_moved_aside(struct store_fixture *f)
{
    fixture_open(f);
    assert_true(f->report.created);
    assert_non_null(strstr(f->report.moved_aside, "state.db.corrupt-20"));
    assert_int_equal(access(f->report.moved_aside, F_OK), 0);
    assert_int_equal(f->stream.position, 0);
    assert_int_equal(fixture_files_like(f, ".suspect"), 0);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
}

static void garbage_is_moved_aside(void **state)
{
    struct store_fixture *f = *state;
    fixture_close(f);
    assert_int_equal(truncate(f->path, 0), 0);
    fixture_file_write(f->path, 0, "this is no database at all", 26);
    fixture_file_write(f->path, 5000, "nor is this", 11);
    expect_moved_aside(f);
}

static void overwritten_header_is_moved_aside(void **state)
{
    struct store_fixture *f = *state;
    static const unsigned char zeros[100] = {0};
    fill(f, 1, 500, 1, 200);
    fixture_close(f);
    fixture_file_write(f->path, 0, zeros, sizeof zeros);
    expect_moved_aside(f);
}

static void truncated_database_is_moved_aside_each_under_its_own_name(void **state)
{
    struct store_fixture *f = *state;
    struct store_sizes sizes;
    for (size_t round = 1; round <= 2; round++) {
        fill(f, 100, 1000, 2, 200);
        fixture_close(f);
        store_sizes(f->path, &sizes);
        assert_int_equal(truncate(f->path, sizes.database_bytes / 2), 0);
        expect_moved_aside(f);
        assert_int_equal(fixture_files_like(f, ".corrupt-"), round);
    }
}

static bool has_file(const struct store_fixture *f, const char *suffix)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", f->path, suffix);
    return access(path, F_OK) == 0;
}

static void make_file(const struct store_fixture *f, const char *suffix)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", f->path, suffix);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void of_what_was_moved_aside_the_newest_two_stay(void **state)
{
    struct store_fixture *f = *state;
    static const char *const old[] = {".corrupt-20240101T000000Z", ".corrupt-20240101T000000Z-wal",
                                      ".corrupt-20250101T000000Z", ".corrupt-20250101T000000Z-9",
                                      ".corrupt-20250101T000000Z-9-shm"};
    static const char *const kept[] = {".corrupt-20250101T000000Z-10", ".corrupt-20250101T000000Z-10-wal"};
    /* Not ours, or not known to be. */
    static const char *const foreign[] = {".corrupt-", ".corrupt-20240101", ".corrupt-20240101T000000Z.gz",
                                          ".corrupt-20240101T000000Zx", ".corrupt-2024O101T000000Z", ".corrupted",
                                          "2.corrupt-20240101T000000Z"};
    fill(f, 1, 100, 1, 200);
    fixture_close(f);
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        make_file(f, old[i]);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        make_file(f, kept[i]);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        make_file(f, foreign[i]);
    fixture_file_write(f->path, 0, "this is no database at all", 26);
    expect_moved_aside(f);
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        assert_false(has_file(f, old[i]));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_true(has_file(f, kept[i]));
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        assert_true(has_file(f, foreign[i]));
    assert_int_equal(access(f->report.moved_aside, F_OK), 0);
    fixture_close(f);
    /* The one that was made just now stays, also when the clock was set back. */
    make_file(f, ".corrupt-29990101T000000Z");
    make_file(f, ".corrupt-29980101T000000Z");
    fixture_file_write(f->path, 0, "this is no database at all", 26);
    expect_moved_aside(f);
    assert_int_equal(access(f->report.moved_aside, F_OK), 0);
    assert_true(has_file(f, ".corrupt-29990101T000000Z"));
    assert_false(has_file(f, ".corrupt-29980101T000000Z"));
    assert_false(has_file(f, kept[0]));
}

static void overwritten_page_is_found(void **state)
{
    struct store_fixture *f = *state;
    static unsigned char noise[4096];
    struct store_sizes sizes;
    memset(noise, 0xa5, sizeof noise);
    fill(f, 1, 1000, 1, 200);
    fixture_close(f);
    store_sizes(f->path, &sizes);
    fixture_file_write(f->path, sizes.database_bytes / 4096 / 2 * 4096, noise, sizeof noise);
    expect_moved_aside(f);
}

/* Rows of two tables that contradict each other: no page of them is damaged. */
static void plant(const struct store_fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, store_checksum_vfs()), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void tombstones_that_are_not_counted_are_found(void **state)
{
    struct store_fixture *f = *state;
    static const char *const plants[] = {
        "UPDATE collections SET tombstones = 0", /* a read of it would be a 404, and an older version be applied */
        "UPDATE collections SET tombstones = -1",
        "DELETE FROM tombstones",
    };
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        assert_int_equal(fixture_apply_one(f, event_state(10, "x", 1, "{}")), RESULT_APPLIED);
        assert_int_equal(fixture_apply_one(f, event_tombstone(11, "x", 2)), RESULT_APPLIED);
        fixture_reopen(f);
        assert_false(f->report.created);
        fixture_close(f);
        plant(f, plants[i]);
        expect_moved_aside(f);
        assert_non_null(strstr(f->report.reason, "tombstones"));
    }
}

/* Of a build that is not served any more rows go one after the other, and its counts stay as they were. */
static void tombstones_that_are_being_swept_are_no_damage(void **state)
{
    struct store_fixture *f = *state;
    struct epoch epoch = {"another"};
    bool more = true;
    size_t sweeps = 0;
    assert_int_equal(store_stream_identify(f->writer, f->stream.id, 1, &epoch, NULL), SG_OK);
    for (uint64_t i = 0; i < 3; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "%d", (int)i);
        assert_int_equal(fixture_apply_one(f, event_state(2 * i + 1, id, 1, "{}")), RESULT_APPLIED);
        assert_int_equal(fixture_apply_one(f, event_tombstone(2 * i + 2, id, 2)), RESULT_APPLIED);
    }
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 2, &epoch, 1, NULL), SG_OK);
    fixture_reopen(f); /* a next build that has nothing yet */
    assert_false(f->report.created);
    assert_int_equal(fixture_apply_one(f, event_state(1, "new", 1, "{}")), RESULT_APPLIED);
    for (; more; sweeps++) {
        assert_int_equal(store_sweep(f->writer, 1, &more, NULL), SG_OK);
        fixture_reopen(f);
        assert_string_equal(f->report.reason, "");
    }
    assert_true(sweeps > 3);
    assert_int_equal(fixture_entities(f), 1);
}

static void damage_met_while_running_is_looked_into_at_the_next_start(void **state)
{
    struct store_fixture *f = *state;
    static unsigned char noise[4096];
    struct store_sizes sizes;
    struct entity entity;
    char id[24];
    bool damaged = false;
    memset(noise, 0xa5, sizeof noise);
    fill(f, 1, 1000, 1, 200);
    fixture_reopen(f); /* writes the WAL back */
    store_sizes(f->path, &sizes);
    for (int64_t page = 32; page < sizes.database_bytes / 4096; page++) /* before it lies the schema */
        fixture_file_write(f->path, page * 4096, noise, sizeof noise);
    for (size_t i = 0; i < 1000 && !damaged; i++) {
        (void)snprintf(id, sizeof id, "id-%zu", i);
        damaged = fixture_entity(f, id, &entity) == SG_CORRUPT;
    }
    assert_true(damaged);
    assert_int_equal(fixture_files_like(f, ".suspect"), 1);
    fixture_close(f);
    expect_moved_aside(f);
}

static void suspicion_without_damage_is_dropped(void **state)
{
    struct store_fixture *f = *state;
    char name[160];
    (void)snprintf(name, sizeof name, "%s.suspect", f->path);
    fixture_file_write(name, 0, "", 0);
    assert_int_equal(fixture_apply_one(f, event_state(1, "a", 1, "{}")), RESULT_APPLIED);
    fixture_reopen(f);
    assert_string_equal(f->report.moved_aside, "");
    assert_int_equal(f->stream.position, 1);
    assert_int_equal(fixture_files_like(f, ".suspect"), 0);
}

#define GROW_MAX 1000

/* Apply `count` rows of 1 kB from `*sequence` on; the status of it. */
static enum sg_status grow_by(struct store_fixture *f, size_t count, uint64_t *sequence, struct sg_error *err)
{
    static char state[1025];
    static char ids[GROW_MAX][24];
    static struct event events[GROW_MAX];
    static enum event_result results[GROW_MAX];
    static enum event_reason reasons[GROW_MAX];
    uint64_t position = 0;
    memset(state, 'x', sizeof state - 1);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "row-%llu", (unsigned long long)(*sequence + i));
        events[i] = event_state(*sequence + i, ids[i], 1, state);
    }
    enum sg_status status = store_apply(f->writer, f->stream.id, events, count, NULL, results, reasons, &position, err);
    if (status == SG_OK)
        *sequence += count;
    return status;
}

static enum sg_status grow(struct store_fixture *f, uint64_t *sequence, struct sg_error *err)
{
    return grow_by(f, 100, sequence, err);
}

#define WAL_BYTES(pages) ((pages) * (4096 + 24))

/* The largest that the WAL's file was while `rows` came in batches of `count`. */
static int64_t largest_wal(struct store_fixture *f, uint64_t rows, size_t count, uint64_t *sequence)
{
    int64_t largest = 0;
    for (uint64_t end = *sequence + rows; *sequence < end;) {
        struct store_sizes sizes;
        assert_int_equal(grow_by(f, count, sequence, NULL), SG_OK);
        store_sizes(f->path, &sizes);
        if (sizes.wal_bytes > largest)
            largest = sizes.wal_bytes;
    }
    return largest;
}

static void wal_is_short_at_rest_and_longer_while_much_is_applied(void **state)
{
    struct store_fixture *f = *state;
    struct store_sizes before;
    struct store_sizes after;
    uint64_t sequence = 1;
    assert_in_range(largest_wal(f, 30000, 100, &sequence), WAL_BYTES(STORE_CHECKPOINT_PAGES_FEW * 9 / 10),
                    WAL_BYTES(STORE_CHECKPOINT_PAGES_FEW * 11 / 10));
    assert_in_range(largest_wal(f, 60000, 1000, &sequence), WAL_BYTES(STORE_CHECKPOINT_PAGES * 9 / 10),
                    WAL_BYTES(STORE_CHECKPOINT_PAGES * 11 / 10));
    /* What it holds when the load ends is written back without another commit. */
    for (int batches = 0; batches < 15; batches++) {
        store_sizes(f->path, &before);
        assert_int_equal(grow_by(f, GROW_MAX, &sequence, NULL), SG_OK);
        store_sizes(f->path, &after);
        if (after.database_bytes > before.database_bytes)
            batches = 0;
    }
    store_trim(f->writer);
    store_sizes(f->path, &after);
    assert_true(after.database_bytes > before.database_bytes + WAL_BYTES(STORE_CHECKPOINT_PAGES_FEW) / 2);
}

static void full_database_refuses_changes_nothing_and_goes_on_when_there_is_room(void **state)
{
    struct store_fixture *f = *state;
    struct sg_error err = {0};
    struct store_sizes sizes;
    struct entity entity;
    uint64_t sequence = 1;
    bool more = true;
    enum sg_status status = SG_OK;
    f->options.bytes_max = 2 << 20;
    fixture_reopen(f);
    while ((status = grow(f, &sequence, &err)) == SG_OK)
        assert_true(sequence < 10000);
    assert_int_equal(status, SG_FULL);
    assert_non_null(strstr(err.message, "limit of 2097152 bytes"));
    assert_true(sequence > 1000);
    store_sizes(f->path, &sizes);
    assert_true(sizes.database_bytes <= f->options.bytes_max);
    fixture_reload(f);
    assert_int_equal(f->stream.position, sequence - 1);
    assert_int_equal(fixture_entities(f), sequence - 1);
    assert_int_equal(fixture_entity(f, "row-1", &entity), SG_OK); /* reads go on */
    assert_int_equal(grow(f, &sequence, &err), SG_FULL);
    /* Room by a higher limit. */
    f->options.bytes_max = 4 << 20;
    fixture_reopen(f);
    assert_int_equal(grow(f, &sequence, &err), SG_OK);
    while (grow(f, &sequence, &err) == SG_OK)
        ;
    assert_int_equal(err.status, SG_FULL);
    /* Room by rows that went: on the same connection. (A rebuild that serves the old rows on needs room for both.) */
    f->options.rebuild_empty_swap = true;
    fixture_reopen(f);
    assert_int_equal(store_stream_begin_build(f->writer, f->stream.id, 1, &(struct epoch){"abcdef"}, 0, NULL), SG_OK);
    while (more)
        assert_int_equal(store_sweep(f->writer, 1000, &more, NULL), SG_OK);
    assert_int_equal(grow(f, &sequence, &err), SG_OK);
}

static void limit_below_the_present_size_refuses_growth_only(void **state)
{
    struct store_fixture *f = *state;
    struct sg_error err = {0};
    uint64_t sequence = 1;
    while (sequence < 1000)
        assert_int_equal(grow(f, &sequence, &err), SG_OK);
    f->options.bytes_max = 64 << 10;
    fixture_reopen(f);
    assert_int_equal(grow(f, &sequence, &err), SG_FULL);
    assert_int_equal(fixture_apply_one(f, event_state(sequence, "row-1", 2, "{}")), RESULT_APPLIED);
}

/* A file that must not grow beyond RLIMIT_FSIZE stands in for a full disk; in a process of its own. */
static int full_disk_child(struct store_fixture *f)
{
    struct sg_error err = {0};
    uint64_t sequence = 1;
    while (grow(f, &sequence, &err) == SG_OK && sequence < 100000)
        ;
    if (err.status == SG_FULL && sequence > 1)
        return 0;
    fprintf(stderr, "ended at sequence %llu: %s\n", (unsigned long long)sequence, err.message);
    return 1;
}

static void full_disk_is_told_from_other_errors(void **state)
{
    struct store_fixture *f = *state;
    fixture_close(f);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {1 << 20, 1 << 20};
        (void)signal(SIGXFSZ, SIG_IGN);
        bool reshaped = false;
        if (store_open(&f->options, &f->writer, NULL, NULL) != SG_OK ||
            store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("shape"), &f->stream, &reshaped,
                                NULL) != SG_OK ||
            setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(2);
        _exit(full_disk_child(f));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fixture_open(f); /* what was committed is there, and it works with room */
    assert_true(f->stream.position > 0);
    assert_int_equal(fixture_entities(f), f->stream.position);
    uint64_t sequence = f->stream.position + 1;
    assert_int_equal(grow(f, &sequence, NULL), SG_OK);
}

static void wal_is_written_back_and_begun_again(void **state)
{
    struct store_fixture *f = *state;
    struct store_sizes sizes;
    f->options.bytes_max = 8 << 20; /* the threshold is a quarter: 512 pages */
    fixture_reopen(f);
    for (int64_t version = 1; version <= 100; version++)
        fill(f, (uint64_t)version * 1000, 200, version, 1000);
    store_sizes(f->path, &sizes);
    assert_true(sizes.database_bytes > 200 * 1000);
    assert_true(sizes.wal_bytes < 4 << 20);
}

static void reader_that_holds_the_wal_stops_the_writer_only_at_a_bound(void **state)
{
    struct store_fixture *f = *state;
    struct sg_error err = {0};
    struct store_sizes sizes;
    char id[] = "a";
    static char state_text[4097];
    enum sg_status status = SG_OK;
    memset(state_text, 'x', sizeof state_text - 1);
    f->options.bytes_max = 1 << 20; /* threshold 64 pages; refused beyond 512 */
    fixture_reopen(f);
    assert_int_equal(fixture_apply_one(f, event_state(1, id, 1, "{}")), RESULT_APPLIED);
    (void)fixture_begin(f);
    assert_false(commit_clock_restart_wanted(f->shared));
    uint64_t sequence = 2;
    for (; status == SG_OK && sequence < 2000; sequence++) {
        struct event event = event_state(sequence, id, (int64_t)sequence, state_text);
        enum event_result result;
        enum event_reason reason;
        uint64_t position = 0;
        status = store_apply(f->writer, f->stream.id, &event, 1, NULL, &result, &reason, &position, &err);
    }
    assert_int_equal(status, SG_FULL);
    assert_non_null(strstr(err.message, "readers"));
    store_sizes(f->path, &sizes);
    assert_true(sizes.wal_bytes < 4 << 20);
    assert_true(commit_clock_restart_wanted(f->shared)); /* who is going to read for long waits */
    /* ... but not for ever, should the writer rest from here on. */
    const struct timespec step = {.tv_nsec = 10 * NS_PER_MS};
    for (int tries = 0; tries < 3000 && commit_clock_restart_wanted(f->shared); tries++)
        (void)nanosleep(&step, NULL);
    assert_false(commit_clock_restart_wanted(f->shared));
    commit_clock_want_restart(f->shared, true);
    store_read_end(f->reader);
    assert_int_equal(fixture_apply_one(f, event_state(sequence, id, 100000, "{}")), RESULT_APPLIED);
    assert_false(commit_clock_restart_wanted(f->shared));
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(rows_outlive_an_orderly_stop),
        STORE_TEST(second_writer_is_refused_and_told_who_holds_it),
        STORE_TEST(relative_path_is_as_good),
        STORE_TEST(folder_that_is_not_there_is_an_error_of_storage),
        STORE_TEST(newer_schema_is_refused_with_both_versions),
        STORE_TEST(foreign_database_is_refused_and_untouched),
        STORE_TEST(tombstones_that_are_not_counted_are_found),
        STORE_TEST(tombstones_that_are_being_swept_are_no_damage),
        STORE_TEST(garbage_is_moved_aside),
        STORE_TEST(overwritten_header_is_moved_aside),
        STORE_TEST(truncated_database_is_moved_aside_each_under_its_own_name),
        STORE_TEST(of_what_was_moved_aside_the_newest_two_stay),
        STORE_TEST(overwritten_page_is_found),
        STORE_TEST(damage_met_while_running_is_looked_into_at_the_next_start),
        STORE_TEST(suspicion_without_damage_is_dropped),
        STORE_TEST(wal_is_short_at_rest_and_longer_while_much_is_applied),
        STORE_TEST(full_database_refuses_changes_nothing_and_goes_on_when_there_is_room),
        STORE_TEST(limit_below_the_present_size_refuses_growth_only),
        STORE_TEST(full_disk_is_told_from_other_errors),
        STORE_TEST(wal_is_written_back_and_begun_again),
        STORE_TEST(reader_that_holds_the_wal_stops_the_writer_only_at_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
