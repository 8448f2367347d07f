/*-------------------------------------------------------------------------
 *
 * test_walspool.c
 *	  The spool of WAL: whatever the pieces in which WAL arrives, the source
 *	  returns the model's records, each as soon as it is complete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog_internal.h"
#include "spooltest.h"

/* ---- arrival ---- */

UNIT_TEST(walspool_waits_at_every_byte)
{
	spool_round();
	for (int i = 0; i < 4; i++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model = spool_model((2 << i % 2) * XLOG_BLCKSZ, 6);
		Spool	   *spool = spool_new(ctx, model);
		XLogRecPtr	from = model->base;

		spool_read_from(ctx, spool, model, 1);
		while (from < model->end)
		{
			spool_arrive(ctx, spool, model, from, from + 1);
			from++;
			spool_read_complete(ctx, spool, model);
		}
		EXPECT(spool->reader.next == model->nrecords);
		unit_leave(part);
	}
}

/* Every prefix is read by a new source, which then gets the rest. */
UNIT_TEST(walspool_reads_every_prefix)
{
	spool_round();
	for (int i = 0; i < 3; i++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model = spool_model(spool_pick_segment_size(), 8);
		Spool	   *spool = spool_new(ctx, model);

		spool_arrive(ctx, spool, model, model->base, model->end);
		for (XLogRecPtr lsn = model->base; lsn < model->end;
			 lsn += spool_pick(1, 200))
		{
			MemoryContext one = unit_enter();

			spool->tail.lsn = lsn;
			spool_read_from(ctx, spool, model,
							spool_pick(1,
									   Max(1,
										   spool_records_before(model, lsn))));
			spool_read_complete(ctx, spool, model);
			spool->tail.lsn = model->end;
			spool_read_complete(ctx, spool, model);
			EXPECT(spool->reader.next == model->nrecords);
			unit_leave(one);
		}
		unit_leave(part);
	}
}

UNIT_TEST(walspool_reads_pieces)
{
	for (int round = 0; round < 60; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;

		spool_round();
		model = spool_model(spool_pick_segment_size(), spool_pick(4, 150));
		spool = spool_new(ctx, model);
		spool->tail.lsn = model->base;
		spool_read_from(ctx, spool, model, 1);
		spool_deliver(ctx, spool, model, model->base, model->end);
		spool_read_complete(ctx, spool, model);
		EXPECT(spool->reader.next == model->nrecords);
		bb_walsource_committed(ctx, spool->reader.source, model->end);
		EXPECT(spool->tail.committed == model->end);
		EXPECT(bb_walsource_limit(spool->reader.source) == model->end);
		unit_leave(part);
	}
}

/* Between two records the tail moves, too, and not only while one is waited for. */
UNIT_TEST(walspool_reads_while_the_tail_moves)
{
	for (int round = 0; round < 60; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;

		spool_round();
		model = spool_model(spool_pick_segment_size(), spool_pick(4, 60));
		spool = spool_new(ctx, model);
		spool_arrive(ctx, spool, model, model->base, model->end);
		spool->tail.lsn = model->base;
		spool_read_from(ctx, spool, model, 1);
		spool->tail.moves_to = model->end;
		while (spool->reader.next < model->nrecords)
			EXPECT(spool_read_all(ctx, spool, model) == BB_WAL_WAIT);
		unit_leave(part);
	}
}

/*
 * The receiver is killed while it receives the segment of a fork again, under the
 * new tli: what was confirmed of the old one is found.
 */
