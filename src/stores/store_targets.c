/*-------------------------------------------------------------------------
 *
 * store_targets.c
 *	  Targets of recovery, as a user names them, into LSNs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "stats/calls.h"
#include "stores/store_targets.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

static const char *
time_text(int64 time)
{
	return pstrdup(
		timestamptz_to_str(time_t_to_timestamptz((pg_time_t) time)));
}

/* The LSNs and times that can be read, as a sentence. */
static const char *
window_text(const BbReqCtx *ctx, BbPageStore *store)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	BbSnapshot	start = bb_snapshot_at(store, info->start_lsn);

	return psprintf("It can be read from " BB_LSN_FORMAT
					" (%s) to " BB_LSN_FORMAT " (%s).",
					LSN_FORMAT_ARGS(info->start_lsn),
					time_text(bb_snapshot_time(ctx, &start)),
					LSN_FORMAT_ARGS(info->end_lsn), time_text(info->end_time));
}

static XLogRecPtr
found(const BbReqCtx *ctx, XLogRecPtr lsn)
{
	bb_calls_describe(ctx, &(BbCallAbout){.lsn = lsn});
	return lsn;
}

/* The gap that a target is in, which is before, at or after "lsn". */
static void
report_gap(const BbReqCtx *ctx, BbPageStore *store, const char *target,
		   XLogRecPtr lsn)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	const BbGap *gap = bb_gap_at(info->gaps, info->ngaps, lsn);

	if (gap == NULL)
		gap = bb_gap_before(info->gaps, info->ngaps, lsn);
	for (int i = info->ngaps - 1; gap == NULL && i >= 0; i--)
		if (info->gaps[i].from >= lsn)
			gap = &info->gaps[i];
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s is in a gap of timeline \"%s\"", target,
					info->timeline),
			 gap == NULL
				 ? 0
				 : errdetail("WAL was lost. The timeline can be read up to " BB_LSN_FORMAT ", and from " BB_LSN_FORMAT " on. %s",
							 LSN_FORMAT_ARGS(gap->from),
							 LSN_FORMAT_ARGS(gap->until),
							 window_text(ctx, store)),
			 errhint("Use one of these LSNs. bb_gaps() lists the gaps.")));
}

/* Where may a target before the start be?  For ereport. */
static int
hint_at_past(const BbPageStore *store)
{
	if (bb_pagestore_info(store)->upgraded_from != NULL)
		return bb_pagestore_hint_at_past(store);
	return errhint(
		"bb_keeps() lists the LSNs before its start that can still be read, with their times.");
}

/* ---- times ---- */

XLogRecPtr
bb_store_lsn_at(const BbReqCtx *ctx, BbPageStore *store, TimestampTz time,
				bool inclusive)
{
	const char *name = bb_pagestore_info(store)->timeline;
	const char *text = pstrdup(timestamptz_to_str(time));
	XLogRecPtr	end = bb_pagestore_check_lsn(store, InvalidXLogRecPtr);
	XLogRecPtr	lsn;

	switch (bb_pagestore_find_time(ctx, store, time, inclusive, &lsn))
	{
		case BB_TARGET_FOUND:
			break;
		case BB_TARGET_FUTURE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("time %s is in the future of timeline \"%s\"", text,
							name),
					 errdetail("No transaction before its end at " BB_LSN_FORMAT " is later, so the next WAL may contain earlier ones. %s",
							   LSN_FORMAT_ARGS(end), window_text(ctx, store)),
					 errhint("Ingest more WAL, or use the end of the timeline, which is the default and which bb_lsn_latest() returns.")));
			break;
		case BB_TARGET_PAST:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("time %s is in the past of timeline \"%s\"", text,
							name),
					 errdetail("No transaction since its start at " BB_LSN_FORMAT " is that old. %s",
							   LSN_FORMAT_ARGS(lsn), window_text(ctx, store)),
					 hint_at_past(store)));
			break;
		case BB_TARGET_GAP:
			report_gap(ctx, store, psprintf("time %s", text), lsn);
			break;
		case BB_TARGET_NO_DATA:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("timeline \"%s\" has no transaction to find a time by",
							name),
					 errdetail("No transaction ended in it. %s",
							   window_text(ctx, store)),
					 bb_pagestore_info(store)->upgraded_from
					 ? bb_pagestore_hint_at_past(store)
					 : errhint("Ingest WAL with bb_ingest().")));
			break;
	}
	return found(ctx, lsn);
}

/* Is that an interval, such as "-10 min" or "10 min ago"? */
static bool
is_relative(const char *text)
{
	size_t		length = strlen(text);

	while (isspace((unsigned char) *text))
		text++, length--;
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		length--;
	if (text[0] == '-')
		return pg_strncasecmp(text, "-infinity", length) != 0;
	return length > 4 && isspace((unsigned char) text[length - 4]) &&
		pg_strncasecmp(text + length - 3, "ago", 3) == 0;
}

