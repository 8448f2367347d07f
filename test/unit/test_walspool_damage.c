/*-------------------------------------------------------------------------
 *
 * test_walspool_damage.c
 *	  The spool of WAL: bytes that are wrong, files that are missing, and what
 *	  a crash of the machine leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "base/compat.h"
#include "spooltest.h"
#include "storage/fd.h"

/* ---- damage ---- */

/*
 * A byte that arrived wrong is never waited for, once there is some more WAL,
 * and never read as a wrong record.
 */
UNIT_TEST(walspool_finds_damage)
{
	int			broken = 0;

	for (int round = 0; round < 300; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;
		XLogRecPtr	at;
		uint32		offset;
		uint8		byte;
		BbWalNext	next;

		spool_round();
		model = spool_model(4 * XLOG_BLCKSZ, 6);
		for (int i = 0; i < 2; i++)
			walmodel_record(model, &spool_prng, 2 * XLOG_BLCKSZ);
		spool = spool_new(ctx, model);
		spool_arrive(ctx, spool, model, model->base, model->end);
		at = spool_pick(model->records[0].end, model->end - 4 * XLOG_BLCKSZ);
		offset = at - model->base;
		byte = model->bytes[offset] ^ (1 << spool_pick(0, 7));
		spool_overwrite(spool_segment_path(spool, model, 1, at),
						at % model->stream.segment_size, &byte, 1);
		spool_read_from(ctx, spool, model, 1);
		next = spool_read_all(ctx, spool, model);
		/* it may be padding */
		EXPECT(next == BB_WAL_BROKEN ||
			   (next == BB_WAL_WAIT && spool->reader.next == model->nrecords));
		if (next == BB_WAL_BROKEN)
		{
			XLogRecPtr	end = model->records[spool->reader.next - 1].end;

			broken++;
			EXPECT(spool->reader.next == model->nrecords ||
				   model->records[spool->reader.next].bytes_end > at ||
				   model->records[spool->reader.next].end > at);
			CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
						ERRCODE_DATA_CORRUPTED);
			EXPECT(bb_walsource_limit(spool->reader.source) == model->end);
			/* the writer would begin again before it */
			for (int i = 0; i < 2; i++)
			{
				TimeLineID	tli;
				BbWalStart	start = walmodel_start(model, 1);

				EXPECT(bb_walspool_end(ctx, spool->writer, &start, &tli) ==
					   end);
				EXPECT(tli == 1);
			}
		}
		unit_leave(part);
	}
	EXPECT(broken > 100);
}

/* A file that has less than the tail says is an error, not the end. */
UNIT_TEST(walspool_misses_files)
{
	WalModel   *model;
	Spool	   *spool;
	char	   *path;

	spool_round();
	model = spool_model(2 * XLOG_BLCKSZ, 20);
	spool = spool_new(ctx, model);
	spool_arrive(ctx, spool, model, model->base, model->end);
	path = spool_segment_path(spool, model, 1,
							  model->base + 3 * model->stream.segment_size);
	CHECK(truncate(path, 100) == 0);
	spool_read_from(ctx, spool, model, 1);
	EXPECT(spool_read_all(ctx, spool, model) == BB_WAL_BROKEN);
	EXPECT(!bb_walsource_reason(spool->reader.source).missing);
	CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
				ERRCODE_DATA_CORRUPTED);
	CHECK(unlink(path) == 0);
	spool_read_from(ctx, spool, model, 1);
	EXPECT(spool_read_all(ctx, spool, model) == BB_WAL_BROKEN);
	EXPECT(bb_walsource_reason(spool->reader.source).missing);
	EXPECT(strcmp(bb_walsource_reason(spool->reader.source).segment,
				  strrchr(path, '/') + 1) == 0);
	CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
				ERRCODE_UNDEFINED_FILE);
	CHECK(symlink("/etc/passwd", path) == 0);
	CHECK_ERROR(spool_read_from(ctx, spool, model, 1);
				(void) spool_read_all(ctx, spool, model),
				ERRCODE_INTERNAL_ERROR);
	CHECK_ERROR(bb_walspool_write(ctx, spool->writer, 1,
								  model->base + 3 * model->stream.segment_size,
								  model->bytes, 10),
				ERRCODE_INTERNAL_ERROR);
}

