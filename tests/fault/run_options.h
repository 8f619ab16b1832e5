/* What the fault programs are told: SEED and COUNT in the environment, or --seed and --count. */
#ifndef STATEGATE_TESTS_RUN_OPTIONS_H
#define STATEGATE_TESTS_RUN_OPTIONS_H

#include <stdint.h>

struct run_options {
    uint64_t seed;
    uint64_t count; /* what is counted, each program says */
};

/* Ends the process where an argument is not understood. */
struct run_options run_options_read(int argc, char **argv, uint64_t count_default);

/* A new folder in memory where there is such a file system, else in /tmp; remove it with all its files. */
void run_folder_make(char out[64]);
void run_folder_remove(const char *folder);

/* Seconds since some moment. */
double run_seconds(void);

#endif
