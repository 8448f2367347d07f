/*-------------------------------------------------------------------------
 *
 * test_walspool.c
 *	  The spool of WAL: whatever the pieces in which WAL arrives, the source
 *	  returns the model's records, each as soon as it is complete.
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
#include "miscadmin.h"
#include "storage/fd.h"
#include "unit.h"
#include "utils/timestamp.h"
#include "wal/walspool.h"
#include "walmodel.h"

static pg_prng_state prng;
static uint64 seed;

#define EXPECT(condition)                     \
	do                                        \
	{                                         \
		if (!(condition))                     \
			elog(ERROR, "test_walspool.c:%d: %s (seed " UINT64_FORMAT ")", \
				 __LINE__, #condition, seed); \
	} while (0)

static uint64
pick(uint64 from, uint64 to)
{
	return pg_prng_uint64_range(&prng, from, to);
}

/* A round of a test has its own seed, which EXPECT prints. */
static void
begin_round(int round)
{
	seed = (uint64) GetCurrentTimestamp() + round;
	pg_prng_seed(&prng, seed);
}

/* ---- a spool, its tail, and a reader ---- */

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

static void
tail_position(const BbWalTail *base, TimeLineID *tli, XLogRecPtr *lsn)
{
	Tail	   *tail = (Tail *) base;

	if (tail->lsn < tail->moves_to)
	{
		tail->lsn += pick(1, XLOG_BLCKSZ);
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

static Spool *
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

/* Open a source after n records of the model. */
static void
open_reader(const BbReqCtx *ctx, Spool *spool, const WalModel *model, int n)
{
	const BbWalOrigin *origin = bb_walspool_origin(spool->directory,
												   &spool->tail.base);
	BbWalStart	start = walmodel_start(model, n);

	spool->reader.source = origin->open(ctx, origin, &start);
	spool->reader.next = n;
}

/* Write the model's WAL in [from, to), and move the tail there. */
static void
arrive(const BbReqCtx *ctx, Spool *spool, const WalModel *model,
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

static inline XLogRecPtr
readable(const Spool *spool)
{
	return Max(spool->tail.lsn, spool->fork);
}

/* Read records while there are any; returns what came instead. */
static BbWalNext
read_all(const BbReqCtx *ctx, Spool *spool, const WalModel *model)
{
	Reader	   *reader = &spool->reader;
	BbWalNext	next;

	while ((next = bb_walsource_next(ctx, reader->source)) == BB_WAL_RECORD)
	{
		check_record(reader, model);
		EXPECT(model->records[reader->next].bytes_end <=
			   Max(spool->most, readable(spool)));
		reader->next++;
	}
	return next;
}

/* Read all records that are complete, and no other. */
static void
read_complete(const BbReqCtx *ctx, Spool *spool, const WalModel *model)
{
	BbWalNext	next = read_all(ctx, spool, model);

	if (next == BB_WAL_BROKEN)
		elog(ERROR, "broken, seed " UINT64_FORMAT ": %s", seed,
			 bb_walsource_reason(spool->reader.source).text);
	EXPECT(next == BB_WAL_WAIT);
	EXPECT(spool->reader.next == model->nrecords ||
		   MAXALIGN(model->records[spool->reader.next].bytes_end) >
			   readable(spool));
}

/* How many records are complete before lsn? */
static int
records_before(const WalModel *model, XLogRecPtr lsn)
{
	int			n = 0;

	while (n < model->nrecords && model->records[n].bytes_end <= lsn)
		n++;
	return n;
}

static uint32
pick_segment_size(void)
{
	static const uint32 sizes[] = {2 * XLOG_BLCKSZ, 4 * XLOG_BLCKSZ,
								   32 * XLOG_BLCKSZ};

	return sizes[pick(0, 2)];
}

static WalModel *
model_with(uint32 segment_size, int pages)
{
	WalModel   *model = walmodel_new(segment_size,
									 (pages + 16) * XLOG_BLCKSZ +
										 8 * segment_size);

	walmodel_record(model, &prng, 100);
	walmodel_fill(model, &prng, model->base + pages * XLOG_BLCKSZ);
	return model;
}

/* ---- arrival ---- */

UNIT_TEST(walspool_waits_at_every_byte)
{
	begin_round(0);
	for (int i = 0; i < 4; i++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model = model_with((2 << i % 2) * XLOG_BLCKSZ, 6);
		Spool	   *spool = spool_new(ctx, model);
		XLogRecPtr	from = model->base;

		open_reader(ctx, spool, model, 1);
		while (from < model->end)
		{
			arrive(ctx, spool, model, from, from + 1);
			from++;
			read_complete(ctx, spool, model);
		}
		EXPECT(spool->reader.next == model->nrecords);
		unit_leave(part);
	}
}

/* Every prefix is read by a new source, which then gets the rest. */
UNIT_TEST(walspool_reads_every_prefix)
{
	begin_round(0);
	for (int i = 0; i < 3; i++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model = model_with(pick_segment_size(), 8);
		Spool	   *spool = spool_new(ctx, model);

		arrive(ctx, spool, model, model->base, model->end);
		for (XLogRecPtr lsn = model->base; lsn < model->end;
			 lsn += pick(1, 200))
		{
			MemoryContext one = unit_enter();

			spool->tail.lsn = lsn;
			open_reader(ctx, spool, model,
						pick(1, Max(1, records_before(model, lsn))));
			read_complete(ctx, spool, model);
			spool->tail.lsn = model->end;
			read_complete(ctx, spool, model);
			EXPECT(spool->reader.next == model->nrecords);
			unit_leave(one);
		}
		unit_leave(part);
	}
}

/* Deliver the model from "from" on in pieces of random length. */
static XLogRecPtr
deliver(const BbReqCtx *ctx, Spool *spool, const WalModel *model,
		XLogRecPtr from, XLogRecPtr to)
{
	while (from < to)
	{
		uint64		most = pick(0, 3) == 0 ? 20 * XLOG_BLCKSZ : 500;
		XLogRecPtr	piece_end = from + pick(1, most);

		piece_end = Min(piece_end, to);
		arrive(ctx, spool, model, from, piece_end);
		from = piece_end;
		if (pick(0, 3) == 0)
			read_complete(ctx, spool, model);
		if (pick(0, 30) == 0)
			bb_walspool_sync(ctx, spool->writer);
		if (pick(0, 30) == 0)
			bb_walspool_trim(ctx, spool->writer,
							 model->records[spool->reader.next - 1].end);
		if (pick(0, 40) == 0)
			open_reader(ctx, spool, model, spool->reader.next);
		if (pick(0, 60) == 0)
		{
			/* the connection was lost; the segment is received again */
			from -= from % model->stream.segment_size;
		}
	}
	return from;
}

UNIT_TEST(walspool_reads_pieces)
{
	for (int round = 0; round < 60; round++)
	{
		MemoryContext part = unit_enter();
		WalModel   *model;
		Spool	   *spool;

		begin_round(round);
		model = model_with(pick_segment_size(), pick(4, 150));
		spool = spool_new(ctx, model);
		spool->tail.lsn = model->base;
		open_reader(ctx, spool, model, 1);
		deliver(ctx, spool, model, model->base, model->end);
		read_complete(ctx, spool, model);
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

		begin_round(round);
		model = model_with(pick_segment_size(), pick(4, 60));
		spool = spool_new(ctx, model);
		arrive(ctx, spool, model, model->base, model->end);
		spool->tail.lsn = model->base;
		open_reader(ctx, spool, model, 1);
		spool->tail.moves_to = model->end;
		while (spool->reader.next < model->nrecords)
			EXPECT(read_all(ctx, spool, model) == BB_WAL_WAIT);
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

		begin_round(round);
		model = model_with(pick_segment_size(), pick(4, 40));
		spool = spool_new(ctx, model);
		arrive(ctx, spool, model, model->base, model->end);
		bb_walspool_sync(ctx, spool->writer);
		fork = model->records[model->nrecords - 1].end;
		from = fork - fork % model->stream.segment_size;
		branch = walmodel_branch(model, 2, model->nrecords);
		bb_walspool_history(ctx, spool->writer, 2, branch->history);
		if (from + 1 < fork && from >= model->base)
			arrive(ctx, spool, branch, from, pick(from + 1, fork - 1));
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
		open_reader(ctx, spool, model, 1);
		read_complete(ctx, spool, branch);
		EXPECT(spool->reader.next == branch->nrecords);
		unit_leave(part);
	}
}

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

		begin_round(round);
		model = model_with(pick_segment_size(), pick(4, 20));
		spool = spool_new(ctx, model);
		open_reader(ctx, spool, model, 1);
		from = model->base;
		for (TimeLineID tli = 2; tli < 6; tli++)
		{
			uint32		size = model->stream.segment_size;
			int			n = pick(Max(spool->reader.next,
									 records_before(model,
													Max(from, spool->fork))),
								 model->nrecords);
			XLogRecPtr	fork = model->records[n - 1].end;
			/* the record after the fork, if there is one, without its end */
			XLogRecPtr	sent = n == model->nrecords
				? fork
				: pick(fork, model->records[n].bytes_end - 1);
			WalModel   *branch = walmodel_branch(model, tli, n);

			from = deliver(ctx, spool, model, from, sent);
			if (pick(0, 1) == 0)
				read_complete(ctx, spool, model);
			walmodel_fill(branch, &prng,
						  branch->end + pick(0, 10) * XLOG_BLCKSZ);
			if (pick(0, 5) > 0)
				walmodel_record(branch, &prng, pick(0, 300));
			bb_walspool_history(ctx, spool->writer, tli, branch->history);
			if (pick(0, 1) == 0)
				bb_walspool_cut(ctx, spool->writer, tli - 1, fork);
			model = branch;
			spool->fork = fork;
			from = fork - fork % size;
			spool->tail.tli = tli;
			spool->tail.lsn = from;
			read_complete(ctx, spool, model);
			sent = from + pick(0, 3) * 1000;
			from = deliver(ctx, spool, model, from, Min(model->end, sent));
		}
		deliver(ctx, spool, model, from, model->end);
		read_complete(ctx, spool, model);
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

		begin_round(round);
		model = model_with(pick_segment_size(), 6);
		branch = walmodel_branch(model, 2, pick(1, model->nrecords - 1));
		fork = branch->end;
		walmodel_fill(branch, &prng, branch->end + XLOG_BLCKSZ);
		spool = spool_new(ctx, model);
		open_reader(ctx, spool, model, 1);
		deliver(ctx, spool, model, model->base, model->end);
		read_complete(ctx, spool, model);

		bb_walspool_history(ctx, spool->writer, 2, branch->history);
		if (round % 2 == 0)
			bb_walspool_cut(ctx, spool->writer, 1, fork);
		arrive(ctx, spool, branch, fork - fork % model->stream.segment_size,
			   branch->end);
		EXPECT(read_all(ctx, spool, model) == BB_WAL_BROKEN);
		reason = bb_walsource_reason(spool->reader.source);
		EXPECT(!reason.missing);
		EXPECT(strncmp(reason.text, "Timeline ID 2 forks at ", 23) == 0);
		CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
					ERRCODE_DATA_CORRUPTED);
		/* nor does another source begin after the fork */
		CHECK_ERROR(open_reader(ctx, spool, model, model->nrecords),
					ERRCODE_INVALID_PARAMETER_VALUE);
		unit_leave(part);
	}
}

