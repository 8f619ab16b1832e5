/* What a kill -9 must not do: separate the rows from the position. The rows are compared with a fold of the same events
 * up to the stored position, after each kill and, by another process, in mid-run. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "model_fixture.h"

#define KILLS 60
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

/* What the event at `sequence` is, in every process and every run. */
static size_t id_of(uint64_t sequence)
{
    return mix(sequence) % IDS;
}

static bool is_rejected(uint64_t sequence)
{
    return mix(sequence) % 37 == 0;
}

static bool is_tombstone(uint64_t sequence)
{
    return mix(sequence) % 11 == 0;
}

static int64_t version_of(uint64_t sequence)
{
    return (int64_t)(sequence / 4 + mix(sequence) % 50 + 1); /* out of order, but no version twice with other content */
}

static void id_text(size_t id, char out[16])
{
    (void)snprintf(out, 16, "id-%zu", id);
}

static void fold(uint64_t position, struct row rows[IDS], uint64_t *rejected)
{
    memset(rows, 0, IDS * sizeof rows[0]);
    *rejected = 0;
    for (uint64_t sequence = 1; sequence <= position; sequence++) {
        struct row *row = &rows[id_of(sequence)];
        if (is_rejected(sequence)) {
            (*rejected)++;
        } else if (version_of(sequence) > row->version) {
            *row = (struct row){version_of(sequence), is_tombstone(sequence), sequence};
        } else if (version_of(sequence) == row->version && is_tombstone(sequence) != row->deleted) {
            (*rejected)++; /* a conflict */
        }
    }
    if (*rejected > REJECTED_MAX)
        *rejected = REJECTED_MAX;
}

/* The child: applies until it is killed. */
static void run_child(struct model_fixture *f)
{
    static char ids[IDS][16];
    bool reshaped = false;
    if (model_open(&f->options, &f->writer, NULL, NULL) != SG_OK ||
        model_stream_attach(f->writer, "ORDERS", "shape", &f->stream, &reshaped, NULL) != SG_OK)
        _exit(2);
    for (size_t i = 0; i < IDS; i++)
        id_text(i, ids[i]);
    uint64_t position = f->stream.position;
    for (;;) {
        struct event events[BATCH_MAX];
        enum event_result results[BATCH_MAX];
        enum event_reason reasons[BATCH_MAX];
        size_t count = 1 + mix(position + 99) % BATCH_MAX;
        for (size_t i = 0; i < count; i++) {
            uint64_t sequence = position + 1 + i;
            const char *id = ids[id_of(sequence)];
            events[i] = is_rejected(sequence)    ? event_rejected(sequence, id, 0, REASON_BAD_JSON)
                        : is_tombstone(sequence) ? event_tombstone(sequence, id, version_of(sequence))
                                                 : event_state(sequence, id, version_of(sequence), "{\"n\":1}");
        }
        if (model_apply(f->writer, f->stream.id, events, count, results, reasons, &position, NULL) != SG_OK)
            _exit(3);
    }
}

/* Compare one snapshot with the fold up to its own position. */
static uint64_t check_snapshot(struct model_fixture *f)
{
    struct row rows[IDS];
    uint64_t rejected = 0;
    uint64_t alive = 0;
    struct model_reader *r = fixture_begin(f);
    const struct model_stream *stream = model_read_stream(r, "ORDERS");
    if (stream == NULL)
        return 0; /* between the child's open and its attach */
    uint64_t position = stream->position;
    fold(position, rows, &rejected);
    for (size_t i = 0; i < IDS; i++) {
        char id[16];
        struct model_entity entity;
        id_text(i, id);
        enum sg_status status = model_read_entity(r, SLICE_LITERAL("customers"), slice_of(id), &entity, NULL);
        assert_int_equal(status, rows[i].version == 0 ? SG_NOT_FOUND : SG_OK);
        if (status != SG_OK)
            continue;
        assert_int_equal(entity.version, rows[i].version);
        assert_int_equal(entity.deleted, rows[i].deleted);
        assert_int_equal(entity.sequence, rows[i].sequence);
        alive += !rows[i].deleted;
    }
    struct model_collection collection;
    if (model_read_collection(r, SLICE_LITERAL("customers"), &collection, NULL) == SG_OK)
        assert_int_equal(collection.entities, alive);
    else
        assert_int_equal(alive, 0);
    uint64_t stored = 0;
    uint64_t conflicts = 0;
    assert_int_equal(model_read_rejected_count(r, "ORDERS", &stored, &conflicts, NULL), SG_OK);
    assert_int_equal(stored, rejected);
    model_read_end(r);
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
    return model_fixture_teardown(state);
}

static void wait_us(long us)
{
    struct timespec span = {0, us * 1000};
    (void)nanosleep(&span, NULL);
}

static void killed_writer_leaves_rows_and_position_that_agree(void **state)
{
    struct model_fixture *f = *state;
    unsigned seed = 42;
    uint64_t before = 0;
    f->options.rejected_max = REJECTED_MAX;
    f->options.bytes_max = 1 << 20; /* so that checkpoints are frequent and kills meet them */
    fixture_close(f);
    for (size_t i = 0; i < KILLS; i++) {
        running = fork();
        assert_true(running >= 0);
        if (running == 0)
            run_child(f);
        wait_us(rand_r(&seed) % 20000);
        uint64_t seen = check_snapshot(f); /* in mid-run */
        model_reader_close(f->reader);
        f->reader = NULL;
        wait_us(rand_r(&seed) % 20000);
        int status = 0;
        end_child(&status);
        assert_true(WIFSIGNALED(status)); /* it did not end by an error of its own */
        if (i % 4 == 0)
            continue; /* the next child recovers */
        fixture_open(f);
        assert_string_equal(f->report.moved_aside, "");
        assert_true(f->stream.position >= seen && f->stream.position >= before);
        before = check_snapshot(f);
        assert_int_equal(before, f->stream.position);
        fixture_close(f);
    }
    assert_true(before > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_writer_leaves_rows_and_position_that_agree, model_fixture_setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
