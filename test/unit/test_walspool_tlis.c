/*-------------------------------------------------------------------------
 *
 * test_walspool_tlis.c
 *	  The spool of WAL: timeline IDs that the source leaves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog_internal.h"
#include "spooltest.h"

/* ---- tlis ---- */

/*
 * A server fails over again and again, after any record, while the old one has
 * sent any part of the record that follows.
 */
UNIT_TEST(walspool_follows_tlis)
{
	for (int round = 0; round < 150; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;
		XLogRecPtr	from;

		spool_round();
		model = spool_model(spool_pick_segment_size(), spool_pick(4, 20));
		spool = spool_new(ctx, model);
		spool_read_from(ctx, spool, model, 1);
		from = model->base;
		for (TimeLineID tli = 2; tli < 6; tli++)
		{
			uint32		size = model->stream.segment_size;
			int			n = spool_pick(Max(spool->reader.next,
								   spool_records_before(model,
														Max(from,
															spool->fork))),
							   model->nrecords);
			XLogRecPtr	fork = model->records[n - 1].end;
			/* the record after the fork, if there is one, without its end */
			XLogRecPtr	sent = n == model->nrecords
				? fork
				: spool_pick(fork, model->records[n].bytes_end - 1);
			WalModel   *branch = walmodel_branch(model, tli, n);

			from = spool_deliver(ctx, spool, model, from, sent);
			if (spool_pick(0, 1) == 0)
				spool_read_complete(ctx, spool, model);
			walmodel_fill(branch, &spool_prng,
						  branch->end + spool_pick(0, 10) * XLOG_BLCKSZ);
			if (spool_pick(0, 5) > 0)
				walmodel_record(branch, &spool_prng, spool_pick(0, 300));
			bb_walspool_history(ctx, spool->writer, tli, branch->history);
			if (spool_pick(0, 1) == 0)
				bb_walspool_cut(ctx, spool->writer, tli - 1, fork);
			model = branch;
			spool->fork = fork;
			from = fork - fork % size;
			spool->tail.tli = tli;
			spool->tail.lsn = from;
			spool_read_complete(ctx, spool, model);
			sent = from + spool_pick(0, 3) * 1000;
			from = spool_deliver(ctx, spool, model, from,
								 Min(model->end, sent));
		}
		spool_deliver(ctx, spool, model, from, model->end);
		spool_read_complete(ctx, spool, model);
		EXPECT(spool->reader.next == model->nrecords);
		unit_leave(part);
	}
}

/* The server left its tli before a record that was read already. */
UNIT_TEST(walspool_does_not_take_back)
{
	for (int round = 0; round < 20; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		WalModel   *branch;
		Spool	   *spool;
		BbWalReason reason;
		XLogRecPtr	fork;

		spool_round();
		model = spool_model(spool_pick_segment_size(), 6);
		branch = walmodel_branch(model, 2, spool_pick(1, model->nrecords - 1));
		fork = branch->end;
		walmodel_fill(branch, &spool_prng, branch->end + XLOG_BLCKSZ);
		spool = spool_new(ctx, model);
		spool_read_from(ctx, spool, model, 1);
		spool_deliver(ctx, spool, model, model->base, model->end);
		spool_read_complete(ctx, spool, model);

		bb_walspool_history(ctx, spool->writer, 2, branch->history);
		if (round % 2 == 0)
			bb_walspool_cut(ctx, spool->writer, 1, fork);
		spool_arrive(ctx, spool, branch,
					 fork - fork % model->stream.segment_size, branch->end);
		EXPECT(spool_read_all(ctx, spool, model) == BB_WAL_BROKEN);
		reason = bb_walsource_reason(spool->reader.source);
		EXPECT(!reason.missing);
		EXPECT(strncmp(reason.text, "Timeline ID 2 forks at ", 23) == 0);
		CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
					ERRCODE_DATA_CORRUPTED);
		/* nor does another source begin after the fork */
		CHECK_ERROR(spool_read_from(ctx, spool, model, model->nrecords),
					ERRCODE_INVALID_PARAMETER_VALUE);
		unit_leave(part);
	}
}

UNIT_TEST(walspool_needs_histories)
{
	WalModel   *model;
	WalModel   *branch;
	Spool	   *spool;

	spool_round();
	model = spool_model(4 * XLOG_BLCKSZ, 3);
	branch = walmodel_branch(model, 2, model->nrecords);
	walmodel_record(branch, &spool_prng, 100);
	spool = spool_new(ctx, model);
	spool_arrive(ctx, spool, model, model->base, model->end);
	spool_read_from(ctx, spool, model, 1);
	spool_read_complete(ctx, spool, model);
	spool_arrive(ctx, spool, branch,
				 model->end - model->end % (4 * XLOG_BLCKSZ), branch->end);
	EXPECT(spool_read_all(ctx, spool, model) == BB_WAL_BROKEN);
	CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
				ERRCODE_DATA_CORRUPTED);
	EXPECT(strstr(unit_last_detail, "history file is missing") != NULL);

	bb_walspool_history(ctx, spool->writer, 2, "1\tnonsense\n");
	CHECK_ERROR(spool_read_from(ctx, spool, model, 1),
				ERRCODE_INVALID_PARAMETER_VALUE);
	bb_walspool_history(ctx, spool->writer, 2, branch->history);
	spool_read_from(ctx, spool, model, 1);
	spool_read_complete(ctx, spool, branch);
	EXPECT(spool->reader.next == branch->nrecords);
	EXPECT(strcmp(bb_walsource_history(ctx, spool->reader.source, 2),
				  branch->history) == 0);
	/* of tli 1 there is none, and nothing of it is left on the spool's tli 2 */
	spool->tail.tli = 1;
	EXPECT(spool_read_all(ctx, spool, branch) == BB_WAL_BROKEN);
}