UNIT_TEST(walspool_needs_histories)
{
	WalModel   *model;
	WalModel   *branch;
	Spool	   *spool;

	begin_round(0);
	model = model_with(4 * XLOG_BLCKSZ, 3);
	branch = walmodel_branch(model, 2, model->nrecords);
	walmodel_record(branch, &prng, 100);
	spool = spool_new(ctx, model);
	arrive(ctx, spool, model, model->base, model->end);
	open_reader(ctx, spool, model, 1);
	read_complete(ctx, spool, model);
	arrive(ctx, spool, branch, model->end - model->end % (4 * XLOG_BLCKSZ),
		   branch->end);
	EXPECT(read_all(ctx, spool, model) == BB_WAL_BROKEN);
	CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
				ERRCODE_DATA_CORRUPTED);
	EXPECT(strstr(unit_last_detail, "history file is missing") != NULL);

	bb_walspool_history(ctx, spool->writer, 2, "1\tnonsense\n");
	CHECK_ERROR(open_reader(ctx, spool, model, 1),
				ERRCODE_INVALID_PARAMETER_VALUE);
	bb_walspool_history(ctx, spool->writer, 2, branch->history);
	open_reader(ctx, spool, model, 1);
	read_complete(ctx, spool, branch);
	EXPECT(spool->reader.next == branch->nrecords);
	EXPECT(strcmp(bb_walsource_history(ctx, spool->reader.source, 2),
				  branch->history) == 0);
	/* of tli 1 there is none, and nothing of it is left on the spool's tli 2 */
	spool->tail.tli = 1;
	EXPECT(read_all(ctx, spool, branch) == BB_WAL_BROKEN);
}

