/* The states of a connection. */
#include "api/http/states.h"

#include <assert.h>

#define TO(state) (1u << CONNECTION_##state)

static const unsigned moves[CONNECTION_STATES_COUNT] = {
    [CONNECTION_READING] = TO(ANSWERING) | TO(CLOSING) | TO(LINGERING),
    [CONNECTION_ANSWERING] = TO(READING) | TO(PARKED) | TO(WORKING) | TO(STREAMING) | TO(CLOSING),
    [CONNECTION_PARKED] = TO(ANSWERING) | TO(CLOSING),
    [CONNECTION_WORKING] = TO(ANSWERING) | TO(CLOSING),
    [CONNECTION_STREAMING] = TO(READING) | TO(CLOSING),
    [CONNECTION_CLOSING] = TO(LINGERING),
    [CONNECTION_LINGERING] = 0,
};

bool connection_move_allowed(enum connection_state from, enum connection_state to)
{
    return (moves[from] >> to & 1) != 0;
}

void connection_move(enum connection_state *state, enum connection_state to)
{
    assert(connection_move_allowed(*state, to));
    *state = to;
}
