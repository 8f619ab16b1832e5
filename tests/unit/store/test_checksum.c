/* What the checksums and the seal promise: a byte that changed is never served, and no WAL but the file's own is
 * replayed. tests/fault/fault_damage.c tries many more; here is each promise by itself. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/integrity/checksum.h"
#include "store/integrity/vfs.h"
#include "store/integrity/wal.h"
#include "store_fixture.h"

#define ROWS 1000

static void fill(struct store_fixture *f, uint64_t first, int64_t version)
{
    static char ids[ROWS][24];
    static struct event events[ROWS];
    static enum event_result results[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "id-%zu", i);
        events[i] = event_state(first + i, ids[i], version, "{\"text\":\"the quick brown fox\"}");
    }
    fixture_apply(f, events, ROWS, results, NULL);
}

/* A file's bytes; the caller frees them. */
static unsigned char *file_read(const char *path, size_t *bytes)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *bytes = (size_t)st.st_size;
    unsigned char *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(pread(fd, data, *bytes, 0), st.st_size);
    assert_int_equal(close(fd), 0);
    return data;
}

static void file_copy(const char *from, const char *to)
{
    size_t bytes = 0;
    unsigned char *data = file_read(from, &bytes);
    (void)unlink(to);
    fixture_file_write(to, 0, data, bytes);
    free(data);
}

static const char *beside(const struct store_fixture *f, const char *suffix)
{
    static char names[4][192];
    static size_t next;
    char *name = names[next++ % 4];
    (void)snprintf(name, sizeof names[0], "%s%s", f->path, suffix);
    return name;
}

/* Change one bit of a text that stands in a row, and nothing that SQLite looks at. */
static bool flip_in_row(const char *path, size_t from)
{
    size_t bytes = 0;
    unsigned char *data = file_read(path, &bytes);
    const unsigned char *found = from < bytes ? memmem(data + from, bytes - from, "quick", 5) : NULL;
    size_t at = found != NULL ? (size_t)(found - data) : 0;
    free(data);
    if (found != NULL)
        fixture_file_write(path, (long)at, "Quick", 5);
    return found != NULL;
}

static bool is_torn(const struct store_fixture *f)
{
    struct store_seal_page seal;
    size_t bytes = 0;
    unsigned char *data = file_read(f->path, &bytes);
    store_seal_page_read(data + STORE_SEAL_OFFSET, &seal);
    free(data);
    return store_seal_newer(&seal)->torn;
}

