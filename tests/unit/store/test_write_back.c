/* store/write/checkpoint and store/integrity/{gather,order,syncer}: a commit is one write, the WAL is written back
 * while commits go on, and nothing is ever missing from the file that a cut or a kill would leave.
 * ctest-threads: */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "core/base/time.h"
#include "store/integrity/gather.h"
#include "store/integrity/wal.h"
#include "store/write/transaction.h"
#include "store_fixture.h"

#define DEADLINE_NS (20 * NS_PER_S)
#define PART_ROWS 400
#define NOT_YET 1000000 /* pages */

/* ---- gathered frames ---- */

/* A file in memory that counts the writes and can refuse them. */
struct memory_file {
    sqlite3_file base; /* first */
    unsigned char bytes[64 * WAL_FRAME_BYTES];
    size_t writes;
    bool full;
};

static int memory_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 offset)
{
    struct memory_file *f = (struct memory_file *)(void *)file;
    f->writes++;
    if (f->full)
        return SQLITE_FULL;
    assert_true((size_t)offset + (size_t)bytes <= sizeof f->bytes);
    memcpy(f->bytes + offset, from, (size_t)bytes);
    return SQLITE_OK;
}

static const sqlite3_io_methods memory_methods = {.iVersion = 1, .xWrite = memory_write};

struct wal {
    struct memory_file file;
    struct gather gather;
    unsigned char expected[64 * WAL_FRAME_BYTES]; /* what must be in the file once all is written */
};

static int wal_setup(void **state)
{
    struct wal *w = calloc(1, sizeof *w);
    unsigned char header[WAL_HEADER_BYTES] = {1};
    assert_non_null(w);
    w->file.base.pMethods = &memory_methods;
    assert_int_equal(gather_write(&w->gather, &w->file.base, header, sizeof header, 0), SQLITE_OK);
    memcpy(w->expected, header, sizeof header);
    w->file.writes = 0;
    *state = w;
    return 0;
}

static int wal_teardown(void **state)
{
    struct wal *w = *state;
    gather_free(&w->gather);
    free(w);
    return 0;
}

static int put(struct wal *w, int64_t offset, const void *from, int bytes)
{
    memcpy(w->expected + offset, from, (size_t)bytes);
    return gather_write(&w->gather, &w->file.base, from, bytes, offset);
}

static int64_t offset_of(int frame)
{
    return WAL_HEADER_BYTES + (int64_t)frame * WAL_FRAME_BYTES;
}

/* As SQLite does: the header, then the page. */
static int frame(struct wal *w, int number, unsigned char fill, bool commits)
{
    unsigned char header[WAL_FRAME_HEADER_BYTES] = {0, 0, 0, fill, 0, 0, 0, commits};
    unsigned char page[4096];
    memset(page, fill, sizeof page);
    int rc = put(w, offset_of(number), header, sizeof header);
    return rc == SQLITE_OK ? put(w, offset_of(number) + (int64_t)sizeof header, page, sizeof page) : rc;
}

static void assert_written(struct wal *w, int frames)
{
    assert_memory_equal(w->file.bytes, w->expected, (size_t)offset_of(frames));
}

static void a_transaction_is_one_write(void **state)
{
    struct wal *w = *state;
    assert_int_equal(frame(w, 0, 'a', false), SQLITE_OK);
    assert_int_equal(frame(w, 1, 'b', false), SQLITE_OK);
    assert_int_equal(w->file.writes, 0);
    assert_int_equal(frame(w, 2, 'c', true), SQLITE_OK);
    assert_int_equal(w->file.writes, 1);
    assert_written(w, 3);
    assert_int_equal(frame(w, 3, 'd', true), SQLITE_OK);
    assert_int_equal(w->file.writes, 2);
    assert_written(w, 4);
}

static void what_is_gathered_is_bounded(void **state)
{
    struct wal *w = *state;
    for (int i = 0; i < GATHER_FRAMES_MAX; i++)
        assert_int_equal(frame(w, i, 'a', false), SQLITE_OK);
    assert_int_equal(w->file.writes, 0);
    assert_int_equal(frame(w, GATHER_FRAMES_MAX, 'b', true), SQLITE_OK);
    assert_int_equal(w->file.writes, 2);
    assert_written(w, GATHER_FRAMES_MAX + 1);
}

