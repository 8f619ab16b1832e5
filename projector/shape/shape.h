/* From a decoded event to the event as it is stored: the steps between decode and the store, in this order:
 *
 *   upcast     the document of an older schema version becomes one of the present version
 *   minimise   members that must not be kept go; afterwards there is the state's text
 *   validate   does it fit? It describes what is served, so it stands after minimise
 *   fields     values of declared fields are taken from it
 *
 * A patch takes the first two here. It is merged into its base afterwards (struct store_merge), and what that makes
 * takes the other two: the base holds none of the members that must not be kept, so a patch must not bring them back.
 * The store asserts that a patch was written before it is merged.
 *
 * Each event takes all of them, not only the one that wins: what is compared with what is stored must be shaped as that
 * was. An event of a collection without rules takes none of them, and its text is taken from the payload as it lies
 * there. Pure: no clock, no network, no disk. */
#ifndef STATEGATE_PROJECTOR_SHAPE_SHAPE_H
#define STATEGATE_PROJECTOR_SHAPE_SHAPE_H

#include "core/base/names.h"
#include "core/base/status.h"
#include "core/domain/event.h"
#include "core/domain/settings.h"
#include "core/json/arena.h"

struct drop_rules;
struct field_rules;

enum shape_step_kind { SHAPE_UPCAST, SHAPE_MINIMISE, SHAPE_VALIDATE, SHAPE_FIELDS, SHAPE_STEPS_COUNT };

/* `run` is NULL where there is nothing to do. It may reject the event (event_reject): then no later step is taken. */
struct shape_step {
    enum sg_status (*run)(const void *rules, struct event *event, struct arena *arena, struct sg_error *err);
    const void *rules; /* borrowed */
};

/* Of one collection. */
struct shape_rules {
    bool payload_private;    /* what must not be kept must not be kept by way of rejected events either */
    struct shape_step steps[SHAPE_STEPS_COUNT];
    struct drop_rules *drops;   /* owned; of minimise; NULL = none */
    struct field_rules *fields; /* owned; of fields; likewise */
};

/* Of one stream; read-only once made, so any thread may use it. */
struct shaper {
    struct names *names; /* owned: the collections, and which of the rules are theirs */
    size_t rules_count;
    struct shape_rules rules[];
};

/* Compile what the settings, which outlive the shaper, say of the stream's collections. `*out` is NULL where they say
 * nothing. SG_INVALID (what is no pointer), SG_MEMORY. */
SG_MUST_CHECK enum sg_status shaper_create(const struct settings *settings, size_t stream, struct shaper **out,
                                           struct sg_error *err);
/* NULL is allowed. */
void shaper_destroy(struct shaper *shaper);

/* Shape an event as decode_message() left it, before another one is decoded into the arena. `shaper` NULL = no rules.
 * Afterwards its state is text, in the payload or in the arena's kept memory, and its document is gone. SG_MEMORY: not
 * shaped, decode it again in a smaller batch. */
SG_MUST_CHECK enum sg_status shape_event(const struct shaper *shaper, struct event *event, struct arena *arena,
                                         struct sg_error *err);

#endif
