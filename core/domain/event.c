/* The words of reasons and results; rejection. */
#include "core/domain/event.h"

#include <assert.h>

const char *event_reason_name(enum event_reason reason)
{
    static const char *const names[] = {
#define EVENT_REASON_WORD(name, word) word,
        EVENT_REASONS(EVENT_REASON_WORD)
#undef EVENT_REASON_WORD
    };
    assert((unsigned)reason < EVENT_REASONS_COUNT);
    return names[reason];
}

const char *event_result_name(enum event_result result)
{
    static const char *const names[] = {
#define EVENT_RESULT_WORD(name, word) word,
        EVENT_RESULTS(EVENT_RESULT_WORD)
#undef EVENT_RESULT_WORD
    };
    assert((unsigned)result < EVENT_RESULTS_COUNT);
    return names[result];
}

void event_reject(struct event *event, enum event_reason reason, struct slice detail)
{
    if (event->kind == EVENT_REJECTED)
        return;
    event->kind = EVENT_REJECTED;
    event->reason = reason;
    event->detail = detail;
}

void event_strip(struct event *event)
{
    event->document = NULL;
    event->state = (struct slice){0};
    event->fields = NULL;
    event->mismatches = 0;
    event->occurred_at = (struct slice){0};
    event->type = (struct slice){0};
    event->has_schema_version = false;
    event->schema_version = 0;
    event->message_id = (struct slice){0};
    event->correlation_id = (struct slice){0};
    event->causation_id = (struct slice){0};
}
