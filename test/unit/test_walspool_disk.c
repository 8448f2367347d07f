/*-------------------------------------------------------------------------
 *
 * test_walspool_disk.c
 *	  The spool of WAL: disks that are full or fail, and files of others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xlog_internal.h"
#include "spooltest.h"
#include "storage/fd.h"

/* ---- the disk ---- */

/* Limit the size of files that this process writes. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/*
 * A write that fails after a part of it leaves what was there, and can be
 * repeated.
 */
UNIT_TEST(walspool_repeats_a_failed_write)
{
	for (int round = 0; round < 20; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;
		XLogRecPtr	lsn;
		uint32		size;
		int			sqlstate;

		spool_round();
		model = spool_model(4 * XLOG_BLCKSZ, 20);
		size = model->stream.segment_size;
		spool = spool_new(ctx, model);
		lsn = model->base + spool_pick(1, 2 * size);
		spool_arrive(ctx, spool, model, model->base, lsn);
		spool_read_from(ctx, spool, model, 1);

		limit_files(spool_pick(1, size - 1));
		ERROR_OF(bb_walspool_write(ctx, spool->writer, 1, lsn,
								   model->bytes + (lsn - model->base),
								   model->end - lsn),
				 sqlstate);
		limit_files(RLIM_INFINITY);
		EXPECT(sqlstate != 0);
		EXPECT(strncmp(unit_last_error, "could not write to file", 23) == 0);
		spool_read_complete(ctx, spool, model);

		spool_arrive(ctx, spool, model, lsn, model->end);
		spool_read_complete(ctx, spool, model);
		EXPECT(spool->reader.next == model->nrecords);
		EXPECT(bb_walspool_bytes(spool->writer) == model->end - model->base);
		unit_leave(part);
	}
}

/* Let fdatasync(2) of this process fail with EIO. */
static void
break_fdatasync(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	CHECK(filter != NULL &&
		  seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), SCMP_SYS(fdatasync),
						   0) == 0 &&
		  seccomp_load(filter) == 0);
}

/* In a child process: a sync fails.  Returns the number of the failed check. */
static int
fail_to_sync(const BbReqCtx *ctx, Spool *spool, const WalModel *model,
			 XLogRecPtr synced)
{
	BbWalStart	start = walmodel_start(model, 1);
	TimeLineID	tli;
	int			sqlstate;
	XLogRecPtr	end;

	enableFsync = true;
	bb_walspool_sync(ctx, spool->writer);
	spool_arrive(ctx, spool, model, synced, model->end);
	break_fdatasync();
	ERROR_OF(bb_walspool_sync(ctx, spool->writer), sqlstate);
	if (sqlstate != ERRCODE_IO_ERROR)
		return 1;
	/* what wasn't durable isn't there any more, all else is */
	end = bb_walspool_end(ctx, spool->writer, &start, &tli);
	if (end != model->records[spool_records_before(model, synced) - 1].end)
		return 2;
	if (bb_walspool_bytes(spool->writer) != synced - model->base)
		return 3;
	/* and nothing claims that the rest is durable */
	ERROR_OF(bb_walspool_write(ctx, spool->writer, 1, synced, model->bytes, 1),
			 sqlstate);
	return sqlstate != 0 || synced % model->stream.segment_size == 0 ? 0 : 4;
}

UNIT_TEST(walspool_forgets_what_was_not_synced)
{
	for (int round = 0; round < 10; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;
		XLogRecPtr	synced;
		pid_t		child;
		int			status;

		spool_round();
		model = spool_model(4 * XLOG_BLCKSZ, 20);
		spool = spool_new(ctx, model);
		synced = model->base + spool_pick(1000, 6 * XLOG_BLCKSZ);
		synced = model->records[spool_records_before(model, synced) - 1].end;
		/* also at the end of a segment */
		if (spool_pick(0, 2) == 0)
			synced = TYPEALIGN(model->stream.segment_size, synced);
		spool_arrive(ctx, spool, model, model->base, synced);

		child = fork();
		CHECK(child >= 0);
		if (child == 0)
		{
			int			failed = 0;
			int			sqlstate;

			/* an error must not go on to the main loop of a backend */
			ERROR_OF(failed = fail_to_sync(ctx, spool, model, synced),
					 sqlstate);
			_exit(sqlstate != 0 ? 99 : failed);
		}
		CHECK(waitpid(child, &status, 0) == child);
		EXPECT(WIFEXITED(status));
		if (WEXITSTATUS(status) != 0)
			elog(ERROR, "check %d failed (seed " UINT64_FORMAT ")",
				 WEXITSTATUS(status), spool_seed);
		unit_leave(part);
	}
}

