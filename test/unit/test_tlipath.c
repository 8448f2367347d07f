/*-------------------------------------------------------------------------
 *
 * test_tlipath.c
 *	  Where WAL leads: history files, paths along them, backup labels.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "import/backuplabel.h"
#include "storage/fd.h"
#include "unit.h"
#include "wal/tlipath.h"

/* ---- history files ---- */

UNIT_TEST(history_is_parsed)
{
	BbTliHistory *history;
	BbTliRange *entry;

	history =
		bb_tlihistory_parse("1\t0/3000000\tno recovery target specified\n"
							"\n# a comment\n \v # and one\n"
							"  2\tA/5000028\tbefore 2001-01-01\n",
							5);
	CHECK(history->complaint == NULL && history->tli == 5);
	CHECK(list_length(history->tlis) == 3);
	entry = linitial(history->tlis);
	CHECK(entry->tli == 5 && entry->end == PG_UINT64_MAX);
	CHECK(entry->begin == UINT64CONST(0xA05000028));
	entry = lsecond(history->tlis);
	CHECK(entry->tli == 2 && entry->begin == 0x3000000);
	CHECK(entry->end == UINT64CONST(0xA05000028));
	entry = lthird(history->tlis);
	CHECK(entry->tli == 1 && entry->begin == 0 && entry->end == 0x3000000);

	/* timeline ID 0, which the server takes, too */
	CHECK(bb_tlihistory_parse("0\t0/1\tx\n", 7)->complaint == NULL);
	/* CRLF; positions that fall */
	CHECK(bb_tlihistory_parse("1\t0/9\tx\r\n2\t0/8\r\n", 7)->complaint ==
		  NULL);
	/* the server doesn't mind a first tli 0 */
	CHECK(bb_tlihistory_parse("0\t0/1\tx\n1\t0/9\tx\n", 7)->complaint == NULL);
}

UNIT_TEST(history_that_is_none_is_refused)
{
	static const char *const broken[] = {
		"",
		"# nothing\n",
		"one\t0/1\tx\n",
		"1 and 2\n",
		"1\t0-3\tx\n",
		"2\t0/1\tx\n1\t0/2\tx\n", /* falling */
		"1\t0/1\tx\n1\t0/2\tx\n",
		"7\t0/1\tx\n", /* not below its own */
		"1\t0/1\tx\ngarbage\n",
	};

	for (int i = 0; i < lengthof(broken); i++)
	{
		BbTliHistory *history = bb_tlihistory_parse(broken[i], 7);

		CHECK(history->complaint != NULL && history->tlis == NIL);
	}

	/* the server takes what is behind 1023 bytes for a line of its own */
	CHECK(
		bb_tlihistory_parse(psprintf("1\t0/1\t%01013d\n", 0), 7)->complaint ==
		NULL);
	CHECK(
		bb_tlihistory_parse(psprintf("1\t0/1\t%01018d\n", 0), 7)->complaint !=
		NULL);
}

/* ---- paths ---- */

/* A new directory with some history files: "" is one that isn't there. */
static char *
archive(const char *two, const char *three, const char *four)
{
	static int	number = 0;
	const char *texts[] = {two, three, four};
	char	   *directory = psprintf("%s/unit_tlipath.%d.%d", DataDir,
									 MyProcPid, number++);

	CHECK(MakePGDirectory(directory) == 0);
	for (int i = 0; i < lengthof(texts); i++)
	{
		char	   *path = psprintf("%s/%08X.history", directory, i + 2);
		FILE	   *file;

		if (texts[i] == NULL)
			continue;
		file = AllocateFile(path, "w");
		CHECK(file != NULL && fputs(texts[i], file) >= 0);
		FreeFile(file);
	}
	return directory;
}

static BbWalPlace
place_at(const char *directory, const char *target, TimeLineID tli,
		 XLogRecPtr lsn)
{
	BbWalPlace	place = {0};

	place.files = bb_walfiles_directory(directory);
	place.target = bb_waltarget_parse(target);
	place.start.stream.tli = tli;
	place.start.lsn = lsn;
	return place;
}

