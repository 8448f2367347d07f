/*-------------------------------------------------------------------------
 *
 * spooltest.c
 *	  A spool of WAL under test.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "spooltest.h"
#include "storage/fd.h"

pg_prng_state spool_prng;
uint64		spool_seed;

void
spool_round(void)
{
	spool_seed = unit_seed();
	pg_prng_seed(&spool_prng, spool_seed);
}

static void
tail_position(const BbWalTail *base, TimeLineID *tli, XLogRecPtr *lsn)
{
	Tail	   *tail = (Tail *) base;

	if (tail->lsn < tail->moves_to)
	{
		tail->lsn += spool_pick(1, XLOG_BLCKSZ);
		tail->lsn = Min(tail->lsn, tail->moves_to);
	}
	*tli = tail->tli;
	*lsn = tail->lsn;
}

static void
tail_committed(const BbReqCtx *ctx, const BbWalTail *base, XLogRecPtr lsn)
{
	((Tail *) base)->committed = lsn;
}

Spool *
spool_new(const BbReqCtx *ctx, const WalModel *model)
{
	Spool	   *spool = palloc0(sizeof(Spool));

	spool->directory = unit_object_path(unit_store(ctx), "spool");
	CHECK(pg_mkdir_p(pstrdup(spool->directory), S_IRWXU) == 0);
	spool->writer = bb_walspool_open(ctx, spool->directory,
									 model->stream.system_identifier,
									 model->stream.segment_size);
	spool->tail.base.position = tail_position;
	spool->tail.base.committed = tail_committed;
	return spool;
}

void
spool_read_from(const BbReqCtx *ctx, Spool *spool, const WalModel *model,
				int n)
{
	const BbWalOrigin *origin = bb_walspool_origin(spool->directory,
												   &spool->tail.base);
	BbWalStart	start = walmodel_start(model, n);

	spool->reader.source = origin->open(ctx, origin, &start);
	spool->reader.next = n;
}

void
spool_arrive(const BbReqCtx *ctx, Spool *spool, const WalModel *model,
			 XLogRecPtr from, XLogRecPtr to)
{
	bb_walspool_write(ctx, spool->writer, model->stream.tli, from,
					  model->bytes + (from - model->base), to - from);
	spool->tail.tli = model->stream.tli;
	spool->tail.lsn = to;
	spool->most = Max(spool->most, to);
}

static void
check_record(const Reader *reader, const WalModel *model)
{
	const XLogReaderState *got = reader->source->reader;
	const WalRecord *wanted = &model->records[reader->next];

	EXPECT(reader->next < model->nrecords);
	EXPECT(got->ReadRecPtr == wanted->start);
	EXPECT(got->EndRecPtr == wanted->end);
	EXPECT(XLogRecGetPrev(got) == wanted->prev);
	EXPECT(got->record->header.xl_crc == wanted->crc);
	/* ingest asks for the tli of the record where it begins */
	EXPECT(bb_tlipath_at(reader->source->path,
						 reader->next > 0
							 ? model->records[reader->next - 1].end
							 : wanted->start)
			   ->tli == wanted->tli);
}

BbWalNext
spool_read_all(const BbReqCtx *ctx, Spool *spool, const WalModel *model)
{
	Reader	   *reader = &spool->reader;
	BbWalNext	next;

	while ((next = bb_walsource_next(ctx, reader->source)) == BB_WAL_RECORD)
	{
		check_record(reader, model);
		EXPECT(model->records[reader->next].bytes_end <=
			   Max(spool->most, spool_readable(spool)));
		reader->next++;
	}
	return next;
}

void
spool_read_complete(const BbReqCtx *ctx, Spool *spool, const WalModel *model)
{
	BbWalNext	next = spool_read_all(ctx, spool, model);

	if (next == BB_WAL_BROKEN)
		elog(ERROR, "broken, seed " UINT64_FORMAT ": %s", spool_seed,
			 bb_walsource_reason(spool->reader.source).text);
	EXPECT(next == BB_WAL_WAIT);
	EXPECT(spool->reader.next == model->nrecords ||
		   MAXALIGN(model->records[spool->reader.next].bytes_end) >
			   spool_readable(spool));
}

int
spool_records_before(const WalModel *model, XLogRecPtr lsn)
{
	int			n = 0;

	while (n < model->nrecords && model->records[n].bytes_end <= lsn)
		n++;
	return n;
}

uint32
spool_pick_segment_size(void)
{
	static const uint32 sizes[] = {2 * XLOG_BLCKSZ, 4 * XLOG_BLCKSZ,
								   32 * XLOG_BLCKSZ};

	return sizes[spool_pick(0, 2)];
}

WalModel *
spool_model(uint32 segment_size, int pages)
{
	WalModel   *model = walmodel_new(segment_size);

	walmodel_record(model, &spool_prng, 100);
	walmodel_fill(model, &spool_prng, model->base + pages * XLOG_BLCKSZ);
	return model;
}

XLogRecPtr
spool_deliver(const BbReqCtx *ctx, Spool *spool, const WalModel *model,
			  XLogRecPtr from, XLogRecPtr to)
{
	while (from < to)
	{
		uint64		most = spool_pick(0, 3) == 0 ? 20 * XLOG_BLCKSZ : 500;
		XLogRecPtr	piece_end = from + spool_pick(1, most);

		piece_end = Min(piece_end, to);
		spool_arrive(ctx, spool, model, from, piece_end);
		from = piece_end;
		if (spool_pick(0, 3) == 0)
			spool_read_complete(ctx, spool, model);
		if (spool_pick(0, 30) == 0)
			bb_walspool_sync(ctx, spool->writer);
		if (spool_pick(0, 30) == 0)
			bb_walspool_trim(ctx, spool->writer,
							 model->records[spool->reader.next - 1].end);
		if (spool_pick(0, 40) == 0)
			spool_read_from(ctx, spool, model, spool->reader.next);
		if (spool_pick(0, 60) == 0)
		{
			/* the connection was lost; the segment is received again */
			from -= from % model->stream.segment_size;
		}
	}
	return from;
}

char *
spool_segment_path(const Spool *spool, const WalModel *model, TimeLineID tli,
				   XLogRecPtr lsn)
{
	char		name[MAXFNAMELEN];

	XLogFileName(name, tli, lsn / model->stream.segment_size,
				 model->stream.segment_size);
	return psprintf("%s/%s", spool->directory, name);
}

void
spool_overwrite(const char *path, uint64 offset, const void *data,
				size_t length)
{
	int			fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && pwrite(fd, data, length, offset) == (ssize_t) length);
	close(fd);
}
