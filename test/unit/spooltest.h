/*-------------------------------------------------------------------------
 *
 * spooltest.h
 *	  A spool of WAL under test: a writer, a tail, and a reader, which are
 *	  compared with a model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SPOOLTEST_H
#define SPOOLTEST_H

#include "unit.h"
#include "wal/walspool.h"
#include "walmodel.h"

extern pg_prng_state spool_prng;
extern uint64 spool_seed;

#define EXPECT(condition)                           \
	do                                              \
	{                                               \
		if (!(condition))                           \
			elog(ERROR, "%s:%d: %s (seed " UINT64_FORMAT ")", __FILE__,     \
				 __LINE__, #condition, spool_seed); \
	} while (0)

typedef struct Tail
{
	BbWalTail	base;
	TimeLineID	tli;
	XLogRecPtr	lsn;
	XLogRecPtr	committed;
	XLogRecPtr	moves_to; /* by itself, whenever it is looked at */
} Tail;

typedef struct Reader
{
	BbWalSource *source;
	int			next; /* index of the next record in the model */
} Reader;

typedef struct Spool
{
	char	   *directory;
	BbWalSpool *writer;
	Tail		tail;
	XLogRecPtr	fork; /* up to here, older tlis have all WAL */
	XLogRecPtr	most; /* the last position of the tail, or a later one */
	Reader		reader;
} Spool;

static inline uint64
spool_pick(uint64 from, uint64 to)
{
	return pg_prng_uint64_range(&spool_prng, from, to);
}

/* A round of a test has its own seed, which EXPECT prints. */
extern void spool_round(void);

extern uint32 spool_pick_segment_size(void);

/* A model with so many pages of WAL. */
extern WalModel *spool_model(uint32 segment_size, int pages);

/* How many records are complete before lsn? */
extern int spool_records_before(const WalModel *model, XLogRecPtr lsn);

extern Spool *spool_new(const BbReqCtx *ctx, const WalModel *model);

/* Open a source after n records of the model. */
extern void spool_read_from(const BbReqCtx *ctx, Spool *spool,
							const WalModel *model, int n);

/* Write the model's WAL in [from, to), and move the tail there. */
extern void spool_arrive(const BbReqCtx *ctx, Spool *spool,
						 const WalModel *model, XLogRecPtr from,
						 XLogRecPtr to);

/*
 * Deliver the model's WAL in [from, to) in pieces of random length, with all that
 * may happen meanwhile; returns the end.
 */
extern XLogRecPtr spool_deliver(const BbReqCtx *ctx, Spool *spool,
								const WalModel *model, XLogRecPtr from,
								XLogRecPtr to);

/* Up to where may records be read? */
static inline XLogRecPtr
spool_readable(const Spool *spool)
{
	return Max(spool->tail.lsn, spool->fork);
}

/* Read records while there are any; returns what came instead. */
extern BbWalNext spool_read_all(const BbReqCtx *ctx, Spool *spool,
								const WalModel *model);

/* Read all records that are complete, and no other. */
extern void spool_read_complete(const BbReqCtx *ctx, Spool *spool,
								const WalModel *model);

extern char *spool_segment_path(const Spool *spool, const WalModel *model,
								TimeLineID tli, XLogRecPtr lsn);

/* Change bytes of a file of the spool. */
extern void spool_overwrite(const char *path, uint64 offset, const void *data,
							size_t length);

#endif /* SPOOLTEST_H */