/* ---- crashes ---- */

/* What a crash of the machine leaves of a file that has "durable" bytes. */
static void
crash_file(const char *path, uint64 durable)
{
	struct stat st;
	uint64		size;
	uint64		from;
	char	   *garbage;
	int			fd = open(path, O_RDWR);

	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	size = st.st_size;
	if (durable == 0 && spool_pick(0, 3) == 0)
		CHECK(unlink(path) == 0);
	for (from = durable; from < size; from += 4096 - from % 4096)
	{
		uint64		length = Min(size - from, 4096 - from % 4096);

		garbage = palloc0(length);
		for (uint64 i = 0; i < length; i++)
			garbage[i] = (char) spool_pick(0, 255);
		switch (spool_pick(0, 5))
		{
			case 0:
				CHECK(ftruncate(fd, from) == 0);
				size = from;
				break;
			case 1:
				memset(garbage, 0, length);
				pg_fallthrough;
			case 2:
				CHECK(pwrite(fd, garbage, length, from) == (ssize_t) length);
				break;
			default:
				break;
		}
		pfree(garbage);
	}
	close(fd);
}

static void
crash(const Spool *spool, const WalModel *model, TimeLineID tli,
	  XLogRecPtr synced, XLogRecPtr written)
{
	uint32		size = model->stream.segment_size;

	for (XLogRecPtr at = synced - synced % size; at < written; at += size)
	{
		char	   *path = spool_segment_path(spool, model, tli, at);

		if (access(path, F_OK) == 0)
			crash_file(path, at < synced ? synced - at : 0);
	}
}

/*
 * The machine crashes at random.  What was synced is found again, along tlis,
 * and the writer goes on where it says.
 */
UNIT_TEST(walspool_survives_crashes)
{
	for (int round = 0; round < 150; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;
		XLogRecPtr	from;
		XLogRecPtr	synced = InvalidXLogRecPtr;
		TimeLineID	synced_tli = 1;
		BbWalStart	start;
		int			start_record = 1;

		spool_round();
		model = spool_model(spool_pick_segment_size(), spool_pick(4, 40));
		spool = spool_new(ctx, model);
		from = model->base;
		for (int i = 0; i < 6; i++)
		{
			uint32		size = model->stream.segment_size;
			XLogRecPtr	to = from + spool_pick(1, 5 * XLOG_BLCKSZ);
			XLogRecPtr	end;
			TimeLineID	tli;
			int			n;

			to = Min(to, model->end);
			if (from < to)
				spool_arrive(ctx, spool, model, from, to);
			if (spool_pick(0, 1) == 0)
			{
				bb_walspool_sync(ctx, spool->writer);
				synced = to;
				synced_tli = model->stream.tli;
				if (from < to)
				{
					to = Min(to + spool_pick(1, 3 * XLOG_BLCKSZ), model->end);
					if (synced < to)
						spool_arrive(ctx, spool, model, synced, to);
				}
			}
			crash(spool, model, model->stream.tli,
				  synced_tli == model->stream.tli ? Max(synced, model->base)
												  : model->base,
				  Max(to, from));
			spool->writer = bb_walspool_open(ctx, spool->directory,
											 model->stream.system_identifier,
											 size);
			start = walmodel_start(model, start_record);
			end = bb_walspool_end(ctx, spool->writer, &start, &tli);
			n = spool_records_before(model, end);
			EXPECT(end ==
				   (n > 0 ? model->records[Max(n, start_record) - 1].end
						  : start.lsn));
			EXPECT(end <= Max(model->end, start.lsn));
			EXPECT(n >= spool_records_before(model, synced) ||
				   n <= start_record);
			EXPECT(n <= start_record || tli == model->records[n - 1].tli);
			EXPECT(spool_records_before(model, synced) <=
				   Max(n, start_record));
			from = end - end % size;
			if (spool_pick(0, 2) == 0 && n > start_record)
			{
				WalModel   *branch = walmodel_branch(model, i + 2, n);

				walmodel_fill(branch, &spool_prng,
							  branch->end + 20 * XLOG_BLCKSZ);
				bb_walspool_history(ctx, spool->writer, i + 2,
									branch->history);
				model = branch;
				start_record = n;
				synced = Min(synced, end);
			}
		}
		unit_leave(part);
	}
}
