/* The words of reasons and results. */
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
