/*-------------------------------------------------------------------------
 *
 * timeline_rows.c
 *	  Rows that are made of the manifests of one timeline, or of all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcs/arguments.h"
#include "funcs/timeline_rows.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"
#include "utils/memutils.h"

void
bb_timeline_rows(FunctionCallInfo fcinfo, BbTimelineRows rows, void *arg)
{
	const BbReqCtx *ctx = bb_call_of(fcinfo, BB_TASK_LISTING);
	char	   *server = bb_arg_name(fcinfo, 0, "store");
	char	   *name = PG_ARGISNULL(1) ? NULL
									   : bb_arg_text(fcinfo, 1, "timeline");
	BbObjectStore *objects = bb_store_open(ctx, server, name);
	MemoryContext row_context = bb_result_begin(fcinfo);
	List	   *names = name ? list_make1(name)
							 : bb_store_timelines(ctx, objects, server);
	ListCell   *cell;

	foreach(cell, names)
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);
		BbManifest *manifest = name
			? bb_manifest_read(ctx, objects, name)
			: bb_store_listed_timeline(ctx, objects, lfirst(cell));

		if (manifest != NULL)
			rows(ctx, fcinfo, objects, manifest, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	bb_reqctx_end(ctx);
}
