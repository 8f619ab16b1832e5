/* What a kill -9 must not do: separate the rows from the position, or serve a part of a build. The rows are compared
 * with a fold of the same incarnation's events up to the stored position, after each kill and, by another process, in
 * mid-run. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/integrity/vfs.h"
#include "store_fixture.h"

#define KILLS 60
#define KILLS_MAX 1200 /* on a machine so busy that a child does little before it is killed */
#define IDS 64
#define BATCH_MAX 64
#define REJECTED_MAX 20

/* The child at work; 0 = none. The teardown ends it when a check has failed in mid-run. */
static pid_t running;

struct row {
    int64_t version;
    bool deleted;
    uint64_t sequence;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* What the event at `sequence` of an incarnation of the stream is, in every process and every run. Incarnation 0 has no
 * epoch. */
struct place {
    uint64_t incarnation;
    uint64_t sequence;
};

static uint64_t chance(struct place at)
{
    return mix(at.sequence + at.incarnation * UINT64_C(0x9e3779b97f4a7c15));
}

static size_t id_of(struct place at)
{
    return chance(at) % IDS;
}

static bool is_rejected(struct place at)
{
    return chance(at) % 37 == 0;
}

static bool is_tombstone(struct place at)
{
    return chance(at) % 11 == 0;
}

static int64_t version_of(struct place at)
{
    return (int64_t)(at.sequence / 4 + chance(at) % 50 + 1); /* out of order, but no version twice with other content */
}

/* The head of an incarnation when its build began; that of incarnation 0 was empty. */
static uint64_t target_of(uint64_t incarnation)
{
    return incarnation == 0 ? 0 : 100 + mix(incarnation) % 400;
}

static void id_text(size_t id, char out[16])
{
    (void)snprintf(out, 16, "id-%zu", id);
}

static void fold(uint64_t incarnation, uint64_t position, struct row rows[IDS], uint64_t *rejected)
{
    memset(rows, 0, IDS * sizeof rows[0]);
    *rejected = 0;
    for (uint64_t sequence = 1; sequence <= position; sequence++) {
        struct place at = {incarnation, sequence};
        struct row *row = &rows[id_of(at)];
        if (is_rejected(at)) {
            (*rejected)++;
        } else if (version_of(at) > row->version) {
            *row = (struct row){version_of(at), is_tombstone(at), sequence};
        } else if (version_of(at) == row->version && is_tombstone(at) != row->deleted) {
            (*rejected)++; /* a conflict */
        }
    }
    if (*rejected > REJECTED_MAX)
        *rejected = REJECTED_MAX;
}

static void child_open(struct store_fixture *f)
{
    bool reshaped = false;
    if (store_open(&f->options, &f->writer, NULL, NULL) != SG_OK ||
        store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("shape"), &f->stream, &reshaped, NULL) != SG_OK)
        _exit(2);
}

/* Apply some events of an incarnation after its position. */
static void child_apply(struct store_fixture *f, struct place *at)
{
    static char ids[IDS][16];
    struct event events[BATCH_MAX];
    enum event_result results[BATCH_MAX];
    enum event_reason reasons[BATCH_MAX];
    size_t count = 1 + mix(at->sequence + 99) % BATCH_MAX;
    for (size_t i = 0; i < count; i++) {
        struct place next = {at->incarnation, at->sequence + 1 + i};
        char *id = ids[id_of(next)];
        id_text(id_of(next), id);
        events[i] = is_rejected(next)    ? event_rejected(next.sequence, id, 0, REASON_BAD_JSON)
                    : is_tombstone(next) ? event_tombstone(next.sequence, id, version_of(next))
                                         : event_state(next.sequence, id, version_of(next), "{\"n\":1}");
    }
    if (store_apply(f->writer, f->stream.id, events, count, NULL, results, reasons, &at->sequence, NULL) != SG_OK)
        _exit(3);
}

/* A child: applies until it is killed. */
static void run_applying(struct store_fixture *f)
{
    child_open(f);
    struct place at = {0, f->stream.position};
    for (;;)
        child_apply(f, &at);
}

static void child_begin_incarnation(struct store_fixture *f, struct place *at)
{
    struct epoch epoch;
    at->incarnation++;
    at->sequence = 0;
    (void)snprintf(epoch.text, sizeof epoch.text, "l%llu", (unsigned long long)at->incarnation);
    if (store_stream_begin_build(f->writer, f->stream.id, (int64_t)at->incarnation, &epoch,
                                 target_of(at->incarnation), NULL) != SG_OK)
        _exit(4);
}

/* Another: incarnations follow one another, some while the next build of the one before is not whole; old rows are
 * swept meanwhile. */