/* SQLite overwrites a page of its own transaction, and sums the frames anew once the last one is written. */
static void what_is_written_again_lands_after_what_was_gathered(void **state)
{
    struct wal *w = *state;
    unsigned char page[4096];
    unsigned char header[WAL_FRAME_HEADER_BYTES] = {9, 9};
    memset(page, 'z', sizeof page);
    assert_int_equal(frame(w, 0, 'a', false), SQLITE_OK);
    assert_int_equal(frame(w, 1, 'b', false), SQLITE_OK);
    assert_int_equal(put(w, offset_of(0) + WAL_FRAME_HEADER_BYTES, page, sizeof page), SQLITE_OK);
    assert_int_equal(frame(w, 2, 'c', true), SQLITE_OK);
    assert_int_equal(put(w, offset_of(0), header, sizeof header), SQLITE_OK);
    assert_int_equal(put(w, offset_of(1), header, sizeof header), SQLITE_OK);
    assert_written(w, 3);
}

static void what_was_rolled_back_is_not_written(void **state)
{
    struct wal *w = *state;
    assert_int_equal(frame(w, 0, 'a', true), SQLITE_OK);
    w->file.writes = 0;
    assert_int_equal(frame(w, 1, 'x', false), SQLITE_OK); /* spilled, and rolled back */
    assert_int_equal(frame(w, 2, 'x', false), SQLITE_OK);
    assert_int_equal(frame(w, 1, 'b', true), SQLITE_OK);
    assert_written(w, 2);
    assert_int_equal(w->file.bytes[offset_of(2) + WAL_FRAME_HEADER_BYTES], 0);
}

static void a_commit_that_cannot_be_written_is_never_written_later(void **state)
{
    struct wal *w = *state;
    assert_int_equal(frame(w, 0, 'a', true), SQLITE_OK);
    w->file.full = true;
    assert_int_equal(frame(w, 1, 'x', true), SQLITE_FULL);
    w->file.full = false;
    assert_int_equal(gather_flush(&w->gather, &w->file.base), SQLITE_OK);
    assert_int_equal(w->file.bytes[offset_of(1) + WAL_FRAME_HEADER_BYTES], 0);
    assert_int_equal(frame(w, 1, 'b', true), SQLITE_OK);
    assert_written(w, 2);
}

/* Frames that do not end a transaction stay until they can be written: the transaction may go on. */
static void a_write_that_fails_in_the_middle_is_tried_again(void **state)
{
    struct wal *w = *state;
    assert_int_equal(frame(w, 0, 'a', false), SQLITE_OK);
    w->file.full = true;
    assert_int_equal(gather_flush(&w->gather, &w->file.base), SQLITE_FULL);
    w->file.full = false;
    assert_int_equal(frame(w, 1, 'b', true), SQLITE_OK);
    assert_written(w, 2);
}

/* ---- written back in steps ---- */

struct back {
    struct store_fixture *f;
    struct notifier *notifier;
    uint64_t sequence;
};

static void back_begin(struct back *b, struct store_fixture *f)
{
    struct sg_error err;
    *b = (struct back){.f = f, .sequence = 1};
    assert_int_equal(notifier_create(&b->notifier, &err), SG_OK);
    assert_int_equal(store_write_back_start(f->writer, b->notifier, &err), SG_OK);
    f->writer->back.pause_ns = 0; /* events come faster here than anywhere */
}

static void back_end(struct back *b)
{
    store_write_back_stop(b->f->writer);
    notifier_destroy(b->notifier);
}

static void commit_one(struct back *b)
{
    char id[24];
    (void)snprintf(id, sizeof id, "row-%llu", (unsigned long long)b->sequence);
    assert_int_equal(fixture_apply_one(b->f, event_state(b->sequence, id, 1, "{\"n\":1}")), RESULT_APPLIED);
    b->sequence++;
    store_write_back(b->f->writer);
}

/* Its own thread's part is done until nothing is at work. */
static void settle(struct back *b)
{
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    while (b->f->writer->back.step != BACK_RESTS) {
        assert_true(time_boot_ns() < deadline_ns);
        int64_t at_ns = store_write_back_at(b->f->writer);
        notifier_wait(b->notifier, at_ns < deadline_ns ? at_ns : deadline_ns);
        store_write_back(b->f->writer);
    }
}

static int64_t wal_bytes(const struct store_fixture *f)
{
    struct store_sizes sizes;
    store_sizes(f->path, &sizes);
    return sizes.wal_bytes;
}

