/* A read model in a folder of its own. */
#include "store_fixture.h"

#define CACHE_BYTES (1 << 20)

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define BATCH_MAX 4096

int store_fixture_setup(void **state)
{
    struct store_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/stategate-store-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof f->path, "%s/state.db", f->directory);
    f->options = (struct store_options){.path = f->path, .collections_max = 10, .rejected_max = 100};
    fixture_open(f);
    *state = f;
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *f = *state;
    char name[512];
    fixture_close(f);
    DIR *directory = opendir(f->directory);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", f->directory, entry->d_name);
        assert_int_equal(unlink(name), 0);
    }
    (void)closedir(directory);
    assert_int_equal(rmdir(f->directory), 0);
    free(f);
    return 0;
}

void fixture_close(struct store_fixture *f)
{
    store_reader_close(f->reader);
    store_close(f->writer);
    commit_clock_destroy(f->shared);
    f->reader = NULL;
    f->writer = NULL;
    f->shared = NULL;
    f->options.shared = NULL;
}

void fixture_open(struct store_fixture *f)
{
    struct sg_error err = {0};
    bool reshaped = false;
    if (commit_clock_create(CACHE_BYTES, &f->shared, &err) != SG_OK)
        fail_msg("commit_clock_create: %s", err.message);
    f->options.shared = f->shared;
    if (store_open(&f->options, &f->writer, &f->report, &err) != SG_OK)
        fail_msg("store_open: %s", err.message);
    if (store_stream_attach(f->writer, "ORDERS", STREAM_FINGERPRINT("shape"), &f->stream, &reshaped, &err) != SG_OK)
        fail_msg("store_stream_attach: %s", err.message);
    fixture_reload(f);
}

void fixture_reopen(struct store_fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

void fixture_reload(struct store_fixture *f)
{
    assert_int_equal(store_stream_load(f->writer, f->stream.id, &f->stream, NULL), SG_OK);
    assert_int_equal(store_build_load(f->writer, f->stream.id, &f->build, NULL), SG_OK);
}

static struct event event_base(enum event_kind kind, uint64_t sequence, const char *id, int64_t version)
{
    return (struct event){.kind = kind,
                          .sequence = sequence,
                          .time_ns = (int64_t)(sequence % 1000000) * 1000,
                          .subject = SLICE_LITERAL("state.customers.x"),
                          .collection = SLICE_LITERAL("customers"),
                          .id = slice_of(id),
                          .version = version,
                          .payload = SLICE_LITERAL("payload")};
}

struct event event_state(uint64_t sequence, const char *id, int64_t version, const char *state)
{
    struct event e = event_base(EVENT_STATE, sequence, id, version);
    e.state = slice_of(state);
    return e;
}

struct event event_tombstone(uint64_t sequence, const char *id, int64_t version)
{
    return event_base(EVENT_TOMBSTONE, sequence, id, version);
}

struct event event_erase(uint64_t sequence, const char *id)
{
    return event_base(EVENT_ERASE, sequence, id, 0);
}

struct event event_ignored(uint64_t sequence)
{
    struct event e = event_base(EVENT_IGNORED, sequence, NULL, 0);
    e.collection = (struct slice){NULL, 0};
    return e;
}

struct event event_rejected(uint64_t sequence, const char *id, int64_t version, enum event_reason reason)
{
    struct event e = event_base(EVENT_REJECTED, sequence, id, version);
    e.reason = reason;
    e.detail = SLICE_LITERAL("what is wrong with it");
    return e;
}

void fixture_apply(struct store_fixture *f, const struct event *events, size_t count, enum event_result *results,
                   enum event_reason *reasons)
{
    static enum event_reason unwanted[BATCH_MAX];
    struct sg_error err = {0};
    uint64_t position = 0;
    assert_true(count <= BATCH_MAX);
    if (store_apply(f->writer, f->stream.id, events, count, NULL, results, reasons != NULL ? reasons : unwanted,
                    &position, &err) != SG_OK)
        fail_msg("store_apply: %s", err.message);
    fixture_reload(f);
    assert_true(position == f->build.position);
}

enum event_result fixture_apply_one(struct store_fixture *f, struct event event)
{
    enum event_result result = EVENT_RESULTS_COUNT;
    fixture_apply(f, &event, 1, &result, NULL);
    return result;
}

struct store_reader *fixture_begin(struct store_fixture *f)
{
    struct sg_error err = {0};
    if (f->reader == NULL && store_reader_open(f->path, f->shared, &f->reader, &err) != SG_OK)
        fail_msg("store_reader_open: %s", err.message);
    store_read_end(f->reader);
    if (store_read_begin(f->reader, &err) != SG_OK)
        fail_msg("store_read_begin: %s", err.message);
    return f->reader;
}

enum sg_status fixture_entity(struct store_fixture *f, const char *id, struct entity *out)
{
    return store_read_entity(fixture_begin(f), SLICE_LITERAL("customers"), slice_of(id), out, NULL);
}

uint64_t fixture_entities(struct store_fixture *f)
{
    struct store_collection collection;
    enum sg_status status = store_read_collection(fixture_begin(f), SLICE_LITERAL("customers"), &collection, NULL);
    return status == SG_OK ? collection.entities : UINT64_MAX;
}

uint64_t fixture_rejected(struct store_fixture *f)
{
    uint64_t rejected = 0;
    uint64_t conflicts = 0;
    assert_int_equal(store_read_rejected_count(fixture_begin(f), "ORDERS", &rejected, &conflicts, NULL), SG_OK);
    return rejected;
}

void fixture_file_write(const char *path, long offset, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_true(pwrite(fd, data, bytes, offset) == (ssize_t)bytes);
    assert_int_equal(close(fd), 0);
}

size_t fixture_files_like(const struct store_fixture *f, const char *part)
{
    size_t count = 0;
    DIR *directory = opendir(f->directory);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strstr(entry->d_name, part) != NULL;
    (void)closedir(directory);
    return count;
}
