/*-------------------------------------------------------------------------
 *
 * test_position.c
 *	  The decisions of a receiver: where it goes on, what it confirms.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "intake/position.h"
#include "process/retry.h"
#include "unit.h"

/* All positions up to this are tried. */
#define TOP 5

/*
 * What a step says about a tli that ends at "end" in the source.  Only what is
 * decided is checked, by what must never happen.
 */
static void
check_step(const BbPosition *here, BbPositionStep step, XLogRecPtr end)
{
	/* what is durable is never dropped, and never silently kept */
	CHECK((step.kind == BB_POSITION_DIVERGED) == (here->durable_lsn > end));
	/* what was read is never dropped under the leader */
	if (here->read_lsn > end)
		CHECK(step.kind == BB_POSITION_DIVERGED ||
			  step.kind == BB_POSITION_REWIND);
	/* what the source doesn't have is never kept */
	if (step.kind == BB_POSITION_GO)
		CHECK(here->received_lsn <= end);
	/* and nothing is dropped without need */
	if (step.kind == BB_POSITION_CUT)
		CHECK(here->received_lsn > end && here->read_lsn <= end);
	if (step.kind == BB_POSITION_REWIND)
		CHECK(here->read_lsn > end);
	CHECK(step.lsn == end);
}

/* Call "check" for all positions that there can be. */
static void
for_all_positions(void (*check)(const BbPosition *here, XLogRecPtr end))
{
	for (XLogRecPtr durable = 0; durable <= TOP; durable++)
		for (XLogRecPtr read = durable; read <= TOP; read++)
			for (XLogRecPtr received = read; received <= TOP; received++)
				for (XLogRecPtr end = 0; end <= TOP; end++)
					check(&(BbPosition){.tli = 2,
										.durable_lsn = durable,
										.read_lsn = read,
										.received_lsn = received},
						  end);
}

static void
check_leave(const BbPosition *here, XLogRecPtr end)
{
	check_step(here, bb_position_leave(here, end), end);
}

UNIT_TEST(position_where_a_tli_ends)
{
	for_all_positions(check_leave);
}

/* A source on a newer tli, whose history says where ours ended. */
static void
check_newer(const BbPosition *here, XLogRecPtr end)
{
	BbTliHistory *history = bb_tlihistory_parse(
		psprintf("1\t0/0\tx\n2\t0/%X\tx\n3\t0/10\tx\n", (uint32) end), 4);
	BbPositionSource there = {.tli = 4, .lsn = 0x20, .history = history};
	BbPositionStep step = bb_position_connect(here, &there);

	CHECK(history->complaint == NULL);
	check_step(here, step, end);
	CHECK(step.kind == bb_position_leave(here, end).kind);
}

/* A source on our tli. */
static void
check_same(const BbPosition *here, XLogRecPtr end)
{
	BbPositionSource there = {.tli = 2, .lsn = end, .is_standby = true};
	BbPositionStep step = bb_position_connect(here, &there);

	/* a standby gets there, or is there */
	CHECK(step.kind ==
		  (here->received_lsn > end ? BB_POSITION_BEHIND : BB_POSITION_GO));
	CHECK(XLogRecPtrIsInvalid(step.lsn));

	/* a primary has lost what it doesn't have */
	there.is_standby = false;
	step = bb_position_connect(here, &there);
	CHECK(step.kind ==
		  (here->received_lsn <= end ? BB_POSITION_GO : BB_POSITION_LOST));
}

UNIT_TEST(position_at_a_connection)
{
	for_all_positions(check_newer);
	for_all_positions(check_same);
}

UNIT_TEST(position_of_other_histories)
{
	BbPosition	here = {.tli = 2, .received_lsn = 5};
	BbPositionSource there = {.tli = 1, .lsn = 100};

	/* a former primary, however far it is */
	CHECK(bb_position_connect(&here, &there).kind == BB_POSITION_OLDER);
	/* another branch */
	there.tli = 3;
	there.history = bb_tlihistory_parse("1\t0/4\tx\n", 3);
	CHECK(bb_position_connect(&here, &there).kind == BB_POSITION_UNRELATED);
	there.history = bb_tlihistory_parse("rubbish\n", 3);
	CHECK(bb_position_connect(&here, &there).kind == BB_POSITION_UNREADABLE);
	there.history = NULL;
	CHECK(bb_position_connect(&here, &there).kind == BB_POSITION_UNREADABLE);
}

/* Two servers that were promoted to the same tli. */
UNIT_TEST(position_of_the_same_tli_twice)
{
	BbPosition	here = {.tli = 3, .durable_lsn = 4, .received_lsn = 5};
	BbPositionSource there = {.tli = 3, .lsn = 100};
	BbPositionStep step;
	static const struct
	{
		const char *theirs;
		XLogRecPtr	fork; /* 0: there is none */
	}			cases[] = {
		{"1\t0/20\tx\n2\t0/40\tx\n", 0},
		{"1\t0/20\tx\n2\t0/40\tanother reason\n", 0},
		{"1\t0/20\tx\n2\t0/30\tx\n", 0x30},
		{"1\t0/20\tx\n2\t0/50\tx\n", 0x40},
		{"1\t0/10\tx\n2\t0/40\tx\n", 0x10},
		{"1\t0/20\tx\n", 0x20},
		{"1\t0/30\tx\n", 0x20},
		{"2\t0/40\tx\n", 1},
		{"rubbish\n", 0},
	};

	here.history = bb_tlihistory_parse("1\t0/20\tx\n2\t0/40\tx\n", 3);
	CHECK(here.history->complaint == NULL);
	for (int i = 0; i < lengthof(cases); i++)
	{
		there.history = bb_tlihistory_parse(cases[i].theirs, 3);
		step = bb_position_connect(&here, &there);
		CHECK(step.lsn == cases[i].fork);
		CHECK(step.kind ==
			  (cases[i].fork == 0 ? BB_POSITION_GO : BB_POSITION_OTHER));
	}
	/* what isn't known is no difference */
	there.history = NULL;
	CHECK(bb_position_connect(&here, &there).kind == BB_POSITION_GO);
	there.history = here.history;
	here.history = NULL;
	CHECK(bb_position_connect(&here, &there).kind == BB_POSITION_GO);
}

