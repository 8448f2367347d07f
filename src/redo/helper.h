/*-------------------------------------------------------------------------
 *
 * helper.h
 *	  The parts of a redo helper.
 *
 * A redo helper is "postgres --single" with this library preloaded.  After shared
 * memory has been set up, and before a database is opened, the library takes
 * control of the process (helper.c) and never returns:
 *
 *	  _PG_init -> bb_redo_helper_init      a hook, in helpers only
 *	  shmem_startup_hook:
 *		  bb_redo_pages_init               scratch relations
 *		  bb_redo_lockdown                 no files and no network after this
 *		  for each request:
 *			  bb_redo_pages_begin          the target page into the buffer pool
 *			  bb_redo_record_apply ...     one record after the other
 *			  bb_redo_pages_target         the page to send back
 *			  bb_redo_pages_end
 *
 * StartupXLOG() never runs, so RecoveryInProgress() stays true: for the redo
 * functions this is the recovery of a cluster with one page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_HELPER_H
#define BB_REDO_HELPER_H

#include "access/xlogreader.h"
#include "base/compat.h"
#include "storage/bufpage.h"

/*
 * bb_redo_helper_init - make this process a helper if it was started as one.
 *
 * Called by _PG_init.
 */
extern void bb_redo_helper_init(void);

/*
 * bb_redo_lockdown - give up all rights that redo doesn't need
 * (helper_lockdown.c), by resource limits and, if "seccomp", by seccomp.
 *
 * Returns NULL, or why seccomp is not available.
 *
 * Errors: those of setrlimit(2).
 */
extern const char *bb_redo_lockdown(bool seccomp);

/*
 * bb_redo_record_init - prepare to decode records (helper_record.c).
 */
extern void bb_redo_record_init(void);

/*
 * bb_redo_record_apply - apply one WAL record to the target page.
 *
 * "record" has "length" bytes and is MAXALIGNed; "locator", "fork" and "block"
 * identify the target page in the record.
 *
 * Errors: those of rm_redo; the record can't be decoded, its resource manager
 * isn't loaded, it doesn't refer to the page, or it needs a page that was never
 * initialized.
 */
extern void bb_redo_record_apply(const BbRelLocator *locator, ForkNumber fork,
								 BlockNumber block, XLogRecord *record,
								 uint32 length, XLogRecPtr end_lsn);

/*
 * The scratch relations; helper_pages.c.
 *
 *	- the target has the requested page;
 *	- trash has pages that redo may read and change, but that are discarded;
 *	- the void has no pages, so that redo of its blocks does nothing.
 */
extern void bb_redo_pages_init(void);

/* Make a page (NULL: zeros) block "block" of the target. */
extern void bb_redo_pages_begin(ForkNumber fork, BlockNumber block,
								const void *page);
/* Called before each record: empties the trash before it fills the buffer pool,
 * since evictions would write. */
extern void bb_redo_pages_make_room(void);
/* The result is valid until the next read of a buffer. */
extern Page bb_redo_pages_target(void);
/* Is the target zeros?  "replaced": the last record had an image of it. */
extern bool bb_redo_pages_target_is_new(bool replaced);
/* End a request; "failed": a record could not be applied. */
extern void bb_redo_pages_end(bool failed);

/* Redirect a block of a record to the target, to trash, or to the void. */
extern void bb_redo_block_to_target(DecodedBkpBlock *block);
extern void bb_redo_block_to_trash(DecodedBkpBlock *block);
extern void bb_redo_block_to_void(DecodedBkpBlock *block);
/* Redirect it to a page in trash whose LSN is newer than any record. */
extern void bb_redo_block_to_newer(DecodedBkpBlock *block);

#endif /* BB_REDO_HELPER_H */