static void commits_go_on_while_the_wal_is_written_back(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    int during = 0;
    int written = 0;
    back_begin(&b, f);
    for (int i = 0; i < 3000; i++) {
        during += f->writer->back.step != BACK_RESTS;
        commit_one(&b);
        if (f->writer->back.written > written)
            written = f->writer->back.written;
    }
    settle(&b);
    assert_true(during > 0);
    assert_true(written > STORE_BACK_PAGES);
    assert_false(order_is_owed(f->writer->checked));
    back_end(&b);
    fixture_reopen(f);
    assert_int_equal(f->stream.position, 3000);
    assert_int_equal(fixture_entities(f), 3000);
}

static void the_wal_begins_anew_in_a_quiet_moment_and_not_before(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    back_begin(&b, f);
    while (f->writer->wal_pages < STORE_BACK_RESTART_PAGES) {
        int before = f->writer->wal_pages;
        commit_one(&b);
        settle(&b); /* all of it may be written back now, and the next commit could begin it anew */
        assert_true(f->writer->wal_pages > before);
    }
    int64_t longest = wal_bytes(f);
    while (f->writer->wal_pages >= STORE_BACK_RESTART_PAGES) {
        assert_true(store_write_back_at(f->writer) < deadline_ns || f->writer->back.step != BACK_RESTS);
        notifier_wait(b.notifier, store_write_back_at(f->writer));
        store_write_back(f->writer);
        assert_true(time_boot_ns() < deadline_ns);
    }
    assert_true(f->writer->wal_pages < 10);
    commit_one(&b);
    assert_int_equal(wal_bytes(f), longest); /* the file is used again from its beginning */
    back_end(&b);
    fixture_reopen(f);
    assert_int_equal(f->stream.position, b.sequence - 1);
}

/* A reader's snapshot keeps the checkpoint to what it has seen, and is never shown anything else. */
static void a_reader_keeps_its_snapshot_meanwhile(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    struct entity entity;
    back_begin(&b, f);
    commit_one(&b);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 1);
    for (int i = 0; i < 1500; i++)
        commit_one(&b);
    settle(&b);
    assert_int_equal(store_read_stream(r, "ORDERS")->position, 1);
    assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), SLICE_LITERAL("row-1"), &entity, NULL), SG_OK);
    assert_int_equal(store_read_entity(r, SLICE_LITERAL("customers"), SLICE_LITERAL("row-2"), &entity, NULL),
                     SG_NOT_FOUND);
    assert_true(f->writer->back.written < 20); /* it is in the way */
    assert_int_equal(fixture_entity(f, "row-1501", &entity), SG_OK);
    back_end(&b);
}

/* Who waits until store_write_back_at() must not find the same moment again, or it never sleeps. */
static void no_moment_comes_twice(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    back_begin(&b, f);
    while (f->writer->wal_pages < STORE_BACK_RESTART_PAGES)
        commit_one(&b);
    struct store_reader *r = fixture_begin(f); /* in the way of all that is written back later */
    assert_non_null(r);
    commit_one(&b);
    settle(&b);
    for (int i = 0; i < 4; i++) {
        int64_t at_ns = store_write_back_at(f->writer);
        while (time_boot_ns() < at_ns && at_ns != INT64_MAX)
            notifier_wait(b.notifier, at_ns);
        store_write_back(f->writer);
        assert_true(f->writer->back.step != BACK_RESTS || store_write_back_at(f->writer) > time_boot_ns());
        settle(&b);
    }
    store_pages_for(f->writer, 1000); /* much is applied at once: nothing is done in steps */
    assert_int_equal(store_write_back_at(f->writer), INT64_MAX);
    back_end(&b);
}

static void put_rows(struct back *b, int64_t version)
{
    char id[24];
    for (int i = 0; i < PART_ROWS; i++) {
        (void)snprintf(id, sizeof id, "row-%d", i);
        assert_int_equal(fixture_apply_one(b->f, event_state(b->sequence++, id, version, "{\"n\":1}")), RESULT_APPLIED);
    }
}

static void parts_begin(struct back *b)
{
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    b->f->writer->back.slice = 1;
    while (b->f->writer->back.step != BACK_WRITES) {
        assert_true(time_boot_ns() < deadline_ns);
        (void)usleep(1000);
        store_write_back(b->f->writer);
    }
}

/* Nothing of the WAL is needed any more: what was not written back is gone. */
static void wal_begin_anew(struct back *b)
{
    int64_t deadline_ns = time_boot_ns() + DEADLINE_NS;
    b->f->writer->back.restart_next = 1;
    while (b->f->writer->wal_pages > 10) {
        assert_true(time_boot_ns() < deadline_ns);
        (void)usleep(1000);
        store_write_back(b->f->writer);
    }
}