static void run_rebuilding(struct store_fixture *f)
{
    struct build build;
    child_open(f);
    if (store_build_load(f->writer, f->stream.id, &build, NULL) != SG_OK)
        _exit(2);
    struct place at = {(uint64_t)build.created_ns, build.position};
    for (;;) {
        bool more = false;
        bool cut_short = chance((struct place){at.incarnation, 7}) % 4 == 0;
        if (at.sequence > (cut_short ? target_of(at.incarnation) / 2 : target_of(at.incarnation) + 100))
            child_begin_incarnation(f, &at);
        child_apply(f, &at);
        if (store_sweep(f->writer, 8, &more, NULL) != SG_OK)
            _exit(5);
    }
}

/* Compare one snapshot with the fold of its own incarnation up to its own position. */
static uint64_t check_snapshot(struct store_fixture *f)
{
    struct row rows[IDS];
    uint64_t rejected = 0;
    uint64_t alive = 0;
    struct store_reader *r = fixture_begin(f);
    const struct stream *stream = store_read_stream(r, "ORDERS");
    if (stream == NULL)
        return 0; /* between the child's open and its attach */
    uint64_t position = stream->position;
    uint64_t incarnation = strtoull(stream->epoch.text + (stream->epoch.text[0] == 'l'), NULL, 10);
    assert_true(incarnation == 0 || position >= target_of(incarnation)); /* never a part of it */
    fold(incarnation, position, rows, &rejected);
    for (size_t i = 0; i < IDS; i++) {
        char id[16];
        struct entity entity;
        id_text(i, id);
        enum sg_status status = store_read_entity(r, SLICE_LITERAL("customers"), slice_of(id), &entity, NULL);
        assert_int_equal(status, rows[i].version == 0 ? SG_NOT_FOUND : SG_OK);
        if (status != SG_OK)
            continue;
        assert_int_equal(entity.version, rows[i].version);
        assert_int_equal(entity.deleted, rows[i].deleted);
        assert_int_equal(entity.sequence, rows[i].sequence);
        alive += !rows[i].deleted;
    }
    struct store_collection collection;
    if (store_read_collection(r, SLICE_LITERAL("customers"), &collection, NULL) == SG_OK)
        assert_int_equal(collection.entities, alive);
    else
        assert_int_equal(alive, 0);
    uint64_t stored = 0;
    uint64_t conflicts = 0;
    assert_int_equal(store_read_rejected_count(r, "ORDERS", &stored, &conflicts, NULL), SG_OK);
    assert_int_equal(stored, rejected);
    store_read_end(r);
    return position;
}

static void end_child(int *status)
{
    assert_int_equal(kill(running, SIGKILL), 0);
    assert_int_equal(waitpid(running, status, 0), running);
    running = 0;
}

static int teardown(void **state)
{
    int status = 0;
    if (running != 0)
        end_child(&status);
    return store_fixture_teardown(state);
}

static void wait_us(long us)
{
    struct timespec span = {0, us * 1000};
    (void)nanosleep(&span, NULL);
}

/* Kill a child again and again, until it has reached so much: a position in one incarnation, or else a build. The
 * position that was reached last. */
static uint64_t kill_again_and_again(struct store_fixture *f, void (*run_child)(struct store_fixture *),
                                     bool one_incarnation, uint64_t far_enough)
{
    unsigned seed = 42;
    uint64_t before = 0;
    f->options.rejected_max = REJECTED_MAX;
    f->options.bytes_max = 1 << 20; /* so that checkpoints are frequent and kills meet them */
    fixture_close(f);
    store_checksum_set_sharing(true); /* this process reads while the child writes */
    uint64_t reached = 0;
    for (size_t i = 0; i < KILLS || (reached < far_enough && i < KILLS_MAX); i++) {
        running = fork();
        assert_true(running >= 0);
        if (running == 0)
            run_child(f);
        wait_us(rand_r(&seed) % 30000);
        uint64_t seen = check_snapshot(f); /* in mid-run */
        store_reader_close(f->reader);
        f->reader = NULL;
        wait_us(rand_r(&seed) % 30000);
        int status = 0;
        end_child(&status);
        assert_true(WIFSIGNALED(status)); /* it did not end by an error of its own */
        if (i % 4 == 0)
            continue; /* the next child recovers */
        fixture_open(f);
        assert_string_equal(f->report.moved_aside, "");
        assert_true(!one_incarnation || (f->stream.position >= seen && f->stream.position >= before));
        before = check_snapshot(f);
        assert_int_equal(before, f->stream.position);
        reached = one_incarnation ? before : (uint64_t)f->stream.build;
        fixture_close(f);
    }
    return before;
}

static void killed_writer_leaves_rows_and_position_that_agree(void **state)
{
    struct store_fixture *f = *state;
    assert_true(kill_again_and_again(f, run_applying, true, 1001) > 1000);
}

static void killed_rebuild_serves_one_build_or_the_other(void **state)
{
    struct store_fixture *f = *state;
    assert_true(kill_again_and_again(f, run_rebuilding, false, KILLS / 10 + 1) > 0);
    fixture_open(f);
    assert_true(f->stream.build > KILLS / 10); /* incarnations did follow one another */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_writer_leaves_rows_and_position_that_agree, store_fixture_setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(killed_rebuild_serves_one_build_or_the_other, store_fixture_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