/* Apply in a process of its own that is killed: with everything in the WAL, or behind a checkpoint. */
static void live_and_be_killed(struct store_fixture *f, uint64_t first, int64_t version, bool checkpoint)
{
    fixture_close(f);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        f->options.bytes_max = checkpoint ? 1 << 20 : 0;
        fixture_open(f);
        do {
            fill(f, first, version++);
            first += ROWS;
        } while (checkpoint && !is_torn(f));
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void expect_moved_aside(struct store_fixture *f, const char *words)
{
    fixture_open(f);
    assert_non_null(strstr(f->report.moved_aside, "state.db.corrupt-20"));
    if (strstr(f->report.reason, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->report.reason, words);
    assert_int_equal(f->stream.position, 0);
}

/* As entity reads see it: how many rows are errors, and how many show other bytes than were written. */
static void ask_all(struct store_fixture *f, size_t *errors, size_t *wrong)
{
    struct entity entity;
    struct store_reader *r = fixture_begin(f);
    char id[24];
    *errors = 0;
    *wrong = 0;
    for (size_t i = 0; i < ROWS; i++) {
        (void)snprintf(id, sizeof id, "id-%zu", i);
        enum sg_status status = store_read_entity(r, SLICE_LITERAL("customers"), slice_of(id), &entity, NULL);
        *errors += status == SG_CORRUPT;
        *wrong += status == SG_NOT_FOUND ||
                  (status == SG_OK && memmem(entity.state.data, entity.state.bytes, "quick", 5) == NULL);
    }
}

static void changed_bit_in_a_row_is_an_error_and_never_an_answer(void **state)
{
    struct store_fixture *f = *state;
    size_t errors = 0;
    size_t wrong = 0;
    fill(f, 1, 1);
    fixture_reopen(f); /* writes the WAL back */
    assert_null(store_damage(f->writer));
    assert_true(flip_in_row(f->path, 3 * STORE_PAGE_BYTES));
    ask_all(f, &errors, &wrong);
    assert_true(errors > 0);
    assert_int_equal(wrong, 0);
    assert_non_null(strstr(store_damage(f->writer), "checksum"));
    assert_int_equal(fixture_files_like(f, ".suspect"), 1);
    fixture_close(f);
    expect_moved_aside(f, "damaged");
}

static void without_the_checks_it_would_be_an_answer(void **state)
{
    struct store_fixture *f = *state;
    size_t errors = 0;
    size_t wrong = 0;
    fill(f, 1, 1);
    fixture_reopen(f);
    assert_true(flip_in_row(f->path, 3 * STORE_PAGE_BYTES));
    store_checksum_set_checking(false);
    ask_all(f, &errors, &wrong);
    store_checksum_set_checking(true);
    assert_int_equal(errors, 0);
    assert_true(wrong > 0);
}

static void changed_bit_in_the_wal_is_an_error_while_it_is_open(void **state)
{
    struct store_fixture *f = *state;
    size_t errors = 0;
    size_t wrong = 0;
    size_t bytes = 0;
    fill(f, 1, 1);
    free(file_read(beside(f, "-wal"), &bytes));
    for (size_t at = 0; at < bytes; at += WAL_FRAME_BYTES)
        (void)flip_in_row(beside(f, "-wal"), at);
    ask_all(f, &errors, &wrong);
    assert_true(errors > 0);
    assert_int_equal(wrong, 0);
    assert_non_null(strstr(store_damage(f->writer), "write-ahead log"));
}

static void wal_of_another_process_is_checked_as_well(void **state)
{
    struct store_fixture *f = *state;
    size_t errors = 0;
    size_t wrong = 0;
    live_and_be_killed(f, 1, 1, false);
    fixture_open(f); /* SQLite recovers it, and does not look again */
    assert_int_equal(f->stream.position, ROWS);
    ask_all(f, &errors, &wrong);
    assert_int_equal(errors + wrong, 0);
    fixture_close(f);
    live_and_be_killed(f, ROWS + 1, 2, false);
    fixture_open(f);
    for (size_t at = 0; at < 100 * (size_t)WAL_FRAME_BYTES; at += WAL_FRAME_BYTES)
        (void)flip_in_row(beside(f, "-wal"), at);
    ask_all(f, &errors, &wrong);
    assert_true(errors > 0);
    assert_int_equal(wrong, 0);
}

static void page_in_the_place_of_another_is_found(void **state)
{
    struct store_fixture *f = *state;
    size_t bytes = 0;
    fill(f, 1, 1);
    fixture_close(f);
    unsigned char *data = file_read(f->path, &bytes);
    size_t from = bytes / STORE_PAGE_BYTES / 2 * STORE_PAGE_BYTES;
    fixture_file_write(f->path, (long)from + STORE_PAGE_BYTES, data + from, STORE_PAGE_BYTES);
    free(data);
    expect_moved_aside(f, "damaged");
}

static void page_of_another_database_is_found(void **state)
{
    struct store_fixture *f = *state;
    size_t bytes = 0;
    fill(f, 1, 1);
    fixture_close(f);
    file_copy(f->path, beside(f, ".theirs"));
    assert_int_equal(unlink(f->path), 0);
    fixture_open(f);
    fill(f, 1, 1);
    fixture_close(f);
    unsigned char *data = file_read(beside(f, ".theirs"), &bytes);
    long at = (long)(bytes / STORE_PAGE_BYTES / 2 * STORE_PAGE_BYTES);
    fixture_file_write(f->path, at, data + at, STORE_PAGE_BYTES);
    free(data);
    expect_moved_aside(f, "damaged");
}

static void deleted_wal_loses_commits_and_nothing_else(void **state)
{
    struct store_fixture *f = *state;
    size_t errors = 0;
    size_t wrong = 0;
    fill(f, 1, 1);
    live_and_be_killed(f, ROWS + 1, 2, false);
    assert_int_equal(unlink(beside(f, "-wal")), 0);
    fixture_open(f);
    assert_string_equal(f->report.moved_aside, "");
    assert_int_equal(f->stream.position, ROWS);
    ask_all(f, &errors, &wrong);
    assert_int_equal(errors + wrong, 0);
}

static void deleted_wal_that_was_being_written_back_is_found(void **state)
{
    struct store_fixture *f = *state;
    live_and_be_killed(f, 1, 1, true);
    assert_int_equal(unlink(beside(f, "-wal")), 0);
    expect_moved_aside(f, "missing");
}

static void wal_that_is_cut_short_of_what_was_written_back_is_found(void **state)
{
    struct store_fixture *f = *state;
    live_and_be_killed(f, 1, 1, true);
    assert_int_equal(truncate(beside(f, "-wal"), WAL_HEADER_BYTES + 9 * WAL_FRAME_BYTES + 100), 0);
    fixture_open(f);
    assert_non_null(strstr(f->report.moved_aside, "state.db.corrupt-20"));
}

static void wal_of_another_time_is_found(void **state)
{
    struct store_fixture *f = *state;
    live_and_be_killed(f, 1, 1, false);
    file_copy(beside(f, "-wal"), beside(f, ".older"));
    fixture_reopen(f);
    fill(f, ROWS + 1, 2);
    fixture_close(f); /* no WAL is left */
    file_copy(beside(f, ".older"), beside(f, "-wal"));
    expect_moved_aside(f, "cut short");
}

static void older_file_with_the_newer_wal_is_found(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 1, 1);
    fixture_close(f);
    file_copy(f->path, beside(f, ".older"));
    live_and_be_killed(f, ROWS + 1, 2, false);
    fixture_reopen(f);
    fixture_close(f);
    live_and_be_killed(f, 2 * ROWS + 1, 3, false);
    file_copy(beside(f, ".older"), f->path);
    expect_moved_aside(f, "another");
}

static void older_file_alone_is_behind_and_goes_on(void **state)
{
    struct store_fixture *f = *state;
    fill(f, 1, 1);
    fixture_close(f);
    file_copy(f->path, beside(f, ".older"));
    fixture_open(f);
    fill(f, ROWS + 1, 2);
    fixture_close(f);
    file_copy(beside(f, ".older"), f->path);
    fixture_open(f);
    assert_string_equal(f->report.moved_aside, "");
    assert_int_equal(f->stream.position, ROWS);
    fill(f, ROWS + 1, 2);
    fixture_reload(f);
    assert_int_equal(f->stream.position, 2 * ROWS);
}

/* Another byte than was there, whatever that was. */
static void spoil_byte(const struct store_fixture *f, long offset)
{
    size_t bytes = 0;
    unsigned char *data = file_read(f->path, &bytes);
    assert_true((size_t)offset < bytes);
    unsigned char other = data[offset] ^ 1u;
    free(data);
    fixture_file_write(f->path, offset, &other, 1);
}

static void spoilt_record_of_the_seal_is_survived_or_found(void **state)
{
    struct store_fixture *f = *state;
    for (long slot = 1024; slot <= 2048; slot += 1024) {
        fixture_reopen(f);
        fill(f, (uint64_t)slot * 10, slot);
        fixture_close(f);
        spoil_byte(f, STORE_SEAL_OFFSET + slot + 9);
        fixture_open(f); /* the file is whole, or its older record says that a WAL is missing */
        bool kept = f->stream.position > 0;
        assert_int_equal(kept, f->report.moved_aside[0] == '\0');
    }
    fixture_close(f);
    spoil_byte(f, STORE_SEAL_OFFSET + 1024 + 9);
    spoil_byte(f, STORE_SEAL_OFFSET + 2048 + 9);
    expect_moved_aside(f, "seal");
}

static void database_of_the_older_form_is_moved_aside_and_said_to_be_older(void **state)
{
    struct store_fixture *f = *state;
    static const unsigned char first[4] = {0, 0, 0, 1};
    fixture_close(f);
    fixture_file_write(f->path, STORE_HEADER_USER_VERSION, first, sizeof first);
    expect_moved_aside(f, "older form");
}

static void plain_sqlite_reads_the_file_and_finds_it_sound(void **state)
{
    struct store_fixture *f = *state;
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    fill(f, 1, 1);
    fixture_close(f);
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    (void)sqlite3_finalize(s);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void checksum_differs_for_every_bit_and_every_place(void **state)
{
    unsigned char page[STORE_PAGE_BYTES];
    uint64_t before = 0;
    (void)state;
    memset(page, 0, sizeof page);
    before = store_checksum(page, sizeof page, 7);
    assert_int_not_equal(before, store_checksum(page, sizeof page, 8));
    assert_int_not_equal(before, store_checksum(page, sizeof page - 128, 7));
    for (size_t bit = 0; bit < 8 * sizeof page; bit++) {
        page[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_not_equal(before, store_checksum(page, sizeof page, 7));
        page[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t i = 0; i < sizeof page; i++)
        page[i] = (unsigned char)(i / 8 * 37);
    before = store_checksum(page, sizeof page, 7);
    for (size_t at = 0; at + 16 <= sizeof page; at += 8) { /* two words that changed places */
        unsigned char word[8];
        memcpy(word, page + at, 8);
        memcpy(page + at, page + at + 8, 8);
        memcpy(page + at + 8, word, 8);
        assert_int_not_equal(before, store_checksum(page, sizeof page, 7));
        memcpy(page + at + 8, page + at, 8);
        memcpy(page + at, word, 8);
    }
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(changed_bit_in_a_row_is_an_error_and_never_an_answer),
        STORE_TEST(without_the_checks_it_would_be_an_answer),
        STORE_TEST(changed_bit_in_the_wal_is_an_error_while_it_is_open),
        STORE_TEST(wal_of_another_process_is_checked_as_well),
        STORE_TEST(page_in_the_place_of_another_is_found),
        STORE_TEST(page_of_another_database_is_found),
        STORE_TEST(deleted_wal_loses_commits_and_nothing_else),
        STORE_TEST(deleted_wal_that_was_being_written_back_is_found),
        STORE_TEST(wal_that_is_cut_short_of_what_was_written_back_is_found),
        STORE_TEST(wal_of_another_time_is_found),
        STORE_TEST(older_file_with_the_newer_wal_is_found),
        STORE_TEST(older_file_alone_is_behind_and_goes_on),
        STORE_TEST(spoilt_record_of_the_seal_is_survived_or_found),
        STORE_TEST(database_of_the_older_form_is_moved_aside_and_said_to_be_older),
        STORE_TEST(plain_sqlite_reads_the_file_and_finds_it_sound),
        cmocka_unit_test(checksum_differs_for_every_bit_and_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
