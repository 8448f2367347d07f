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
 *	  ... zeros ... | page header | zeros ... LSN | shutdown checkpoint | zeros
 *												  ^
 *					   pg_control: checkPoint and redo, state shut down
 *
 * The record is a real one, with CRC and back link, right where the
 * cluster's next record would have begun.  It is on a new tli, so that the
 * clone can never write over its parent's WAL archive; a history file tells
 * where it parted.	 (Read with PostgreSQL's xlogrecovery.c, InitWalRecovery,
 * and xlogreader.c, XLogReaderValidatePageHeader.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_SEED_H
#define BB_SEED_H

#include "access/xlogdefs.h"
#include "catalog/pg_control.h"
#include "pagestore/pagestore.h"

typedef struct BbSeed
{
	ControlFileData control; /* complete, CRC set */
	uint32		wal_segment_size;
	TimeLineID	tli;
	XLogRecPtr	record_start;
	XLogRecPtr	record_end;
	XLogSegNo	first_segment; /* one segment; two if the record crosses */
	XLogSegNo	last_segment;
	/* WAL of [wal_start, wal_start + wal_length): whole pages; the other
	 * bytes of the segments are zero, but for their first page */
	XLogRecPtr	wal_start;
	uint32		wal_length;
	uint8		wal[3 * XLOG_BLCKSZ];
	char	   *history; /* content of the history file; NULL: none */
} BbSeed;

/*
 * bb_seed_new - make the seed for a backup at lsn.
 *
 * prev_lsn is the start of the record that ends at lsn, or Invalid when it
 * isn't known; new_tli 0 is the source's plus one.  parent_history is the
 * content of the source tli's own history file, or NULL.
 *
 * Errors: INVALID_PARAMETER_VALUE (new_tli below the source's);
 * DATA_CORRUPTED (control file or checkpoint in the store).
 */
extern BbSeed *bb_seed_new(const BbReqCtx *ctx, BbPageStore *store,
						   XLogRecPtr lsn, XLogRecPtr prev_lsn,
						   TimeLineID new_tli, const char *parent_history);

/*
 * bb_seed_wal_read - "length" bytes at "offset" of a WAL segment.
 */
extern void bb_seed_wal_read(const BbSeed *seed, XLogSegNo segment,
							 uint32 offset, void *data, uint32 length);

#endif /* BB_SEED_H */