UNIT_TEST(walspool_killed_after_switch)
{
	for (int round = 0; round < 50; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		WalModel   *branch;
		Spool	   *spool;
		BbWalStart	start;
		XLogRecPtr	fork;
		XLogRecPtr	from;
		TimeLineID	tli;

		spool_round();
		model = spool_model(spool_pick_segment_size(), spool_pick(4, 40));
		spool = spool_new(ctx, model);
		spool_arrive(ctx, spool, model, model->base, model->end);
		bb_walspool_sync(ctx, spool->writer);
		fork = model->records[model->nrecords - 1].end;
		from = fork - fork % model->stream.segment_size;
		branch = walmodel_branch(model, 2, model->nrecords);
		bb_walspool_history(ctx, spool->writer, 2, branch->history);
		if (from + 1 < fork && from >= model->base)
			spool_arrive(ctx, spool, branch, from,
						 spool_pick(from + 1, fork - 1));
		spool->writer = bb_walspool_open(ctx, spool->directory,
										 model->stream.system_identifier,
										 model->stream.segment_size);
		start = walmodel_start(model, 1);
		EXPECT(bb_walspool_end(ctx, spool->writer, &start, &tli) == fork);
		/* nor is a reader kept waiting for what is received again */
		spool->fork = fork;
		spool->tail.tli = 2;
		spool->tail.lsn = Max(spool->tail.lsn, from);
		if (spool->tail.lsn >= fork)
			spool->tail.lsn = from;
		spool_read_from(ctx, spool, model, 1);
		spool_read_complete(ctx, spool, branch);
		EXPECT(spool->reader.next == branch->nrecords);
		unit_leave(part);
	}
}

/* ---- the first record ---- */

/* The first record that page headers show is the model's. */
UNIT_TEST(walspool_begins_with_a_record)
{
	for (int round = 0; round < 60; round++)
	{
		MemoryContext part = unit_enter();
		uint32		segment_size;
		WalModel   *model;
		Spool	   *spool;
		BbWalStart	start;
		const BbWalOrigin *origin;
		BbWalSource *source;
		XLogRecPtr	kept;
		bool		found;
		int			n = 0;

		spool_round();
		segment_size = spool_pick_segment_size();
		model = spool_model(segment_size, spool_pick(4, 150));
		spool = spool_new(ctx, model);
		EXPECT(!bb_walspool_begin(ctx, spool->directory, &start));
		spool_arrive(ctx, spool, model, model->base, model->end);
		kept = model->base + spool_pick(0, (model->end - model->base) * 3 / 4);
		kept -= kept % segment_size;
		bb_walspool_trim(ctx, spool->writer, kept);
		while (n < model->nrecords && model->records[n].start < kept)
			n++;
		found = bb_walspool_begin(ctx, spool->directory, &start);
		EXPECT(found || n == model->nrecords ||
			   model->records[n].start > kept + segment_size);
		if (!found)
		{
			unit_leave(part);
			continue;
		}
		EXPECT(start.stream.system_identifier ==
			   model->stream.system_identifier);
		EXPECT(start.stream.segment_size == segment_size);
		EXPECT(start.stream.tli == model->stream.tli);
		if (n < model->nrecords)
		{
			origin = bb_walspool_origin(spool->directory, &spool->tail.base);
			source = origin->open(ctx, origin, &start);
			EXPECT(bb_walsource_next(ctx, source) == BB_WAL_RECORD);
			EXPECT(source->reader->ReadRecPtr == model->records[n].start);
		}
		/* a segment between is missing */
		if (kept + 2 * segment_size < model->end)
		{
			CHECK(unlink(spool_segment_path(spool, model, model->stream.tli,
											kept + segment_size)) == 0);
			EXPECT(!bb_walspool_begin(ctx, spool->directory, &start));
		}
		unit_leave(part);
	}
}

/* ---- memory ---- */

UNIT_TEST(walspool_memory_does_not_grow)
{
	WalModel   *model;
	Spool	   *spool;
	MemoryContext context;
	XLogRecPtr	from;
	Size		memory = 0;

	spool_round();
	model = spool_model(2 * XLOG_BLCKSZ, 1500);
	spool = spool_new(ctx, model);
	context = unit_enter();
	spool->writer = bb_walspool_open(ctx, spool->directory,
									 model->stream.system_identifier,
									 model->stream.segment_size);
	spool_read_from(ctx, spool, model, 1);
	from = model->base;
	while (from < model->end)
	{
		XLogRecPtr	to = Min(from + 1000, model->end);

		spool_arrive(ctx, spool, model, from, to);
		spool_read_complete(ctx, spool, model);
		bb_walspool_sync(ctx, spool->writer);
		bb_walspool_trim(ctx, spool->writer,
						 model->records[spool->reader.next - 1].end);
		from = to;
		/* after the longest records */
		if (from - model->base > 500 * XLOG_BLCKSZ && memory == 0)
			memory = MemoryContextMemAllocated(context, true);
	}
	EXPECT(MemoryContextMemAllocated(context, true) <= memory + 100 * 1024);
	unit_leave(context);
}
