/*-------------------------------------------------------------------------
 *
 * backup_call.c
 *	  A backup of a page store that is named by its foreign server, and the
 *	  tasks of its background workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "files/outdir.h"
#include "heap/databases.h"
#include "miscadmin.h"
#include "process/sessionworker.h"
#include "stats/calls.h"
#include "storage/fd.h"
#include "stores/backup_call.h"
#include "stores/store_access.h"
#include "stores/store_timelines.h"

#define TABLESPACES "pg_tblspc"

BbBackupCall
bb_backup_call_open(const BbReqCtx *ctx, const BbBackupRequest *request)
{
	BbBackupCall call = {.ctx = ctx, .options = request->options};
	BbStoreAccess access = bb_store_access(ctx, request->server,
										   request->timeline);
	BbPageStore *store = bb_store_timeline_of(ctx, &access, request->timeline);

	call.snapshot = bb_store_snapshot(ctx, store, request->lsn);
	call.task = (BbBackupTask){
		.parent = *ctx,
		.lsn = call.snapshot.lsn,
		.options_hash = access.options_hash,
	};
	strlcpy(call.task.server, request->server, NAMEDATALEN);
	strlcpy(call.task.timeline, bb_pagestore_info(store)->timeline,
			NAMEDATALEN);
	strlcpy(call.task.function, request->function, NAMEDATALEN);
	return call;
}

static BbAhead *
fetch_ahead(const BbBackupCall *call)
{
	return bb_ahead_new(call->ctx, call->missing, &call->task,
						call->options.full);
}

BbBackupCall
bb_backup_call_begin(const BbReqCtx *ctx, const BbBackupRequest *request)
{
	BbBackupCall call = bb_backup_call_open(ctx, request);

	if (request->only_databases != NIL)
		call.options.partial = bb_databases_only(ctx, &call.snapshot,
												 request->only_databases);
	/* the workers need not ask again */
	if (bb_ahead_ask(ctx, &call.snapshot, call.options.full, &call.missing))
		call.task.parent.download_behavior = BB_DOWNLOAD_ALLOW;
	/* only a worker compares it, and it takes a look at each layer */
	if (call.options.jobs > 1 || call.missing != NIL)
		call.task.identity = bb_pagestore_identity(&call.snapshot);
	if (call.options.jobs <= 1)
		call.ahead = fetch_ahead(&call);
	call.plan = bb_plan_new(ctx, &call.snapshot, &call.options);
	if (call.options.progress)
	{
		bb_backup_measure(ctx, call.plan);
		bb_calls_describe(ctx, &(BbCallAbout){.bytes_total = call.plan->size});
	}
	return call;
}

BbBackup *
bb_backup_call_start(const BbBackupCall *call, BbBackupForm form, BbSink *last)
{
	BbBackup   *backup = bb_backup_new(call->ctx, call->plan, &call->task,
									   form, last);

	bb_backup_follow(backup,
					 call->options.jobs > 1 ? fetch_ahead(call) : call->ahead);
	return backup;
}

void
bb_backup_call_run(const BbBackupCall *call, BbBackupForm form, BbSink *last)
{
	BbBackup   *backup = bb_backup_call_start(call, form, last);

	while (bb_backup_step(call->ctx, backup))
		;
	bb_reqctx_end(call->ctx);
}

static List *
add_off_limits(List *list, const char *path, const char *what)
{
	BbOffLimits *limit = palloc(sizeof(BbOffLimits));

	limit->path = path;
	limit->what = what;
	return lappend(list, limit);
}

List *
bb_backup_call_off_limits(const BbBackupCall *call)
{
	BbObjectStore *objects = bb_pagestore_object_store(call->snapshot.store);
	const char *directory = objects != NULL
		? bb_objstore_local_directory(objects)
		: NULL;
	List	   *list = NIL;
	DIR		   *links;
	struct dirent *entry;

	list = add_off_limits(list, DataDir, "the data directory of this server");
	links = AllocateDir(TABLESPACES);
	while ((entry = ReadDir(links, TABLESPACES)) != NULL)
	{
		if (entry->d_name[0] != '.')
			list = add_off_limits(list,
								  psprintf(TABLESPACES "/%s", entry->d_name),
								  "a tablespace of this server");
	}
	FreeDir(links);
	if (directory != NULL)
		list = add_off_limits(list, directory, "the page store");
	return list;
}

/* ---- background workers ---- */

void
bb_ahead_task(const void *payload, size_t length)
{
	const BbAheadTask *task = payload;
	const BbBackupTask *backup = &task->backup;
	const BbReqCtx
		*ctx = bb_reqctx_attached_child_of(&backup->parent, BB_TASK_PREFETCH,
										   bb_sessionworker_counters());

	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = backup->function,
									 .lsn = backup->lsn});
	bb_ahead_serve(ctx,
				   bb_store_timeline_same(ctx, backup->server,
										  backup->timeline,
										  backup->options_hash),
				   task);
	bb_reqctx_end(ctx);
}

void
bb_pages_task(const void *payload, size_t length)
{
	const BbBackupTask *task = payload;
	const BbReqCtx
		*ctx = bb_reqctx_attached_child_of(&task->parent,
										   task->parent.task_kind,
										   bb_sessionworker_counters());

	bb_calls_describe(ctx,
					  &(BbCallAbout){.function = task->function,
									 .lsn = task->lsn});
	bb_parallel_serve(ctx,
					  bb_store_timeline(ctx, task->server, task->timeline),
					  task);
	bb_reqctx_end(ctx);
}
