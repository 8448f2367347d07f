/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  What a base backup needs to know before its first member.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog_internal.h"
#include "base/clusterfile.h"
#include "base/compat.h"
#include "members/clonesettings.h"
#include "members/generatedfiles.h"
#include "members/plan.h"
#include "wal/tlihistory.h"

/*
 * The start of the record that ends at the snapshot's LSN; Invalid: unknown.
 *
 * What the caller says must agree with the page store if that knows the start,
 * and is believed if it doesn't.
 */
static XLogRecPtr
choose_prev_lsn(const BbReqCtx *ctx, const BbSnapshot *snapshot,
				XLogRecPtr given)
{
	XLogRecPtr	known = bb_snapshot_prev_lsn(ctx, snapshot);

	if (XLogRecPtrIsInvalid(given))
		return known;
	if (!XLogRecPtrIsInvalid(known) && given != known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prev_lsn does not match the page store's"),
				 errdetail("The record that ends at " BB_LSN_FORMAT " begins at " BB_LSN_FORMAT ", not at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(snapshot->lsn),
						   LSN_FORMAT_ARGS(known), LSN_FORMAT_ARGS(given)),
				 errhint("Omit prev_lsn to use the page store's.")));
	if (given >= snapshot->lsn)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prev_lsn " BB_LSN_FORMAT " is not below the LSN of the backup",
						LSN_FORMAT_ARGS(given)),
				 errdetail("The backup is at " BB_LSN_FORMAT ".",
						   LSN_FORMAT_ARGS(snapshot->lsn))));
	return given;
}

/*
 * What a Neon compute node reads: may it write after this LSN, and how?
 *
 * It may at the end of a timeline; elsewhere only the caller can say so.
 */
static void
make_signal(BbBackupPlan *plan, const BbPageStoreInfo *info)
{
	XLogRecPtr	prev_lsn = plan->options.prev_lsn;

	if (XLogRecPtrIsInvalid(prev_lsn) && plan->snapshot.lsn == info->end_lsn)
		prev_lsn = info->prev_lsn;
	if (!XLogRecPtrIsInvalid(prev_lsn))
		snprintf(plan->signal, sizeof(plan->signal),
				 "PREV LSN: " BB_FILE_LSN_FORMAT, LSN_FORMAT_ARGS(prev_lsn));
	else if (plan->snapshot.lsn == info->ancestor_lsn)
		strlcpy(plan->signal, "PREV LSN: none", sizeof(plan->signal));
	else
		strlcpy(plan->signal, "PREV LSN: invalid", sizeof(plan->signal));
}

static List *
read_tablespaces(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	BbCatalogScan *scan = bb_catalog_scan_new(ctx, snapshot,
											  BB_KEY_TABLESPACE);
	List	   *result = NIL;
	BbTablespace tablespace;

	while (bb_catalog_next_tablespace(ctx, scan, &tablespace))
	{
		BbTablespace *kept = palloc(sizeof(BbTablespace));

		*kept = tablespace;
		result = lappend(result, kept);
	}
	bb_catalog_scan_close(scan);
	return result;
}

static uint32
count_prepared(const BbReqCtx *ctx, const BbSnapshot *snapshot)
{
	BbCatalogScan *scan = bb_catalog_scan_new(ctx, snapshot,
											  BB_KEY_TWOPHASE_SIZE);
	uint32		count = 0;
	BbTwophase	twophase;

	while (bb_catalog_next_twophase(ctx, scan, &twophase))
		count++;
	bb_catalog_scan_close(scan);
	return count;
}

/* The history of the source's tli if it was captured, or else NULL. */
static char *
captured_history(const BbReqCtx *ctx, const BbBackupPlan *plan)
{
	char		path[MAXPGPATH];
	size_t		length;
	char	   *text;

	TLHistoryFilePath(path, plan->snapshot.tli);
	text = bb_smallfiles_read(ctx, plan->files, path, &length);
	if (text != NULL && strlen(text) != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("captured file \"%s\" is not text", path),
				 errdetail("It has a zero byte at offset %zu.",
						   strlen(text))));
	return text;
}

/* Give the small files the content that they have in the backup. */
static void
settle_files(const BbReqCtx *ctx, BbBackupPlan *plan)
{
	BbDataNeeds needs = {
		.control = &plan->seed->control,
		.prepared = count_prepared(ctx, &plan->snapshot),
		.origins = bb_generatedfile_origins(ctx, &plan->snapshot,
											&plan->origins),
	};

	bb_generatedfile_configuration(plan->files, needs.control);
	plan->notices = bb_clonesettings_apply(ctx, plan->files,
										   plan->options.settings, &needs);
	if (plan->options.label == NULL)
		return;
	/* a captured label is that of another backup */
	bb_smallfiles_remove(plan->files, BB_LABEL_FILE);
	plan->label = bb_generatedfile_label(plan->seed, plan->mtime,
										 plan->options.label);
}

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

BbBackupPlan *
bb_plan_new(const BbReqCtx *ctx, const BbSnapshot *snapshot,
			const BbBackupOptions *options)
{
	BbBackupPlan *plan = palloc0(sizeof(BbBackupPlan));
	const BbPageStoreInfo *info = bb_pagestore_info(snapshot->store);
	XLogRecPtr	prev_lsn = choose_prev_lsn(ctx, snapshot, options->prev_lsn);
	TimeLineID	tli;

	plan->snapshot = *snapshot;
	plan->options = *options;
	plan->major = bb_pagestore_major(snapshot->store);
	plan->mtime = bb_snapshot_time(ctx, snapshot);
	plan->directory_mode = info->directory_mode;
	plan->file_mode = info->directory_mode & 0666;
	snprintf(plan->version, sizeof(plan->version), "%d\n",
			 plan->major->number);
	make_signal(plan, info);

	plan->tablespaces = read_tablespaces(ctx, snapshot);
	plan->files = bb_smallfiles_new(ctx, snapshot);
	if (options->tli_reserved)
		tli = options->new_tli;
	else
		tli = bb_clonetli_choose(bb_clonetli_known(ctx, snapshot->store,
												   plan->files),
								 snapshot->tli, options->new_tli);
	plan->seed = bb_seed_new(ctx, snapshot, prev_lsn, tli,
							 captured_history(ctx, plan));
	settle_files(ctx, plan);
	plan->manifest = (BbBackupManifest){
		.force_encode = options->manifest == BB_MANIFEST_FORCE_ENCODE,
		.checksum_type = options->manifest_checksums,
		.mtime = plan->mtime,
		.seed = plan->seed,
	};
	return plan;
}

void
bb_plan_report(const BbBackupPlan *plan)
{
	ListCell   *cell;

	foreach(cell, plan->notices)
	{
		const BbSettingNotice *notice = lfirst(cell);

		ereport(NOTICE, (errmsg("%s", notice->message),
						 errdetail("%s", notice->detail)));
	}
}