static void
check_flushed(XLogRecPtr stored, XLogRecPtr synced, XLogRecPtr received,
			  XLogRecPtr before)
{
	XLogRecPtr	store = bb_feedback_flushed(BB_CONFIRM_STORE, stored, synced,
											received, before);
	XLogRecPtr	spool = bb_feedback_flushed(BB_CONFIRM_SPOOL, stored, synced,
											received, before);

	/* what is only in the spool doesn't count with 'store' */
	CHECK(store == Max(Min(stored, received), before));
	/* and WAL without a base backup doesn't with either */
	CHECK(spool ==
		  Max(stored == 0 ? 0 : Min(Max(stored, synced), received), before));
	/* it never goes back */
	CHECK(store >= before && spool >= before);
	/* nor beyond what was received */
	CHECK(store <= Max(received, before) && spool <= Max(received, before));
}

UNIT_TEST(feedback_confirms_what_is_durable)
{
	for (XLogRecPtr stored = 0; stored <= TOP; stored++)
		for (XLogRecPtr synced = 0; synced <= TOP; synced++)
			for (XLogRecPtr received = 0; received <= TOP; received++)
				for (XLogRecPtr before = 0; before <= TOP; before++)
					check_flushed(stored, synced, received, before);
}

UNIT_TEST(feedback_is_given_in_time)
{
	BbFeedback	last = {.written = 10, .flushed = 5, .time = 1000000};
	BbFeedback	next = last;

#define WAIT(requested, synchronous) \
	bb_feedback_wait_ms(&last, &next, requested, synchronous, 10000)
	CHECK(WAIT(false, false) == 10000);
	CHECK(WAIT(true, false) == 0);
	next.time += 9999 * 1000;
	CHECK(WAIT(false, false) == 1);
	next.time += 1000;
	CHECK(WAIT(false, false) == 0);
	next.time += INT64CONST(1) << 50;
	CHECK(WAIT(false, false) == 0);
	/* a clock that was set back */
	next.time = last.time - 1;
	CHECK(WAIT(false, false) == 0);
	/* more is durable, or less */
	next = last;
	next.flushed = 6;
	CHECK(WAIT(false, false) == 0);
	next.flushed = 4;
	CHECK(WAIT(false, false) == 0);
	/* more is written: somebody may wait for that with remote_write */
	next = last;
	next.written = 11;
	CHECK(WAIT(false, false) == 10000);
	CHECK(WAIT(false, true) == 0);
	/* nothing was reported yet */
	next = last;
	last.time = 0;
	CHECK(WAIT(false, false) == 0);
#undef WAIT

	CHECK(bb_feedback_interval_ms(0) == 10000);
	CHECK(bb_feedback_interval_ms(60000) == 10000);
	CHECK(bb_feedback_interval_ms(6000) == 3000);
	CHECK(bb_feedback_interval_ms(1) == 1);
}

UNIT_TEST(sync_names_are_understood)
{
	static const struct
	{
		const char *names;
		const char *name;
		bool		has;
	}			cases[] = {
		{"", "me", false},
		{"*", "me", true},
		{"\"*\"", "me", false},
		{"\"*\"", "*", true},
		{"me", "me", true},
		{"ME", "me", true},
		{"other", "me", false},
		{"other, Me", "me", true},
		{"other,me,third", "me", true},
		{"meme, \"me me\"", "me", false},
		{"\"me me\"", "me me", true},
		{"\"a\"\"b\"", "a\"b", true},
		{"2 (a, me)", "me", true},
		{"2 (a, b)", "2", false},
		{"FIRST 1 (a, me)", "me", true},
		{"FIRST 1 (a, b)", "first", false},
		{"any 2(a,me,c)", "me", true},
		{"ANY 2 (a, b)", "any", false},
		{"ANY 1 (*)", "me", true},
		{"FIRST 1 (\"x(y\", b)", "x(y", true},
		{"\"x(me\", b", "me", false},
		{"\"x(me\", b", "b", true},
		{"first, b", "first", true},
		{"\"unclosed", "unclosed", true},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		if (bb_sync_names_has(cases[i].names, cases[i].name) != cases[i].has)
			elog(ERROR, "wrong answer for \"%s\" in %s", cases[i].name,
				 cases[i].names);
	}
}

UNIT_TEST(retry_pauses_grow)
{
	CHECK(bb_retry_pause_ms(1) == 1000);
	CHECK(bb_retry_pause_ms(2) == 2000);
	CHECK(bb_retry_pause_ms(5) == 16000);
	CHECK(bb_retry_pause_ms(6) == 30000);
	CHECK(bb_retry_pause_ms(1000000000) == 30000);
}
