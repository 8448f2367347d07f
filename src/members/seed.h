/*-------------------------------------------------------------------------
 *
 * seed.h
 *	  What makes a stock server start from a base backup at once.
 *
 * A server that finds pg_control in state "shut down" reads the checkpoint
 * record that it names, finds nothing to replay, and opens.  So a backup at
 * an LSN carries a control file and WAL made for it:
 *
 *	  WAL of the new tli
 *	  page header | zeros ... | page header | zeros LSN | checkpoint | zeros
 *														^
 *					   pg_control: checkPoint and redo, state shut down
 *
 * The record is a real one, with CRC and back link, right where the
 * cluster's next record would have begun.  The pages before it claim to be
 * the rest of a longer record, so that programs which look for the first record
 * of the segment, such as pg_waldump and the WAL summarizer of 17, find ours.
 * It is on a new tli, so that the clone can never write over its parent's WAL
 * archive; a history file says where the clone parted.
 *
 * (Read with PostgreSQL's InitWalRecovery in xlogrecovery.c, and
 * XLogReaderValidatePageHeader and XLogFindNextRecord in xlogreader.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SEED_H
#define BB_SEED_H

#include "base/clusterfile.h"
#include "pagestore/snapshot.h"
#include "wal/page.h"

typedef struct BbSeed
{
	BbControl	control; /* complete, CRC set */
	BbWalStream wal;
	XLogRecPtr	record_start;
	XLogRecPtr	record_end;
	XLogSegNo	first_segment; /* one segment; two if the record crosses */
	XLogSegNo	last_segment;
	XLogRecPtr	record_page;  /* where the page with its start begins */
	uint32		record_pages; /* one or two */
	uint8		pages[2 * XLOG_BLCKSZ];
	char	   *history; /* content of the history file */
} BbSeed;

/*
 * bb_seed_new - make the seed for a backup of a snapshot.
 *
 * prev_lsn is the start of the record that ends at the snapshot's LSN, or
 * Invalid if that isn't known.  "tli" is the clone's (plan.h).
 * parent_history is the content of the history file of the snapshot's tli, or
 * NULL.  The result is allocated in CurrentMemoryContext.
 *
 * Errors: DATA_CORRUPTED (control file or checkpoint in the store).
 */
extern BbSeed *bb_seed_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
						   XLogRecPtr prev_lsn, TimeLineID tli,
						   const char *parent_history);

/*
 * bb_seed_wal_page - fill in the page (XLOG_BLCKSZ bytes) at "offset" of a
 * segment.
 *
 * REQUIRES: the segment is one of the seed's, and offset is a multiple of
 * XLOG_BLCKSZ.
 */
extern void bb_seed_wal_page(const BbSeed *seed, XLogSegNo segment,
							 uint32 offset, uint8 *page);

#endif /* BB_SEED_H */
