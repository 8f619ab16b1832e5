/* What queries cost in instructions, from the store's face down: for bench_instructions. */
#ifndef STATEGATE_BENCH_INSTRUCTIONS_QUERIES_H
#define STATEGATE_BENCH_INSTRUCTIONS_QUERIES_H

#include "store/writer.h"

/* Declare fields of the collection "customers", which is there, make their index, and count. */
void count_queries(struct store_writer *writer, int64_t stream, const char *database, struct commit_clock *clock);

#endif