TimestampTz
bb_store_time_of_text(const char *time)
{
	Datum		arguments[] = {CStringGetDatum(time),
							   ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1)};
	Datum		value;

	if (!is_relative(time))
		value = DirectFunctionCall3(timestamptz_in, arguments[0], arguments[1],
									arguments[2]);
	else
		value = DirectFunctionCall2(timestamptz_pl_interval,
									TimestampTzGetDatum(
										GetCurrentTransactionStartTimestamp()),
									DirectFunctionCall3(interval_in,
														arguments[0],
														arguments[1],
														arguments[2]));
	return DatumGetTimestampTz(value);
}

XLogRecPtr
bb_store_lsn_at_text(const BbReqCtx *ctx, BbPageStore *store, const char *time,
					 bool inclusive)
{
	return bb_store_lsn_at(ctx, store, bb_store_time_of_text(time), inclusive);
}

/* ---- transactions and restore points ---- */

/*
 * Raise an error if xids and restore points aren't known in all of the timeline,
 * since what wasn't found may be there.
 */
static void
check_known(const BbReqCtx *ctx, BbPageStore *store, const char *target)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	XLogRecPtr	from = bb_pagestore_targets_from(ctx, store);

	/* without WAL there is nothing to know */
	if ((!XLogRecPtrIsInvalid(from) && from <= info->start_lsn) ||
		info->end_lsn == info->start_lsn)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s is not known in timeline \"%s\"", target,
					info->timeline),
			 XLogRecPtrIsInvalid(from)
				 ? errdetail("Its WAL was ingested by a version of bbackup that did not keep transaction IDs and restore points. %s",
							 window_text(ctx, store))
				 : errdetail("WAL up to " BB_LSN_FORMAT " was ingested by a version of bbackup that did not keep transaction IDs and restore points. %s",
							 LSN_FORMAT_ARGS(from), window_text(ctx, store)),
			 errhint("Use a time or an LSN.")));
}

XLogRecPtr
bb_store_lsn_of_xid(const BbReqCtx *ctx, BbPageStore *store, uint64 xid,
					bool inclusive)
{
	const char *name = bb_pagestore_info(store)->timeline;
	const char *target = psprintf("transaction " UINT64_FORMAT, xid);
	BbTransaction transaction;
	XLogRecPtr	lsn;

	(void) bb_pagestore_check_lsn(store, InvalidXLogRecPtr);
	if (!TransactionIdIsNormal((TransactionId) xid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is no transaction that ends", target)));
	switch (
		bb_pagestore_find_xid(ctx, store, xid, inclusive, &transaction, &lsn))
	{
		case BB_TARGET_FOUND:
			break;
		case BB_TARGET_GAP:
			report_gap(ctx, store, target, transaction.end);
			break;
		case BB_TARGET_FUTURE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s is in the future of timeline \"%s\"", target,
							name),
					 errdetail("The next transaction after its end is " UINT64_FORMAT
							   ". %s",
							   transaction.next, window_text(ctx, store)),
					 errhint("Ingest more WAL.")));
			break;
		default:
			check_known(ctx, store, target);
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("timeline \"%s\" has no commit or abort of %s",
							name, target),
					 errdetail("Transactions from " UINT64_FORMAT
							   " to " UINT64_FORMAT
							   " began in it. %s",
							   transaction.first, transaction.next - 1,
							   window_text(ctx, store)),
					 errhint("The transaction may still be in progress or prepared at the end, may have ended before the start, may have written no WAL, may have ended in a gap, or may be a subtransaction that ended with its top-level transaction.")));
			break;
	}
	if (transaction.commit.aborted)
		ereport(NOTICE, (errmsg("%s was rolled back", target)));
	return found(ctx, lsn);
}

static void
report_no_name(const BbReqCtx *ctx, BbPageStore *store, const char *name,
			   const BbRestorePointAt *unreadable)
{
	const BbPageStoreInfo *info = bb_pagestore_info(store);
	const char *target = psprintf("restore point \"%s\"", name);
	const char *time = unreadable
		? pstrdup(timestamptz_to_str(unreadable->point.time))
		: "";

	if (unreadable != NULL &&
		bb_gap_at(info->gaps, info->ngaps, unreadable->lsn) != NULL)
		report_gap(ctx, store, target, unreadable->lsn);
	if (unreadable != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is in the past of timeline \"%s\"", target,
						info->timeline),
				 errdetail("It is at " BB_LSN_FORMAT ", of %s. The timeline cannot be read there. %s",
						   LSN_FORMAT_ARGS(unreadable->lsn), time,
						   window_text(ctx, store)),
				 XLogRecPtrIsInvalid(info->ancestor_lsn)
					 ? 0
					 : errhint("An ancestor of the timeline may have it.")));
	check_known(ctx, store, target);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("timeline \"%s\" has no %s", info->timeline, target),
			 errdetail_internal("%s", window_text(ctx, store)),
			 errhint("bb_restore_points() lists those that it has.")));
}

