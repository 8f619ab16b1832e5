/* What a power cut leaves of a disk: everything that was synced, and of the rest whatever chance has kept.
 *
 * Of each write since the file's last sync all sectors may be there, none, or some; later ones without earlier ones;
 * and where a file had grown, anything may stand in between. Names that were made or removed since the folder's last
 * sync are kept up to some moment. */
#ifndef STATEGATE_TESTS_DISK_CUT_H
#define STATEGATE_TESTS_DISK_CUT_H

#include "memory_vfs.h"

#define DISK_SECTOR_BYTES 512 /* written whole or not at all */

/* A disk on the way through a log: what is synced, and which operations are not. */
struct disk_image;

/* `log` is borrowed and must not grow meanwhile. The files that were there before the log began are those of `start`
 * (borrowed during the call; NULL = none). */
struct disk_image *disk_image_create(const struct disk_log *log, const struct memory_disk *start);
void disk_image_destroy(struct disk_image *image);

/* One more operation has reached the disk's cache, or the platter if it is a sync. */
void disk_image_step(struct disk_image *image);
size_t disk_image_at(const struct disk_image *image);

/* The next operation is under way, and the power fails: the disk as it is then found. `chance` is the state of a
 * generator (disk_chance). */
struct memory_disk *disk_image_cut(const struct disk_image *image, uint64_t *chance);

/* The next number of a generator. */
uint64_t disk_chance(uint64_t *state);

#endif
