/* No memory: the Nth allocation fails, once or from there on until memory is there again, while a piece of a history is
 * played (store_scene.h: open, attach, apply, rebuild, sweep, read), while messages are decoded, and while requests are
 * answered. Ours and SQLite's allocations are counted together.
 *
 * What fails says SG_MEMORY and has changed nothing, a request is answered by 503 or not at all; or it succeeds, and
 * gives what it gives otherwise. With memory again everything is as before. Nothing leaks: the leak sanitizer looks at
 * the end.
 *
 * COUNT is in sevenths: 1 takes every seventh allocation, beginning by the seed, 7 takes all. Linked with --wrap, so
 * that what our libraries allocate comes here first. A planted fault must be found: a failed step that has changed a
 * row.
 *
 * ctest-timeout: 900 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store_scene.h"
#include "run_options.h"
#include "tests/support/decode_shaped.h"
#include "tests/unit/api/router_fixture.h"

#define SEVENTHS 7
#define STEPS 4 /* each takes thousands of allocations */
#define FAILURES_SHOWN 8

/* ---- memory ---- */

static struct {
    bool armed;
    bool paused;
    bool until_healed;
    uint64_t index;
    uint64_t count;
    uint64_t struck;
} plan;

static void arm(uint64_t index, bool until_healed)
{
    memset(&plan, 0, sizeof plan);
    plan.armed = true;
    plan.index = index;
    plan.until_healed = until_healed;
}

static void heal(void)
{
    plan.armed = false;
}

static void pause_faults(void)
{
    plan.paused = true;
}

static void resume_faults(void)
{
    plan.paused = false;
}

static uint64_t struck(void)
{
    return plan.struck;
}

static bool due(void)
{
    if (plan.paused)
        return false;
    uint64_t index = plan.count++;
    if (!plan.armed || index < plan.index || (index > plan.index && !plan.until_healed))
        return false;
    plan.struck++;
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *data, size_t bytes);
void *__real_reallocarray(void *data, size_t count, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *data, size_t bytes);
void *__wrap_reallocarray(void *data, size_t count, size_t bytes);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t bytes)
{
    return due() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return due() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *data, size_t bytes)
{
    return due() ? NULL : __real_realloc(data, bytes);
}

void *__wrap_reallocarray(void *data, size_t count, size_t bytes)
{
    return due() ? NULL : __real_reallocarray(data, count, bytes);
}

char *__wrap_strdup(const char *text)
{
    return due() ? NULL : __real_strdup(text);
}

static void *sqlite_malloc(int bytes)
{
    return __wrap_malloc((size_t)bytes);
}

static void *sqlite_realloc(void *data, int bytes)
{
    return __wrap_realloc(data, (size_t)bytes);
}

static int sqlite_size(void *data)
{
    return data == NULL ? 0 : (int)malloc_usable_size(data);
}

static int sqlite_roundup(int bytes)
{
    return (bytes + 7) & ~7;
}

static int sqlite_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void sqlite_shutdown_memory(void *context)
{
    (void)context;
}

/* ---- what is counted ---- */

static struct {
    uint64_t cases;
    uint64_t struck;
    uint64_t refused;
    uint64_t failed;
} tally;

static struct run_options run;

/* Each index once, in turn alone and with those that follow; and both ways where all are taken. */
static bool chosen(uint64_t index, bool until_healed)
{
    return (index + SEVENTHS - run.seed % SEVENTHS) % SEVENTHS < run.count &&
           (run.count >= SEVENTHS || (index / SEVENTHS % 2 != 0) == until_healed);
}

static void case_done(const char *part, uint64_t index, uint64_t refused, const char *wrong)
{
    tally.cases++;
    tally.struck += plan.struck > 0;
    tally.refused += refused;
    if (wrong == NULL)
        return;
    if (tally.failed++ < FAILURES_SHOWN)
        (void)fprintf(stderr, "%s, allocation %llu %s: %s\n", part, (unsigned long long)index,
                      plan.until_healed ? "and those that follow" : "alone", wrong);
}

/* ---- the store ---- */

/* store_open looks at its files in ways that do not tell why they cannot be looked at. */
static bool allows(const struct sg_error *err, bool opening)
{
    return err->status == SG_MEMORY || (opening && err->status == SG_STORAGE);
}

static const struct scene_faults faults = {.heal = heal, .pause = pause_faults, .resume = resume_faults,
                                           .struck = struck, .allows = allows};

