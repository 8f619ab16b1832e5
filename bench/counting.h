/* What callgrind counts: instructions between count_begin and count_end. */
#ifndef STATEGATE_BENCH_COUNTING_H
#define STATEGATE_BENCH_COUNTING_H

#include <stdio.h>
#ifdef SG_HAVE_VALGRIND
#include <valgrind/callgrind.h>
#endif

static inline void count_begin(void)
{
#ifdef SG_HAVE_VALGRIND
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
#endif
}

/* What lies between is not counted. */
static inline void count_pause(void)
{
#ifdef SG_HAVE_VALGRIND
    CALLGRIND_STOP_INSTRUMENTATION;
#endif
}

static inline void count_go_on(void)
{
#ifdef SG_HAVE_VALGRIND
    CALLGRIND_START_INSTRUMENTATION;
#endif
}

/* A dump of its own, and a line with the name and how many times it was done. */
static inline void count_end(const char *name, size_t times)
{
#ifdef SG_HAVE_VALGRIND
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
#endif
    (void)printf("case\t%s\t%zu\n", name, times);
}

#endif