/* ---- damage ---- */

static char *
segment_path(const Spool *spool, const WalModel *model, TimeLineID tli,
			 XLogRecPtr lsn)
{
	char		name[MAXFNAMELEN];

	XLogFileName(name, tli, lsn / model->stream.segment_size,
				 model->stream.segment_size);
	return psprintf("%s/%s", spool->directory, name);
}

/* Change bytes of a file of the spool. */
static void
overwrite(const char *path, uint64 offset, const void *data, size_t length)
{
	int			fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && pwrite(fd, data, length, offset) == (ssize_t) length);
	close(fd);
}

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

		begin_round(round);
		model = model_with(4 * XLOG_BLCKSZ, 6);
		for (int i = 0; i < 2; i++)
			walmodel_record(model, &prng, 2 * XLOG_BLCKSZ);
		spool = spool_new(ctx, model);
		arrive(ctx, spool, model, model->base, model->end);
		at = pick(model->records[0].end, model->end - 4 * XLOG_BLCKSZ);
		offset = at - model->base;
		byte = model->bytes[offset] ^ (1 << pick(0, 7));
		overwrite(segment_path(spool, model, 1, at),
				  at % model->stream.segment_size, &byte, 1);
		open_reader(ctx, spool, model, 1);
		next = read_all(ctx, spool, model);
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

	begin_round(0);
	model = model_with(2 * XLOG_BLCKSZ, 20);
	spool = spool_new(ctx, model);
	arrive(ctx, spool, model, model->base, model->end);
	path = segment_path(spool, model, 1,
						model->base + 3 * model->stream.segment_size);
	CHECK(truncate(path, 100) == 0);
	open_reader(ctx, spool, model, 1);
	EXPECT(read_all(ctx, spool, model) == BB_WAL_BROKEN);
	EXPECT(!bb_walsource_reason(spool->reader.source).missing);
	CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
				ERRCODE_DATA_CORRUPTED);
	CHECK(unlink(path) == 0);
	open_reader(ctx, spool, model, 1);
	EXPECT(read_all(ctx, spool, model) == BB_WAL_BROKEN);
	EXPECT(bb_walsource_reason(spool->reader.source).missing);
	EXPECT(strcmp(bb_walsource_reason(spool->reader.source).segment,
				  strrchr(path, '/') + 1) == 0);
	CHECK_ERROR(bb_walsource_raise(ctx, spool->reader.source, 0),
				ERRCODE_UNDEFINED_FILE);
	CHECK(symlink("/etc/passwd", path) == 0);
	CHECK_ERROR(open_reader(ctx, spool, model, 1);
				(void) read_all(ctx, spool, model), ERRCODE_INTERNAL_ERROR);
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
	if (durable == 0 && pick(0, 3) == 0)
		CHECK(unlink(path) == 0);
	for (from = durable; from < size; from += 4096 - from % 4096)
	{
		uint64		length = Min(size - from, 4096 - from % 4096);

		garbage = palloc0(length);
		for (uint64 i = 0; i < length; i++)
			garbage[i] = (char) pick(0, 255);
		switch (pick(0, 5))
		{
			case 0:
				CHECK(ftruncate(fd, from) == 0);
				size = from;
				break;
			case 1:
				memset(garbage, 0, length);
				/* fall through */
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
		char	   *path = segment_path(spool, model, tli, at);

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

		begin_round(round);
		model = model_with(pick_segment_size(), pick(4, 40));
		spool = spool_new(ctx, model);
		from = model->base;
		for (int i = 0; i < 6; i++)
		{
			uint32		size = model->stream.segment_size;
			XLogRecPtr	to = from + pick(1, 5 * XLOG_BLCKSZ);
			XLogRecPtr	end;
			TimeLineID	tli;
			int			n;

			to = Min(to, model->end);
			if (from < to)
				arrive(ctx, spool, model, from, to);
			if (pick(0, 1) == 0)
			{
				bb_walspool_sync(ctx, spool->writer);
				synced = to;
				synced_tli = model->stream.tli;
				if (from < to)
				{
					to = Min(to + pick(1, 3 * XLOG_BLCKSZ), model->end);
					if (synced < to)
						arrive(ctx, spool, model, synced, to);
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
			n = records_before(model, end);
			EXPECT(end ==
				   (n > 0 ? model->records[Max(n, start_record) - 1].end
						  : start.lsn));
			EXPECT(end <= Max(model->end, start.lsn));
			EXPECT(n >= records_before(model, synced) || n <= start_record);
			EXPECT(n <= start_record || tli == model->records[n - 1].tli);
			EXPECT(records_before(model, synced) <= Max(n, start_record));
			from = end - end % size;
			if (pick(0, 2) == 0 && n > start_record)
			{
				WalModel   *branch = walmodel_branch(model, i + 2, n);

				walmodel_fill(branch, &prng, branch->end + 20 * XLOG_BLCKSZ);
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

		begin_round(round);
		model = model_with(4 * XLOG_BLCKSZ, 20);
		size = model->stream.segment_size;
		spool = spool_new(ctx, model);
		lsn = model->base + pick(1, 2 * size);
		arrive(ctx, spool, model, model->base, lsn);
		open_reader(ctx, spool, model, 1);

		limit_files(pick(1, size - 1));
		ERROR_OF(bb_walspool_write(ctx, spool->writer, 1, lsn,
								   model->bytes + (lsn - model->base),
								   model->end - lsn),
				 sqlstate);
		limit_files(RLIM_INFINITY);
		EXPECT(sqlstate != 0);
		EXPECT(strncmp(unit_last_error, "could not write to file", 23) == 0);
		read_complete(ctx, spool, model);

		arrive(ctx, spool, model, lsn, model->end);
		read_complete(ctx, spool, model);
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
	arrive(ctx, spool, model, synced, model->end);
	break_fdatasync();
	ERROR_OF(bb_walspool_sync(ctx, spool->writer), sqlstate);
	if (sqlstate != ERRCODE_IO_ERROR)
		return 1;
	/* what wasn't durable isn't there any more, all else is */
	end = bb_walspool_end(ctx, spool->writer, &start, &tli);
	if (end != model->records[records_before(model, synced) - 1].end)
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

		begin_round(round);
		model = model_with(4 * XLOG_BLCKSZ, 20);
		spool = spool_new(ctx, model);
		synced = model->base + pick(1000, 6 * XLOG_BLCKSZ);
		synced = model->records[records_before(model, synced) - 1].end;
		/* also at the end of a segment */
		if (pick(0, 2) == 0)
			synced = TYPEALIGN(model->stream.segment_size, synced);
		arrive(ctx, spool, model, model->base, synced);

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
				 WEXITSTATUS(status), seed);
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

	begin_round(0);
	model = model_with(4 * XLOG_BLCKSZ, 20);
	size = model->stream.segment_size;
	spool = spool_new(ctx, model);
	arrive(ctx, spool, model, model->base, model->end);
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

/* ---- memory ---- */

UNIT_TEST(walspool_memory_does_not_grow)
{
	WalModel   *model;
	Spool	   *spool;
	MemoryContext context;
	XLogRecPtr	from;
	Size		memory = 0;

	begin_round(0);
	model = model_with(2 * XLOG_BLCKSZ, 1500);
	spool = spool_new(ctx, model);
	context = unit_enter();
	spool->writer = bb_walspool_open(ctx, spool->directory,
									 model->stream.system_identifier,
									 model->stream.segment_size);
	open_reader(ctx, spool, model, 1);
	from = model->base;
	while (from < model->end)
	{
		XLogRecPtr	to = Min(from + 1000, model->end);

		arrive(ctx, spool, model, from, to);
		read_complete(ctx, spool, model);
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