static uint64_t run_store(void)
{
    arm(UINT64_MAX, false);
    struct scene_result r = scene_play(&faults, SCENE_PLANT_NONE);
    uint64_t count = plan.count;
    case_done("the store without a fault", 0, 0, r.failed ? r.what : NULL);
    for (uint64_t index = 0; index < count; index++) {
        for (int until_healed = 0; until_healed < 2; until_healed++) {
            if (!chosen(index, until_healed != 0))
                continue;
            arm(index, until_healed != 0);
            r = scene_play(&faults, SCENE_PLANT_NONE);
            heal();
            case_done("the store", index, r.refused, r.failed ? r.what : NULL);
        }
    }
    return count;
}

static bool plant_found(uint64_t count)
{
    bool found = false;
    for (uint64_t index = count / 2; index < count && !found; index += 5) {
        arm(index, true);
        found = scene_play(&faults, SCENE_PLANT_CHANGE).failed;
        heal();
    }
    (void)printf("planted: a failed step that has changed a row: %s\n", found ? "found" : "NOT FOUND");
    return found;
}

/* ---- decoding ---- */

/* A message with so many members that decoding it takes memory from the system several times. */
static char *large_envelope(size_t *bytes)
{
    size_t room = 400000;
    char *text = malloc(room);
    if (text == NULL)
        abort();
    size_t at = (size_t)snprintf(text, room, "{\"aggregateId\":\"7\",\"version\":5,\"state\":{\"secret\":1");
    for (int i = 0; i < 20000; i++)
        at += (size_t)snprintf(text + at, room - at, ",\"k%05d\":%d", i, i);
    at += (size_t)snprintf(text + at, room - at, "}}");
    *bytes = at;
    return text;
}

static const char *decode_once(const struct settings *settings, const struct message *message, uint64_t *refused)
{
    struct event event = {0};
    struct sg_error err = {0};
    const char *wrong = NULL;
    struct arena *arena = arena_create();
    *refused = arena == NULL;
    if (arena == NULL)
        return NULL;
    enum sg_status status = decode_shaped(settings, 0, message, arena, &event, &err);
    if (status != SG_OK) {
        heal();
        (*refused)++;
        wrong = status != SG_MEMORY ? err.message : NULL;
        if (decode_shaped(settings, 0, message, arena, &event, &err) != SG_OK)
            wrong = "not even with memory again";
    }
    if (wrong == NULL && (event.kind != EVENT_STATE || event.version != 5 || event.state.bytes < 200000 ||
                          memmem(event.state.data, event.state.bytes, "secret", 6) != NULL))
        wrong = "the event is not the usual one";
    arena_destroy(arena);
    return wrong;
}

static uint64_t run_decode(void)
{
    char *drop[] = {(char[]){"/secret"}};
    struct stream_settings stream = {.name = (char[]){"STATE"}};
    struct collection_settings rules = {.name = (char[]){"orders"}, .drop = drop, .drop_count = 1};
    struct settings settings = {.streams = &stream, .streams_count = 1, .collections = &rules, .collections_count = 1};
    struct message message = {.subject = SLICE_LITERAL("state.orders.7"), .sequence = 1};
    struct sg_error err = {0};
    uint64_t index = 0;
    size_t bytes = 0;
    if (subject_template_parse("state.{collection}.{id}", &stream.subject, &err) != SG_OK)
        abort();
    char *text = large_envelope(&bytes);
    message.payload = (struct slice){text, bytes};
    for (;; index++) { /* so few that all are taken */
        uint64_t refused = 0;
        arm(index, false);
        const char *wrong = decode_once(&settings, &message, &refused);
        heal();
        case_done("decoding", index, refused, plan.struck > 0 && refused == 0 ? "it went unnoticed" : wrong);
        if (plan.struck == 0)
            break;
    }
    free(text);
    return index;
}

/* ---- requests ---- */

static const char *const targets[] = {
    "/v1/state",
    "/v1/state?min_position=STATE:3,OTHER:0&max_staleness=30",
    "/v1/state/customers",
    "/v1/state/customers?limit=2",
    "/v1/state/customers/a",
    "/v1/state/customers/a?min_version=1&min_position=STATE:2",
    "/v1/state/customers/deleted",
    "/v1/state/customers/never",
    "/v1/state/nothing%20/x",
    "/v1/rejected",
    "/v1/rejected?limit=1&collection=customers",
    "/v1/status",
    "/livez",
    "/readyz",
    "/openapi.yaml",
    "/v1/state/customers?limit=0",
    "/v1/nothing",
};

struct answer {
    unsigned status; /* 0 = none */
    char *body;      /* owned */
    size_t bytes;
};

