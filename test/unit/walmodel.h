/*-------------------------------------------------------------------------
 *
 * walmodel.h
 *	  WAL made in memory, with a list of its records.
 *
 * It has what a server's WAL may have: records of all lengths, so that they and
 * their headers are cut by pages and segments in every way; XLOG_SWITCH; a
 * record that a crash left incomplete; and branches under another tli.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WALMODEL_H
#define WALMODEL_H

#include "common/pg_prng.h"
#include "wal/page.h"

typedef struct WalRecord
{
	XLogRecPtr	start;
	XLogRecPtr	bytes_end; /* its last byte is before this */
	XLogRecPtr	end;	   /* EndRecPtr */
	XLogRecPtr	prev;
	pg_crc32c	crc;
	TimeLineID	tli;
} WalRecord;

typedef struct WalModel
{
	BbWalStream stream;
	XLogRecPtr	base; /* the beginning of its first segment */
	uint8	   *bytes;
	size_t		size; /* of bytes, zeros after the end */
	XLogRecPtr	end;
	XLogRecPtr	prev;
	WalRecord  *records;
	int			nrecords;
	int			max_records;
	char	   *history; /* of stream.tli; NULL: tli 1 has none */
} WalModel;

/* WAL of tli 1 that begins with a segment. */
extern WalModel *walmodel_new(uint32 segment_size);

/* Append a record with that many bytes of data, 0 of them: only a header. */
extern void walmodel_record(WalModel *model, pg_prng_state *random,
							uint32 length);
extern void walmodel_switch(WalModel *model);

/*
 * Append a record that ends at the end of a page since the server crashed, and
 * the record with which it goes on.
 */
extern void walmodel_crash(WalModel *model, pg_prng_state *random);

/* Append any of these. */
extern void walmodel_any(WalModel *model, pg_prng_state *random);

/* Append until there is WAL up to lsn. */
extern void walmodel_fill(WalModel *model, pg_prng_state *random,
						  XLogRecPtr lsn);

/* A model that goes on under a new tli after its first n records. */
extern WalModel *walmodel_branch(const WalModel *model, TimeLineID tli, int n);

/* The start of reading after n records. */
extern BbWalStart walmodel_start(const WalModel *model, int n);

#endif /* WALMODEL_H */
