/*-------------------------------------------------------------------------
 *
 * clonetli.c
 *	  The timeline ID of a backup: one that is new to its cluster.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "members/clonetli.h"
#include "wal/tlihistory.h"

List *
bb_clonetli_known(const BbReqCtx *ctx, BbPageStore *store,
				  const BbSmallFiles *files)
{
	List	   *known = bb_pagestore_tlis(ctx, store);
	ListCell   *cell;

	foreach(cell, bb_smallfiles_list(files, XLOGDIR))
	{
		const char *path = lfirst(cell);
		const char *name = strrchr(path, '/') + 1;
		size_t		length;

		if (!IsTLHistoryFileName(name))
			continue;
		known = list_append_unique_oid(known, strtoul(name, NULL, 16));
		known = list_concat_unique_oid(known,
									   bb_tlihistory_tlis(
										   bb_smallfiles_read(ctx, files, path,
															  &length)));
	}
	return known;
}

TimeLineID
bb_clonetli_choose(const List *known, TimeLineID source_tli, TimeLineID wanted)
{
	TimeLineID	newest = source_tli;
	ListCell   *cell;

	foreach(cell, known)
		newest = Max(newest, lfirst_oid(cell));
	if (wanted == 0)
	{
		if (newest == PG_UINT32_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("there is no timeline ID after %u", newest),
					 errdetail("The source is on timeline ID %u.", source_tli),
					 errhint("Give a new_tli that the source does not have.")));
		return newest + 1;
	}
	if (wanted < source_tli)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("new_tli %u is below the timeline ID of the source",
						wanted),
				 errdetail("The source is on timeline ID %u.", source_tli),
				 errhint("Omit new_tli to get one above all that are known.")));
	if (wanted == source_tli || list_member_oid(known, wanted))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("new_tli %u is a timeline ID that the source has",
						wanted),
				 errdetail("The clone would write WAL segments with the names of the source's."),
				 errhint("Omit new_tli to get one above all that are known.")));
	return wanted;
}