/* "1 until 0/30, 3 until 0/50, 4", of the path from a place. */
static char *
path_text(const BbReqCtx *ctx, const char *directory, const char *target,
		  TimeLineID tli, XLogRecPtr lsn)
{
	BbWalPlace	place = place_at(directory, target, tli, lsn);
	BbTliPath  *path = bb_tlipath_choose(ctx, &place);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = list_length(path->tlis) - 1; i >= 0; i--)
	{
		const BbTliRange *entry = list_nth(path->tlis, i);

		/* what the places between say is the same */
		CHECK(bb_tlipath_at(path, Max(entry->begin, lsn)) == entry ||
			  entry->end == lsn);
		CHECK(bb_tlipath_find(path, entry->tli) == entry);
		if (entry->end == PG_UINT64_MAX)
			appendStringInfo(&text, "%u", entry->tli);
		else
			appendStringInfo(&text, "%u until %X/%X, ", entry->tli,
							 LSN_FORMAT_ARGS(entry->end));
	}
	return text.data;
}

#define CHECK_PATH(directory, target, tli, lsn, expected) \
	CHECK(strcmp(path_text(ctx, directory, target, tli, lsn), expected) == 0)

UNIT_TEST(ways_lead_to_their_target)
{
	char	   *directory = archive("1\t0/30\tx\n", "1\t0/30\tx\n2\t0/50\tx\n",
									NULL);

	CHECK_PATH(directory, "latest", 1, 0x10, "1 until 0/30, 2 until 0/50, 3");
	CHECK_PATH(directory, "latest", 1, 0x30, "1 until 0/30, 2 until 0/50, 3");
	CHECK_PATH(directory, "latest", 2, 0x40, "2 until 0/50, 3");
	CHECK_PATH(directory, "latest", 3, 0x60, "3");
	CHECK_PATH(directory, "current", 1, 0x10, "1");
	CHECK_PATH(directory, "1", 1, 0x10, "1");
	CHECK_PATH(directory, "2", 1, 0x10, "1 until 0/30, 2");
	/* past where they part */
	CHECK_PATH(directory, "latest", 1, 0x38, "1");
	CHECK_ERROR(path_text(ctx, directory, "2", 1, 0x38),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(path_text(ctx, directory, "1", 2, 0x40),
				ERRCODE_INVALID_PARAMETER_VALUE);
	CHECK_ERROR(path_text(ctx, directory, "4", 1, 0x10),
				ERRCODE_INVALID_PARAMETER_VALUE);
}

/* Recovered to 0/50, and from the same backup again, to 0/30. */
UNIT_TEST(ways_with_falling_positions)
{
	char	   *directory = archive("1\t0/50\tx\n", "1\t0/50\tx\n2\t0/30\tx\n",
									"1\t0/50\tx\n2\t0/30\tx\n3\t0/70\tx\n");

	CHECK_PATH(directory, "latest", 1, 0x10, "1 until 0/30, 3 until 0/70, 4");
	CHECK_PATH(directory, "3", 1, 0x30, "1 until 0/30, 3");
	CHECK_PATH(directory, "2", 1, 0x40, "1 until 0/50, 2");
	/* tli 3 left before both; tli 2 can still be followed */
	CHECK_PATH(directory, "latest", 1, 0x40, "1 until 0/50, 2");
	CHECK_PATH(directory, "latest", 2, 0x60, "2");
}

UNIT_TEST(ways_past_histories_of_no_use)
{
	/* tli 3 is of another branch; tli 4's file is empty */
	char	   *directory = archive("1\t0/30\tx\n", "1\t0/20\tx\n", "");

	CHECK_PATH(directory, "latest", 1, 0x10, "1 until 0/20, 3");
	CHECK_PATH(directory, "latest", 1, 0x28, "1 until 0/30, 2");
	CHECK_PATH(directory, "latest", 2, 0x40, "2");
	CHECK_ERROR(path_text(ctx, directory, "4", 1, 0x10),
				ERRCODE_DATA_CORRUPTED);
	CHECK_ERROR(path_text(ctx, directory, "3", 2, 0x40),
				ERRCODE_INVALID_PARAMETER_VALUE);

	/* garbage never blocks what is below it, nor a directory of that name */
	directory = archive("1\t0/30\tx\n", "garbage", NULL);
	CHECK(MakePGDirectory(psprintf("%s/00000004.history", directory)) == 0);
	CHECK_PATH(directory, "latest", 1, 0x10, "1 until 0/30, 2");
}

UNIT_TEST(ways_over_a_gap_are_refused)
{
	char	   *directory = archive(NULL, "1\t0/30\tx\n2\t0/50\tx\n", NULL);

	CHECK_ERROR(path_text(ctx, directory, "latest", 1, 0x10),
				ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	CHECK_PATH(directory, "3", 1, 0x10, "1 until 0/30, 2 until 0/50, 3");
	CHECK_PATH(directory, "current", 1, 0x10, "1");
	/* what can't be followed anyway doesn't matter */
	CHECK_PATH(directory, "latest", 1, 0x40, "1");
	CHECK_PATH(directory, "latest", 2, 0x40, "2 until 0/50, 3");
}

UNIT_TEST(pages_of_ancestors_are_expected)
{
	char	   *directory = archive("1\t0/30\tx\n", "2\t0/50\tx\n", NULL);
	BbWalPlace	place = place_at(directory, "latest", 2, 0x40);
	BbTliPath  *path = bb_tlipath_choose(ctx, &place);

	/* its history doesn't have tli 1 */
	CHECK(bb_tlipath_has(path, 2) && bb_tlipath_has(path, 3));
	CHECK(!bb_tlipath_has(path, 1) && !bb_tlipath_has(path, 4));
	place.target = bb_waltarget_parse("current");
	path = bb_tlipath_choose(ctx, &place);
	CHECK(bb_tlipath_has(path, 1) && bb_tlipath_has(path, 2));
	CHECK(!bb_tlipath_has(path, 3));
	/* not known, since tli 4 has no history file */
	place = place_at(directory, "latest", 4, 0x60);
	path = bb_tlipath_choose(ctx, &place);
	CHECK(bb_tlipath_has(path, 1) && bb_tlipath_has(path, 4));
	CHECK(!bb_tlipath_has(path, 5));
}

UNIT_TEST(targets_are_parsed)
{
	static const char *const broken[] = {
		"", "0", "-1", "newest", "1x", "4294967296", " 1", "0x1",
	};

	CHECK(bb_waltarget_parse("latest").kind == BB_WAL_LATEST);
	CHECK(bb_waltarget_parse("current").kind == BB_WAL_CURRENT);
	CHECK(bb_waltarget_parse("4294967295").tli == 4294967295U);
	for (int i = 0; i < lengthof(broken); i++)
		CHECK_ERROR(bb_waltarget_parse(broken[i]),
					ERRCODE_INVALID_PARAMETER_VALUE);
}

/* ---- labels ---- */

#define LABEL_START                                                   \
	"START WAL LOCATION: A/4000028 (file 000000020000000A00000004)\n" \
	"CHECKPOINT LOCATION: A/4000060\n"

UNIT_TEST(labels_are_parsed)
{
	const char *complaint;
	const BbBackupLabel *label;

	label = bb_backuplabel_parse(LABEL_START
								 "BACKUP METHOD: streamed\n"
								 "BACKUP FROM: primary\n"
								 "START TIME: 2026-11-29 12:09:34 UTC\n"
								 "LABEL: x\nSTART TIMELINE: 2\n",
								 &complaint);
	CHECK(label != NULL && complaint == NULL);
	CHECK(label->tli == 2 && !label->from_standby && !label->incremental);
	CHECK(label->start_lsn == UINT64CONST(0xA04000028));
	CHECK(label->checkpoint_lsn == UINT64CONST(0xA04000060));

	/* pg_rewind's */
	label = bb_backuplabel_parse(LABEL_START
								 "BACKUP METHOD: pg_rewind\n"
								 "BACKUP FROM: standby\n"
								 "START TIME: 2026-11-29 12:09:34 UTC\n",
								 &complaint);
	CHECK(label != NULL && label->tli == 2 && label->from_standby);

	/* all that recovery needs */
	CHECK(bb_backuplabel_parse(LABEL_START, &complaint) != NULL);
	label = bb_backuplabel_parse(LABEL_START "INCREMENTAL FROM LSN: 0/1\n",
								 &complaint);
	CHECK(label != NULL && label->incremental);
}

UNIT_TEST(labels_that_are_none_are_refused)
{
	static const char *const broken[] = {
		"",
		"\n" LABEL_START,
		"CHECKPOINT LOCATION: A/4000060\n",
		"START WAL LOCATION: A/4000028 (file 000000020000000A00000004)\n",
		"START WAL LOCATION: A/4000028\nCHECKPOINT LOCATION: A/4000060\n",
		"START WAL LOCATION: A/4000028 (file 000000000000000A00000004)\n"
		"CHECKPOINT LOCATION: A/4000060\n",
		LABEL_START "START TIMELINE: 3\n",
		LABEL_START "START TIMELINE: x\n",
	};
	const char *complaint;

	for (int i = 0; i < lengthof(broken); i++)
		CHECK(bb_backuplabel_parse(broken[i], &complaint) == NULL &&
			  complaint != NULL);
}
