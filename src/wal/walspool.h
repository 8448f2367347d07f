/*-------------------------------------------------------------------------
 *
 * walspool.h
 *	  A spool of WAL: what was received from a server and isn't in a page store
 *	  yet, in segments on local disk.
 *
 *	  receiver ── write, sync, history ──► spool ── origin, next ──► ingest
 *
 * The directory has files as a pg_wal has: segments under the name of their tli
 * (the last one grows as WAL arrives) and history files.  One process
 * writes; another one reads, as far as the writer's "tail" says.
 *
 * What a crash of the machine leaves may have holes.  So a writer that opens a
 * spool finds the end of its complete records by reading it
 * (bb_walspool_end), and receives from there.
 *
 * Every function that changes files syncs what the order of events requires:
 * what bb_walspool_end found, and what was written before bb_walspool_sync,
 * survives a crash.
 *
 * Errors of all functions: errcode_for_file_access() (DISK_FULL too, after
 * which what was written before is intact).
 *
 *-------------------------------------------------------------------------
 */
#ifndef BB_WAL_WALSPOOL_H
#define BB_WAL_WALSPOOL_H

#include "wal/source.h"

typedef struct BbWalSpool BbWalSpool;

/* ---- writing ---- */

/*
 * bb_walspool_open - open the spool in a directory, which exists, for writing,
 * in CurrentMemoryContext.
 *
 * Makes durable what its files have.  Files with names that no spool has are
 * kept, with a WARNING.  Segments of another system are removed, with another.
 */
extern BbWalSpool *bb_walspool_open(const BbReqCtx *ctx, const char *directory,
									uint64 system_identifier,
									uint32 segment_size);

/*
 * bb_walspool_begin - set *start to the first record that begins in the first
 * segment of a directory.
 *
 * Returns false if there is none, or if the segments aren't those of one system,
 * without a gap.
 */
extern bool bb_walspool_begin(const BbReqCtx *ctx, const char *directory,
							  BbWalStart *start);

/*
 * bb_walspool_end - returns the end of the last complete record that follows
 * "start" in the spool, by reading and checking the records; start->lsn if
 * there is none.  *tli is set to the tli of that position.
 */
extern XLogRecPtr bb_walspool_end(const BbReqCtx *ctx, BbWalSpool *spool,
								  const BbWalStart *start, TimeLineID *tli);

/*
 * bb_walspool_write - write bytes of the WAL of a tli.
 *
 * After an error, the same write may be repeated.
 *
 * REQUIRES: lsn is where the last write ended; or it is the beginning of a
 * segment.  Then later segments of that tli are removed.  What the segment
 * already has stays until it is overwritten.
 */
extern void bb_walspool_write(const BbReqCtx *ctx, BbWalSpool *spool,
							  TimeLineID tli, XLogRecPtr lsn,
							  const uint8 *data, size_t length);

/*
 * bb_walspool_sync - make durable all that was written.
 *
 * If that fails, what wasn't durable is removed.  So after an error, call
 * bb_walspool_end, and receive from there.
 */
extern void bb_walspool_sync(const BbReqCtx *ctx, BbWalSpool *spool);

/* bb_walspool_history - keep the history file of a tli, durably. */
extern void bb_walspool_history(const BbReqCtx *ctx, BbWalSpool *spool,
								TimeLineID tli, const char *text);

/* bb_walspool_trim - remove segments that end at or before lsn. */
extern void bb_walspool_trim(const BbReqCtx *ctx, BbWalSpool *spool,
							 XLogRecPtr lsn);

/* bb_walspool_cut - remove the WAL of a tli from lsn on. */
extern void bb_walspool_cut(const BbReqCtx *ctx, BbWalSpool *spool,
							TimeLineID tli, XLogRecPtr lsn);

/* bb_walspool_clear - remove all segments and history files. */
extern void bb_walspool_clear(const BbReqCtx *ctx, BbWalSpool *spool);

/* Returns the directory of a spool. */
extern const char *bb_walspool_path(const BbWalSpool *spool);

/* bb_walspool_bytes - returns the bytes of all segments. */
extern uint64 bb_walspool_bytes(const BbWalSpool *spool);

/* ---- reading ---- */

/*
 * How far the spool has been written: the reader asks before it reads, and
 * never reads beyond.
 */
typedef struct BbWalTail BbWalTail;

struct BbWalTail
{
	/*
	 * Set *tli and *lsn to the position up to which WAL may be read now; *tli
	 * 0: nothing was received yet.  All WAL of older tlis on the way there may
	 * be read, up to where the history file of *tli, which is in the spool,
	 * leaves them.
	 */
	void		(*position) (const BbWalTail *tail, TimeLineID *tli,
							 XLogRecPtr *lsn);
	/* Wait until that position may have changed, the latch is set, or
	 * timeout_ms is over. */
	void		(*wait) (const BbReqCtx *ctx, const BbWalTail *tail,
						 long timeout_ms);
	/* All records up to lsn are committed; may be NULL. */
	void		(*committed) (const BbReqCtx *ctx, const BbWalTail *tail,
							  XLogRecPtr lsn);
};

/*
 * bb_walspool_origin - returns the WAL in a spool, as it arrives, as an origin.
 *
 * Its source returns BB_WAL_WAIT where the tail ends, also in the midst of a
 * record, and BB_WAL_BROKEN if a record below the tail isn't valid, or if the
 * tail left the source's tli before a record that was already returned.  It
 * never returns BB_WAL_END.
 *
 * "tail" must live as long as the source.
 */
extern const BbWalOrigin *bb_walspool_origin(const char *directory,
											 const BbWalTail *tail);

#endif /* BB_WAL_WALSPOOL_H */