static void assert_rows(struct back *b, int64_t version)
{
    struct entity entity;
    struct sg_error err;
    int64_t sound = 0;
    char id[24];
    for (int i = 0; i < PART_ROWS; i++) {
        (void)snprintf(id, sizeof id, "row-%d", i);
        assert_int_equal(fixture_entity(b->f, id, &entity), SG_OK);
        assert_int_equal(entity.version, version);
    }
    assert_int_equal(store_query_int(&b->f->writer->c, "SELECT integrity_check = 'ok' FROM pragma_integrity_check(1)",
                                     &sound, &err), SG_OK);
    assert_true(sound);
}

/* A page at a time, with a commit after each. */
static void commits_go_on_between_the_parts(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    int parts = 0;
    back_begin(&b, f);
    f->writer->back.part = 1;
    f->writer->back.slice = NOT_YET;
    put_rows(&b, 1);
    parts_begin(&b);
    f->writer->back.slice = NOT_YET;
    for (; f->writer->back.step == BACK_WRITES; parts++)
        commit_one(&b); /* and the next part */
    assert_true(parts > 3);
    settle(&b);
    assert_int_equal(f->writer->back.written, f->writer->back.pinned);
    f->writer->back.part = STORE_BACK_PART_PAGES;
    wal_begin_anew(&b);
    assert_rows(&b, 1);
    back_end(&b);
}

/* Pages whose newest frame the first parts had to leave, for a reader, are written once it has gone. */
static void what_a_reader_keeps_from_a_part_comes_with_a_later_one(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    back_begin(&b, f);
    f->writer->back.part = 1;
    f->writer->back.slice = NOT_YET;
    put_rows(&b, 1);
    struct store_reader *r = fixture_begin(f);
    assert_int_equal(store_read_stream(r, "ORDERS")->position, PART_ROWS);
    put_rows(&b, 2);
    parts_begin(&b);
    for (int i = 0; i < 2; i++)
        store_write_back(f->writer);
    assert_int_equal(f->writer->back.step, BACK_WRITES);
    store_read_end(r);
    settle(&b);
    assert_int_equal(f->writer->back.written, f->writer->back.pinned);
    wal_begin_anew(&b);
    assert_rows(&b, 2);
    back_end(&b);
}

/* At the bound an ordinary checkpoint is made, whatever is at work. */
static void the_wal_keeps_its_bound(void **state)
{
    struct store_fixture *f = *state;
    struct back b;
    int64_t longest = 0;
    f->options.bytes_max = 1 << 20; /* a bound of 64 pages */
    fixture_reopen(f);
    back_begin(&b, f);
    for (int i = 0; i < 600; i++) {
        commit_one(&b);
        if (wal_bytes(f) > longest)
            longest = wal_bytes(f);
    }
    assert_true(longest > 32 * (int64_t)WAL_FRAME_BYTES);
    assert_true(longest < 100 * (int64_t)WAL_FRAME_BYTES);
    back_end(&b);
    fixture_reopen(f);
    assert_int_equal(fixture_entities(f), 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_transaction_is_one_write, wal_setup, wal_teardown),
        cmocka_unit_test_setup_teardown(what_is_gathered_is_bounded, wal_setup, wal_teardown),
        cmocka_unit_test_setup_teardown(what_is_written_again_lands_after_what_was_gathered, wal_setup, wal_teardown),
        cmocka_unit_test_setup_teardown(what_was_rolled_back_is_not_written, wal_setup, wal_teardown),
        cmocka_unit_test_setup_teardown(a_commit_that_cannot_be_written_is_never_written_later, wal_setup,
                                        wal_teardown),
        cmocka_unit_test_setup_teardown(a_write_that_fails_in_the_middle_is_tried_again, wal_setup, wal_teardown),
        cmocka_unit_test_setup_teardown(commits_go_on_while_the_wal_is_written_back, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(the_wal_begins_anew_in_a_quiet_moment_and_not_before, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(a_reader_keeps_its_snapshot_meanwhile, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(no_moment_comes_twice, store_fixture_setup, store_fixture_teardown),
        cmocka_unit_test_setup_teardown(commits_go_on_between_the_parts, store_fixture_setup, store_fixture_teardown),
        cmocka_unit_test_setup_teardown(what_a_reader_keeps_from_a_part_comes_with_a_later_one, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(the_wal_keeps_its_bound, store_fixture_setup, store_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
