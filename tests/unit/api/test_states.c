/* Which state of a connection may follow which. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/http/deadlines.h"

/* As deadlines.h draws it: a row for each state, a letter for each that may follow. */
static const struct {
    enum connection_state from;
    const char *to; /* r, a, p, w, s, c, l */
} drawn[CONNECTION_STATES_COUNT] = {
    {CONNECTION_READING, "acl"},     {CONNECTION_ANSWERING, "rpwsc"}, {CONNECTION_PARKED, "ac"},
    {CONNECTION_WORKING, "ac"},      {CONNECTION_STREAMING, "rc"},    {CONNECTION_CLOSING, "l"},
    {CONNECTION_LINGERING, ""},
};
static const char letters[] = "rapwscl";

static bool is_drawn(enum connection_state from, enum connection_state to)
{
    for (const char *c = drawn[from].to; *c != '\0'; c++) {
        if (*c == letters[to])
            return true;
    }
    return false;
}

static void the_moves_are_those_that_are_drawn(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONNECTION_STATES_COUNT; from++) {
        assert_int_equal(drawn[from].from, from);
        for (unsigned to = 0; to < CONNECTION_STATES_COUNT; to++) {
            bool wanted = is_drawn((enum connection_state)from, (enum connection_state)to);
            assert_int_equal(connection_move_allowed((enum connection_state)from, (enum connection_state)to), wanted);
        }
    }
}

static void a_drawn_move_is_made(void **state)
{
    enum connection_state now = CONNECTION_READING;
    (void)state;
    connection_move(&now, CONNECTION_ANSWERING);
    connection_move(&now, CONNECTION_PARKED);
    connection_move(&now, CONNECTION_ANSWERING);
    connection_move(&now, CONNECTION_STREAMING);
    connection_move(&now, CONNECTION_CLOSING);
    assert_int_equal(now, CONNECTION_CLOSING);
}

/* In a child, whose end is looked at. */
static int signal_of_move(enum connection_state from, enum connection_state to)
{
    const struct rlimit none = {0, 0};
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)close(STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        connection_move(&from, to);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void any_other_move_ends_the_process(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONNECTION_STATES_COUNT; from++) {
        for (unsigned to = 0; to < CONNECTION_STATES_COUNT; to++) {
            int wanted = is_drawn((enum connection_state)from, (enum connection_state)to) ? 0 : SIGABRT;
            if (signal_of_move((enum connection_state)from, (enum connection_state)to) != wanted)
                fail_msg("from %c to %c", letters[from], letters[to]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_moves_are_those_that_are_drawn),
        cmocka_unit_test(a_drawn_move_is_made),
        cmocka_unit_test(any_other_move_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