static int	warnings;

static void
count_warnings(ErrorData *error)
{
	if (error->elevel == WARNING)
		warnings++;
}

/* Returns the number of WARNINGs. */
static int
open_again(const BbReqCtx *ctx, Spool *spool, uint64 system_identifier,
		   uint32 segment_size)
{
	emit_log_hook_type old = emit_log_hook;

	warnings = 0;
	emit_log_hook = count_warnings;
	spool->writer = bb_walspool_open(ctx, spool->directory, system_identifier,
									 segment_size);
	emit_log_hook = old;
	return warnings;
}

static void
make_file(const Spool *spool, const char *name)
{
	int			fd = open(psprintf("%s/%s", spool->directory, name),
						  O_CREAT | O_WRONLY, S_IRWXU);

	CHECK(fd >= 0);
	close(fd);
}

UNIT_TEST(walspool_keeps_other_files)
{
	WalModel   *model;
	Spool	   *spool;
	uint32		size;
	uint64		bytes;
	BbWalStart	start;
	TimeLineID	tli;

	spool_round();
	model = spool_model(4 * XLOG_BLCKSZ, 20);
	size = model->stream.segment_size;
	spool = spool_new(ctx, model);
	spool_arrive(ctx, spool, model, model->base, model->end);
	bb_walspool_history(ctx, spool->writer, 9, "1\t0/1\n");
	bytes = model->end - model->base;
	make_file(spool, "lock");
	make_file(spool, "control");
	make_file(spool, "history.new");
	CHECK(open_again(ctx, spool, model->stream.system_identifier, size) == 0);
	CHECK(bb_walspool_bytes(spool->writer) == bytes);
	CHECK(access(psprintf("%s/history.new", spool->directory), F_OK) < 0);
	make_file(spool, "notes");
	CHECK(open_again(ctx, spool, model->stream.system_identifier, size) == 1);
	CHECK(access(psprintf("%s/notes", spool->directory), F_OK) == 0);

	start = walmodel_start(model, 1);
	CHECK(bb_walspool_end(ctx, spool->writer, &start, &tli) == model->end);
	bb_walspool_trim(ctx, spool->writer, model->base + 2 * size - 1);
	CHECK(bb_walspool_bytes(spool->writer) == bytes - size);
	bb_walspool_cut(ctx, spool->writer, 2, model->base + 2 * size);
	CHECK(bb_walspool_bytes(spool->writer) == bytes - size);
	bb_walspool_cut(ctx, spool->writer, 1, model->base + 3 * size);
	CHECK(bb_walspool_bytes(spool->writer) == 2 * size);
	bb_walspool_cut(ctx, spool->writer, 1, model->base + 2 * size + 5);
	CHECK(bb_walspool_bytes(spool->writer) == size + 5);

	/* the segments of another system, and not the page that is cut */
	bb_walspool_write(ctx, spool->writer, 1, model->base, model->bytes, size);
	bb_walspool_write(ctx, spool->writer, 1, model->base + size,
					  model->bytes + size, size + 20);
	CHECK(open_again(ctx, spool, 12345, size) == 3);
	CHECK(bb_walspool_bytes(spool->writer) == 20);
	bb_walspool_clear(ctx, spool->writer);
	CHECK(bb_walspool_bytes(spool->writer) == 0);
	CHECK(access(psprintf("%s/00000009.history", spool->directory), F_OK) < 0);
	CHECK(access(psprintf("%s/lock", spool->directory), F_OK) == 0);
}
