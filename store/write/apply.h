/* Applying a batch: store_apply of store/writer.h, and its memory. */
#ifndef STATEGATE_STORE_WRITE_APPLY_H
#define STATEGATE_STORE_WRITE_APPLY_H

struct store_scratch;

/* NULL is allowed. */
void store_scratch_free(struct store_scratch *scratch);

#endif