/* As rig_ask, but that there may be no answer. */
static struct answer ask(struct rig *r, const char *target)
{
    struct answer a = {0};
    (void)snprintf(r->target, sizeof r->target, "%s", target);
    r->call = (struct call){0};
    r->head.client = &r->client;
    r->head.target_text = r->target;
    r->head.target_bytes = strlen(r->target);
    response_init(&r->response);
    if (worker_handle(r->worker, &r->head, &r->call, &r->response) == HTTP_ANSWER)
        worker_answered(r->worker, &r->call, &r->response);
    snapshot_end(r->worker->snapshot);
    pause_faults();
    if (!r->response.failed) {
        a.status = r->response.status;
        a.bytes = r->response.body_bytes;
        a.body = malloc(a.bytes + 1);
        if (a.body == NULL)
            abort();
        if (a.bytes > 0)
            memcpy(a.body, r->response.body, a.bytes);
    }
    pipeline_forget(&r->call);
    response_free(&r->response);
    response_init(&r->response);
    resume_faults();
    return a;
}

/* Those tell the time. */
static bool body_varies(const char *target)
{
    return strcmp(target, "/v1/status") == 0 || strcmp(target, "/readyz") == 0;
}

static bool answer_same(const struct answer *a, const struct answer *b, const char *target)
{
    return a->status == b->status &&
           (body_varies(target) || (a->bytes == b->bytes && memcmp(a->body, b->body, a->bytes) == 0));
}

/* The next request is the first one of its snapshot, so that this must be read as well. */
static void commit_something(struct rig *r)
{
    rig_apply(r, (struct event){.kind = EVENT_IGNORED});
    rig_prove(r);
}

static void run_request(struct rig *r, const char *target, uint64_t index, bool until_healed, unsigned usual)
{
    char part[120];
    const char *wrong = NULL;
    commit_something(r);
    arm(index, until_healed);
    struct answer a = ask(r, target);
    heal();
    bool refused = a.status == 0 || (a.status == 503 && usual != 503);
    uint64_t times = plan.struck;
    struct answer again = ask(r, target); /* of the same snapshot */
    if (again.status != usual)
        wrong = "not right with memory again";
    else if (refused && times == 0)
        wrong = "refused without a reason";
    else if (!refused && !answer_same(&a, &again, target))
        wrong = "not the usual answer";
    (void)snprintf(part, sizeof part, "%s (status %u, then %u)", target, a.status, again.status);
    case_done(part, index, refused, wrong);
    free(again.body);
    free(a.body);
}

static uint64_t run_target(struct rig *r, const char *target)
{
    commit_something(r);
    arm(UINT64_MAX, false);
    struct answer usual = ask(r, target);
    uint64_t count = plan.count;
    heal();
    for (uint64_t index = 0; index < count; index++) {
        for (int until_healed = 0; until_healed < 2; until_healed++) {
            if (chosen(index, until_healed != 0))
                run_request(r, target, index, until_healed != 0, usual.status);
        }
    }
    free(usual.body);
    return count;
}

static uint64_t run_requests(void)
{
    void *state = NULL;
    uint64_t count = 0;
    if (rig_setup(&state) != 0)
        abort();
    struct rig *r = state;
    rig_apply_state(r, "a", 1, "{\"n\":1}");
    rig_apply_state(r, "b", 1, "{\"n\":[1,2,3]}");
    rig_apply_rejected(r, "a", 9);
    rig_apply_state(r, "deleted", 1, "{}");
    rig_apply(r, (struct event){.kind = EVENT_TOMBSTONE, .id = SLICE_LITERAL("deleted"), .version = 2});
    rig_prove(r);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        count += run_target(r, targets[i]);
    if (rig_teardown(&state) != 0)
        abort();
    return count;
}

int main(int argc, char **argv)
{
    static const sqlite3_mem_methods methods = {sqlite_malloc,  free,        sqlite_realloc,         sqlite_size,
                                                sqlite_roundup, sqlite_init, sqlite_shutdown_memory, NULL};
    char folder[64];
    run = run_options_read(argc, argv, 1);
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        abort();
    run_folder_make(folder);
    scene_make(folder, run.seed, STEPS);
    double began = run_seconds();
    uint64_t store = run_store();
    bool plants = plant_found(store);
    uint64_t decoding = run_decode();
    uint64_t requests = run_requests();
    double seconds = run_seconds() - began;
    scene_free();
    run_folder_remove(folder);
    bool good = tally.failed == 0 && plants;
    (void)printf("no memory: seed %llu, %llu sevenths of %llu allocations of the store, %llu of decoding, %llu of "
                 "requests; %llu cases, struck in %llu, refused cleanly %llu, failed %llu, %.0f cases/s: %s\n",
                 (unsigned long long)run.seed, (unsigned long long)run.count, (unsigned long long)store,
                 (unsigned long long)decoding, (unsigned long long)requests, (unsigned long long)tally.cases,
                 (unsigned long long)tally.struck, (unsigned long long)tally.refused, (unsigned long long)tally.failed,
                 (double)tally.cases / seconds, good ? "good" : "FAILED");
    return good ? 0 : 1;
}
