/*-------------------------------------------------------------------------
 *
 * mend.c
 *	  Layers that are lost: bb_mend(), from a second copy, and from the source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/foreigntext.h"
#include "catalog/pg_authid_d.h"
#include "funcs/arguments.h"
#include "import/rebase.h"
#include "intake/serverwal.h"
#include "stats/jobfaults.h"
#include "stores/source_access.h"
#include "stores/store_access.h"
#include "upkeep/mend.h"
#include "upkeep/pace.h"
#include "utils/builtins.h"

BB_SQL_FUNCTION(bb_sql_mend);

/* What bb_mend() was called with. */
typedef struct MendCall
{
	const BbReqCtx *ctx;
	const char *timeline;
	BbObjectStore *objects;
	BbObjectStore *copy;	 /* NULL: no second copy */
	const char *source_name; /* NULL: no source */
	const BbSource *source;
	BbServerBackupOptions options;
	const char *directory; /* NULL: no data directory */
} MendCall;

static char *
text_or_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	return PG_ARGISNULL(n) ? NULL : bb_arg_text(fcinfo, n, name);
}

static MendCall
arguments(FunctionCallInfo fcinfo, const BbReqCtx *ctx)
{
	MendCall	call = {.ctx = ctx,
						.timeline = bb_arg_text(fcinfo, 0, "timeline"),
						.directory = text_or_null(fcinfo, 4,
												  "from_directory")};

	if (PG_ARGISNULL(1) && PG_ARGISNULL(3) && call.directory == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to mend timeline \"%s\" from",
						call.timeline),
				 errhint("Name a page store with a copy by from_store, or the cluster itself by from_source or from_directory.")));
	if (!PG_ARGISNULL(3) && call.directory != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments \"from_source\" and \"from_directory\" exclude each other")));
	if (!PG_ARGISNULL(1))
		call.copy = bb_store_open(ctx, bb_arg_name(fcinfo, 1, "from_store"),
								  call.timeline);
	call.objects = bb_store_open(ctx, bb_arg_name(fcinfo, 2, "store"),
								 call.timeline);
	if (!PG_ARGISNULL(3))
	{
		call.source_name = bb_arg_name(fcinfo, 3, "from_source");
		call.source = bb_source_access(call.source_name);
		call.options = bb_arg_server_backup(fcinfo, 5);
	}
	if (call.directory != NULL)
		bb_call_need_role(ROLE_PG_READ_SERVER_FILES, "pg_read_server_files",
						  "import a data directory");
	return call;
}

/* Store a new base, which is whole, so that the present can be read again. */
static XLogRecPtr
rebase(const MendCall *call, const List *lost)
{
	BbRebaseResult result;

	if (call->directory != NULL)
		result = bb_rebase_from_directory(call->ctx, call->objects,
										  call->timeline, call->directory,
										  NULL, NULL, lost);
	else
	{
		BbReplConnection *connection = bb_repl_connect(call->ctx,
													   &call->source->target);

		result = bb_rebase_from_server(call->ctx, call->objects,
									   call->timeline, connection,
									   &call->options,
									   bb_serverwal_session(call->ctx,
															call->source_name),
									   lost);
		bb_repl_close(connection);
	}
	ereport(NOTICE,
			(errmsg("timeline \"%s\" has a new base, and can be read at its end",
					call->timeline),
			 errdetail("It has a gap from " BB_LSN_FORMAT " to " BB_LSN_FORMAT ", and " UINT64_FORMAT
					   " of " UINT64_FORMAT " pages were stored.",
					   LSN_FORMAT_ARGS(result.gap_start),
					   LSN_FORMAT_ARGS(result.gap_end), result.pages_stored,
					   result.pages)));
	return result.gap_end;
}

static void
mended_row(FunctionCallInfo fcinfo, const BbMended *mended,
		   const char *message)
{
	bb_result_row(fcinfo,
				  (Datum[]){CStringGetTextDatum(mended->layer),
							CStringGetTextDatum(
								bb_finding_kind_name(mended->kind)),
							Int64GetDatum((int64) mended->bytes),
							BoolGetDatum(mended->mended),
							bb_text_datum(message)},
				  NULL);
}

/* What the row of a layer says after a new base, or when none was needed. */
static const char *
message_of(const BbMended *mended, XLogRecPtr readable)
{
	const char *stop;

	if (mended->mended || mended->message[0] == '\0')
		return mended->message;
	stop = mended->message[strlen(mended->message) - 1] == '.' ? "" : ".";
	if (mended->lost == NIL)
		return psprintf(
			"%s%s The end of the timeline is read without this layer.",
			mended->message, stop);
	return psprintf("%s%s What it had is lost, but from " BB_LSN_FORMAT
					" on its keys are read from the new base.",
					mended->message, stop, LSN_FORMAT_ARGS(readable));
}

/*
 * bb_mend(timeline text, from_store name, store name, from_source name,
 *		   from_directory text, checkpoint text, max_rate integer)
 */
static Datum
bb_sql_mend_body(PG_FUNCTION_ARGS)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_VERIFY);
	MendCall	call = arguments(fcinfo, ctx);
	bool		has_source = call.source != NULL || call.directory != NULL;
	XLogRecPtr	readable = InvalidXLogRecPtr;
	List	   *done;
	List	   *lost = NIL;
	int			left = 0;
	BbJobPlace	place;
	ListCell   *cell;

	(void) bb_result_begin(fcinfo);
	bb_upkeeppace_begin(ctx, NULL);
	done = bb_mending_run(ctx, call.objects, call.copy, call.timeline);
	foreach(cell, done)
	{
		const BbMended *mended = lfirst(cell);

		left += !mended->mended;
		lost = list_concat(lost, mended->lost);
	}
	if (has_source && lost != NIL)
		readable = rebase(&call, lost);
	/* upkeep need not wait to do what it has left out */
	place = bb_jobplace(bb_arg_name(fcinfo, 2, "store"), call.timeline);
	bb_jobs_retry_faults(&place);
	foreach(cell, done)
	{
		const BbMended *mended = lfirst(cell);

		mended_row(fcinfo, mended,
				   has_source ? message_of(mended, readable)
							  : mended->message);
	}
	if (left > 0 && !has_source)
		ereport(NOTICE,
				(errmsg_plural("%d layer of timeline \"%s\" could not be mended",
							   "%d layers of timeline \"%s\" could not be mended",
							   left, left, call.timeline),
				 errhint("Try another copy. Without one, what they had is lost; from_source or from_directory lets the end of the timeline be read again.")));
	bb_reqctx_end(ctx);
	return (Datum) 0;
}
