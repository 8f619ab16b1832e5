/* A store in a folder of its own, for the tests of store/: opened, fed with events, read, and removed. */
#ifndef STATEGATE_TESTS_STORE_FIXTURE_H
#define STATEGATE_TESTS_STORE_FIXTURE_H

#include "store/cache/commit_clock.h"
#include "store/reader.h"
#include "store/writer.h"

struct store_fixture {
    char directory[64];
    char path[128];
    struct store_options options;    /* change before fixture_reopen */
    struct store_open_report report; /* of the last open */
    struct commit_clock *shared;     /* another one at each open */
    struct store_writer *writer;
    struct stream stream;        /* what is served of "ORDERS", as attached or reloaded */
    struct build build;          /* what is written of it */
    struct store_reader *reader; /* opened by fixture_begin */
};

/* cmocka's setup and teardown: *state is a struct store_fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

/* Close the reader and the writer, open the writer again, attach the stream. */
void fixture_close(struct store_fixture *f);
void fixture_open(struct store_fixture *f);
void fixture_reopen(struct store_fixture *f);
void fixture_reload(struct store_fixture *f); /* f->stream and f->build as stored now */

struct event event_state(uint64_t sequence, const char *id, int64_t version, const char *state);
struct event event_tombstone(uint64_t sequence, const char *id, int64_t version);
struct event event_erase(uint64_t sequence, const char *id);
struct event event_ignored(uint64_t sequence);
struct event event_rejected(uint64_t sequence, const char *id, int64_t version, enum event_reason reason);

/* Apply and expect success; the results go to the caller. */
void fixture_apply(struct store_fixture *f, const struct event *events, size_t count, enum event_result *results,
                   enum event_reason *reasons);
enum event_result fixture_apply_one(struct store_fixture *f, struct event event);

/* Begin a fresh read transaction (ending the one before). */
struct store_reader *fixture_begin(struct store_fixture *f);
/* Status of reading one entity of `customers` from a fresh snapshot. */
enum sg_status fixture_entity(struct store_fixture *f, const char *id, struct entity *out);
/* Entities of `customers` by its own count; UINT64_MAX when there is no such collection. */
uint64_t fixture_entities(struct store_fixture *f);
uint64_t fixture_rejected(struct store_fixture *f);

void fixture_file_write(const char *path, long offset, const void *data, size_t bytes);
size_t fixture_files_like(const struct store_fixture *f, const char *part); /* names in the folder that contain it */

#endif
