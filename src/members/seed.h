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
 * the rest of a longer record: who looks for the first record of the segment,
 * as pg_waldump and the WAL summarizer of 17 do, finds ours.  It is on a new
 * tli, so that the clone can never write over its parent's WAL archive; a
 * history file tells where it parted.
 *
 * (Read with PostgreSQL's InitWalRecovery in xlogrecovery.c, and
 * XLogReaderValidatePageHeader and XLogFindNextRecord in xlogreader.c.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SEED_H
#define BB_SEED_H

#include "catalog/pg_control.h"
#include "pagestore/pagestore.h"
#include "wal/page.h"

typedef struct BbSeed
{
	ControlFileData control; /* complete, CRC set */
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
 * bb_seed_new - make the seed for a backup at lsn.
 *
 * prev_lsn is the start of the record that ends at lsn, or Invalid when it
 * isn't known; tli is the clone's, from clonetli.h.  parent_history is the content
 * of the source tli's own history file, or NULL.
 *
 * Errors: DATA_CORRUPTED (control file or checkpoint in the store).
 */
extern BbSeed *bb_seed_new(const BbReqCtx *ctx, BbPageStore *store,
						   XLogRecPtr lsn, XLogRecPtr prev_lsn, TimeLineID tli,
						   const char *parent_history);

/*
 * bb_seed_wal_page - the page (XLOG_BLCKSZ bytes) at "offset" of a segment.
 *
 * REQUIRES: a segment of the seed's, offset a multiple of XLOG_BLCKSZ.
 */
extern void bb_seed_wal_page(const BbSeed *seed, XLogSegNo segment,
							 uint32 offset, uint8 *page);

#endif /* BB_SEED_H */