XLogRecPtr
bb_store_lsn_of_name(const BbReqCtx *ctx, BbPageStore *store, const char *name)
{
	const BbRestorePointAt *newest = NULL;
	const BbRestorePointAt *unreadable = NULL;
	int			nolder = -1;
	ListCell   *cell;

	(void) bb_pagestore_check_lsn(store, InvalidXLogRecPtr);
	foreach(cell, bb_pagestore_restore_points(ctx, store, name))
	{
		const BbRestorePointAt *point = lfirst(cell);

		if (!point->readable)
		{
			unreadable = point;
			continue;
		}
		newest = point;
		nolder++;
	}
	if (newest == NULL)
	{
		report_no_name(ctx, store, name, unreadable);
		pg_unreachable();
	}
	if (nolder > 0)
		ereport(NOTICE,
				(errmsg_plural(
					 "using the newest restore point \"%s\", of %s; there is %d older one",
					 "using the newest restore point \"%s\", of %s; there are %d older ones",
					 (unsigned long) nolder, name,
					 timestamptz_to_str(newest->point.time), nolder),
				 errhint("bb_restore_points() lists them with their LSNs.")));
	return found(ctx, newest->lsn);
}

/* ---- other targets ---- */

XLogRecPtr
bb_store_lsn_latest(const BbReqCtx *ctx, BbPageStore *store)
{
	return found(ctx, bb_pagestore_check_lsn(store, InvalidXLogRecPtr));
}

static XLogRecPtr
lsn_of_lsn(const BbReqCtx *ctx, BbPageStore *store, XLogRecPtr target,
		   bool inclusive)
{
	const char *name = bb_pagestore_info(store)->timeline;
	const char *text = psprintf("LSN " BB_LSN_FORMAT, LSN_FORMAT_ARGS(target));
	XLogRecPtr	lsn;

	(void) bb_pagestore_check_lsn(store, InvalidXLogRecPtr);
	switch (bb_pagestore_find_lsn(ctx, store, target, inclusive, &lsn))
	{
		case BB_TARGET_FOUND:
			break;
		case BB_TARGET_FUTURE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s is in the future of timeline \"%s\"", text,
							name),
					 errdetail("No record before its end starts at or after that LSN. %s",
							   window_text(ctx, store)),
					 inclusive
						 ? errhint("Ingest more WAL, or leave out the record that starts there: inclusive => false, or --exclusive.")
						 : errhint("Ingest more WAL.")));
			break;
		case BB_TARGET_GAP:
			report_gap(ctx, store, text, target);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s is in the past of timeline \"%s\"", text,
							name),
					 errdetail_internal("%s", window_text(ctx, store)),
					 hint_at_past(store)));
			break;
	}
	return found(ctx, lsn);
}

/* As xid8's input, which accepts anything that begins with digits. */
static uint64
parse_xid(const char *text)
{
	char	   *end;
	uint64		xid;

	errno = 0;
	xid = strtou64(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' ||
		!isdigit((unsigned char) text[0]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a transaction ID", text)));
	return xid;
}

XLogRecPtr
bb_store_lsn_of_target(const BbReqCtx *ctx, BbPageStore *store,
					   const char *target, bool inclusive)
{
	const char *colon = strchr(target, ':');
	const char *value = colon ? colon + 1 : "";
	int			length = colon ? (int) (colon - target) : 0;

	if (strcmp(target, "latest") == 0)
		return bb_store_lsn_latest(ctx, store);
	if (length == 4 && strncmp(target, "name", 4) == 0)
		return bb_store_lsn_of_name(ctx, store, value);
	if (length == 4 && strncmp(target, "time", 4) == 0)
		return bb_store_lsn_at_text(ctx, store, value, inclusive);
	if (length == 3 && strncmp(target, "xid", 3) == 0)
		return bb_store_lsn_of_xid(ctx, store, parse_xid(value), inclusive);
	if (length == 3 && strncmp(target, "lsn", 3) == 0)
		return lsn_of_lsn(ctx, store,
						  DatumGetLSN(
							  DirectFunctionCall1(pg_lsn_in,
												  CStringGetDatum(value))),
						  inclusive);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized recovery target \"%s\"", target),
			 errhint("Targets are \"name:RESTORE_POINT\", \"xid:XID\", \"time:TIME\", \"lsn:LSN\" and \"latest\".")));
}
