/*-------------------------------------------------------------------------
 *
 * gap.c
 *	  WAL that the source has no longer, from the archive that it writes: a
 *	  directory, or what restore_command fetches.
 *
 *		 end of the timeline			  where the source's WAL begins
 *	  ────────────┤◄───────── gap ─────────►├──────────────► source
 *			   ───┴─────── wal_directory ───┴──
 *
 * An archive that reaches some way is some help: the receiver then goes on from
 * where it ends, or reports another gap there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/archive.h"
#include "base/compat.h"
#include "intake/follower_internal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "wal/directory_source.h"

/* What does the source still have?  Its tli, and the slot's position. */
typedef struct Remaining
{
	TimeLineID	tli;
	XLogRecPtr	lsn; /* Invalid: not known */
} Remaining;

static Remaining
ask_source(const BbReqCtx *ctx, const BbSource *source, const char *slot,
		   uint64 system_identifier)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "bbackup gap source",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BbReplConnection *connection = bb_repl_connect(ctx, &source->target);
	const BbReplServer *server = bb_repl_server(connection);
	Remaining	remaining;

	if (server->system_identifier != system_identifier)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("source \"%s\" is another server than the one that is followed",
						source->name),
				 errdetail("The server at %s has system identifier " UINT64_FORMAT
						   " instead of " UINT64_FORMAT ".",
						   server->host, server->system_identifier,
						   system_identifier),
				 errhint("Correct the hosts of the source by ALTER SERVER.  A cluster that was made anew, as by pg_upgrade, takes a new timeline: call bb_unfollow() for this one, and bb_follow() for another, of which bb_set_upgraded_from() notes that it continues this one.")));
	remaining.tli = server->tli;
	remaining.lsn = bb_repl_slot_read(ctx, connection, slot).restart_lsn;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return remaining;
}

pg_noreturn static void
raise_gap(BbFollower *follower, const BbSource *source, const char *archive,
		  XLogRecPtr end, const Remaining *remaining)
{
	const BbFollowing *following = follower->following;
	const char *range = XLogRecPtrIsInvalid(remaining->lsn) ||
			remaining->lsn <= end
		? psprintf("WAL from " BB_LSN_FORMAT " on", LSN_FORMAT_ARGS(end))
		: psprintf("WAL from " BB_LSN_FORMAT " to " BB_LSN_FORMAT,
				   LSN_FORMAT_ARGS(end), LSN_FORMAT_ARGS(remaining->lsn));

	/* one of several hosts may get the WAL, or be replaced by one that has it */
	if (bb_repl_host_count(&source->target) == 1)
		follower->verdict = BB_FOLLOW_HOPELESS;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("timeline \"%s\" misses WAL that source \"%s\" has removed",
					following->timeline, following->source),
			 archive == NULL
				 ? errdetail("%s is missing. The source has no wal_directory.",
							 range)
				 : errdetail("%s is missing, also in %s.", range, archive),
			 errhint("Put the WAL into the wal_directory of the source, and call bb_follow() again. Or store a new base backup in the same timeline: SELECT bb_rebase_server(%s, %s, %s), then bb_follow(). Or follow with a new timeline.",
					 quote_literal_cstr(following->source),
					 quote_literal_cstr(following->store),
					 quote_literal_cstr(following->timeline))));
}

XLogRecPtr
bb_gap_heal(const BbReqCtx *ctx, BbFollower *follower, BbObjectStore *objects,
			const BbSource *source, const BbManifest *manifest)
{
	Remaining	remaining = ask_source(ctx, source, follower->following->slot,
									   manifest->system_identifier);
	BbWalPlace	place = {
		.target = {.kind = BB_WAL_NUMBER, .tli = remaining.tli}};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	const char *archive;
	XLogRecPtr	end;
	ErrorData *volatile error = NULL;

	if (source->wal_directory == NULL && source->restore_command == NULL)
		raise_gap(follower, source, NULL, manifest->end_lsn, &remaining);
	context = AllocSetContextCreate(caller, "bbackup gap",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	place.files = bb_archive_files(source->wal_directory,
								   source->restore_command == NULL
									   ? NULL
									   : bb_fetcher_new(
											 source->restore_command));
	archive = MemoryContextStrdup(caller, place.files->name);
	PG_TRY();
	{
		(void) bb_ingest(ctx, objects, manifest->timeline,
						 bb_waldirectory_origin(&place), InvalidXLogRecPtr);
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);

	/* what was ingested before an error stays */
	end = bb_manifest_read(ctx, objects, manifest->timeline)->end_lsn;
	if (end > manifest->end_lsn)
	{
		ereport(LOG,
				(errmsg("WAL from " BB_LSN_FORMAT " to " BB_LSN_FORMAT " that source \"%s\" has removed was taken from %s",
						LSN_FORMAT_ARGS(manifest->end_lsn),
						LSN_FORMAT_ARGS(end), source->name, archive)));
		return end;
	}
	/* an archive that lacks the first segment isn't another error */
	if (error != NULL && error->sqlerrcode != ERRCODE_UNDEFINED_FILE)
		ReThrowError(error);
	raise_gap(follower, source, archive, end, &remaining);
}
