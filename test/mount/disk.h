/*-------------------------------------------------------------------------
 *
 * disk.h
 *	  A disk that loses what wasn't synced.
 *
 * The program is linked so that its system calls that change files come here
 * (ld --wrap).  They are executed, and what a power cut may leave of them is
 * tracked: of each page of a file, what was synced or what is there now; the
 * changes of names up to any moment since the last sync.  disk_cut() lets it
 * happen.  disk_stop_after() ends an operation in the midst, as a kill does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_TEST_DISK_H
#define BB_TEST_DISK_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

/* disk_start - track a directory; all that is in it counts as durable. */
extern void disk_start(const char *directory);

/* disk_end - stop tracking it. */
extern void disk_end(void);

/* disk_cut - make the directory one that a power cut leaves. */
extern void disk_cut(void);

/* disk_stop_after - jump to disk_stopped instead of the n-th change from now. */
extern void disk_stop_after(int changes);
extern jmp_buf disk_stopped;

extern uint32_t random_below(uint32_t limit);

#endif /* BB_TEST_DISK_H */
