/*-------------------------------------------------------------------------
 *
 * helper.h
 *	  The redo helper: what the process consists of.
 *
 * A redo helper is "postgres --single" with this library preloaded.  When
 * shared memory is set up, and before anything would look at a database, the
 * library takes the process over (helper.c) and never gives it back:
 *
 *	  _PG_init -> bb_redo_helper_init      a hook, in helpers only
 *	  shmem_startup_hook:
 *		  bb_redo_pages_init               scratch relations
 *		  bb_redo_lockdown                 from here on no files, no network
 *		  for each request:
 *			  bb_redo_pages_begin          the target page into the buffer pool
 *			  bb_redo_record_apply ...     one record after the other
 *			  bb_redo_pages_target         the page, to be sent back
 *			  bb_redo_pages_end
 *
 * StartupXLOG() never runs, so RecoveryInProgress() stays true: to the redo
 * functions this is recovery, of a cluster with one page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_REDO_HELPER_H
#define BB_REDO_HELPER_H

#include "access/xlogreader.h"
#include "base/compat.h"
#include "storage/bufpage.h"

/*
 * bb_redo_helper_init - to be called from _PG_init.
 *
 * Does nothing unless this process was started to be a helper.
 */
extern void bb_redo_helper_init(void);

/*
 * bb_redo_lockdown - give up all that redo does not need; helper_lockdown.c.
 *
 * By limits, and by seccomp if "seccomp" says so.  Returns NULL, or why there
 * is no seccomp here.
 *
 * Errors: those of setrlimit(2).
 */
extern const char *bb_redo_lockdown(bool seccomp);

/*
 * bb_redo_record_init - make ready to decode records; helper_record.c.
 */
extern void bb_redo_record_init(void);

/*
 * bb_redo_record_apply - apply one WAL record to the target page.
 *
 * "record" has "length" bytes and is MAXALIGNed; "locator", "fork" and
 * "block" are what the record calls the target page.
 *
 * Errors: whatever rm_redo throws; a record that can't be decoded, that is
 * of a resource manager which isn't here, that doesn't touch the page, or
 * that needs a page which never was initialised.
 */
extern void bb_redo_record_apply(const BbRelLocator *locator, ForkNumber fork,
								 BlockNumber block, XLogRecord *record,
								 uint32 length, XLogRecPtr end_lsn);

/*
 * The scratch relations; helper_pages.c.
 *
 *	- the target: has the page that is asked for;
 *	- trash: has pages that redo may see and change, and nobody wants;
 *	- the void: has no pages, so that redo of its blocks does nothing.
 */
extern void bb_redo_pages_init(void);

/* The page (NULL: zeros) becomes block "block" of the target. */
extern void bb_redo_pages_begin(ForkNumber fork, BlockNumber block,
								const void *page);
/* Before each record: empty the trash before it could fill the buffer pool,
 * since evictions write. */
extern void bb_redo_pages_make_room(void);
/* Valid until the next call of anything that reads a buffer. */
extern Page bb_redo_pages_target(void);
/* Is it one of zeros, after a record that had an image of it ("replaced") or
 * not? */
extern bool bb_redo_pages_target_is_new(bool replaced);
/* The request is done; "failed" is whether a record could not be applied. */
extern void bb_redo_pages_end(bool failed);

/* Make a block of a record be one of the target, of trash, or of the void. */
extern void bb_redo_block_to_target(DecodedBkpBlock *block);
extern void bb_redo_block_to_trash(DecodedBkpBlock *block);
extern void bb_redo_block_to_void(DecodedBkpBlock *block);
/* Trash, with a page that redo takes for newer than any record. */
extern void bb_redo_block_to_newer(DecodedBkpBlock *block);

#endif /* BB_REDO_HELPER_H */
