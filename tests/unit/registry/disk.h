/* A disk that fails on command and forgets what was not synced: a VFS of SQLite. */
#ifndef UNIT_REGISTRY_DISK_H
#define UNIT_REGISTRY_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Becomes SQLite's default VFS; files are the real ones, whose content stands for the kernel's
 * cache. Beside it the disk keeps what a power cut would leave of them: pages reach it by a sync
 * that succeeds. A sync that fails drops them, and later ones pass them over unless they are
 * written again, as Linux does. Names of files are durable at once. */
void disk_install(void);
void disk_remove(void);

/* Nothing fails, no file is known. */
void disk_reset(void);
/* The k-th sync from now (1: the next) fails, once. 0: none. */
void disk_fail_sync(uint32_t k);
/* Writes fail from the k-th on with this result code of SQLite. 0: none. */
void disk_fail_write(uint32_t k, int code);
/* Reads fail with this result code of SQLite. SQLITE_OK: none. */
void disk_fail_read(int code);
/* Files opened from now on have no shared memory, as on some file systems. */
void disk_without_shared_memory(void);
/* Whether a failure was met since it was asked for. */
bool disk_has_failed(void);

/* From now on nothing reaches the disk any more, though syncs say so: for what must be done between
 * the moment at which the power goes and disk_power_cut. */
void disk_freeze(void);
/* The power goes and comes back: the files are what the disk holds. With no file open. */
void disk_power_cut(void);

#endif
